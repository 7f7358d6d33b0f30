"""Replies: what servers said, counted.

``outcome`` rows repeat the reply that decided, so they are left out where that has a row of
its own.  Logs of mail servers and of providers have no dialogue: there they are all that is
known of a reply, and count.  What is no reply code of SMTP (200 to 599, RFC 5321 section
4.2) never does.  Why mail was refused is not told here, and how long a reply took is for
`latency`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import pandas as pd

from smtpbook.errors import ColumnError, near_miss
from smtpbook.events import COLUMNS, SCHEMA
from smtpbook.palette import SEVERITY_NAMES
from smtpbook.tables.engine import query
from smtpbook.tables.parts import Part, merge_by
from smtpbook.tables.scan import Log, Scan
from smtpbook.tables.whose import providers_of

IS_REPLY: Final = "(reply_code BETWEEN 200 AND 599 AND kind IS DISTINCT FROM 'outcome')"
"""What makes a row a reply, in SQL."""

# What this package sends has a row for each reply.  To look no further is a matter of
# speed: either answer is found in the first rows.
_SEEN: Final = Part(
    sql=f"""
SELECT EXISTS (
    SELECT 1 FROM log WHERE kind = 'outcome' AND reply_code BETWEEN 200 AND 599
    AND coalesce(source, '') NOT IN ('live', 'lab')
) AS foreign_outcomes, EXISTS (SELECT 1 FROM log WHERE {IS_REPLY}) AS replies
""",
    merge=merge_by("bool_or", "foreign_outcomes", "replies"),
)
_IS_TO_BE_ASKED: Final = "SELECT foreign_outcomes OR NOT replies FROM seen"
_SAID: Final = Part(
    sql="SELECT DISTINCT kind, source, verb FROM log WHERE reply_code BETWEEN 200 AND 599",
    merge={},
)
_PAIRS: Final = """
SELECT DISTINCT coalesce(kind = 'outcome', false), coalesce(source, ''), coalesce(verb, '')
FROM said ORDER BY ALL
"""
_OR_DECIDING: Final = """(reply_code BETWEEN 200 AND 599 AND (
    kind IS DISTINCT FROM 'outcome'
    OR list_contains(${0}_deciding, [coalesce(source, ''), coalesce(verb, '')])
))"""
_DTYPES: Final = {column.name: column.dtype for column in SCHEMA}
_COUNTED: Final = {"reply_code": "Int16", "replies": "int64", "share": "float64"}
HOUR_US: Final = 3_600_000_000
_BY: Final = {"domain": "recipient_domain", "hour": "time"}
_COUNTS: Final = "SELECT reply_code, count(*) AS n FROM log WHERE %s GROUP BY reply_code"
_CODES: Final = """
SELECT reply_code, n, n / sum(n) OVER () FROM counted ORDER BY reply_code
"""
_COUNTS_BY: Final = """
SELECT %s AS key, reply_code, count(*) AS n
FROM log WHERE %s AND part IS NOT NULL GROUP BY key, reply_code
"""
# Materialized: DuckDB makes a join of a sum over partitions, and would count twice.
_CODES_BY: Final = """
WITH found AS MATERIALIZED (FROM counted)
SELECT key, reply_code, n, n / sum(n) OVER (PARTITION BY key)
FROM found ORDER BY key, reply_code
"""


class Replies(NamedTuple):
    """Which rows of a log are replies: `replies_of`.

    Attributes
    ----------
    sql : str
        The condition.
    needs : mapping of str to str
        Columns that it looks at.
    parameters : mapping of str to list
        What it asks for besides.
    deciding : list of str
        Whose ``outcome`` rows count, such as ``"postfix: RCPT"``; commonly nobody's.
    """

    sql: str
    needs: Mapping[str, str]
    parameters: Mapping[str, Any]
    deciding: list[str]


def replies_of(log: Log, name: str = "log") -> Replies:
    """Tell which rows of a log are replies, each counted once.

    An ``outcome`` row counts if its source has no reply to that verb in the log: what it
    tells stands nowhere else then.

    Parameters
    ----------
    log : DataFrame or Scan
    name : str
        What the log is called in the query.

    Returns
    -------
    Replies
    """
    needs = {column: column for column in ("kind", "reply_code")}
    told = {column: column for column in ("source", "verb")}
    dtypes = {"is_outcome": "bool", **dict.fromkeys(told, "string")}
    plain = Replies(IS_REPLY, needs, {}, [])
    try:
        needed = {**needs, **told}
        asked = query(
            _IS_TO_BE_ASKED, {"is": "bool"}, needs=needed, parts={"seen": _SEEN}, log=log
        )
        if not asked["is"].iloc[0]:
            return plain
        found = query(_PAIRS, dtypes, needs=needed, parts={"said": _SAID}, log=log)
    except ColumnError:  # which source, or which verb, is not told
        return plain
    pairs = list(zip(found["source"], found["verb"], strict=True))
    own = {
        pair
        for pair, repeats in zip(pairs, found["is_outcome"], strict=True)
        if not repeats
    }
    deciding = [pair for pair in pairs if pair not in own]
    if not deciding:
        return plain
    return Replies(
        _OR_DECIDING.format(name),
        {**needs, **told},
        {f"{name}_deciding": [list(pair) for pair in deciding]},
        [f"{source or 'no source'}: {verb or 'no verb'}" for source, verb in deciding],
    )


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

        ``attrs["outcomes_counted"]`` tells whose ``outcome`` rows count as replies, such as
        ``"postfix: RCPT"``, because the log holds no others to that command from there.

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
    replies = replies_of(log)
    told = {"outcomes_counted": replies.deciding}
    if by is None or by == "reply_code":
        counted = query(
            _CODES,
            _COUNTED,
            needs=replies.needs,
            parameters=replies.parameters,
            parts={"counted": Part(sql=_COUNTS % replies.sql, merge=merge_by("sum", "n"))},
            log=log,
        )
        counted.attrs |= told
        return counted
    column = _BY.get(by, by)
    there = COLUMNS if isinstance(log, Scan) else [str(name) for name in log.columns]
    if by not in _BY and column not in there:
        hint = near_miss(by, [*_BY, "provider", *there])
        raise ColumnError(f"column {by!r} not found{hint}")
    key = f"part - part % {HOUR_US}" if by == "hour" else "part"
    counted = query(
        _CODES_BY,
        {"hour" if by == "hour" else column: dtype_of(log, column), **_COUNTED},
        needs={**replies.needs, "part": column},
        parameters=replies.parameters,
        parts={
            "counted": Part(sql=_COUNTS_BY % (key, replies.sql), merge=merge_by("sum", "n"))
        },
        log=log,
    )
    counted.attrs |= told
    return counted


def _by_provider(table: pd.DataFrame) -> pd.DataFrame:
    """Put together what servers of one provider said."""
    table["provider"] = providers_of(table["server"])
    groups, told = table.groupby(["provider", "reply_code"], observed=True), table.attrs
    table = groups["replies"].sum().reset_index()
    table.attrs |= told
    within = table.groupby("provider", observed=True)["replies"].transform("sum")
    return table.assign(share=table["replies"] / within)


def dtype_of(log: Log, column: str) -> Any:
    """Give the dtype that a column of the log has in a table."""
    if column in _DTYPES or isinstance(log, Scan):
        return _DTYPES[column]
    return log[column].dtype
