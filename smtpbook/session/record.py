"""Record: what happened in a session, as rows of the event log.

The only place that builds rows of a client's session.  A row is a plain tuple in the order
of `events.SCHEMA`; it is handed to a sink and kept for the session's own transcript.  Time
is given by the caller, in seconds of trio's clock.
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from smtpbook.accounts.account import Account
from smtpbook.events import Row, Sink
from smtpbook.protocol.commands import REDACTED, Command
from smtpbook.protocol.connection import Exchange
from smtpbook.protocol.pipeline import Group, Tag
from smtpbook.protocol.replies import Reply
from smtpbook.protocol.transaction import Result, Transaction

_NO_TAG: Final[tuple[None, None, int]] = (None, None, -1)
# Rows kept for `Session.transcript()`; older ones are in whatever the sink keeps.
KEPT_ROWS: Final = 10_000


class Times(NamedTuple):
    """When a command was written and its reply came, in seconds of trio's clock.

    Attributes
    ----------
    written, first_byte, last_byte : float
        ``first_byte`` and ``last_byte`` are the reply's.
    previous : float
        The last byte of the reply before it.
    """

    written: float
    first_byte: float
    last_byte: float
    previous: float


class Record:
    """Writes the rows of one session.

    Parameters
    ----------
    sink : Sink or None
        Takes each row; None = only `rows` does.
    rows : deque of tuple
        Takes each row too.
    session_id : str
    account : Account
    campaign_id : str or None
    wall_us : int
        Microseconds since 1970 UTC at the instant `clock`.
    clock : float
        Trio's clock at that instant: all times of a session are on one monotonic clock.

    Attributes
    ----------
    server_address : str or None
        The IP address reached.
    tls : tuple of str or None
        Version and cipher.
    lag_s : float or None
        How late the loop is; set by the reader before rows are written.
    """

    def __init__(
        self,
        sink: Sink | None,
        rows: deque[Row],
        session_id: str,
        account: Account,
        campaign_id: str | None,
        wall_us: int,
        clock: float,
    ) -> None:
        self.rows = rows
        self.session_id = session_id
        self.server_address: str | None = None
        self.tls: tuple[str | None, str | None] = (None, None)
        self.lag_s: float | None = None
        self._sink = sink
        self._campaign_id = campaign_id
        self._server, self._port, self._account = account.host, account.port, account.name
        self._wall_us = wall_us
        self._clock = clock
        self._seq = 0
        self._secrets: tuple[str, ...] = ()

    def hide(self, secrets: Iterable[str]) -> None:
        """Mask these texts, and their base64, wherever a server repeats them."""
        found = [s for s in secrets if s]
        encoded = [base64.b64encode(s.encode()).decode("ascii") for s in found]
        self._secrets = (*found, *encoded)

    def note(
        self, kind: str, at: float, *, took_s: float | None = None, error: str | None = None
    ) -> None:
        """Write a row without a command: dns, connect, tls, disconnect."""
        self._put(kind, at, latency_s=took_s, service_s=took_s, error=error)

    def mail_data(self, group: Group, octets: int) -> None:
        """Write the row of mail data handed to the network; its end has its own row."""
        assert group.written_at is not None
        self._put(
            "data",
            group.written_at,
            transaction=group.mail_data,
            group=group.number,
            bytes_sent=octets,
        )

    def exchange(self, exchange: Exchange, times: Times) -> None:
        """Write the row of a command and its reply."""
        command, tag, reply, sent, received = exchange
        group, transaction, rcpt_index = tag if tag is not None else _NO_TAG
        verb = command.verb if command is not None else None
        is_greeting = verb == "GREETING"
        written, last = times.written, times.last_byte
        self._put(
            "greeting" if is_greeting else "command",
            written,
            transaction=transaction,
            rcpt_index=rcpt_index,
            verb=verb,
            command=None if is_greeting or command is None else command.shown,
            reply=reply,
            latency_s=last - written,
            first_byte_s=times.first_byte - written,
            service_s=last - max(written, times.previous),
            group=group.number if group is not None else None,
            bytes_sent=sent,
            bytes_received=received,
            queue_id=transaction.queue_id
            if transaction is not None and verb == "END-OF-DATA"
            else None,
        )

    def unanswered(self, command: Command, tag: Tag, octets: int, error: str) -> None:
        """Write the row of a command whose reply never came."""
        group, transaction, rcpt_index = tag
        is_greeting = command.verb == "GREETING"
        self._put(
            "greeting" if is_greeting else "command",
            group.written_at if group.written_at is not None else group.started_at,
            transaction=transaction,
            rcpt_index=rcpt_index,
            verb=command.verb,
            command=None if is_greeting else command.shown,
            group=group.number,
            bytes_sent=octets,
            error=error,
        )

    def outcome(self, result: Result, at: float) -> None:
        """Write the outcome rows of a message: one per recipient."""
        error = type(result.error).__name__ if result.error is not None else None
        for index, one in enumerate(result.recipients):
            self._put(
                "outcome",
                at,
                transaction=result,
                rcpt_index=index,
                verb=one.verb,
                reply=one.reply,
                outcome=one.outcome,
                queue_id=result.queue_id if one.outcome == "accepted" else None,
                error=None if one.reply is not None else error,
            )

    def _put(
        self,
        kind: str,
        at: float,
        *,
        transaction: Transaction | Result | None = None,
        rcpt_index: int = -1,
        verb: str | None = None,
        command: str | None = None,
        reply: Reply | None = None,
        latency_s: float | None = None,
        first_byte_s: float | None = None,
        service_s: float | None = None,
        group: int | None = None,
        bytes_sent: int | None = None,
        bytes_received: int | None = None,
        outcome: str | None = None,
        queue_id: str | None = None,
        error: str | None = None,
    ) -> None:
        message = None if transaction is None else transaction.message
        recipient = (
            message.recipients[rcpt_index]
            if message is not None and rcpt_index >= 0
            else None
        )
        text = None if reply is None else reply.text
        if text is not None and self._secrets:
            for secret in self._secrets:
                text = text.replace(secret, REDACTED)
        row: Row = (
            self._wall_us + int((at - self._clock) * 1e6),  # time
            self._campaign_id,
            self.session_id,
            None if transaction is None else transaction.id,
            None if message is None else message.message_id,
            self._seq,
            kind,
            verb,
            command,
            None if reply is None else reply.code,
            None if reply is None else reply.enhanced_status,
            text,
            latency_s,
            first_byte_s,
            service_s,
            self.lag_s,
            group,  # pipelined
            bytes_sent,
            bytes_received,
            None if message is None else str(message.reverse_path or ""),
            None if recipient is None else str(recipient),
            None if recipient is None else recipient.domain,
            self._server,
            self._port,
            self.server_address,
            *self.tls,  # tls_version, tls_cipher
            None if message is None else message.attempt,
            outcome,
            None,  # reason: log.frame fills it once per distinct reply
            queue_id,
            error,
            self._account,
            None if message is None else message.arm,
            None if message is None else message.block,
            "live",  # source
        )
        self._seq += 1
        self.rows.append(row)
        if self._sink is not None:
            self._sink(row)
