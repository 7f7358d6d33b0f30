"""Retry hints: what servers write, and what only looks like one."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.codes.hints import retry_hint_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("4.7.1 Greylisted, please try again in 5 minutes", 300),
        ("4.7.0 Try again in 300 seconds", 300),
        ("retry after 5 minutes", 300),
        ("Please retry in 1 hour", 3600),
        ("Retry-After: 120", 120),
        ("4.2.0 retry 90", 90),
        ("greylisted for 60s, see the postmaster's page", 60),
        ("Greylisting in action, please come back in 00:05:00", 300),
        ("wait 2 min before sending more", 120),
        ("too many messages\n4.7.0 try again\nafter 10 minutes", None),
        ("too many\nTRY AGAIN IN 10 MINUTES", 600),
        ("message delayed for 15-minutes", 900),
        ("try again in 1 day", 86_400),
        ("try again later", None),
        ("try again in a few minutes", None),
        ("4.7.0 limit is 100 messages in 60 minutes, try again later", None),
        ("try again later; the limit is 100 messages per 60 minutes", None),
        ("try again in 300", None),
        ("try again in 5 fortnights", None),
        ("try again, error 451-3321", None),
        ("retry at 192.0.2.1", None),
        ("retry at 10:30", None),
        ("please wait for 4.7.1", None),
        ("", None),
    ],
)
def test_what_a_reply_asks_for(text: str, seconds: float | None) -> None:
    assert retry_hint_s(text) == seconds


@given(st.text(alphabet="again retry wait 0123456789:;.smh\n", max_size=200))
def test_any_text_is_read_or_left(text: str) -> None:
    hint = retry_hint_s(text)
    assert hint is None or hint >= 0


def test_a_long_text_costs_in_proportion_to_its_length() -> None:
    """Twenty times the text, less than a hundred times the work."""

    def cost_s(text: str) -> float:
        started = time.process_time()
        for _ in range(5):
            assert retry_hint_s(text) is None
        return time.process_time() - started

    for piece in ("again ", "retry ", "wait 1", "again 0:", "again" + " " * 40):
        assert cost_s(piece * 20_000) < 100 * max(cost_s(piece * 1_000), 0.001)
