"""Latency: how long replies took, for each command, and which took longest.

Quantiles are exact wherever there is room for it.  Where there is not, they are those of a
histogram (`times`), off by a thousandth of themselves at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from smtpbook.events import SCHEMA
from smtpbook.statistics.interval import Interval
from smtpbook.tables.engine import PLACE, query
from smtpbook.tables.parts import Part, merge_by
from smtpbook.tables.replies import Replies, replies_of
from smtpbook.tables.scan import Log, Scan
from smtpbook.tables.times import (
    CLASS_ERROR,
    SUM_NS,
    Times,
    is_timed,
    needs_of,
    quantile_intervals,
    times_of,
)

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

CAPTION: Final = "95 % intervals: cluster bootstrap by session (Woodruff)"
"""What a chart says of the intervals."""

_TIMED: Final = "SELECT verb, seconds FROM log WHERE %s"
_EXACT: Final = f"""
WITH found AS (
    SELECT
        verb,
        count(*) AS replies,
        {SUM_NS} AS ns,
        quantile_cont(seconds, [{{levels}}]) AS times
    FROM timed GROUP BY verb
)
SELECT verb, replies, CAST(ns AS DOUBLE) / replies / 1e9, {{each}} FROM found
"""
_ROWS: Final = "SELECT count(*) AS n FROM log"
_TIMED_ROWS: Final = "SELECT count(*) AS n FROM log WHERE seconds IS NOT NULL"
_DTYPES: Final = {column.name: column.dtype for column in SCHEMA}
_TOLD: Final = (
    *("time", "session_id", "seq", "verb", "recipient", "server"),
    *("reply_code", "reply_text", "service_s", "latency_s"),
)
_FIRST: Final = "ORDER BY seconds DESC, place LIMIT $n"
_SLOW: Final = f"""
SELECT {", ".join(_TOLD)}, seconds, place FROM log
WHERE %s AND seconds IS NOT NULL {_FIRST}
"""
_SLOWEST: Final = f"SELECT {', '.join(_TOLD)} FROM slow {_FIRST}"


def latency_by_command(
    log: Log,
    *,
    quantiles: Sequence[float] = (0.5, 0.95, 0.99),
    column: str | None = None,
    exact: bool | None = None,
    intervals: bool | None = None,
) -> pd.DataFrame:
    """Tell how long replies took, for each command, and how sure that is.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.
    quantiles : sequence of float, 0 to 1
        Which quantiles to give, interpolated linearly.
    column : str, optional
        ``"service_s"`` is what the server took for this command alone; ``"latency_s"``
        and ``"first_byte_s"`` also hold the wait behind earlier commands of a group.  If
        omitted, the first of these of which the log has any; ``attrs["column"]`` tells
        which.
    exact : bool, optional
        Whether every single time is looked at to find quantiles.  If omitted, that is so
        for a DataFrame, and for a scan with 32 octets of memory for each time.
    intervals : bool, optional
        Whether to give an interval of each quantile.  It takes two more looks at the log;
        if omitted, they are given for a DataFrame, and not for a scan.

    Returns
    -------
    DataFrame
        One row per verb in the order in which a session says them: ``verb``, ``replies``
        (int), ``mean_s``, one column per quantile (``p50_s``, ``p95_s``, …), ``max_s``;
        all in seconds.  Where the quantiles are not exact, there is ``quantile_error``
        (float) besides: by which part of itself a quantile may be off, 0.001.

        With ``intervals``, behind each quantile the ends of its interval of 95 %
        (``p50_low_s``, ``p50_high_s``); ``attrs["effective_n"]["p50_s"]["MAIL"]`` tells how
        many independent replies would be worth as much.  Replies of one session (where none
        is told, of one recipient domain) resemble each other: how far sessions differ is
        asked of sessions drawn again and again (cluster bootstrap), and the ends are
        quantiles so much lower and higher (Woodruff).  0 and infinity are ends that the
        replies do not bound: those of one or two sessions tell nothing of others.
        ``attrs["interval"]`` says the same for a caption.

        In logs without a dialogue, as those of mail servers, ``outcome`` rows count; see
        `reply_codes`.

    Raises
    ------
    ColumnError
        The log lacks ``column`` or ``verb``, or, with intervals, ``session_id`` or
        ``recipient_domain``.
    ValueError
        A quantile is not between 0 and 1.

    References
    ----------
    `smtpbook.statistics.quantiles.clustered_quantile`.
    """
    if not all(0 <= q <= 1 for q in quantiles):
        raise ValueError(f"quantiles lie between 0 and 1, not {list(quantiles)}")
    named = {f"p{q * 100:g}": float(q) for q in quantiles}
    replies = replies_of(log)
    taken = column or "service_s"
    table = _found(log, replies, taken, named, exact)
    if table.empty and column is None:
        taken = "latency_s"
        table = _found(log, replies, taken, named, exact)
    table = _in_session_order(table)
    if intervals or (intervals is None and isinstance(log, pd.DataFrame)):
        inside = {name: q for name, q in named.items() if 0 < q < 1}
        _put_intervals(
            table, quantile_intervals(log, replies, taken, [*inside.values()]), inside
        )
    table.attrs |= {"column": taken, "outcomes_counted": replies.deciding}
    return table


def _put_intervals(
    table: pd.DataFrame, intervals: Mapping[str, Sequence[Interval]], names: Iterable[str]
) -> None:
    """Put the ends of each quantile's intervals behind it."""
    worth = {}
    for number, name in enumerate(names):
        own = [intervals[str(verb)][number] for verb in table["verb"]]
        place = list(table.columns).index(f"{name}_s") + 1
        table.insert(place, f"{name}_high_s", np.array([one.high for one in own], float))
        table.insert(place, f"{name}_low_s", np.array([one.low for one in own], float))
        worth[f"{name}_s"] = dict(
            zip(map(str, table["verb"]), (one.effective_n for one in own), strict=True)
        )
    table.attrs |= {"interval": CAPTION, "effective_n": worth}


