"""Latency: how long replies took, for each command, and which took longest.

Quantiles are exact wherever there is room for it.  Where there is not, each command has a
histogram of the logarithms of its times: two of them are put together by adding what they
count, and a quantile is off by half a percent of itself at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import pandas as pd

from smtpbook.events import SCHEMA
from smtpbook.tables.engine import PLACE, query
from smtpbook.tables.replies import IS_REPLY
from smtpbook.tables.scan import Log, Scan

# The order in which a session says them (RFC 5321 section 4.1.4, 3207, 4954, 3030).
SESSION_ORDER: Final = (
    "GREETING",
    "LHLO",
    "EHLO",
    "HELO",
    "STARTTLS",
    "AUTH",
    "MAIL",
    "RCPT",
    "DATA",
    "BDAT",
    "END-OF-DATA",
    "RSET",
    "NOOP",
    "VRFY",
    "EXPN",
    "HELP",
    "QUIT",
)
EXACT_BYTES: Final = 32
"""What a time that is kept to find quantiles may take of a scan's memory."""

# A class of the histogram is so much wider than the one before.
_STEP: Final = 1.01
_ERROR: Final = _STEP**0.5 - 1
_IS_TIMED: Final = f"{IS_REPLY} AND verb IS NOT NULL AND seconds IS NOT NULL"
_EXACT: Final = f"""
WITH found AS (
    SELECT
        verb,
        count(*) AS replies,
        avg(seconds) AS mean,
        quantile_cont(seconds, [%s]) AS times
    FROM log WHERE {_IS_TIMED} GROUP BY verb
)
SELECT verb, replies, mean, %s FROM found
"""
_CLASSES: Final = f"""
SELECT
    verb,
    CAST(floor(ln(greatest(seconds, 1e-9)) / ln({_STEP})) AS INTEGER) AS class,
    count(*),
    sum(seconds),
    max(seconds)
FROM log WHERE {_IS_TIMED} GROUP BY verb, class ORDER BY verb, class
"""
_CLASS_DTYPES: Final = {
    "verb": "category",
    "class": "int64",
    "replies": "int64",
    "sum_s": "float64",
    "max_s": "float64",
}
_TIMED: Final = f"SELECT verb, seconds FROM log WHERE {_IS_TIMED} ORDER BY place"
_ROWS: Final = "SELECT count(*) FROM log WHERE seconds IS NOT NULL"
_DTYPES: Final = {column.name: column.dtype for column in SCHEMA}
_TOLD: Final = (
    *("time", "session_id", "seq", "verb", "recipient", "server"),
    *("reply_code", "reply_text", "service_s", "latency_s"),
)
_SLOWEST: Final = f"""
SELECT {", ".join(_TOLD)} FROM log
WHERE {IS_REPLY} AND seconds IS NOT NULL ORDER BY seconds DESC, place LIMIT $n
"""


def latency_by_command(
    log: Log,
    *,
    quantiles: Sequence[float] = (0.5, 0.95, 0.99),
    column: str = "service_s",
    exact: bool | None = None,
) -> pd.DataFrame:
    """Tell how long replies took, for each command.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.
    quantiles : sequence of float, 0 to 1
        Which quantiles to give, interpolated linearly.
    column : str
        ``"service_s"`` is what the server took for this command alone; ``"latency_s"``
        and ``"first_byte_s"`` also hold the wait behind earlier commands of a group.
    exact : bool, optional
        Whether every single time is looked at to find quantiles.  If omitted, that is so
        for a DataFrame, and for a scan with 32 octets of memory for each time.

    Returns
    -------
    DataFrame
        One row per verb in the order in which a session says them: ``verb``, ``replies``
        (int), ``mean_s``, one column per quantile (``p50_s``, ``p95_s``, …), ``max_s``;
        all in seconds.  Where the quantiles are not exact, there is ``quantile_error``
        (float) besides: by which part of itself a quantile may be off, 0.005.

    Raises
    ------
    ColumnError
        The log lacks ``column`` or ``verb``.
    ValueError
        A quantile is not between 0 and 1.
    """
    if not all(0 <= q <= 1 for q in quantiles):
        raise ValueError(f"quantiles lie between 0 and 1, not {list(quantiles)}")
    needs = {**_needs(column), "verb": "verb"}
    named = {f"p{q * 100:g}_s": float(q) for q in quantiles}
    if exact is None:
        exact = _has_room(log, column)
    if not exact:
        return _of_classes(query(_CLASSES, _CLASS_DTYPES, needs=needs, log=log), named)
    asked = {**named, "max_s": 1.0}
    each = ", ".join(f"times[{number}]" for number in range(1, len(asked) + 1))
    table = query(
        _EXACT % (", ".join(map(repr, asked.values())), each),
        {
            "verb": "category",
            "replies": "int64",
            **dict.fromkeys(("mean_s", *asked), "float64"),
        },
        needs=needs,
        log=log,
    )
    return _in_session_order(table)


