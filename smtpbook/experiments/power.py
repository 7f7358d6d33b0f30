"""Power: what difference can be found with so many recipients, and how many it takes.

Of two proportions, such as those accepted, with recipients that are independent of each
other; what is assumed of the first proportion is said with each figure.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import Final

from smtpbook.statistics.interval import normal_quantile

_STEPS: Final = 60  # of a bisection: to the last bit


def detectable_fall(
    n_a: int,
    n_b: int,
    *,
    baseline: float = 0.9,
    power: float = 0.8,
    confidence: float = 0.95,
    comparisons: int = 1,
) -> float:
    """Give the least fall of a proportion that is likely to be found.

    Parameters
    ----------
    n_a, n_b : int
        Recipients of either level.
    baseline : float
        0 to 1: the proportion of the first, an assumption.
    power : float
        0.5 to 1: how often such a fall is found.
    confidence : float
    comparisons : int
        How many are made; each is held to a so much higher standard (Bonferroni), which
        Holm's may only lower.

    Returns
    -------
    float
        NaN: not even a fall to 0 is likely to be found.

    Raises
    ------
    ValueError
        A number is not in its range.

    References
    ----------
    Fleiss, Levin and Paik (2003), Statistical methods for rates and proportions, 3rd
    edition, chapter 4: sample sizes, without a correction for continuity.

    Examples
    --------
    >>> round(detectable_fall(1000, 1000, baseline=0.9), 4)
    0.0407
    """
    z_alpha, z_beta = _quantiles(baseline, power, confidence, comparisons)
    if not (n_a and n_b):
        return math.nan

    def is_found(fall: float) -> bool:
        lower = baseline - fall
        pooled = (n_a * baseline + n_b * lower) / (n_a + n_b)
        by_chance = math.sqrt(pooled * (1 - pooled) * (1 / n_a + 1 / n_b))
        spread = math.sqrt(baseline * (1 - baseline) / n_a + lower * (1 - lower) / n_b)
        return fall >= z_alpha * by_chance + z_beta * spread

    if not is_found(baseline):
        return math.nan
    low, high = 0.0, baseline
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_found(middle) else (middle, high)
    return high


def sample_size(
    fall: float,
    *,
    baseline: float = 0.9,
    power: float = 0.8,
    confidence: float = 0.95,
    comparisons: int = 1,
) -> int:
    """Give how many recipients each level needs, so that a fall is likely to be found.

    Parameters, errors and references are those of `detectable_fall`.

    Examples
    --------
    >>> sample_size(0.05, baseline=0.9)
    686
    """
    z_alpha, z_beta = _quantiles(baseline, power, confidence, comparisons)
    if not 0 < fall <= baseline:
        raise ValueError(f"fall={fall:g}: more than 0, and {baseline:g} at most")
    lower = baseline - fall
    middle = (baseline + lower) / 2
    by_chance = z_alpha * math.sqrt(2 * middle * (1 - middle))
    spread = z_beta * math.sqrt(baseline * (1 - baseline) + lower * (1 - lower))
    return math.ceil(((by_chance + spread) / fall) ** 2)


def _quantiles(
    baseline: float, power: float, confidence: float, comparisons: int
) -> tuple[float, float]:
    for name, given in (("baseline", baseline), ("power", power)):
        if not isinstance(given, Real):
            raise ValueError(f"{name}={given!r} is no number")
    if not 0 < baseline < 1 or not 0.5 < power < 1 or comparisons < 1:
        raise ValueError(
            f"baseline={baseline:g} lies between 0 and 1, power={power:g} between 0.5 and "
            f"1, and comparisons={comparisons} is 1 or more"
        )
    level = 1 - (1 - confidence) / comparisons
    return normal_quantile(level), normal_quantile(2 * power - 1)
