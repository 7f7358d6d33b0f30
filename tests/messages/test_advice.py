"""What spam filters and readers mind in a message is said, with its cause."""

from __future__ import annotations

from typing import Any

import pytest

from smtpbook.messages.advice import advice
from smtpbook.messages.attachments import Attachment
from smtpbook.messages.template import Template

FINE = "<p>The doors in Graz open on Friday, and there will be tea.</p>"


def said(**parts: Any) -> str:
    letter = Template(
        **{"header_from": "a@x.example", "subject": "The doors open", "text": FINE, **parts}
    )
    return " ".join(advice(letter.render({"email": "zoe@y.example"})))


def test_an_ordinary_letter_draws_no_word() -> None:
    assert said(html=FINE + '<a href="https://x.example/a">www.x.example</a>') == ""


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"subject": ""}, "subject is empty"),
        ({"subject": "FREE ENTRY FOR ALL"}, "all in capitals"),
        ({"subject": "Come!!"}, "more than one mark"),
        ({"subject": "Re: your card"}, "looks like an answer"),
        ({"subject": "x" * 90}, "90 characters"),
        ({"text": " "}, "The text is empty"),
        ({"html": "<style>p{}</style><p> </p>"}, "HTML shows nothing"),
        ({"html": '<img src="https://x.example/a.png" alt="">'}, "little but pictures"),
        (
            {"html": FINE + '<img src="https://x.example/a.png">'},
            "1 of 1 pictures have no alt",
        ),
        ({"html": FINE + "<!--" + "x" * 103_000 + "-->"}, "Gmail shows 102,400"),
        ({"html": FINE + "<script>x</script>"}, "no <script>"),
        ({"html": FINE + '<a href="http://x.example">x</a>'}, "not https"),
        ({"html": FINE + '<a href="https://bit.ly/x">x</a>'}, "shorteners"),
        ({"html": FINE + '<a href="https://127.0.0.1/">x</a>'}, "bare address, 127.0.0.1"),
        ({"html": FINE + '<a href="https://[::1]/">x</a>'}, "bare address, ::1"),
        ({"html": FINE + '<a href="https://evil.example">bank.example</a>'}, "phishing"),
        ({"attachments": [Attachment("a.EXE", b"x")]}, "many servers refuse"),
    ],
)
def test_what_is_minded_is_said(parts: dict[str, Any], sentence: str) -> None:
    assert sentence in said(**parts)


@pytest.mark.parametrize(
    "html",
    [
        *("<a href='http://['>x</a>", "<a>x</a>", "</a></a>", "<p" * 9),
        *("<a " * 20_000, "<a" * 20_000, "<!--" * 20_000, "<a href=''>" * 20_000),
    ],
    ids=range(8),
)
def test_no_html_is_too_broken(html: str) -> None:
    said(html=FINE + html)
