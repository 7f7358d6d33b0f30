"""Lesson 6: what is wrong fails for the reason it is wrong for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smtpbook.grading.exercise import MISSING
from smtpbook.lessons.lesson import open_lesson
from tests.course.trying import tried

HELLO = "EHLO a.example"
LETTER = ("MAIL FROM:<{sender}>", "RCPT TO:<{recipient}>", "DATA", "", "{word}", ".")


@pytest.mark.parametrize(
    ("exercise", "said", "answer", "why"),
    [
        ("begin", (HELLO,), MISSING, "nobody has said STARTTLS"),
        ("begin", (HELLO, "MAIL FROM:<>", "STARTTLS"), MISSING, "STARTTLS was refused"),
        ("begin", (HELLO, "STARTTLS"), MISSING, "now say EHLO again"),
        ("gone", (), MISSING, "hand in a keyword"),
        ("gone", (HELLO,), "size", "SIZE is in both lists"),
        ("gone", (HELLO,), "dsn", "DSN is in neither list"),
        ("letter", (), MISSING, "no letter with"),
        ("letter", (HELLO, *LETTER), MISSING, "the letter came in clear"),
        ("letter", (HELLO, *LETTER, "STARTTLS"), MISSING, "the letter came in clear"),
        ("stripped", (), "XXXXXXXA", "say EHLO to"),
        ("leave", (), "go on", "reads your password"),
        ("leave", (), MISSING, "hand in one of leave, go on"),
        ("leave", (), "leav", "did you mean 'leave'"),
        ("fault", (), "expired", "nobody has called on it yet"),
    ],
)
def test_a_wrong_answer_fails_for_the_stated_reason(
    exercise: str, said: tuple[str, ...], answer: Any, why: str, tmp_path: Path
) -> None:
    verdict = tried("starttls", exercise, tmp_path, said=said, answer=answer)
    assert not verdict
    assert why in verdict.why


@pytest.mark.parametrize(
    ("exercise", "scenario", "answer", "why"),
    [
        ("stripped", "stripped-starttls", MISSING, "hand in the keyword"),
        ("stripped", "stripped-starttls", "STARTTLS", "somebody on the way changed it"),
        ("stripped", "stripped-starttls", "SIZE", "SIZE is not it"),
        ("fault", "expired-certificate", "wrong name", "not 'wrong name': read the error"),
        ("fault", "expired-certificate", "unknown", "hand in one of"),
    ],
)
def test_the_other_servers_are_asked_about_after_a_call(
    exercise: str, scenario: str, answer: Any, why: str, tmp_path: Path
) -> None:
    verdict = tried(
        "starttls", exercise, tmp_path, said=(HELLO,), answer=answer, scenario=scenario
    )
    assert not verdict
    assert why in verdict.why


def test_a_letter_under_tls_in_another_session_than_a_clear_one_counts(
    tmp_path: Path,
) -> None:
    with open_lesson("starttls", student="ann", scores=tmp_path) as lesson:
        letter = [line.format_map(lesson.given) for line in LETTER]
        lesson.connect().say(HELLO, *letter)
        assert not lesson.check("letter")
        lesson.connect().say(HELLO, "STARTTLS", HELLO, *letter)
        assert lesson.check("letter")
