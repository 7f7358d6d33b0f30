"""Tries: one attempt for one recipient after the other, as log and ledger tell of them.

A try is what was said and how it ended; what to do about it is for `afterwards`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import pandas as pd

from smtpbook.codes.explain import explain
from smtpbook.codes.explanation import Explanation
from smtpbook.ledger.standings import Attempt
from smtpbook.protocol.replies import Reply
from smtpbook.states import state

_NO_REPLY: Final = {
    "TransportTimeout": "The server stayed silent for longer than the time limit.",
    "TLSError": "The encryption failed, or the certificate is not the server's.",
    "AuthenticationError": "The server refused the login.",
    "RemoteProtocolError": "The server said something that is not SMTP.",
    "TemplateError": "The letter could not be made for this recipient.",
    "LocalProtocolError": "The message could not be sent in this session.",
}
_OF_LOG: Final = (
    *("outcome", "verb", "reply_code", "reply_text", "error", "server", "port"),
    *("server_address", "session_id", "reverse_path", "message_id", "queue_id"),
)
_OF_ATTEMPTS: Final = ("accepted", "deferred", "rejected", "failed", "in_doubt")
_LOST: Final = "The connection could not be opened, or was lost."
_LOST_AT_THE_END: Final = "The connection was lost before the server answered."


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One attempt for one recipient, and how it ended.

    Attributes
    ----------
    attempt : int
        1 = the first.
    outcome : str or None
        None = not known yet.
    time : datetime or None
        Of the outcome, UTC.
    verb, reply_text : str or None
    reply_code : int or None
        The reply that decided; None = none did.
    error : str or None
        The class of what went wrong where there was no reply.
    server, server_address, session_id : str or None
    port : int or None
    reverse_path : str or None
        Where failures are reported; "" = nowhere.
    message_id, queue_id : str or None
        Our name of the message, and the server's.
    is_again : bool
        The message may have arrived before.
    settled : str or None
        What somebody said became of it.
    """

    attempt: int
    outcome: str | None
    time: datetime | None = None
    verb: str | None = None
    reply_code: int | None = None
    reply_text: str | None = None
    error: str | None = None
    server: str | None = None
    port: int | None = None
    server_address: str | None = None
    session_id: str | None = None
    reverse_path: str | None = None
    message_id: str | None = None
    queue_id: str | None = None
    is_again: bool = False
    settled: str | None = None

    @property
    def reply(self) -> str:
        """The reply as it was said; "" = there was none."""
        return "" if self.reply_code is None else f"{self.reply_code} {self.reply_text}"

    @property
    def explanation(self) -> Explanation | None:
        """What the reply means; None = there was none."""
        if self.reply_code is None or not 200 <= self.reply_code < 600:
            return None
        reply = Reply.of(self.reply_code, self.reply_text or "")
        return explain(reply, verb=self.verb)

    @property
    def meaning(self) -> str:
        """What happened, in a sentence."""
        found = self.explanation
        if found is not None:
            return found.meaning
        if self.outcome in ("failed", "in_doubt"):
            lost = _LOST if self.outcome == "failed" else _LOST_AT_THE_END
            said = _NO_REPLY.get(self.error or "", lost)
            return f"{said} ({self.error})" if self.error else said
        return state(self.outcome or "pending").meaning

    @property
    def place(self) -> str:
        """The server it was told to; "" = none is known."""
        name = self.server or self.server_address or ""
        port = "" if self.port is None else f":{self.port}"
        ip = self.server_address
        return f"{name}{port}" + (f" [{ip}]" if ip and ip != name else "")


def heard_of(rows: pd.DataFrame) -> tuple[Try, ...]:
    """Give what later mail said of a recipient, in its order.

    Parameters
    ----------
    rows : DataFrame
        The recipient's ``outcome`` rows of the log of later mail.
    """
    return tuple(map(_try, range(1, len(rows) + 1), rows.to_dict("records")))


def tries_of(rows: pd.DataFrame, attempts: Iterable[Attempt] = ()) -> tuple[Try, ...]:
    """Give every attempt for a recipient, the first one first.

    Parameters
    ----------
    rows : DataFrame
        The recipient's ``outcome`` rows of the event log.
    attempts : iterable of Attempt
        What the ledger knows; what the log does not tell is taken from there.
    """
    # Suppressed is nobody's attempt, and neither is what a later mail says.
    tried = rows[rows["outcome"].isin(_OF_ATTEMPTS)].to_dict("records")
    told = {one.attempt: one for one in map(_try, range(1, len(tried) + 1), tried)}
    for attempt in attempts:
        told[attempt.attempt] = _joined(told.get(attempt.attempt), attempt)
    return tuple(told[number] for number in sorted(told))


def _try(number: int, row: dict[Hashable, Any]) -> Try:
    """Make a try of a row of the event log; foreign ones may not count their attempts."""
    cells: dict[str, Any] = {
        str(name): None if pd.isna(cell) else cell for name, cell in row.items()
    }
    time = cells["time"]
    return Try(
        attempt=int(cells["attempt"] or number),
        time=None if time is None else time.to_pydatetime(),
        **{name: cells[name] for name in _OF_LOG},
    )


def _joined(told: Try | None, known: Attempt) -> Try:
    """Add to what the log tells of an attempt what the ledger knows."""
    time = known.time if known.time is not None else known.intended
    if told is None:
        told = Try(
            attempt=known.attempt,
            outcome=known.outcome,
            time=datetime.fromtimestamp(time, UTC),
            verb=known.verb,
            reply_code=known.reply_code,
            reply_text=known.reply_text,
            session_id=known.session_id,
        )
    return replace(
        told, message_id=known.message_id, is_again=known.is_again, settled=known.settled
    )
