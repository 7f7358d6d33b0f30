"""A student who solves the first lesson, with one wrong try."""

from __future__ import annotations

from smtpbook.lessons.lesson import Lesson
from smtpbook.lessons.seat import drawn


def solve_first_conversation(lesson: Lesson) -> None:
    """Solve every exercise: 6 checks in one session of 8 replies."""
    given, talk = lesson.given, lesson.connect()
    assert lesson.check("greeting", (220, drawn(lesson.plan, lesson.student)["server"]))
    talk.say(f"EHLO {given['client']}")
    assert lesson.check("order", talk.say(f"RCPT TO:<{given['recipient']}>").code)
    assert not lesson.check("letter")
    envelope = [f"MAIL FROM:<{given['sender']}>", f"RCPT TO:<{given['recipient']}>"]
    talk.say(*envelope, "DATA", f"Subject: {given['subject']}", "", "Hello!", ".", "QUIT")
    assert lesson.check()["solved"].all()
    assert lesson.lab.received[0].message["Subject"] == given["subject"]
    assert len(lesson.lab.log) == 8
