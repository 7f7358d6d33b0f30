"""Proportions: what part of the recipients was accepted, say, and how sure that is.

`wilson` is for observations that do not depend on each other.  Those of one domain do: one
server decides on all of them, so `clustered` asks how far whole domains differ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smtpbook.statistics.interval import Interval, difference, normal_quantile

# One more than these divides well: 0.95 of a thousand is a whole number.
_RESAMPLES: Final = 999
# Of so many clusters Student's quantile is within a fiftieth of the resampled one; the
# simulations of tests/statistics hold what either covers.
_MANY: Final = 100
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
    successes: ArrayLike,
    n: ArrayLike,
    *,
    times: ArrayLike | None = None,
    around: float | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Give the interval of a proportion whose observations come in clusters.

    The variance between clusters tells of how many independent observations the proportion
    is worth (Rao and Scott); with so many, the interval is Wilson's.  How many standard
    errors it reaches is taken from resampled clusters instead of the normal distribution,
    which holds too rarely where a few domains have most of the recipients (Cameron, Gelbach
    and Miller; symmetric).  Where the variance is that of very many clusters, Student's
    distribution tells the same (Satterthwaite), and nothing is resampled.  The combination
    is ours; the tests hold what it covers.

    Parameters
    ----------
    successes, n : array_like of float, one per cluster
        How many of how many recipients, say, of each domain.  Clusters with none of them
        do not count.
    times : array_like of int, optional
        How many clusters each pair stands for; one each if omitted.
    around : float, 0 to 1, optional
        Another proportion of such observations, whose interval is wanted instead.
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
    414-427.  Satterthwaite (1946), An approximate distribution of estimates of variance
    components, Biometrics Bulletin 2, 110-114.
    """
    count, trials = np.broadcast_arrays(*_counts(successes, n))
    each = np.ones(trials.shape, np.int64) if times is None else np.asarray(times, np.int64)
    observed = (trials > 0) & (each > 0)
    kinds, number = _kinds(count[observed], trials[observed], each[observed])
    clusters, total = int(number.sum()), float(number @ kinds[1])
    if not clusters:
        return wilson(0, 0, confidence=confidence)
    share, variance = (float(of[0]) for of in _ratio(number[None, :], kinds))
    if variance <= _NO_VARIANCE:
        worth, reach = float(clusters), normal_quantile(confidence)
        method = "clusters counted once (Wilson)"
    else:
        worth = min(total, share * (1 - share) / variance)
        freedom = _freedom(number, kinds, share)
        if freedom >= _MANY:
            # Imported here: to load it takes half as long as pandas, and few ask for it.
            from scipy.special import stdtrit

            reach = float(stdtrit(freedom, (1 + confidence) / 2))
            method = "many clusters (Wilson)"
        else:
            reach = _reach(number, kinds, share, confidence, seed)
            method = "cluster bootstrap (Wilson)"
    middle = share if around is None else around
    low, high = _score_limits(np.array(middle), np.array(worth), reach)
    return Interval(
        estimate=middle,
        low=float(low),
        high=float(high),
        n=round(total),
        effective_n=worth,
        method=method,
        confidence=confidence,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Change:
    """What a proportion is in two samples, and by how much it differs."""

    a: Interval
    b: Interval
    change: Interval


class Clusters:
    """The clusters of two samples, of which many proportions are to be compared.

    Most proportions are of something rare, which few clusters have.  So each is given by
    those alone; all others have none of it.

    Parameters
    ----------
    n_a, n_b : array_like of float
        How many observations each cluster has in either sample; a cluster stands at the
        same place in both, with 0 where it is not in one.
    is_clustered : bool
        False: each observation is taken as independent of all others.

    Raises
    ------
    ValueError
        There are not as many in ``n_a`` as in ``n_b``.
    """

    def __init__(
        self, n_a: ArrayLike, n_b: ArrayLike, *, is_clustered: bool = True
    ) -> None:
        self._n = np.asarray(n_a, float).ravel(), np.asarray(n_b, float).ravel()
        if len(self._n[0]) != len(self._n[1]):
            raise ValueError(
                f"{len(self._n[0])} clusters are in n_a, {len(self._n[1])} in n_b; a "
                "cluster that is not in one sample has a 0 there"
            )
        self.totals = float(self._n[0].sum()), float(self._n[1].sum())
        self._is_clustered = is_clustered
        self._sizes = [
            np.unique(n, return_inverse=True, return_counts=True) for n in self._n
        ]
        self._products = [[float(one @ other) for other in self._n] for one in self._n]

    def compare(self, where: ArrayLike, x_a: ArrayLike, x_b: ArrayLike) -> Change:
        """Give a proportion in either sample, and the interval of ``b`` minus ``a``.

        Parameters
        ----------
        where : array_like of int
            Places of the clusters that have any of it, each once.
        x_a, x_b : array_like of float
            How many of its observations each of these has in either sample.

        Returns
        -------
        Change
            Newcombe's interval, of Wilson intervals or of those of `clustered`; the latter
            with the correlation that the clusters which are in both samples bring about.
        """
        places = np.asarray(where, np.int64).ravel()
        counts = np.asarray(x_a, float).ravel(), np.asarray(x_b, float).ravel()
        if not self._is_clustered:
            a, b = (
                wilson(float(x.sum()), total)
                for x, total in zip(counts, self.totals, strict=True)
            )
            return Change(a=a, b=b, change=difference(a, b))
        a, b = (self._share(sample, places, counts[sample]) for sample in (0, 1))
        correlation = self._correlation(places, counts)
        return Change(a=a, b=b, change=difference(a, b, correlation=correlation))

    def _share(
        self, sample: int, places: NDArray[np.int64], x: NDArray[np.float64]
    ) -> Interval:
        sizes, place, times = self._sizes[sample]
        left = times - np.bincount(place[places], minlength=len(times))
        return clustered(
            np.concatenate([x, np.zeros(len(sizes))]),
            np.concatenate([self._n[sample][places], sizes]),
            times=np.concatenate([np.ones(len(x), np.int64), left]),
        )

    def _correlation(
        self,
        places: NDArray[np.int64],
        counts: tuple[NDArray[np.float64], NDArray[np.float64]],
    ) -> float:
        """Correlate what clusters have more of a thing than their size makes likely."""
        if not (self.totals[0] and self.totals[1]):
            return 0.0
        shares = [x.sum() / total for x, total in zip(counts, self.totals, strict=True)]

        def product(one: int, other: int) -> float:
            x, y = counts[one], counts[other]
            n, m = self._n[one][places], self._n[other][places]
            return float(
                x @ y
                - shares[other] * (x @ m)
                - shares[one] * (y @ n)
                + shares[one] * shares[other] * self._products[one][other]
            )

        spread = product(0, 0) * product(1, 1)
        if spread <= _NO_VARIANCE:
            return 0.0
        return min(max(product(0, 1) / math.sqrt(spread), -1.0), 1.0)


def _kinds(
    count: NDArray[np.float64], trials: NDArray[np.float64], times: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Put clusters together that are alike: most domains have one recipient."""
    order = np.lexsort((trials, count))
    pairs = np.stack([count[order], trials[order]])
    is_new = np.ones(len(order), bool)
    is_new[1:] = (pairs[:, 1:] != pairs[:, :-1]).any(axis=0)
    first = np.flatnonzero(is_new)
    number = np.add.reduceat(times[order], first) if len(first) else times[:0]
    return pairs[:, first], number


def _freedom(times: NDArray[np.int64], kinds: NDArray[np.float64], share: float) -> float:
    """Tell of how many clusters the variance is, were all to have the same part of it."""
    squares = (kinds[0] - share * kinds[1]) ** 2
    squares = squares / squares.max()
    return float((times @ squares) ** 2 / (times @ squares**2))


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
