"""Lesson 14: each fault of a server is found out, for what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtpbook.lessons.lesson import open_lesson
from tests.course.solutions import spoilt


@pytest.mark.parametrize(
    ("exercise", "right", "wrong", "why"),
    [
        ("conversation", "220 my.example", "250 my.example", "greet with 220"),
        ("conversation", '"221 bye"', '"250 bye"', "QUIT is answered: 221, not 250"),
        ("conversation", '"250 OK"', '"OK"', "no reply"),
        (
            "conversation",
            "            return\n        if verb in",
            "        if verb in",
            "closes",
        ),
        ("conversation", "sender = found", "sender = nobody", "NameError"),
        (
            "takes",
            'replace(b"\\r\\n..", b"\\r\\n.")',
            "lower()",
            "a dot that begins a line",
        ),
        ("takes", "deliver(sender, recipients, data[2:])", "pass", "did not call deliver"),
        ("takes", "deliver(sender, recipients", 'deliver(f"<{sender}>", recipients', "<>"),
        ("takes", '"250 taken"', '"554 no"', "did not take a letter"),
        ("order", '"503 MAIL first"', '"501 MAIL first"', "RCPT before MAIL is bad"),
        ("order", '"503 RCPT first"', '"554 RCPT first"', "DATA before RCPT is bad"),
        ("order", "if sender is not None:", "if False:", "a second MAIL is bad"),
        ("nonsense", '"500 no such', '"502 no such', "a verb that is none is 500"),
        ("nonsense", "verb = verb.upper()", "pass", "small letters"),
        ("nonsense", "elif found is None:", "elif not found:", "the empty sender is one"),
        (
            "pieces",
            "while end not in self.pending",
            "if end not in self.pending",
            "in pieces that cut lines",
        ),
        ("pieces", "_, self.pending = self", "_, _ = self", "in order"),
    ],
)
def test_a_fault_is_found_out_for_what_it_is(
    exercise: str, right: str, wrong: str, why: str, tmp_path: Path
) -> None:
    server = spoilt("your-own-server", "server", right, wrong)["serve"]
    with open_lesson("your-own-server", student="ann", scores=tmp_path) as lesson:
        verdict = lesson.check(exercise, server)
    assert not verdict
    assert why in str(verdict)


def test_nothing_handed_in_is_asked_for(tmp_path: Path) -> None:
    with open_lesson("your-own-server", student="ann", scores=tmp_path) as lesson:
        assert "hand in your function serve(stream, deliver)" in lesson.check("order").why
