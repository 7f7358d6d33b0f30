"""One session: the rows of a log that a picture of a single dialogue is made from."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from smtpbook.errors import SMTPBookError, near_miss
from smtpbook.escape import visible
from smtpbook.events import SCHEMA
from smtpbook.tables.engine import PLACE, query
from smtpbook.tables.scan import Log

_DTYPES: Final = {column.name: column.dtype for column in SCHEMA}
_NEEDS: Final = ("session_id", "transaction_id", "seq", "kind", "recipient", PLACE)
_OWN: Final = "kind IS DISTINCT FROM 'outcome'"
_CHOSEN: Final = {
    "first": "SELECT arg_min_null(session_id, place) FROM log WHERE %s",
    "session": "SELECT session_id FROM log WHERE %s AND session_id = $session LIMIT 1",
    "recipient": """
SELECT arg_max_null(session_id, place) FROM log
WHERE %s AND lower(recipient) = $recipient
    AND ($session IS NULL OR session_id = $session) HAVING count(*) > 0
""",
}
_ROWS: Final = f"""
WITH own AS (SELECT * FROM log WHERE {_OWN} AND session_id IS NOT DISTINCT FROM $session)
SELECT %s, count(*) OVER () FROM own
WHERE $recipient IS NULL OR lower(recipient) = $recipient OR transaction_id IN (
    SELECT transaction_id FROM own WHERE lower(recipient) = $recipient
)
ORDER BY seq, place LIMIT $most
"""
_KNOWN: Final = 10_000  # names among which a near miss is looked for


def one_session(
    log: Log,
    session_id: str | None,
    recipient: str | None,
    *,
    columns: tuple[str, ...],
    most: int,
) -> tuple[pd.DataFrame, int]:
    """Give the rows of one session in its own order; ``outcome`` rows are left out.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.
    session_id : str or None
        None = the first session of the log, or the last one that wrote to `recipient`.
    recipient : str or None
        Only the transactions that concern this address; case does not matter.
    columns : tuple of str
        Which to give.
    most : int
        How many rows to give.

    Returns
    -------
    DataFrame
        The first rows; empty if the log has no session, or no more than outcomes of this
        one: `without_dialogue` says so.
    int
        How many there are.

    Raises
    ------
    ColumnError
        The log lacks a column.
    SMTPBookError
        The session or the recipient is not in the log.
    """
    whom = None if recipient is None else recipient.lower()
    how = "recipient" if whom else "session" if session_id is not None else "first"
    parameters = {"first": {}, "session": {"session": session_id}}.get(
        how, {"session": session_id, "recipient": whom}
    )

    def choose(among: str) -> pd.DataFrame:
        return query(
            _CHOSEN[how] % among,
            {"session_id": "string"},
            needs=_NEEDS,
            parameters=parameters,
            log=log,
        )

    chosen = choose(_OWN)
    if chosen.empty and (chosen := choose("true")).empty:
        sought = recipient if how == "recipient" else session_id
        raise _not_found(how, str(sought), log)
    found = chosen["session_id"].iloc[0]
    rows = query(
        _ROWS % ", ".join(columns),
        {**{name: _DTYPES[name] for name in columns}, "rows": "int64"},
        needs={*_NEEDS, *columns},
        parameters={
            "session": None if pd.isna(found) else found,
            "recipient": whom,
            "most": most,
        },
        log=log,
    )
    return rows.drop(columns="rows"), int(rows["rows"].max()) if len(rows) else 0


def without_dialogue(session_id: str | None, recipient: str | None) -> str:
    """Say why there is nothing to draw where `one_session` gave no rows."""
    if session_id is None and recipient is None:
        return "No session in this log."
    whose = visible(str(session_id if recipient is None else recipient), max_chars=40)
    whose = f"session {whose}" if recipient is None else whose
    return f"Of {whose} this log holds outcomes only, no dialogue."


def named(rows: pd.DataFrame) -> str:
    """Name a session for a title: its id and the server, as far as they are known."""
    session, server = (rows[name].dropna() for name in ("session_id", "server"))
    words = ["Session", *session.iloc[:1], *[f"with {name}" for name in server.iloc[:1]]]
    return visible(" ".join(words), max_chars=60)


def _not_found(what: str, sought: str, log: Log) -> SMTPBookError:
    column: Any = "recipient" if what == "recipient" else "session_id"
    known = query(
        f"SELECT DISTINCT {column} FROM log WHERE {column} IS NOT NULL LIMIT {_KNOWN}",
        {column: "string"},
        needs=(column,),
        log=log,
    )
    hint = near_miss(sought, known[column])
    return SMTPBookError(f"no {what} '{visible(sought)}' in this log{hint}")