def _found(
    log: Log, replies: Replies, column: str, named: Mapping[str, float], exact: bool | None
) -> pd.DataFrame:
    """Make the table without intervals."""
    asked = {f"{name}_s": q for name, q in named.items()}
    if not (_has_room(log, column) if exact is None else exact):
        return _of_classes(times_of(log, replies, column), asked)
    asked["max_s"] = 1.0
    each = ", ".join(f"times[{number}]" for number in range(1, len(asked) + 1))
    levels = ", ".join(map(repr, asked.values()))
    return query(
        _EXACT.format(levels=levels, each=each),
        {
            "verb": "category",
            "replies": "int64",
            **dict.fromkeys(("mean_s", *asked), "float64"),
        },
        needs=needs_of(replies, column),
        parameters=replies.parameters,
        parts={"timed": Part(sql=_TIMED % is_timed(replies))},
        log=log,
    )


def _has_room(log: Log, column: str) -> bool:
    if not isinstance(log, Scan):
        return True
    most = log.memory_bytes // EXACT_BYTES
    for sql in (_ROWS, _TIMED_ROWS):  # files tell the first without being read
        rows = query(
            "SELECT n FROM counted",
            {"rows": "int64"},
            needs={"seconds": column},
            parts={"counted": Part(sql=sql, merge=merge_by("sum", "n"))},
            log=log,
        )
        if rows["rows"].iloc[0] <= most:
            return True
    return False


def _of_classes(times: Mapping[str, Times], asked: Mapping[str, float]) -> pd.DataFrame:
    """Make the table of histograms."""
    own = list(times.values())
    return pd.DataFrame(
        {
            "verb": pd.Categorical(list(times)),
            "replies": np.array([one.n for one in own], np.int64),
            "mean_s": np.array([one.sum_s / one.n for one in own], float),
            **{
                name: np.array([one.quantile(q) for one in own], float)
                for name, q in asked.items()
            },
            "max_s": np.array([one.max_s for one in own], float),
            "quantile_error": np.full(len(own), CLASS_ERROR),
        }
    )


def _in_session_order(table: pd.DataFrame) -> pd.DataFrame:
    verbs = [str(verb) for verb in table["verb"]]
    order = [verbs.index(verb) for verb in session_order(verbs)]
    return table.iloc[order].reset_index(drop=True)


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
    table = latency_by_command(log, quantiles=(0.5, 0.95), intervals=False)
    if table.empty:
        return None
    slowest = table.iloc[int(table["p50_s"].argmax())]
    return str(slowest["verb"]), float(slowest["p50_s"]), float(slowest["p95_s"])


def slowest(log: Log, n: int = 20, *, column: str | None = None) -> pd.DataFrame:
    """Give the replies that took longest, the slowest first.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.
    n : int
        How many.
    column : str, optional
        Which time counts, and which if omitted: as in `latency_by_command`, where it also
        stands which rows are replies.

    Returns
    -------
    DataFrame
        ``time``, ``session_id``, ``seq``, ``verb``, ``recipient``, ``server``,
        ``reply_code``, ``reply_text``, ``service_s``, ``latency_s``, with the log's dtypes;
        ``smtpbook.transcript(log, session_id=…)`` tells what was said before.
        ``attrs["column"]`` is the time that counted.

    Raises
    ------
    ColumnError
        The log lacks a column.
    """
    replies = replies_of(log)
    for taken in ("service_s", "latency_s") if column is None else (column,):
        table = query(
            _SLOWEST,
            {name: _DTYPES[name] for name in _TOLD},
            needs={
                **replies.needs,
                "seconds": taken,
                PLACE: PLACE,
                **{name: name for name in _TOLD},
            },
            parameters={"n": n, **replies.parameters},
            parts={"slow": Part(sql=_SLOW % replies.sql)},
            log=log,
        )
        table.attrs["column"] = taken
        if len(table):
            break
    return table
