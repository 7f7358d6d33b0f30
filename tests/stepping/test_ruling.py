"""Ruling: every command in every state, held against RFC 5321 section 4.1.4 and its kin."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smtpbook.protocol.extensions import Extensions
from smtpbook.protocol.replies import Reply
from smtpbook.protocol.states import TABLE, State, allowed_verbs
from smtpbook.stepping.ruling import rule
from smtpbook.stepping.situation import DEAF, OBSOLETE, Situation, masked

ALL = Extensions.from_reply(
    Reply(
        code=250,
        lines=("mx", "STARTTLS", "AUTH PLAIN", "CHUNKING", "ETRN", "XCLIENT ADDR", "SIZE"),
    )
)
LINES = {
    "EHLO": "EHLO me.test",
    "HELO": "HELO me.test",
    "STARTTLS": "STARTTLS",
    "AUTH": "AUTH PLAIN",
    "MAIL": "MAIL FROM:<a@x.test>",
    "RCPT": "RCPT TO:<b@y.test>",
    "DATA": "DATA",
    "BDAT": "BDAT 5",
    "BDAT LAST": "BDAT 5 LAST",
    "RSET": "RSET",
    "NOOP": "NOOP",
    "HELP": "HELP",
    "VRFY": "VRFY bob",
    "EXPN": "EXPN staff",
    "ETRN": "ETRN example.org",
    "XCLIENT": "XCLIENT ADDR=192.0.2.1",
    "QUIT": "QUIT",
}
ANYWHERE = {"EHLO", "HELO", "RSET", "NOOP", "HELP", "VRFY", "EXPN", "QUIT"}
# Written from the RFCs, not from the table: what else is in order where.
ORDER = {
    State.GREETED: ANYWHERE,
    State.READY: {*ANYWHERE, "STARTTLS", "AUTH", "MAIL", "ETRN", "XCLIENT"},
    State.MAIL: {*ANYWHERE, "RCPT"},
    State.RCPT: {*ANYWHERE, "RCPT", "DATA", "BDAT", "BDAT LAST"},
    State.CHUNKS: {*ANYWHERE, "BDAT", "BDAT LAST"},
    State.REFUSED: {"QUIT"},
}


def at(state: State, **more: object) -> Situation:
    return replace(Situation(state=state, extensions=ALL), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("state", ORDER, ids=lambda state: state.name)
def test_a_command_is_in_order_where_the_rfc_has_it_and_nowhere_else(
    state: State, subtests: pytest.Subtests
) -> None:
    for verb, line in LINES.items():
        with subtests.test(verb):
            found = rule(at(state), line)
            assert found.kind == ("in order" if verb in ORDER[state] else "out of order")
            assert found.is_right == (found.kind == "in order")
            assert "RFC" in found.source or verb == "XCLIENT"
            if not found.is_right:
                assert found.codes[0] == 503


@pytest.mark.parametrize("verb", OBSOLETE)
def test_verbs_of_rfc_821_are_obsolete_where_they_would_be_in_order(verb: str) -> None:
    line = verb if verb == "TURN" else f"{verb} FROM:<a@x.test>"
    found = rule(at(State.READY), line)
    assert (found.kind, 502 in found.codes) == ("obsolete", True)
    assert "appendix F" in found.source
    assert rule(at(State.MAIL), line).kind == "out of order"


@pytest.mark.parametrize(
    ("state", "line", "section", "says"),
    [
        (State.GREETED, "MAIL FROM:<a@x.test>", "RFC 5321 section 4.1.4", "EHLO"),
        (State.READY, "RCPT TO:<b@y.test>", "RFC 5321 section 3.3", "without a MAIL"),
        (State.READY, "DATA", "RFC 5321 section 3.3", "accepted RCPT"),
        (State.MAIL, "MAIL FROM:<a@x.test>", "RFC 5321 section 4.1.4", "do not nest"),
        (State.MAIL, "DATA", "RFC 5321 section 3.3", "No recipient"),
        (State.RCPT, "AUTH PLAIN", "RFC 4954 section 4", "transaction"),
        (State.RCPT, "STARTTLS", "RFC 5321 section 4.1.4", "end it"),
        (State.CHUNKS, "DATA", "RFC 3030 section 2", "not mixed"),
        (State.REFUSED, "EHLO me.test", "RFC 5321 section 3.1", "QUIT"),
    ],
)
def test_a_bad_sequence_is_explained_by_its_section(
    state: State, line: str, section: str, says: str
) -> None:
    found = rule(at(state), line)
    assert found.source == section
    assert says in found.says


@pytest.mark.parametrize(
    ("line", "kind", "code", "says"),
    [
        ("MIAL FROM:<a@x.test>", "unknown", 500, "did you mean 'MAIL'"),
        ("Dear server,", "unknown", 500, "No command"),
        ("", "unknown", 500, "No command"),
        (".", "unknown", 500, "No command"),
        ("GREETING", "unknown", 500, "No command"),
        ("MAIL TO:<a@x.test>", "wrong arguments", 501, "FROM:<address>"),
        ("MAIL FROM:a@x.test", "wrong arguments", 501, "FROM:<address>"),
        ("EHLO", "wrong arguments", 501, "hostname"),
        ("QUIT now", "wrong arguments", 501, "no argument"),
        ("LHLO me.test", "unknown", 500, "opened with EHLO"),
        ("AUTH CRAM-MD5", "not offered", 504, "it offers PLAIN"),
        ("AUTH PLAIN [redacted]", "in order", 235, "login"),
        ("MAIL FROM:<a@x.test> RET=FULL", "not offered", 555, "parameter"),
    ],
)
def test_what_is_wrong_with_a_line_is_told_with_the_code_that_is_due(
    line: str, kind: str, code: int, says: str
) -> None:
    found = rule(at(State.READY), line)
    assert (found.kind, found.codes[0]) == (kind, code)
    assert says.lower() in found.says.lower()


def test_what_has_happened_counts_besides_the_state() -> None:
    assert rule(at(State.READY, is_secure=True), "STARTTLS").source.startswith("RFC 3207")
    assert rule(at(State.READY, is_authenticated=True), "AUTH PLAIN").codes == (503,)
    plain = Situation(state=State.READY)
    assert rule(plain, "STARTTLS").kind == "not offered"
    assert rule(replace(plain, state=State.RCPT), "BDAT 5 LAST").kind == "not offered"


def test_mail_data_is_what_it_is_and_only_the_lone_dot_gets_a_reply() -> None:
    data = at(State.DATA)
    assert rule(data, "QUIT").kind == "mail data"
    assert rule(data, "QUIT").codes == ()
    assert rule(data, ".hidden").source == "RFC 5321 section 4.5.2"
    assert rule(data, ".").codes == (250,)
    assert "RFC 2033" in rule(replace(data, protocol="lmtp"), ".").source


def test_a_challenge_takes_base64_or_an_asterisk() -> None:
    challenge = at(State.AUTH)
    assert rule(challenge, "AGFubg==").kind == "in order"
    assert rule(challenge, "[redacted]").kind == "in order"
    assert rule(challenge, "*").codes == (501,)
    assert rule(challenge, "QUIT?").kind == "wrong arguments"


def test_lmtp_is_opened_with_its_own_word() -> None:
    lmtp = at(State.GREETED, protocol="lmtp")
    assert rule(lmtp, "LHLO me.test").kind == "in order"
    assert rule(lmtp, "EHLO me.test").source == "RFC 2033 section 4.1"
    assert lmtp.proposed.startswith("LHLO ")


@pytest.mark.parametrize("state", State)
def test_what_is_proposed_is_in_order_and_leads_on(state: State) -> None:
    now = at(state)
    if state in DEAF:
        assert now.proposed == ""
        assert now.choices == now.mistakes == ()
        assert rule(now, "NOOP").kind == "not heard"
        return
    assert rule(now, now.proposed).is_right
    for name, line in now.choices:
        assert rule(now, line).is_right, name
    for name, line in now.mistakes:
        assert not rule(now, line).is_right or state is State.DATA, name


@pytest.mark.parametrize("state", [one for one in State if one not in DEAF])
def test_every_way_out_of_a_state_can_be_chosen(state: State) -> None:
    verbs = {verb for verb in allowed_verbs(state) if verb not in OBSOLETE}
    now = at(state)
    if state in (State.AUTH, State.DATA):
        assert len(now.choices) == 2
    else:
        assert {name.removesuffix(" PLAIN") for name, _ in now.choices} == verbs
        assert verbs == {verb for one, verb in TABLE if one is state} - {
            *("LHLO", *OBSOLETE),
            *(["DATA"] if state is State.MAIL else []),
        }


@pytest.mark.parametrize(
    ("state", "line", "shown"),
    [
        (State.READY, "auth plain AGFubgBz", "auth plain [redacted]"),
        (State.READY, "AUHT PLAIN AGFubgBz", "AUHT PLAIN [redacted]"),
        (State.READY, "Auth AGFubgBz=", "Auth [redacted]"),
        (State.READY, "AUTH", "AUTH"),
        (State.READY, "authenticate login", "authenticate login"),
        (State.READY, "authenticate login s3cret x", "authenticate login [redacted]"),
        (State.READY, "HELLO there, you", "HELLO there, you"),
        (State.READY, "VRFY ann or ben", "VRFY ann or ben"),
        (State.AUTH, "AGFubgBz", "[redacted]"),
        (State.AUTH, "my password", "[redacted]"),
        (State.AUTH, "*", "*"),
        (State.DATA, "AUTH PLAIN is a command", "AUTH PLAIN is a command"),
    ],
)
def test_what_a_login_says_is_not_shown(state: State, line: str, shown: str) -> None:
    assert masked(state, line) == shown
