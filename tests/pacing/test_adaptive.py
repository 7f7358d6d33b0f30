"""Adaptive pace: what it hears, how it rises, what it is cut by."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.pacing.adaptive import (
    Adaptive,
    AdaptiveLimiter,
    Heard,
    PaceChange,
    asks_for_less,
)
from smtpbook.pacing.limits import read_limits
from smtpbook.pacing.pace import Pace
from smtpbook.protocol.replies import Reply


def heard(verb: str | None, line: str, service_s: float = 0.1) -> Heard:
    reply = Reply.parse(line)
    return Heard(
        verb=verb,
        code=reply.code,
        enhanced_status=reply.enhanced_status,
        text=reply.text,
        service_s=service_s,
    )


ACCEPTED = heard("END-OF-DATA", "250 ok")
TOO_MUCH = heard("MAIL", "451 4.7.0 Too many messages, slow down")


def served(
    limiter: AdaptiveLimiter, seconds: float, answer: Callable[[float], Heard]
) -> list[PaceChange]:
    """Send as fast as the limiter lets, each message answered at once."""
    changes, now, end = [], 0.0, seconds
    while (now := limiter.next_at(now)) < end:
        limiter.take(now)
        change = limiter.hear(now, answer(now))
        if change is not None:
            changes.append(change)
    return changes


def test_a_pace_that_learns_is_read() -> None:
    assert read_limits("adaptive") == (Adaptive(),)
    assert read_limits("Adaptive 6/min to 5/s") == (Adaptive(0.1, 5.0),)
    assert Pace("adaptive and 2000 every day").is_adaptive
    for pace in ("adaptive 5/s", "adaptive 5/s to 1/s", "adaptive 5/s to 5 every day"):
        with pytest.raises(ValueError, match="pace="):
            read_limits(pace)
    with pytest.raises(ValueError, match="follows the server"):
        Pace(per_domain="adaptive")
    with pytest.raises(ValueError, match=r"^pace='adaptive .*say \"adaptive\" once"):
        Pace("adaptive and adaptive 5/min to 300/min")


@pytest.mark.parametrize(
    ("verb", "line", "is_less"),
    [
        ("GREETING", "421 4.7.0 too many connections", True),
        (None, "421 4.3.2 shutting down", True),
        ("MAIL", "450 4.7.1 rate limit exceeded", True),
        ("MAIL", "451 4.7.1 not now", True),
        ("MAIL", "455 4.5.4 no such parameter now", False),
        ("RCPT", "450 4.7.1 Error: too many recipients from 192.0.2.1", True),
        ("END-OF-DATA", "451 4.7.1 moderate your language", False),
        ("MAIL", "451 4.3.0 try later", True),
        ("MAIL", "452 4.3.1 no room", True),
        ("RCPT", "452 4.4.5 congested", True),
        ("END-OF-DATA", "451 4.3.0 try later", True),
        ("AUTH", "454 4.7.0 too many logins", True),
        ("RCPT", "450 4.1.1 user unknown", False),
        ("RCPT", "452 4.2.2 mailbox full", False),
        ("RCPT", "450 4.2.1 mailbox disabled", False),
        ("RCPT", "450 greylisted", False),
        ("RCPT", "452 4.5.3 too many recipients", False),
        ("RCPT", "550 5.1.1 user unknown", False),
        ("END-OF-DATA", "554 5.7.1 spam", False),
        ("VRFY", "450 4.3.0 busy", False),
        ("RCPT", "250 ok", False),
    ],
)
def test_which_replies_ask_for_less(verb: str, line: str, is_less: bool) -> None:
    assert asks_for_less(heard(verb, line)) is is_less


def test_it_doubles_while_nothing_speaks_against_it() -> None:
    limiter = Adaptive().limiter()
    changes = served(limiter, 75, lambda now: ACCEPTED)
    assert [change.rate_per_s for change in changes] == [2, 4, 8, 16, 32, 64, 100]
    assert {change.why for change in changes} == {"doubled: no complaint so far"}


def test_a_rate_that_is_not_used_is_not_raised() -> None:
    """Another limit lets one through every five seconds."""
    limiter = Adaptive().limiter()
    for now in range(0, 200, 5):
        limiter.take(now)
        assert limiter.hear(now, ACCEPTED) is None


def test_a_reply_that_asks_for_less_halves_it_once_and_it_rises_in_small_steps() -> None:
    limiter = Adaptive().limiter()
    served(limiter, 45, lambda now: ACCEPTED)
    assert limiter.rate_per_s == 16
    change = limiter.hear(45.0, TOO_MUCH)
    assert change is not None
    assert change.rate_per_s == 8
    assert change.why == ("halved: 451 4.7.0 Too many messages, slow down to MAIL")
    assert limiter.hear(46.0, TOO_MUCH) is None  # of the same moment
    changes = []
    now = 46.0
    while now < 80:
        now = limiter.next_at(now)
        limiter.take(now)
        if change := limiter.hear(now, ACCEPTED):
            changes.append(change.rate_per_s)
    assert changes == pytest.approx([8.8, 9.6, 10.4])


def test_what_a_reply_asks_for_is_waited_for() -> None:
    limiter = Adaptive().limiter()
    limiter.take(5.0)
    change = limiter.hear(
        5.0, heard("MAIL", "421 4.7.0 Slow down, try again in 90 seconds")
    )
    assert change is not None
    assert "nothing for 90 s" in change.why
    assert limiter.next_at(6.0) == 95


def test_slow_replies_cut_it_too() -> None:
    limiter = Adaptive(1, 4).limiter()
    changes = served(
        limiter,
        60,
        lambda now: heard("END-OF-DATA", "250 ok", 0.5 if now < 25 else 5.0),
    )
    rates = [round(change.rate_per_s, 2) for change in changes]
    assert rates[:3] == [2, 4, 3.2]
    assert changes[2].why == "a fifth less: replies take 2.9 s, at best 0.5 s"


@given(
    st.floats(0.02, 1),
    st.floats(1, 50),
    st.lists(st.sampled_from([ACCEPTED, TOO_MUCH]), min_size=1),
)
def test_it_stays_between_floor_and_ceiling(
    floor: float, ceiling: float, answers: list[Heard]
) -> None:
    limiter, said = Adaptive(floor, ceiling).limiter(), iter(answers * 20)
    changes = served(limiter, 400, lambda now: next(said, ACCEPTED))
    assert all(floor <= change.rate_per_s <= ceiling for change in changes)
    assert floor <= limiter.rate_per_s <= ceiling
    assert limiter.next_at(0.0) < float("inf")


def test_it_finds_what_a_server_takes() -> None:
    """Twenty a second, measured over ten seconds."""
    begun: deque[float] = deque()
    refused = []

    def answer(now: float) -> Heard:
        while begun and begun[0] < now - 10:
            begun.popleft()
        if len(begun) >= 200:
            refused.append(now)
            return TOO_MUCH
        begun.append(now)
        return ACCEPTED

    limiter = Adaptive().limiter()
    rates = [
        change.rate_per_s for change in served(limiter, 3600, answer) if change.at > 300
    ]
    assert min(rates) > 8
    assert max(rates) < 25
    assert sum(rates) / len(rates) > 13
    assert len(refused) < 0.1 * 3600 * 15
