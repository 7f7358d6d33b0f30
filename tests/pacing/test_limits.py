"""Limits: how a pace is read, and what each kind lets through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.pacing.limits import (
    DAY_S,
    Limit,
    WarmUp,
    Window,
    rate_per_s,
    read_limits,
)


def begun(limit: Limit, asked: list[float]) -> list[float]:
    """Give the instants at which messages begin that are asked for at others."""
    limiter, instants, now = limit.limiter(), [], 0.0
    for pause in asked:
        now = limiter.next_at(now + pause)
        limiter.take(now)
        instants.append(now)
    return instants


@pytest.mark.parametrize(
    ("pace", "seconds"),
    [
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
def test_an_even_pace_is_one_in_so_many_seconds(pace: str | float, seconds: float) -> None:
    assert read_limits(pace) == (Window(1, pytest.approx(seconds)),)
    assert rate_per_s(pace) == pytest.approx(1 / seconds)


@pytest.mark.parametrize(
    ("pace", "limits"),
    [
        (None, ()),
        ("50 every 5 min", (Window(50, 300),)),
        ("2,000 every day", (Window(2000, DAY_S),)),
        ("20 every 0.5 hours", (Window(20, 1800),)),
        ("1/s and 10 Every minute AND 99 every day", None),
        ("warm-up 50, 100 200", (WarmUp((50, 100, 200)),)),
        ("Warmup 5", (WarmUp((5,)),)),
    ],
)
def test_groups_quotas_and_warm_ups_are_read(
    pace: str | None, limits: tuple[Limit, ...] | None
) -> None:
    expected = (Window(1, 1), Window(10, 60), Window(99, DAY_S))
    assert read_limits(pace) == (expected if limits is None else limits)


@pytest.mark.parametrize(
    "pace",
    [
        *("", "fast", "100", "100/fortnight", "0/min", "-5/min", 0, -1, float("nan")),
        *("0 every day", "1.5 every day", "5 every 0 min", "warm-up", "warm-up 0"),
        *("1/s and", "1/s and fast", "1/s, 5/min", float("inf")),
    ],
)
def test_what_is_no_pace_is_refused(pace: str | float) -> None:
    with pytest.raises(ValueError, match="pace="):
        read_limits(pace)


def test_an_error_names_the_argument_and_the_near_miss() -> None:
    with pytest.raises(ValueError, match=r"per_domain=.*did you mean 'every'"):
        read_limits("50 evry 5 min", "per_domain")
    with pytest.raises(ValueError, match="an even pace is needed"):
        rate_per_s("50 every 5 min")


def test_time_not_used_is_not_made_up_for() -> None:
    assert begun(Window(1, 10), [50, 0, 45, 0, 0]) == [50, 60, 105, 115, 125]


def test_a_group_goes_at_once_and_the_next_after_the_pause() -> None:
    assert begun(Window(3, 300), [0.0] * 7) == [0, 0, 0, 300, 300, 300, 600]


@given(
    st.integers(1, 6),
    st.floats(0.5, 500),
    st.lists(st.floats(0, 400), min_size=1, max_size=60),
)
def test_no_stretch_of_time_holds_more_than_the_limit(
    count: int, seconds: float, asked: list[float]
) -> None:
    instants = begun(Window(count, seconds), asked)
    assert instants == sorted(instants)
    for n in range(len(instants) - count):
        assert instants[n + count] >= instants[n] + seconds


@given(st.integers(1, 6), st.lists(st.integers(0, 40), min_size=1, max_size=40))
def test_nobody_waits_who_need_not(count: int, asked: list[int]) -> None:
    instants = begun(Window(count, 60), [float(pause) for pause in asked])
    now = 0.0
    for n, pause in enumerate(asked):
        now += pause
        held_until = instants[n - count] + 60 if n >= count else 0
        assert instants[n] == max(now, held_until)
        now = instants[n]


def test_a_warm_up_lets_more_through_each_day_and_then_stays() -> None:
    instants = begun(WarmUp((2, 3)), [100, *[0.0] * 8])
    days = [int((at - 100) // DAY_S) for at in instants]
    assert days == [0, 0, 1, 1, 1, 2, 2, 2, 3]
    assert instants[2] == 100 + DAY_S


def test_a_day_off_does_not_add_to_the_next_of_a_warm_up() -> None:
    instants = begun(WarmUp((2, 3, 4)), [0, 2.5 * DAY_S, *[0.0] * 4])
    assert [int(at // DAY_S) for at in instants] == [0, 2, 2, 2, 2, 3]


def test_a_day_of_a_warm_up_begins_at_its_hour() -> None:
    assert begun(WarmUp((1,)), [50, 3600, 1.5 * DAY_S]) == [
        50,
        50 + DAY_S,
        50 + 2.5 * DAY_S,
    ]
