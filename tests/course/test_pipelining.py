"""Lesson 9: what is wrong fails for the reason it is wrong for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smtpbook.grading.exercise import MISSING
from smtpbook.lessons.lesson import open_lesson
from tests.course.trying import tried


@pytest.mark.parametrize(
    ("exercise", "answer", "why"),
    [
        ("alone", "many", "a number of round trips"),
        ("alone", 1, "it is not 1"),
        ("together", 1, "the letter cannot go along"),
        ("together", 5, "MAIL, all RCPTs and DATA go in one piece"),
        ("together", MISSING, "a number of round trips"),
        ("last", MISSING, "hand in some of"),
        ("last", "NOOP", "hand in some of"),
        ("last", ["DATA", "MAIL"], "MAIL may stand anywhere"),
        ("last", "data", "2 of them are missing"),
        ("measure", MISSING, "hand in two times"),
        ("measure", 3, "hand in two times"),
        ("measure", (0.001, 0.001), "0.001 s without pipelining cannot be"),
        ("measure", (100.0, 0.001), "0.001 s with pipelining cannot be"),
        ("measure", (100.0, 1.0), "your server has 0 letters"),
    ],
)
def test_a_wrong_answer_fails_for_the_stated_reason(
    exercise: str, answer: Any, why: str, tmp_path: Path
) -> None:
    verdict = tried("pipelining", exercise, tmp_path, answer=answer)
    assert not verdict
    assert why in verdict.why


def test_the_usual_slips_in_counting_are_known_and_no_gain_is_told(tmp_path: Path) -> None:
    with open_lesson("pipelining", student="ann", scores=tmp_path) as lesson:
        recipients = lesson.given["recipients"].split()
        trips = len(recipients) + 3
        assert "one is missing" in lesson.check("alone", trips - 1).why
        assert "one too many" in lesson.check("alone", trips + 1).why
        talk = lesson.connect()
        talk.say("EHLO a.example")
        for _ in range(2):
            named = (f"RCPT TO:<{one}>" for one in recipients)
            talk.say("MAIL FROM:<a@b.example>", *named, "DATA", "", "Hello.", ".")
        assert "that is no gain" in lesson.check("measure", (10.0, 9.0)).why
        assert lesson.check("measure", (10.0, 2.0))
