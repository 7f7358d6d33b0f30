"""Sessions: what was done in each, and how well its line was kept secret."""

from __future__ import annotations

from typing import Final

import pandas as pd

from smtpbook.events import UNPROVED
from smtpbook.tables.engine import PLACE, query
from smtpbook.tables.parts import Part, first, latest, merge_by, merge_first, merge_latest
from smtpbook.tables.replies import replies_of
from smtpbook.tables.scan import Log

_SESSIONS_DTYPES: Final = {
    "session_id": "string",
    "time": "datetime64[us, UTC]",
    "duration_s": "float64",
    "server": "string",
    "server_address": "string",
    "account": "category",
    "tls_version": "category",
    "tls_cipher": "category",
    "messages": "int64",
    "is_reused": "bool",
    "replies": "int64",
    "refusals": "int64",
    "bytes_sent": "Int64",
    "bytes_received": "Int64",
    "error": "category",
}
# A transaction begins with MAIL (RFC 5321 section 3.3).
_MESSAGES: Final = "count(*) FILTER (kind = 'command' AND verb = 'MAIL')"
_FIRST: Final = ("server", "account")
_LATEST: Final = ("server_address", "tls_version", "tls_cipher", "error")
_EACH: Final = f"""
SELECT
    session_id,
    min(time) AS start,
    max(time + CAST(coalesce(latency_s, 0) * 1e6 AS BIGINT)) AS end_,
    {first(*_FIRST)},
    {latest(*_LATEST)},
    {_MESSAGES} AS messages,
    count(*) FILTER ({{is_reply}}) AS replies,
    count(*) FILTER ({{is_reply}} AND reply_code >= 400) AS refusals,
    CAST(sum(bytes_sent) AS BIGINT) AS bytes_sent,
    CAST(sum(bytes_received) AS BIGINT) AS bytes_received
FROM log WHERE session_id IS NOT NULL GROUP BY session_id
"""
_MERGE_EACH: Final = {
    **merge_by("min", "start"),
    **merge_by("max", "end_"),
    **merge_first(*_FIRST),
    **merge_latest(*_LATEST),
    **merge_by("sum", "messages", "replies", "refusals"),
    **merge_by("sum", "bytes_sent", "bytes_received"),
}
_SESSIONS: Final = """
SELECT
    session_id,
    start,
    (end_ - start) / 1e6,
    server,
    server_address,
    account,
    tls_version,
    tls_cipher,
    messages,
    messages > 1,
    replies,
    refusals,
    bytes_sent,
    bytes_received,
    error
FROM each ORDER BY start, session_id
"""
_TLS_DTYPES: Final = {
    "server": "string",
    "tls_version": "category",
    "tls_cipher": "category",
    "sessions": "int64",
    "share": "float64",
    "unauthenticated": "int64",
    "failed": "int64",
    "messages": "int64",
}
_LINE: Final = ("tls_version", "tls_cipher")
_LINES: Final = Part(
    sql=f"""
SELECT
    session_id,
    {first("server")},
    {latest(*_LINE)},
    bool_or(kind IN ('greeting', 'tls')) AS is_met,
    bool_or(kind = 'tls' AND command = $unproved) AS is_unproved,
    bool_or(kind = 'tls' AND error IS NOT NULL) AS is_failed,
    {_MESSAGES} AS messages
FROM log WHERE session_id IS NOT NULL GROUP BY session_id
""",
    merge={
        **merge_first("server"),
        **merge_latest(*_LINE),
        **merge_by("bool_or", "is_met", "is_unproved", "is_failed"),
        **merge_by("sum", "messages"),
    },
)
_TLS: Final = """
WITH lines AS MATERIALIZED (  -- or it would be counted twice, once for the sum
    SELECT
        server,
        tls_version AS version,
        tls_cipher AS cipher,
        count(*) AS sessions,
        count(*) FILTER (is_unproved) AS unproved,
        count(*) FILTER (is_failed) AS failed,
        CAST(sum(messages) AS BIGINT) AS messages
    FROM each WHERE is_met GROUP BY server, version, cipher
)
SELECT
    * EXCLUDE (unproved, failed, messages),
    sessions / sum(sessions) OVER (PARTITION BY server),
    unproved,
    failed,
    messages
FROM lines ORDER BY server NULLS LAST, sessions DESC, version NULLS LAST, cipher NULLS LAST
"""


def sessions(log: Log) -> pd.DataFrame:
    """Tell of each session how many messages it carried, over what line, how it went.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log; rows without a session are left out.

    Returns
    -------
    DataFrame
        One row per session, in the order in which they began: ``session_id``; ``time`` and
        ``duration_s``, from its first row to the end of its last reply; ``server``,
        ``server_address``, ``account``; ``tls_version``, ``tls_cipher`` (null = clear
        text); ``messages`` (int, the transactions begun) and ``is_reused`` (bool, more than
        one); ``replies`` (int) and ``refusals``, those of 4yz and 5yz; ``bytes_sent``,
        ``bytes_received`` (Int64, null = not known); ``error``, the last one, null = none.

        In logs without a dialogue ``outcome`` rows count as replies, as in `reply_codes`.

    Raises
    ------
    ColumnError
        The log lacks a column.

    References
    ----------
    RFC 5321 section 3.3 (a transaction begins with MAIL).
    """
    needs = {*_SESSIONS_DTYPES} - {"duration_s", "messages", "is_reused", "replies"}
    replies = replies_of(log)
    needs = needs - {"refusals"} | {"latency_s", "kind", "verb", PLACE, *replies.needs}
    return query(
        _SESSIONS,
        _SESSIONS_DTYPES,
        needs=sorted(needs),
        parameters=replies.parameters,
        parts={"each": Part(sql=_EACH.format(is_reply=replies.sql), merge=_MERGE_EACH)},
        log=log,
    )


def tls_posture(log: Log) -> pd.DataFrame:
    """Tell over what lines each server was spoken to: which TLS, or none.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log; sessions that came to neither a greeting nor a handshake are left out.

    Returns
    -------
    DataFrame
        For each ``server``, its most frequent line first: ``tls_version``, ``tls_cipher``
        (null = clear text, or a handshake that failed); ``sessions`` (int), ``share``
        (float, 0 to 1, of the server's); of these, ``unauthenticated`` (int, any
        certificate was taken) and ``failed`` (int, the handshake); ``messages`` (int, the
        transactions begun in them).

    Raises
    ------
    ColumnError
        The log lacks a column.

    References
    ----------
    RFC 3207 (STARTTLS), RFC 7435 (opportunistic security).
    """
    return query(
        _TLS,
        _TLS_DTYPES,
        needs=(
            *("session_id", "kind", "verb", "command", "error", PLACE),
            *("server", "tls_version", "tls_cipher"),
        ),
        parameters={"unproved": UNPROVED},
        parts={"each": _LINES},
        log=log,
    )
