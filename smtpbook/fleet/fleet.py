"""Fleet: the workers of a simulated send, each doing its next thing at its instant.

Theory of operation.  There is one heap of instants.  A worker runs a delivery as a real
one does: it claims partitions (`smtpbook.cluster.claims`), asks its part of the pace
(`smtpbook.pacing`) and takes the next lot that may go from its queue
(`smtpbook.delivery.queue`); the lot then occupies one of its connections for as long as its
messages would.  When its queue is empty it is through with what it holds, gives its lease
back and waits until something is free.  One that is killed is silent from then on; what it
had is claimed by whoever looks for work once its lease has run out.

The domains' limits are kept in one place, for all workers: a real one that takes a domain
over recalls from the ledger what was begun there.
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from heapq import heappop, heappush
from itertools import count, islice
from typing import cast

from smtpbook.cluster.claims import Claims
from smtpbook.cluster.order import dealt
from smtpbook.cluster.sender import BEATS, LOOK_S
from smtpbook.delivery.queue import Queue
from smtpbook.fleet.lots import Lot, most_held, pace_in_lots
from smtpbook.fleet.register import Desk, Register
from smtpbook.fleet.times import MessageTimes
from smtpbook.ledger.entries import Entry
from smtpbook.pacing.pace import Pace, Pacer
from smtpbook.shared_ledger.ledger import SharedLedger
from smtpbook.shared_ledger.shares import heartbeat_of


class Fleet:
    """All workers of one send.

    Parameters
    ----------
    register : Register
    connections : list of int
        How many each worker has.
    pace : Pace
        In recipients.
    lot : int
        Recipients in a lot.
    times : MessageTimes
    cpu_s : float
        What a message costs its worker's core.
    lease_s : float

    Attributes
    ----------
    begun, ended : array of float
        For each lot, in the order in which they began: its instants, in seconds; the end of
        one that was cut off is that of its worker.
    domains, sizes : array of int
        For each lot, the domain's number, and the recipients who were written to.
    in_doubt : int
        Recipients whose message was under way when its worker was killed.
    running : list of (float, int)
        From which instant on how many workers had a lease.
    """

    def __init__(
        self,
        register: Register,
        connections: list[int],
        pace: Pace,
        lot: int,
        *,
        times: MessageTimes,
        cpu_s: float,
        lease_s: float,
    ) -> None:
        self.register, self.lot = register, lot
        self.times, self.cpu_s, self.lease_s = times, cpu_s, lease_s
        self.beat_s = heartbeat_of(lease_s)
        self.begun, self.ended = array("d"), array("d")
        self.domains, self.sizes = array("q"), array("q")
        self.in_doubt = 0
        self.running: list[tuple[float, int]] = []
        self.is_paced = bool(pace.limits or pace.domain_limits)
        self.pace_of_all, of_domains = pace_in_lots(pace, lot)
        self.domain_pacer = Pacer(of_domains)
        self.paid: deque[float] = deque()  # instants of the last lots, for whoever recalls
        self._heap: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()
        self.connections = sum(connections)
        self.workers = [Worker(self, n, many) for n, many in enumerate(connections)]

    def run(self, killed: Mapping[int, float]) -> None:
        """Let everything happen.

        Parameters
        ----------
        killed : mapping of int to float
            By worker, the instant of its death in seconds.
        """
        for worker, at in killed.items():
            self.at(at, self.workers[worker].die)
        for one in self.workers:
            self.at(0.0, one.look_for_work)
        heap = self._heap
        while heap:
            now, _, happens = heappop(heap)
            happens(now)

    def at(self, instant: float, happens: Callable[[float], None]) -> None:
        """Let something happen at an instant."""
        heappush(self._heap, (instant, next(self._order), happens))

    def company_changed(self, now: float) -> None:
        """Let all who run hear that there are more or fewer of them, by their next beat."""
        self.running.append((now, self.register.company(now)))
        self.at(now + self.beat_s, self._hear)

    def lease_over(self, now: float) -> None:
        """Let those who wait find what a dead worker had."""
        self.company_changed(now)
        for worker in self.workers:
            worker.look_again(now)

    def pay(self, at: float) -> None:
        """Note that a lot was begun, for those who later recall what all have begun."""
        if self.pace_of_all.limits:
            self.paid.append(at)

    def recalled(self, now: float) -> Iterable[tuple[float, str, str]]:
        """Give what still counts for the pace of all: what a ledger would tell of it."""
        company = max(1, self.register.company(now))
        since = now - self.pace_of_all.looks_back_s * company
        while self.paid and self.paid[0] < since:
            self.paid.popleft()
        return ((at, "", str(number)) for number, at in enumerate(self.paid))

    def _hear(self, now: float) -> None:
        for worker in self.workers:
            worker.hear(now)


class Worker:
    """One sender process.

    Parameters
    ----------
    fleet : Fleet
    number : int
    connections : int
    """

    def __init__(self, fleet: Fleet, number: int, connections: int) -> None:
        self._fleet, self._number, self._connections = fleet, number, connections
        self._pacer = Pacer(fleet.pace_of_all)
        self._desk: Desk | None = None  # None: it has no lease
        self._claims: Claims | None = None
        self._queue: Queue
        self._ahead: _Ahead
        self._busy: dict[int, Lot] = {}  # by number of its lot
        self._unopened = 0  # connections
        self._owed = 0  # recipients begun, of whom the pace has not been told yet
        self._not_before = 0.0
        self._looks_at = math.inf  # the next instant at which it tries to begin
        self._since = 0.0  # it began to send, or to wait
        self._last_s = 0.0  # its last sign of life but for heartbeats
        self._is_dead = False

    # -- getting work

    def look_for_work(self, now: float) -> None:
        """Become a runner if something is free; otherwise wait."""
        if self._is_dead or self._desk is not None:
            return
        self._since = now
        register = self._fleet.register
        if not register.work(now).free:
            return
        register.let_in(self._number)
        self._desk = Desk(register, self._number, now)
        self._last_s = now
        self._fleet.company_changed(now)
        # As in `cluster.sender`: until all others keep no more than their part.
        if now > 0.0:
            waits = register.company(now) > 1
        else:  # at the beginning all come at once, whoever is first in the heap
            waits = self._fleet.is_paced and len(self._fleet.workers) > 1
        self._fleet.at(now + waits * BEATS * self._fleet.beat_s, self._start)

    def look_again(self, now: float) -> None:
        """Look for work at the next of the instants at which this one does."""
        if self._is_dead:
            return
        every_s, looks = (
            (LOOK_S, self.look_for_work)
            if self._desk is None
            else (self._fleet.beat_s, self._claim_again)
        )
        times = math.ceil((now - self._since) / every_s)
        self._fleet.at(self._since + times * every_s, looks)

    def _claim_again(self, now: float) -> None:
        """Claim more, if nothing was free and something is now."""
        if self._is_dead or self._desk is None or self._claims is None:
            return
        self._desk.now = now
        if self._claims.look_again() and self._looks_at < math.inf:
            self._looks_at = now
            self.go_on(now)
        if self._fleet.register.work(now).orphans:
            self._fleet.at(now + self._fleet.beat_s, self._claim_again)

    def _start(self, now: float) -> None:
        """Claim the first partitions and begin."""
        if self._is_dead:
            return
        assert self._desk is not None
        self._deal(now)
        if now > 0.0:  # at the beginning nobody else has them
            self._connections = self._own(now)
        self._claims = Claims(cast("SharedLedger", self._desk), 1)
        self._desk.now = self._since = now
        self._claims.claim()
        self._ahead = _Ahead(self._claims, most_held(self._fleet.lot))
        self._queue = Queue(self._ahead, self._fleet.domain_pacer)
        self._unopened = self._connections
        self._looks_at = now
        self.go_on(now)

    def hear(self, now: float) -> None:
        """Take another part if there are more or fewer runners now."""
        desk = self._desk
        if desk is None or self._is_dead:
            return
        before, company = desk.company, self._fleet.register.company(now)
        if company == before:
            return
        self._deal(now)
        self._connections = min(self._connections, self._own(now))
        self._fleet.at(now + BEATS * self._fleet.beat_s, self._settle)
        if not self._fleet.is_paced:
            return
        if company > before:
            self._not_before = now + BEATS * self._fleet.beat_s
        if math.isfinite(self._looks_at):
            self._look_at(now)

    def _settle(self, now: float) -> None:
        """Have the connections that others have given up by now."""
        if self._desk is None or self._is_dead:
            return
        before, self._connections = self._connections, self._own(now)
        if self._connections > before and self._claims is not None:
            self._look_at(now)

    def _own(self, now: float) -> int:
        """Give how many connections are this runner's, as many as there are now."""
        runners = self._fleet.register.runners(now)
        parts = dealt(self._fleet.connections, len(runners))
        return next(islice(parts, runners.index(self._number), None), 1)

    def _deal(self, now: float) -> None:
        assert self._desk is not None
        self._desk.company = self._fleet.register.company(now)
        self._pacer.share_with(self._desk.company)
        self._pacer.recall(self._fleet.recalled(now))

    # -- sending

    def go_on(self, now: float) -> None:
        """Begin as many lots as connections and pace allow now."""
        if self._is_dead or now != self._looks_at:
            return  # it was to look at another instant meanwhile
        self._looks_at = math.inf
        assert self._desk is not None
        self._desk.now = now
        while len(self._busy) < self._connections:
            may_at = max(self._not_before, self._pacer.next_at(now))
            if may_at > now:
                self._look_at(may_at)
                return
            lot = self._queue.take(now)
            if lot is None:
                next_at = self._queue.next_at(now)
                if next_at < math.inf:
                    self._look_at(max(next_at, now))
                elif not self._busy:
                    self._finish(now)
                return
            assert isinstance(lot, Lot)
            self._begin(lot, now)

    def _look_at(self, instant: float) -> None:
        self._looks_at = instant
        self._fleet.at(instant, self.go_on)

    def _begin(self, lot: Lot, now: float) -> None:
        fleet = self._fleet
        self._ahead.taken += 1
        self._owed += lot.size
        while self._owed >= fleet.lot:
            self._owed -= fleet.lot
            self._pacer.take(now)
            fleet.pay(now)
        # Each of those that are busy has its part of the core.
        cpu_s = lot.size * fleet.cpu_s * (len(self._busy) + 1)
        ends_at = now + max(fleet.times.lot_s(lot.size), cpu_s)
        if self._unopened:
            self._unopened -= 1
            ends_at += fleet.times.open_s
        number = len(fleet.begun)
        fleet.begun.append(now)
        fleet.ended.append(ends_at)
        fleet.domains.append(lot.position)
        fleet.sizes.append(lot.size)
        fleet.register.left[lot.position] -= lot.size
        self._busy[number] = lot
        self._last_s = now
        fleet.at(ends_at, lambda now: self._end(number, now))

    def _end(self, number: int, now: float) -> None:
        if self._busy.pop(number, None) is None:
            return  # it died
        self._last_s = now
        if math.isinf(self._looks_at) or self._looks_at <= now:
            self._looks_at = now
            self.go_on(now)

    def _finish(self, now: float) -> None:
        """Be through with all that is held, and look for more."""
        self._fleet.register.finish(self._number)
        self._desk = self._claims = None
        self._fleet.company_changed(now)
        self.look_for_work(now)

    def die(self, now: float) -> None:
        """Do nothing from now on; what was under way is in doubt."""
        if self._is_dead:
            return
        self._is_dead = True
        fleet = self._fleet
        for number, lot in self._busy.items():
            lasted = (now - fleet.begun[number]) / (
                fleet.ended[number] - fleet.begun[number]
            )
            through = min(int(lasted * lot.size), lot.size - 1)
            fleet.in_doubt += 1
            fleet.sizes[number], fleet.ended[number] = through + 1, now
            fleet.register.left[lot.position] += lot.size - through - 1
        last_s = now if self._busy else self._last_s
        self._busy.clear()
        if self._desk is not None:
            last_s += (now - last_s) // fleet.beat_s * fleet.beat_s
            until = max(last_s + fleet.lease_s, now)
            fleet.register.fall_silent(self._number, now, until)
            fleet.at(until, fleet.lease_over)


class _Ahead:
    """Claims that hand out no more than a queue of recipients would hold: a `Source`.

    Attributes
    ----------
    taken : int
        How many of those handed out have left the queue.
    """

    def __init__(self, claims: Claims, most: int) -> None:
        self._claims, self._most = claims, most
        self._handed = self.taken = 0

    def __len__(self) -> int:
        return len(self._claims)

    def take(self) -> Entry | None:
        if self._handed - self.taken >= self._most:
            return None
        self._claims.claim()
        entry = self._claims.take()
        self._handed += entry is not None
        return entry
