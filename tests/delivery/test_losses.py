"""Losses: when a connection comes back after it was lost, and when it does not."""

from __future__ import annotations

import pytest

from smtpbook.delivery.losses import MAX_FAILURES, PAUSE_S, Losses
from smtpbook.errors import AuthenticationError, SMTPBookError, TransportError
from smtpbook.pacing.retry import Retry
from smtpbook.protocol.replies import Reply

GONE = TransportError("connection reset")


def pauses(
    losses: Losses,
    count: int,
    *,
    error: SMTPBookError = GONE,
    answered: tuple[int, ...] = (),
    each_s: float = 1.0,
    are_others: bool = False,
) -> list[float | None]:
    """Lose a connection so often; give how long it stays away each time."""
    found = []
    for n in range(count):
        losses.add(n * each_s, is_answered=n in answered)
        found.append(losses.pause_s(error, are_others=are_others))
    return found


@pytest.mark.parametrize("are_others", [True, False])
def test_it_stays_away_for_longer_each_time_and_then_for_good(*, are_others: bool) -> None:
    found = pauses(Losses(None), MAX_FAILURES, are_others=are_others)
    assert found == [PAUSE_S, 2 * PAUSE_S, 4 * PAUSE_S, None]


def test_with_a_retry_it_is_waited_for_until_the_give_up_time() -> None:
    found = pauses(Losses(Retry(give_up_s=3600)), 10, each_s=600.0)
    assert None not in found[: MAX_FAILURES + 1]
    assert found[-1] is None


def test_not_where_others_take_what_it_would_have() -> None:
    found = pauses(Losses(Retry()), MAX_FAILURES, are_others=True)
    assert found[-1] is None


@pytest.mark.parametrize("retry", [None, Retry()])
def test_a_password_that_was_refused_is_not_tried_again(retry: Retry | None) -> None:
    error = AuthenticationError(Reply.parse("535 5.7.8 no"), "AUTH")
    assert pauses(Losses(retry), 1, error=error) == [None]


def test_a_session_in_which_a_message_was_decided_on_begins_the_count_anew() -> None:
    found = pauses(Losses(None), 6, answered=(2,))
    assert found == [PAUSE_S * n for n in (1, 2, 1, 2, 4)] + [None]


def test_so_does_one_that_ended_well() -> None:
    losses = Losses(None)
    pauses(losses, MAX_FAILURES - 1)
    losses.forget()
    assert pauses(losses, 1) == [PAUSE_S]
