"""Typed: any line a lesson needs is said, answered and kept."""

from __future__ import annotations

import pytest

from smtpbook.accounts.account import Account
from smtpbook.errors import LocalProtocolError
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.protocol.states import State
from smtpbook.session.record import Record
from smtpbook.session.session import open_session
from smtpbook.transport.connect import connect
from smtpbook.transport.stream import TcpStream
from tests.session.scripted import Rows


class AsIfElsewhere:
    """Connects to a port of loopback, whatever name was asked for."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __call__(self, account: Account, record: Record) -> TcpStream:
        return await connect(account.replace(host="127.0.0.1", port=self._port), record)


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


async def test_the_octets_of_a_chunk_go_with_their_bdat() -> None:
    with Lab() as lab:
        async with open_session(lab.account) as session:
            await session.command("MAIL FROM:<a@x.test>")
            await session.command("RCPT TO:<b@y.test>")
            await session.command("BDAT 4", chunk=b"\r\nhi")
            assert session.state is State.CHUNKS
            await session.command("bdat 2 last", chunk=b"\r\n")
            assert session.state is State.READY
        (received,) = lab.received
    assert received.data == b"\r\nhi\r\n"


@pytest.mark.parametrize(
    ("line", "chunk"), [("BDAT 4", b""), ("BDAT 4 LAST", b"hello"), ("NOOP", b"hello")]
)
async def test_octets_that_bdat_does_not_announce_are_not_said(
    line: str, chunk: bytes
) -> None:
    with Lab() as lab:
        async with open_session(lab.account) as session:
            with pytest.raises(LocalProtocolError, match="octets of mail data"):
                await session.command(line, chunk=chunk)
            reply = await session.command("NOOP")
            assert reply is not None
            assert reply.code == 250


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])
@pytest.mark.parametrize("has_initial", [True, False])
async def test_a_login_said_step_by_step_is_filled_in_from_the_account(
    mechanism: str, has_initial: bool
) -> None:
    rows = Rows()
    with Lab(users={"ann": "s3cret"}) as lab:
        async with open_session(lab.account, sink=rows, login=False) as session:
            first = " [redacted]" if has_initial else ""
            reply = await session.command(f"AUTH {mechanism}{first}")
            while session.state is State.AUTH:
                reply = await session.command("[redacted]")
            assert reply is not None
            assert reply.code == 235
            assert "s3cret" not in session.transcript()
    rows.check_whole()


async def test_a_secret_is_not_filled_in_where_it_would_be_read() -> None:
    with Lab(users={"ann": "s3cret"}) as lab:
        account = lab.account.replace(host="localhost.test")
        told = AsIfElsewhere(lab.account.port)
        async with open_session(account, login=False, connector=told) as session:
            with pytest.raises(LocalProtocolError, match="clear text"):
                await session.command("AUTH PLAIN [redacted]")
            assert session.state is State.READY


async def test_what_is_no_base64_is_said_where_a_response_is_awaited_and_masked() -> None:
    rows = Rows()
    with Lab(users={"ann": "s3cret"}) as lab:
        async with open_session(lab.account, sink=rows, login=False) as session:
            await session.command("AUTH LOGIN")
            reply = await session.command("my s3cret!")
            assert reply is not None
            assert reply.code == 501
            assert session.state is State.READY
    assert "my s3cret!" not in rows.column("command")
    assert "[redacted]" in rows.column("command")


async def test_a_greeting_that_refuses_leaves_quit_to_who_says_every_line() -> None:
    with Lab() as lab:
        lab.set(greeting=Behaviour(reply="554 No mail here"))
        async with open_session(lab.account, ehlo=False) as session:
            assert session.state is State.REFUSED
            reply = await session.command("QUIT")
            assert reply is not None
            assert reply.code == 221
