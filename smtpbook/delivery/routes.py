"""Routes: the accounts of a send, each with its share and its server's moods.

Theory of operation.  Who takes the next message is settled by counting: of all routes that
may take one, the one whose share is least used.  So of every ten messages seven go by one
account and three by another, however fast each is.  The ways of an experiment's arms take
turns likewise, each with a queue of its own, so that every hour weighs on all alike.  A
route whose server asked for a rest, or whose connections are gone, holds back no other, and
what it missed is not made up for.

Nothing here waits; instants come in.
"""

from __future__ import annotations

import math
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count, islice
from typing import Final, NamedTuple, Protocol

import trio

from smtpbook.accounts.account import Account
from smtpbook.codes.hints import retry_hint_s
from smtpbook.delivery.clock import Waiter
from smtpbook.errors import SMTPBookError
from smtpbook.events import Sink
from smtpbook.ledger.entries import Entry
from smtpbook.pacing.pace import Pacer
from smtpbook.transfer.pipeline import Pipelining

# The first rest after a server has turned a whole transaction away; doubled with each that
# follows, until a message is accepted.  Our own choice, as is the longest one.
_REST_S: Final = 1.0
_MAX_REST_S: Final = 300.0
# The longest that a reply may ask for.
_MAX_HINT_S: Final = 3600.0


class Waiting(Protocol):
    """Those whom a route may take: a `Queue`, or a part of one."""

    pacer: Pacer

    def __len__(self) -> int: ...

    def next_at(self, now: float) -> float:
        """Give the instant before which nobody can be taken; infinity: nobody waits."""

    def take(self, now: float) -> Entry | None:
        """Take the next, who begins a message; None: the time of none has come."""


