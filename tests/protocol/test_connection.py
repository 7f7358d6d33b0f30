"""The client breaks no rule, and says what it refuses to say."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from smtpbook.errors import LocalProtocolError, RemoteProtocolError
from smtpbook.protocol.commands import (
    Auth,
    AuthResponse,
    Bdat,
    Command,
    Data,
    Helo,
    Mail,
    Quit,
    Raw,
    Rcpt,
    Rset,
    StartTls,
    encode,
)
from smtpbook.protocol.connection import Client
from smtpbook.protocol.mail_data import stuff
from smtpbook.protocol.states import State
from tests.protocol.clients import asked, greeted, heard, in_state, ready
from tests.protocol.words import ALL, ALLOWED, BOB, EHLO, JURGEN, SAID


@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_command_out_of_order_is_refused_before_an_octet(
    state: State, subtests: pytest.Subtests
) -> None:
    for name, command in SAID.items():
        client = in_state(state, *ALL)
        waiting = client.outstanding
        with subtests.test(name):
            if name in ALLOWED[state]:
                assert client.issue(command) == encode(command)
                assert client.outstanding == waiting + 1
                continue
            with pytest.raises(
                LocalProtocolError, match=r"not allowed now|must wait|no command of"
            ):
                client.issue(command)
            assert (client.outstanding, client.state) == (waiting, state)


def test_refusal_names_what_is_allowed() -> None:
    with pytest.raises(LocalProtocolError, match=r"DATA is not allowed now \(reverse-path"):
        in_state(State.MAIL).issue(Data())
    with pytest.raises(LocalProtocolError, match=r"allowed: END-OF-DATA$"):
        in_state(State.DATA).issue(Rset())


def test_data_needs_an_accepted_recipient_once_the_replies_are_in() -> None:
    client = ready("PIPELINING")
    client.issue(Mail(BOB))
    client.issue(Rcpt(BOB))
    assert heard(client, b"250 ok\r\n550 no\r\n") == [("MAIL", 250), ("RCPT", 550)]
    with pytest.raises(LocalProtocolError, match="DATA is not allowed now"):
        client.issue(Data())


def test_data_may_be_pipelined_behind_a_recipient_that_is_then_refused() -> None:
    client = ready("PIPELINING")
    for command in (Mail(BOB), Rcpt(BOB), Data()):
        client.issue(command)
    assert heard(client, b"250 ok\r\n550 no\r\n554 none\r\n")[-1] == ("DATA", 554)
    assert client.state is State.MAIL


@pytest.mark.parametrize("keywords", [(), ("SIZE 10", "8BITMIME")])
def test_nothing_is_pipelined_without_pipelining(keywords: tuple[str, ...]) -> None:
    client = ready(*keywords)
    client.issue(Mail(BOB))
    with pytest.raises(LocalProtocolError, match="RCPT must wait for the reply to MAIL"):
        client.issue(Rcpt(BOB))
    assert client.outstanding == 1


@pytest.mark.parametrize(
    ("before", "last", "then"),
    [
        (State.READY, EHLO, Mail(BOB)),
        (State.READY, Helo("client.example"), Mail(BOB)),
        (State.RCPT, Data(), Rset()),
        (State.READY, Raw("VRFY bob"), Mail(BOB)),
        (State.READY, Raw("EXPN list"), Mail(BOB)),
        (State.READY, Raw("NOOP"), Mail(BOB)),
        (State.READY, Raw("HELP"), Mail(BOB)),
        (State.READY, StartTls(), Mail(BOB)),
        (State.READY, Auth("PLAIN"), Mail(BOB)),
        (State.READY, Quit(), Mail(BOB)),
    ],
    ids=lambda value: getattr(value, "verb", None),
)
def test_nothing_goes_behind_what_must_be_last_of_its_group(
    before: State, last: Command, then: Command
) -> None:
    client = in_state(before, *ALL)
    client.issue(Rset())
    for command in [] if before is State.READY else [Mail(BOB), Rcpt(BOB)]:
        client.issue(command)
    client.issue(last)
    waiting = client.outstanding
    with pytest.raises(LocalProtocolError):
        client.issue(then)
    assert client.outstanding == waiting


def test_nothing_goes_behind_the_greeting_that_has_not_come() -> None:
    with pytest.raises(LocalProtocolError):
        Client().issue(EHLO)


ENVELOPE = (Rset(), Mail(BOB), Rcpt(BOB), Rcpt(BOB), Data())


@pytest.mark.parametrize(
    "write",
    [
        lambda client: b"".join(client.issue(command) for command in ENVELOPE),
        lambda client: client.issue_group([(command, None) for command in ENVELOPE]),
    ],
    ids=["one by one", "as a group"],
)
def test_one_group_holds_a_whole_envelope(write: Callable[[Client], bytes]) -> None:
    client = ready("PIPELINING")
    assert write(client) == (
        b"RSET\r\nMAIL FROM:<bob@example.org>\r\nRCPT TO:<bob@example.org>\r\n"
        b"RCPT TO:<bob@example.org>\r\nDATA\r\n"
    )
    assert client.state_ahead is State.DATA
    with pytest.raises(LocalProtocolError, match=r"must wait|not allowed"):
        client.issue(Rset())


def test_group_is_refused_at_the_command_that_does_not_belong() -> None:
    client = ready("PIPELINING")
    with pytest.raises(LocalProtocolError, match="DATA is not allowed"):
        client.issue_group([(Mail(BOB), 1), (Data(), 2), (Rset(), 3)])
    assert [tag for _, tag, _ in client.unanswered] == [1]


def test_next_envelope_goes_behind_the_mail_data() -> None:
    client = in_state(State.DATA, "PIPELINING")
    octets = client.end_mail_data(b"hi\r\n") + client.issue(Mail(BOB))
    assert octets == b"hi\r\n.\r\nMAIL FROM:<bob@example.org>\r\n"
    assert heard(client, b"250 ok\r\n250 ok\r\n") == [("END-OF-DATA", 250), ("MAIL", 250)]


def test_next_envelope_waits_for_the_verdict_without_pipelining() -> None:
    client = in_state(State.DATA)
    client.end_mail_data(b"hi\r\n")
    with pytest.raises(LocalProtocolError, match="must wait for the reply to END-OF-DATA"):
        client.issue(Mail(BOB))


@pytest.mark.parametrize(
    ("command", "state", "needs"),
    [
        (Mail(BOB, (("SIZE", "1"),)), State.READY, "SIZE 1000"),
        (Mail(BOB, (("BODY", "8BITMIME"),)), State.READY, "8BITMIME"),
        (Mail(BOB, (("SMTPUTF8", None),)), State.READY, "SMTPUTF8"),
        (Mail(BOB, (("AUTH", "<>"),)), State.READY, "AUTH PLAIN"),
        (Mail(BOB, (("RET", "HDRS"),)), State.READY, "DSN"),
        (Mail(BOB, (("X-THING", None),)), State.READY, "X-THING"),
        (Mail(JURGEN), State.READY, "SMTPUTF8"),
        (Rcpt(JURGEN), State.MAIL, "SMTPUTF8"),
        (Rcpt(BOB, (("NOTIFY", "NEVER"),)), State.MAIL, "DSN"),
        (StartTls(), State.READY, "STARTTLS"),
        (Auth("PLAIN"), State.READY, "AUTH PLAIN"),
        (Bdat(1), State.RCPT, "CHUNKING"),
        (Bdat(1, True), State.RCPT, "CHUNKING"),
    ],
    ids=lambda value: getattr(value, "line", None),
)
def test_extension_is_used_only_where_it_is_offered(
    command: Command, state: State, needs: str
) -> None:
    others = [keyword for keyword in ALL if keyword != needs]
    with pytest.raises(LocalProtocolError, match=r"not offer") as info:
        in_state(state, *others).issue(command)
    assert needs.split()[0] in str(info.value)
    client = in_state(state, needs)
    client.issue(command)
    assert client.outstanding == 1


def test_helo_brings_no_extension_and_takes_away_what_ehlo_brought() -> None:
    client = ready(*ALL)
    asked(client, Helo("client.example"), b"250-mx\r\n250 PIPELINING\r\n")
    assert not client.extensions.keywords


def test_refused_ehlo_changes_nothing() -> None:
    client = ready(*ALL)
    asked(client, EHLO, b"451 later\r\n")
    assert client.extensions.has_pipelining
    assert client.state is State.READY


@pytest.mark.parametrize("state", [State.MAIL, State.RCPT, State.CHUNKS])
def test_ehlo_ends_a_transaction(state: State) -> None:
    client = in_state(state, *ALL)
    asked(client, EHLO, b"250 mx\r\n")
    assert client.state is State.READY


def test_login_is_allowed_once() -> None:
    client = ready("AUTH PLAIN")
    asked(client, Auth("PLAIN", b"\0a\0b"), b"235 ok\r\n")
    assert client.is_authenticated
    with pytest.raises(LocalProtocolError, match="already logged in"):
        client.issue(Auth("PLAIN"))


@pytest.mark.parametrize("reply", [b"535 no\r\n", b"454 later\r\n"])
def test_login_that_failed_may_be_tried_again(reply: bytes) -> None:
    client = ready("AUTH PLAIN")
    asked(client, Auth("PLAIN"), b"334 \r\n")
    asked(client, AuthResponse(b"x"), reply)
    assert client.state is State.READY
    client.issue(Auth("PLAIN"))


def test_exchange_of_several_challenges() -> None:
    client = ready("AUTH LOGIN")
    asked(client, Auth("LOGIN"), b"334 VXNlcm5hbWU6\r\n")
    asked(client, AuthResponse(b"ann"), b"334 UGFzc3dvcmQ6\r\n")
    assert client.issue(AuthResponse(b"pw")) == b"cHc=\r\n"
    heard(client, b"235 ok\r\n")
    assert client.is_authenticated
    assert client.state is State.READY


@pytest.mark.parametrize("data", [b"", b"\r\n", b"hi\r\n", b".\r\n"])
def test_mail_data_is_stuffed_and_ended(data: bytes) -> None:
    client = in_state(State.DATA)
    assert client.end_mail_data(data) == stuff(data)
    assert client.outstanding == 1


@pytest.mark.parametrize("data", [b"hi", b"hi\n", b"hi\r", b"\n"])
def test_mail_data_must_end_in_crlf(data: bytes) -> None:
    client = in_state(State.DATA)
    with pytest.raises(LocalProtocolError, match="CRLF"):
        client.end_mail_data(data)
    assert client.outstanding == 0


@pytest.mark.parametrize(
    "state", [state for state in State if state is not State.DATA], ids=lambda s: s.name
)
def test_mail_data_needs_a_354(state: State) -> None:
    with pytest.raises(LocalProtocolError, match="354"):
        in_state(state, *ALL).end_mail_data(b"hi\r\n")


def test_mail_data_is_given_once() -> None:
    client = in_state(State.DATA)
    client.end_mail_data(b"hi\r\n")
    with pytest.raises(LocalProtocolError, match="354"):
        client.end_mail_data(b"hi\r\n")


def test_mail_data_does_not_go_with_its_data() -> None:
    client = in_state(State.RCPT, "PIPELINING")
    client.issue(Data())
    with pytest.raises(LocalProtocolError, match="354"):
        client.end_mail_data(b"hi\r\n")


# -- lessons: any line, but for what would break the framing


@pytest.mark.parametrize(
    "line",
    ["XYZZY", "SEND FROM:<a@b.example>", "RCPT TO:<a@b.example>", "DATA", "", "MAIL"],
)
@pytest.mark.parametrize("state", [State.GREETED, State.READY, State.MAIL, State.REFUSED])
def test_lesson_may_say_any_line(state: State, line: str) -> None:
    client = in_state(state)
    assert client.issue(Raw(line), strict=False) == line.encode() + b"\r\n"
    assert heard(client, b"500 what?\r\n")[0][1] == 500
    assert client.state is state


@pytest.mark.parametrize("state", [State.CONNECTED, State.TLS, State.DATA, State.CLOSED])
def test_lesson_may_not_speak_where_a_line_is_no_command(state: State) -> None:
    with pytest.raises(LocalProtocolError):
        in_state(state, *ALL).issue(Raw("NOOP"), strict=False)


def test_lesson_may_not_inject_nor_pipeline() -> None:
    client = ready("PIPELINING")
    with pytest.raises(LocalProtocolError):
        client.issue(Raw("NOOP\r\nQUIT"), strict=False)
    client.issue(Raw("XYZZY"), strict=False)
    with pytest.raises(LocalProtocolError):
        client.issue(Raw("XYZZY"), strict=False)
    with pytest.raises(LocalProtocolError, match="must wait for the reply to XYZZY"):
        client.issue(Mail(BOB))


def test_seed_dialogue_can_be_spoken_word_for_word() -> None:
    """SEND FROM, and a 354 after the only RCPT got 450."""
    client = greeted()
    for line, reply, state in (
        ("HELO MIT-MC.ARPA", b"250 SU-SCORE.ARPA\r\n", State.READY),
        ("SEND FROM:<EAK@MIT-MC.ARPA>", b"250 OK\r\n", State.MAIL),
        ("RCPT TO:<Admin.MRC@SU-SCORE.ARPA>", b"450 User not active now\r\n", State.MAIL),
        ("DATA", b"354 Start mail input\r\n", State.DATA),
    ):
        client.issue(Raw(line), strict=False)
        heard(client, reply)
        assert client.state is state
    assert client.end_mail_data(b"Blah blah blah...\r\n") == b"Blah blah blah...\r\n.\r\n"
    heard(client, b"250 OK\r\n")
    assert client.state is State.READY


@pytest.mark.parametrize("line", ["XYZZY", "RCPT TO:<a@b.example>", "DATUM", ""])
def test_lesson_does_not_make_a_354_to_anything_but_data_good(line: str) -> None:
    client = greeted()
    client.issue(Raw(line), strict=False)
    with pytest.raises(RemoteProtocolError, match=r"354 cannot be a reply to"):
        heard(client, b"354 go\r\n")


def test_lesson_may_get_a_354_to_data_anywhere() -> None:
    client = greeted()
    client.issue(Raw("DATA"), strict=False)
    heard(client, b"354 go\r\n")
    assert client.state is State.DATA


def test_starttls_before_ehlo_leads_to_the_handshake_all_the_same() -> None:
    client = greeted()
    client.issue(Raw("STARTTLS"), strict=False)
    heard(client, b"220 go\r\n")
    assert client.state is State.TLS
