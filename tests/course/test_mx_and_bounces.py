"""Lesson 12: what is wrong fails for the reason it is wrong for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smtpbook.bounces.read import read_bounces
from smtpbook.course.mx_and_bounces import PLAN
from smtpbook.grading.exercise import MISSING
from smtpbook.lessons.lesson import Lesson, open_lesson
from smtpbook.lessons.seat import OwnSeat, drawn
from tests.course.trying import tried


@pytest.mark.parametrize(
    ("exercise", "answer", "why"),
    [
        ("order", "{domain}", "hand in the three hosts"),
        ("order", MISSING, "hand in the three hosts"),
        ("implicit", "nobody", "mail was there before MX"),
        ("implicit", MISSING, "hand in the host"),
        ("implicit", "mx.{plain}", "not what a client would try"),
        ("null", "{nobody}.", "it has an MX"),
        ("null", "mx.{nobody}", "is not what that record says"),
        ("null", 3, "hand in the host"),
        ("way", "{domain}", "hand in all 3 hosts"),
        ("read", "{recipient}", "hand in two texts"),
        ("read", "ann@x.example, {status}", "is not who did not get it"),
        ("read", "{recipient}, 5.9.9", "the status is not 5.9.9"),
        ("read", "{recipient}, failed", "three numbers with dots"),
        ("act", "remov", "did you mean 'remove'"),
    ],
)
def test_a_wrong_answer_fails_for_the_stated_reason(
    exercise: str, answer: Any, why: str, tmp_path: Path
) -> None:
    verdict = tried("mx-and-bounces", exercise, tmp_path, answer=answer)
    assert not verdict
    assert why in verdict.why


def test_the_usual_slips_in_an_order_are_known(tmp_path: Path) -> None:
    with open_lesson("mx-and-bounces", student="ann", scores=tmp_path) as lesson:
        given = drawn(PLAN, "ann")
        hosts, relays = (given[name].split() for name in ("hosts", "relays"))
        assert "wrong way round" in lesson.check("order", hosts[::-1]).why
        assert "the numbers decide" in lesson.check("order", [*hosts[1:], hosts[0]]).why
        assert "read from below" in lesson.check("way", relays[::-1]).why
        assert "put them together" in lesson.check("way", [*relays[1:], relays[0]]).why
        assert lesson.check("order", [host + "." for host in hosts])
        other = next(act for act in ("retry", "remove") if act != given["act"])
        assert f"{other!r} would not help" in lesson.check("act", other).why


@pytest.mark.parametrize("student", ["ann", "ben", "cleo", "dora", "emil"])
def test_the_bounce_is_one_that_a_reader_reads(student: str, tmp_path: Path) -> None:
    with Lesson(PLAN, OwnSeat(PLAN, student, tmp_path / "scores")) as lesson:
        path = tmp_path / "bounce.eml"
        path.write_bytes(lesson.given["bounce"].encode())
        read = read_bounces(path)
        assert read["recipient"].tolist() == [drawn(PLAN, student)["recipient"]]
        assert read["enhanced_status"].tolist() == [drawn(PLAN, student)["status"]]
