"""Virtual time: it stands still while anything can be done, and then goes on at once."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import trio

from smtpbook.rehearsal.clock import Sleeper, VirtualClock, VirtualWall


def run(main: Callable[[VirtualClock], Awaitable[None]]) -> None:
    clock = VirtualClock()
    trio.run(main, clock, clock=clock)


def test_deadlines_and_sleepers_come_in_their_order() -> None:
    seen: list[tuple[str, float]] = []

    async def main(clock: VirtualClock) -> None:
        async def note(name: str, instant: float, by_trio: bool) -> None:
            if by_trio:
                await trio.sleep_until(instant)
            else:
                await Sleeper(clock).sleep(instant)
            seen.append((name, trio.current_time()))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(note, "c", 86_400.0, False)
            nursery.start_soon(note, "a", 10.0, False)
            nursery.start_soon(note, "b", 20.0, True)
            nursery.start_soon(note, "d", 1e6, True)

    run(main)
    assert seen == [("a", 10.0), ("b", 20.0), ("c", 86_400.0), ("d", 1e6)]


def test_a_sleeper_can_be_woken_by_another_task_and_sooner() -> None:
    async def main(clock: VirtualClock) -> None:
        sleeper = Sleeper(clock)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sleeper.sleep)
            await trio.sleep(5)
            sleeper.wake()
        assert trio.current_time() == 5
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sleeper.sleep, 1000.0)
            await trio.sleep(5)
            sleeper.sleep_until(12.0)
        assert trio.current_time() == 12
        sleeper.wake()  # nobody sleeps

    run(main)


def test_a_sleeper_that_is_cancelled_wakes_nobody_later() -> None:
    async def main(clock: VirtualClock) -> None:
        sleeper = Sleeper(clock)
        with trio.move_on_at(3):
            await sleeper.sleep(7)
        assert trio.current_time() == 3
        await trio.sleep_until(9)
        assert trio.current_time() == 9

    run(main)


def test_time_never_goes_back() -> None:
    async def main(clock: VirtualClock) -> None:
        await trio.sleep_until(10)
        await Sleeper(clock).sleep(4)
        assert trio.current_time() == 10
        assert clock.deadline_to_sleep_time(math.inf) == math.inf

    run(main)


def test_the_wall_shows_virtual_time() -> None:
    start = datetime(2031, 1, 1, tzinfo=UTC)

    async def main(clock: VirtualClock) -> None:
        wall = VirtualWall(clock, start)
        await trio.sleep(3600)
        assert wall.now() == wall.deadline(3600.0) == 3600.0
        assert wall.wall(wall.now()) == start + timedelta(hours=1)
        assert wall.instant(wall.wall(7200.0).timestamp()) == 7200.0

    run(main)
