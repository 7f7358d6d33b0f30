"""Replies: what servers said, counted.

``outcome`` rows are left out, because they repeat the reply that decided; so is what is no
reply code of SMTP (200 to 599, RFC 5321 section 4.2).  Why mail was refused is not told
here, and how long a reply took is for `latency`.
"""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from smtpbook.errors import ColumnError, near_miss
from smtpbook.events import COLUMNS, SCHEMA
from smtpbook.palette import SEVERITY_NAMES
from smtpbook.tables.engine import query
from smtpbook.tables.scan import Log, Scan
from smtpbook.tables.whose import providers_of

IS_REPLY: Final = "(reply_code BETWEEN 200 AND 599 AND kind IS DISTINCT FROM 'outcome')"
"""What makes a row a reply, in SQL."""

_DTYPES: Final = {column.name: column.dtype for column in SCHEMA}
_COUNTED: Final = {"reply_code": "Int16", "replies": "int64", "share": "float64"}
_HOUR_US: Final = 3_600_000_000
_BY: Final = {"domain": "recipient_domain", "hour": "time"}
_CODES: Final = f"""
SELECT reply_code, count(*) AS replies, replies / sum(replies) OVER ()
FROM log WHERE {IS_REPLY} GROUP BY reply_code ORDER BY reply_code
"""
_CODES_BY: Final = f"""
WITH parts AS (
    SELECT %s AS part, reply_code FROM log WHERE {IS_REPLY} AND key IS NOT NULL
)
SELECT
    part,
    reply_code,
    count(*) AS replies,
    replies / sum(replies) OVER (PARTITION BY part)
FROM parts GROUP BY part, reply_code ORDER BY part, reply_code
"""


def reply_codes(log: Log, by: str | None = None) -> pd.DataFrame:
    """Count how often each reply code came.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.
    by : str, optional
        Count within each value of this column, such as ``"verb"``, ``"attempt"`` or
        ``"account"``; ``"domain"`` is short for ``"recipient_domain"``, ``"hour"`` is the
        time cut to the hour, and ``"provider"`` who the server belongs to, by its name.
        Replies for which it is null are left out.

    Returns
    -------
    DataFrame
        One row per code, ascending: the column ``by`` if there is one, ``reply_code``
        (Int16), ``severity`` (what its first digit means), ``replies`` (int), ``share``
        (float, 0 to 1, of all replies or of those with the same ``by``).

    Raises
    ------
    ColumnError
        ``by`` is no column of the log.
    """
    table = _by_provider(_count(log, "server")) if by == "provider" else _count(log, by)
    digit = table["reply_code"].astype(int) // 100
    place = list(table.columns).index("reply_code") + 1
    table.insert(place, "severity", digit.map(SEVERITY_NAMES).astype("string"))
    return table


def _count(log: Log, by: str | None) -> pd.DataFrame:
    needs = {"kind": "kind", "reply_code": "reply_code"}
    if by is None or by == "reply_code":
        return query(_CODES, _COUNTED, needs=needs, log=log)
    column = _BY.get(by, by)
    there = COLUMNS if isinstance(log, Scan) else [str(name) for name in log.columns]
    if by not in _BY and column not in there:
        hint = near_miss(by, [*_BY, "provider", *there])
        raise ColumnError(f"column {by!r} not found{hint}")
    return query(
        _CODES_BY % (f"key - key % {_HOUR_US}" if by == "hour" else "key"),
        {"hour" if by == "hour" else column: _dtype(log, column), **_COUNTED},
        needs={**needs, "key": column},
        log=log,
    )


def _by_provider(table: pd.DataFrame) -> pd.DataFrame:
    """Put together what servers of one provider said."""
    table["provider"] = providers_of(table["server"])
    groups = table.groupby(["provider", "reply_code"], observed=True)
    table = groups["replies"].sum().reset_index()
    within = table.groupby("provider", observed=True)["replies"].transform("sum")
    return table.assign(share=table["replies"] / within)


def _dtype(log: Log, column: str) -> Any:
    if column in _DTYPES or isinstance(log, Scan):
        return _DTYPES[column]
    return log[column].dtype
