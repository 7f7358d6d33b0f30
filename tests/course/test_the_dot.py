"""Lesson 8: what is wrong fails for the reason it is wrong for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smtpbook.grading.exercise import MISSING
from tests.course.trying import tried

OPENING = ("EHLO a.example", "MAIL FROM:<{sender}>", "RCPT TO:<{recipient}>", "DATA", "")
ANOTHER = "MAIL FROM:<{sender}>\r\nRCPT TO:<%s>\r\nDATA\r\nSubject: two"


@pytest.mark.parametrize(
    ("exercise", "said", "answer", "why"),
    [
        ("cut", (), MISSING, "no letter came that has"),
        ("cut", (*OPENING, "{before}", "."), MISSING, "now say"),
        ("cut", (*OPENING, "{before}", "..", "{after}", "."), MISSING, "no letter came"),
        ("stuff", (), MISSING, "after the dot has come"),
        ("stuff", (*OPENING, "{before}", "{after}", "."), MISSING, "a line with one dot"),
        ("stuff", (*OPENING, "{before}", "...", "{after}", "."), MISSING, "with one dot"),
        ("smuggle", (), MISSING, "hand in the octets"),
        ("smuggle", (), "x" * 20_001, "more than 20,000 octets"),
        ("smuggle", (), "Subject: one\r\n\r\nHello.", "both servers saw one letter"),
        (
            "smuggle",
            (),
            "Hello.\r\n.\r\n" + ANOTHER % "{victim}",
            "the strict server took 2 letters",
        ),
        (
            "smuggle",
            (),
            "Hello.\n.\n" + ANOTHER % "{recipient}",
            "saw a second letter, but not for",
        ),
        ("defence", (), "drop", "hand in one of"),
        ("defence", (), "drop it", "two servers that mend it differently"),
        ("defence", (), "refus", "did you mean 'refuse'"),
    ],
)
def test_a_wrong_answer_fails_for_the_stated_reason(
    exercise: str, said: tuple[str, ...], answer: Any, why: str, tmp_path: Path
) -> None:
    verdict = tried("the-dot", exercise, tmp_path, said=said, answer=answer)
    assert not verdict
    assert why in verdict.why


@pytest.mark.parametrize("end", ["\n.\n", "\n.\r\n", "\r\n.\n"])
def test_each_false_end_smuggles(end: str, tmp_path: Path) -> None:
    data = "Subject: one\r\n\r\nHello." + end + ANOTHER % "{victim}"
    assert tried("the-dot", "smuggle", tmp_path, answer=data)
