"""Times: the distribution of how long replies took, for each command, and how sure it is.

Every time falls into a class a thousandth of itself wide.  Two histograms of such classes
are put together by adding what they count, and whatever is asked of one, such as both ends
of an interval, takes no more room and no further look at the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from smtpbook.statistics.interval import Interval
from smtpbook.statistics.proportions import clustered
from smtpbook.statistics.quantiles import around_quantile, quantile_ranks
from smtpbook.tables.engine import query
from smtpbook.tables.parts import Part, merge_by
from smtpbook.tables.replies import Replies
from smtpbook.tables.scan import Log

CLASS_ERROR: Final = 0.001
"""By which part of itself a time of a class may be off, at most."""

# In whatever order whole numbers are added, the sum is the same.
SUM_NS: Final = "CAST(sum(TRY_CAST(seconds * 1e9 AS BIGINT)) AS DECIMAL(38, 0))"
"""The sum of ``seconds`` in SQL, in nanoseconds; times without end are left out."""
_CLASSES: Final = f"""
SELECT
    verb,
    CAST(floor(ln(greatest(seconds, 1e-9)) / ln({1 + CLASS_ERROR})) AS INTEGER) AS class,
    count(*) AS n,
    {SUM_NS} AS ns,
    min(seconds) AS least,
    max(seconds) AS greatest
