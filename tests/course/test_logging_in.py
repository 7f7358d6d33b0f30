"""Lesson 7: what is wrong fails for the reason it is wrong for."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from smtpbook.grading.exercise import MISSING
from smtpbook.lessons.lesson import open_lesson
from tests.course.trying import tried

WRONG = "AUTH PLAIN " + base64.b64encode(b"\0ann\0wrong").decode()


@pytest.mark.parametrize(
    ("exercise", "said", "answer", "why"),
    [
        ("decode", (), MISSING, "hand in the password"),
        ("decode", (), "{overheard}", "that is still base64"),
        ("decode", (), "{password}", "decode the base64"),
        ("refused", (), 535, "no login with a wrong password"),
        ("refused", ("EHLO a.example", WRONG), MISSING, "hand in the code"),
        ("refused", ("EHLO a.example", WRONG), 550, "did not say 550"),
        ("login", (), MISSING, "it begins with AUTH"),
        ("login", ("EHLO a.example", WRONG), MISSING, "nothing, NUL, user name, NUL"),
        ("login", ("EHLO a.example", "AUTH PLAIN"), MISSING, "waits for your response"),
        ("login", ("EHLO a.example", "AUTH SECRET"), MISSING, "the server refused it"),
        ("never-sent", (), "CRAM", "hand in one of"),
        ("never-sent", (), MISSING, "hand in one of"),
    ],
)
def test_a_wrong_answer_fails_for_the_stated_reason(
    exercise: str, said: tuple[str, ...], answer: Any, why: str, tmp_path: Path
) -> None:
    verdict = tried("logging-in", exercise, tmp_path, said=said, answer=answer)
    assert not verdict
    assert why in verdict.why


def test_the_user_name_is_not_the_password_and_what_is_sent_can_be_read(
    tmp_path: Path,
) -> None:
    with open_lesson("logging-in", student="ann", scores=tmp_path) as lesson:
        username = base64.b64decode(lesson.given["overheard"]).split(b"\0")[1].decode()
        assert "that is the user name" in lesson.check("decode", username).why
        sent = next(n for n in lesson.given["mechanisms"].split(", ") if "SCRAM" not in n)
        assert "would let anyone in" in lesson.check("never-sent", sent).why
