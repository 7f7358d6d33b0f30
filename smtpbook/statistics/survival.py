"""Survival: how long something lasts, when it was not watched to the end for everybody.

A recipient who is deferred waits to be accepted; of one who was given up, or whose log
ends, only a least wait is known.  Leaving those out would make waits look short, so Kaplan
and Meier count everybody for as long as they were watched.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smtpbook.statistics.interval import Interval, normal_quantile

_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Survival:
    """Kaplan and Meier's estimate with a band; one place per step, all of one length.

    Attributes
    ----------
    times : ndarray of float
        Ascending; when somebody's wait ended, or was watched no longer.  The estimate is 1
        before the first.
    at_risk : ndarray of int
        How many still waited, and were watched, just before.
    events : ndarray of int
        How many waits ended at this time.
    estimate : ndarray of float, 0 to 1
        What part waits longer than this.
    low, high : ndarray of float, 0 to 1
        The band.  It is pointwise: at each time it holds the true value as often as
        `confidence` says, not at all times together.
    effective_n : ndarray of float
        How many, watched to the end, would tell as much (Dorey and Korn 1987).
    n : int
        How many there were.
    confidence : float
    method : str
    """

    times: NDArray[np.float64]
    at_risk: NDArray[np.int64]
    events: NDArray[np.int64]
    estimate: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    effective_n: NDArray[np.float64]
    n: int
    confidence: float
    method: str

    def at(self, time: float) -> Interval:
        """Give what part waits longer than ``time``.

        After the last time nothing is known but that the part is no greater: the estimate
        is NaN there, unless it was 0 already.
        """
        step = int(np.searchsorted(self.times, time, side="right")) - 1
        if step < 0:
            return self._interval(1.0, 1.0 if self.n else 0.0, 1.0, self.n)
        estimate, low = float(self.estimate[step]), float(self.low[step])
        if time > self.times[-1]:
            estimate, low = (estimate if estimate == 0 else math.nan), 0.0
        high, worth = float(self.high[step]), float(self.effective_n[step])
        return self._interval(estimate, low, high, worth)

    def quantile(self, q: float = 0.5) -> Interval:
        """Give by what time the part ``q`` has ended; 0.5 is the median.

        The ends are where the band comes down to ``1 - q`` (Brookmeyer and Crowley 1982);
        what never does is infinite.

        Raises
        ------
        ValueError
            ``q`` is not between 0 and 1.
        """
        if not 0 < q < 1:
            raise ValueError(f"q lies between 0 and 1, such as 0.5, and is not {q:g}")
        estimate, low, high = (
            float(self.times[reached[0]]) if len(reached) else math.inf
            for side in (self.estimate, self.low, self.high)
            for reached in [np.flatnonzero(side <= 1 - q + _ROUNDING)]
        )
        return self._interval(estimate, low if self.n else 0.0, high, self.n)

    def _interval(self, estimate: float, low: float, high: float, worth: float) -> Interval:
        return Interval(
            estimate=estimate if self.n else math.nan,
            low=low,
            high=high,
            n=self.n,
            effective_n=float(worth),
            method=self.method,
            confidence=self.confidence,
        )


def kaplan_meier(
    durations: ArrayLike, is_event: ArrayLike, *, confidence: float = 0.95
) -> Survival:
    """Estimate how long waits last.

    Parameters
    ----------
    durations : array_like of float, 0 or more
        How long each wait was watched, such as ``waited_s`` of `smtpbook.retry_times`.
    is_event : array_like of bool
        Whether it ended then; False = it may have gone on (right-censored), as it must for
        a reason that has nothing to do with how long the wait would have been.
    confidence : float

    Returns
    -------
    Survival
        Without steps if there are no waits.

    Raises
    ------
    ValueError
        A duration is NaN or negative, an event neither True nor False, the lengths differ,
        or ``confidence`` is not between 0 and 1.

    References
    ----------
    Kaplan and Meier (1958), Nonparametric estimation from incomplete observations, JASA 53,
    457-481.  For the band see `survival_band`.

    Examples
    --------
    >>> curve = kaplan_meier([300, 600, 600, 900, 900], [True, True, False, True, False])
    >>> print(curve.at(600))
    0.6 (0.126 to 0.882; 95 % interval: Kaplan-Meier, log-log, n = 5)
    """
    waits, ended = check_durations(durations, is_event)
    times, place = np.unique(waits, return_inverse=True)
    events = np.bincount(place[ended], minlength=len(times))
    watched = np.bincount(place, minlength=len(times))
    at_risk = len(waits) - np.cumsum(watched) + watched
    estimate, low, high, worth = survival_band(at_risk, events, confidence=confidence)
    return Survival(
        times=times,
        at_risk=at_risk,
        events=events,
        estimate=estimate,
        low=low,
        high=high,
        effective_n=worth,
        n=len(waits),
        confidence=confidence,
        method="Kaplan-Meier, log-log",
    )


def survival_band(
    at_risk: ArrayLike, events: ArrayLike, *, confidence: float = 0.95
) -> tuple[
    NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]
]:
    """Give Kaplan and Meier's estimate and its band for each step of a table of counts.

    The variance is Greenwood's, the interval symmetric in log(-log S), so that it stays
    between 0 and 1.  At two places that formula tells nothing.  Before the first event the
    low end is the exact one of a proportion without failures; once nobody waits any more,
    the high end is that of the step before.

    Parameters
    ----------
    at_risk, events : array_like of int
        Of each time, ascending, as in `Survival`.
    confidence : float

    Returns
    -------
    estimate, low, high, effective_n : ndarray of float

    Raises
    ------
    ValueError
        There are more events than at risk, or ``confidence`` is not between 0 and 1.

    References
    ----------
    Greenwood (1926), The natural duration of cancer.  Kalbfleisch and Prentice (2002), The
    statistical analysis of failure time data, 2nd edition, section 1.4: log-log.  Clopper
    and Pearson (1934), Biometrika 26, 404-413: no failures.  Dorey and Korn (1987),
    Effective sample sizes for confidence intervals for survival probabilities, Statistics
    in Medicine 6, 679-687.
    """
    risk, ended = np.asarray(at_risk, float), np.asarray(events, float)
    if not ((ended >= 0) & (ended <= risk) & (risk > 0)).all():
        raise ValueError("events lie between 0 and at_risk, and at_risk is 1 or more")
    reach, tail = normal_quantile(confidence), (1 - confidence) / 2
    estimate = np.cumprod(1 - ended / risk)
    is_all, is_none = estimate == 1, estimate == 0
    inside = ~is_all & ~is_none
    left = np.where(risk > ended, risk - ended, 1)  # 0 left: `is_none`, kept from division
    greenwood = np.cumsum(ended / (risk * left))

    log = np.log(estimate, where=inside, out=np.full_like(estimate, -1))
    spread = np.exp(reach * np.sqrt(greenwood) / -log)
    low, high = estimate**spread, estimate ** (1 / spread)
    low[is_all] = tail ** (1 / risk[is_all])
    worth = risk.copy()
    worth[inside] = (1 - estimate[inside]) / (estimate[inside] * greenwood[inside])
    if is_none.any():
        first = int(is_none.argmax())
        high[is_none] = high[first - 1] if first else 1 - tail ** (1 / risk[0])
        worth[is_none] = worth[first - 1] if first else risk[0]
    return estimate, low, high, worth


def check_durations(
    durations: ArrayLike, is_event: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Make arrays of both, or tell what is wrong with them.

    Raises
    ------
    ValueError
        A duration is NaN or negative, an event neither True nor False, or the lengths
        differ.
    """
    waits, ended = np.asarray(durations, float), np.asarray(is_event, float)
    if waits.ndim != 1 or waits.shape != ended.shape:
        raise ValueError(
            f"durations has the shape {waits.shape}, is_event {ended.shape}; "
            "they are of one length"
        )
    wrong = ~(waits >= 0)
    if wrong.any():
        raise ValueError(
            f"durations are 0 or more; {int(wrong.sum())} of {len(waits)} are not, "
            f"the first is {waits[wrong][0]:g}"
        )
    if not np.isin(ended, (0, 1)).all():
        raise ValueError("is_event is True or False; it is neither somewhere (null?)")
    return waits, ended == 1
