"""An explanation shows itself: what happened, whose turn, what to do, how sure, why."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from smtpbook.codes.explain import explain
from smtpbook.codes.tables import reasons
from smtpbook.palette import GREY, SEVERITY_COLORS

REPLIES = ["250 ok", "354 go", "450 4.2.2 full", "550 5.1.1 no such user", "599 x", "DATA"]


def rows(text: str, verb: str | None = None) -> dict[str, str]:
    return dict(explain(text, verb=verb)._rows())


@pytest.mark.parametrize("text", REPLIES)
def test_the_questions_are_answered_in_the_order_in_which_they_are_asked(text: str) -> None:
    labels = list(rows(text))
    assert labels[:3] == ["What happened", "Whose turn", "What to do"]
    assert labels[-2:] == ["Why", "Written in"]


@pytest.mark.parametrize(
    ("text", "turn"),
    [
        ("250 ok", "yours"),
        ("354 go", "yours"),
        ("DATA", "the server's"),
        ("550 5.1.1 no such user", "the recipient's"),
        ("550 5.7.26 unauthenticated", "yours"),
        ("554 5.3.0 trouble", "the receiving side's"),
        ("450 4.4.1 no answer", "nobody's alone"),
        ("599 x", "not known"),
    ],
)
def test_it_says_whose_turn_it_is(text: str, turn: str) -> None:
    assert rows(text)["Whose turn"].startswith(f"{turn}: ")


def test_what_the_other_side_must_change_is_ours_to_try_again_after_a_4yz() -> None:
    assert rows("450 4.2.2 full")["Whose turn"].endswith("; yours is to try again later")
    assert "again" not in rows("552 5.2.2 full")["Whose turn"]
    assert "again" not in rows("450 4.7.26 unauthenticated")["Whose turn"]


def test_every_fault_is_somebodys_turn() -> None:
    turns = {
        replace(explain("550 x"), fault=reason.fault)._turn()
        for reason in reasons().values()
    }
    assert len(turns) == len({reason.fault for reason in reasons().values()})


def test_a_provider_is_shown_by_what_it_is_called() -> None:
    text = "421 4.7.0 [TSS04] deferred"
    assert explain(text).provider == "yahoo"
    assert rows(text)["Provider"] == "Yahoo and AOL"


def test_advice_comes_first_and_is_left_out_where_it_is_to_go_on() -> None:
    assert rows("550 5.1.1 no such user")["What to do"].startswith("suppress: Check ")
    assert rows("250 ok", "RCPT")["What to do"] == "Name further recipients, or send DATA."


def test_how_sure_is_said_of_what_is_known() -> None:
    sure = explain("550 5.1.1 no such user").confidence
    assert rows("550 5.1.1 no such user")["How sure"] == f"{sure:.0%}"
    assert "How sure" not in rows("599 x")
    assert "How sure" not in rows("250 ok")


@pytest.mark.parametrize("text", REPLIES)
def test_both_forms_say_the_same(text: str) -> None:
    explained = explain(text)
    plain = " ".join(str(explained).split())
    cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", explained._repr_html_())
    assert len(cells) == 2 * len(list(explained._rows()))
    for cell in cells:
        assert (
            cell.replace("&#x27;", "'").replace("&lt;", "<").replace("&gt;", ">") in plain
        )


def test_the_edge_has_the_severitys_colour_and_words_say_the_same() -> None:
    for text, digit in (("250 ok", 2), ("354 go", 3), ("450 no", 4), ("550 no", 5)):
        page = explain(text)._repr_html_()
        assert f"solid {SEVERITY_COLORS[digit]}" in page
        assert str(explain(text).permanence) in page
    assert f"solid {GREY}" in explain("DATA")._repr_html_()


def test_a_long_word_is_wrapped_and_a_long_reply_cut() -> None:
    page = explain("550 see https://example.org/" + "a" * 900)._repr_html_()
    assert "overflow-wrap: anywhere" in page
    assert "a…</pre>" in page
    lines = str(explain("550 x", verb="RCPT")).splitlines()
    assert max(map(len, lines)) <= 80
