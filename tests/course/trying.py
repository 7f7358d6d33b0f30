"""Try an answer, right or wrong, as a student would hand it in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smtpbook.grading.exercise import MISSING
from smtpbook.grading.verdict import Verdict
from smtpbook.lessons.lesson import open_lesson
from smtpbook.lessons.seat import drawn


def tried(
    name: str,
    exercise: str,
    folder: Path,
    *,
    said: Sequence[str] = (),
    answer: Any = MISSING,
    scenario: str | None = None,
) -> Verdict:
    """Say lines and hand in an answer; ``{fields}`` in either are what was drawn."""
    with open_lesson(name, student="ann", scores=folder) as lesson:
        given = drawn(lesson.plan, "ann")
        if said:
            talk = lesson.connect(scenario)
            talk.say(*(line.format_map(given) for line in said))
        if isinstance(answer, str):
            answer = answer.format_map(given)
        verdict = lesson.check(exercise, answer)
        assert isinstance(verdict, Verdict)
        return verdict
