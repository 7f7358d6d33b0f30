"""Seat: where a student works: lab servers, what was drawn, and where scores go.

A seat of one's own starts its servers here; one in a classroom is `invitation`'s.  What is
asked and judged at it is `lesson`'s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Protocol

from smtpbook.events import Event
from smtpbook.grading.exercise import Exercise, LessonPlan, Server
from smtpbook.lab.lab import Lab
from smtpbook.lessons.scores import Score, keep, now


class Seat(Protocol):
    """What a lesson needs of the place where its student works."""

    @property
    def student(self) -> str:
        """Who sits there."""

    @property
    def given(self) -> Mapping[str, str]:
        """What was drawn for this student: the names, addresses and words of the tasks."""

    @property
    def labs(self) -> Mapping[str, Server]:
        """The lab servers by scenario, running."""

    def keep(self, exercise: Exercise, *, is_solved: bool, hints: int, why: str) -> None:
        """Keep what a check came to."""

    def close(self) -> None:
        """Stop what was started for it."""


def seed_of(plan: LessonPlan, student: str) -> int:
    """Give the seed from which a student's tasks, and all chance, are drawn."""
    digest = hashlib.sha256(f"{plan.name}\0{student}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:4])


def drawn(plan: LessonPlan, student: str) -> Mapping[str, str]:
    """Draw for a student; the same name gets the same."""
    rng = Random(seed_of(plan, student))  # noqa: S311  # nothing is kept secret by it
    return MappingProxyType(plan.draw(rng))


class OwnSeat:
    """A seat with lab servers in this process.

    Parameters
    ----------
    plan : LessonPlan
    student : str
    score_file : Path
        Gets a line for each check.
    record : callable, optional
        Called with each `Event` of its servers, in their thread; must not block.
    """

    def __init__(
        self,
        plan: LessonPlan,
        student: str,
        score_file: Path,
        record: Callable[[Event], None] | None = None,
    ) -> None:
        self.plan = plan
        self.student = student
        self.score_file = score_file
        self.given = drawn(plan, student)
        seed, options = seed_of(plan, student), plan.options(self.given)
        self.labs: Mapping[str, Lab] = MappingProxyType(
            {
                name: Lab(name, seed=seed, record=record, **options)
                for name in plan.scenarios
            }
        )
        try:
            for lab in self.labs.values():
                lab.start()
                plan.prepare(lab, self.given)
        except BaseException:
            self.close()
            raise

    def keep(self, exercise: Exercise, *, is_solved: bool, hints: int, why: str) -> None:
        """Write a line into the score file."""
        score = Score(
            time=now(),
            student=self.student,
            lesson=self.plan.name,
            exercise=exercise.name,
            points=exercise.points if is_solved else 0,
            of=exercise.points,
            hints=hints,
            why=why,
        )
        keep(score, self.score_file)

    def close(self) -> None:
        """Stop the lab servers; scores and what they heard stay."""
        for lab in self.labs.values():
            lab.stop()
