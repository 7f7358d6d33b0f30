"""Forecast: when the last message of a send may begin, as far as its pace decides that.

A pacer's future, played on instants that nobody waits for.  How long the server takes, and
whom a retry tries again, is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from smtpbook.pacing.limits import DAY_S, Limiter, Window
from smtpbook.pacing.pace import Pacer

_MINUTE_S: Final = 60.0


class Clock(Protocol):
    """The time by which the pacer keeps its pace."""

    def wall(self, instant: float) -> datetime:
        """Give what a clock on the wall shows at an instant."""

    def instant(self, moment_s: float) -> float:
        """Give the instant of a moment in seconds since 1970 UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """When a send would end.

    Attributes
    ----------
    seconds : float
        From now until the last message may begin.
    ends : datetime
        That moment, UTC.
    is_least : bool
        It may be later: domains that share a limit for all may have to wait for it, too.
    is_over_quota : bool
        In some 24 hours more messages would begin than the quota allows.
    """

    seconds: float
    ends: datetime
    is_least: bool
    is_over_quota: bool


def forecast(
    pacer: Pacer,
    messages: int,
    domains: Mapping[str, int],
    *,
    clock: Clock,
    now_s: float,
    quota: int | None = None,
) -> Forecast | None:
    """Say when a send of so many messages would end.

    Parameters
    ----------
    pacer : Pacer
        What has begun before counts; nothing is noted in it.
    messages : int
    domains : mapping of str to int
        How many recipients each of ``pacer.domain`` has.
    clock : Clock
    now_s : float
        In seconds since 1970 UTC.
    quota : int, optional
        How many messages somebody else allows in 24 hours.

    Returns
    -------
    Forecast or None
        None: the pace does not decide it; it has no limit, or follows the server.
    """
    pace = pacer.pace
    if pace.is_free or pace.is_adaptive or messages < 1:
        return None
    future = deepcopy(pacer)
    watch = None if quota is None else Window(quota, DAY_S).limiter()
    start = clock.instant(now_s)
    end, is_over = _play(future, messages, start, clock, watch)
    if pace.domain_limits and domains:
        # Alone, the domain with the most needs the longest.
        largest = max(domains, key=domains.__getitem__)
        end = max(end, _play_domain(future, largest, domains[largest], start, clock))
    return Forecast(
        seconds=end - start,
        ends=clock.wall(end),
        is_least=len(domains) > 1 and bool(pace.domain_limits),
        is_over_quota=is_over,
    )


def _play(
    pacer: Pacer, count: int, at: float, clock: Clock, watch: Limiter | None
) -> tuple[float, bool]:
    """Begin so many messages, each as soon as it may; give the last one's instant."""
    is_over, hours = False, _Hours(pacer, clock)
    for _ in range(count):
        at = hours.open_at(pacer.next_at(at))
        pacer.take(at)
        if watch is not None:
            is_over = is_over or watch.next_at(at) > at
            watch.take(at)
    return at, is_over


def _play_domain(pacer: Pacer, domain: str, count: int, at: float, clock: Clock) -> float:
    hours = _Hours(pacer, clock)
    for _ in range(count):
        at = hours.open_at(pacer.next_of(domain, at))
        pacer.take_of(domain, at)
    return at


class _Hours:
    """Asks the pace's hours once a minute: quiet hours begin and end on whole minutes."""

    def __init__(self, pacer: Pacer, clock: Clock) -> None:
        self._pace, self._clock = pacer.pace, clock
        self._known_until = float("-inf")

    def open_at(self, at: float) -> float:
        if not self._pace.has_hours or at < self._known_until:
            return at
        moment = self._clock.wall(at)
        opens = self._pace.open_at(moment)
        if opens > moment:
            moment, at = opens, self._clock.instant(opens.timestamp())
        self._known_until = at + _MINUTE_S - moment.timestamp() % _MINUTE_S
        return at
