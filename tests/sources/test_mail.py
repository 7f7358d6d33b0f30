"""Mail: who is named in the headers, and headers made to take forever."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from smtpbook.errors import RecipientsError
from smtpbook.sources.mail import MAX_HEADERS, read_mail, read_subjects
from smtpbook.table import Table


def read(tmp_path: Path, octets: bytes, name: str = "mail.mbox") -> Table:
    path = tmp_path / name
    path.write_bytes(octets)
    return read_mail(path)


def rows(table: Table) -> list[tuple[Any, ...]]:
    return list(zip(*(column.to_pylist() for column in table.cells.columns), strict=True))


def test_a_mailbox_gives_every_person_of_every_message(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        b"From ann@x.example Mon Nov 23 10:00:00 2026\n"
        b"From: =?utf-8?q?Zo=C3=AB?= <zoe@x.example>\r\n"
        b'To: "Marsh, Ann" <ann@x.example>,\n Bob <bob@x.example>\n'
        b"Cc: friends: carl@x.example, dan@x.example;\n"
        b"Date: Mon, 23 Nov 2026 10:00:00 +0100\nSubject: =?utf-8?b?SGVsbMO2?=\n\n"
        b"To: body@x.example\nFrom nobody at 10:00 in a paragraph\n"
        b"To: body@x.example\n\n"
        b"From bob@x.example Mon Nov 23 11:00:00 2026\n"
        b"From: bob@x.example\nReply-To: office@x.example\n"
        b"To: undisclosed-recipients:;\n\n",
    )
    assert table.headers == ("email", "name", "header", "date", "subject")
    when = (datetime(2026, 11, 23, 9), "Hellö")
    assert rows(table) == [
        ("zoe@x.example", "Zoë", "from", *when),
        ("ann@x.example", "Marsh, Ann", "to", *when),
        ("bob@x.example", "Bob", "to", *when),
        ("carl@x.example", None, "cc", *when),
        ("dan@x.example", None, "cc", *when),
        ("bob@x.example", None, "from", None, None),
        ("office@x.example", None, "reply-to", None, None),
    ]
    assert table.rows.to_pylist() == [1, 1, 1, 1, 1, 2, 2]
    assert table.problems == ()


def test_one_message_without_a_separator(tmp_path: Path) -> None:
    table = read(
        tmp_path, b"From: a@x.example\nDate: never\n\nFrom: b@x.example\n", "m.eml"
    )
    assert rows(table) == [("a@x.example", None, "from", None, None)]


def test_a_header_that_cannot_be_read_costs_only_itself(tmp_path: Path) -> None:
    table = read(tmp_path, b"From: a@x.example\nTo: ((((( b@x.example\n\n")
    assert [row[0] for row in rows(table)] == ["a@x.example"]
    assert [problem.message for problem in table.problems] == [
        "mail.mbox, message 1: to cannot be read; left out"
    ]


def test_a_file_without_messages_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipientsError, match="holds no message with headers"):
        read(tmp_path, b"\n\njust text\n")


def test_headers_beyond_the_limit_are_left_out_and_said(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        b"From: a@x.example\n"
        + b"X-Y: "
        + b"x" * MAX_HEADERS
        + b"\nTo: late@x.example\n\n",
    )
    assert [row[0] for row in rows(table)] == ["a@x.example"]
    assert [problem.rule for problem in table.problems] == ["too_long"]


@pytest.mark.parametrize(
    "value",
    [
        b"(" * 200_000,
        b"<" * 200_000,
        b'"' * 200_001,
        b"," * 200_000,
        b"@" * 200_000,
        b"=?utf-8?q?a?= " * 15_000,
        b"<" + b"@a," * 60_000 + b":x@y>",
        b"a(b)" * 50_000,
    ],
)
def test_hostile_headers_end(tmp_path: Path, value: bytes) -> None:
    start = time.process_time()
    table = read(tmp_path, b"From: a@x.example\nTo: " + value + b"\n\n")
    assert rows(table)[0][0] == "a@x.example"
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    ("encoding", "rules"), [("utf-8", []), ("cp1252", [(None, "encoding")])]
)
def test_headers_that_are_not_ascii_are_read(
    tmp_path: Path, encoding: str, rules: list[tuple[None, str]]
) -> None:
    """RFC 6532 has UTF-8 there; older programs put whatever they had."""
    text = "From: Zoë <änn@x.example>\nSubject: Grüße\n\nbody\n"
    table = read(tmp_path, text.encode(encoding), "a.eml")
    assert rows(table) == [("änn@x.example", "Zoë", "from", None, "Grüße")]
    assert [(problem.row, problem.rule) for problem in table.problems] == rules


def test_an_address_that_the_limit_cuts_in_two_is_left_out(tmp_path: Path) -> None:
    many = ", ".join(f"a{number}@{'x' * 40}.example" for number in range(9000))
    table = read(tmp_path, f"To: {many}\n\nbody\n".encode(), "a.eml")
    addresses = table.cells.column(0).to_pylist()
    assert 4000 < len(addresses) < 9000
    assert addresses == [
        f"a{number}@{'x' * 40}.example" for number in range(len(addresses))
    ]


def test_subjects_are_read_one_for_each_message(tmp_path: Path) -> None:
    path = tmp_path / "mail.mbox"
    path.write_bytes(
        b"From a@x.example Mon Nov 23 10:00:00 2026\n"
        b"Subject: =?utf-8?q?Gr=C3=BC?=\n =?utf-8?q?=C3=9Fe?=\n\nSubject: of the body\n\n"
        b"From b@x.example Mon Nov 23 10:00:00 2026\nTo: c@x.example\n\n"
    )
    assert list(read_subjects(path)) == ["Grüße", ""]
    path.write_bytes(b"no mail\n")
    assert list(read_subjects(path)) == []
