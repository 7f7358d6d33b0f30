"""Lesson: a student's lab server, tasks, hints and checks, in one place.

What is right is told by the exercises of `course`; who reached what is kept by `scores`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self

import pandas as pd

from smtpbook.accounts.account import Account
from smtpbook.errors import near_miss
from smtpbook.escape import to_html
from smtpbook.grading.exercise import MISSING, Exercise, LessonPlan, Server, Work
from smtpbook.grading.far_away import FarAway
from smtpbook.grading.talk import Talk
from smtpbook.grading.verdict import Verdict
from smtpbook.lessons.catalogue import find_plan
from smtpbook.lessons.invitation import ClassroomSeat
from smtpbook.lessons.scores import score_file
from smtpbook.lessons.seat import OwnSeat, Seat

# Who works at a shared hub is known to it under this name.
_WHO: Final = ("SMTPBOOK_STUDENT", "JUPYTERHUB_USER")
_WHERE: Final = "SMTPBOOK_CLASSROOM"
_LONGEST_MS: Final = 60_000


def open_lesson(
    name: str,
    *,
    student: str | None = None,
    scores: str | os.PathLike[str] | None = None,
    classroom: str | os.PathLike[str] | None = None,
) -> Lesson:
    """Open a lesson: its lab server is started, its tasks are drawn.

    In a classroom the lab server is the teacher's, and the teacher sees how far one is.

    Parameters
    ----------
    name : str
        Such as ``"first-conversation"``; `list_lessons` names them.
    student : str, optional
        Whose: the same name gets the same tasks, another name others.  Default: the
        environment's ``SMTPBOOK_STUDENT`` or ``JUPYTERHUB_USER``, else ``"student"``.
    scores : path, optional
        The folder for the score file; default: ``smtpbook-scores`` here.  A classroom
        keeps the scores itself.
    classroom : str or path, optional
        The invitation, or the file that holds it; it says who the student is.  Default:
        the environment's ``SMTPBOOK_CLASSROOM``; ``""`` = none.

    Returns
    -------
    Lesson
        Shows itself.  Its servers end with it: `Lesson.close`, a ``with`` block, or the
        end of Python.

    Raises
    ------
    ValueError
        There is no such lesson, or the invitation is none, or not for it.
    TransportError
        The classroom does not answer.
    """
    plan = find_plan(name)
    if classroom is None:
        classroom = os.environ.get(_WHERE, "")
    if classroom:
        return Lesson(plan, ClassroomSeat(plan, classroom, student=student))
    if student is None:
        student = next(filter(None, map(os.environ.get, _WHO)), "student")
    return Lesson(plan, OwnSeat(plan, student, score_file(student, scores)))


class Lesson:
    """A lesson that a student works at; `open_lesson` makes it.

    Attributes
    ----------
    plan : LessonPlan
    student : str
    given : mapping of str to str
        What was drawn for this student: the names, addresses and words of the tasks, and
        none of the answers.
    labs : mapping of str to Server
        The lab servers by scenario, running.
    """

    def __init__(self, plan: LessonPlan, seat: Seat) -> None:
        self.plan = plan
        self._seat = seat
        self.student = seat.student
        self._drawn = seat.given
        self.given: Mapping[str, str] = MappingProxyType(
            {name: one for name, one in seat.given.items() if name not in plan.answers}
        )
        self.labs: Mapping[str, Server] = seat.labs
        self._hints: Counter[str] = Counter()
        self._tries: Counter[str] = Counter()
        self._verdicts: dict[str, Verdict] = {}
        self._open: list[Talk | FarAway] = []

    # -- talking

    @property
    def lab(self) -> Server:
        """The lesson's lab server, the first where there are several."""
        return next(iter(self.labs.values()))

    def connect(self, scenario: str | None = None) -> Talk:
        """Open a conversation by hand with a lab server.

        Raises
        ------
        ValueError
            The lesson has no server of that scenario.
        """
        if scenario is not None and scenario not in self.labs:
            hint = near_miss(str(scenario), self.labs)
            raise ValueError(
                f"no server {scenario!r} in this lesson{hint}; it has "
                + ", ".join(self.labs)
            )
        talk = Talk((self.lab if scenario is None else self.labs[scenario]).account)
        self._open.append(talk)
        return talk

    def far_away(self, milliseconds: float) -> Account:
        """Give an account that reaches the lesson's server over a long line.

        Parameters
        ----------
        milliseconds : float
            What a round trip takes.

        Raises
        ------
        ValueError
            It is no time from 0 to a minute.
        """
        if not 0 <= milliseconds <= _LONGEST_MS:
            raise ValueError(
                f"milliseconds={milliseconds!r} is no time from 0 to {_LONGEST_MS:,}"
            )
        line = FarAway(self.lab.account, milliseconds / 1000)
        self._open.append(line)
        return line.account

    # -- tasks, hints, solutions

    def task(self, name: str) -> Shown:
        """Say what is to be done, with what was drawn for this student."""
        exercise = self._exercise(name)
        handed = f"\n\nHand in {exercise.answer}." if exercise.answer else ""
        call = f'lesson.check("{name}"' + (", …)" if exercise.answer else ")")
        return Shown(
            f"**{exercise.title}** ({_points(exercise.points)}). "
            f"{self._filled(exercise.task)}{handed}\n\nCheck it with `{call}`."
        )

    def hint(self, name: str) -> Shown:
        """Give the next hint; the last one stays once all have been given."""
        exercise = self._exercise(name)
        number = min(self._hints[name], len(exercise.hints) - 1)
        self._hints[name] = number + 1
        rest = len(exercise.hints) - number - 1
        more = f" ({rest} more)" if rest else " (that was the last)"
        return Shown(f"Hint {number + 1}{more}: {self._filled(exercise.hints[number])}")

    def solution(self, name: str) -> Shown:
        """Show how it is done, after all hints.

        Raises
        ------
        ValueError
            There are hints yet.
        """
        exercise = self._exercise(name)
        rest = len(exercise.hints) - self._hints[name]
        if rest > 0 and not self._verdicts.get(name):
            raise ValueError(
                f'there are hints yet ({rest}): lesson.hint("{name}") gives the next one'
            )
        return Shown(f"```python\n{self._filled(exercise.solution)}\n```")

    # -- checking

    def check(self, name: str | None = None, answer: Any = MISSING) -> Any:
        """Judge one exercise, or all that are open and need no answer.

        Parameters
        ----------
        name : str, optional
            Which; without it every exercise is judged that the servers know about, and
            the table of all is returned.
        answer : object, optional
            What the task asks to hand in.

        Returns
        -------
        Verdict or DataFrame
            True when solved; it says why, or why not.  The score file gets a line.
            Without `name`, `progress`.

        Raises
        ------
        ValueError
            There is no such exercise, or an answer to none.
        OSError
            The score file cannot be written.
        """
        if name is not None:
            return self._judge(self._exercise(name), answer)
        if answer is not MISSING:
            first = self.plan.exercises[0].name
            raise ValueError(
                f"an answer to which exercise? Name it first: lesson.check({first!r}, …)"
            )
        for exercise in self.plan.exercises:
            if exercise.answer is None and not self.solved(exercise.name):
                self._judge(exercise, MISSING)
        return self.progress

    def solved(self, name: str) -> bool:
        """Say whether an exercise was solved by a check, for cells that grade.

        Raises
        ------
        ValueError
            There is no such exercise.
        """
        return bool(self._verdicts.get(self._exercise(name).name))

    def _judge(self, exercise: Exercise, answer: Any) -> Verdict:
        work = Work(given=self._drawn, answer=answer, labs=self.labs)
        verdict = exercise.check(work)
        # It may quote what was handed in, and that be half a character.
        why = verdict.why.encode("utf-8", "backslashreplace").decode()
        verdict = replace(verdict, exercise=exercise.title, why=why)
        if not verdict:
            rest = len(exercise.hints) - self._hints[exercise.name]
            next_step = (
                f'lesson.hint("{exercise.name}") helps ({rest})'
                if rest > 0
                else f'lesson.solution("{exercise.name}") shows how it is done'
            )
            verdict = replace(verdict, hint=next_step)
        self._tries[exercise.name] += 1
        if verdict or not self._verdicts.get(exercise.name):
            self._verdicts[exercise.name] = verdict
        self._seat.keep(
            exercise,
            is_solved=verdict.passed,
            hints=self._hints[exercise.name],
            why=verdict.why,
        )
        return verdict

    @property
    def progress(self) -> pd.DataFrame:
        """How far this student is.

        A row for each exercise: ``exercise``, ``title`` (string), ``solved`` (boolean;
        null = not tried), ``points``, ``of``, ``tries``, ``hints`` (int64), ``why``
        (string; null = not tried).
        """
        rows = [
            (
                exercise.name,
                exercise.title,
                None if verdict is None else verdict.passed,
                exercise.points if verdict else 0,
                exercise.points,
                self._tries[exercise.name],
                self._hints[exercise.name],
                None if verdict is None else verdict.why,
            )
            for exercise in self.plan.exercises
            for verdict in [self._verdicts.get(exercise.name)]
        ]
        frame = pd.DataFrame(
            rows,
            columns=[
                "exercise",
                "title",
                "solved",
                "points",
                "of",
                "tries",
                "hints",
                "why",
            ],
        )
        return frame.astype(
            {"exercise": "string", "title": "string", "solved": "boolean", "why": "string"}
        )

    # -- ending

    def close(self) -> None:
        """Hang up and stop the lab servers; scores and what they heard stay."""
        for line in self._open:
            line.close()
        self._seat.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- showing

    def _exercise(self, name: str) -> Exercise:
        by_name = {exercise.name: exercise for exercise in self.plan.exercises}
        if name not in by_name:
            hint = near_miss(str(name), by_name)
            there = ", ".join(by_name)
            raise ValueError(
                f"no exercise {name!r} in this lesson{hint}; there are: {there}"
            )
        return by_name[name]

    def _filled(self, text: str) -> str:
        return text.format_map(self._drawn)

    def _told(self) -> tuple[str, list[tuple[str, Exercise]]]:
        """Say how far it is, and for each exercise the same in a word."""
        points = [one.points for one in self.plan.exercises]
        reached = sum(one.points for one in self.plan.exercises if self.solved(one.name))
        head = (
            f"Lesson {self.plan.number}: {self.plan.title} ({self.student}, {reached} of "
            f"{_points(sum(points))})"
        )
        words = {None: "· open", True: "✓ solved", False: "✗ not yet"}
        verdicts = [self._verdicts.get(one.name) for one in self.plan.exercises]
        told = [words[None if verdict is None else verdict.passed] for verdict in verdicts]
        return head, list(zip(told, self.plan.exercises, strict=True))

    def __repr__(self) -> str:
        head, exercises = self._told()
        lines = (f"  {word:<10} {one.name:<14} {one.title}" for word, one in exercises)
        return "\n".join((head, *lines))

    def _repr_html_(self) -> str:
        head, exercises = self._told()
        rows = "".join(
            f'<tr style="background: none"><td>{word}</td>'
            f'<th scope="row" style="text-align: left">{to_html(one.name)}</th>'
            f'<td style="text-align: left">{to_html(one.title)}</td></tr>'
            for word, one in exercises
        )
        return (
            f"<b>{to_html(head)}</b><div>{to_html(self.plan.about)}</div>"
            f"<table>{rows}</table>"
        )


class Shown(str):
    """A text for a student; a notebook shows it as Markdown."""

    __slots__ = ()

    __repr__ = str.__str__

    def _repr_markdown_(self) -> str:
        return str(self)


def _points(number: int) -> str:
    return f"{number} point" + "s" * (number != 1)
