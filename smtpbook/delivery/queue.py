"""Queue: who still waits to be written to in this send, and who is next.

Theory of operation.  The next is the earliest of the list whose time has come.  Recipients
stand in lanes, one for each destination domain that the pace counts (or one for all).  A
lane that must wait for its domain's pace stands aside until then, and so does a recipient
whose retry is not due; both come back to their places.  So nobody holds back another
domain, a domain keeps its order, and nobody waits for ever: only the finite number of
recipients before it can be taken first.  Each step costs the logarithm of their number.

It knows no clock and waits for nothing; instants come in as in `pacing`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush

from smtpbook.ledger.entries import Entry
from smtpbook.pacing.pace import Pacer


class Queue:
    """The recipients of one send.

    Parameters
    ----------
    entries : iterable of Entry
        In the order in which to write to them; each gets its place there.
    pacer : Pacer
        Told of what is taken.
    """

    def __init__(self, entries: Iterable[Entry], pacer: Pacer) -> None:
        self._pacer = pacer
        self._entries = list(entries)
        self._size = len(self._entries)
        # All four are heaps but the dict; a place is an index into `_entries`.
        self._lanes: dict[str, list[int]] = {}
        self._open: list[tuple[int, str]] = []  # lanes by their first place; some outdated
        self._aside: list[tuple[float, str]] = []  # lanes by the instant they may go on
        self._later: list[tuple[float, int]] = []  # places by the instant of their retry
        self._is_aside: set[str] = set()
        for place, entry in enumerate(self._entries):
            entry.place = place
            self._enter(place)

    def __len__(self) -> int:
        return self._size

    def next_at(self, now: float) -> float:
        """Give the instant before which nobody can be taken; infinity: nobody waits.

        Then it may turn out that the domain of a retry must wait longer.
        """
        if not self._size:
            return math.inf
        if self._first(now) is None:
            ends = [heap[0][0] for heap in (self._aside, self._later) if heap]
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

    def take_along(self, now: float, attempts: int) -> Entry | None:
        """Take the next for a message that has begun, if it was tried as often."""
        place = self._first(now)
        if place is None or self._entries[place].attempts != attempts:
            return None
        return self._take(now)

    def put_back(self, entry: Entry) -> None:
        """Let a recipient who was taken stand at its place again."""
        self._size += 1
        self._enter(entry.place)

    def put_later(self, entry: Entry, due: float) -> None:
        """Let a recipient who was taken come back to its place at an instant."""
        self._size += 1
        heappush(self._later, (due, entry.place))

    def __iter__(self) -> Iterator[Entry]:
        """Give all who wait, in the order of their places; none of them is taken."""
        places = [place for lane in self._lanes.values() for place in lane]
        places += [place for _, place in self._later]
        return (self._entries[place] for place in sorted(places))

    def _enter(self, place: int) -> None:
        domain = self._pacer.domain(self._entries[place].address)
        lane = self._lanes.get(domain)
        if lane is None:
            self._lanes[domain] = [place]
            # Whether its pace lets it begin is asked when somebody asks who is next.
            self._set_aside(domain, -math.inf)
            return
        heappush(lane, place)
        if lane[0] == place and domain not in self._is_aside:
            heappush(self._open, (place, domain))

    def _first(self, now: float) -> int | None:
        """Give the first place whose time has come, and bring `_open` up to date."""
        while self._later and self._later[0][0] <= now:
            self._enter(heappop(self._later)[1])
        while self._aside and self._aside[0][0] <= now:
            domain = heappop(self._aside)[1]
            self._is_aside.discard(domain)
            self._reopen(domain, now)
        while self._open:
            place, domain = self._open[0]
            lane = self._lanes.get(domain)
            if lane and lane[0] == place and domain not in self._is_aside:
                return place
            heappop(self._open)
        return None

    def _take(self, now: float) -> Entry | None:
        place = self._first(now)
        if place is None:
            return None
        domain = heappop(self._open)[1]
        heappop(self._lanes[domain])
        self._size -= 1
        self._pacer.take_of(domain, now)
        self._reopen(domain, now)
        return self._entries[place]

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
        heappush(self._aside, (until, domain))
        self._is_aside.add(domain)
