"""Delivery: one that takes each message to the recipient's own servers.

Theory of operation.  A connection takes whoever is next on the list and may go, and opens a
session with a server of that recipient's domain; then it takes those who go to the same
servers, one after the other, until there is none, or others could go at once while these
have to wait and no connection is idle.  Where mail goes is found ahead, several domains at
a time.  Servers that cannot be reached are a verdict for all who wait for them just then;
each comes to their own retry.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import trio

from smtpbook.accounts.account import Account
from smtpbook.delivery.clock import Waiter
from smtpbook.delivery.delivery import FATAL, Delivery
from smtpbook.delivery.losses import MAX_FAILURES, PAUSE_S
from smtpbook.delivery.outbox import Letter
from smtpbook.delivery.queue import Queue, Source
from smtpbook.delivery.routes import Route, Seat
from smtpbook.delivery.settings import Settings
from smtpbook.delivery.stint import Stint
from smtpbook.direct.sites import DOWN_S, Site, Sites, Trouble
from smtpbook.errors import DeferredError, RejectedError, SMTPBookError
from smtpbook.escape import visible
from smtpbook.events import row_of
from smtpbook.ledger.books import Books
from smtpbook.ledger.entries import Entry
from smtpbook.pacing.pace import Pacer
from smtpbook.protocol.addresses import domain_of
from smtpbook.protocol.message import Message
from smtpbook.relaying.approach import Approach, failure_of, results_of
from smtpbook.relaying.destination import Finder
from smtpbook.routes.route import Route as MailRoute
from smtpbook.routes.tls_results import TlsResult
from smtpbook.session.record import Connector
from smtpbook.session.session import Session
from smtpbook.transport.connect import connect

# After so many messages a session makes room for other destinations.
_MAX_MESSAGES: Final = 50
# So long a session stays where it has to wait for its own pace, though others could go: a
# new connection costs about as much.
_LINGER_S: Final = 5.0
_LOOKUPS: Final = 8  # domains whose servers are looked for at once


class DirectDelivery(Delivery):
    """One run over a queue of recipients, by an account of `Account.direct`."""

    _max_messages = _MAX_MESSAGES

    def __init__(
        self,
        books: Books,
        chosen: Source,
        letter: Letter,
        accounts: Mapping[Account, float],
        settings: Settings,
        **more: Any,
    ) -> None:
        check_direct(accounts, settings)
        account = next(iter(accounts))
        assert account.relay is not None
        self._finder, self._relay = Finder(account), account.relay
        self._wanted, self._to_find = trio.open_memory_channel[str](math.inf)
        super().__init__(books, chosen, letter, accounts, settings, **more)

    def _pacing(self, pacer: Pacer) -> Pacer:
        self._sites = Sites(pacer, self._relay, self._wanted.send_nowait)
        return self._sites

    # -- finding

    async def _drive(self, route: Route) -> None:
        """Look for servers, and have all connections work, from the beginning."""
        self._main = route
        route.opened.set()  # there is no one server to wait for
        async with trio.open_nursery() as around:
            around.start_soon(self._look_up)
            async with trio.open_nursery() as self._nursery:
                await super()._drive(route)
            around.cancel_scope.cancel()

    async def _look_up(self) -> None:
        limit = trio.Semaphore(_LOOKUPS)
        async with trio.open_nursery() as nursery:
            async for domain in self._to_find:
                await limit.acquire()
                nursery.start_soon(self._find, domain, limit)

    async def _find(self, domain: str, limit: trio.Semaphore) -> None:
        began, started = datetime.now(UTC), trio.current_time()
        found, route = await self._finder.find(domain)
        limit.release()
        self._note_look_up(domain, route, began, trio.current_time() - started)
        for result in results_of(route) if route is not None else ():
            self._run.note_tls(result)
        for lane in self._sites.learn(domain, found, self._main, self._clock.now()):
            self._queue.enter_anew(lane)
        self._wake()

    @property
    def _queue(self) -> Queue:
        assert isinstance(self._main.queue, Queue)
        return self._main.queue

    def _note_look_up(
        self, domain: str, route: MailRoute | None, began: datetime, took_s: float
    ) -> None:
        said = None
        if route is not None:
            named = [f"{one.preference} {visible(one.name)}" for one in route.hosts]
            hosts = ", ".join(named)
            said = hosts if route.error is None else f"{hosts} ({route.error})".lstrip()
        self._run.note(
            row_of(
                time=int(began.timestamp() * 1_000_000),
                campaign_id=self._campaign_id,
                kind="dns",
                verb="MX",
                command=said,
                latency_s=took_s,
                service_s=took_s,
                recipient_domain=domain,
                account=self._main.account.name,
                error="TransportError" if route is None or route.kind == "error" else None,
                source="live",
            )
        )

    # -- one recipient after the other

    async def _serve(self, seat: Seat) -> None:
        """Take whoever may go, and go there, until the queue is empty."""
        while (entry := await self._take(seat.route, seat)) is not None:
            await self._go(entry, seat)

    async def _go(self, entry: Entry, seat: Seat) -> None:
        where, now = self._sites.at(entry), self._clock.now()
        trouble = where.trouble if isinstance(where, Site) else where
        if isinstance(trouble, RejectedError):
            self._turn_away(entry, trouble)
        elif isinstance(trouble, Trouble) and trouble.covers(entry, now):
            self._turn_away(entry, trouble.error, trouble.account)
        elif isinstance(where, Site) and trouble is None:
            await self._visit(where, entry, seat)
        else:  # it is time to try again, and the servers may be others by now
            if isinstance(where, Site):
                where.trouble = None
            self._sites.forget(entry)
            self._outbox.put_back(entry)
            self._wake()
        # Verdicts alone would let nobody else work.
        await trio.lowlevel.checkpoint()

    def _turn_away(
        self, entry: Entry, error: SMTPBookError, account: Account | None = None
    ) -> None:
        self._outbox.turn_away(entry, error, account)
        self._wake()

    async def _visit(self, site: Site, entry: Entry, seat: Seat) -> None:
        """Hold a session with one of a site's servers."""
        stint = Stint(entry, seat, self._naps)
        site.sessions += 1
        self._routes.add(site)
        try:
            error = await self._try_all(site, stint)
        finally:
            site.sessions -= 1
            if not site.sessions:
                self._routes.remove(site)
            if stint.entry is not None:
                self._outbox.put_back(stint.entry)
            self._reopen(site)
            self._wake()
        if isinstance(error, FATAL):
            raise error

    async def _try_all(self, site: Site, stint: Stint) -> SMTPBookError | None:
        """Go from server to server until one lets us in; give what ended it early."""
        domain = domain_of(stint.entry.address) if stint.entry is not None else None
        tour = site.destination.tour(self._main.account, self._finder.lot)
        while (approach := tour.now) is not None:
            error = await self._approach(site, stint, approach, domain or "")
            if error is None or isinstance(error, FATAL) or self._stopped.is_set():
                site.failures = 0
                return error
            if stint.is_open:
                return self._lost(site, stint, error, approach)
            tour.turned_away(error)
        error, approach = tour.verdict
        if isinstance(error, DeferredError):
            site.hear(error.verb, error.reply.code, error.reply.text, self._clock.now())
            return self._lost(site, stint, error, approach)
        self._fail(site, stint, error, approach)
        return error

    async def _approach(
        self, site: Site, stint: Stint, approach: Approach, domain: str
    ) -> SMTPBookError | None:
        """Hold a session with one server, if it lets us in and proves what it has to."""
        results: list[TlsResult | None] = []

        def prove(session: Session) -> None:
            shortfall = approach.shortfall(session)
            results.append(approach.result(domain, shortfall))
            approach.require(shortfall)

        is_real = self._connector is connect  # else a rehearsal's, which knows no TLS
        connector: Connector = approach.connect if is_real else self._connector
        error = await self._converse(site, stint, approach.account, connector, prove)
        if not results and error is not None and (failure := failure_of(error)) is not None:
            results.append(approach.result(domain, failure))
        for result in results if is_real else ():
            self._run.note_tls(result)
        return error

    def _lost(
        self, site: Site, stint: Stint, error: SMTPBookError, approach: Approach
    ) -> SMTPBookError:
        """Note that a session ended early, or that none could be had just now.

        After some in a row it is the verdict.
        """
        now = self._clock.now()
        site.failures = 1 if stint.is_answered else site.failures + 1
        if site.failures >= MAX_FAILURES:
            self._fail(site, stint, error, approach)
        else:
            pause_s = PAUSE_S * 2.0 ** (site.failures - 1)
            site.rests_until = max(site.rests_until, now + pause_s)
        return error

    def _fail(
        self, site: Site, stint: Stint, error: SMTPBookError, approach: Approach
    ) -> None:
        """Let it be the verdict for all who wait for these servers."""
        now = self._clock.now()
        site.failures = 0
        self.error = error
        # Else another session was first, and some have been told already.
        if site.trouble is None or now >= site.trouble.until:
            site.trouble = Trouble(
                error=error, account=approach.account, until=now + DOWN_S
            )
        entry, stint.entry = stint.entry, None
        if entry is not None:
            site.trouble.told.add(entry.position)
            self._turn_away(entry, error, approach.account)

    # -- whose turn it is

    def _leave(self, route: Route, waiter: Waiter) -> None:
        super()._leave(route, waiter)
        if isinstance(route, Site):
            self._reopen(route)

    def _reopen(self, site: Site) -> None:
        now = self._clock.now()
        for lane in site.branch.lanes:
            self._queue.reopen(lane, now)

    def _gives_way_at(self, route: Route, at: float, now: float) -> float:
        """Give when a session that waits makes room: others can go, and nobody is idle."""
        if not isinstance(route, Site) or self._main.line:
            return math.inf
        elsewhere = self._next_at(self._main, now)
        return math.inf if at <= elsewhere + _LINGER_S else elsewhere

    def _messages(
        self, route: Route, stint: Stint
    ) -> Iterable[Message] | AsyncIterable[Message]:
        return self._paced(route, stint)


def check_direct(accounts: Mapping[Account, float], settings: Settings) -> None:
    """Refuse what does not go with servers that are found for each recipient.

    Raises
    ------
    ValueError
        The message names it.
    """
    if not any(account.relay for account in accounts):
        return
    why = None
    if len(accounts) > 1:
        why = "another account: Account.direct() sends to everybody's own servers"
    elif settings.together is not None:
        why = "together=: a message to several goes to the servers of one domain only"
    elif settings.pace.is_adaptive:
        why = f"pace={str(settings.pace)!r}: there is no one server to follow"
    elif settings.arms is not None and len(settings.arms.ways) > 1:
        why = "arms that differ in how messages travel"
    if why is not None:
        raise ValueError(f"Account.direct() does not go with {why}")


def delivery_by(accounts: Mapping[Account, float]) -> type[Delivery]:
    """Give the kind of delivery that accounts need."""
    is_direct = any(account.relay is not None for account in accounts)
    return DirectDelivery if is_direct else Delivery
