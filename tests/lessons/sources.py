"""The lessons' notebooks as tests read and fill them in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from smtpbook.lessons.catalogue import find_plan
from smtpbook.lessons.notebooks import lesson_source, student_version
from smtpbook.lessons.seat import drawn

STUB = "# your code here"


def source(name: str) -> dict[str, Any]:
    """Read a lesson's source, the teacher's version."""
    notebook = json.loads(lesson_source(name).read_text("utf-8"))
    assert isinstance(notebook, dict)
    return notebook


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def answered(name: str, answers: Iterable[str], student: str) -> dict[str, Any]:
    """Take the students' version and write an answer in place of each stub, in order.

    ``{fields}`` in an answer become what was drawn for the student.
    """
    given = drawn(find_plan(name), student)
    field = re.compile("{(" + "|".join(given) + ")}")
    notebook = student_version(source(name))
    stubs = [cell for cell in code_cells(notebook) if STUB in "".join(cell["source"])]
    for cell, answer in zip(stubs, answers, strict=True):
        answer = field.sub(lambda found: given[found[1]], answer)
        cell["source"] = ["".join(cell["source"]).replace(STUB, answer)]
    return notebook