def _needs(column: str) -> dict[str, str]:
    return {"kind": "kind", "reply_code": "reply_code", "seconds": column}


def _has_room(log: Log, column: str) -> bool:
    if not isinstance(log, Scan):
        return True
    rows = query(_ROWS, {"rows": "int64"}, needs={"seconds": column}, log=log)
    return int(rows["rows"].iloc[0]) * EXACT_BYTES <= log.memory_bytes


def _of_classes(classes: pd.DataFrame, quantiles: Mapping[str, float]) -> pd.DataFrame:
    """Make the table of a histogram: how many times of a verb are in which class."""
    verbs = classes.groupby("verb", observed=True)
    replies = verbs["replies"].sum()
    table = pd.DataFrame({"replies": replies, "mean_s": verbs["sum_s"].sum() / replies})
    below = verbs["replies"].cumsum() - classes["replies"]
    last = verbs["replies"].transform("sum") - 1
    for name, q in quantiles.items():
        # Of the time at this place the class is known: the last that begins before it.
        begun = classes[below <= q * last]
        found = _STEP ** (begun.groupby("verb", observed=True)["class"].last() + 0.5)
        table[name] = found.clip(upper=verbs["max_s"].max())
    table["max_s"] = verbs["max_s"].max()
    table["quantile_error"] = _ERROR
    return _in_session_order(table.rename_axis("verb").reset_index())


def _in_session_order(table: pd.DataFrame) -> pd.DataFrame:
    verbs = [str(verb) for verb in table["verb"]]
    order = [verbs.index(verb) for verb in session_order(verbs)]
    return table.iloc[order].reset_index(drop=True)


def timed_replies(log: Log, column: str = "service_s") -> pd.DataFrame:
    """Give ``verb`` and the time in ``column``, where both are known, of each reply.

    Returns
    -------
    DataFrame
        In the log's order: ``verb`` (category) and ``column`` (float, seconds).

    Raises
    ------
    ColumnError
        The log lacks a column.
    """
    needs = {**_needs(column), "verb": "verb", PLACE: PLACE}
    return query(_TIMED, {"verb": "category", column: "float64"}, needs=needs, log=log)


def session_order(verbs: Iterable[str]) -> list[str]:
    """Sort verbs as a session says them; unknown ones stand last, by name."""
    known = {verb: place for place, verb in enumerate(SESSION_ORDER)}
    return sorted(verbs, key=lambda verb: (known.get(verb, len(known)), verb))


def slowest_command(log: Log) -> tuple[str, float, float] | None:
    """Give the command with the greatest median: verb, median and p95 of ``service_s``.

    Returns
    -------
    tuple of str, float, float, or None
        Times in seconds; None if no reply was timed.
    """
    table = latency_by_command(log, quantiles=(0.5, 0.95))
    if table.empty:
        return None
    slowest = table.iloc[int(table["p50_s"].argmax())]
    return str(slowest["verb"]), float(slowest["p50_s"]), float(slowest["p95_s"])


def slowest(log: Log, n: int = 20, *, column: str = "service_s") -> pd.DataFrame:
    """Give the replies that took longest, the slowest first.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.
    n : int
        How many.
    column : str
        Which time counts, as in `latency_by_command`.

    Returns
    -------
    DataFrame
        ``time``, ``session_id``, ``seq``, ``verb``, ``recipient``, ``server``,
        ``reply_code``, ``reply_text``, ``service_s``, ``latency_s``, with the log's dtypes;
        ``smtpbook.transcript(log, session_id=…)`` tells what was said before.

    Raises
    ------
    ColumnError
        The log lacks a column.
    """
    return query(
        _SLOWEST,
        {name: _DTYPES[name] for name in _TOLD},
        needs={**_needs(column), PLACE: PLACE, **{name: name for name in _TOLD}},
        parameters={"n": n},
        log=log,
    )
