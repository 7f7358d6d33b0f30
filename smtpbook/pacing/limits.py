"""Limits: what a pace is made of, each a value that says when the next message may begin.

A limit is what was asked for and never changes; its `limiter` keeps what has begun.  Both
know no clock: instants are numbers of seconds that come in, so that the same instants
always give the same answers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from smtpbook.errors import near_miss
from smtpbook.pacing.adaptive import Adaptive

DAY_S: Final = 86_400.0

_NUMBER: Final = r"(\d[\d_,]*(?:\.\d+)?)"
_EVEN: Final = re.compile(rf"{_NUMBER}\s*(?:/|per )\s*([a-z]+)", re.I)
_GROUPS: Final = re.compile(rf"{_NUMBER}\s+every(?:\s+{_NUMBER})?\s*([a-z]+)", re.I)
_WARM_UP: Final = re.compile(r"warm-?up\s+([\d_]+(?:[\s,]+[\d_]+)*)", re.I)
_ADAPTIVE: Final = re.compile(r"adaptive(?:\s+(\S.*?)\s+to\s+(\S.*))?", re.I)
_UNITS: Final = {
    **dict.fromkeys(("s", "sec", "second"), 1.0),
    **dict.fromkeys(("min", "minute"), 60.0),
    **dict.fromkeys(("h", "hour"), 3600.0),
    **dict.fromkeys(("d", "day"), DAY_S),
}
_WORDS: Final = ("every", "warm-up", "adaptive", "and", "second", "minute", "hour", "day")


class Limiter(Protocol):
    """What a limit has seen so far."""

    def next_at(self, now: float) -> float:
        """Give the instant, `now` or later, at which the next message may begin."""

    def take(self, at: float) -> None:
        """Note that one begins; instants never go back."""


class Limit(Protocol):
    """What was asked for."""

    @property
    def looks_back_s(self) -> float:
        """For how long what has begun counts, in seconds."""

    def limiter(self) -> Limiter:
        """Make a limiter that has seen nothing yet."""

    def shared(self, sharers: int) -> Limit:
        """Give each one's part, where so many senders keep it together."""


