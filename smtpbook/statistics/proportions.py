"""Proportions: what part of the recipients was accepted, say, and how sure that is.

`wilson` is for observations that do not depend on each other.  Those of one domain do: one
server decides on all of them, so `clustered` asks how far whole domains differ.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smtpbook.statistics.interval import Interval, difference, normal_quantile

# One more than these divides well: 0.95 of a thousand is a whole number.
_RESAMPLES: Final = 999
_NO_VARIANCE: Final = 1e-24  # of a proportion: what rounding leaves


def wilson(successes: float, n: float, *, confidence: float = 0.95) -> Interval:
    """Give Wilson's score interval of a proportion.

    Parameters
    ----------
    successes, n : float
        How many of how many.
    confidence : float

    Returns
    -------
    Interval
        From 0 to 1, with the estimate NaN, if ``n`` is 0.

    Raises
    ------
    ValueError
        ``successes`` is not between 0 and ``n``, or ``confidence`` not between 0 and 1.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference,
    JASA 22, 209-212.  Brown, Cai and DasGupta (2001), Interval estimation for a binomial
    proportion, Statistical Science 16, 101-133, equation 4: what it covers.

    Examples
    --------
    >>> print(wilson(81, 263))
    0.308 (0.255 to 0.366; 95 % interval: Wilson, n = 263)
    """
    low, high = wilson_limits(successes, n, confidence=confidence)
    return Interval(
        estimate=successes / n if n else math.nan,
        low=float(low),
        high=float(high),
        n=round(n),
        effective_n=float(n),
        method="Wilson",
        confidence=confidence,
    )


def wilson_limits(
    successes: ArrayLike, n: ArrayLike, *, confidence: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give both ends of Wilson's interval for each of many proportions.

    Parameters
    ----------
    successes, n : array_like of float
        How many of how many; of the same shape, or of shapes that fit.
    confidence : float

    Returns
    -------
    low, high : ndarray of float, 0 to 1

    Raises
    ------
    ValueError
        As of `wilson`.
    """
    count, trials = _counts(successes, n)
    # Of no observation any proportion will do: the interval is the whole range.
    share = np.where(trials > 0, count / np.where(trials > 0, trials, 1), 0.5)
    return _score_limits(share, trials, normal_quantile(confidence))


def newcombe(
    successes_a: float,
    n_a: float,
    successes_b: float,
    n_b: float,
    *,
    confidence: float = 0.95,
) -> Interval:
    """Give Newcombe's interval of the difference of two proportions, ``b`` minus ``a``.

    See `smtpbook.statistics.interval.difference`.

    Raises
    ------
    ValueError
        As of `wilson`.

    Examples
    --------
    >>> print(newcombe(48, 80, 56, 70))
    0.2 (0.0524 to 0.334; 95 % interval: Newcombe, n = 150)
    """
    return difference(
        wilson(successes_a, n_a, confidence=confidence),
        wilson(successes_b, n_b, confidence=confidence),
    )


