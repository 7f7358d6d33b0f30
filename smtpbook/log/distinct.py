"""Distinct replies: a log says the same few things a million times; each is asked once.

What a reply means hangs on its command, code, enhanced status and text, and on whose server
said it.  Here those are collected from a log; what they mean is for `codes`.

Theory of operation: a column is numbered by its distinct values, the numbers of several
columns are put together into one, and that is numbered again.  So a million rows cost a few
passes over arrays of integers, and only the distinct replies become Python objects.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

# Each refused recipient is in the text of its own refusal: "<ann@example.org>: unknown".
_LOCAL_PART: Final = re.compile(r"(?<![^\s<>@])[^\s<>@]++@")

NEEDED: Final = (
    *("session_id", "kind", "verb", "reply_code", "enhanced_status", "reply_text"),
    "server",
)
"""The columns of the event log that are looked at."""


class DistinctReply(NamedTuple):
    """A reply as a log has it, and whose it is.

    Attributes
    ----------
    verb : str or None
        The command that drew it; None = not known.
    code : int
        The reply code.
    status : str or None
        Its enhanced status.
    text : str
        Its lines, joined by newlines, an x for each address's local part, which decides
        nothing; of 2yz and 3yz, whose text decides nothing, empty.
    host : str or None
        The server's name; None = not known.
    greeting : str or None
        What the server said first; None = not known.
    """

    verb: str | None
    code: int
    status: str | None
    text: str
    host: str | None
    greeting: str | None


def distinct_replies(log: pd.DataFrame, rows: Any) -> tuple[Any, list[DistinctReply]]:
    """Collect the distinct replies of some rows.

    Greetings hold ids and times, so that no two are alike; all that is wanted of one is
    whose server it is.  So each server's first one stands for all of them.

    Parameters
    ----------
    log : DataFrame
        Event log, with the columns `NEEDED`.
    rows : array of bool
        Which rows to look at; each has a reply code.

    Returns
    -------
    array of int, list of DistinctReply
        For each of those rows which reply it is, and the replies in the order in which
        they first come.

    Examples
    --------
    >>> from smtpbook.events import Event
    >>> from smtpbook.log.frame import to_frame
    >>> said = [Event(verb="RCPT", reply_code=550, reply_text=t) for t in ("x", "y", "x")]
    >>> numbers, heard = distinct_replies(to_frame([e.to_row() for e in said]), [True] * 3)
    >>> numbers.tolist(), [one.text for one in heard]
    ([0, 1, 0], ['x', 'y'])
    """
    rows = np.asarray(rows, bool)
    host, names, greetings = _hosts(log, rows)
    replies = log.loc[rows, ["verb", "reply_code", "enhanced_status", "reply_text"]]
    verb, code, status, text = (number_of(replies[name]) for name in replies)
    columns = [verb[0], code[0], status[0], _without_local_parts(*text)]
    refused = (replies["reply_code"] >= 400).to_numpy(bool)
    columns[2:] = [np.where(refused, column, -1) for column in columns[2:]]
    number, first = number_rows([*columns, host])
    heard = [
        DistinctReply(
            _or_none(verb),
            int(code),
            _or_none(status) if code >= 400 else None,
            _masked(_or_none(text) or "") if code >= 400 else "",
            names[place],
            greetings[place],
        )
        for verb, code, status, text, place in zip(
            *(replies[name].iloc[first] for name in replies), host[first], strict=True
        )
    ]
    return number, heard


def _without_local_parts(number: Any, texts: Any) -> Any:
    """Number texts anew: those that differ in local parts alone are one."""
    masked = np.array([_masked(text) for text in texts], object)
    return np.append(pd.factorize(masked)[0], -1)[number]


def _masked(text: str) -> str:
    return _LOCAL_PART.sub("x@", text) if "@" in text else text


def number_of(column: pd.Series[Any]) -> tuple[Any, Any]:
    """Number a column's values from 0 (null is -1); give the numbers and the values."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy(np.int64), column.cat.categories
    return pd.factorize(column)


def number_rows(columns: Sequence[Any]) -> tuple[Any, Any]:
    """Number rows by their cells, each column given as numbers from -1.

    Returns
    -------
    array of int, array of int
        Each row's number, from 0 in the order in which they come, and where each number
        stands first.

    Examples
    --------
    >>> numbers, first = number_rows([np.array([7, 7, 3, 7]), np.array([0, -1, 0, 0])])
    >>> numbers.tolist(), first.tolist()
    ([0, 1, 2, 0], [0, 1, 2])
    """
    number = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        width = int(column.max(initial=-1)) + 2
        number = pd.factorize(number * width + column + 1)[0]
    first = np.flatnonzero(~pd.Series(number).duplicated())
    return number, first


def _hosts(log: pd.DataFrame, rows: Any) -> tuple[Any, list[str | None], list[str | None]]:
    """Number the servers of some rows; give their names and greetings by number.

    Without a server (-1, the end of both lists) a row has neither.  A log that names no
    servers still has its greetings, and one begins with the server's name (RFC 5321
    section 4.3.1).
    """
    greets = ((log["kind"] == "greeting") & log["reply_text"].notna()).to_numpy(bool)
    seen = log.loc[rows | greets, ["server", "session_id", "reply_text"]]
    rows, greets = rows[rows | greets], greets[rows | greets]
    host, servers = number_of(seen["server"])
    texts = seen.loc[greets, "reply_text"].tolist()
    named: dict[str, int] = {name: place for place, name in enumerate(servers)}
    if (host < 0).any():
        session, _ = number_of(seen["session_id"])
        of_session = np.full(session.max(initial=-1) + 2, -1)
        for place, text in zip(session[greets], texts, strict=True):
            if place >= 0 and (words := text.split(maxsplit=1)):
                of_session[place] = named.setdefault(words[0], len(named))
        host = np.where(host < 0, of_session[session], host)
    greetings: list[str | None] = [None] * (len(named) + 1)
    for place, text in zip(host[greets], texts, strict=True):
        if place >= 0 and greetings[place] is None:
            greetings[place] = text
    return host[rows], [*named, None], greetings


def _or_none(cell: Any) -> Any:
    return None if pd.isna(cell) else cell
