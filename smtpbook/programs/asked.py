"""Asked for: a function of the student's, which is tried only when it is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from smtpbook.grading.exercise import MISSING, Exercise, Work
from smtpbook.grading.verdict import Verdict, wrong


def program_exercise(
    name: str, check: Callable[[Work], Verdict], *, answer: str, **fields: Any
) -> Exercise:
    """Make an exercise whose answer is a function.

    Parameters
    ----------
    name, check, answer
        As in `Exercise`; `check` is asked only about what can be called.
    **fields
        The exercise's others.
    """

    def judge(work: Work) -> Verdict:
        if work.answer is MISSING or not callable(work.answer):
            return wrong(f"hand in {answer}")
        return check(work)

    return Exercise(name=name, check=judge, answer=answer, **fields)
