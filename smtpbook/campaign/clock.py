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

    __slots__ = ("_shift_s", "_to_wall_s", "_trio_clock")

    def __init__(self) -> None:
        self._trio_clock: trio.abc.Clock | None = None
        self._shift_s = 0.0
        self._to_wall_s = 0.0

    def now(self) -> float:
        """Give this instant."""
        trio_clock = trio.lowlevel.current_clock()
        now = trio.current_time()
        to_wall_s = time.time() - now - self._shift_s
        if self._trio_clock is None:
            self._to_wall_s = to_wall_s
        elif trio_clock is not self._trio_clock:  # another loop, whose zero is elsewhere
            self._shift_s += to_wall_s - self._to_wall_s
        elif to_wall_s > self._to_wall_s:
            # The machine slept, which trio's clock does not count (Linux's monotonic clock
            # stands still).  The other way round it is trio's time that is virtual.
            self._to_wall_s = to_wall_s
        self._trio_clock = trio_clock
        return now + self._shift_s

    def deadline(self, instant: float) -> float:
        """Give an instant in trio's time."""
        return instant - self._shift_s

    def wall(self, instant: float) -> datetime:
        """Give what a clock on the wall shows at an instant."""
        return datetime.fromtimestamp(instant + self._to_wall_s, UTC)

    def instant(self, moment: datetime) -> float:
        """Give the instant at which a clock on the wall shows this moment; not in trio."""
        return moment.timestamp() - self._to_wall_s