@dataclass(frozen=True, slots=True)
class Window:
    """At most so many in any stretch of time, wherever it begins.

    One in 0.6 seconds is an even pace; fifty in 300 seconds are groups with pauses; 2,000
    in a day are a quota that continues tomorrow.

    Attributes
    ----------
    count : int
    seconds : float
    """

    count: int
    seconds: float

    @property
    def looks_back_s(self) -> float:
        """For how long what has begun counts, in seconds."""
        return self.seconds

    def limiter(self) -> Limiter:
        """Make a limiter that has seen nothing yet."""
        return _Begun(self)

    def shared(self, sharers: int) -> Window:
        """Give each one's part; where there are more senders than messages, a longer wait.

        >>> Window(50, 300.0).shared(4), Window(1, 0.6).shared(4)
        (Window(count=12, seconds=300.0), Window(count=1, seconds=2.4))
        """
        if self.count >= sharers:
            return Window(self.count // sharers, self.seconds)
        return Window(1, self.seconds * sharers / self.count)


class _Begun:
    """The last instants of a window, as many as it lets through."""

    __slots__ = ("_instants", "_oldest", "_window")

    def __init__(self, window: Window) -> None:
        self._window = window
        # A ring that grows with use: an empty deque is ten times an empty list, and there
        # may be a hundred thousand domains.
        self._instants: list[float] = []
        self._oldest = 0

    def next_at(self, now: float) -> float:
        if len(self._instants) < self._window.count:
            return now
        at = self._instants[self._oldest] + self._window.seconds
        return at if at > now else now

    def take(self, at: float) -> None:
        if len(self._instants) < self._window.count:
            self._instants.append(at)
        else:
            self._instants[self._oldest] = at
            self._oldest = (self._oldest + 1) % self._window.count


@dataclass(frozen=True, slots=True)
class WarmUp:
    """So many on the first day, so many on the second …; the last number stays.

    A day is 24 hours; the first one begins with the first message.

    Attributes
    ----------
    counts : tuple of int, length >= 1
    """

    counts: tuple[int, ...]

    @property
    def looks_back_s(self) -> float:
        """For how long what has begun counts: always, the first day began with it."""
        return math.inf

    def limiter(self) -> Limiter:
        """Make a limiter that has seen nothing yet."""
        return _Days(self.counts)

    def shared(self, sharers: int) -> WarmUp:
        """Give each one's part, one message a day at least."""
        return WarmUp(tuple(max(1, count // sharers) for count in self.counts))


class _Days:
    __slots__ = ("_begun", "_counts", "_day", "_first")

    def __init__(self, counts: tuple[int, ...]) -> None:
        self._counts = counts
        self._first: float | None = None
        self._day, self._begun = 0, 0

    def next_at(self, now: float) -> float:
        if self._first is None:
            return now
        day = self._day_of(now)
        begun = self._begun if day == self._day else 0
        if begun < self._counts[min(day, len(self._counts) - 1)]:
            return now
        return self._first + (day + 1) * DAY_S

    def take(self, at: float) -> None:
        if self._first is None:
            self._first = at
        day = self._day_of(at)
        self._begun = self._begun + 1 if day == self._day else 1
        self._day = day

    def _day_of(self, at: float) -> int:
        return int((at - (self._first or 0.0)) // DAY_S)


def read_limits(pace: str | float | None, name: str = "pace") -> tuple[Limit, ...]:
    """Read a pace: limits joined by "and", all of which hold.

    Parameters
    ----------
    pace : str, float or None
        ``"100/min"``, ``"5 per second"`` (evenly), ``"50 every 5 min"`` (in groups),
        ``"2000 every day"`` (a quota), ``"warm-up 50, 100, 200"`` (a day), ``"adaptive"``
        or ``"adaptive 5/min to 300/min"``, or a number of messages a second; None = no
        limit.
    name : str
        Of the argument, for the error.

    Raises
    ------
    ValueError
        It is not a pace.

    >>> read_limits("100/min and 2,000 every day")
    (Window(count=1, seconds=0.6), Window(count=2000, seconds=86400.0))
    """
    if pace is None:
        return ()
    if isinstance(pace, str):
        parts = re.split(r"\s+and\s+", pace.strip(), flags=re.I)
        limits = tuple(_read_limit(part, pace, name) for part in parts)
        if sum(isinstance(limit, Adaptive) for limit in limits) > 1:
            raise ValueError(
                f"{name}={pace!r}: one adaptive limit learns from all replies; say "
                f'"adaptive" once, with the slowest and the fastest rate it may come to: '
                f'"adaptive 5/min to 300/min"'
            )
        return limits
    return (_even(float(pace), 1.0, pace, name),)


def rate_per_s(pace: str | float, name: str = "pace") -> float:
    """Read an even pace; give it in messages a second.

    Raises
    ------
    ValueError
        It is not an even pace.

    >>> rate_per_s("120/min")
    2.0
    """
    limits = read_limits(pace, name)
    if len(limits) != 1 or not isinstance(limits[0], Window) or limits[0].count != 1:
        raise ValueError(f'{name}={pace!r}: an even pace is needed here, such as "60/min"')
    return 1 / limits[0].seconds


def warm_up_counts(
    counts: int | Sequence[int], doubling_until: int | None
) -> tuple[int, ...]:
    """Spell a warm-up out, one number a day.

    >>> warm_up_counts(50, 300)
    (50, 100, 200, 300)
    """
    if isinstance(counts, int):
        if doubling_until is None or not 0 < counts <= doubling_until:
            raise ValueError(
                f"warm_up({counts!r}, doubling_until={doubling_until!r}): give a number "
                f"for the first day and a larger one to double it until, or a list"
            )
        days = [counts]
        while days[-1] < doubling_until:
            days.append(min(days[-1] * 2, doubling_until))
        return tuple(days)
    if doubling_until is not None:
        raise ValueError("doubling_until= goes with one number, not with a list")
    if not counts or not all(isinstance(n, int) and n > 0 for n in counts):
        raise ValueError(f"warm-up {list(counts)!r}: whole numbers of 1 or more, one a day")
    return tuple(counts)


def _read_limit(part: str, pace: str, name: str) -> Limit:
    if match := _EVEN.fullmatch(part):
        return _even(_number(match[1]), _unit(match[2], pace, name), pace, name)
    if match := _GROUPS.fullmatch(part):
        count, times = _number(match[1]), _number(match[2] or "1")
        seconds = times * _unit(match[3], pace, name)
        if not (count >= 1 and count == int(count) and seconds > 0):
            raise ValueError(
                f"{name}={pace!r}: a group is a whole number of messages, the time between "
                f"two groups more than nothing"
            )
        return Window(int(count), seconds)
    if match := _WARM_UP.fullmatch(part):
        counts = [int(n) for n in re.split(r"[\s,]+", match[1])]
        try:
            return WarmUp(warm_up_counts(counts, None))
        except ValueError as exc:
            raise ValueError(f"{name}={pace!r}: {exc}") from None
    if match := _ADAPTIVE.fullmatch(part):
        if match[1] is None:
            return Adaptive()
        floor, ceiling = rate_per_s(match[1], name), rate_per_s(match[2], name)
        if floor > ceiling:
            raise ValueError(f"{name}={pace!r}: the first rate is the lower one")
        return Adaptive(floor, ceiling)
    raise _no_pace(pace, name)


def _even(number: float, seconds: float, pace: object, name: str) -> Window:
    if not 0 < number < math.inf:
        raise ValueError(f"{name}={pace!r} would never send anything; None is no limit")
    return Window(1, seconds / number)


def _number(text: str) -> float:
    return float(text.replace(",", "").replace("_", ""))


def _unit(word: str, pace: str, name: str) -> float:
    seconds = _UNITS.get(word.lower().rstrip("s") or "s")
    if seconds is None:
        raise _no_pace(pace, name)
    return seconds


def _no_pace(pace: str, name: str) -> ValueError:
    unknown = [
        word
        for word in re.findall(r"[A-Za-z-]+", pace)
        if word.lower() not in (*_WORDS, "per", "to")
        and word.lower().rstrip("s") not in _UNITS
    ]
    hint = near_miss(unknown[0].lower(), _WORDS) if unknown else ""
    return ValueError(
        f'{name}={pace!r} is not a pace; write "100/min", "5/second", "50 every 5 min", '
        f'"warm-up 50, 100, 200", "adaptive", or several joined by "and"{hint}'
    )
