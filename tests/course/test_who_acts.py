"""Lesson 2: what is wrong fails for the reason it is wrong for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smtpbook.codes.explain import explain
from smtpbook.course.who_acts import _REFUSALS
from smtpbook.grading.exercise import MISSING
from smtpbook.lessons.lesson import open_lesson
from tests.course.trying import tried

WORDS = {"2": "done", "3": "go on", "4": "later", "5": "no"}


def codes_of(folder: Path) -> list[str]:
    with open_lesson("who-acts", student="ann", scores=folder) as lesson:
        return lesson.given["codes"].split()


@pytest.mark.parametrize("digit", "2345")
def test_each_digit_taken_for_another_is_found_out(digit: str, tmp_path: Path) -> None:
    codes = codes_of(tmp_path)
    code = next(one for one in codes if one[0] == digit)
    other = next(word for first, word in WORDS.items() if first != digit)
    answer = {one: WORDS[one[0]] for one in codes} | {code: other}
    verdict = tried("who-acts", "digits", tmp_path, answer=answer)
    assert f"{code} is not {other!r}: its first digit decides" in verdict.why


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({}, "is not in it"),
        (MISSING, "hand in a dict"),
        ("later", "hand in a dict"),
    ],
)
def test_what_is_no_dict_of_codes_is_asked_for(
    answer: Any, why: str, tmp_path: Path
) -> None:
    verdict = tried("who-acts", "digits", tmp_path, answer=answer)
    assert not verdict
    assert why in verdict.why


def test_another_word_gets_the_near_miss(tmp_path: Path) -> None:
    answer = dict.fromkeys(codes_of(tmp_path), "latter")
    assert "'later'" in tried("who-acts", "digits", tmp_path, answer=answer).why


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ((), "2yz, 3yz, 4yz, 5yz"),
        (("NOOP",), "3yz, 4yz, 5yz"),
        (("EHLO a.example", "MAIL FROM:<>", "RCPT TO:<450.a@lab.test>", "MIAL"), "3yz"),
    ],
)
def test_what_was_not_met_yet_is_named(
    said: tuple[str, ...], missing: str, tmp_path: Path
) -> None:
    verdict = tried("who-acts", "meet", tmp_path, said=said)
    assert not verdict
    assert f"has not said {missing} to you yet" in verdict.why


@pytest.mark.parametrize("refusal", _REFUSALS, ids=lambda one: one.reply)
def test_the_acts_agree_with_what_the_replies_mean(refusal: Any) -> None:
    explained = explain(refusal.reply)
    transient = explained.permanence == "transient"
    assert (refusal.act == "retry") == transient
    by_group = {"address": "remove", "content": "fix letter"}
    if not transient:
        assert refusal.act == by_group.get(explained.group or "", "fix setup")


@pytest.mark.parametrize("act", ["retry", "remove", "fix setup", "fix letter"])
def test_an_act_that_would_not_help_is_found_out_with_its_reason(
    act: str, tmp_path: Path
) -> None:
    with open_lesson("who-acts", student="ann", scores=tmp_path) as lesson:
        replies = lesson.given["refusals"].splitlines()
        acts = {one.reply: one.act for one in _REFUSALS}
        answer = {reply: acts[reply] for reply in replies}
        wrong = next(reply for reply in replies if acts[reply] != act)
        verdict = lesson.check("acts", answer | {wrong: act})
        assert f"{act!r} would not help here" in verdict.why
        assert verdict.evidence == (wrong,)
        assert "this one has none" in lesson.check("acts", {}).why
        assert "'retry'" in lesson.check("acts", answer | {wrong: "rety"}).why
        assert lesson.check("acts", answer)


@pytest.mark.parametrize(
    ("answer", "why"),
    [("remove", "the code says 4"), ("later", "hand in one"), (3, "hand in")],
)
def test_the_text_is_not_what_counts(answer: Any, why: str, tmp_path: Path) -> None:
    verdict = tried("who-acts", "conflict", tmp_path, answer=answer)
    assert not verdict
    assert why in verdict.why
