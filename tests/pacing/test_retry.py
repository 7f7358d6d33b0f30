"""Retry: who gets another try, and when."""

from __future__ import annotations

from typing import Any

import pytest

from smtpbook.codes.tables import reasons
from smtpbook.pacing.retry import Retry

HOUR = 3600


def pause_s(retry: Retry, reason: str | None, **said: Any) -> float | None:
    arguments = {"outcome": "deferred", "text": "later", "tries": 1, "since_first_s": 0}
    return retry.pause_s(reason=reason, **(arguments | said))


@pytest.mark.parametrize("reason", reasons())
def test_every_reason_has_a_schedule_that_grows(reason: str) -> None:
    pauses = [pause_s(Retry(), reason, tries=tries) for tries in range(1, 8)]
    assert all(pause is not None and pause >= 60 for pause in pauses)
    assert pauses == sorted(pauses, key=lambda pause: pause or 0)
    assert pauses[-1] == pauses[-2]


def test_greylisting_takes_minutes_and_a_full_mailbox_hours() -> None:
    assert pause_s(Retry(), "greylisted") == 300
    assert pause_s(Retry(), "mailbox_full") == 4 * HOUR
    assert pause_s(Retry(), None, outcome="failed", text="") == 60


def test_what_the_reply_says_comes_first() -> None:
    assert pause_s(Retry(), "greylisted", text="try again in 90 seconds") == 90
    assert pause_s(Retry(), "greylisted", text="try again in 0 seconds") == 300
    assert pause_s(Retry(), "greylisted", text="try again in 2 days") is None


def test_own_numbers_replace_the_default_of_their_reason() -> None:
    retry = Retry(after_s={"mailbox_full": [10, 20], "unknown": [7]})
    tries = [pause_s(retry, "mailbox_full", tries=n) for n in (1, 2, 3)]
    assert tries == [10, 20, 20]
    assert pause_s(retry, "greylisted") == 300
    assert pause_s(retry, "virus") == 7


def test_the_give_up_time_counts_from_the_first_try() -> None:
    retry = Retry(give_up_s=1000)
    assert pause_s(retry, "greylisted", since_first_s=700) == 300
    assert pause_s(retry, "greylisted", since_first_s=701) is None


def test_at_most_so_many_attempts() -> None:
    retry = Retry(max_attempts=3)
    tries = [pause_s(retry, "greylisted", tries=n) for n in (1, 2, 3)]
    assert tries == [300, 600, None]


@pytest.mark.parametrize("outcome", ["accepted", "rejected", "in_doubt", "suppressed"])
def test_nobody_else_is_tried_again(outcome: str) -> None:
    assert pause_s(Retry(), "mailbox_full", outcome=outcome) is None


def test_a_5yz_is_tried_again_only_if_asked() -> None:
    retry = Retry(rejected="mailbox_full")
    assert pause_s(retry, "mailbox_full", outcome="rejected") == 4 * HOUR
    assert pause_s(retry, "user_unknown", outcome="rejected") is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"after_s": {"greylistd": [1]}}, "did you mean 'greylisted'"),
        ({"rejected": ["mailboxfull"]}, "did you mean 'mailbox_full'"),
        ({"after_s": {"greylisted": []}}, "at least one number"),
        ({"after_s": {"greylisted": [60, 0]}}, "above 0"),
        ({"give_up_s": 0}, "give_up_s=0"),
        ({"max_attempts": 0}, "max_attempts=0"),
    ],
)
def test_what_is_no_schedule_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Retry(**arguments)
