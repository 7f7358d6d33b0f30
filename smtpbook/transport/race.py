"""Race: of several addresses, the first that answers.

Name lookup, and connecting as RFC 8305 ("Happy Eyeballs") has it: IPv6 and IPv4 in turn,
each a little after the one before, so that a family that leads nowhere costs a quarter of a
second.  Every attempt has its row.  What the addresses are for is `connect`'s.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Final

import trio

from smtpbook.accounts.account import Account
from smtpbook.errors import TransportError, TransportTimeout
from smtpbook.transport.notes import Notes
from smtpbook.transport.stream import TcpStream, translated

Address = tuple[socket.AddressFamily, Any]
"""A family, and what the socket of that family connects to."""

# The Connection Attempt Delay that RFC 8305 section 5 recommends.
STAGGER_S: Final = 0.25
_CUT_OFF: Final = trio.Cancelled.__name__


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What every attempt of a connection has in common.

    Attributes
    ----------
    record : Notes
    to : str
        Who is connected to, for messages.
    source_address : str or None
        From which local address.
    limit_s, deadline : float
        How long it may take, for messages, and when that is over, on trio's clock.
    about : str or None
        For the rows: the proxy, if it is one.
    """

    record: Notes
    to: str
    source_address: str | None
    limit_s: float
    deadline: float
    about: str | None = None

    @classmethod
    def of(cls, account: Account, record: Notes) -> Way:
        """Begin the way to an account's server: its time runs from now."""
        limit_s = account.limits.connect_s
        return cls(
            record=record,
            to=account.place,
            source_address=account.source_address,
            limit_s=limit_s,
            deadline=trio.current_time() + limit_s,
        )


async def look_up(
    host: str, port: int, way: Way, family: socket.AddressFamily = socket.AF_UNSPEC
) -> list[Address]:
    """Ask for a host's addresses, in the order in which the system prefers them.

    Raises
    ------
    TransportError
        The name is not known, or no name.
    """
    started, record = trio.current_time(), way.record
    try:
        with translated(f"looking up {host}", way.limit_s, deadline=way.deadline):
            found = await trio.socket.getaddrinfo(
                host, port, family=family, type=socket.SOCK_STREAM
            )
    except BaseException as exc:
        record.note("dns", started, error=type(exc).__name__, about=way.about)
        raise
    took_s = trio.current_time() - started
    record.note("dns", started, took_s=took_s, about=way.about)
    return [(family, address) for family, _, _, _, address in found]


def interleaved(addresses: Iterable[Address]) -> list[Address]:
    """Put addresses of two families in turn, each family's order and the first kept.

    References
    ----------
    RFC 8305 section 4, with a First Address Family Count of 1.
    """
    families: dict[int, list[Address]] = {}
    for address in dict.fromkeys(addresses):
        families.setdefault(address[0], []).append(address)
    rounds = zip_longest(*families.values())
    return [address for round_ in rounds for address in round_ if address is not None]


async def first_to_answer(addresses: list[Address], way: Way) -> TcpStream:
    """Connect to the first of some addresses that answers.

    Raises
    ------
    TransportError
        None could be reached, each is named; or none is of the source address's family.
    """
    race = _Race(way, [_Attempt(one, way) for one in interleaved(_fitting(addresses, way))])
    try:
        await race.run()
        return race.end()
    except BaseException as exc:
        for attempt in race.attempts:
            attempt.close()
        for attempt in race.begun:
            attempt.note(type(exc).__name__)
        raise


def _fitting(addresses: list[Address], way: Way) -> list[Address]:
    """Leave out the addresses that cannot be reached from the source address."""
    source = way.source_address
    if source is None:
        return addresses
    name, family = ("IPv6", socket.AF_INET6) if ":" in source else ("IPv4", socket.AF_INET)
    fitting = [address for address in addresses if address[0] == family]
    if not fitting:
        raise TransportError(
            f"{way.to} has no {name} address, and source_address={source!r} is one"
        )
    return fitting


