"""Several senders keep one pace together, each one part of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.pacing.adaptive import Heard
from smtpbook.pacing.limits import DAY_S
from smtpbook.pacing.pace import Pace, Pacer


def instants(pacers: list[Pacer], since: float, until: float) -> list[float]:
    """When messages begin, if all senders send as soon as they may."""
    found = []
    for pacer in pacers:
        at = pacer.next_at(since)
        while at < until:
            pacer.take(at)
            found.append(at)
            at = pacer.next_at(at)
    return sorted(found)


@given(
    count=st.integers(1, 30),
    sharers=st.integers(1, 8),
    before=st.integers(0, 40),
    cut=st.floats(0, 60),
)
def test_together_they_begin_no_more_in_any_window_than_the_pace_and_one_each(
    count: int, sharers: int, before: int, cut: float
) -> None:
    alone = Pacer(Pace(f"{count} every 60 seconds"))
    begun = instants([alone], 0.0, cut)[:before]
    pacers = [Pacer(alone.pace) for _ in range(sharers)]
    for pacer in pacers:
        pacer.share_with(sharers)
        pacer.recall((at, "a@x.example", str(n)) for n, at in enumerate(begun))
    together = begun + instants(pacers, cut, 300.0)
    for first in together:
        in_window = sum(first <= at < first + 60 - 1e-6 for at in together)
        assert in_window <= count + sharers


def test_together_they_are_as_fast_as_one_alone() -> None:
    pacers = [Pacer(Pace("100/min")) for _ in range(4)]
    for pacer in pacers:
        pacer.share_with(4)
    assert len(instants(pacers, 0.0, 600.0)) == pytest.approx(1000, abs=4)


def test_a_quota_that_is_half_used_lets_the_other_half_through() -> None:
    pacers = [Pacer(Pace("2000 every day")) for _ in range(2)]
    for pacer in pacers:
        pacer.share_with(2)
        pacer.recall((float(n), "a@x.example", str(n)) for n in range(1000))
    assert len(instants(pacers, 1000.0, DAY_S / 2)) == 1000


def test_a_warm_up_is_shared_day_by_day() -> None:
    pacers = [Pacer(Pace("warm-up 10, 20")) for _ in range(2)]
    for pacer in pacers:
        pacer.share_with(2)
    assert len(instants(pacers, 0.0, DAY_S)) == 10
    assert len(instants(pacers, DAY_S, 2 * DAY_S)) == 20


def test_a_domain_is_one_senders_and_its_limit_is_not_shared() -> None:
    pacer = Pacer(Pace(per_domain="1/min"))
    pacer.share_with(4)
    pacer.recall([(0.0, "a@x.example", "1"), (1.0, "b@y.example", "2")])
    assert pacer.next_of("x.example", 2.0) == 60.0
    assert pacer.next_of("y.example", 2.0) == 61.0


def test_what_a_pace_has_learnt_is_shared_and_stays_within_its_bounds() -> None:
    pacer = Pacer(Pace("adaptive 6/min to 60/s"))
    learning = pacer.adaptive
    assert learning is not None
    learning.rate_per_s = 20.0
    for sharers, rate in ((4, 5.0), (2, 10.0), (1, 20.0), (10, 2.0)):
        pacer.share_with(sharers)
        assert pacer.adaptive is learning
        assert learning.rate_per_s == pytest.approx(rate)
    too_much = Heard(
        verb="MAIL", code=421, enhanced_status=None, text="too fast", service_s=0.1
    )
    for second in range(0, 3600, 20):
        learning.hear(float(second), too_much)
    assert learning.rate_per_s == pytest.approx(0.01)  # a tenth of six a minute


def test_senders_that_come_to_an_adaptive_pace_begin_slowly_together() -> None:
    pacers = [Pacer(Pace("adaptive")) for _ in range(4)]
    for pacer in pacers:
        pacer.share_with(4)
    assert len(instants(pacers, 0.0, 20.0)) == 4 + 4 * 4


def test_together_they_find_what_a_server_takes() -> None:
    """It takes ten a second, and refuses the rest; four that begin at different times."""
    pacers, begun, refused = [Pacer(Pace("adaptive")) for _ in range(4)], [], 0
    for pacer in pacers:
        pacer.share_with(4)
    now = [0.0, 40.0, 80.0, 120.0]
    while (at := min(now)) < 1200.0:
        which = now.index(at)
        pacer = pacers[which]
        pacer.take(at)
        begun.append(at)
        is_too_much = sum(one > at - 1.0 for one in begun[-40:]) > 10
        said = "421 too fast" if is_too_much else "250 ok"
        refused += is_too_much
        learning = pacer.adaptive
        assert learning is not None
        learning.hear(
            at,
            Heard(
                verb="END-OF-DATA",
                code=int(said[:3]),
                enhanced_status=None,
                text=said[4:],
                service_s=0.1,
            ),
        )
        now[which] = pacer.next_at(at)
    late = [at for at in begun if at > 600.0]
    assert 5.0 < len(late) / 600.0 < 11.0
    assert refused < len(begun) / 20
