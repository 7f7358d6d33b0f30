"""Lesson 11: what is wrong fails for the reason it is wrong for."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from smtpbook.errors import TransportError
from smtpbook.grading.exercise import MISSING
from smtpbook.lessons.lesson import Lesson, open_lesson
from smtpbook.lessons.seat import drawn


def deliver(lesson: Lesson, recipient: str) -> None:
    """Send a letter, whatever becomes of the reply."""
    talk = lesson.connect()
    with suppress(TransportError):
        talk.say("EHLO a.example", "MAIL FROM:<a@b.example>", f"RCPT TO:<{recipient}>")
        talk.say("DATA", "", "Hello.", ".")


@pytest.mark.parametrize(
    ("exercise", "sent", "answer", "why"),
    [
        ("outcome", (), "in_doubt", "went out yet"),
        ("outcome", ("one",), "doubtful", "hand in one of"),
        ("outcome", ("one",), "accepted", "nobody said 250"),
        ("outcome", ("one",), "failed", "this one was"),
        ("outcome", ("one",), "deferred", "deferred needs a reply"),
        ("which", ("taken",), MISSING, "send one to both"),
        ("which", ("taken", "lost"), MISSING, "hand in one of the two"),
        ("which", ("taken", "lost"), "lost", "look into the mailbox"),
        ("twice", ("taken",), 2, "once more"),
        ("twice", ("taken", "taken"), MISSING, "hand in how many"),
        ("twice", ("taken", "taken"), 1, "it is not 1"),
        ("header", (), "Reply-To", "hand in one of"),
        ("header", (), "Subject:", "may have the same subject"),
        ("campaign", (), MISSING, "no campaign to the people"),
    ],
)
def test_a_wrong_answer_fails_for_the_stated_reason(
    exercise: str, sent: tuple[str, ...], answer: Any, why: str, tmp_path: Path
) -> None:
    with open_lesson("lost-reply", student="ann", scores=tmp_path) as lesson:
        given = drawn(lesson.plan, "ann")
        for name in sent:
            deliver(lesson, given[name])
        verdict = lesson.check(exercise, given.get(answer, answer))
    assert not verdict
    assert why in verdict.why


def test_who_is_repeated_blindly_has_it_twice_and_who_is_left_has_none(
    tmp_path: Path,
) -> None:
    with open_lesson("lost-reply", student="ann", scores=tmp_path) as lesson:
        people = lesson.given["people"].split()
        for person in people:
            deliver(lesson, person)
        assert "has no letter" in lesson.check("campaign").why
        deliver(lesson, people[1])
        assert lesson.check("campaign")
        deliver(lesson, people[0])
        assert "has 2 letters: look before you repeat" in lesson.check("campaign").why
