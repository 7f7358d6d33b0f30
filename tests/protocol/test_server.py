"""The server takes commands in order, and mail data whatever it holds."""

from __future__ import annotations

import pytest

from smtpbook.errors import LocalProtocolError
from smtpbook.protocol.addresses import Mailbox
from smtpbook.protocol.commands import (
    MAX_AUTH_LINE,
    Auth,
    AuthResponse,
    Bdat,
    Command,
    CommandSyntaxError,
    Ehlo,
    EndOfData,
    Mail,
    Quit,
    Raw,
    Rcpt,
    StartTls,
)
from smtpbook.protocol.connection import CLOSED, Closed
from smtpbook.protocol.mail_data import stuff
from smtpbook.protocol.replies import NEED_DATA, NeedData, Reply
from smtpbook.protocol.server import Server
from smtpbook.protocol.states import State


def serving() -> Server:
    server = Server(max_size_bytes=100)
    server.reply(Reply(code=220, lines=("lab",)))
    return server


def answered(server: Server, octets: bytes, code: int = 250) -> Command | NeedData | Closed:
    """Feed octets and answer the command that comes out, if one does."""
    server.receive_data(octets)
    item = server.next_command()
    if isinstance(item, Command):
        server.reply(Reply(code=code))
    return item


def server_in(state: State) -> Server:
    server = serving()
    if state is State.GREETED:
        return server
    answered(server, b"EHLO client.example\r\n")
    for line, code in {
        State.AUTH: [(b"AUTH PLAIN", 334)],
        State.MAIL: [(b"MAIL FROM:<>", 250)],
        State.RCPT: [(b"MAIL FROM:<>", 250), (b"RCPT TO:<bob@example.org>", 250)],
        State.DATA: [
            (b"MAIL FROM:<>", 250),
            (b"RCPT TO:<bob@example.org>", 250),
            (b"DATA", 354),
        ],
    }.get(state, []):
        answered(server, line + b"\r\n", code)
    assert server.state is state
    return server


@pytest.mark.parametrize(
    ("state", "line", "code"),
    [
        (State.GREETED, b"MAIL FROM:<>", 503),
        (State.GREETED, b"RCPT TO:<bob@example.org>", 503),
        (State.GREETED, b"DATA", 503),
        (State.GREETED, b"AUTH PLAIN", 503),
        (State.GREETED, b"STARTTLS", 503),
        (State.READY, b"RCPT TO:<bob@example.org>", 503),
        (State.READY, b"DATA", 503),
        (State.MAIL, b"MAIL FROM:<>", 503),
        (State.MAIL, b"DATA", 554),
        (State.MAIL, b"AUTH PLAIN", 503),
        (State.MAIL, b"STARTTLS", 503),
        (State.RCPT, b"MAIL FROM:<>", 503),
        (State.RCPT, b"AUTH PLAIN", 503),
        (State.GREETED, b"TURN", 503),
        (State.GREETED, b"NOOP", None),
        (State.READY, b"MAIL FROM:<>", None),
        (State.MAIL, b"RCPT TO:<bob@example.org>", None),
        (State.RCPT, b"DATA", None),
        (State.RCPT, b"EHLO again.example", None),
    ],
)
def test_server_refuses_a_command_out_of_order(
    state: State, line: bytes, code: int | None
) -> None:
    server = server_in(state)
    server.receive_data(line + b"\r\n")
    command = server.next_command()
    assert isinstance(command, Command)
    refusal = server.refusal(command)
    assert (refusal.code if refusal else None) == code
    if refusal:
        server.reply(refusal)
        assert server.state is state


def test_server_refuses_a_second_login_but_not_under_tls() -> None:
    server = server_in(State.READY)
    answered(server, b"AUTH PLAIN AGEAYg==\r\n", 235)
    server.receive_data(b"AUTH PLAIN\r\n")
    command = server.next_command()
    assert isinstance(command, Auth)
    refusal = server.refusal(command)
    assert refusal is not None
    assert refusal.code == 503
    server.reply(refusal)
    answered(server, b"STARTTLS\r\n", 220)
    server.begin_tls()
    server.end_tls()
    answered(server, b"EHLO client.example\r\n")
    assert server.refusal(Auth("PLAIN")) is None


