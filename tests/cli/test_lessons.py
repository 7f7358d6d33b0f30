"""``smtpbook lessons`` hands lessons out and shows who is where."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from smtpbook.cli.main import main
from smtpbook.lessons.lesson import open_lesson
from smtpbook.lessons.scores import read_scores
from tests.lessons.solving import solve_first_conversation

ROOT = Path(__file__).parents[2]


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["lessons", *args])


def test_the_lessons_are_listed() -> None:
    assert "first-conversation" in run("list").output
    assert json.loads(run("list", "--json").output)[0]["number"] == 1


def test_lessons_are_copied_and_work_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "class"
    result = run("copy", "first-conversation", "--out", str(out))
    assert result.exit_code == 0
    assert "wrote" in result.output
    text = (out / "01-first-conversation.ipynb").read_text("utf-8")
    assert "SOLUTION" not in text
    assert (
        "they may hold work" in run("copy", "first-conversation", "--out", str(out)).output
    )
    run("copy", "first-conversation", "--out", str(tmp_path / "mine"), "--solutions")
    assert "SOLUTION" in (tmp_path / "mine/01-first-conversation.ipynb").read_text("utf-8")


def test_an_unknown_lesson_is_wrong_usage_and_names_the_near_miss(tmp_path: Path) -> None:
    result = run("copy", "first-conversatin", "--out", str(tmp_path))
    assert result.exit_code == 2
    assert "first-conversation" in result.output


def test_scores_are_shown_as_a_table_and_as_json(tmp_path: Path) -> None:
    with open_lesson("first-conversation", student="ann", scores=tmp_path) as lesson:
        lesson.check("hello")
    assert "ann" in run("scores", str(tmp_path)).output
    (row,) = json.loads(run("scores", str(tmp_path), "--json").output)
    assert row["solved_at"] is None
    assert (row["student"], row["points"], row["of"]) == ("ann", 0, 1)


def test_a_student_solves_the_lesson_in_a_class_of_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = tmp_path / "students.txt"
    names.write_text("ann\n\nZo\u00eb\n", "utf-8")
    invitations = tmp_path / "invitations"
    where = ["--invitations", str(invitations), "--scores", str(tmp_path / "scores")]
    command = ["lessons", "hub", "first-conversation", "--students", str(names), *where]
    with subprocess.Popen(
        [sys.executable, "-m", "smtpbook", *command],
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("2 invitations in ")
            mine = invitations / "Zo\u00eb.txt"
            assert mine.stat().st_mode & 0o777 == 0o600
            monkeypatch.setenv("SMTPBOOK_CLASSROOM", str(mine))
            with open_lesson("first-conversation") as lesson:
                assert lesson.student == "Zo\u00eb"
                solve_first_conversation(lesson)
        finally:
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "QUIT -> 221" in output
    assert "5 of 5" in output
    assert read_scores(tmp_path / "scores")["points"].sum() == 7
    assert not list(invitations.iterdir()), "they end with the class"


def test_students_that_are_neither_a_number_nor_a_file_are_wrong_usage() -> None:
    result = run("hub", "--students", "nobody.txt")
    assert result.exit_code == 2
    assert "neither a number nor a file" in result.output
    assert "first-conversation" in run("hub", "first-convrsation").output
