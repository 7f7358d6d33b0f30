"""Notebooks of the lessons: one source each, from which the students' version is made.

A source is a notebook in the form of nbgrader's: solutions stand between
``### BEGIN SOLUTION`` and ``### END SOLUTION``, what only grading sees between
``### BEGIN HIDDEN TESTS`` and ``### END HIDDEN TESTS``.  It is the teacher's version as it
stands.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, Final

from smtpbook.lessons.catalogue import find_plan, lesson_names
from smtpbook.samples import share_path

_STUB: Final = "# your code here"
_SOLUTION: Final = re.compile(
    r"^([ \t]*)### BEGIN SOLUTION\n.*?^[ \t]*### END SOLUTION(?=\n|\Z)", re.M | re.S
)
_HIDDEN: Final = re.compile(
    r"\n?^[ \t]*### BEGIN HIDDEN TESTS\n.*?^[ \t]*### END HIDDEN TESTS(?=\n|\Z)",
    re.M | re.S,
)


def lesson_source(name: str) -> Path:
    """Give the file of a lesson's source.

    Raises
    ------
    ValueError
        There is no such lesson.
    """
    plan = find_plan(name)
    return share_path("notebooks") / "lessons" / f"{plan.number:02}-{plan.name}.ipynb"


def student_version(notebook: dict[str, Any]) -> dict[str, Any]:
    """Make the students' version of a lesson's source.

    Parameters
    ----------
    notebook : dict
        As `json.loads` gives an ``.ipynb``.

    Returns
    -------
    dict
        Another one, with a stub in place of each solution and without hidden tests.
    """
    return {**notebook, "cells": [_without_solution(cell) for cell in notebook["cells"]]}


def _without_solution(cell: dict[str, Any]) -> dict[str, Any]:
    if cell["cell_type"] != "code":
        return cell
    text = "".join(cell["source"])
    text = _HIDDEN.sub("", _SOLUTION.sub(rf"\1{_STUB}", text)).strip("\n")
    return {**cell, "source": text.splitlines(keepends=True)}


def copy_lessons(
    folder: str | os.PathLike[str] = "smtpbook-lessons",
    *names: str,
    solutions: bool = False,
) -> tuple[Path, ...]:
    """Write lessons into a folder, ready to open in JupyterLab or to hand out.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    *names : str
        Which; none = all.
    solutions : bool
        The teacher's version, which is an assignment's source for nbgrader.

    Returns
    -------
    tuple of Path
        The notebooks written.  One that is there already is kept, for it may hold work,
        and left out.

    Raises
    ------
    ValueError
        There is no such lesson.
    """
    written = []
    for name in names or lesson_names():
        source = lesson_source(name)
        target = Path(folder) / source.name
        if target.exists():
            continue
        text = source.read_text("utf-8")
        if not solutions:
            version = student_version(json.loads(text))
            text = json.dumps(version, indent=1, ensure_ascii=False) + "\n"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        written.append(target)
    return tuple(written)
