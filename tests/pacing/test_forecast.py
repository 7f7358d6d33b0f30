"""Forecast: when a send would end, without waiting for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.pacing.forecast import Forecast, forecast
from smtpbook.pacing.pace import Pace, Pacer

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Clock:
    """A clock whose zero is some seconds after 1970 began."""

    def __init__(self, zero: float = 1_000_000.25) -> None:
        self._zero = zero

    def wall(self, instant: float) -> datetime:
        return datetime.fromtimestamp(instant + self._zero, UTC)

    def instant(self, moment_s: float) -> float:
        return moment_s - self._zero


def foretold(pace: str | Pace, messages: int, **options: object) -> Forecast:
    found = forecast(
        Pacer(Pace.of(pace)),
        messages,
        {"": messages},
        clock=Clock(),
        now_s=NOON.timestamp(),
        **options,  # type: ignore[arg-type]
    )
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("pace", "messages", "seconds"),
    [
        ("100/min", 10_000, 9999 * 0.6),
        ("50 every 5 min", 101, 600),
        ("2000 every day", 5000, 2 * 86_400),
        ("warm-up 10, 20, 40", 71, 3 * 86_400),
        ("60/min and 100 every hour", 150, 3600 + 49),
    ],
)
def test_the_end_is_that_of_the_pace(pace: str, messages: int, seconds: float) -> None:
    end = foretold(pace, messages)
    assert end.seconds == pytest.approx(seconds)
    assert (end.ends - NOON).total_seconds() == pytest.approx(seconds)
    assert not end.is_least


def test_quiet_hours_and_a_later_beginning_are_waited_for() -> None:
    assert foretold(Pace("1/min", quiet="12:05-13:00 UTC"), 7).ends == NOON + timedelta(
        hours=1, minutes=1
    )
    later = NOON + timedelta(hours=3)
    assert foretold(Pace(not_before=later), 1000).ends == later


def test_what_has_begun_before_counts_and_nothing_is_noted() -> None:
    clock = Clock()
    now = clock.instant(NOON.timestamp())
    pacer = Pacer(Pace("3 every hour"))
    pacer.recall([(now - 1800, "a@x", "<1>"), (now - 60, "b@x", "<2>")])
    for _ in range(2):
        end = forecast(pacer, 2, {"": 2}, clock=clock, now_s=NOON.timestamp())
        assert end is not None
        assert end.seconds == pytest.approx(1800)


def test_the_domain_with_the_most_needs_the_longest() -> None:
    pacer = Pacer(Pace("1/s", per_domain="1/min"))
    domains = {"x": 3, "y": 10, "z": 1}
    end = forecast(pacer, 14, domains, clock=Clock(), now_s=NOON.timestamp())
    assert end is not None
    assert end.seconds == pytest.approx(9 * 60)
    assert end.is_least


def test_the_server_decides_where_the_pace_does_not() -> None:
    for pace in (None, "adaptive", "adaptive and 100 every day"):
        pacer = Pacer(Pace.of(pace))
        assert forecast(pacer, 9, {"": 9}, clock=Clock(), now_s=NOON.timestamp()) is None
    assert (
        forecast(Pacer(Pace("1/s")), 0, {}, clock=Clock(), now_s=NOON.timestamp()) is None
    )


@pytest.mark.parametrize(
    ("pace", "is_over"),
    [
        ("100/min", True),
        ("500 every day", False),
        ("501 every day", True),
        ("20/hour", False),
        ("warm-up 100, 600", True),
        ("warm-up 100, 250", False),
    ],
)
def test_a_quota_is_kept_in_any_24_hours_or_not(pace: str, is_over: bool) -> None:
    assert foretold(pace, 1200, quota=500).is_over_quota is is_over


@given(
    st.sampled_from(
        ["7/min", "5 every 3 min", "warm-up 3, 5", "11/hour and 4 every 20 min"]
    ),
    st.sampled_from(
        [None, "22:00-07:00 UTC", "12:01-12:02 UTC", "00:30-12:20 Asia/Kolkata"]
    ),
    st.integers(1, 40),
    st.integers(0, 86_400),
)
def test_it_is_what_asking_the_pace_before_each_message_gives(
    limit: str, quiet: str | None, messages: int, after_s: int
) -> None:
    pace, clock, now = Pace(limit, quiet=quiet), Clock(), NOON + timedelta(seconds=after_s)
    pacer, at = Pacer(pace), clock.instant(now.timestamp())
    for _ in range(messages):
        at = clock.instant(pace.open_at(clock.wall(pacer.next_at(at))).timestamp())
        pacer.take(at)
    found = forecast(
        Pacer(pace), messages, {"": messages}, clock=clock, now_s=now.timestamp()
    )
    assert found is not None
    assert found.ends.timestamp() == pytest.approx(clock.wall(at).timestamp(), abs=1e-3)
