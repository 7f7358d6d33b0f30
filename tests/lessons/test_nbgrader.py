"""The lessons as an nbgrader assignment: what it hands out, and what it grades."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from smtpbook.lessons.catalogue import find_plan, lesson_names
from smtpbook.lessons.notebooks import copy_lessons, lesson_source
from tests.lessons.sources import STUB, answered
from tests.servers.process import ROOT

pytestmark = [pytest.mark.heavy, pytest.mark.side_by_side]

FIRST, *_ = lesson_names()
CONFIG = f"""\
c = get_config()
c.CourseDirectory.course_id = "smtp"
c.ClearSolutions.code_stub = {{"python": "{STUB}"}}
"""
# Five right answers, typed in by a student who reads the tasks.
RIGHT = (
    'code, name = 220, "{server}"',
    'talk.say("EHLO {client}")',
    'code = talk.say("RCPT TO:<{recipient}>").code',
    'talk.say("MAIL FROM:<{sender}>", "RCPT TO:<{recipient}>", "DATA")\n'
    'talk.say("Subject: {subject}", "", "Hello!", ".")',
    'talk.say("QUIT")',
)


def nbgrader(course: Path, *words: str, student: str = "teacher") -> None:
    """Run a command of nbgrader's in the course's folder, as a teacher does."""
    kept = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    ran = subprocess.run(
        [sys.executable, "-m", "nbgrader", *words],
        cwd=course,
        env=kept
        | {
            # It calls alembic by its bare name.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "SMTPBOOK_STUDENT": student,
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr


def test_nbgrader_hands_out_our_students_version_and_grades_it(tmp_path: Path) -> None:
    (tmp_path / "nbgrader_config.py").write_text(CONFIG)
    copy_lessons(tmp_path / "source/smtp", solutions=True)
    nbgrader(tmp_path, "generate_assignment", "smtp")
    ours = {path.name: path for path in copy_lessons(tmp_path / "ours")}
    handed_out = sorted((tmp_path / "release/smtp").glob("*.ipynb"))
    assert [path.name for path in handed_out] == list(ours)
    for path in handed_out:
        theirs = json.loads(path.read_text("utf-8"))["cells"]
        own = json.loads(ours[path.name].read_text("utf-8"))["cells"]
        for what in ("id", "cell_type", "source"):
            assert [cell[what] for cell in theirs] == [cell[what] for cell in own]

    first = lesson_source(FIRST).name
    handed_in = {
        "ann": json.dumps(answered(FIRST, RIGHT, student="ann")),
        "ben": ours[first].read_text("utf-8"),
    }
    for student, text in handed_in.items():
        path = tmp_path / "submitted" / student / "smtp" / first
        path.parent.mkdir(parents=True)
        path.write_text(text, "utf-8")
        nbgrader(tmp_path, "autograde", "smtp", "--student", student, student=student)
    nbgrader(tmp_path, "export")
    scores = pd.read_csv(tmp_path / "grades.csv").set_index("student_id")["score"]
    points = sum(exercise.points for exercise in find_plan(FIRST).exercises)
    assert scores.to_dict() == {"ann": points, "ben": 0}
