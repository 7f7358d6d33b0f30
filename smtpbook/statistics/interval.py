"""Interval: a number, the range that likely holds the true one, and how both came about.

Also the interval of a difference, from the intervals of its two parts.  How an interval is
made of what was observed is told in the other modules.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate and its confidence interval.

    Attributes
    ----------
    estimate : float
        What was observed; NaN = nothing was.
    low, high : float
        Ends of the interval.  What the observations do not bound is infinite, or the least
        or the greatest value that there can be, such as 0 and 1 of a proportion.
    n : int
        How many were observed.
    effective_n : float
        How many independent ones would tell as much; less than `n` if they resemble
        each other or were not observed to the end.
    method : str
        Whose, for a caption.
    confidence : float
        0 to 1: how often such an interval holds the true value.

    Examples
    --------
    >>> print(Interval(estimate=0.25, low=0.1, high=0.45, n=20, effective_n=20.0,
    ...                method="Wilson"))
    0.25 (0.1 to 0.45; 95 % interval: Wilson, n = 20)
    """

    estimate: float
    low: float
    high: float
    n: int
    effective_n: float
    method: str
    confidence: float = 0.95

    def __str__(self) -> str:
        return f"{self.estimate:.3g} ({self.low:.3g} to {self.high:.3g}; {self.caption})"

    @property
    def caption(self) -> str:
        """What a chart says of the interval: its confidence, its method and n."""
        told = f"{self.confidence * 100:g} % interval: {self.method}, n = {self.n:,}"
        if round(self.effective_n) == self.n:
            return told
        return f"{told}, worth {self.effective_n:,.0f} independent ones"


def difference(a: Interval, b: Interval, *, correlation: float = 0.0) -> Interval:
    """Give the interval of ``b`` minus ``a``.

    The distances from the estimates to the ends are squared and added, at each end those
    that matter there.  Of two Wilson intervals this is Newcombe's method 10; of others,
    such as those of two medians, Zou and Donner's generalisation of it.

    Parameters
    ----------
    a, b : Interval
        Of samples that are independent of each other, or else of this correlation.
    correlation : float, -1 to 1
        Between the two estimates.  If the same domains stand in both samples, what they
        have in common cancels out; see `smtpbook.statistics.proportions.Clusters`.

    Returns
    -------
    Interval
        `n` and `effective_n` are sums.  If either estimate is NaN, the ends are those of
        the farthest difference that both intervals allow.

    Raises
    ------
    ValueError
        The intervals differ in their confidence.

    References
    ----------
    Newcombe (1998), Interval estimation for the difference between independent proportions,
    Statistics in Medicine 17, 873-890, method 10; and, of paired ones, 17, 2635-2650.  Zou
    and Donner (2008), Construction of confidence limits about effect measures, Statistics
    in Medicine 27, 1693-1702.
    """
    if a.confidence != b.confidence:
        raise ValueError(
            f"one interval has a confidence of {a.confidence:g}, the other of "
            f"{b.confidence:g}; make both with the same"
        )
    change = b.estimate - a.estimate
    if math.isnan(change):
        low, high = b.low - a.high, b.high - a.low
    else:
        low = change - _off(b.estimate - b.low, a.high - a.estimate, correlation)
        high = change + _off(b.high - b.estimate, a.estimate - a.low, correlation)
    both = a.method if a.method == b.method else f"{a.method} and {b.method}"
    return Interval(
        estimate=change,
        low=low,
        high=high,
        n=a.n + b.n,
        effective_n=a.effective_n + b.effective_n,
        method="Newcombe" if both == "Wilson" else f"difference of {both}",
        confidence=a.confidence,
    )


def _off(one: float, other: float, correlation: float) -> float:
    """Give how far a difference is off if its parts are so far off, in opposite ways."""
    if math.isinf(one) or math.isinf(other):
        return math.inf
    shared = 2 * correlation * one * other
    return math.sqrt(max(one**2 + other**2 - shared, 0.0))


def normal_quantile(confidence: float) -> float:
    """Give how many standard errors a two-sided interval reaches to each side.

    >>> round(normal_quantile(0.95), 3)
    1.96

    Raises
    ------
    ValueError
        ``confidence`` is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(
            f"confidence lies between 0 and 1, such as 0.95, and is not {confidence:g}"
        )
    return -NormalDist().inv_cdf((1 - confidence) / 2)
