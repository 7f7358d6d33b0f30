"""Delivery: a campaign's messages over several connections, at one pace.

Theory of operation.  Each connection is a task with a session of its own; all take their
recipients from one queue, in turns: of each account one waits for the instant at which the
next message may begin, the others for their turn.  An account's first connection opens
before its others: what is wrong with it shows before it is used, and a password is tried
once.  A session that ends gives back the recipients it had no verdict on, and the task
opens another, with growing pauses; after some failures in a row it gives up.  When all
have, what is left is `failed`.  With a retry, whom the schedule gives another try goes back
into the queue for later, connections stay while anybody may come back, and a server that is
gone is waited for until the give-up time.

A session that has waited is asked whether it is still there before its next message; after
the computer has slept it is left without a word, for nobody listens any more.

A stop, which a stop rule may ask for too, lets every message that has begun come to its
verdict, and says QUIT.
"""

from __future__ import annotations

import math
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
)
from datetime import datetime
from typing import ClassVar, Final

import trio

from smtpbook.accounts.account import Account
from smtpbook.delivery.clock import Clock, Waiter
from smtpbook.delivery.hearing import Hearing
from smtpbook.delivery.losses import Losses
from smtpbook.delivery.outbox import Letter, Outbox
from smtpbook.delivery.queue import Queue, Source
from smtpbook.delivery.queues import Queues
from smtpbook.delivery.recall import recall
from smtpbook.delivery.recording import Recording
from smtpbook.delivery.routes import Route, Routes, Seat
from smtpbook.delivery.settings import Settings
from smtpbook.delivery.stint import CHECK_AFTER_S, CHECK_S, Stint
from smtpbook.delivery.verdicts import Verdicts
from smtpbook.errors import (
    LedgerError,
    RecipientsError,
    ReplyError,
    SMTPBookError,
    TransportError,
)
from smtpbook.events import Sink
from smtpbook.ledger.books import Books
from smtpbook.ledger.entries import Entry
from smtpbook.pacing.pace import Pacer
from smtpbook.progress import Display
from smtpbook.protocol.message import Message
from smtpbook.session.record import Connector
from smtpbook.session.session import Session, open_session
from smtpbook.transport.connect import connect

# How long a connection may wait for its next message: half of what a server waits at least
# (RFC 5321 section 4.5.3.2.7).
_MAX_IDLE_S: Final = 150.0
FATAL: Final = (LedgerError, RecipientsError)
"""What becomes of anybody cannot be kept any more, or who is next not be read."""
# Waking so late does not count: or a loop that is always a little late would never keep an
# even pace.
_LATE_S: Final = 0.05


