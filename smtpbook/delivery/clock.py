"""Clock: the time by which a campaign keeps its pace.

It runs as trio's does, so that virtual time is kept too; it goes on from one send to the
next, also where the next one runs under another trio loop; and it knows what the clock on
the wall shows.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

import trio


class Clock:
    """Seconds that never go back; ask only inside a trio program."""

    __slots__ = ("_latest", "_shift_s", "_to_wall_s", "_trio_clock")

    def __init__(self) -> None:
        self._trio_clock: trio.abc.Clock | None = None
        self._latest = 0.0
        self._shift_s = 0.0  # from trio's time to ours
        self._to_wall_s = 0.0  # from ours to the wall's

    def now(self) -> float:
        """Give this instant."""
        trio_clock, trio_now = trio.lowlevel.current_clock(), trio.current_time()
        wall = time.time()
        if self._trio_clock is None:
            self._to_wall_s = wall - trio_now
        elif trio_clock is not self._trio_clock:  # another loop, whose zero is elsewhere
            now = max(wall - self._to_wall_s, self._latest)
            self._shift_s, self._to_wall_s = now - trio_now, wall - now
        self._trio_clock = trio_clock
        self._latest = trio_now + self._shift_s
        # A machine that slept is behind the wall: trio's clock does not count that (Linux's
        # monotonic clock stands still).  Ahead of the wall is only virtual time.
        self._to_wall_s = max(self._to_wall_s, wall - self._latest)
        return self._latest

    def deadline(self, instant: float) -> float:
        """Give an instant in trio's time."""
        return instant - self._shift_s

    def wall(self, instant: float) -> datetime:
        """Give what a clock on the wall shows at an instant."""
        return datetime.fromtimestamp(instant + self._to_wall_s, UTC)

    def instant(self, moment_s: float) -> float:
        """Give the instant of a moment in seconds since 1970 UTC."""
        return moment_s - self._to_wall_s
