"""Delivery: a campaign's messages over several connections, at one pace.

Theory of operation.  Each connection is a task with a session of its own; all take their
recipients from one queue, in turns: one waits for the instant at which the next message may
begin, the others for their turn.  The first one opens before the others: what is wrong with
the account shows before anything is sent, and a password is tried once.  A session that
ends gives back the recipients it had no verdict on, and the task opens another, with
growing pauses; after some failures in a row it gives up.  When all have, what is left is
`failed`.  With a retry, whom the schedule gives another try goes back into the queue for
later, connections stay while anybody may come back, and a server that is gone is waited for
until the give-up time.

A stop, which a stop rule may ask for too, lets every message that has begun come to its
verdict, and says QUIT.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple

import trio

from smtpbook.accounts.account import Account
from smtpbook.delivery.clock import Clock
from smtpbook.delivery.hearing import Hearing
from smtpbook.delivery.queue import Queue, Source
from smtpbook.delivery.run import Run
from smtpbook.delivery.verdicts import Verdicts
from smtpbook.errors import (
    AuthenticationError,
    LedgerError,
    SMTPBookError,
    TemplateError,
    TransportError,
)
from smtpbook.events import Event, Row, Sink
from smtpbook.ledger.books import Books
from smtpbook.ledger.entries import Entry
from smtpbook.ledger.writer import Promise
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pacer
from smtpbook.pacing.retry import Retry
from smtpbook.pacing.stopping import StopWhen
from smtpbook.progress import Display
from smtpbook.protocol.addresses import domain_of
from smtpbook.protocol.message import Message
from smtpbook.protocol.transaction import RecipientResult, Result
from smtpbook.session.connect import Connector, connect_tcp
from smtpbook.session.session import Session, open_session

# How often in a row a connection may end before the server has decided on any message.
MAX_FAILURES: Final = 4
# The pause after the first failure; doubled after each that follows.
_PAUSE_S: Final = 0.5
# How long a connection may wait for its next message: half of what a server waits at least
# (RFC 5321 section 4.5.3.2.7).
_MAX_IDLE_S: Final = 150.0
# Waking so late does not count: or a loop that is always a little late would never keep an
# even pace.
_LATE_S: Final = 0.05


class _Claim(NamedTuple):
    """A message that a connection has taken and has no verdict on."""

    message: Message
    group: list[Entry]
    is_durable: Promise | None


_Claimed = dict[int, _Claim]
"""Claims by the message's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """Several recipients to a message, instead of one message each.

    Attributes
    ----------
    show : {"to", "cc", "bcc"}
        Where their addresses stand; ``"bcc"``: nowhere.
    size : int
        How many at most.  "The minimum total number of recipients that MUST be buffered is
        100 recipients" (RFC 5321 section 4.5.3.1.8).
    """

    show: Literal["to", "cc", "bcc"] = "bcc"
    size: int = 50

    def __post_init__(self) -> None:
        if self.show not in ("to", "cc", "bcc"):
            raise ValueError(f"show={self.show!r}; it is 'to', 'cc' or 'bcc'")
        if self.size < 1:
            raise ValueError(f"size={self.size!r}: at least one recipient to a message")


class Delivery:
    """One run over a queue of recipients.

    Parameters
    ----------
    books : Books
        Told what is about to be sent, and what became of each.
    chosen : Source
        Whom to write to, in order.
    letter : Template
    account : Account
    connections : int
    pacer : Pacer
    clock : Clock
        By which the pace is kept.
    campaign_id : str
    run : Run
        Takes the event log's rows and the changes of the pace.
    display : Display
    together : Together, optional
    retry : Retry, optional
    stop_when : tuple of callable
    connector : async callable
        Gives a session its stream.

    Attributes
    ----------
    error : Exception or None
        Why the last connection was lost.
    is_paused : bool
        Whether nothing new begins until `resume`.
    """

    def __init__(
        self,
        books: Books,
        chosen: Source,
        letter: Template,
        account: Account,
        *,
        connections: int,
        pacer: Pacer,
        clock: Clock,
        campaign_id: str,
        run: Run,
        display: Display,
        together: Together | None = None,
        retry: Retry | None = None,
        stop_when: tuple[StopWhen, ...] = (),
        connector: Connector = connect_tcp,
    ) -> None:
        self.error: Exception | None = None
        self._books, self._letter, self._retry = books, letter, retry
        self._queue = Queue(chosen, pacer, clock.instant)
        self._verdicts = Verdicts(books, self._queue, clock, display, retry, stop_when)
        self._account, self._together = account, together
        self._pacer, self._pace = pacer, pacer.pace
        self._clock = clock
        self._turn = trio.Lock()
        self._changed = trio.Event()
        self._workers = min(connections, len(self._queue))
        self._campaign_id, self._run = campaign_id, run
        self._hearing: Hearing | None = None
        if pacer.adaptive is not None:
            self._hearing = Hearing(run, pacer.adaptive, clock, account.host, self._wake)
        self._sink: Sink = self._hearing or run.record
        self._stopped = trio.Event()
        self._opened = trio.Event()
        self._opening: set[trio.CancelScope] = set()
        self._refusal: Exception | None = None
        self._in_flight = 0  # recipients that were taken and have no verdict
        self._broken: LedgerError | None = None
        self._connector = connector
        self.is_paused = False

    def pause(self) -> None:
        """Begin nothing new until `resume`; for the trio thread."""
        self.is_paused = True
        self._wake()

    def resume(self) -> None:
        """Go on; for the trio thread."""
        self.is_paused = False
        self._wake()

    def stop(self) -> None:
        """Begin nothing new, connections included; for the trio thread."""
        self._stopped.set()
        self._wake()
        for scope in self._opening:
            scope.cancel()

    async def run(self) -> None:
        """Send to everybody in the queue.

        Raises
        ------
        AuthenticationError, ReplyError, TransportError, LocalProtocolError
            The first connection could not be opened; nothing was sent.
        LedgerError
            What became of somebody cannot be kept; nothing more was sent.
        """
        if not len(self._queue):
            return
        self._recall()
        if self._hearing is not None:
            self._hearing.begin()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._work)
            await self._opened.wait()
            if self._refusal is None:
                for _ in range(self._workers - 1):
                    nursery.start_soon(self._work)
        if self._broken is not None:
            raise self._broken
        if self._refusal is not None:
            raise self._refusal
        if self._stopped.is_set():
            return
        for entry in self._queue.drain():
            if self._stopped.is_set():  # by a stop rule that saw these failures
                return
            if entry.due is None:  # who waits for a retry keeps what the last try came to
                self._failed(entry, self.error or TransportError("no connection was left"))

    def _recall(self) -> None:
        """Let what earlier processes have begun count for the pace."""
        if self._pacer.has_begun or not self._pace.looks_back_s:
            return
        since = self._clock.wall(self._clock.now()).timestamp() - self._pace.looks_back_s
        self._pacer.recall(
            (self._clock.instant(at), address, message)
            for at, address, message in self._books.begun(since)
        )

    async def _work(self) -> None:
        """Hold one session after the other until the queue is empty."""
        failures, since = 0, 0.0
        try:
            while (entry := await self._take()) is not None:
                error, is_answered = await self._converse(entry)
                if error is None:
                    failures = 0
                    continue
                if isinstance(error, LedgerError):
                    self._break(error)
                    return
                if not self._opened.is_set():
                    self._refusal = error
                    return
                self.error = error
                failures = 1 if is_answered else failures + 1
                since = self._clock.now() if failures == 1 else since
                pause_s = self._pause_s(error, failures, self._clock.now() - since)
                if pause_s is None:
                    return
                with trio.move_on_after(pause_s):
                    while self._is_work_left:
                        await self._changed.wait()
        finally:
            self._opened.set()

    def _pause_s(
        self, error: SMTPBookError, failures: int, lasting_s: float
    ) -> float | None:
        """Give how long a connection that was lost stays away; None = for good."""
        if isinstance(error, AuthenticationError):  # a password is not tried again
            return None
        if failures < MAX_FAILURES:
            return _PAUSE_S * 2.0 ** (failures - 1)
        if self._retry is None:
            return None
        tries = failures - MAX_FAILURES + 1
        return self._retry.pause_s("failed", None, "", tries, lasting_s)

    @property
    def _is_work_left(self) -> bool:
        """Whether somebody waits, or may come back to wait."""
        if self._stopped.is_set():
            return False
        return len(self._queue) > 0 or (self._retry is not None and self._in_flight > 0)

    async def _take(self, patience_s: float = math.inf) -> Entry | None:
        """Take the next recipient at their instant.

        None: nobody is left, a stop, or nobody's time comes while the patience lasts.
        """
        now = self._clock.now()
        end = now + patience_s
        if self._next_at(now) > end:
            return None
        with trio.move_on_at(self._clock.deadline(end)):
            async with self._turn:
                now = self._clock.now()
                while self._is_work_left:
                    at = self._next_at(now)
                    if at <= now:
                        if (entry := self._queue.take(now)) is not None:
                            return entry
                        continue
                    if at > end:
                        return None
                    now = await self._wait_until(at)
        return None

    def _next_at(self, now: float) -> float:
        """Give the instant from which the next message may begin."""
        if self.is_paused:
            return math.inf
        at = self._queue.next_at(now)
        if not self._pace.has_hours or at == math.inf:
            return at
        moment = self._clock.wall(at)
        opens = self._pace.open_at(moment)
        return at if opens <= moment else self._clock.instant(opens.timestamp())

    async def _wait_until(self, at: float) -> float:
        """Wait for an instant, or for a change that asks to look anew; give the time."""
        with trio.move_on_at(self._clock.deadline(at)) as waiting:
            await self._changed.wait()
        now = self._clock.now()
        return at if waiting.cancelled_caught and now - at < _LATE_S else now

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _converse(self, first: Entry) -> tuple[SMTPBookError | None, bool]:
        """Hold one session; give what ended it early, and whether a reply decided any."""
        claimed: _Claimed = {}
        message = self._claim(self._group(first), claimed)
        if message is None:
            return None, False
        session: Session | None = None
        error: SMTPBookError | None = None
        is_answered = False
        with trio.CancelScope() as opening:
            self._opening.add(opening)
            try:
                async with open_session(
                    self._account,
                    sink=self._sink,
                    campaign_id=self._campaign_id,
                    connector=self._connector,
                ) as session:
                    self._opening.discard(opening)
                    self._opened.set()
                    # A stop that came with the last reply of the opening has cancelled
                    # what follows: nothing may begin in it.
                    messages: Iterable[Message] | AsyncIterable[Message] = ()
                    if not opening.cancel_called:
                        messages = self._from(message, claimed)
                    async for result in session.send_many(
                        messages, on_mail_data=lambda message: self._begin(message, claimed)
                    ):
                        is_answered = is_answered or result.reply is not None
                        self._note(result, claimed)
            except SMTPBookError as exc:
                error = exc
            finally:
                self._opening.discard(opening)
                # Cut off, those that had begun have a verdict all the same.
                for result in session.take_results() if session is not None else ():
                    self._note(result, claimed)
        self._give_back(claimed)
        return error, is_answered

    def _from(
        self, first: Message, claimed: _Claimed
    ) -> Iterable[Message] | AsyncIterable[Message]:
        if self._pace.is_free and claimed[id(first)].is_durable is None:
            return self._at_once(first, claimed)
        return self._paced(first, claimed)

    def _at_once(self, first: Message, claimed: _Claimed) -> Iterator[Message]:
        yield first
        while not (self._stopped.is_set() or self.is_paused):
            entry = self._queue.take(self._clock.now())
            if entry is None:
                return
            if (message := self._claim(self._group(entry), claimed)) is not None:
                yield message

    async def _paced(self, first: Message, claimed: _Claimed) -> AsyncIterator[Message]:
        await self._durable(first, claimed)
        yield first
        # Longer than this no server would wait; the next gets a session of its own.
        while (entry := await self._take(_MAX_IDLE_S)) is not None:
            if (message := self._claim(self._group(entry), claimed)) is not None:
                await self._durable(message, claimed)
                yield message

    @staticmethod
    async def _durable(message: Message, claimed: _Claimed) -> None:
        """Wait until a message's intent is on the disk; only then it may be sent."""
        promise = claimed[id(message)].is_durable
        if promise is not None:
            await promise

    def _begin(self, message: Message, claimed: _Claimed) -> None:
        self._books.begin(claimed[id(message)].group)

    def _group(self, first: Entry) -> list[Entry]:
        """Take those who share a message with this one."""
        group = [first]
        size = 1 if self._together is None else self._together.size
        now = self._clock.now()
        while len(group) < size:
            entry = self._queue.take_along(now, first.attempts)
            if entry is None:
                break
            group.append(entry)
        return group

    def _claim(self, group: list[Entry], claimed: _Claimed) -> Message | None:
        try:
            if self._together is None:
                entry = group[0]
                message = self._letter.render(entry.row, message_id=entry.again_id)
            else:
                addresses = [entry.address for entry in group]
                message = self._letter.render_together(addresses, show=self._together.show)
        except TemplateError as exc:
            for entry in group:
                self._failed(entry, exc)
            return None
        message = replace(message, attempt=group[0].attempts + 1)
        promise = self._books.intend(group, message.message_id or "")
        claimed[id(message)] = _Claim(message, group, promise)
        self._in_flight += len(group)
        return message

    def _note(self, result: Result, claimed: _Claimed) -> None:
        group = claimed.pop(id(result.message)).group
        for entry, verdict in zip(group, result.recipients, strict=True):
            self._in_flight -= 1
            self._conclude(entry, verdict, result.error)
        if self._retry is not None or not self._in_flight:
            self._wake()

    def _break(self, error: LedgerError) -> None:
        """End the send: what becomes of anybody cannot be kept any more."""
        self._broken = self._broken or error
        self.stop()

    def _give_back(self, claimed: _Claimed) -> None:
        """Return those without a verdict to their places in the queue."""
        for claim in claimed.values():
            try:
                self._books.withdraw(claim.group)
            except LedgerError as exc:
                self._break(exc)
            for entry in claim.group:
                self._in_flight -= 1
                self._queue.put_back(entry)
        self._wake()

    def _failed(self, entry: Entry, error: Exception) -> None:
        """Note a recipient for whom nothing reached the server."""
        verdict = RecipientResult(
            recipient=entry.address, outcome="failed", reply=None, verb="MAIL"
        )
        self._conclude(entry, verdict, error)
        self._sink(outcome_row(entry, "failed", self._campaign_id, self._account, error))

    def _conclude(
        self, entry: Entry, verdict: RecipientResult, error: Exception | None
    ) -> None:
        """Note what a try came to; end the send if a stop rule finds that enough."""
        try:
            why = self._verdicts.conclude(entry, verdict, error)
        except LedgerError as exc:  # opened again, it has them in doubt
            self._break(exc)
            return
        if why is not None and not self._stopped.is_set():
            self._run.stopped = why
            self.stop()


def outcome_row(
    entry: Entry,
    outcome: str,
    campaign_id: str,
    account: Account,
    error: Exception | None = None,
) -> Row:
    """Give the only row of a recipient for whom no session was needed or found."""
    return Event(
        time=datetime.now(UTC),
        campaign_id=campaign_id,
        kind="outcome",
        recipient=entry.address,
        recipient_domain=domain_of(entry.address),
        server=account.host,
        port=account.port,
        attempt=max(entry.attempts, 1),
        outcome=outcome,
        error=None if error is None else type(error).__name__,
        account=account.name,
        source="live",
    ).to_row()
