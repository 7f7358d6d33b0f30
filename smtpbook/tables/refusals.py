"""Refusals: the 4yz and 5yz replies that decided, put together where they are alike.

They are the ``outcome`` rows; in a session that has none, as one that ends with its
greeting, they are the replies themselves: a 554 to the DATA that was pipelined behind a
refused RCPT decides nothing.  How texts are worded alike is for `wordings`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import pandas as pd

from smtpbook.errors import ColumnError, near_miss
from smtpbook.events import COLUMNS
from smtpbook.tables.engine import PLACE, query
from smtpbook.tables.parts import Part, merge_by
from smtpbook.tables.replies import HOUR_US, dtype_of
from smtpbook.tables.scan import Log, Scan

SHORT: Final = {"domain": "recipient_domain"}
"""Columns that may be named by a shorter name."""
_TIME: Final = "datetime64[us, UTC]"
_DECIDED: Final = Part(
    sql="SELECT DISTINCT coalesce(session_id, '') AS session FROM log "
    "WHERE kind = 'outcome'",
    merge={},
)
_REFUSED: Final = """
SELECT
    {},
    count(*) AS times,
    min(time) AS first,
    max(time) AS last,
    min(place) AS place
FROM log WHERE reply_code BETWEEN 400 AND 599 AND (
    kind IS NOT DISTINCT FROM 'outcome'
    OR coalesce(session_id, '') NOT IN (SELECT session FROM decided)
)
GROUP BY ALL
"""
_MERGE: Final = {
    **merge_by("sum", "times"),
    **merge_by("min", "first", "place"),
    **merge_by("max", "last"),
}
_REFUSALS: Final = "SELECT {}, times, first, last FROM refused ORDER BY place"


def refusals_by(log: Log, columns: Iterable[str]) -> pd.DataFrame:
    """Count the refusals that are alike in some columns.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.
    columns : iterable of str
        Which: ``"domain"`` is short for ``"recipient_domain"``, and ``"hour"`` is the time
        cut to the hour (UTC).  One that is named twice counts once.

    Returns
    -------
    DataFrame
        In the order in which they first came: the columns with the log's dtypes, ``times``
        (int), and ``first`` and ``last`` (datetime64[us, UTC]).

    Raises
    ------
    ColumnError
        The log lacks a column.
    """
    there = COLUMNS if isinstance(log, Scan) else [str(name) for name in log.columns]
    names: list[str] = []
    dtypes: dict[str, Any] = {}
    needs: dict[str, str] = {}
    parts: list[str] = []
    for given in columns:
        name = SHORT.get(given, given)
        column = "time" if name == "hour" else name
        if column not in there:
            hint = near_miss(given, [*SHORT, "hour", *there])
            raise ColumnError(f"column {given!r} not found{hint}")
        if name in dtypes:
            continue
        alias, key = f"of_{len(names)}", f"key_{len(names)}"
        cut = f"{alias} - {alias} % {HOUR_US}" if name == "hour" else alias
        parts.append(f"{cut} AS {key}")
        names.append(key)
        dtypes[name], needs[alias] = dtype_of(log, column), column
    needed = ("kind", "reply_code", "session_id", "time", PLACE)
    return query(
        _REFUSALS.format(", ".join(names)),
        {**dtypes, "times": "int64", "first": _TIME, "last": _TIME},
        needs={**{name: name for name in needed}, **needs},
        parts={
            "decided": _DECIDED,
            "refused": Part(sql=_REFUSED.format(", ".join(parts)), merge=_MERGE),
        },
        log=log,
    )
