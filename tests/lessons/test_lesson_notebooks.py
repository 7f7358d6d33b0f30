"""Every lesson's source solves itself; its students' version runs and solves nothing."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from smtpbook.lessons.catalogue import find_plan, lesson_names, list_lessons
from smtpbook.lessons.classroom import Classroom
from smtpbook.lessons.lesson import Lesson
from smtpbook.lessons.notebooks import copy_lessons, lesson_source, student_version
from smtpbook.lessons.seat import OwnSeat
from tests.lessons.sources import STUB, answered, code_cells, source
from tests.lessons.wrong_answers import WRONG_ANSWERS

pytestmark = pytest.mark.side_by_side

CHECKOUT = Path(__file__).parent.parent.parent
LESSONS = lesson_names()


def run(notebook: dict[str, Any]) -> Lesson:
    """Run the cells one after the other, as a kernel would; close what they opened."""
    names: dict[str, Any] = {}
    try:
        for number, cell in enumerate(code_cells(notebook), 1):
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
    finally:
        if "lesson" in names:
            names["lesson"].close()
    lesson = names["lesson"]
    assert isinstance(lesson, Lesson)
    return lesson


@pytest.fixture(autouse=True)
def somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SMTPBOOK_STUDENT", "ann")
    monkeypatch.setenv("SMTPBOOK_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("name", LESSONS)
def test_the_right_answers_solve_every_exercise(name: str) -> None:
    progress = run(source(name)).progress
    assert progress["solved"].all(), progress.to_string()


@pytest.mark.parametrize(
    "name",
    # The first one has what no other has, a console.
    [LESSONS[0], *(pytest.param(name, marks=pytest.mark.heavy) for name in LESSONS[1:])],
)
def test_the_right_answers_solve_it_in_a_classroom_too(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Classroom(["ann"], name) as classroom:
        monkeypatch.setenv("SMTPBOOK_CLASSROOM", classroom.invitations["ann"])
        progress = run(source(name)).progress
        assert progress["solved"].all(), progress.to_string()
        assert classroom.progress["works_at"].isna().all()


@pytest.mark.parametrize("name", LESSONS)
def test_the_students_version_runs_and_solves_nothing(name: str) -> None:
    progress = run(student_version(source(name))).progress
    assert not progress["solved"].any(), progress.to_string()
    assert progress["why"].str.len().gt(20).all(), "each says why not"


@pytest.mark.parametrize("name", LESSONS)
def test_a_notebook_of_wrong_answers_fails_for_the_stated_reasons(name: str) -> None:
    wrong = WRONG_ANSWERS[name]
    answers = [code for code, _ in wrong.values() if code]
    progress = run(answered(name, answers, student="ann")).progress
    reasons = progress.set_index("exercise")["why"]
    assert list(reasons.index) == list(wrong)
    assert not progress["solved"].any(), progress.to_string()
    missed = {
        one: reasons[one] for one, (_, why) in wrong.items() if why not in reasons[one]
    }
    assert not missed


@pytest.mark.parametrize("name", LESSONS)
def test_each_exercise_has_one_grading_cell_with_its_points(name: str) -> None:
    grading = [cell["metadata"].get("nbgrader", {}) for cell in code_cells(source(name))]
    points = {cell["grade_id"]: cell["points"] for cell in grading if cell.get("grade")}
    assert points == {one.name: one.points for one in find_plan(name).exercises}
    ids = [cell["grade_id"] for cell in grading if cell]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", LESSONS)
def test_no_solution_is_left_in_the_students_version(name: str) -> None:
    text = json.dumps(student_version(source(name)))
    assert not re.search("SOLUTION|HIDDEN", text)
    stubs = [STUB in "".join(cell["source"]) for cell in code_cells(json.loads(text))]
    assert sum(stubs) == json.dumps(source(name)).count("BEGIN SOLUTION")


@pytest.mark.parametrize("name", LESSONS)
def test_its_source_is_stored_without_outputs(name: str) -> None:
    for cell in code_cells(source(name)):
        assert not cell["outputs"]
        assert cell["execution_count"] is None


@pytest.mark.parametrize("name", LESSONS)
def test_every_exercise_has_hints_and_what_is_drawn_fills_its_texts(name: str) -> None:
    plan = find_plan(name)
    with Lesson(plan, OwnSeat(plan, "ben", Path("ben.jsonl"))) as lesson:
        for exercise in lesson.plan.exercises:
            assert "{" not in lesson.task(exercise.name)
            for number, _ in enumerate(exercise.hints, 1):
                assert f"Hint {number}" in lesson.hint(exercise.name)
            assert lesson.solution(exercise.name)


def test_the_course_is_numbered_in_its_order() -> None:
    lessons = list_lessons()
    assert lessons["number"].tolist() == list(range(1, 15))
    assert lessons["lesson"].tolist() == list(LESSONS)


def test_lessons_are_handed_out_without_their_solutions_and_work_is_kept(
    tmp_path: Path,
) -> None:
    (path,) = copy_lessons(tmp_path / "class", LESSONS[0])
    assert "SOLUTION" not in path.read_text("utf-8")
    path.write_text("my work")
    assert copy_lessons(tmp_path / "class", LESSONS[0]) == ()
    assert path.read_text() == "my work"
    (path,) = copy_lessons(tmp_path / "teacher", LESSONS[0], solutions=True)
    assert path.read_bytes() == lesson_source(LESSONS[0]).read_bytes()


@pytest.mark.heavy
@pytest.mark.parametrize("name", LESSONS)
def test_it_runs_in_a_kernel_from_top_to_bottom(name: str, tmp_path: Path) -> None:
    import nbclient
    import nbformat

    notebook = nbformat.read(lesson_source(name), 4)
    nbclient.NotebookClient(
        notebook,
        timeout=300,
        store_widget_state=False,
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute(
        env={k: v for k, v in os.environ.items() if k != "MPLBACKEND"}
        | {"PYTHONPATH": str(CHECKOUT)}
    )
    shown = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    assert not [out for out in shown if out.get("name") == "stderr"]
    verdicts = [
        out for out in shown if "✓ right" in out.get("data", {}).get("text/html", "")
    ]
    assert len(verdicts) == len(find_plan(name).exercises)
    assert "solved" in shown[-1]["data"]["text/html"], "it ends with the student's progress"
