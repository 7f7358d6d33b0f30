"""Lesson 3: what is wrong fails for the reason it is wrong for."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from smtpbook.course.wrong_dialogue import _LINES, _NOBODY, _TERMINAL
from smtpbook.dialogues.lint import lint_dialogue
from smtpbook.formats.read import read_log
from smtpbook.grading.exercise import MISSING
from smtpbook.samples import sample
from tests.course.trying import tried

OPENING = ("EHLO a.example", "MAIL FROM:<{sender}>", "RCPT TO:<{recipient}>")


def test_the_faults_are_those_that_a_checker_finds() -> None:
    lines = sample("seed-dialogue").splitlines()
    assert len(lines) == _LINES
    found = lint_dialogue(read_log(io.StringIO(sample("seed-dialogue"))))
    assert found["verb"].tolist() == ["SEND", "DATA"]
    assert "SEND" in lines[_TERMINAL - 1]
    assert [lines[number - 1][:6] for number in _NOBODY] == ["C:DATA", "S:354 "]


@pytest.mark.parametrize(
    ("exercise", "answer", "why"),
    [
        ("first-fault", MISSING, "hand in the number of a line"),
        ("first-fault", 16, "from 1 to 15"),
        ("first-fault", 8, "another one before it"),
        ("first-fault", 6, "line 6 is as it should be"),
        ("second-fault", 4, "that is the first fault"),
        ("second-fault", "7", "who is to get the letter"),
        ("second-fault", True, "hand in the number"),
        ("later", "no", "450 is not 'no'"),
        ("later", "latr", "did you mean 'later'"),
        ("later", 4, "hand in one of"),
    ],
)
def test_a_wrong_answer_fails_for_the_stated_reason(
    exercise: str, answer: Any, why: str, tmp_path: Path
) -> None:
    verdict = tried("wrong-dialogue", exercise, tmp_path, answer=answer)
    assert not verdict
    assert why in verdict.why


@pytest.mark.parametrize(
    ("said", "why"),
    [((), "nobody has spoken"), (("HELO a.example",), "say all its lines, up to DATA")],
)
def test_the_pages_dialogue_has_to_be_played(
    said: tuple[str, ...], why: str, tmp_path: Path
) -> None:
    verdict = tried("wrong-dialogue", "play", tmp_path, said=said, scenario="seed-dialogue")
    assert not verdict
    assert why in verdict.why


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ((), "nobody has named 450-4.2.1"),
        (("HELO a.example", "SEND FROM:<{sender}>", "RCPT TO:<{recipient}>"), "with SEND"),
        ((*OPENING, "DATA"), "DATA was said nevertheless"),
        (OPENING, "take the letter back with RSET"),
    ],
)
def test_doing_it_wrong_again_is_told(
    said: tuple[str, ...], why: str, tmp_path: Path
) -> None:
    verdict = tried("wrong-dialogue", "right-way", tmp_path, said=said)
    # A session that is left says QUIT by itself, but that is after the check.
    assert not verdict
    assert why in verdict.why
