"""Record: what happened in a session, as rows of the event log.

The only place that builds rows of a client's session.  A row is a plain tuple in the order
of `events.SCHEMA`; it is handed to a sink and kept for the session's own transcript.  Time
is given by the caller, in seconds of trio's clock.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import trio

from smtpbook.accounts.account import Account
from smtpbook.accounts.secret import Redactor
from smtpbook.events import Row, Sink
from smtpbook.log.kept import LONG_CHARS, KeptRows
from smtpbook.protocol.commands import REDACTED, Command
from smtpbook.protocol.connection import Exchange
from smtpbook.protocol.replies import Reply
from smtpbook.transfer.group import Group, MailData, Tag
from smtpbook.transfer.transaction import Result, Transaction

_Cells = tuple[Any, ...]
_NO_REPLY: Final = (None, None, None)
_NO_TIMES: Final = (None, None, None)


class Record:
    """Writes the rows of one session.

    Parameters
    ----------
    sink : Sink or None
        Takes each row; None = only `rows` does.
    rows : KeptRows or None
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
        The IP address reached, a proxy's where there is one; None at a Unix socket.
    tls : tuple of str or None
        Version and cipher.
    hides : bool
        Whether there is anything to mask in what the server says.
    lag_s : float or None
        How late the loop is; set by the reader before rows are written.
    source : str
        Where the rows come from: ``live``, unless the connector knows better.
    session_id : str
    """

    def __init__(
        self,
        sink: Sink | None,
        rows: KeptRows | None,
        session_id: str,
        account: Account,
        campaign_id: str | None,
        wall_us: int,
        clock: float,
    ) -> None:
        self._rows = rows
        self.session_id = session_id
        self.server_address: str | None = None
        self.tls: tuple[str | None, str | None] = (None, None)
        self.hides = False
        self.lag_s: float | None = None
        self.source = "live"
        self._sink = sink
        self._campaign_id = campaign_id
        self._server, self._port, self._account = (
            account.host,
            account.port or None,
            account.name,
        )
        self._wall_us = wall_us
        self._clock = clock
        self._seq = 0
        self._redactor = Redactor(REDACTED)
        # What the rows of a transaction say alike: of which one they tell, its message, and
        # for each recipient the envelope and the way.
        self._transaction_id: str | None = None
        self._about: _Cells = ()
        self._places: list[_Cells] = []
        self._labels: _Cells = ()

    def pretend(self, session_id: str, wall_us: int, clock: float, source: str) -> None:
        """Tell of another session at another time; before the first row.

        Parameters
        ----------
        session_id : str
        wall_us : int
            Microseconds since 1970 UTC at the instant `clock`.
        clock : float
        source : str
        """
        self.session_id, self.source = session_id, source
        self._wall_us, self._clock = wall_us, clock

    def hide(self, *secrets: bytes) -> None:
        """Mask these octets wherever a server repeats them, however it spells them."""
        self._redactor.hide(*secrets)
        self.hides = bool(self._redactor)

    def masked(self, text: str) -> str:
        """Give what a server said, or an error that quotes it, without the secrets."""
        return self._redactor.redacted(text)

    def masked_reply(self, reply: Reply) -> Reply:
        """Give a reply without the secrets, be they cut in two by a line's end."""
        masked = self.masked
        lines = tuple(map(masked, reply.lines))
        if len(lines) > 1:
            status = reply.enhanced_status or ""
            parts = [line.removeprefix(status).strip() for line in lines]
            if any(masked(text) != text for text in ("".join(parts), " ".join(parts))):
                lines = (REDACTED,) * len(lines)
        return reply if lines == reply.lines else Reply(code=reply.code, lines=lines)

    def note(
        self,
        kind: str,
        at: float,
        *,
        took_s: float | None = None,
        error: str | None = None,
        about: str | None = None,
    ) -> None:
        """Write a row without a reply: dns, connect, proxy, tls, disconnect.

        Parameters
        ----------
        kind : str
        at : float
            When it began.
        took_s : float, optional
        error : str, optional
            The class of what went wrong.
        about : str, optional
            For the ``command`` column: the proxy it was about, or what TLS did not prove.
        """
        times = took_s, None, took_s
        self._put(kind, at, command=about, times=times, error=error)

    def mail_data(self, group: Group, mail_data: MailData) -> None:
        """Write the row of mail data handed to the network; its end has its own row."""
        assert group.written_at is not None
        transaction, octets, _ = mail_data
        self._put("data", group.written_at, transaction, group=group.number, sent=octets)

    def mail_data_line(self, line: str, at: float) -> None:
        """Write the row of one line of mail data that was typed."""
        self._put("data", at, command=line, sent=len(line.encode()) + 2)

    def exchange(
        self,
        exchange: Exchange,
        written: float,
        first_byte: float,
        last_byte: float,
        previous: float,
    ) -> None:
        """Write the row of a command and its reply.

        Parameters
        ----------
        exchange : Exchange
        written, first_byte, last_byte : float
            When the command was written, and its reply's first and last octet came.
        previous : float
            When the last octet of the reply before it came.
        """
        command, tag, reply, sent, received, rcpt, _ = exchange
        # A reply may begin while the rest of its command's group is still being written.
        times = (
            last_byte - written,
            first_byte - written if first_byte > written else 0.0,
            last_byte - (written if written > previous else previous),
        )
        if command is None:  # the server ends the session unasked
            self._put(
                *("command", written, None, -1, None, None),
                *(reply.cells, times, None, sent, received),
            )
            return
        of: Tag = tag
        group, transaction, index = of
        kind, verb, queue_id = "command", command.verb, None
        shown: str | None = command.shown
        if transaction is not None:
            queue_id = transaction.queue_id  # known from the end of the mail data on
            if rcpt is not None:
                index = rcpt[2]  # LMTP's own at the dot
        elif verb == "GREETING":
            kind, shown = "greeting", None
        self._put(
            kind,
            written,
            transaction,
            index,
            verb,
            shown,
            reply.cells,
            times,
            group.number,
            sent,
            received,
            queue_id,
        )

    def unanswered(self, command: Command, tag: Tag, octets: int, error: str) -> None:
        """Write the row of a command whose reply never came."""
        group, transaction, index = tag
        is_greeting = command.verb == "GREETING"
        self._put(
            "greeting" if is_greeting else "command",
            group.written_at if group.written_at is not None else group.started_at,
            transaction,
            index,
            command.verb,
            None if is_greeting else command.shown,
            group=group.number,
            sent=octets,
            error=error,
        )

    def outcome(self, result: Result, at: float) -> None:
        """Write the outcome rows of a message: one per recipient."""
        for index, one in enumerate(result.recipients):
            outcome, reply = one.outcome, one.reply
            is_mute = reply is None and result.error is not None
            self._put(
                "outcome",
                at,
                result,
                index,
                one.verb,
                cells=_NO_REPLY if reply is None else reply.cells,
                queue_id=result.queue_id if outcome == "accepted" else None,
                error=type(result.error).__name__ if is_mute else None,
                outcome=outcome,
            )

    def _put(
        self,
        kind: str,
        at: float,
        transaction: Transaction | Result | None = None,
        index: int = -1,
        verb: str | None = None,
        command: str | None = None,
        cells: _Cells = _NO_REPLY,
        times: _Cells = _NO_TIMES,
        group: int | None = None,
        sent: int | None = None,
        received: int | None = None,
        queue_id: str | None = None,
        error: str | None = None,
        outcome: str | None = None,
    ) -> None:
        """Put a row together: the one place, with `_describe`, that knows the columns."""
        if transaction is None or transaction.id != self._transaction_id:
            self._describe(transaction)
        campaign_id, session_id, transaction_id, message_id = self._about
        path, recipient, domain, server, port, address, tls, cipher, attempt = self._places[
            index
        ]
        reply_code, enhanced_status, reply_text = cells
        latency_s, first_byte_s, service_s = times
        account, arm, block, source = self._labels
        row: Row = (
            self._wall_us + int((at - self._clock) * 1e6),  # time
            campaign_id,
            session_id,
            transaction_id,
            message_id,
            self._seq,
            kind,
            verb,
            command,
            reply_code,
            enhanced_status,
            reply_text,
            latency_s,
            first_byte_s,
            service_s,
            self.lag_s,
            group,  # pipelined
            sent,
            received,
            path,
            recipient,
            domain,
            server,
            port,
            address,
            tls,
            cipher,
            attempt,
            outcome,
            None,  # reason: log.frame fills it once per distinct reply
            queue_id,
            error,
            account,
            arm,
            block,
            source,
        )
        self._seq += 1
        rows = self._rows
        if rows is not None:
            if reply_text is None or len(reply_text) <= LONG_CHARS:
                rows.append(row)
            else:
                rows.append_long(row)
        if self._sink is not None:
            try:
                self._sink(row)
            except BaseException:
                # It ends the session; what is recorded then would only raise again.
                self._sink = None
                raise

    def _describe(self, transaction: Transaction | Result | None) -> None:
        """Keep what all rows of a message say alike, or those that are about none."""
        way = self._server, self._port, self.server_address, *self.tls
        if transaction is None:
            self._transaction_id = None
            self._about = self._campaign_id, self.session_id, None, None
            self._places = [(None, None, None, *way, None)]
            self._labels = self._account, None, None, self.source
            return
        message = transaction.message
        self._transaction_id = transaction.id
        self._about = (
            self._campaign_id,
            self.session_id,
            transaction.id,
            message.message_id,
        )
        path, attempt = str(message.reverse_path or ""), message.attempt
        self._places = [
            (path, str(one), one.domain, *way, attempt) for one in message.recipients
        ]
        if len(self._places) > 1:
            # At -1: what concerns them all.
            self._places.append((path, None, None, *way, attempt))
        self._labels = self._account, message.arm, message.block, self.source


Connector = Callable[[Account, Record], Awaitable[trio.abc.Stream]]
"""How a session gets its stream; tests hand in a memory stream here."""