def clustered(
    successes: ArrayLike, n: ArrayLike, *, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Give the interval of a proportion whose observations come in clusters.

    The variance between clusters tells of how many independent observations the proportion
    is worth (Rao and Scott); with so many, the interval is Wilson's.  How many standard
    errors it reaches is taken from resampled clusters instead of the normal distribution,
    which holds too rarely where a few domains have most of the recipients (Cameron, Gelbach
    and Miller; symmetric).  The combination is ours; the tests hold what it covers.

    Parameters
    ----------
    successes, n : array_like of float, one per cluster
        How many of how many recipients, say, of each domain.  Clusters with none of them
        do not count.
    confidence : float
    seed : int
        Of the resampling: the same observations give the same interval, in any order.

    Returns
    -------
    Interval
        If there is one cluster, or all have the same proportion, nothing is known of how
        clusters differ: each then counts as one observation.

    Raises
    ------
    ValueError
        As of `wilson`, or there are not as many ``successes`` as ``n``.

    References
    ----------
    Rao and Scott (1992), A simple method for the analysis of clustered binary data,
    Biometrics 48, 577-585.  Cameron, Gelbach and Miller (2008), Bootstrap-based
    improvements for inference with clustered errors, Review of Economics and Statistics 90,
    414-427.
    """
    count, trials = np.broadcast_arrays(*_counts(successes, n))
    observed = trials > 0
    pairs = np.stack([count[observed], trials[observed]])
    clusters, total = pairs.shape[1], float(pairs[1].sum())
    if not clusters:
        return wilson(0, 0, confidence=confidence)
    # Clusters that are alike are drawn together: most domains have one recipient.
    kinds, times = np.unique(pairs, axis=1, return_counts=True)
    share, variance = (float(of[0]) for of in _ratio(times[None, :], kinds))
    if variance <= _NO_VARIANCE:
        worth, reach = float(clusters), normal_quantile(confidence)
        method = "clusters counted once (Wilson)"
    else:
        worth = min(total, share * (1 - share) / variance)
        reach = _reach(times, kinds, share, confidence, seed)
        method = "cluster bootstrap (Wilson)"
    low, high = _score_limits(np.array(share), np.array(worth), reach)
    return Interval(
        estimate=share,
        low=float(low),
        high=float(high),
        n=round(total),
        effective_n=worth,
        method=method,
        confidence=confidence,
    )


def _ratio(
    times: NDArray[Any], kinds: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the proportion and its variance between clusters, for each row of draws.

    The variance is v = m / ((m - 1) n²) Σ (x - n p)² (Rao and Scott 1992, section 2); it is
    0 of a single cluster.
    """
    successes, n = kinds
    clusters = int(times[0].sum())
    total = times @ n
    share = (times @ successes) / total
    squares = (times * (successes - share[:, None] * n) ** 2).sum(axis=1)
    return share, clusters / max(clusters - 1, 1) * squares / total**2


def _reach(
    times: NDArray[Any],
    kinds: NDArray[np.float64],
    share: float,
    confidence: float,
    seed: int,
) -> float:
    """Give how many standard errors off resampled proportions are, all but a few."""
    clusters = int(times.sum())
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(clusters, times / clusters, size=_RESAMPLES)
    shares, variances = _ratio(draws, kinds)
    # A draw of clusters that are all alike knows no error.
    off = np.full(_RESAMPLES, np.inf)
    known = variances > _NO_VARIANCE
    off[known] = np.abs(shares[known] - share) / np.sqrt(variances[known])
    return float(np.quantile(off, confidence, method="higher"))


def _score_limits(
    share: NDArray[np.float64], n: NDArray[np.float64], reach: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Solve (p - share)² = reach² p (1 - p) / n for p (Wilson 1927)."""
    if not math.isfinite(reach):
        return np.zeros_like(share), np.ones_like(share)
    square = reach**2
    middle = n * share + square / 2
    half = reach * np.sqrt(n * share * (1 - share) + square / 4)
    low, high = (middle - half) / (n + square), (middle + half) / (n + square)
    # Rounding would leave some of those that are 1 off by 2e-16.
    return low, np.where(share == 1, 1, np.minimum(high, 1))


def _counts(
    successes: ArrayLike, n: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    count, trials = np.asarray(successes, float), np.asarray(n, float)
    if count.ndim and trials.ndim and count.shape != trials.shape:
        raise ValueError(f"successes has the shape {count.shape}, n has {trials.shape}")
    # NaN is not between either.
    wrong = ~((count >= 0) & (count <= trials) & np.isfinite(trials))
    if wrong.any():
        pair = [np.broadcast_to(of, wrong.shape)[wrong][0] for of in (count, trials)]
        raise ValueError(
            f"successes lie between 0 and n: {pair[0]:g} of {pair[1]:g} do not"
        )
    return count, trials
