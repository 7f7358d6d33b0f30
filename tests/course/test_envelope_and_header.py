"""Lesson 4: what is wrong fails for the reason it is wrong for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smtpbook.grading.exercise import MISSING
from tests.course.trying import tried


def letter(*recipients: str, sender: str = "{sender}", header: str = "") -> tuple[str, ...]:
    named = (f"RCPT TO:<{recipient}>" for recipient in recipients)
    return (
        *("EHLO a.example", f"MAIL FROM:<{sender}>", *named, "DATA"),
        *(header, "", "Hello.", "."),
    )


@pytest.mark.parametrize(
    ("exercise", "said", "why"),
    [
        ("differ", (), "no letter has come"),
        (
            "differ",
            letter("x@y.example", header="To: {shown}"),
            "envelope names x@y.example",
        ),
        (
            "differ",
            letter("{recipient}", header="To: {recipient}"),
            "the header's To names",
        ),
        ("differ", letter("{recipient}", header="X-To: {shown}"), "To names nobody"),
        (
            "differ",
            letter("{recipient}", "{shown}", header="To: {shown}"),
            "should not name",
        ),
        ("hidden", letter("{shown}", header="To: {shown}"), "it should name both"),
        (
            "hidden",
            letter("{shown}", "{hidden}", header="Bcc: {hidden}"),
            "everyone who gets it can read that",
        ),
        (
            "hidden",
            letter("{shown}", "{hidden}", header="To: you@x.example"),
            "should name",
        ),
        ("null", letter("{bounces}"), "a bounce has none"),
        ("null", letter("x@y.example", sender=""), "it went to x@y.example"),
    ],
)
def test_a_wrong_letter_fails_for_the_stated_reason(
    exercise: str, said: tuple[str, ...], why: str, tmp_path: Path
) -> None:
    verdict = tried("envelope-and-header", exercise, tmp_path, said=said)
    assert not verdict
    assert why in verdict.why


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("{sender}", "From is for people"),
        ("<{recipient}>", "who did not get it"),
        ("me@x.example", "one of the addresses"),
        (MISSING, "one of the addresses"),
    ],
)
def test_who_is_told_of_a_bounce(answer: Any, why: str, tmp_path: Path) -> None:
    verdict = tried("envelope-and-header", "bounce-to", tmp_path, answer=answer)
    assert not verdict
    assert why in verdict.why


def test_one_right_letter_among_wrong_ones_is_enough(tmp_path: Path) -> None:
    right = letter("{recipient}", header="To: Somebody <{shown}>")[1:]
    said = ("EHLO a.example", *right, *letter("x@y.example")[1:])
    assert tried("envelope-and-header", "differ", tmp_path, said=said)