class Delivery:
    """One run over a queue of recipients.

    Parameters
    ----------
    books : Books
        Told what is about to be sent, and what became of each.
    chosen : Source
        Whom to write to, in order.
    letter : Letter
    accounts : mapping of Account to float
        With their shares.
    settings : Settings
    pacer : Pacer
    clock : Clock
        By which the pace is kept.
    campaign_id : str
    run : Recording
        Takes the event log's rows and the changes of the pace.
    display : Display
    connector : async callable
        Gives a session its stream.
    is_alone : bool
        Whether nobody else sends to the list: then those whom no connection is left for are
        failed, and what was begun before counts for the pace.

    Attributes
    ----------
    error : Exception or None
        Why the last connection was lost.
    is_paused : bool
        Whether nothing new begins until `resume`.
    """

    _max_messages: ClassVar[int | None] = None  # on a connection, besides what others allow

    def __init__(
        self,
        books: Books,
        chosen: Source,
        letter: Letter,
        accounts: Mapping[Account, float],
        settings: Settings,
        *,
        pacer: Pacer,
        clock: Clock,
        campaign_id: str,
        run: Recording,
        display: Display,
        connector: Connector = connect,
        is_alone: bool = True,
    ) -> None:
        self.error: Exception | None = None
        self.is_paused, self._is_alone = False, is_alone
        self._books, self._settings, self._clock = books, settings, clock
        self._campaign_id, self._run, self._connector = campaign_id, run, connector
        self._queues = Queues(chosen, settings.arms, pacer, clock, self._pacing)
        retry, rules = settings.retry, settings.stop_when
        self._outbox = Outbox(
            books,
            letter,
            self._queues.of,
            Verdicts(books, self._queues.of, clock, display, retry, rules),
            clock,
            together=settings.together,
            is_experiment=settings.arms is not None,
            run=run,
            campaign_id=campaign_id,
            account=next(iter(accounts)),
            on_end=self._end,
        )
        self._queues.travel(accounts, settings.connections, self._sink_of)
        self._routes = Routes(self._queues.routes, self._next_at)
        self._has_turns = len(self._routes) > 1
        self._nursery: trio.Nursery | None = None
        self._stopped = trio.Event()
        self._opening: set[trio.CancelScope] = set()
        self._broken: LedgerError | RecipientsError | None = None
        self._naps = 0

    def _pacing(self, pacer: Pacer) -> Pacer:
        """Give the pacer of a queue."""
        return pacer

    def _sink_of(self, account: Account, queue: Queue) -> Sink:
        """Give what takes the rows of an account's sessions, and may learn from them."""
        limiter = queue.pacer.adaptive
        if limiter is None:
            return self._run.record
        return Hearing(self._run, limiter, self._clock, account.host, self._wake)

    @property
    def waits_until(self) -> datetime | None:
        """When the next message begins, if none is on its way; None: nobody knows."""
        if self._outbox.in_flight:
            return None
        instants = [one.line[0].instant for one in self._routes if one.line]
        at = min(instants, default=math.inf)
        return None if at == math.inf else self._clock.wall(at)

    def pause(self) -> None:
        """Begin nothing new until `resume`; for the trio thread."""
        self.is_paused = True
        self._wake()

    def resume(self) -> None:
        """Go on; for the trio thread."""
        self.is_paused = False
        self._wake()

    def look_again(self) -> None:
        """Go on with what the source has now, and had not; for the trio thread.

        Connections that have left, as there was nobody for them, are had again.
        """
        for route in self._queues.routes:
            self._fill(route)
        self._wake()

    def connect(self, connections: int) -> None:
        """Have so many connections, one for each route at least; for the trio thread.

        Those that are too many leave between two messages.
        """
        self._queues.connect(connections)
        self.look_again()
        for route in self._routes:
            for waiter in route.line:
                waiter.ring()

    def stop(self) -> None:
        """Begin nothing new, connections included; for the trio thread."""
        self._stopped.set()
        self._wake()
        for scope in self._opening:
            scope.cancel()

    def _end(self, why: str | LedgerError | RecipientsError) -> None:
        """Stop for a reason of our own."""
        if not isinstance(why, str):
            self._broken = self._broken or why
        elif not self._stopped.is_set():
            self._run.stopped = why
        self.stop()

    async def run(self) -> None:
        """Send to everybody in the queue.

        Raises
        ------
        AuthenticationError, ReplyError, TransportError, LocalProtocolError
            No account's first connection could be opened; nothing was sent.  Or it is not
            alone, and no connection was left.
        LedgerError
            What became of somebody cannot be kept, or who is next not be read; nothing more
            was sent.
        RecipientsError
            The rows of who is next cannot be read; likewise.

        Warns
        -----
        UserWarning
            An account could not be used, and others took its share.
        """
        if not any(route.queue for route in self._routes):
            return
        now_s = self._clock.wall(self._clock.now()).timestamp()
        # One of many knows what counts for its part; of what others begin now, none does.
        for pacer in self._queues.pacers if self._is_alone else ():
            recall(pacer, self._books, self._clock, now_s)
        for route in self._routes:
            if isinstance(route.sink, Hearing):
                route.sink.begin()
        async with trio.open_nursery() as around:
            around.start_soon(self._watch_clock)
            async with trio.open_nursery() as self._nursery:
                for route in self._routes:
                    self._nursery.start_soon(self._drive, route)
            around.cancel_scope.cancel()
        if self._broken is not None:
            raise self._broken
        self._routes.tell_refusals(is_experiment=self._settings.arms is not None)
        if self._stopped.is_set():
            return
        if not self._is_alone and any(route.queue for route in self._routes):
            raise self.error or TransportError("no connection was left")
        for entry in self._queues.drain():
            if self._stopped.is_set():  # by a stop rule that saw these failures
                return
            if entry.due is None:  # who waits for a retry keeps what the last try came to
                error = self.error or TransportError("no connection was left")
                self._outbox.fail(entry, error)

    async def _watch_clock(self) -> None:
        """Have everything looked at anew when the computer has slept."""
        while self._clock.may_jump:
            await trio.sleep(CHECK_S)
            if self._clock.has_jumped():
                self._naps += 1
                self._wake()

    async def _drive(self, route: Route) -> None:
        """Open an account's connections, the first one before the others."""
        assert self._nursery is not None
        self._nursery.start_soon(self._work, Seat(route, 0))
        await route.opened.wait()
        self._fill(route)

    def _fill(self, route: Route) -> None:
        """Have a connection in each new seat, once the first is open, if any is left."""
        if self._nursery is None or not (route.seats and route.opened.is_set()):
            return
        for seat in route.fill():
            self._nursery.start_soon(self._work, seat)

    async def _work(self, seat: Seat) -> None:
        """Have a connection until nobody is left for it."""
        try:
            await self._serve(seat)
        except FATAL as exc:
            self._end(exc)
        finally:
            seat.route.seats.discard(seat.number)
            seat.route.opened.set()
            self._wake()

    async def _serve(self, seat: Seat) -> None:
        """Hold one session after the other until the queue is empty."""
        route, losses = seat.route, Losses(self._settings.retry)
        while (entry := await self._take(route, seat)) is not None:
            stint = Stint(entry, seat, self._naps)
            error = await self._converse(route, stint, route.account)
            if stint.entry is not None:
                self._outbox.put_back(stint.entry)
            self._wake()
            if error is None:
                losses.forget()
                continue
            if isinstance(error, FATAL):
                raise error
            if not route.opened.is_set():
                route.refusal = error
                if self._settings.arms is not None:
                    self.stop()
                return
            self.error = error
            now = self._clock.now()
            if isinstance(error, ReplyError):
                route.hear(error.verb, error.reply.code, error.reply.text, now)
            losses.add(now, is_answered=stint.is_answered)
            pause_s = losses.pause_s(error, are_others=self._routes.are_others(route))
            if pause_s is None:
                route.given_up += 1
                return
            if not await self._comes_back(seat, pause_s):
                return

    async def _comes_back(self, seat: Seat, pause_s: float) -> bool:
        """Have a lost connection stay away; tell whether it is to be had again."""
        waiter = self._clock.waiter(self._clock.now() + pause_s)
        seat.route.away[seat.number] = waiter
        self._wake()
        try:
            while self._is_work_left(seat.route) and not seat.is_gone:
                if await waiter.wait():
                    return True
            return False
        finally:
            del seat.route.away[seat.number]

    # -- whose turn it is

    def _is_work_left(self, route: Route) -> bool:
        """Whether somebody waits for a route, or may come back to wait."""
        if self._stopped.is_set():
            return False
        may_come_back = self._settings.retry is not None or len(self._routes) > 1
        return bool(route.queue) or (may_come_back and self._outbox.in_flight > 0)

    async def _take(
        self, route: Route, seat: Seat, patience_s: float = math.inf
    ) -> Entry | None:
        """Take the next recipient at their instant.

        None: nobody is left, a stop, the connection is to be none any more, or nobody's
        time comes while the patience lasts.
        """
        now, line = self._clock.now(), route.line
        end = now + patience_s
        waiter = self._clock.waiter(end)
        line.append(waiter)
        try:
            while self._is_work_left(route) and not seat.is_gone:
                at = self._next_at(route, now)
                leaves_at = self._gives_way_at(route, at, now)
                if at > end or leaves_at <= now:
                    return None
                if line[0] is not waiter or (
                    at <= now and self._has_turns and not self._routes.is_turn(route, now)
                ):
                    if now >= end:
                        return None
                    at = math.inf  # until another connection, or route, has taken one
                if at <= now:
                    if (entry := self._take_now(route, now)) is not None:
                        return entry
                    continue
                now = await self._wait_until(waiter, min(at, leaves_at))
            return None
        finally:
            self._leave(route, waiter)

    def _gives_way_at(self, route: Route, at: float, now: float) -> float:
        """Give the instant at which a connection that waits until `at` makes room."""
        return math.inf

    def _leave(self, route: Route, waiter: Waiter) -> None:
        """Step out of the line; whoever is first then keeps the time, without waking."""
        line = route.line
        is_first = line[0] is waiter
        line.remove(waiter)
        if is_first and line:
            if self._is_work_left(route):
                line[0].aim(self._next_at(route, self._clock.now()))
            else:
                line[0].ring()

    def _take_now(self, route: Route, now: float) -> Entry | None:
        entry = self._outbox.take(route.queue, now)
        if entry is not None and self._has_turns:
            self._routes.take(route, now)
            self._wake()
        return entry

    def _next_at(self, route: Route, now: float) -> float:
        """Give the instant from which a route's next message may begin."""
        if self.is_paused:
            return math.inf
        at, pace = route.queue.next_at(now), route.queue.pacer.pace
        if route.rests_until > at:
            at = route.rests_until
        if not pace.has_hours or at == math.inf:
            return at
        moment = self._clock.wall(at)
        opens = pace.open_at(moment)
        return at if opens <= moment else self._clock.instant(opens.timestamp())

    async def _wait_until(self, waiter: Waiter, at: float) -> float:
        """Wait for an instant, or for a change that asks to look anew; give the time."""
        is_time = await waiter.wait(at)
        now = self._clock.now()
        return waiter.instant if is_time and now - waiter.instant < _LATE_S else now

    def _wake(self) -> None:
        """Have those look anew who may have something to do now."""
        for route in self._routes:
            if route.line:
                route.line[0].ring()
            for waiter in route.away.values():
                waiter.ring()

    # -- one session

    async def _converse(
        self,
        route: Route,
        stint: Stint,
        account: Account,
        connector: Connector | None = None,
        prove: Callable[[Session], object] | None = None,
    ) -> SMTPBookError | None:
        """Hold one session, which `prove` looks at first; give what ended it early."""
        session: Session | None = None
        error: SMTPBookError | None = None
        with trio.CancelScope() as scope:
            self._opening.add(scope)
            try:
                async with open_session(
                    account,
                    sink=route.sink,
                    campaign_id=self._campaign_id,
                    connector=connector or self._connector,
                    keeps_rows=False,
                ) as session:
                    if prove is not None:
                        prove(session)
                    self._opening.discard(scope)
                    stint.is_open = True
                    route.opened.set()
                    # A stop that came with the last reply of the opening has cancelled
                    # what follows: nothing may begin in it.
                    if not scope.cancel_called:
                        await self._send(route, session, stint, scope)
            except SMTPBookError as exc:
                error = exc
            finally:
                self._opening.discard(scope)
                # Cut off, those that had begun have a verdict all the same.
                for result in session.take_results() if session is not None else ():
                    self._outbox.note(result, stint.tray)
        self._outbox.give_back(stint.tray)
        return error

    async def _send(
        self, route: Route, session: Session, stint: Stint, scope: trio.CancelScope
    ) -> None:
        """Send by a session until it has carried its share, or nobody comes for long."""
        stint.extensions = session.extensions
        limits = (
            self._settings.messages_per_connection,
            session.extensions.max_messages,
            self._max_messages,
        )
        stint.left = min((limit for limit in limits if limit), default=math.inf)
        while stint.entry is not None and not self._stopped.is_set():
            async for result in session.send_many(
                self._messages(route, stint),
                pipelining=route.pipelining,
                on_mail_data=lambda message: self._outbox.begin(message, stint.tray),
            ):
                stint.is_answered = stint.is_answered or result.reply is not None
                stint.quiet_since = self._clock.now()
                comes_back = self._outbox.note(result, stint.tray)
                if (reply := result.reply) is not None:
                    verb = result.recipients[0].verb
                    route.hear(verb, reply.code, reply.text, stint.quiet_since)
                # Somebody is to be tried again, or nobody can come back any more.
                if comes_back or not self._is_work_left(route):
                    self._wake()
            if stint.left <= 0:
                return
            if stint.entry is None:
                stint.entry = await self._take(route, stint.seat, _MAX_IDLE_S)
            if stint.entry is None:
                return
            if self._naps > stint.naps or not await stint.is_there(session, self._clock):
                scope.cancel()
                return

    def _messages(
        self, route: Route, stint: Stint
    ) -> Iterable[Message] | AsyncIterable[Message]:
        is_free = route.queue.pacer.pace.is_free and not self._has_turns
        if is_free and self._books.is_immediate:
            return self._at_once(route, stint)
        return self._paced(route, stint)

    def _at_once(self, route: Route, stint: Stint) -> Iterator[Message]:
        while stint.entry is not None:
            if (message := self._claim(stint)) is not None:
                yield message
            now = self._clock.now()
            if self._is_held(stint) or self.is_paused or route.rests_until > now:
                return
            stint.entry = self._outbox.take(route.queue, now)

    async def _paced(self, route: Route, stint: Stint) -> AsyncIterator[Message]:
        while stint.entry is not None:
            if (message := self._claim(stint)) is not None:
                await self._outbox.durable(message, stint.tray)
                yield message
            if self._is_held(stint):
                return
            stint.entry = await self._take(route, stint.seat, CHECK_AFTER_S)
            if self._naps > stint.naps:
                return

    def _is_held(self, stint: Stint) -> bool:
        return stint.left <= 0 or stint.seat.is_gone or self._stopped.is_set()

    def _claim(self, stint: Stint) -> Message | None:
        entry, stint.entry = stint.entry, None
        assert entry is not None
        stint.left -= 1
        return self._outbox.claim(entry, stint.tray, stint.extensions)
