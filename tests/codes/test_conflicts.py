from __future__ import annotations

import pytest

from smtpbook.codes.explain import explain


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("550 5.7.1 too many messages, slow down", "5.7.1 is for policy"),
        ("550 5.7.1 too many messages, slow down", "550 is permanent"),
        ("550 5.1.1 mailbox is full", "5.1.1 is for user_unknown"),
        ("450 4.1.1 user unknown", "450 allows another try"),
        ("550 greylisted", "greylisting, which passes"),
    ],
)
def test_what_disagrees_is_said(reply: str, said: str) -> None:
    assert said in " ".join(explain(reply).conflicts)


@pytest.mark.parametrize(
    "reply",
    [
        "550 5.1.1 user unknown",
        "550 5.7.1 blocked by zen.spamhaus.org",
        "550 5.7.1 SPF check failed",
        "452 4.2.2 mailbox full",
        "451 4.7.1 greylisted",
        "421 4.7.0 too many connections",
        "250 2.0.0 ok",
        "550",
    ],
)
def test_what_agrees_is_not(reply: str) -> None:
    assert explain(reply).conflicts == ()


def test_the_text_wins_over_a_vague_status_and_the_code_stays() -> None:
    explained = explain("550 5.7.1 too many messages, slow down")
    assert explained.reason == "rate_limited"
    assert explained.permanence == "permanent"
    assert "In conflict" in str(explained)
