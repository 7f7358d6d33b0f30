"""Comparing: whether two logs differ by more than chance, in one way or in several.

How far they differ is told by intervals, and matters more: with enough mail, the least
difference is more than chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from smtpbook.statistics.interval import Interval, normal_quantile
from smtpbook.statistics.survival import check_durations, kaplan_meier


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """How much speaks against "there is no difference".

    Attributes
    ----------
    statistic : float
        Standard errors that the observations lie off, positive if ``b`` has the greater
        proportion, the greater values, the longer waits; NaN = nothing was observed.
    p_value : float
        0 to 1: how often chance alone would bring as much, in either direction; NaN =
        nothing was observed.
    n : int
        How many were observed, in both together.
    method : str
        Whose, for a caption.
    """

    statistic: float
    p_value: float
    n: int
    method: str


def evidence_of(change: Interval) -> Evidence:
    """Tell what the interval of a difference says against "there is none".

    The standard error is what the interval has of it on the side of 0 (Altman and Bland).
    So whatever the interval allows for, such as clusters, the p-value does too, and it is
    below 0.05 if the interval of 95 % holds no 0.

    Parameters
    ----------
    change : Interval
        Of a difference, as `smtpbook.statistics.interval.difference` gives it.

    Returns
    -------
    Evidence

    References
    ----------
    Altman and Bland (2011), How to obtain the P value from a confidence interval, BMJ 343,
    d2304.

    Examples
    --------
    >>> from smtpbook.statistics.proportions import newcombe
    >>> round(evidence_of(newcombe(48, 80, 56, 70)).p_value, 4)
    0.0079
    """
    value, n = change.estimate, change.n
    method = f"from the interval: {change.method}"
    if math.isnan(value):
        return Evidence(statistic=math.nan, p_value=math.nan, n=n, method=method)
    off = value - change.low if value > 0 else change.high - value
    if value == 0 or math.isinf(off):
        return _evidence(0.0, n, method)
    reach = normal_quantile(change.confidence)
    return _evidence(
        reach * value / off if off else math.copysign(math.inf, value), n, method
    )


def score_test(a: Interval, b: Interval) -> Evidence:
    """Test whether two proportions are the same.

    Each counts with its effective n, so it also serves for clustered ones (Rao and Scott
    1992, section 3); of independent observations it is Pearson's chi-squared test.

    Parameters
    ----------
    a, b : Interval
        Of `smtpbook.statistics.proportions.wilson` or ``clustered``.

    Returns
    -------
    Evidence

    References
    ----------
    Pearson (1900), Philosophical Magazine 50, 157-175, without a correction for continuity.
    Rao and Scott (1992), Biometrics 48, 577-585.
    """
    worth = a.effective_n + b.effective_n
    method, n = "score test", a.n + b.n
    if not (a.effective_n and b.effective_n):
        return Evidence(statistic=math.nan, p_value=math.nan, n=n, method=method)
    pooled = (a.estimate * a.effective_n + b.estimate * b.effective_n) / worth
    error = math.sqrt(pooled * (1 - pooled) * (1 / a.effective_n + 1 / b.effective_n))
    return _evidence((b.estimate - a.estimate) / error if error else 0.0, n, method)


def rank_sum(a: ArrayLike, b: ArrayLike) -> Evidence:
    """Test whether the values of one sample tend to be greater than those of the other.

    Parameters
    ----------
    a, b : array_like of float
        Latencies, say, independent of each other.  Ties are corrected for; the normal
        distribution stands for the exact one, so let there be 8 of each or more.

    Returns
    -------
    Evidence

    Raises
    ------
    ValueError
        A value is NaN.

    References
    ----------
    Mann and Whitney (1947), On a test of whether one of two random variables is
    stochastically larger than the other, Annals of Mathematical Statistics 18, 50-60.
    """
    first, second = np.asarray(a, float).ravel(), np.asarray(b, float).ravel()
    both = np.concatenate([first, second])
    if missing := int(np.isnan(both).sum()):
        raise ValueError(
            f"{missing} of {len(both)} values are NaN; leave them out (dropna), say so"
        )
    method, n = "Mann-Whitney test", len(both)
    if not (len(first) and len(second)):
        return Evidence(statistic=math.nan, p_value=math.nan, n=n, method=method)
    ranks, (_, ties) = stats.rankdata(both), np.unique(both, return_counts=True)
    pairs = float(len(first)) * len(second)
    greater = ranks[len(first) :].sum() - len(second) * (len(second) + 1) / 2
    tied = (ties.astype(float) ** 3 - ties).sum() / (n * (n - 1))
    error = math.sqrt(pairs / 12 * max(n + 1 - tied, 0))
    return _evidence((greater - pairs / 2) / error if error else 0.0, n, method)


def log_rank(
    durations_a: ArrayLike,
    is_event_a: ArrayLike,
    durations_b: ArrayLike,
    is_event_b: ArrayLike,
) -> Evidence:
    """Test whether waits last as long in one sample as in the other.

    Parameters
    ----------
    durations_a, is_event_a, durations_b, is_event_b : array_like
        As of `smtpbook.statistics.survival.kaplan_meier`.

    Returns
    -------
    Evidence

    Raises
    ------
    ValueError
        As of `smtpbook.statistics.survival.kaplan_meier`.

    References
    ----------
    Mantel (1966), Evaluation of survival data and two new rank order statistics arising in
    its consideration, Cancer Chemotherapy Reports 50, 163-170.
    """
    a, b = (
        check_durations(durations_a, is_event_a),
        check_durations(durations_b, is_event_b),
    )
    method, n = "log-rank test", len(a[0]) + len(b[0])
    if not (len(a[0]) and len(b[0])):
        return Evidence(statistic=math.nan, p_value=math.nan, n=n, method=method)
    # An event tells something only while both samples are watched, and some wait on.
    shared = min(a[0].max(), b[0].max())
    pooled = kaplan_meier(*map(np.concatenate, zip(a, b, strict=True)))
    tells = (pooled.events > 0) & (pooled.events < pooled.at_risk)
    if not (tells & (pooled.times <= shared)).any():
        return _evidence(0.0, n, method)
    censored = [
        stats.CensoredData(uncensored=waits[ended], right=waits[~ended])
        for waits, ended in (a, b)
    ]
    return _evidence(stats.logrank(*censored).statistic, n, method)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjust p-values of several comparisons, so that any false alarm is as rare as of one.

    Parameters
    ----------
    p_values : sequence of float
        NaN = that comparison could not be made; it stays NaN and does not count.

    Returns
    -------
    tuple of float
        In the same order, each 1 at most.

    Raises
    ------
    ValueError
        A p-value is not between 0 and 1.

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian
    Journal of Statistics 6, 65-70.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03, 0.005])
    (0.03, 0.06, 0.06, 0.02)
    """
    given = np.asarray(p_values, float)
    made = np.flatnonzero(~np.isnan(given))
    if not ((given[made] >= 0) & (given[made] <= 1)).all():
        raise ValueError("p-values lie between 0 and 1")
    ascending = made[np.argsort(given[made], kind="stable")]
    factors = np.arange(len(made), 0, -1)
    adjusted = given.copy()
    adjusted[ascending] = np.minimum(np.maximum.accumulate(factors * given[ascending]), 1)
    return tuple(adjusted.tolist())


def _evidence(statistic: float, n: int, method: str) -> Evidence:
    p_value = float(2 * stats.norm.sf(abs(statistic)))
    return Evidence(statistic=float(statistic), p_value=p_value, n=n, method=method)
