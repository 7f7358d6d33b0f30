"""Parked: tasks that wait until another one wakes them."""

from __future__ import annotations

import trio


class Parked:
    """Tasks that wait to be woken, as in trio's ParkingLot, at a third of its price."""

    __slots__ = ("_tasks",)

    def __init__(self) -> None:
        self._tasks: list[trio.lowlevel.Task] = []

    def __bool__(self) -> bool:
        return bool(self._tasks)

    async def park(self) -> None:
        """Wait until `unpark_all`."""
        task = trio.lowlevel.current_task()
        self._tasks.append(task)

        def give_up(_: object) -> trio.lowlevel.Abort:
            self._tasks.remove(task)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(give_up)

    def unpark_all(self) -> None:
        """Wake all of them."""
        if self._tasks:
            tasks, self._tasks = self._tasks, []
            for task in tasks:
                trio.lowlevel.reschedule(task)