def lines(server: Server, octets: bytes) -> list[Command | int]:
    """Feed octets; give the commands, and the code for each line that cannot be read."""
    server.receive_data(octets)
    found: list[Command | int] = []
    while True:
        try:
            item = server.next_command()
        except CommandSyntaxError as exc:
            found.append(exc.code)
            server.reply(Reply(code=exc.code))
            continue
        if not isinstance(item, Command):
            return found
        found.append(item)
        server.reply(Reply(code=250))


def test_server_reads_the_same_commands_however_they_are_cut() -> None:
    wire = b"EHLO a.example\r\nNOOP\r\nXYZZY\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\n"
    expected = [Ehlo("a.example"), Raw("NOOP"), 500, Mail(None)]
    for place in range(len(wire) + 1):
        server = serving()
        found = lines(server, wire[:place]) + lines(server, wire[place:])
        assert found[:-1] == expected
        assert found[-1] == Rcpt(Mailbox.parse("b@c.example"))


@pytest.mark.parametrize("size", [1, 1000, 10**6])
def test_server_takes_the_longest_line_and_refuses_one_octet_more(size: int) -> None:
    def said(wire: bytes) -> list[Command | int]:
        server = server_in(State.READY)
        found = []
        for start in range(0, len(wire), size):
            found += lines(server, wire[start : start + size])
        return found

    longest = b"NOOP " + b"x" * (MAX_AUTH_LINE - 7)
    assert said(longest + b"\r\nQUIT\r\n") == [Raw(longest.decode()), Quit()]
    assert said(longest + b"x\r\nQUIT\r\n") == [500, Quit()]
    assert said(longest * 9 + b"\r\nQUIT\r\n") == [500, Quit()]


def test_endless_line_is_not_kept() -> None:
    server = server_in(State.READY)
    for _ in range(1000):
        server.receive_data(b"x" * 1000)
        assert server.next_command() is NEED_DATA
        assert len(server._buffer) <= MAX_AUTH_LINE


def test_line_that_ends_in_lf_alone_is_refused_once() -> None:
    server = server_in(State.READY)
    assert lines(server, b"MAIL FROM:<>\nNOOP\r\n") == [500, Raw("NOOP")]
    assert server.state is State.READY


def test_server_does_not_go_on_before_it_has_answered() -> None:
    server = serving()
    server.receive_data(b"NOOP\r\nNOOP\r\n")
    server.next_command()
    with pytest.raises(LocalProtocolError, match="NOOP has not been answered"):
        server.next_command()
    server.reply(Reply(code=250))
    with pytest.raises(LocalProtocolError, match="no command awaits"):
        server.reply(Reply(code=250))
    with pytest.raises(LocalProtocolError, match="GREETING has not been answered"):
        Server().next_command()


def test_mail_data_comes_out_with_its_end_and_commands_behind_it_follow() -> None:
    wire = stuff(b".hi\r\n") + b"QUIT\r\n"
    for place in range(len(wire) + 1):
        server = server_in(State.DATA)
        found = lines(server, wire[:place]) + lines(server, wire[place:])
        assert found == [EndOfData(), Quit()]
        assert server.mail_data == b".hi\r\n"


def test_mail_data_of_a_lost_connection_is_not_a_message() -> None:
    server = server_in(State.DATA)
    assert lines(server, b"hi\r\n.\r") == []
    assert answered(server, b"") is CLOSED
    assert server.mail_data == b""


def test_too_big_mail_data_is_read_to_its_end() -> None:
    server = server_in(State.DATA)
    assert lines(server, b"x" * 98 + b"\r\n.\r\n") == [EndOfData()]
    assert not server.is_too_big
    server = server_in(State.DATA)
    assert lines(server, b"x" * 99 + b"\r\n.\r\nNOOP\r\n") == [EndOfData(), Raw("NOOP")]
    assert server.is_too_big
    lines(server, b"MAIL FROM:<>\r\n")
    assert not server.is_too_big


