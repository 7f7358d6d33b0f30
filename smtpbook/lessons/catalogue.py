"""Catalogue: the lessons there are, by name."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import pandas as pd

from smtpbook.errors import near_miss
from smtpbook.grading.exercise import LessonPlan

# In the order of the course.
_LESSONS: Final = (
    "first-conversation",
    "who-acts",
    "wrong-dialogue",
    "envelope-and-header",
    "ehlo",
    "starttls",
    "logging-in",
    "the-dot",
    "pipelining",
    "trying-again",
    "lost-reply",
    "mx-and-bounces",
    "your-own-client",
    "your-own-server",
)


def lesson_names() -> tuple[str, ...]:
    """Give the names of the lessons, in the course's order."""
    return _LESSONS


def find_plan(name: str) -> LessonPlan:
    """Find a lesson's plan.

    Raises
    ------
    ValueError
        There is no such lesson; the message names those there are.
    """
    if name not in _LESSONS:
        hint = near_miss(name, _LESSONS)
        raise ValueError(f"no lesson {name!r}{hint}; there are: {', '.join(_LESSONS)}")
    room = "programs" if name.startswith("your-own-") else "course"
    plan = import_module(f"smtpbook.{room}.{name.replace('-', '_')}").PLAN
    assert isinstance(plan, LessonPlan)
    return plan


def list_lessons() -> pd.DataFrame:
    """List the lessons of the course.

    Returns
    -------
    DataFrame
        A row each, in the course's order: ``number`` (int64), ``lesson`` (string, what
        `open_lesson` takes), ``title``, ``about`` (string), ``exercises`` and ``points``
        (int64).
    """
    plans = [find_plan(name) for name in _LESSONS]
    return pd.DataFrame(
        {
            "number": [plan.number for plan in plans],
            "lesson": pd.array([plan.name for plan in plans], dtype="string"),
            "title": pd.array([plan.title for plan in plans], dtype="string"),
            "about": pd.array([plan.about for plan in plans], dtype="string"),
            "exercises": [len(plan.exercises) for plan in plans],
            "points": [sum(one.points for one in plan.exercises) for plan in plans],
        }
    )
