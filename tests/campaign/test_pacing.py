"""Pacing: one speed limit for all connections."""

from __future__ import annotations

import pytest
import trio

from smtpbook.campaign.pacing import Pacer, interval_s


@pytest.mark.parametrize(
    ("pace", "seconds"),
    [
        (None, None),
        ("100/min", 0.6),
        ("5 per second", 0.2),
        ("1/s", 1),
        ("2,000/day", 43.2),
        ("1_000/hour", 3.6),
        (" 0.5 / sec ", 2),
        ("60/Minutes", 1),
        (4, 0.25),
        (0.5, 2),
    ],
)
def test_a_pace_is_read(pace: str | float | None, seconds: float | None) -> None:
    assert interval_s(pace) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    "pace", ["", "fast", "100", "100/fortnight", "0/min", "-5/min", 0, -1, float("nan")]
)
def test_what_is_no_pace_is_refused(pace: str | float) -> None:
    with pytest.raises(ValueError, match="pace="):
        interval_s(pace)


async def test_instants_are_an_interval_apart_for_all_who_wait(
    autojump_clock: object,
) -> None:
    pacer, stopped, taken = Pacer(10.0), trio.Event(), []

    async def work() -> None:
        for _ in range(3):
            assert await pacer.wait(stopped)
            taken.append(trio.current_time())

    await trio.sleep(100)
    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(work)
    assert taken == [100 + 10 * n for n in range(12)]


async def test_time_not_used_is_not_made_up_for(autojump_clock: object) -> None:
    pacer, stopped, taken = Pacer(10.0), trio.Event(), []
    for pause in (50, 0, 45, 0, 0):
        await trio.sleep(pause)
        await pacer.wait(stopped)
        taken.append(trio.current_time())
    assert taken == [50, 60, 105, 115, 125]


async def test_a_stop_ends_the_wait_at_once(autojump_clock: object) -> None:
    pacer, stopped = Pacer(1000.0), trio.Event()
    assert await pacer.wait(stopped)
    async with trio.open_nursery() as nursery:

        async def stop() -> None:
            await trio.sleep(5)
            stopped.set()

        nursery.start_soon(stop)
        before = trio.current_time()
        assert not await pacer.wait(stopped)
    assert trio.current_time() - before == 5
    assert not await pacer.wait(stopped)


async def test_no_limit_waits_for_nothing(autojump_clock: object) -> None:
    pacer, stopped = Pacer(None), trio.Event()
    assert pacer.interval_s == 0
    assert all([await pacer.wait(stopped) for _ in range(1000)])
    assert trio.current_time() == 0
    stopped.set()
    assert not await pacer.wait(stopped)
