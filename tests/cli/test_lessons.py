"""``smtpbook lessons`` hands lessons out and shows who is where."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from smtpbook.cli.main import main
from smtpbook.lessons.lesson import open_lesson


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
