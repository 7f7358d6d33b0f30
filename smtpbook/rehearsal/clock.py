"""Virtual time: a clock that is always at the next thing to happen.

It is for trio programs without sockets and worker threads.  What happens when is for others
to say.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count

import trio

from smtpbook.delivery.clock import Clock, Waiter


class Sleeper:
    """A task that waits for an instant, or for nothing yet."""

    __slots__ = ("_clock", "_task", "due")

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._task: trio.lowlevel.Task | None = None
        self.due = math.inf  # the instant that counts; another reminder is outdated

    async def sleep(self, instant: float = math.inf) -> None:
        """Wait for an instant, or until `wake`."""
        self._task, self.due = trio.lowlevel.current_task(), instant
        if instant < math.inf:
            self._clock.remind(instant, self)
        await trio.lowlevel.wait_task_rescheduled(self._give_up)

    def sleep_until(self, instant: float) -> None:
        """Let it wait for another instant, if it waits."""
        if self._task is not None and instant != self.due:
            self.due = instant
            if instant < math.inf:
                self._clock.remind(instant, self)

    def wake(self) -> None:
        """Let it go on now."""
        task = self._task
        if task is not None:
            self._task, self.due = None, math.inf
            trio.lowlevel.reschedule(task)

    def _give_up(self, _: object) -> trio.lowlevel.Abort:
        self._task, self.due = None, math.inf
        return trio.lowlevel.Abort.SUCCEEDED


class VirtualClock(trio.abc.Clock):
    """A clock for `trio.run` that stands still while anything can be done.

    Theory of operation.  Trio asks its clock how long to sleep when no task can run.  That
    is the moment to go on to the next deadline, or to the next instant of which a `Sleeper`
    is to be reminded.  `trio.testing.MockClock` does the first, too, but only after another
    round of trio's loop; and a deadline needs a cancel scope, which costs more than all
    that a modelled server does for a reply.

    Attributes
    ----------
    now : float
        This instant.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._order = count()
        self._reminders: list[tuple[float, int, Sleeper]] = []  # a heap

    def start_clock(self) -> None:
        """Begin: at 0."""

    def current_time(self) -> float:
        """Give this instant."""
        return self.now

    def remind(self, instant: float, sleeper: Sleeper) -> None:
        """Wake a sleeper at an instant, should it sleep then."""
        heappush(self._reminders, (instant, next(self._order), sleeper))

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Go on to the deadline, or to a reminder before it."""
        reminders = self._reminders
        while reminders and reminders[0][0] <= deadline:
            instant, _, sleeper = heappop(reminders)
            if sleeper.due == instant:
                sleeper.wake()
                break
        else:
            if deadline == math.inf:
                return math.inf  # until another thread asks for something
            instant = deadline
        if instant > self.now:
            self.now = instant
        return 0.0


class VirtualWall(Clock):
    """The clock of a delivery on virtual time; the wall's shows virtual time as well.

    Parameters
    ----------
    clock : VirtualClock
        Trio's.
    start : datetime
        What it shows at instant 0.
    """

    __slots__ = ("_start_s", "_virtual")
    may_jump = False

    def __init__(self, clock: VirtualClock, start: datetime) -> None:
        super().__init__()
        self._virtual, self._start_s = clock, start.timestamp()

    def waiter(self, until: float = math.inf) -> Waiter:
        """Make one that waits by this clock, until an instant at most."""
        return _VirtualWaiter(self._virtual, until)

    def now(self) -> float:
        """Give this instant."""
        return self._virtual.now

    def deadline(self, instant: float) -> float:
        """Give an instant in trio's time."""
        return instant

    def wall(self, instant: float) -> datetime:
        """Give what a clock on the wall shows at an instant."""
        return datetime.fromtimestamp(self._start_s + instant, UTC)

    def instant(self, moment_s: float) -> float:
        """Give the instant of a moment in seconds since 1970 UTC."""
        return moment_s - self._start_s


class _VirtualWaiter(Waiter):
    """One without a cancel scope."""

    __slots__ = ("_is_rung", "_sleeper")

    def __init__(self, clock: VirtualClock, until: float) -> None:
        self.instant = self._until = until
        self._sleeper = Sleeper(clock)
        self._is_rung = False

    async def wait(self, instant: float = math.inf) -> bool:
        """Wait; tell whether the instant came first."""
        self.instant = instant if instant < self._until else self._until
        self._is_rung = False
        await self._sleeper.sleep(self.instant)
        return not self._is_rung

    def aim(self, instant: float) -> None:
        """Let it wait for another instant."""
        self.instant = instant if instant < self._until else self._until
        self._sleeper.sleep_until(self.instant)

    def ring(self) -> None:
        """Wake it."""
        self._is_rung = True
        self._sleeper.wake()
