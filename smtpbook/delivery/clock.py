"""Clock: the time by which a campaign keeps its pace.

Theory of operation.  It runs as trio's does, so that virtual time is kept too; it goes on
from one send to the next, also where the next one runs under another trio loop; and it
knows what the clock on the wall shows.  Trio's clock stands still while the computer
sleeps, and the wall's may be set; both show when the two are compared again.  What was
slept counts as time that has passed, what was set does not: only where the system cannot
tell the two apart, a clock that is set forward counts as sleep.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import ClassVar, Final, NamedTuple

import trio

# Less is what clocks differ by anyhow, and what nobody at the other end minds.
_JUMP_S: Final = 5.0


class Times(NamedTuple):
    """What the computer's clocks show, in seconds.

    `steady` stands still while the computer sleeps and is never set; `awake` goes on and is
    never set (None: there is no such clock); `wall` goes on, counts from 1970 UTC, and may
    be set.
    """

    steady: float
    awake: float | None
    wall: float


def computer_times() -> Times:
    """Read the computer's clocks."""
    # macOS's monotonic clock goes on, and Python's stands still; Linux has one for each.
    going_on = getattr(time, "CLOCK_BOOTTIME", None)
    awake = None if going_on is None else time.clock_gettime(going_on)
    return Times(time.monotonic(), awake, time.time())


class Clock:
    """Seconds that never go back; ask only inside a trio program.

    Parameters
    ----------
    times : callable
        Reads the computer's clocks.

    Attributes
    ----------
    may_jump : bool
        Whether it is worth asking `has_jumped` now and then.
    """

    may_jump: ClassVar[bool] = True

    __slots__ = ("_latest", "_seen", "_shift_s", "_times", "_to_wall_s", "_trio_clock")

    def __init__(self, times: Callable[[], Times] = computer_times) -> None:
        self._times = times
        self._trio_clock: trio.abc.Clock | None = None
        self._latest = 0.0
        self._shift_s = 0.0  # from trio's time to ours
        self._to_wall_s = 0.0  # from ours to the wall's
        self._seen = times()

    def now(self) -> float:
        """Give this instant."""
        trio_clock, trio_now = trio.lowlevel.current_clock(), trio.current_time()
        if trio_clock is not self._trio_clock:
            self._join(trio_clock, trio_now)
        self._latest = trio_now + self._shift_s
        return self._latest

    def _join(self, trio_clock: trio.abc.Clock, trio_now: float) -> None:
        """Go on with the clock of another loop, whose zero is elsewhere."""
        seen = self._times()
        if self._trio_clock is None:
            self._to_wall_s = seen.wall - trio_now
        else:  # ahead of the wall is only virtual time
            now = max(seen.wall - self._to_wall_s, self._latest)
            self._shift_s, self._to_wall_s = now - trio_now, seen.wall - now
        self._trio_clock, self._seen = trio_clock, seen

    def waiter(self, until: float = math.inf) -> Waiter:
        """Make one that waits by this clock, until an instant at most."""
        return Waiter(self, until)

    def has_jumped(self) -> bool:
        """Tell whether the computer has slept, or its clock was set, since it was asked."""
        before, seen = self._seen, self._times()
        self._seen = seen
        steady_s = seen.steady - before.steady
        jump_s = seen.wall - before.wall - steady_s
        slept_s = max(jump_s, 0.0)
        if seen.awake is not None and before.awake is not None:
            slept_s = seen.awake - before.awake - steady_s
        if max(abs(jump_s), slept_s) <= _JUMP_S:
            return False
        slept_s = slept_s if slept_s > _JUMP_S else 0.0
        self._shift_s += slept_s
        self._to_wall_s += jump_s - slept_s
        return True

    def deadline(self, instant: float) -> float:
        """Give an instant in trio's time."""
        return instant - self._shift_s

    def wall(self, instant: float) -> datetime:
        """Give what a clock on the wall shows at an instant."""
        return datetime.fromtimestamp(instant + self._to_wall_s, UTC)

    def instant(self, moment_s: float) -> float:
        """Give the instant of a moment in seconds since 1970 UTC."""
        return moment_s - self._to_wall_s


class Waiter:
    """One that waits for an instant or a ring, whichever comes first.

    Parameters
    ----------
    clock : Clock
    until : float
        The instant after which it waits no longer, whatever it is told.

    Attributes
    ----------
    instant : float
        What it waits for.
    """

    __slots__ = ("_clock", "_rung", "_scope", "_until", "instant")

    def __init__(self, clock: Clock, until: float) -> None:
        self.instant = until
        self._clock, self._until = clock, until
        self._rung: trio.Event | None = None  # of the last wait
        self._scope: trio.CancelScope | None = None

    async def wait(self, instant: float = math.inf) -> bool:
        """Wait; tell whether the instant came first."""
        self.instant = min(instant, self._until)
        self._rung = rung = trio.Event()
        deadline = self._clock.deadline(self.instant)
        with trio.CancelScope(deadline=deadline) as scope:
            self._scope = scope
            await rung.wait()
        return scope.cancelled_caught

    def aim(self, instant: float) -> None:
        """Let it wait for another instant."""
        self.instant = min(instant, self._until)
        if self._scope is not None:
            self._scope.deadline = self._clock.deadline(self.instant)

    def ring(self) -> None:
        """Wake it."""
        if self._rung is not None:
            self._rung.set()
