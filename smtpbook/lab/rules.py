"""Rules: what the lab server does about a command, by behaviours, chance and the clock.

Chance is drawn from the seed, the command, the address and the count, so the same seed
gives the same replies however the connections interleave.  Waits and limits go by the time
they are told.  Nothing here does I/O or reads a clock.
"""

from __future__ import annotations

import random
import re
from collections import Counter, deque
from dataclasses import dataclass
from fnmatch import translate
from typing import Final, NamedTuple

from smtpbook.lab.behaviours import Rule, Seen
from smtpbook.lab.by_address import asked_for
from smtpbook.protocol.replies import Reply


@dataclass(frozen=True, slots=True)
class Action:
    """What a behaviour comes to this time: the draw has been made."""

    reply: Reply | None = None
    delay_s: float = 0.0
    drip_s: float = 0.0
    drop: bool = False
    reset: bool = False
    loses_reply: bool = False
    close: bool = False


NOTHING: Final = Action()
_Name = int | str  # a rule by its number, what an address asks for by the address


class _Placed(NamedTuple):
    """A rule in its place, and what it has to remember by."""

    number: int
    rule: Rule
    pattern: re.Pattern[str] | None


class Rules:
    """The rules of one lab server, with what they have to remember.

    Parameters
    ----------
    rules : sequence of Rule
        The first that fits a command decides.  What an address asks for (`by_address`)
        comes before them.
    seed : int
    """

    def __init__(self, rules: tuple[Rule, ...], seed: int) -> None:
        self._seed = seed
        self._counts: Counter[tuple[_Name, str]] = Counter()
        self._first: dict[tuple[_Name, str], float] = {}
        self._passed: dict[_Name, deque[float]] = {}  # what limits let through, and when
        self.added = 0  # so far, those removed meanwhile included
        self._placed: tuple[_Placed, ...] = ()
        for rule in reversed(rules):
            self.add(rule)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules as they are now; the first that fits decides."""
        return tuple(placed.rule for placed in self._placed)

    def add(self, rule: Rule) -> None:
        """Put a rule in front of the others; it holds from the next command on."""
        pattern = (
            None if rule.pattern is None else re.compile(translate(rule.pattern), re.I)
        )
        self.added += 1
        # Another tuple, not a changed list: the lab's thread may be going through it.
        self._placed = (_Placed(self.added, rule, pattern), *self._placed)

    def remove(self, place: str, pattern: str | None, *, since: int) -> None:
        """Take away the rules for a place and a pattern that were added after `since`."""
        self._placed = tuple(
            placed
            for placed in self._placed
            if placed.number <= since
            or (placed.rule.place, placed.rule.pattern) != (place, pattern)
        )

    def action(self, place: str, seen: Seen) -> Action:
        """Decide what to do about a command.

        Parameters
        ----------
        place : str
            The verb.
        seen : Seen
            What the server knows by then.
        """
        for who in seen.recipients:
            asked = asked_for(who)
            if asked is not None and asked.place == place:
                action = self._draw(who, asked, who, seen)
                if action is not None:
                    return action
        for number, rule, pattern in self._placed:
            if rule.place != place:
                continue
            found = next(
                (r for r in seen.recipients if not pattern or pattern.match(r)), ""
            )
            if pattern is not None and not found:
                continue
            action = self._draw(number, rule, found or seen.session, seen)
            if action is not None:
                return action
        return NOTHING

    def _draw(self, rule: _Name, placed: Rule, key: str, seen: Seen) -> Action | None:
        place, behaviour = placed.place, placed.behaviour
        if behaviour.when is not None and not behaviour.when(seen):
            return None
        if behaviour.over is not None and self._lets_through(
            rule, behaviour.over, seen.now
        ):
            return None
        count = self._counts[rule, key]
        self._counts[rule, key] += 1
        count -= behaviour.skip
        if count < 0 or (behaviour.times is not None and count >= behaviour.times):
            return None
        if behaviour.for_s is not None:
            first = self._first.setdefault((rule, key), seen.now)
            if seen.now >= first + behaviour.for_s:
                return None
        delays = behaviour.delays
        delay_s = delays[0]
        if behaviour.probability < 1.0 or len(delays) > 1:
            # Seeded by what is asked, not by when: interleaving changes nothing.
            count += behaviour.skip
            draw = random.Random(f"{self._seed} {place} {key.lower()} {count}")  # noqa: S311
            if draw.random() >= behaviour.probability:
                return None
            delay_s = _between(delays, draw.random())
        return Action(
            reply=behaviour.parsed(),
            delay_s=delay_s,
            drip_s=behaviour.drip_s,
            drop=behaviour.drop or behaviour.reset,
            reset=behaviour.reset,
            loses_reply=behaviour.loses_reply,
            close=behaviour.close or behaviour.loses_reply,
        )

    def _lets_through(self, rule: _Name, over: tuple[int, float], now: float) -> bool:
        """Tell whether a limit still has room, and take the room if it has."""
        most, within_s = over
        passed = self._passed.setdefault(rule, deque())
        while passed and passed[0] <= now - within_s:
            passed.popleft()
        if len(passed) >= most:
            return False
        passed.append(now)
        return True


def _between(quantiles: tuple[float, ...], chance: float) -> float:
    """Give the time at a quantile, evenly on the log scale between its neighbours."""
    place = chance * (len(quantiles) - 1)
    index = min(int(place), len(quantiles) - 2)
    if index < 0:
        return quantiles[0]
    low, high, part = quantiles[index], quantiles[index + 1], place - index
    if low == 0:
        return high * part
    return float(low * (high / low) ** part)
