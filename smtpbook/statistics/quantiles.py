"""Quantiles: the interval of a median or of a p99, whatever the distribution is.

Latencies have long tails and clumps, so nothing is assumed of their shape: the ends are two
of the observed times themselves.  `quantile_interval` takes them as independent of each
other, `clustered_quantile` those of different servers alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smtpbook.statistics.interval import Interval, normal_quantile
from smtpbook.statistics.proportions import clustered


def quantile_ranks(n: int, q: float, *, confidence: float = 0.95) -> tuple[int, int]:
    """Tell which two of ``n`` sorted values are the ends of a quantile's interval.

    Of values that are independent and of one distribution, the number below its quantile
    ``q`` is binomial.  At either end, ``(1 - confidence) / 2`` at most is left out.

    Parameters
    ----------
    n : int
        How many values there are.
    q : float, 0 to 1, neither of them
    confidence : float

    Returns
    -------
    low, high : int
        From 1, the least value, to ``n``.  0 and ``n + 1`` mean that there is no such end:
        of 100 values, none is sure to be above p99.

    Raises
    ------
    ValueError
        ``q`` or ``confidence`` is not between 0 and 1, or ``n`` is negative.

    References
    ----------
    Conover (1999), Practical nonparametric statistics, 3rd edition, section 3.2.  David and
    Nagaraja (2003), Order statistics, 3rd edition, section 7.1.

    Examples
    --------
    >>> quantile_ranks(100, 0.5)
    (40, 61)
    """
    if n < 0 or not 0 < q < 1:
        raise ValueError(f"n is 0 or more, q lies between 0 and 1; they are {n} and {q:g}")
    normal_quantile(confidence)  # refuses what is no confidence
    if n == 0:
        return 0, 1
    # Imported here: to load it takes half as long as pandas, and few ask for it.
    from scipy.special import bdtrik

    tail = (1 - confidence) / 2
    low, below = (max(math.ceil(float(bdtrik(p, n, q))), 0) for p in (tail, 1 - tail))
    return low, below + 1


def quantile_interval(
    values: ArrayLike, q: float = 0.5, *, confidence: float = 0.95, least: float = -math.inf
) -> Interval:
    """Give the interval of a quantile; it holds at least as often as ``confidence``.

    Parameters
    ----------
    values : array_like of float
        In any order.
    q : float, 0 to 1, neither of them
        0.5 is the median.
    confidence : float
    least : float
        The least that a value can be, such as 0 of a latency.

    Returns
    -------
    Interval
        The estimate is interpolated linearly, as in `smtpbook.latency_by_command`.  With
        too few values, `low` is ``least`` and `high` infinite.

    Raises
    ------
    ValueError
        A value is NaN, or as of `quantile_ranks`.

    Examples
    --------
    >>> print(quantile_interval([0.2, 0.1, 0.4, 0.9, 0.3, 0.5, 0.8], least=0))
    0.4 (0.1 to 0.9; 95 % interval: order statistics, n = 7)
    """
    numbers = _known(values)
    n = len(numbers)
    low, high = quantile_ranks(n, q, confidence=confidence)
    wanted = [rank - 1 for rank in (low, high) if 1 <= rank <= n]
    ordered = np.partition(numbers, wanted) if wanted else numbers
    return Interval(
        estimate=float(np.quantile(numbers, q)) if n else math.nan,
        low=float(ordered[low - 1]) if low >= 1 else least,
        high=float(ordered[high - 1]) if high <= n else math.inf,
        n=n,
        effective_n=float(n),
        method="order statistics",
        confidence=confidence,
    )


def clustered_quantile(
    values: ArrayLike,
    clusters: ArrayLike,
    q: float = 0.5,
    *,
    confidence: float = 0.95,
    least: float = -math.inf,
    seed: int = 0,
) -> Interval:
    """Give the interval of a quantile of values that come in clusters.

    How far the part of values up to the estimate may be off is taken from `clustered`; the
    ends are the quantiles at so much less and so much more than ``q`` (Woodruff).  What so
    many independent values would not bound is not bounded.

    Parameters
    ----------
    values : array_like of float
        In any order.
    clusters : array_like
        Which cluster each value is of, such as its domain or server.
    q, confidence, least
        As of `quantile_interval`.
    seed : int
        Of the resampling.

    Returns
    -------
    Interval
        As of `quantile_interval`.

    Raises
    ------
    ValueError
        There is not one cluster for each value, or as of `quantile_interval`.

    References
    ----------
    Woodruff (1952), Confidence intervals for medians and other position measures, JASA 47,
    635-646.
    """
    numbers, places = _known(values), np.asarray(clusters).ravel()
    if len(numbers) != len(places):
        raise ValueError(f"there are {len(numbers)} values, but {len(places)} clusters")
    if not len(numbers):
        return quantile_interval(numbers, q, confidence=confidence, least=least)
    if not 0 < q < 1:
        raise ValueError(f"q lies between 0 and 1 and is not {q:g}")
    estimate = float(np.quantile(numbers, q))
    _, place = np.unique(places, return_inverse=True)
    n = np.bincount(place)
    up_to = np.bincount(place[numbers <= estimate], minlength=len(n))
    part = clustered(up_to, n, around=q, confidence=confidence, seed=seed)
    return around_quantile(
        estimate,
        q,
        part,
        lower=lambda level: float(np.quantile(numbers, level, method="lower")),
        higher=lambda level: float(np.quantile(numbers, level, method="higher")),
        least=least,
    )


def around_quantile(
    estimate: float,
    q: float,
    part: Interval,
    *,
    lower: Callable[[float], float],
    higher: Callable[[float], float],
    least: float = -math.inf,
) -> Interval:
    """Give the interval of a quantile from that of the part of values up to it (Woodruff).

    Parameters
    ----------
    estimate : float
        The quantile ``q`` of the values.
    q : float, 0 to 1, neither of them
    part : Interval
        Around ``q``, from how far the part of values up to the estimate may be off.
    lower, higher : callable
        Give the quantile at another level: of two values between which it lies, the less
        and the greater.
    least : float
        As of `quantile_interval`.

    Returns
    -------
    Interval
    """
    # As of so many independent values, none may be sure to lie beyond: `quantile_ranks`.
    tail, worth = (1 - part.confidence) / 2, part.effective_n
    is_low, is_high = (
        part.low > 0 and (1 - q) ** worth <= tail,
        part.high < 1 and q**worth <= tail,
    )
    return Interval(
        estimate=estimate,
        low=lower(part.low) if is_low else least,
        high=higher(part.high) if is_high else math.inf,
        n=part.n,
        effective_n=part.effective_n,
        method=part.method.replace("Wilson", "Woodruff"),
        confidence=part.confidence,
    )


def _known(values: ArrayLike) -> NDArray[np.float64]:
    numbers = np.asarray(values, float).ravel()
    if missing := int(np.isnan(numbers).sum()):
        raise ValueError(
            f"{missing} of {len(numbers)} values are NaN; leave them out (dropna), say so"
        )
    return numbers
