"""The client breaks no rule, and a server that breaks one is left."""

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
    XClient,
    encode,
)
from smtpbook.protocol.connection import CLOSED, Client, Exchange
from smtpbook.protocol.extensions import ehlo_reply
from smtpbook.protocol.mail_data import stuff
from smtpbook.protocol.states import State
from tests.protocol.words import ALL, BOB, EHLO, JURGEN, SAID


def heard(client: Client, octets: bytes) -> list[tuple[str | None, int]]:
    """Feed octets from the server; give each verb with its reply code."""
    client.receive_data(octets)
    found = []
    while isinstance(item := client.next_reply(), Exchange):
        found.append((item.command.verb if item.command else None, item.reply.code))
    return found


def asked(client: Client, command: Command, reply: bytes) -> None:
    client.issue(command)
    assert len(heard(client, reply)) == 1


def greeted() -> Client:
    client = Client()
    heard(client, b"220 mx\r\n")
    return client


def ready(*keywords: str) -> Client:
    client = greeted()
    asked(client, EHLO, ehlo_reply("mx", keywords).to_bytes())
    return client


def in_state(state: State, *keywords: str) -> Client:
    """Bring a client into a state by an ordinary conversation."""
    if state is State.CONNECTED:
        return Client()
    if state is State.REFUSED:
        client = Client()
        heard(client, b"554 no\r\n")
        return client
    client = greeted() if state is State.GREETED else ready(*keywords)
    for command, reply in {
        State.TLS: [(StartTls(), b"220 go\r\n")],
        State.AUTH: [(Auth("PLAIN"), b"334 \r\n")],
        State.MAIL: [(Mail(BOB), b"250 ok\r\n")],
        State.RCPT: [(Mail(BOB), b"250 ok\r\n"), (Rcpt(BOB), b"250 ok\r\n")],
        State.CHUNKS: [
            (Mail(BOB), b"250 ok\r\n"),
            (Rcpt(BOB), b"250 ok\r\n"),
            (Bdat(1), b"250 ok\r\n"),
        ],
        State.DATA: [
            (Mail(BOB), b"250 ok\r\n"),
            (Rcpt(BOB), b"250 ok\r\n"),
            (Data(), b"354 go\r\n"),
        ],
        State.CLOSED: [(Quit(), b"221 bye\r\n")],
    }.get(state, []):
        asked(client, command, reply)
    assert client.state is state
    return client


ANYWHERE = {"RSET", "NOOP", "VRFY", "EXPN", "HELP", "QUIT", "EHLO", "HELO"}
ALLOWED = {
    State.CONNECTED: set[str](),
    State.GREETED: ANYWHERE,
    State.REFUSED: {"QUIT"},
    State.TLS: set[str](),
    State.AUTH: {"RESPONSE"},
    State.READY: ANYWHERE | {"STARTTLS", "AUTH", "MAIL", "SEND", "XCLIENT", "ETRN", "TURN"},
    State.MAIL: ANYWHERE | {"RCPT"},
    State.RCPT: ANYWHERE | {"RCPT", "DATA", "BDAT", "BDAT LAST"},
    State.CHUNKS: ANYWHERE | {"BDAT", "BDAT LAST"},
    State.DATA: {"END-OF-DATA"},
    State.CLOSED: set[str](),
}


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


@pytest.mark.parametrize("rest", [b"2", b"250 in", b"250 injected\r\n", b"\x16\x03\x01"])
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
