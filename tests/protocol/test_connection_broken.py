"""A server that breaks a rule is left; 421, TLS and the end of the connection."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from smtpbook.errors import LocalProtocolError, RemoteProtocolError
from smtpbook.protocol.commands import (
    Auth,
    Bdat,
    Command,
    Data,
    Mail,
    Quit,
    Raw,
    Rcpt,
    Rset,
    StartTls,
    XClient,
)
from smtpbook.protocol.connection import CLOSED, Client, Exchange
from smtpbook.protocol.extensions import ehlo_reply
from smtpbook.protocol.states import State
from tests.protocol.clients import asked, heard, in_state, ready
from tests.protocol.words import ALL, ALLOWED, BOB, EHLO, SAID

# -- what a server can break


def pipelined() -> Client:
    client = ready("PIPELINING")
    for command in (Mail(BOB), Rcpt(BOB), Data()):
        client.issue(command)
    return client


def with_end() -> Client:
    client = in_state(State.DATA)
    client.end_mail_data(b"hi\r\n")
    return client


def asking(command: Command, state: State = State.READY) -> Callable[[], Client]:
    def make() -> Client:
        client = in_state(state, *ALL)
        client.issue(command)
        return client

    return make


BROKEN = {
    "garbage greeting": (Client, b"hello\r\n"),
    "354 greeting": (Client, b"354 go\r\n"),
    "second greeting": (Client, b"220 mx\r\n220 mx\r\n"),
    "reply nobody asked for": (lambda: ready(), b"250 ok\r\n"),
    "reply nobody asked for, 550": (lambda: ready(), b"550 no\r\n"),
    "reply while mail data is awaited": (lambda: in_state(State.DATA), b"250 ok\r\n"),
    "second reply": (asking(Mail(BOB)), b"250 ok\r\n250 ok\r\n"),
    "354 to EHLO": (asking(EHLO), b"354 go\r\n"),
    "354 to MAIL": (asking(Mail(BOB)), b"354 go\r\n"),
    "354 to RCPT": (asking(Rcpt(BOB), State.MAIL), b"354 go\r\n"),
    "354 to RSET": (asking(Rset()), b"354 go\r\n"),
    "334 to MAIL": (asking(Mail(BOB)), b"334 \r\n"),
    "334 to NOOP": (asking(Raw("NOOP")), b"334 \r\n"),
    "334 to STARTTLS": (asking(StartTls()), b"334 \r\n"),
    "250 to DATA": (asking(Data(), State.RCPT), b"250 ok\r\n"),
    "299 to DATA": (asking(Data(), State.RCPT), b"299 ok\r\n"),
    "354 to BDAT": (asking(Bdat(1), State.RCPT), b"354 go\r\n"),
    "354 to the lone dot": (with_end, b"354 go\r\n"),
    "250 to a pipelined DATA": (pipelined, b"250 ok\r\n250 ok\r\n250 ok\r\n"),
    "354 to a pipelined RCPT": (pipelined, b"250 ok\r\n354 go\r\n"),
    "clear text behind STARTTLS": (asking(StartTls()), b"220 go\r\n250 injected\r\n"),
    "code changes": (asking(Mail(BOB)), b"250-a\r\n550 b\r\n"),
    "no reply at all": (asking(Mail(BOB)), b"\r\n"),
}


def heard_cut(client: Client, octets: bytes, place: int) -> list[tuple[str | None, int]]:
    return heard(client, octets[:place]) + heard(client, octets[place:])


@pytest.mark.parametrize("name", BROKEN)
def test_server_that_breaks_the_protocol_is_left_however_it_is_cut(name: str) -> None:
    make, octets = BROKEN[name]
    for place in range(1, len(octets) + 1):
        client = make()
        with pytest.raises(RemoteProtocolError):
            heard_cut(client, octets, place)
        assert client.state is State.CLOSED
        with pytest.raises(LocalProtocolError):
            client.issue(Rset())
        with pytest.raises(LocalProtocolError):
            client.issue(Raw("NOOP"), strict=False)
        with pytest.raises(RemoteProtocolError):
            heard(client, b"250 ok\r\n")


def test_replies_to_a_group_are_the_same_cut_at_every_octet() -> None:
    octets = b"250 ok\r\n550-no\r\n550 such user\r\n354\r\n"
    for place in range(len(octets) + 1):
        client = pipelined()
        assert heard_cut(client, octets, place) == [
            ("MAIL", 250),
            ("RCPT", 550),
            ("DATA", 354),
        ]
        assert client.state is State.DATA


def test_command_whose_reply_broke_the_protocol_stays_unanswered() -> None:
    client = asking(Data(), State.RCPT)()
    with pytest.raises(RemoteProtocolError, match="250 cannot be a reply to DATA"):
        heard(client, b"250 ok\r\n")
    assert [command.verb for command, _, _ in client.unanswered] == ["DATA"]


@pytest.mark.parametrize("code", [252, 299, 200])
def test_unlisted_success_is_a_success(code: int) -> None:
    client = ready()
    asked(client, Mail(BOB), b"%d ok\r\n" % code)
    asked(client, Rcpt(BOB), b"%d ok\r\n" % code)
    assert client.state is State.RCPT


@pytest.mark.parametrize("code", [451, 499, 400, 599, 500])
def test_unlisted_refusal_is_a_refusal(code: int) -> None:
    client = in_state(State.MAIL)
    asked(client, Rcpt(BOB), b"%d 4.7.1 no\r\n" % code)
    assert client.state is State.MAIL


def test_any_intermediate_reply_to_data_asks_for_the_mail_data() -> None:
    client = in_state(State.RCPT)
    asked(client, Data(), b"399\r\n")
    assert client.state is State.DATA


# -- 421, TLS, the end of the connection


@pytest.mark.parametrize(
    ("state", "name"),
    [(state, name) for state, names in ALLOWED.items() for name in sorted(names)],
    ids=lambda value: getattr(value, "name", value),
)
def test_421_to_any_command_ends_the_session(state: State, name: str) -> None:
    client = in_state(state, *ALL)
    client.issue(SAID[name])
    assert heard(client, b"421 4.3.2 bye\r\n") == [(SAID[name].verb, 421)]
    assert client.state is State.CLOSED
    with pytest.raises(LocalProtocolError):
        client.issue(Quit())


def test_421_as_the_greeting_ends_the_session() -> None:
    client = Client()
    assert heard(client, b"421 busy\r\n") == [("GREETING", 421)]
    assert client.state is State.CLOSED


@pytest.mark.parametrize("state", [State.GREETED, State.READY, State.MAIL, State.DATA])
def test_421_nobody_asked_for_ends_the_session(state: State) -> None:
    client = in_state(state)
    assert heard(client, b"421 timeout\r\n") == [(None, 421)]
    assert client.state is State.CLOSED


@pytest.mark.parametrize("place", range(4))
def test_421_inside_a_group_answers_the_command_it_comes_for(place: int) -> None:
    client = ready("PIPELINING")
    verbs = [command.verb for command in (Mail(BOB), Rcpt(BOB), Rcpt(BOB), Data())]
    for command in (Mail(BOB), Rcpt(BOB), Rcpt(BOB), Data()):
        client.issue(command)
    found = heard(client, b"250 ok\r\n" * place + b"421 bye\r\n")
    assert found == [(verb, 250) for verb in verbs[:place]] + [(verbs[place], 421)]
    assert [command.verb for command, _, _ in client.unanswered] == verbs[place + 1 :]
    assert client.state is client.state_ahead is State.CLOSED


def test_nothing_opens_a_session_again_that_421_has_closed() -> None:
    client = ready(*ALL)
    client.issue_group((command, None) for command in (Mail(BOB), Rcpt(BOB), Data()))
    assert heard(client, b"421 bye\r\n250 ok\r\n354 go\r\n")[0] == ("MAIL", 421)
    assert client.state is State.CLOSED
    with pytest.raises(LocalProtocolError):
        client.end_mail_data(b"")


def test_refusal_inside_a_group_changes_what_may_follow() -> None:
    client = ready("PIPELINING")
    for command in (Mail(BOB), Rcpt(BOB)):
        client.issue(command)
    assert client.state_ahead is State.RCPT
    heard(client, b"550 no\r\n")
    assert client.state_ahead is State.READY
    with pytest.raises(LocalProtocolError):
        client.issue(Data())
    client.issue(Mail(BOB))


def test_tls_begins_after_the_220_alone() -> None:
    client = in_state(State.TLS, *ALL)
    client.begin_tls()
    client.end_tls()
    assert client.state is State.GREETED
    assert not client.extensions.keywords
    assert not client.is_authenticated
    with pytest.raises(LocalProtocolError):
        ready(*ALL).begin_tls()


@pytest.mark.parametrize(
    "rest",
    [
        *(b"2", b"\n", b"250 in", b"250 injected\r\n", b"\x16\x03\x01"),
        # The first lines of a reply, whose last one TLS would bring.
        *(b"250-injected\r\n", b"250-x\r\n250-AUTH PLAIN\r\n", b"250-x\r\n2"),
    ],
)
def test_clear_text_behind_the_220_ends_the_connection(rest: bytes) -> None:
    """CVE-2011-0411."""

    def hand_shake(client: Client) -> None:
        heard(client, b"220 go\r\n" + rest)
        client.begin_tls()

    client = asking(StartTls())()
    with pytest.raises(RemoteProtocolError, match="clear text"):
        hand_shake(client)
    assert client.state is State.CLOSED
    with pytest.raises(LocalProtocolError):
        client.issue(EHLO)


def test_pipelining_before_tls_is_not_pipelining_after_it() -> None:
    client = in_state(State.TLS, *ALL)
    client.begin_tls()
    client.end_tls()
    asked(client, EHLO, b"250-mx\r\n250 SIZE 10\r\n")
    client.issue(Mail(BOB))
    with pytest.raises(LocalProtocolError, match="must wait"):
        client.issue(Rcpt(BOB))


def test_tls_is_begun_once_and_login_starts_anew_under_it() -> None:
    client = ready(*ALL)
    asked(client, Auth("PLAIN"), b"235 ok\r\n")
    asked(client, StartTls(), b"220 go\r\n")
    client.begin_tls()
    client.end_tls()
    assert client.is_secure
    assert not client.is_authenticated
    asked(client, EHLO, ehlo_reply("mx", ALL).to_bytes())
    with pytest.raises(LocalProtocolError, match="TLS is already active"):
        client.issue(StartTls())
    client.issue(Auth("PLAIN"))


def test_reply_right_before_the_end_of_the_connection_counts() -> None:
    client = with_end()
    client.receive_data(b"250 ok\r\n")
    client.receive_data(b"")
    item = client.next_reply()
    assert isinstance(item, Exchange)
    assert item.reply.code == 250
    assert client.next_reply() is CLOSED


@pytest.mark.parametrize("octets", [b"", b"250", b"250 ok", b"250 ok\r", b"250-a\r\n"])
def test_end_of_the_connection_inside_a_reply_is_no_reply(octets: bytes) -> None:
    client = with_end()
    if octets:
        client.receive_data(octets)
    client.receive_data(b"")
    assert client.next_reply() is CLOSED
    assert client.is_inside_reply is bool(octets)
    assert client.outstanding == 1


def test_tags_and_octets_come_back_with_the_reply() -> None:
    client = Client("greeting")
    client.receive_data(b"220 mx\r\n")
    item = client.next_reply()
    assert isinstance(item, Exchange)
    assert (item.tag, item.octets_sent, item.octets_received) == ("greeting", 0, 8)
    client.issue(EHLO, 7)
    assert client.next_unanswered == (EHLO, 7, 21)
    client.receive_data(b"250-mx\r\n250 SIZE\r\n")
    item = client.next_reply()
    assert isinstance(item, Exchange)
    assert (item.command, item.tag) == (EHLO, 7)
    assert (item.octets_sent, item.octets_received) == (21, 18)
    assert client.next_unanswered is None


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (Raw("ETRN example.org"), "does not offer ETRN"),
        (XClient((("NAME", "x"),)), "does not offer XCLIENT"),
    ],
)
def test_command_of_an_extension_that_is_not_offered_is_refused(
    command: Command, complaint: str
) -> None:
    with pytest.raises(LocalProtocolError, match=complaint):
        in_state(State.READY).issue(command)


def test_xclient_says_only_what_the_server_lists() -> None:
    with pytest.raises(LocalProtocolError, match="PORT: the server takes NAME, ADDR alone"):
        in_state(State.READY, *ALL).issue(XClient((("PORT", "25"),)))


def test_after_xclient_nothing_is_known_of_the_server() -> None:
    client = in_state(State.READY, *ALL)
    asked(client, Auth("PLAIN"), b"235 ok\r\n")
    asked(client, XClient((("NAME", "x"),)), b"220 mx\r\n")
    assert client.state is State.GREETED
    assert not client.extensions.keywords
    assert not client.is_authenticated
