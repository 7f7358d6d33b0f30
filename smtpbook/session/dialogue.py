"""Dialogue: one connection's octets and its clock.

Theory of operation.  Two tasks share a connection: the caller's writes groups of commands,
a reader of the session's nursery takes the replies, stamps and records them, and wakes the
caller.  Replies are read while a large message is still being written, so neither side can
block the other, and a refusal in the middle of the mail data is seen at once.

There is one deadline, that of the phase the connection is in, and it belongs to the reader:
when it passes, the connection is over.  Whatever ends it, every command still unanswered
and every message still open gets its row, and only then is the caller told.

Which command comes when is decided by `protocol`; what a session is for, by `session`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Final

import trio

from smtpbook.accounts.timeouts import Timeouts
from smtpbook.errors import (
    RemoteProtocolError,
    SMTPBookError,
    TransportError,
    TransportTimeout,
)
from smtpbook.protocol.commands import Command
from smtpbook.protocol.connection import CLOSED, CLOSING, Client, Exchange
from smtpbook.protocol.pipeline import Group, Pipeline, Tag
from smtpbook.protocol.replies import Reply
from smtpbook.protocol.states import State
from smtpbook.protocol.transaction import Result
from smtpbook.runner import current_lag
from smtpbook.session.record import Record, Times
from smtpbook.session.stream import TcpStream, translated

# How much is handed to the network at a time under one time limit: the "TCP SEND call to
# transmit a chunk of data" of RFC 5321 section 4.5.3.2.5.
BLOCK_BYTES: Final = 64 * 1024
_READ_BYTES: Final = 64 * 1024
# After a write has failed, how long a last reply may take that is already on its way.
_LAST_WORDS_S: Final = 2.0


class Dialogue:
    """Writes commands, reads replies, keeps the time.

    Parameters
    ----------
    stream : trio.abc.Stream
        Connected; closed when the dialogue is over.
    record : Record
    limits : Timeouts

    Attributes
    ----------
    client : Client
    pipeline : Pipeline
    results : deque of Result
        Verdicts reached and not yet taken.
    error : Exception or None
        Why the connection is over; None while it is not, and after a QUIT.
    is_over : bool
    """

    def __init__(self, stream: trio.abc.Stream, record: Record, limits: Timeouts) -> None:
        greeting = Group()
        greeting.started_at = greeting.written_at = trio.current_time()
        self.stream = stream
        self.client = Client(Tag(greeting))
        self.pipeline = Pipeline(self.client, "auto")
        self.results: deque[Result] = deque()
        self.error: Exception | None = None
        self.is_over = False
        self.greeting = greeting
        self._record = record
        self._limits = limits
        self._woken = trio.lowlevel.ParkingLot()
        self._scope = trio.CancelScope()
        self._first_byte: float | None = None  # of a reply that has come in part
        self._previous = 0.0  # last byte of the last reply
        self._write_error: Exception | None = None
        self._closing_reply: Reply | None = None

    # -- writing

    async def write(self, group: Group) -> None:
        """Hand a group to the network, and note when its last octet was.

        A connection that breaks here is not raised: the replies that are still on their
        way count, and then the dialogue is over.
        """
        if self.is_over:
            raise self.over()
        group.started_at = trio.current_time()
        try:
            await self._send(group)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as exc:
            if not self.is_over:
                self._write_error = exc
                self._scope.deadline = min(
                    self._scope.deadline, trio.current_time() + _LAST_WORDS_S
                )
            return
        except BaseException as exc:
            # Half a group may be on the wire: nobody can go on from here.
            self._end(TransportError(f"interrupted while writing ({type(exc).__name__})"))
            self._scope.cancel()
            raise
        tcp = self._tcp()
        group.written_at = tcp.handed_at if tcp is not None else trio.current_time()
        if group.mail_data is not None:
            self._record.mail_data(group, group.data_octets - 3)
        self._rearm()

    async def _send(self, group: Group) -> None:
        octets, transaction, tcp = group.octets, group.mail_data, self._tcp()
        start_of_group = tcp.sent if tcp is not None else 0
        for start in range(0, len(octets), BLOCK_BYTES):
            block = octets[start : start + BLOCK_BYTES]
            before = tcp.sent if tcp is not None else 0
            holds_end = transaction is not None and start + len(block) >= group.data_octets
            if transaction is not None and holds_end:
                transaction.is_end_written = True
            self._scope.deadline = trio.current_time() + self._limits.block_s
            try:
                await self.stream.send_all(block)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                if transaction is not None and holds_end and tcp is not None:
                    # Clear text is counted to the octet; under TLS, whatever has left may
                    # have held the end.
                    in_clear = tcp.sent - start_of_group >= group.data_octets
                    transaction.is_end_written = (
                        in_clear if tcp is self.stream else tcp.sent > before
                    )
                raise

    def _tcp(self) -> TcpStream | None:
        """Give the TCP stream at the bottom, which counts and stamps; tests have none."""
        stream = self.stream
        while isinstance(stream, trio.SSLStream):
            stream = stream.transport_stream
        return stream if isinstance(stream, TcpStream) else None

    async def ask(self, command: Command, *, strict: bool = True) -> Reply:
        """Say one command and wait for its reply.

        Raises
        ------
        LocalProtocolError
            It may not be said now; nothing was written.
        TransportError, RemoteProtocolError
            No reply came; the dialogue is over.
        """
        group = Group()
        group.octets = self.client.issue(command, Tag(group), strict=strict)
        await self.write(group)
        return await self.reply_to(group)

    async def reply_to(self, group: Group) -> Reply:
        """Wait for the reply to a group of one command outside a transaction."""
        await self.wait(lambda: group.reply is not None)
        if group.reply is None:
            raise self.over()
        return group.reply

    async def wait(self, is_done: Callable[[], bool]) -> None:
        """Wait until something is so, or the dialogue is over."""
        while not is_done() and not self.is_over:
            await self.wait_change()

    async def wait_change(self) -> None:
        """Wait for the next replies, the end, or `wake`."""
        await self._woken.park()

    def over(self) -> Exception:
        """Give the error that says why there is no reply."""
        return self.error or TransportError("the session is over")

    def wake(self) -> None:
        """Have whoever waits look again."""
        self._woken.unpark_all()

    # -- reading

    async def read(self) -> None:
        """Take replies until the connection ends or TLS begins; runs as a task."""
        self._scope = trio.CancelScope()
        self._rearm()
        error: Exception | None = None
        try:
            with self._scope, translated("connection lost"):
                while self.client.state not in (State.TLS, State.CLOSED):
                    self._take(await self.stream.receive_some(_READ_BYTES))
                    self._rearm()
                    self.wake()
            if self._scope.cancelled_caught and not self.is_over:
                error = self._silence()
        except SMTPBookError as exc:
            error = exc
        except trio.ClosedResourceError:
            error = TransportError("the connection was closed on this side")
        except trio.Cancelled:
            self._end(TransportError("the session was cancelled"))
            raise
        finally:
            if self.client.state is State.TLS and error is None and not self.is_over:
                self.wake()
            else:
                self._end(error)
                with trio.CancelScope(shield=True):
                    await trio.aclose_forcefully(self.stream)

    def _take(self, octets: bytes | bytearray) -> None:
        now = trio.current_time()
        self._record.lag_s = current_lag()
        self.client.receive_data(octets)
        first_byte = self._first_byte if self._first_byte is not None else now
        while isinstance(item := self.client.next_reply(), Exchange):
            self._took(item, first_byte, now)
            first_byte = now
        self._first_byte = first_byte if self.client.is_inside_reply else None
        if item is CLOSED:
            raise TransportError(self._hung_up())

    def _took(self, exchange: Exchange, first_byte: float, now: float) -> None:
        reply, is_early, written = exchange.reply, False, now
        if exchange.tag is not None:
            group: Group = exchange.tag.group
            written = group.written_at if group.written_at is not None else group.started_at
            is_early = group.is_mail_data_unfinished
            if is_early and reply.code < 400:
                raise RemoteProtocolError(
                    f"a reply before the end of the mail data: {reply}"
                )
            self.pipeline.receive(exchange)
        self._record.exchange(exchange, Times(written, first_byte, now, self._previous))
        self._previous = now
        self._collect(now)
        if reply.code == CLOSING and self.client.state is State.CLOSED:
            self._closing_reply = reply
            raise TransportError(f"the server ended the session: {reply}")
        if is_early:
            # The refusal counts; but what is left of the message can neither be sent as
            # mail data nor left out.
            raise TransportError(f"refused before the end of the mail data: {reply}")

    def _collect(self, now: float) -> None:
        while (result := self.pipeline.next_result()) is not None:
            self._record.outcome(result, now)
            self.results.append(result)

    def collect(self) -> None:
        """Take over the verdicts that the pipeline reached without a reply."""
        self._collect(trio.current_time())

    # -- the end

    def _rearm(self) -> None:
        """Set the deadline of the phase: that of the reply that comes next, if any."""
        head = self.client.next_unanswered
        if head is None:
            deadline = math.inf
        else:
            command, tag, _ = head
            if tag.group.written_at is None:
                return  # still being written, under its own limit
            deadline = max(tag.group.written_at, self._previous)
            deadline += self._limits.of(command.verb)
        if deadline != self._scope.deadline and self._write_error is None:
            self._scope.deadline = deadline

    def _silence(self) -> Exception:
        head = self.client.next_unanswered
        if self._write_error is not None:
            return TransportError(f"connection lost while writing: {self._write_error}")
        if head is not None and head[1].group.written_at is None:
            return TransportTimeout(
                f"the server took no octets for {self._limits.block_s:g} s while "
                f"{head[0].verb} was being written"
            )
        verb = head[0].verb if head is not None else "the last command"
        return TransportTimeout(f"no reply to {verb} within {self._limits.of(verb):g} s")

    def _hung_up(self) -> str:
        head = self.client.next_unanswered
        if self.client.is_inside_reply:
            return "the server closed the connection in the middle of a reply"
        if head is None:
            return "the server closed the connection"
        return f"the server closed the connection before its reply to {head[0].verb}"

    def _end(self, error: Exception | None) -> None:
        """Record what was left open, tell whoever waits; only the first call counts."""
        if self.is_over:
            return
        self.is_over = True
        self.error = error
        now = trio.current_time()
        name = type(error).__name__ if error is not None else None
        for command, tag, octets in self.client.unanswered:
            self._record.unanswered(command, tag, octets, name or "TransportError")
        self.pipeline.abandon(
            error or TransportError("the session is over"), self._closing_reply
        )
        self._collect(now)
        self._record.note("disconnect", now, error=name)
        self.wake()

    def end(self, error: Exception) -> None:
        """End the dialogue from this side, at once and without QUIT."""
        self._end(error)
        self._scope.cancel()
