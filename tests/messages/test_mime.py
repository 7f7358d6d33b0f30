"""Header fields and bodies as octets: what stays as it is, and what is encoded."""

from __future__ import annotations

import email
from email.policy import default

import pytest

from smtpbook.messages import mime
from smtpbook.protocol.addresses import Mailbox

ZOE = Mailbox("zoe", "y.example")


def header_of(*fields: tuple[str, object]) -> str:
    data = mime.to_bytes(fields, text="x", html=None)  # type: ignore[arg-type]
    return data.partition(b"\r\n\r\n")[0].decode()


@pytest.mark.parametrize(
    "text",
    [
        "Hello",
        "Grüße aus Graz",
        "=?utf-8?q?not_encoded?=",
        "a  b   c",
        "x" + " " * 100 + "y",
        "x" * 440 + " " * 1100 + "y" * 440,
        "s" * 2000,
        "word " * 300 + "end",
        "山" * 300,
        "What is 2+2=?",
    ],
    ids=lambda text: text[:12],
)
def test_free_text_reads_back_as_it_was(text: str) -> None:
    header = header_of(("Subject", mime.free_text("Subject", text)))
    lines = header.split("\r\n")
    assert max(map(len, lines)) <= 998
    assert all(line.strip() for line in lines)
    assert header.isascii()
    assert email.message_from_string(header, policy=default)["Subject"] == text


def test_plain_text_is_not_encoded() -> None:
    assert "Subject: What is 2+2=?" in header_of(
        ("Subject", mime.free_text("Subject", "What is 2+2=?"))
    )


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("", "zoe@y.example"),
        ("Zoe", "Zoe <zoe@y.example>"),
        ("Zoë", "=?utf-8?q?Zo=C3=AB?= <zoe@y.example>"),
        ("Harbor, Zoe", '"Harbor, Zoe" <zoe@y.example>'),
        ('Zoe "Z" <z@z.example>', r'"Zoe \"Z\" <z@z.example>" <zoe@y.example>'),
    ],
)
def test_a_name_is_quoted_or_encoded(name: str, written: str) -> None:
    assert f"To: {written}" in header_of(("To", mime.address("To", name, ZOE)))


def test_a_local_part_outside_ascii_stands_as_utf8_and_alone() -> None:
    mailbox = Mailbox("zoë", "y.example")
    assert header_of(("To", mime.address("To", "Zoë", mailbox))).endswith(
        "To: zoë@y.example"
    )


def test_a_body_that_holds_the_boundary_of_another_does_not_end_the_part() -> None:
    first = mime.to_bytes([], text="x", html="<p>x</p>")
    boundary = email.message_from_bytes(first).get_boundary()
    second = mime.to_bytes([], text=f"x\n--{boundary}--\nrest", html="<p>x</p>")
    parsed = email.message_from_bytes(second, policy=default)
    assert [part.get_content_type() for part in parsed.iter_parts()] == [  # type: ignore[attr-defined]
        "text/plain",
        "text/html",
    ]
