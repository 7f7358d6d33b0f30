"""Exercise: a task, its hints, its answer, and how it is judged; a lesson's plan of them.

Everything here is a value.  What a student sees of it, and in which order, is
`lessons.lesson`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final, Protocol

from smtpbook.accounts.account import Account
from smtpbook.grading.heard import Heard, sessions_heard
from smtpbook.grading.verdict import Verdict
from smtpbook.lab.lab import Lab
from smtpbook.lab.received import Received

if TYPE_CHECKING:
    from smtpbook.log.frame import Log

MISSING: Final = object()
"""No answer was given; None may be one."""


class Server(Protocol):
    """A student's lab server, in this process (`Lab`) or in that of a classroom."""

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""

    @property
    def account(self) -> Account:
        """An account that sends to it."""

    @property
    def log(self) -> Log:
        """Its side of every conversation."""

    @property
    def received(self) -> list[Received]:
        """The messages it accepted, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a student did so far, as an exercise sees it.

    Attributes
    ----------
    given : mapping of str to str
        What was drawn for this student: names, addresses, words.
    answer : object
        What was handed to the check, or `MISSING`.
    labs : mapping of str to Server
        The student's lab servers by the name of their scenario; the lesson's own is first.
    """

    given: Mapping[str, str]
    answer: Any = MISSING
    labs: Mapping[str, Server] = field(default_factory=dict)

    @property
    def lab(self) -> Server:
        """The lesson's own lab server."""
        return next(iter(self.labs.values()))

    def heard(self, scenario: str | None = None) -> tuple[Heard, ...]:
        """Give the sessions of a lab server, the lesson's own if none is named."""
        return sessions_heard((self.lab if scenario is None else self.labs[scenario]).log)

    def received(self, scenario: str | None = None) -> Sequence[Received]:
        """Give the messages a lab server accepted, the lesson's own if none is named."""
        return (self.lab if scenario is None else self.labs[scenario]).received


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """One task that grades itself.

    Attributes
    ----------
    name : str
        Short, with hyphens: what ``lesson.check("…")`` takes.
    title, task : str
        `task` may hold ``{fields}`` of what is drawn for each student, as `hints` and
        `solution` may.
    hints : tuple of str
        One after the other, each giving away a little more.
    solution : str
        How it is done; shown when every hint has been.
    check : callable
        Judges the `Work`; for a wrong one it says what was wrong and what is right.
    answer : str or None
        What is to be handed in, in words ("the code, a number"); None = the lab server
        has heard all that counts.
    points : int
    """

    name: str
    title: str
    task: str
    hints: tuple[str, ...]
    solution: str
    check: Callable[[Work], Verdict]
    answer: str | None = None
    points: int = 1


def _nothing_drawn(_: Random) -> dict[str, str]:
    return {}


def _no_options(_: Mapping[str, str]) -> dict[str, Any]:
    return {}


def _ordinary(_lab: Lab, _given: Mapping[str, str]) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonPlan:
    """A lesson: against which server, with what drawn for each student, which exercises.

    Attributes
    ----------
    number : int
        Its place in the course, from 1.
    name : str
        What ``open_lesson("…")`` takes.
    title, about : str
    exercises : tuple of Exercise
    scenarios : tuple of str
        The lab servers it needs; the first is the lesson's own.
    draw : callable
        Draws from the student's seed what ``{fields}`` stand for.
    answers : frozenset of str
        What of it only the judge knows: ``lesson.given`` does not have it.
    prepare : callable
        Has a lab server behave as the lesson needs, once it is started.
    options : callable
        Gives further arguments of `Lab` for what was drawn, such as ``users``.
    """

    number: int
    name: str
    title: str
    about: str
    exercises: tuple[Exercise, ...]
    scenarios: tuple[str, ...] = ("ordinary",)
    draw: Callable[[Random], dict[str, str]] = _nothing_drawn
    answers: frozenset[str] = frozenset()
    prepare: Callable[[Lab, Mapping[str, str]], None] = _ordinary
    options: Callable[[Mapping[str, str]], dict[str, Any]] = _no_options
