"""Lesson 5: what is wrong fails for the reason it is wrong for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smtpbook.grading.exercise import MISSING
from tests.course.trying import tried

HELLO = ("EHLO a.example",)


@pytest.mark.parametrize(
    ("exercise", "said", "answer", "why"),
    [
        ("lines", (), 11, "say EHLO to your server first"),
        ("lines", HELLO, MISSING, "hand in a number"),
        ("lines", HELLO, 1, "it is not 1"),
        ("lines", HELLO, 10, "the first line is one of the reply, too"),
        ("size", (), "many", "a number of octets"),
        ("size", (), 1000, "it would not take 1000 octets"),
        ("missing", (), "PIPELINING", "is on the list"),
        ("missing", (), "X", "hand in one of"),
        ("missing", (), MISSING, "hand in one of"),
        ("helo", HELLO, 0, "say HELO to your server"),
        ("helo", ("HELO a.example",), MISSING, "hand in a number"),
        ("helo", ("HELO a.example",), 3, "the server's name and nothing else"),
        ("declare", HELLO, MISSING, "no MAIL with SIZE"),
        ("declare", (*HELLO, "MAIL FROM:<> SIZE=10"), MISSING, "that size was taken"),
        ("declare", ("MAIL FROM:<> SIZE=99999999",), MISSING, "the reply was 503"),
    ],
)
def test_a_wrong_answer_fails_for_the_stated_reason(
    exercise: str, said: tuple[str, ...], answer: Any, why: str, tmp_path: Path
) -> None:
    verdict = tried("ehlo", exercise, tmp_path, said=said, answer=answer)
    assert not verdict
    assert why in verdict.why
