"""Dialogue: one connection's octets and its clock.

Theory of operation.  Two tasks share a connection: the caller's writes groups of commands,
a reader of the session's nursery takes the replies, stamps and records them, and wakes the
caller.  Replies are read while a large message is still being written, so neither side can
block the other, and a refusal in the middle of the mail data is seen at once.

To change tasks for every reply costs as much as all other work on it.  So the reader steps
aside when it has woken a caller who waits for nothing but replies, and the caller reads for
itself the next time.  The reader takes over again when replies are due and the caller is
away, or has to wait until the kernel takes more of what it writes, when nothing is due and
the caller has been away for a moment, and when the connection ends, which is the reader's
alone to say.  A `PromptStream` is left to callers altogether, those among them whom another
task may wake, and to the reader only while they are away and replies are due.

There is one deadline, that of the phase the connection is in, and it belongs to the reader:
when it passes, the connection is over.  Deadlines move forward with every reply; so the
reader's scope is only ever set earlier, and when it ends too early, the reader looks again
and goes on.  Whatever ends it, every command still unanswered and every message still open
gets its row, and only then is the caller told.

Which command comes when is decided by `protocol`; what a session is for, by `session`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import astuple
from typing import Final

import trio

from smtpbook.accounts.account import Account
from smtpbook.errors import (
    RemoteProtocolError,
    TransportError,
    TransportTimeout,
)
from smtpbook.protocol.commands import Command
from smtpbook.protocol.connection import CLOSED, CLOSING, Client, Exchange
from smtpbook.protocol.replies import Reply
from smtpbook.protocol.states import State
from smtpbook.runner import lag_gauge
from smtpbook.session.parked import Parked
from smtpbook.session.prompt import PromptStream
from smtpbook.session.record import Record
from smtpbook.transfer.group import Group, MailData
from smtpbook.transfer.pipeline import Pipeline
from smtpbook.transfer.transaction import Result, Transaction
from smtpbook.transport.stream import broken, tcp_below
from smtpbook.transport.tls_stream import TlsStream

# How much is handed to the network at a time under one time limit: the "TCP SEND call to
# transmit a chunk of data" of RFC 5321 section 4.5.3.2.5.
BLOCK_BYTES: Final = 64 * 1024
_READ_BYTES: Final = 64 * 1024
# What the reply to a message as a whole answers.
_END_VERBS: Final = frozenset({"END-OF-DATA", "BDAT"})
# Where nothing is read: during the handshake, and after the end.
_UNREAD: Final = frozenset({State.TLS, State.CLOSED})
# After a write has failed, how long a last reply may take that is already on its way.
_LAST_WORDS_S: Final = 2.0
# For how long nobody reads once a caller has its replies and may come back for more.  A
# server that hangs up meanwhile is noticed so much later.  Where a reply takes 20 ms, 0.05
# would wake the reader in vain for four messages of ten.
_ASIDE_S: Final = 0.25


class Dialogue:
    """Writes commands, reads replies, keeps the time.

    Parameters
    ----------
    stream : trio.abc.Stream
        Connected; closed when the dialogue is over.
    record : Record
    account : Account

    Attributes
    ----------
    client : Client
    pipeline : Pipeline
    results : deque of Result
        Verdicts reached and not yet taken.
    error : Exception or None
        Why the connection is over; None while it is not, and after a QUIT.
    is_over : bool
    challenge : str
        Of the last 334, as it came: a mechanism has to read it, and what else is kept of
        it may be masked.  It is shown to nobody.
    """

    # More attributes than Python keeps without a dict, which is slower to look in.
    __slots__ = (
        "_aside",
        "_aside_until",
        "_begun_at",
        "_block_at",
        "_block_due",
        "_clock",
        "_closing_reply",
        "_ending",
        "_failure",
        "_first_byte",
        "_has_reader",
        "_heard_at",
        "_is_read_here",
        "_lag",
        "_limits",
        "_looks_at",
        "_previous",
        "_prompt",
        "_record",
        "_scope",
        "_soon_s",
        "_stays",
        "_tcp",
        "_woken",
        "_write_error",
        "challenge",
        "client",
        "error",
        "greeting",
        "is_over",
        "pipeline",
        "results",
        "stream",
    )

    def __init__(self, stream: trio.abc.Stream, record: Record, account: Account) -> None:
        greeting = Group()
        self._clock = trio.lowlevel.current_clock()
        greeting.started_at = greeting.written_at = self._clock.current_time()
        self.stream = stream
        self.client = Client(greeting.lone_tag, protocol=account.protocol)
        self.client.is_secure = account.tls == "implicit"
        self.client.is_proven = account.tls != "opportunistic"
        self.pipeline = Pipeline(self.client)
        self.results: deque[Result] = deque()
        self.error: Exception | None = None
        self.is_over = False
        self.challenge = ""
        self.greeting = greeting
        self._record = record
        self._limits = account.limits
        self._woken = Parked()
        self._aside = Parked()  # holds the reader while a caller reads
        self._has_reader = False
        self._is_read_here = False  # by a caller
        self._aside_until = -math.inf
        self._stays = False  # the reader, because callers are woken by others besides
        self._failure: Exception | None = None  # what a caller met while it read
        self._scope = trio.CancelScope()
        self._looks_at = math.inf  # the scope's deadline
        self._soon_s = min(_ASIDE_S, *astuple(account.limits))
        self._first_byte: float | None = None  # of a reply that has come in part
        self._heard_at = 0.0  # when octets came last
        self._previous = 0.0  # last byte of the last reply
        self._write_error: Exception | None = None
        self._ending: list[MailData] = []  # those whose end stands in the block written
        self._begun_at = self._block_at = 0  # what had left before the group, and the block
        self._block_due = math.inf  # when what is being written must be out
        self._lag = lag_gauge()
        self._tcp = tcp_below(stream)  # counts and stamps; memory streams have none
        self._prompt = stream if isinstance(stream, PromptStream) else None
        self._closing_reply: Reply | None = None

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """Those the server has shown, as DER, its own first; empty in clear text."""
        stream = self.stream
        return stream.certificate_chain() if isinstance(stream, TlsStream) else ()

    # -- writing

    @property
    def is_cut(self) -> bool:
        """Whether a write has failed: only replies that are on their way still count."""
        return self._write_error is not None

    async def write(self, group: Group) -> None:
        """Hand a group to the network, and note when its last octet was.

        A connection that breaks here is not raised: the replies that are still on their
        way count, and then the dialogue is over.
        """
        if self.is_over:
            raise self.over()
        try:
            await self._send(group)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as exc:
            if not self.is_over:
                self._write_error = exc
                now = trio.current_time()
                self._block_due = now + _LAST_WORDS_S
                self._hurry(now)
            return
        except BaseException as exc:
            # Half a group may be on the wire: nobody can go on from here.
            self._end(TransportError(f"interrupted while writing ({type(exc).__name__})"))
            self._scope.cancel()
            raise
        self._block_due = math.inf
        tcp = self._tcp
        now = tcp.handed_at if tcp is not None else self._clock.current_time()
        group.written_at = now
        if not self.is_over:
            for mail_data in group.mail_data:
                self._record.mail_data(group, mail_data)
        self._hurry(now)

    async def _send(self, group: Group) -> None:
        octets, tcp = group.octets, self._tcp
        group.started_at = now = self._clock.current_time()
        self._begun_at = tcp.sent if tcp is not None else 0
        for start in range(0, len(octets), BLOCK_BYTES):
            block = octets[start : start + BLOCK_BYTES]
            self._block_at = tcp.sent if tcp is not None else 0
            self._ending = ending = group.ending(start, start + len(block))
            self._block_due = now + self._limits.block_s
            if tcp is None and self._prompt is None:
                self._have_watched()  # nothing tells when the writer has to wait
            await self.stream.send_all(block)
            for transaction, _, _ in ending:
                transaction.is_end_written = True
            self._ending = []
            if len(block) == BLOCK_BYTES:
                now = self._clock.current_time()

    def _have_watched(self) -> None:
        """Have the reader take replies, and look at the clock, while a block is written."""
        self._hurry(self._clock.current_time())
        self._call_reader()

    def _judge_ends(self) -> None:
        """Say which ends of mail data may have left of the block that is being written.

        Clear text is counted to the octet; under TLS, whatever has left of the block may
        have held them all.  Where nothing counts, it may.
        """
        tcp = self._tcp
        for transaction, _, end in self._ending:
            least = self._begun_at + end if tcp is self.stream else self._block_at + 1
            transaction.is_end_written = tcp is None or tcp.sent >= least

    async def ask(self, command: Command, *, strict: bool = True) -> Reply:
        """Say one command and wait for its reply.

        Raises
        ------
        LocalProtocolError
            It may not be said now; nothing was written.
        TransportError, RemoteProtocolError
            No reply came; the dialogue is over.
        """
        if self.is_over:
            raise self.over()
        group = Group()
        group.octets = self.client.issue(command, group.lone_tag, strict=strict)
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

    async def wait_change(self, *, is_woken: bool = False) -> None:
        """Wait for the next replies, or the end.

        Parameters
        ----------
        is_woken : bool
            Another task may call `wake`, which must end the wait too.
        """
        self._stays = is_woken and self._prompt is None
        if self._stays or self._is_read_here or not self._aside:
            if self._stays:
                self._call_reader()
            await self._woken.park()
            return
        self._is_read_here = True
        try:
            await self._receive_here()
        except Exception as exc:
            if not self.is_over:  # or the reader has closed the stream
                self._failure = exc
        finally:
            self._is_read_here = False
            self._stand_aside()
        if self._woken:
            self._woken.unpark_all()
        if self._failure is not None or self.client.state in _UNREAD:
            self._call_reader()
            # Before it has ended, nobody else may read.
            while self._has_reader and not self.is_over:
                await self._woken.park()

    async def _receive_here(self) -> None:
        prompt = self._prompt
        if prompt is None:
            self._take(await self.stream.receive_some(_READ_BYTES))
            return
        await prompt.wait_ready()
        # An end that comes with a reply is seen with it, as the reader would.
        while prompt.is_ready and self.client.state not in _UNREAD:
            self._take(await prompt.receive_some(_READ_BYTES))

    def leave(self) -> None:
        """Say that the caller goes away: what is still due is the reader's."""
        if self.client.outstanding and self._aside:
            self._call_reader()

    def _stand_aside(self) -> None:
        # To ask for the time costs more; if it was long ago, the reader takes over at once.
        now = self._heard_at
        self._aside_until = now + _ASIDE_S if self._prompt is None else math.inf
        self._hurry(now)

    def _call_reader(self) -> None:
        self._aside_until = -math.inf
        self._aside.unpark_all()

    def over(self) -> Exception:
        """Give the error that says why there is no reply."""
        return self.error or TransportError("the session is over")

    def wake(self) -> None:
        """Have whoever waits look again."""
        if self._is_read_here and self._prompt is not None:
            self._prompt.interrupt()
        self._woken.unpark_all()

    # -- reading

    async def read(self) -> None:
        """Take replies until the connection ends or TLS begins; runs as a task."""
        error: Exception | None = None
        self._has_reader = True
        self._tcp = tcp_below(self.stream)
        if self._tcp is not None:
            self._tcp.on_full = self._have_watched
        try:
            while error is None and self.client.state not in _UNREAD and not self.is_over:
                self._looks_at = self._next_look(trio.current_time())
                with trio.CancelScope(deadline=self._looks_at) as self._scope:
                    await self._read_replies()
                if self._scope.cancelled_caught and trio.current_time() >= self._due():
                    error = self._silence()
        except trio.BrokenResourceError as exc:
            error = broken("connection lost", exc)
        except RemoteProtocolError as exc:  # it quotes the server
            error = RemoteProtocolError(self._record.masked(str(exc)))
        except trio.ClosedResourceError:
            error = TransportError("the connection was closed on this side")
        except Exception as exc:  # a callback's too: whoever asks next is told
            error = exc
        except trio.Cancelled:
            self._end(TransportError("the session was cancelled"))
            raise
        finally:
            self._has_reader = False
            if self.client.state is State.TLS and error is None and not self.is_over:
                self.wake()
            else:
                self._end(error)
                with trio.CancelScope(shield=True):
                    await trio.aclose_forcefully(self.stream)

    async def _read_replies(self) -> None:
        client, stream, woken = self.client, self.stream, self._woken
        while client.state not in _UNREAD and self._failure is None:
            if self._is_read_here or (
                not woken and self._clock.current_time() < self._aside_until
            ):
                await self._aside.park()
                continue
            self._take(await stream.receive_some(_READ_BYTES))
            if woken and not self._stays:
                self._stand_aside()
            else:
                self._hurry(self._heard_at)
            if self.results or not client.outstanding:  # else there is nothing to do yet
                woken.unpark_all()
        if self._failure is not None:
            raise self._failure

    def _take(self, octets: bytes | bytearray) -> None:
        self._heard_at = now = self._clock.current_time()
        if self._lag is not None:
            self._record.lag_s = self._lag[0]
        self.client.receive_data(octets)
        first_byte = self._first_byte if self._first_byte is not None else now
        while isinstance(item := self.client.next_reply(), Exchange):
            self._took(item, first_byte, now)
            first_byte = now
        self._first_byte = first_byte if self.client.is_inside_reply else None
        if item is CLOSED:
            raise TransportError(self._hung_up())

    def _took(self, exchange: Exchange, first_byte: float, now: float) -> None:
        record, pipeline = self._record, self.pipeline
        _, tag, reply, _, _, _, is_last = exchange
        code = reply.code
        if code == 334:
            self.challenge = reply.lines[0]
        if record.hides:
            reply = record.masked_reply(reply)
            exchange = exchange._replace(reply=reply)
        written, is_early = now, False
        try:
            if tag is not None:
                group: Group = tag[0]
                if group.written_at is not None:
                    written = group.written_at
                else:  # the rest of its group is still being written
                    written, is_early = group.started_at, self._is_early(exchange)
                    if is_early and code < 400:
                        raise RemoteProtocolError(
                            f"a reply before the end of the mail data: {reply}"
                        )
                pipeline.receive(exchange)
        finally:  # a reply that breaks the protocol has its row all the same
            record.exchange(exchange, written, first_byte, now, self._previous)
        self._previous = now
        if pipeline.results:
            self._collect(now)
        if code == CLOSING and self.client.state is State.CLOSED:
            self._closing_reply = reply
            raise TransportError(f"the server ended the session: {reply}")
        if is_early and not (tag[1].is_chunked and is_last):
            # The refusal counts; but what is left of the message can neither be sent nor
            # left out.  With BDAT it can, where no other recipient's reply may follow.
            raise TransportError(f"refused before the end of the mail data: {reply}")

    def _is_early(self, exchange: Exchange) -> bool:
        """Whether a reply to mail data has come before its end can have been written."""
        transaction: Transaction | None = exchange.tag[1]
        command = exchange.command
        if transaction is None or command is None or command.verb not in _END_VERBS:
            return False
        self._judge_ends()
        return not transaction.is_end_written

    def _collect(self, now: float) -> None:
        reached = self.pipeline.results
        while reached:
            result = reached.popleft()
            self.results.append(result)  # first: recording it may raise
            self._record.outcome(result, now)

    def collect(self) -> None:
        """Take over the verdicts that the pipeline reached without a reply."""
        if self.pipeline.results:
            self._collect(self._clock.current_time())

    # -- the end

    def _due(self) -> float:
        """Give the deadline of the phase: of a write, or of the reply that comes next."""
        head = self.client.next_unanswered
        if head is None:
            return self._block_due
        command, tag, _ = head
        written_at = tag[0].written_at
        if written_at is None or self._write_error is not None:
            return self._block_due
        since = written_at if written_at > self._previous else self._previous
        return min(since + self._limits.of(command.verb), self._block_due)

    def _next_look(self, now: float) -> float:
        """Say when the reader has to look up, whether it reads or stands aside."""
        due, until = self._due(), self._aside_until
        return until if now < until < due and not self._is_read_here else due

    def _hurry(self, now: float) -> None:
        """Let the reader look up no later than it has to."""
        # Soon enough in any case: nothing is due, or wants a look, any earlier.
        if self._looks_at > now + self._soon_s:
            looks_at = self._next_look(now)
            if looks_at < self._looks_at:
                self._looks_at = self._scope.deadline = looks_at

    def _silence(self) -> Exception:
        head = self.client.next_unanswered
        if self._write_error is not None:
            return TransportError(f"connection lost while writing: {self._write_error}")
        if head is not None and head[1][0].written_at is None:
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
        self._judge_ends()
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
