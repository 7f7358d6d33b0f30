"""Clock: one time for all sends of a campaign."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import trio
from trio.testing import MockClock

from smtpbook.delivery.clock import Clock


async def test_it_runs_as_trios_does(autojump_clock: object) -> None:
    clock = Clock()
    assert clock.now() == trio.current_time()
    await trio.sleep(1000)
    assert clock.now() == trio.current_time()
    assert clock.deadline(clock.now()) == trio.current_time()


async def test_it_knows_what_the_clock_on_the_wall_shows(autojump_clock: object) -> None:
    clock = Clock()
    now = clock.now()
    wall = clock.wall(now)
    assert abs(wall - datetime.now(UTC)) < timedelta(minutes=5)
    assert clock.instant(wall.timestamp()) == pytest.approx(now, abs=1e-5)
    await trio.sleep(7200)
    assert clock.wall(clock.now()) - wall == timedelta(hours=2)


def test_it_goes_on_under_another_loop() -> None:
    clock, instants = Clock(), []

    async def ask() -> None:
        instants.append(clock.now())

    async def ask_before_and_after_an_hour() -> None:
        await ask()
        await trio.sleep(3600)
        await ask()

    trio.run(ask)  # its zero is anywhere
    for _ in range(2):
        trio.run(ask_before_and_after_an_hour, clock=MockClock(autojump_threshold=0))
    trio.run(ask)
    assert instants == sorted(instants)
    assert 7200 <= instants[-1] - instants[0] < 7200 + 300