FROM log WHERE %s GROUP BY verb, class
"""
_SORTED: Final = """
SELECT verb, class, n, CAST(ns AS DOUBLE) / 1e9, least, greatest
FROM classes ORDER BY verb, class
"""
_CLASS_DTYPES: Final = {
    "verb": "string",
    "class": "int64",
    "replies": "int64",
    "sum_s": "float64",
    "min_s": "float64",
    "max_s": "float64",
}
# Clusters that have the same counts are told once.
_CLUSTERS: Final = """
WITH asked AS (SELECT unnest($verbs) AS verb, unnest($limits) AS limits)
SELECT verb, coalesce(session_id, recipient_domain) AS cluster, %s, count(*) AS n
FROM log JOIN asked USING (verb) WHERE %s GROUP BY verb, cluster
"""
_UP_TO: Final = "count(*) FILTER (seconds <= limits[{0}]) AS up_to_{0}"
_ALIKE: Final = """
SELECT verb, {0} AS number, up_to_{0} AS up_to, n, count(*) AS times
FROM clusters GROUP BY verb, up_to, n"""


class Times:
    """The times of one command, sorted, in classes.

    Parameters
    ----------
    classes : DataFrame
        Of at least one: ``replies`` (int) and, of these, ``sum_s``, ``min_s`` and ``max_s``
        (float, seconds), ascending.
    """

    def __init__(self, classes: pd.DataFrame) -> None:
        number = classes["replies"].to_numpy()
        self._end = np.cumsum(number)
        self._min, self._max = (classes[name].to_numpy() for name in ("min_s", "max_s"))
        self._mean = np.clip(classes["sum_s"].to_numpy() / number, self._min, self._max)
        self.n = int(self._end[-1])
        self.sum_s = float(classes["sum_s"].sum())
        self.max_s = float(self._max[-1])

    def quantile(self, q: float) -> float:
        """Give a quantile, interpolated linearly."""
        place = q * (self.n - 1)
        below, part = int(place), place - int(place)
        first = self._mean[self._class(below)]
        second = self._mean[self._class(min(below + 1, self.n - 1))]
        return float(first + part * (second - first))

    def up_to(self, q: float) -> float:
        """Give a time up to which there are as many as up to a quantile, at least."""
        return float(self._max[self._class(int(q * (self.n - 1)))])

    def lower(self, level: float) -> float:
        """Give a time that is no greater than the one below a quantile."""
        return float(self._min[self._class(int(level * (self.n - 1)))])

    def higher(self, level: float) -> float:
        """Give a time that is no less than the one above a quantile."""
        return float(self._max[self._class(int(np.ceil(level * (self.n - 1))))])

    def interval(self, q: float) -> Interval:
        """Give the interval of a quantile, each time taken as independent of the others."""
        low, high = quantile_ranks(self.n, q)
        return Interval(
            estimate=self.quantile(q),
            low=float(self._min[self._class(low - 1)]) if low >= 1 else 0.0,
            high=float(self._max[self._class(high - 1)]) if high <= self.n else np.inf,
            n=self.n,
            effective_n=float(self.n),
            method="order statistics",
        )

    def _class(self, place: int) -> int:
        return int(np.searchsorted(self._end, place, side="right"))


def times_of(log: Log, replies: Replies, column: str) -> dict[str, Times]:
    """Give the times of each verb.

    Parameters
    ----------
    log : DataFrame or Scan
    replies : Replies
        Which rows count.
    column : str
        Of seconds.
    """
    found = query(
        _SORTED,
        _CLASS_DTYPES,
        needs=needs_of(replies, column),
        parameters=replies.parameters,
        parts={
            "classes": Part(
                sql=_CLASSES % is_timed(replies),
                merge={
                    **merge_by("sum", "n", "ns"),
                    **merge_by("min", "least"),
                    **merge_by("max", "greatest"),
                },
            )
        },
        log=log,
    )
    return {str(verb): Times(own) for verb, own in found.groupby("verb", sort=False)}


def quantile_intervals(
    log: Log,
    replies: Replies,
    column: str,
    quantiles: Sequence[float],
    *,
    is_clustered: bool = True,
) -> dict[str, list[Interval]]:
    """Give the interval of each quantile of the times of each verb.

    Replies of one session resemble each other (where none is told, those of one recipient
    domain), so sessions are what is counted: `smtpbook.statistics.quantiles`.

    Parameters
    ----------
    log, replies, column
        As of `times_of`.
    quantiles : sequence of float, 0 to 1, neither of them
    is_clustered : bool
        False: each reply is taken as independent of all others.

    Returns
    -------
    dict of str to list of Interval
        By verb, in the order of ``quantiles``.  What is not bounded is 0 or infinite.
    """
    times = times_of(log, replies, column)
    if not is_clustered:
        return {verb: [own.interval(q) for q in quantiles] for verb, own in times.items()}
    if not (times and quantiles):
        return {verb: [] for verb in times}
    numbers = range(1, len(quantiles) + 1)
    counts = ", ".join(_UP_TO.format(number) for number in numbers)
    alike = " UNION ALL ".join(_ALIKE.format(number) for number in numbers)
    sums = query(
        f"WITH clusters AS MATERIALIZED (FROM sums) {alike}",
        {"verb": "string", **dict.fromkeys(("number", "up_to", "n", "times"), "int64")},
        needs={
            **needs_of(replies, column),
            **{name: name for name in ("session_id", "recipient_domain")},
        },
        parameters={
            **replies.parameters,
            "verbs": list(times),
            "limits": [[own.up_to(q) for q in quantiles] for own in times.values()],
        },
        parts={
            "sums": Part(
                sql=_CLUSTERS % (counts, is_timed(replies)),
                merge=merge_by("sum", "n", *(f"up_to_{number}" for number in numbers)),
            )
        },
        log=log,
    )
    found: dict[str, list[Interval]] = {verb: [] for verb in times}
    parts = dict(iter(sums.groupby(["verb", "number"])))
    for verb, own in times.items():
        for number, q in zip(numbers, quantiles, strict=True):
            found[verb].append(_interval(own, q, parts[verb, number]))
    return found


def _interval(times: Times, q: float, clusters: pd.DataFrame) -> Interval:
    counts = (clusters[name].to_numpy() for name in ("up_to", "n", "times"))
    up_to, n, alike = counts
    return around_quantile(
        times.quantile(q),
        q,
        clustered(up_to, n, times=alike, around=q),
        lower=times.lower,
        higher=times.higher,
        least=0.0,
    )


def is_timed(replies: Replies) -> str:
    """Tell in SQL which rows have a verb and a time (there: ``seconds``)."""
    return f"{replies.sql} AND verb IS NOT NULL AND seconds IS NOT NULL"


def needs_of(replies: Replies, column: str) -> Mapping[str, Any]:
    """Give the columns that `is_timed` looks at."""
    return {**replies.needs, "verb": "verb", "seconds": column}
