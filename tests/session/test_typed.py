"""Typed: any line a lesson needs is said, answered and kept."""

from __future__ import annotations

import pytest

from smtpbook.lab.lab import Lab
from smtpbook.session.session import open_session
from tests.session.scripted import Rows


@pytest.mark.parametrize(
    ("line", "verb", "code"),
    [
        ("VRFY bob", "VRFY", 252),
        ("EXPN staff", "EXPN", 502),
        ("HELP", "HELP", 214),
        ("ETRN example.org", "ETRN", 250),
        ("SEND FROM:<ann@x.test>", "SEND", 502),
        ("SOML FROM:<ann@x.test>", "SOML", 502),
        ("SAML FROM:<ann@x.test>", "SAML", 502),
        ("TURN", "TURN", 502),
        ("XYZZY", "XYZZY", 500),
    ],
)
async def test_a_line_is_said_as_it_stands_and_its_answer_is_a_row(
    line: str, verb: str, code: int
) -> None:
    rows = Rows()
    with Lab(extensions=["ETRN"]) as lab:
        async with open_session(lab.account, sink=rows) as session:
            reply = await session.command(line)
            assert reply is not None
            assert reply.code == code
            again = await session.command("RSET")
            assert again is not None
            assert again.code == 250
    (row,) = rows.of("command", verb)
    assert (row["command"], row["reply_code"]) == (line, reply.code)
    rows.check_whole()
