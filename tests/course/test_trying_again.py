"""Lesson 10: what is wrong fails for the reason it is wrong for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smtpbook.grading.exercise import MISSING
from smtpbook.lessons.lesson import open_lesson
from tests.course.trying import tried

OPENING = ("EHLO a.example", "MAIL FROM:<{sender}>", "RCPT TO:<{recipient}>")


@pytest.mark.parametrize(
    ("exercise", "said", "answer", "why"),
    [
        ("met", (), MISSING, "nobody has named"),
        ("keep", (), "remove", "take everyone behind a greylisting server off"),
        ("keep", (), "keep", "hand in one of"),
        ("again", OPENING, MISSING, "was tried 1 times; come back once more"),
        ("again", (*OPENING, OPENING[2]), MISSING, "the letter itself is still missing"),
        ("schedule", (), "soon", "hand in seconds"),
        ("schedule", (), 1, "it is not 1 s"),
        ("campaign", (), MISSING, "no campaign to the people"),
    ],
)
def test_a_wrong_answer_fails_for_the_stated_reason(
    exercise: str, said: tuple[str, ...], answer: Any, why: str, tmp_path: Path
) -> None:
    verdict = tried("trying-again", exercise, tmp_path, said=said, answer=answer)
    assert not verdict
    assert why in verdict.why


def test_the_usual_slips_in_a_schedule_are_known(tmp_path: Path) -> None:
    with open_lesson("trying-again", student="ann", scores=tmp_path) as lesson:
        first, then, attempt = (
            int(lesson.given[name]) for name in ("first", "then", "attempt")
        )
        right = first + then * (attempt - 2)
        assert "one pause too far" in lesson.check("schedule", right + then).why
        assert "last pause is repeated" in lesson.check("schedule", first + then).why
        assert lesson.check("schedule", str(right))


@pytest.mark.parametrize(
    ("rounds", "why"),
    [(1, "nobody was tried a second time"), (2, ""), (3, "somebody got it twice")],
)
def test_a_campaign_is_done_when_each_has_one_letter(
    rounds: int, why: str, tmp_path: Path
) -> None:
    with open_lesson("trying-again", student="ann", scores=tmp_path) as lesson:
        talk = lesson.connect()
        talk.say("EHLO a.example")
        for _ in range(rounds):
            for person in lesson.given["people"].split():
                talk.say("MAIL FROM:<a@b.example>")
                if talk.say(f"RCPT TO:<{person}>").code == 250:
                    talk.say("DATA", "", "Hello.", ".")
                else:
                    talk.say("RSET")
        verdict = lesson.check("campaign")
        assert bool(verdict) == (not why)
        assert why in verdict.why
