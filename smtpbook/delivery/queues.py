"""Queues: everybody who waits in a send, in a queue for each way that messages go.

There is one way, unless an experiment's arms differ in how they travel.  The list is read
in its order; whom one way is ahead of the others waits here: no more than
`MAX_HELD`, unless the others have hours or a pace of their own, or no connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from smtpbook.accounts.account import Account
from smtpbook.delivery.arms import Arms, Way
from smtpbook.delivery.clock import Clock
from smtpbook.delivery.queue import MAX_HELD, Queue, Source
from smtpbook.delivery.routes import Route, shared_out
from smtpbook.delivery.settings import Settings
from smtpbook.events import Sink
from smtpbook.ledger.entries import Entry
from smtpbook.pacing.pace import Pacer

_ONE_WAY: Final = Way()


class Queues:
    """The recipients of one send.

    Parameters
    ----------
    chosen : Source
    arms : Arms or None
    pacer : Pacer
        Of all ways that have no pace of their own.
    clock : Clock
    pacing : callable
        Given a pacer, gives what says when the recipients of a queue may be taken.

    Attributes
    ----------
    pacers : list of Pacer
    routes : list of Route
        Each account by each way, since they `travel`.
    """

    def __init__(
        self,
        chosen: Source,
        arms: Arms | None,
        pacer: Pacer,
        clock: Clock,
        pacing: Callable[[Pacer], Pacer],
    ) -> None:
        self._chosen, self._arms = chosen, arms
        ways = _ways(arms)
        self._ahead: dict[Way, deque[Entry]] = {way: deque() for way in ways}
        self.routes: list[Route] = []
        self.pacers = [pacer]
        self._queues: dict[Way, Queue] = {}
        for way in ways:
            own = pacer if way.pace is None else Pacer(way.pace)
            if own is not pacer:
                self.pacers.append(own)
            source = chosen if len(ways) == 1 else _Part(self, way)
            self._queues[way] = Queue(source, pacing(own), clock.instant)

    def of(self, entry: Entry) -> Queue:
        """Give the queue that a recipient waits in."""
        return self._queues[self._way_of(entry)]

    def drain(self) -> Iterator[Entry]:
        """Take all who wait, whatever their time."""
        for queue in self._queues.values():
            yield from queue.drain()

    def travel(
        self,
        accounts: Mapping[Account, float],
        connections: int,
        sink_of: Callable[[Account, Queue], Sink],
    ) -> None:
        """Let each account, by each way, have its share of messages and connections."""
        self.routes = [
            Route(
                account,
                share,
                sink_of(account, self._queues[way]),
                1,
                self._queues[way],
                way.pipelining,
            )
            for way, account, share in travels(accounts, self._arms)
        ]
        self.connect(connections)

    def connect(self, connections: int) -> None:
        """Let the routes have so many connections; at least one each."""
        numbers = shared_out(connections, [one.share for one in self.routes])
        for route, number in zip(self.routes, numbers, strict=True):
            route.connections = number

    def left(self, way: Way) -> int:
        """Give how many are left to be handed out by a way at most, as far as is known."""
        return len(self._ahead[way]) + len(self._chosen)

    def take(self, way: Way) -> Entry | None:
        """Hand out the next one who goes a way; None: nobody is there now."""
        if ahead := self._ahead[way]:
            return ahead.popleft()
        while not self._is_full and (entry := self._chosen.take()) is not None:
            if (own := self._way_of(entry)) == way:
                return entry
            self._ahead[own].append(entry)
        return None

    @property
    def _is_full(self) -> bool:
        """Whether so many wait for their ways that those behind them have to, too."""
        held = [len(ahead) for way, ahead in self._ahead.items() if self._is_awaited(way)]
        return sum(held) >= MAX_HELD

    def _is_awaited(self, way: Way) -> bool:
        """Whether a way will go on soon: it has connections, and no hours of its own."""
        queue = self._queues[way]
        return way.pace is None and any(
            route.seats for route in self.routes if route.queue is queue
        )

    def _way_of(self, entry: Entry) -> Way:
        return _ONE_WAY if self._arms is None else self._arms.of(entry.row).way


class _Part:
    """Those of a source who go one way: a `Source` of its own."""

    def __init__(self, queues: Queues, way: Way) -> None:
        self._queues, self._way = queues, way

    def __len__(self) -> int:
        return self._queues.left(self._way)

    def take(self) -> Entry | None:
        return self._queues.take(self._way)


def travels(
    accounts: Mapping[Account, float], arms: Arms | None
) -> list[tuple[Way, Account, float]]:
    """Give each account, by each way, with its share of the messages.

    Each has a connection of its own.
    """
    return [
        (way, account, share * weight)
        for way, weight in _ways(arms).items()
        for account, share in way.accounts(accounts)
    ]


def check_connections(accounts: Mapping[Account, float], settings: Settings) -> None:
    """Refuse fewer connections than one for each account, by each way.

    Raises
    ------
    ValueError
    """
    least = len(travels(accounts, settings.arms))
    if settings.connections < least:
        ways = "" if settings.arms is None else ", by each way of the experiment's arms,"
        raise ValueError(
            f"connections={settings.connections}: each account{ways} needs one of its own; "
            f"give connections={least} or more"
        )


def _ways(arms: Arms | None) -> dict[Way, int]:
    return {_ONE_WAY: 1} if arms is None else arms.ways
