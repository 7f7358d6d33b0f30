"""Queue: who still waits to be written to in this send, and who is next.

Theory of operation.  The next is the earliest of the list whose time has come.  Recipients
stand in lanes, one for each destination domain that the pace counts (or one for all).  A
lane that must wait for its domain's pace stands aside until then, and so does a recipient
whose retry is not due; both come back to their places.  So nobody holds back another
domain, a domain keeps its order, and nobody waits for ever: only the finite number of
recipients before it can be taken first.  Each step costs the logarithm of their number.  A
lane whose instant nobody knows stands aside until it is called (`reopen`).

They are fetched when nobody who has been fetched can go, and never more than `MAX_HELD`
wait here: where so many wait for their domains, those behind them do, too.

It knows no clock and waits for nothing; instants come in as in `pacing`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from typing import Final, Protocol, TypeAlias

from smtpbook.ledger.entries import Entry
from smtpbook.pacing.pace import Pacer

MAX_HELD: Final = 20_000
"""How far ahead of a domain that must wait the queue looks for another, in recipients."""


class Source(Protocol):
    """Hands out whom a send is for, in the order in which to write to them."""

    def __len__(self) -> int:
        """How many are still to be handed out, as far as is known; 0: nobody is left."""

    def take(self) -> Entry | None:
        """Hand out the next one; None: nobody is there now."""


QueueOf: TypeAlias = "Callable[[Entry], Queue]"
"""Gives the queue that a recipient waits in."""


class Queue:
    """The recipients of one send, or those of them who go one way.

    Parameters
    ----------
    source : Source
        Of the recipients; each gets its place in the order in which they come.
    pacer : Pacer
        Told of what is taken; it may be shared with other queues.
    instant : callable
        Gives the instant of `Entry.due`.

    Attributes
    ----------
    pacer : Pacer
    """

    def __init__(
        self, source: Source, pacer: Pacer, instant: Callable[[float], float] = float
    ) -> None:
        self.pacer = pacer
        self._source, self._pacer, self._instant = source, pacer, instant
        self._places = 0
        self._entries: dict[int, Entry] = {}  # those that wait here, by place
        # All four are heaps but the dict.
        self._lanes: dict[str, list[int]] = {}
        self._open: list[tuple[int, str]] = []  # lanes by their first place; some outdated
        self._aside: list[tuple[float, str]] = []  # lanes by the instant they may go on
        self._later: list[tuple[float, int]] = []  # places by the instant of their retry
        self._is_aside: set[str] = set()

    def __len__(self) -> int:
        return len(self._entries) + len(self._source)

    def __bool__(self) -> bool:
        return bool(self._entries) or len(self._source) > 0

    def next_at(self, now: float) -> float:
        """Give the instant before which nobody can be taken; infinity: nobody waits.

        Then it may turn out that the domain of a retry must wait longer.
        """
        if self._first(now) is None:
            ends = [heap[0][0] for heap in (self._aside, self._later) if heap]
            if not ends:
                return math.inf
            now = min(ends)
        return self._pacer.next_at(now)

    def take(self, now: float) -> Entry | None:
        """Take the next, who begins a message; None: the time of none has come."""
        if self._pacer.next_at(now) > now:
            return None
        entry = self._take(now)
        if entry is not None:
            self._pacer.take(now)
        return entry

    def take_from(self, lanes: Iterable[str], now: float) -> Entry | None:
        """Take the next of some lanes that may go on, who begins a message; or nobody."""
        self._bring_back(now)
        waiting = [(self._lanes[lane][0], lane) for lane in lanes if lane in self._lanes]
        if not waiting:
            return None
        place, lane = min(waiting)
        heappop(self._lanes[lane])
        self._pacer.take(now)
        self._pacer.take_of(lane, now)
        if not self._lanes[lane]:
            del self._lanes[lane]
            self._is_aside.discard(lane)
        elif lane not in self._is_aside:
            self._reopen(lane, now)
        return self._entries.pop(place)

    def take_along(self, now: float, fits: Callable[[Entry], bool]) -> Entry | None:
        """Take the next for a message that has begun, if it fits."""
        place = self._first(now)
        if place is None or not fits(self._entries[place]):
            return None
        return self._take(now)

    def put_back(self, entry: Entry) -> None:
        """Let a recipient who was taken stand at its place again."""
        self._enter(entry)

    def put_later(self, entry: Entry, due: float) -> None:
        """Let a recipient who was taken come back to its place at an instant."""
        self._entries[entry.place] = entry
        heappush(self._later, (due, entry.place))

    def waits_in(self, lane: str) -> bool:
        """Whether anybody who has been fetched waits in a lane."""
        return lane in self._lanes

    def reopen(self, lane: str, now: float) -> None:
        """Have it looked at anew from when a lane may go on."""
        if lane in self._is_aside and lane in self._lanes:
            self._is_aside.discard(lane)
            self._reopen(lane, now)

    def enter_anew(self, lane: str) -> None:
        """Let those of a lane stand in the lanes that are theirs now."""
        self._is_aside.discard(lane)
        for place in self._lanes.pop(lane, ()):
            self._enter(self._entries[place])

    def drain(self) -> Iterator[Entry]:
        """Take all who wait, whatever their time, in the order of their places."""
        self._lanes.clear()
        self._open.clear()
        self._aside.clear()
        self._later.clear()
        self._is_aside.clear()
        for place in sorted(self._entries):
            yield self._entries.pop(place)
        while (entry := self._next()) is not None:
            yield entry

    def _next(self) -> Entry | None:
        """Take the next one from the source, and give it its place."""
        entry = self._source.take()
        if entry is not None:
            entry.place = self._places
            self._places += 1
        return entry

    def _fetch(self) -> bool:
        """Let the next one from the source wait here; tell whether there was any."""
        held = len(self._entries) - len(self._later)
        if held >= MAX_HELD or (entry := self._next()) is None:
            return False
        if entry.due is None:
            self._enter(entry)
        else:
            self.put_later(entry, self._instant(entry.due))
        return True

    def _enter(self, entry: Entry) -> None:
        self._entries[entry.place] = entry
        domain = self._pacer.domain(entry.address)
        lane = self._lanes.get(domain)
        if lane is None:
            self._lanes[domain] = [entry.place]
            # Whether its pace lets it begin is asked when somebody asks who is next.
            self._set_aside(domain, -math.inf)
            return
        heappush(lane, entry.place)
        if lane[0] == entry.place and domain not in self._is_aside:
            heappush(self._open, (entry.place, domain))

    def _first(self, now: float) -> int | None:
        """Give the first place whose time has come, and bring `_open` up to date."""
        while True:
            if self._later and self._later[0][0] <= now:
                self._bring_back(now)
            while self._aside and self._aside[0][0] <= now:
                self.reopen(heappop(self._aside)[1], now)
            while self._open:
                place, domain = self._open[0]
                lane = self._lanes.get(domain)
                if lane and lane[0] == place and domain not in self._is_aside:
                    # Another queue may have taken of the domain since it was opened.
                    if (at := self._pacer.next_of(domain, now)) <= now:
                        return place
                    self._set_aside(domain, at)
                heappop(self._open)
            if not self._fetch():
                return None

    def _bring_back(self, now: float) -> None:
        """Let those stand at their places whose retry is due."""
        while self._later and self._later[0][0] <= now:
            self._enter(self._entries[heappop(self._later)[1]])

    def _take(self, now: float) -> Entry | None:
        place = self._first(now)
        if place is None:
            return None
        domain = heappop(self._open)[1]
        heappop(self._lanes[domain])
        self._pacer.take_of(domain, now)
        self._reopen(domain, now)
        return self._entries.pop(place)

    def _reopen(self, domain: str, now: float) -> None:
        """Let a lane go on, now or when its pace allows."""
        lane = self._lanes[domain]
        if not lane:
            del self._lanes[domain]
        elif (at := self._pacer.next_of(domain, now)) > now:
            self._set_aside(domain, at)
        else:
            heappush(self._open, (lane[0], domain))

    def _set_aside(self, domain: str, until: float) -> None:
        self._is_aside.add(domain)
        if until < math.inf:
            heappush(self._aside, (until, domain))
