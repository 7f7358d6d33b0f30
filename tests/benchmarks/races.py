"""Races: the same letters sent by several senders one after the other, round by round.

Ratios are taken within a round and their median is given, because a machine others use
changes its speed from one round to the next.  CPU time is that of this process and of the
programs it has run, user and system; what a server or a relay takes is not in it.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Final

from tests.benchmarks.output import Row
from tests.benchmarks.peers import SENDERS, Letter, Sender, Target, make_letters
from tests.benchmarks.servers import open_far, open_near
from tests.servers.process import ServerMissing


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A figure beside its goal.

    Attributes
    ----------
    row : str
        The benchmark's row it belongs to.
    what : str
    measured, goal : float
    is_least : bool
        Whether the goal is reached from above: at least so much; else at most.
    """

    row: str
    what: str
    measured: float
    goal: float
    is_least: bool = True

    @property
    def is_met(self) -> bool:
        """Whether the goal is reached."""
        return self.measured >= self.goal if self.is_least else self.measured <= self.goal

    def to_row(self) -> Row:
        """Give it as a row of a table."""
        return {
            "row": self.row,
            "what": self.what,
            "measured": self.measured,
            "goal": f"{'≥' if self.is_least else '≤'} {self.goal:g}",
            "": "met" if self.is_met else "MISSED",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one message cost, in seconds."""

    elapsed_s: float
    cpu_s: float


Round = dict[str, Cost]
"""What each sender's messages cost in one round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is measured.

    Attributes
    ----------
    scale : float
        Of the messages each row would send by itself.
    rounds : int
        At most so many,
    limit_s : float
        and no new one after so many seconds.
    """

    scale: float = 1.0
    rounds: int = 5
    limit_s: float = 120.0

    def hold(self, one: Callable[[], Round]) -> list[Round]:
        """Hold as many rounds as these limits let, one at least."""
        started = time.monotonic()
        rounds = [one()]
        while len(rounds) < self.rounds and time.monotonic() - started < self.limit_s:
            rounds.append(one())
        return rounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a sender is to be beside another.

    Attributes
    ----------
    peer : str
    ours : str
    rate : float or None
        Times as many messages a second, at least.
    cpu : float or None
        Times the CPU time of a message, at most.
    """

    peer: str
    ours: str = "smtpbook"
    rate: float | None = None
    cpu: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """Who sends how much to which server.

    Attributes
    ----------
    messages : int
        All connections together.
    connections : int
    server : str
    is_secure : bool
        By STARTTLS.
    round_trip_s : float
        How far away the server is; 0 = on loopback.
    goals : tuple of Goal
        Their senders take part.
    others : tuple of str
        And these besides.
    shares : dict of str to float
        Who sends only a part of the messages: it would take too long.
    max_round_trips : float or None
        For each message, of the first goal's own sender.
    """

    messages: int
    connections: int = 1
    server: str = "smtp-sink"
    is_secure: bool = False
    round_trip_s: float = 0.0
    goals: tuple[Goal, ...]
    others: tuple[str, ...] = ()
    shares: dict[str, float]
    max_round_trips: float | None = None

    @property
    def senders(self) -> tuple[str, ...]:
        """Everybody who takes part, in the order of starting."""
        ours = (goal.ours for goal in self.goals)
        peers = (goal.peer for goal in self.goals)
        return tuple(dict.fromkeys([*ours, *peers, *self.others]))


_SIZE_BYTES: Final = 2048


def run(name: str, race: Race, limits: Limits) -> tuple[list[Row], list[Finding]]:
    """Hold a race; give a row for each sender, and what the goals came to.

    Raises
    ------
    ServerMissing
        This machine cannot run the server.
    """
    count = max(race.connections * 2, round(race.messages * limits.scale))
    letters = make_letters(count, size_bytes=_SIZE_BYTES)
    with ExitStack() as stack:
        relay = None
        if race.round_trip_s:
            far = open_far(race.server, round_trip_s=race.round_trip_s)
            target, relay = stack.enter_context(far)
        else:
            near = open_near(race.server, is_secure=race.is_secure)
            target = stack.enter_context(near)
        round_trip_s = relay.round_trip_s() if relay is not None else 0.0
        entrants = _entrants(race, target, letters)
        rounds = limits.hold(
            lambda: {
                sender: _timed(SENDERS[sender], target, part, race.connections)
                for sender, part in entrants.items()
            }
        )
    rows = list(_rows(name, race, rounds, round_trip_s))
    return rows, list(_findings(name, race, rounds, round_trip_s))


def _entrants(
    race: Race, target: Target, letters: Sequence[Letter]
) -> dict[str, Sequence[Letter]]:
    """Give who can take part, and what each sends."""
    entrants: dict[str, Sequence[Letter]] = {}
    for name in race.senders:
        share = race.shares.get(name, 1.0)
        part = letters[: max(race.connections * 2, round(len(letters) * share))]
        try:  # what a first use imports and caches is not measured
            SENDERS[name](target, part[: race.connections], race.connections)
        except ServerMissing as exc:
            print(f"{name} is left out: {exc}", file=sys.stderr)
        else:
            entrants[name] = part
    return entrants


def _timed(
    send: Sender, target: Target, letters: Sequence[Letter], connections: int
) -> Cost:
    return cost_of(lambda: send(target, letters, connections), len(letters))


def cost_of(send: Callable[[], None], messages: int) -> Cost:
    """Send so many messages, and give what one cost."""
    started, cpu_started = time.perf_counter(), _cpu_s()
    send()
    elapsed_s, cpu_s = time.perf_counter() - started, _cpu_s() - cpu_started
    return Cost(elapsed_s=elapsed_s / messages, cpu_s=cpu_s / messages)


def _cpu_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def typical(rounds: Sequence[Round]) -> Round:
    """Give each sender's medians over the rounds."""
    return {
        name: Cost(
            elapsed_s=median(costs[name].elapsed_s for costs in rounds),
            cpu_s=median(costs[name].cpu_s for costs in rounds),
        )
        for name in rounds[0]
    }


def _rows(
    name: str, race: Race, rounds: Sequence[Round], round_trip_s: float
) -> Iterator[Row]:
    for sender, cost in typical(rounds).items():
        trips = cost.elapsed_s * race.connections / round_trip_s if round_trip_s else None
        yield {
            "row": name,
            "server": race.server,
            "sender": sender,
            "messages/s": round(1 / cost.elapsed_s),
            "CPU µs/message": round(cost.cpu_s * 1e6),
            "round trips/message": "" if trips is None else f"{trips:.2f}",
        }


def _findings(
    name: str, race: Race, rounds: Sequence[Round], round_trip_s: float
) -> Iterator[Finding]:
    for goal in race.goals:
        if goal.ours not in rounds[0] or goal.peer not in rounds[0]:
            continue
        pairs = [(costs[goal.ours], costs[goal.peer]) for costs in rounds]
        names = f"{goal.ours} to {goal.peer}"
        if goal.rate is not None:
            rate = median(peer.elapsed_s / ours.elapsed_s for ours, peer in pairs)
            yield Finding(
                row=name, what=f"messages/s, {names}", measured=rate, goal=goal.rate
            )
        if goal.cpu is not None:
            cpu = median(ours.cpu_s / peer.cpu_s for ours, peer in pairs)
            yield Finding(
                row=name,
                what=f"CPU/message, {names}",
                measured=cpu,
                goal=goal.cpu,
                is_least=False,
            )
    if race.max_round_trips is not None:
        ours = race.goals[0].ours
        elapsed_s = typical(rounds)[ours].elapsed_s
        yield Finding(
            row=name,
            what=f"round trips/message, {ours}",
            measured=elapsed_s * race.connections / round_trip_s,
            goal=race.max_round_trips,
            is_least=False,
        )
