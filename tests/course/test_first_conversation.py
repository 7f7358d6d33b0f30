"""Lesson 1: what is wrong fails for the reason it is wrong for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smtpbook.lessons.lesson import open_lesson
from smtpbook.lessons.seat import drawn

ENVELOPE = ("EHLO c.example", "MAIL FROM:<{sender}>", "RCPT TO:<{recipient}>")


@pytest.mark.parametrize(
    ("exercise", "said", "answer", "why"),
    [
        ("greeting", (), "220 mx.example", "'mx.example' is not its name"),
        ("greeting", (), (250, "{server}"), "did not greet with 250"),
        ("greeting", (), (220, "ESMTP"), "'ESMTP' is not its name"),
        ("greeting", (), 220, "hand in two things"),
        ("greeting", (), None, "hand in two things"),
        ("hello", (), None, "nobody has said EHLO"),
        (
            "hello",
            ("EHLO lab.test",),
            None,
            "after the verb stands the name of the client",
        ),
        ("hello", ("HELO {client}",), None, "hello of 1982"),
        ("order", ("EHLO a.example",), 503, "in no session was RCPT said before MAIL"),
        ("order", ENVELOPE, 503, "in no session was RCPT said before MAIL"),
        ("order", ("RCPT TO:<a@b.example>",), 250, "the code is not 250"),
        ("letter", (), None, "it begins with MAIL FROM"),
        ("letter", ("EHLO c.example", "RCPT TO:<a@b.example>"), None, "RCPT was refused"),
        ("letter", ENVELOPE, None, "after RCPT comes DATA"),
        ("letter", (*ENVELOPE, "DATA", "Subject: {subject}"), None, "the lone dot"),
        (
            "letter",
            (*ENVELOPE, "DATA", "", "Subject: {subject}", "."),
            None,
            "no Subject in the header",
        ),
        (
            "letter",
            (*ENVELOPE, "DATA", "Subject: hello", "", "."),
            None,
            "the header says 'hello'",
        ),
        (
            "letter",
            (
                *("EHLO c.example", "MAIL FROM:<x@y.example>", "RCPT TO:<{recipient}>"),
                *("DATA", "Subject: {subject}", "", "."),
            ),
            None,
            "MAIL named 'x@y.example'",
        ),
        (
            "letter",
            (
                *("EHLO c.example", "MAIL FROM:<{sender}>", "RCPT TO:<x@y.example>"),
                *("DATA", "Subject: {subject}", "", "."),
            ),
            None,
            "but for x@y.example",
        ),
        ("goodbye", (), None, "no session yet"),
        ("goodbye", ("NOOP",), None, "hanging up is not saying goodbye"),
    ],
)
def test_a_wrong_answer_fails_for_the_stated_reason(
    exercise: str, said: tuple[str, ...], answer: Any, why: str, tmp_path: Path
) -> None:
    with open_lesson("first-conversation", student="ann", scores=tmp_path) as lesson:
        if said:
            lesson.connect().say(*(line.format_map(lesson.given) for line in said))
        if isinstance(answer, tuple):
            answer = tuple(
                str(part).format_map(drawn(lesson.plan, "ann")) for part in answer
            )
        given = () if answer is None else (answer,)
        verdict = lesson.check(exercise, *given)
        assert not verdict
        assert why in verdict.why
