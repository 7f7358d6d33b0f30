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
from smtpbook.tables.replies import HOUR_US, dtype_of
from smtpbook.tables.scan import Log, Scan

SHORT: Final = {"domain": "recipient_domain"}
"""Columns that may be named by a shorter name."""
_TIME: Final = "datetime64[us, UTC]"
_REFUSALS: Final = """
WITH decided AS (
    SELECT DISTINCT coalesce(session_id, '') AS session FROM log WHERE kind = 'outcome'
)
SELECT {keys}, count(*), min(time), max(time) FROM log
WHERE reply_code BETWEEN 400 AND 599 AND (
    kind IS NOT DISTINCT FROM 'outcome'
    OR coalesce(session_id, '') NOT IN (SELECT session FROM decided)
)
GROUP BY ALL ORDER BY min(place)
"""


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
    for given in columns:
        name = SHORT.get(given, given)
        column = "time" if name == "hour" else name
        if column not in there:
            hint = near_miss(given, [*SHORT, "hour", *there])
            raise ColumnError(f"column {given!r} not found{hint}")
        if name in dtypes:
            continue
        alias = f"key{len(names)}"
        names.append(f"{alias} - {alias} % {HOUR_US}" if name == "hour" else alias)
        dtypes[name], needs[alias] = dtype_of(log, column), column
    needed = ("kind", "reply_code", "session_id", "time", PLACE)
    return query(
        _REFUSALS.format(keys=", ".join(names)),
        {**dtypes, "times": "int64", "first": _TIME, "last": _TIME},
        needs={**{name: name for name in needed}, **needs},
        log=log,
    )