class Route:
    """One account of a send.

    Parameters
    ----------
    account : Account
    share : float
    sink : callable
        Takes the rows of its sessions.
    connections : int
        How many at once, at most.
    queue : Waiting
        Of those it may take; routes that take the same ones share it.
    pipelining : {"auto", "off", "stream"}

    Attributes
    ----------
    line : deque of Waiter
        The connections that wait for a message; the first one has the next.
    opened : Event
        Whether its first connection is open, or given up.
    refusal : SMTPBookError or None
        Why the first connection could not be opened.
    seats : set of int
        The numbers of the connections there are, at first 0 only.
    away : dict of int to Waiter
        Those of them that stay away for a while, after they were lost.
    given_up : int
        How many were given up, and are not had again: a password is not tried again.
    taken : float
        Messages so far; counted up where it could not take any.
    rests_until : float
        The instant until which the server asked for a rest.
    """

    def __init__(
        self,
        account: Account,
        share: float,
        sink: Sink,
        connections: int,
        queue: Waiting,
        pipelining: Pipelining = "auto",
    ) -> None:
        self.account, self.share, self.sink = account, share, sink
        self.connections, self.queue, self.pipelining = connections, queue, pipelining
        self.seats, self.given_up, self.taken = {0}, 0, 0.0
        self.away: dict[int, Waiter] = {}
        self.line: deque[Waiter] = deque()
        self.opened = trio.Event()
        self.refusal: SMTPBookError | None = None
        self.rests_until = -math.inf
        self._rest_s = _REST_S

    def hear(self, verb: str, code: int, text: str, now: float) -> None:
        """Learn from a reply that decided a message, or the opening of a session.

        A 421 ends the service for all (RFC 5321 section 3.8), and a 4yz to MAIL is about no
        recipient: the next message would meet the same.
        """
        if code < 300:
            self._rest_s = _REST_S
        elif code == 421 or (verb == "MAIL" and code // 100 == 4):
            self._rest(text, now)

    def _rest(self, text: str, now: float) -> None:
        """Begin nothing for a while: as the reply asks, or longer each time."""
        if now < self.rests_until:  # it answers what had begun before
            return
        hint_s = retry_hint_s(text)
        pause_s = min(hint_s, _MAX_HINT_S) if hint_s else self._rest_s
        self.rests_until = now + pause_s
        self._rest_s = min(2 * self._rest_s, _MAX_REST_S)

    def may_take(self, now: float) -> bool:
        """Whether any of its connections could take a message."""
        return len(self.seats) > len(self.away) and self.rests_until <= now

    def fill(self) -> list[Seat]:
        """Give the new seats: as many as are missing, but no more than recipients wait.

        Not for those whom connections are there for that wait as well, or come back.
        """
        missing = self.connections - self.given_up - len(self.seats)
        missing = min(missing, len(self.queue) - len(self.line) - len(self.away))
        free = (number for number in count() if number not in self.seats)
        new = [Seat(self, number) for number in islice(free, max(missing, 0))]
        self.seats |= {seat.number for seat in new}
        return new


class Seat(NamedTuple):
    """The place of one connection of a route."""

    route: Route
    number: int

    @property
    def is_gone(self) -> bool:
        """Whether the route has more connections than it is to, and this is one of them.

        The youngest are, and before them those that are away: no working one makes room for
        these.
        """
        seats, away, most = self.route.seats, self.route.away, self.route.connections
        if len(seats) <= most:
            return False
        mine = (self.number in away, self.number)
        return sum((one in away, one) < mine for one in seats) >= most


class Routes:
    """All accounts of a send.

    Parameters
    ----------
    routes : sequence of Route, length >= 1
    next_at : callable
        Gives the instant from which a route's next message may begin.
    """

    def __init__(
        self, routes: Sequence[Route], next_at: Callable[[Route, float], float]
    ) -> None:
        self._routes, self._next_at = list(routes), next_at

    def add(self, route: Route) -> None:
        """Let a route be one of them, if it is not."""
        if route not in self._routes:
            self._routes.append(route)

    def remove(self, route: Route) -> None:
        """Let a route be none of them."""
        self._routes.remove(route)

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def __len__(self) -> int:
        return len(self._routes)

    def is_turn(self, route: Route, now: float) -> bool:
        """Whether a route may take the next message."""
        mine = _after_next(route)
        return all(
            mine <= _after_next(one)
            for one in self._routes
            if one is not route and one.may_take(now) and self._next_at(one, now) <= now
        )

    def are_others(self, route: Route) -> bool:
        """Whether another route, with connections, takes what this one would have."""
        return any(
            one.seats
            for one in self._routes
            if one is not route and one.queue is route.queue
        )

    def tell_refusals(self, *, is_experiment: bool) -> None:
        """Warn of accounts that could not be used; if it is all, raise why.

        In an experiment, one is enough: without an arm there is nothing to compare the
        others with.
        """
        refused = [route for route in self._routes if route.refusal is not None]
        if len(refused) == len(self._routes) or (refused and is_experiment):
            assert refused[0].refusal is not None
            raise refused[0].refusal
        for route in refused:
            warnings.warn(
                f"account {route.account.name} could not be used ({route.refusal}); the "
                f"others took its share",
                stacklevel=3,
            )

    def take(self, route: Route, now: float) -> None:
        """Note that a route has taken a message."""
        route.taken += 1
        level, at = _after_next(route), self._next_at(route, now)
        for one in self._routes:  # what a route misses is not made up for
            if not one.may_take(now) or self._next_at(one, now) > at:
                one.taken = max(one.taken, level * one.share - 1)


def _after_next(route: Route) -> float:
    """Give how much of its share a route will have used with its next message."""
    return (route.taken + 1) / route.share


def shares_of(account: Account | Mapping[Account, float]) -> dict[Account, float]:
    """Give accounts with their shares.

    Raises
    ------
    ValueError
        There is no account, or a share is none.
    TypeError
        It is neither.
    """
    if isinstance(account, Account):
        return {account: 1.0}
    if not isinstance(account, Mapping):
        raise TypeError(
            f"account={account!r}: an Account, or several with their shares: "
            f"{{work: 7, spare: 3}}"
        )
    if not account:
        raise ValueError("account={}: at least one is needed")
    for one, share in account.items():
        if not share > 0:
            raise ValueError(f"account {one.name}: a share of {share!r} is none")
    return dict(account)


def shared_out(connections: int, shares: Sequence[float]) -> list[int]:
    """Give how many connections each route gets: one, and of the others by its share.

    >>> shared_out(4, [3, 1]), shared_out(5, [1, 1, 1])
    ([3, 1], [2, 2, 1])
    """
    numbers = [1] * len(shares)
    for _ in range(connections - len(shares)):  # the next one where there is least
        levels = [n / share for n, share in zip(numbers, shares, strict=True)]
        numbers[levels.index(min(levels))] += 1
    return numbers
