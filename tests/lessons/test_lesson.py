"""A lesson: one student's tasks, hints, checks and scores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from smtpbook.lessons.catalogue import find_plan, lesson_names
from smtpbook.lessons.lesson import Lesson, open_lesson
from smtpbook.lessons.scores import read_scores, score_file
from smtpbook.lessons.seat import drawn


@pytest.fixture
def lesson(tmp_path: Path) -> Iterator[Lesson]:
    with open_lesson("first-conversation", student="ann", scores=tmp_path) as opened:
        yield opened


def test_the_same_student_gets_the_same_tasks_and_another_gets_others(
    lesson: Lesson, tmp_path: Path
) -> None:
    with (
        open_lesson("first-conversation", student="ann", scores=tmp_path) as again,
        open_lesson("first-conversation", student="ben", scores=tmp_path) as other,
    ):
        assert again.given == lesson.given
        assert not set(other.given.values()) & set(lesson.given.values())
        assert lesson.given["recipient"] in lesson.task("letter")


@pytest.mark.parametrize("name", lesson_names())
def test_what_a_lesson_gives_holds_no_answer_and_all_that_its_tasks_name(name: str) -> None:
    plan = find_plan(name)
    every = drawn(plan, "ann")
    tasks = " ".join(one.task for one in plan.exercises)
    assert plan.answers <= set(every)
    assert not any(f"{{{answer}}}" in tasks for answer in plan.answers)
    if plan.answers:
        with open_lesson(name, student="ann", scores=".") as lesson:
            assert set(lesson.given) == set(every) - plan.answers
            assert all(lesson.task(one.name) for one in plan.exercises)


def test_who_works_at_a_hub_is_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JUPYTERHUB_USER", "cleo")
    with open_lesson("first-conversation", scores=tmp_path) as opened:
        assert opened.student == "cleo"


def test_a_misspelt_lesson_exercise_or_server_is_named_with_what_was_meant(
    lesson: Lesson,
) -> None:
    with pytest.raises(ValueError, match=r"no lesson 'first-convrsation'.*first-conversa"):
        open_lesson("first-convrsation")
    with pytest.raises(ValueError, match=r"no exercise 'leter'.*'letter'"):
        lesson.check("leter")
    with pytest.raises(ValueError, match="no server 'tarpit' in this lesson"):
        lesson.connect("tarpit")


def test_hints_come_before_the_solution(lesson: Lesson) -> None:
    with pytest.raises(ValueError, match=r"there are hints yet \(2\)"):
        lesson.solution("hello")
    assert "Hint 1 (1 more)" in lesson.hint("hello")
    assert "that was the last" in lesson.hint("hello")
    assert lesson.hint("hello") == lesson.hint("hello"), "the last one stays"
    assert lesson.given["client"] in lesson.solution("hello")


def test_a_verdict_is_true_when_solved_and_shows_why(lesson: Lesson) -> None:
    verdict = lesson.check("hello")
    assert not verdict
    assert 'lesson.hint("hello")' in str(verdict)
    lesson.connect().say("EHLO " + lesson.given["client"])
    verdict = lesson.check("hello")
    assert verdict
    assert "✓ right" in str(verdict)
    assert "RFC 5321" in str(verdict)


def test_whatever_tool_said_it_counts(lesson: Lesson) -> None:
    import socket

    with socket.create_connection(("127.0.0.1", lesson.lab.port)) as line:
        line.recv(1000)
        line.sendall(f"EHLO {lesson.given['client']}\r\n".encode())
        line.recv(1000)
        assert lesson.check("hello")


def test_checking_all_leaves_out_what_needs_an_answer_and_what_is_solved(
    lesson: Lesson,
) -> None:
    lesson.connect().say("EHLO " + lesson.given["client"], "QUIT")
    tries = lesson.check().set_index("exercise")["tries"]
    assert tries["greeting"] == 0
    assert tries["hello"] == 1
    assert lesson.check().set_index("exercise")["tries"]["hello"] == 1
    assert lesson.solved("hello")
    assert not lesson.solved("letter")


def test_a_solved_exercise_stays_solved(lesson: Lesson) -> None:
    talk = lesson.connect()
    assert lesson.check("greeting", (220, drawn(lesson.plan, "ann")["server"]))
    assert not lesson.check("greeting", (250, "x"))
    assert lesson.solved("greeting")
    talk.close()


def test_the_teachers_table_has_the_best_try_and_the_hints_before_it(
    lesson: Lesson, tmp_path: Path
) -> None:
    lesson.check("hello")
    lesson.hint("hello")
    lesson.connect().say("EHLO " + lesson.given["client"])
    lesson.check("hello")
    lesson.hint("hello")
    lesson.check("hello")
    lesson.check("goodbye")
    table = read_scores(tmp_path).set_index("exercise")
    assert table.loc["hello", ["student", "points", "of", "tries", "hints"]].tolist() == [
        *("ann", 1, 1, 3, 1)
    ]
    assert table["solved_at"].notna().to_dict() == {"hello": True, "goodbye": False}


def test_no_score_yet_and_a_broken_score_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="students' checks write them"):
        read_scores(tmp_path / "nothing")
    (tmp_path / "ann.jsonl").write_text("{}\n")
    with pytest.raises(ValueError, match=r"ann.jsonl, line 1 is not a score"):
        read_scores(tmp_path)


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "..", "", "ann@x.example"])
def test_a_students_name_makes_a_file_in_the_folder_and_nowhere_else(
    name: str, tmp_path: Path
) -> None:
    assert score_file(name, tmp_path).parent == tmp_path


def test_it_shows_itself(lesson: Lesson) -> None:
    assert "Lesson 1: Your first conversation by hand (ann, 0 of 7 points)" in repr(lesson)
    assert find_plan("first-conversation").about in lesson._repr_html_()


@pytest.mark.parametrize("wrong", [220, None, (220, "x"), "heloo"])
def test_what_is_no_exercise_s_name_is_answered_with_those_there_are(
    lesson: Lesson, wrong: object
) -> None:
    for ask in (lesson.task, lesson.hint, lesson.solution, lesson.solved):
        with pytest.raises(ValueError, match="there are: greeting, hello"):
            ask(wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no server"):
        lesson.connect(wrong or "x")  # type: ignore[arg-type]


def test_an_answer_to_nothing_and_a_line_into_the_past_are_refused(lesson: Lesson) -> None:
    with pytest.raises(ValueError, match=r"Name it first: lesson.check\('greeting', …\)"):
        lesson.check(answer=(220, "x"))
    for milliseconds in (-1, float("nan"), 1e9):
        with pytest.raises(ValueError, match="is no time from 0 to 60,000"):
            lesson.far_away(milliseconds)


@pytest.mark.parametrize(
    ("name", "exercise"),
    [("starttls", "gone"), ("the-dot", "smuggle"), ("mx-and-bounces", "implicit")],
)
def test_half_a_character_is_an_answer_like_any_other(
    name: str, exercise: str, tmp_path: Path
) -> None:
    with open_lesson(name, student="ann", scores=tmp_path) as lesson:
        assert not lesson.check(exercise, "in\ud800")
        assert len(lesson.progress) == len(lesson.plan.exercises)
    assert len(read_scores(tmp_path)) == 1
