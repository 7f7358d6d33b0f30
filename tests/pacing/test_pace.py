"""Pacing: what a pace says, and several limits together."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.pacing.limits import DAY_S, WarmUp, Window
from smtpbook.pacing.pace import Pace, Pacer


def test_what_stands_for_a_pace_is_one() -> None:
    for pace in (None, "100/min", 4, "50 every 5 min and 2000 every day"):
        assert Pace.of(pace) == Pace(pace)
    assert Pace.of(Pace("1/s")) == Pace("1/s")
    assert Pace.of(None).is_free
    assert not Pace(None, per_domain="1/s").is_free
    assert not Pace(quiet="22:00-07:00 UTC").is_free


def test_groups_and_warm_ups_are_written_out() -> None:
    assert Pace.groups(size=50, every_s=300).limits == (Window(50, 300),)
    assert Pace.groups(size=5, every_s=0.5) == Pace("5 every 0.5 s")
    assert Pace.warm_up([50, 100, 200]).limits == (WarmUp((50, 100, 200)),)
    assert Pace.warm_up(50, doubling_until=300).limits == (WarmUp((50, 100, 200, 300)),)


def test_a_warm_up_that_is_none_is_refused() -> None:
    for counts, until in ((50, None), (0, 9), (50, 40), ([], None), ([1, 0], None)):
        with pytest.raises(ValueError, match="warm"):
            Pace.warm_up(counts, doubling_until=until)
    with pytest.raises(ValueError, match="not with a list"):
        Pace.warm_up([1, 2], doubling_until=9)


def test_a_pace_says_what_it_is() -> None:
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    pace = Pace(2, per_domain="20/min", quiet="22:00-07:00 UTC", not_before=noon)
    assert str(pace) == (
        "2/second, 20/min to a domain, quiet 22:00-07:00 UTC, "
        "not before 2026-05-01 12:00 UTC"
    )
    assert repr(Pace("1/s", per_domain="5/min")) == "Pace('1/s', per_domain='5/min')"
    assert str(Pace()) == "no limit"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"limit": "fast"}, "pace='fast'"),
        ({"per_domain": "fast"}, "per_domain='fast'"),
        ({"quiet": "at night"}, "quiet='at night'"),
        ({"not_before": "tomorrow"}, "not_before='tomorrow'"),
    ],
)
def test_what_cannot_be_is_refused(arguments: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Pace(**arguments)  # type: ignore[arg-type]


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 90)), min_size=1, max_size=3),
    st.lists(st.floats(0, 40), min_size=1, max_size=60),
)
def test_several_limits_all_hold(
    windows: list[tuple[int, int]], asked: list[float]
) -> None:
    pacer = Pacer(Pace(" and ".join(f"{n} every {s} s" for n, s in windows)))
    instants, now = [], 0.0
    for pause in asked:
        now = pacer.next_at(now + pause)
        assert pacer.next_at(now) == now
        pacer.take(now)
        instants.append(now)
    for count, seconds in windows:
        for n in range(len(instants) - count):
            assert instants[n + count] >= instants[n] + seconds


def test_what_went_out_before_counts() -> None:
    pace = Pace("3 every 60 s", per_domain="2 every 100 s")
    pacer = Pacer(pace)
    pacer.recall(
        [
            (0.0, "a@x.example", "<1@x>"),
            (10.0, "b@X.example", "<2@x>"),
            (20.0, "c@y.example", "<3@x>"),
        ]
    )
    assert pacer.next_at(30.0) == 60
    assert pacer.next_of("x.example", 30.0) == 100
    assert pacer.next_of("y.example", 30.0) == 30
    warm = Pacer(Pace.warm_up([1, 2]))
    warm.recall([(0.0, "a@x.example", "<1@x>")])
    assert warm.next_at(5.0) == DAY_S


def test_what_counts_as_a_domain_can_be_said() -> None:
    pace = Pace(per_domain="1/s", domain_of=lambda address: address[0])
    assert Pacer(pace).domain("ann@x.example") == "a"
    assert Pacer(Pace(per_domain="1/s")).domain("ann@X.example") == "x.example"
    assert Pacer(Pace("1/s")).domain("ann@x.example") == ""


def test_it_tells_what_may_join_domains() -> None:
    assert Pace("5/min", domain_of=str.lower).joins is None
    assert Pace(per_domain="5/min").joins is None
    assert Pace(per_domain="5/min", domain_of=str.lower).joins is str.lower