@dataclass(slots=True, eq=False)
class _Attempt:
    """One address that is tried, and what came of it."""

    address: Address
    way: Way
    started: float = 0.0
    took_s: float = 0.0
    socket: trio.socket.SocketType | None = None
    error: TransportError | None = None

    @property
    def ip(self) -> str | None:
        """The IP address; None = a Unix socket."""
        family, place = self.address
        return str(place[0]) if family in (socket.AF_INET, socket.AF_INET6) else None

    @property
    def doing(self) -> str:
        return f"connecting to {self.way.to}" + (f" ({self.ip})" if self.ip else "")

    async def run(self, ended: trio.MemorySendChannel[_Attempt]) -> None:
        try:
            with translated(self.doing):
                self.socket = await self._connected()
        except TransportError as exc:
            self.error = exc
        self.took_s = trio.current_time() - self.started
        ended.send_nowait(self)

    async def _connected(self) -> trio.socket.SocketType:
        family, place = self.address
        sock = trio.socket.socket(family, socket.SOCK_STREAM)
        try:
            if self.way.source_address is not None:
                await sock.bind((self.way.source_address, 0))
            await sock.connect(place)
        except BaseException:
            sock.close()
            raise
        return sock

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()

    def note(self, error: str | None) -> None:
        """Write its row; what is recorded from then on is about its address."""
        record = self.way.record
        record.server_address = self.ip
        took_s = self.took_s if error is None else None
        record.note(
            "connect", self.started, took_s=took_s, error=error, about=self.way.about
        )


@dataclass(slots=True)
class _Race:
    """All attempts, and of them those that have begun and have no row yet."""

    way: Way
    attempts: list[_Attempt]
    begun: list[_Attempt] = field(default_factory=list)
    errors: list[TransportError] = field(default_factory=list)
    winner: _Attempt | None = None

    async def run(self) -> None:
        """Begin attempts until one answers, all have failed, or the time is over."""
        failure: BaseException | None = None
        # What is raised here is carried around the nursery, or it would come out wrapped in
        # a group; the losers are cancelled by then.
        try:
            async with trio.open_nursery() as nursery:
                try:
                    await self._run(nursery)
                except BaseException as exc:
                    failure = exc
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup:  # of all who were cancelled from outside
            if failure is None:
                raise
        if failure is not None:
            raise failure

    async def _run(self, nursery: trio.Nursery) -> None:
        send, receive = trio.open_memory_channel[_Attempt](len(self.attempts))
        waiting = deque(self.attempts)
        while waiting or self.begun:
            now = trio.current_time()
            if now >= self.way.deadline:
                return
            if waiting:
                attempt = waiting.popleft()
                attempt.started = now
                self.begun.append(attempt)
                nursery.start_soon(attempt.run, send)
            next_at = now + STAGGER_S if waiting else self.way.deadline
            with trio.move_on_at(min(next_at, self.way.deadline)):
                ended = await receive.receive()
                if ended.error is None:
                    self.winner = ended
                    return
                self.begun.remove(ended)
                self.errors.append(ended.error)
                ended.note(type(ended.error).__name__)

    def end(self) -> TcpStream:
        """Record those that have not ended, and give the winner's stream."""
        losers = [attempt for attempt in self.begun if attempt is not self.winner]
        for attempt in losers:
            self.begun.remove(attempt)
            attempt.close()  # it may have come in second
            if attempt.error is None and self.winner is None:
                said = f"{attempt.doing}: nothing within {self.way.limit_s:g} s"
                attempt.error = TransportTimeout(said)
            if attempt.error is not None:
                self.errors.append(attempt.error)
            attempt.note(
                _CUT_OFF if attempt.error is None else type(attempt.error).__name__
            )
        if self.winner is None:
            raise self._lost()
        self.begun.remove(self.winner)
        self.winner.note(None)
        assert self.winner.socket is not None
        return TcpStream(self.winner.socket)

    def _lost(self) -> TransportError:
        if len(self.errors) == 1:
            return self.errors[0]
        is_silence = all(isinstance(error, TransportTimeout) for error in self.errors)
        kind = TransportTimeout if is_silence else TransportError
        said = "; ".join(str(error) for error in self.errors)
        return kind(said or f"connecting to {self.way.to}: no time was left")