def test_354_after_no_recipient_is_followed_by_mail_data() -> None:
    server = server_in(State.MAIL)
    answered(server, b"DATA\r\n", 354)
    assert lines(server, b".\r\n") == [EndOfData()]
    assert server.state is State.READY


def test_chunks_are_mail_data_whatever_they_hold_and_however_they_are_cut() -> None:
    wire = b"BDAT 7\r\nQUIT\r\n.BDAT 0\r\nBDAT 5 LAST\r\n\0\n.\r\nNOOP\r\n"
    for place in range(len(wire) + 1):
        server = server_in(State.RCPT)
        found = lines(server, wire[:place]) + lines(server, wire[place:])
        assert found == [Bdat(7), Bdat(0), Bdat(5, True), Raw("NOOP")]
        assert server.mail_data == b"QUIT\r\n.\0\n.\r\n"
        assert server.state is State.READY


def test_chunk_out_of_order_is_read_before_it_is_refused() -> None:
    server = server_in(State.READY)
    server.receive_data(b"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
    command = server.next_command()
    assert command == Bdat(6, True)
    refusal = server.refusal(Bdat(6, True))
    assert refusal is not None
    assert refusal.code == 503
    server.reply(refusal)
    assert server.next_command() == Raw("NOOP")


def test_chunk_beyond_the_limit_is_read_and_not_kept() -> None:
    server = server_in(State.RCPT)
    server.receive_data(b"BDAT 999999999999 LAST\r\n")
    for _ in range(1000):
        assert server.next_command() is NEED_DATA
        server.receive_data(b"x" * 1000)
    assert server.is_too_big
    assert len(server.mail_data) + len(server._buffer) <= 1000


def test_chunks_together_are_held_to_the_limit() -> None:
    server = server_in(State.RCPT)
    lines(server, b"BDAT 60\r\n" + b"x" * 60 + b"BDAT 40\r\n" + b"x" * 40)
    assert not server.is_too_big
    assert len(server.mail_data) == 100
    lines(server, b"BDAT 1 LAST\r\nx")
    assert server.is_too_big
    assert server.mail_data == b""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"cHc=", AuthResponse(b"pw")),
        (b"", AuthResponse(b"")),
        (b"*", AuthResponse(None)),
        (b"!!!", 501),
        (b"=", 501),
        (b"AUTH PLAIN", 501),
        (b"caf\xe9", 501),
    ],
)
def test_line_behind_a_challenge_is_a_response(
    line: bytes, expected: Command | int
) -> None:
    server = server_in(State.AUTH)
    server.receive_data(line + b"\r\n")
    if isinstance(expected, int):
        with pytest.raises(CommandSyntaxError) as info:
            server.next_command()
        assert info.value.code == expected
    else:
        assert server.next_command() == expected
        assert server.refusal(expected) is None
    server.reply(Reply(code=501))
    assert server.state is State.READY


def test_response_too_long_fails_the_login_with_500() -> None:
    server = server_in(State.AUTH)
    assert lines(server, b"A" * 20_000 + b"\r\nNOOP\r\n") == [500, Raw("NOOP")]
    assert server.state is State.READY


def test_clear_text_behind_starttls_is_forgotten() -> None:
    server = server_in(State.READY)
    server.receive_data(b"STARTTLS\r\nMAIL FROM:<evil@x.example>\r\nRC")
    assert server.next_command() == StartTls()
    server.reply(Reply(code=220))
    assert server.state is State.TLS
    server.begin_tls()
    server.end_tls()
    assert server.next_command() is NEED_DATA
    assert server.state is State.GREETED
    assert lines(server, b"EHLO a.example\r\n") == [Ehlo("a.example")]


def test_421_closes_the_servers_side() -> None:
    server = server_in(State.READY)
    answered(server, b"NOOP\r\n", 421)
    assert server.state is State.CLOSED
