"""The right answers of a lesson's source, to be spoilt: each way must be found out."""

from __future__ import annotations

import json
import re
from typing import Any

from smtpbook.lessons.notebooks import lesson_source


def spoilt(lesson: str, cell: str, right: str, wrong: str) -> dict[str, Any]:
    """Run a lesson's solution with one piece replaced, and give the names it makes."""
    notebook = json.loads(lesson_source(lesson).read_text("utf-8"))
    (text,) = (
        "".join(one["source"])
        for one in notebook["cells"]
        if one["metadata"].get("nbgrader", {}).get("grade_id") == f"{cell}-answer"
    )
    assert right in text, f"the solution of {cell} has no {right!r}"
    names: dict[str, Any] = {}
    imports = re.compile(r"^import .*$", re.M)
    for one in notebook["cells"]:
        if one["cell_type"] == "code":
            exec("\n".join(imports.findall("".join(one["source"]))), names)
    exec(compile(text.replace(right, wrong), "the student's", "exec"), names)
    return names
