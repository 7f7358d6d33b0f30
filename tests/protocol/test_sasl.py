"""A mechanism speaks as its document says, nothing twice and no secret in clear text."""

from __future__ import annotations

import pytest

from smtpbook.errors import LocalProtocolError
from smtpbook.protocol.sasl import MECHANISMS, ServerMechanism, choose, client

NONCE = "<1896.697170952@postoffice.reston.mci.net>"
PASSWORDS = {"tim": "tanstaaftanstaaf", "jürgen": "schlüssel", "empty": ""}


def test_plain_is_the_example_of_rfc_4616() -> None:
    assert client("PLAIN", "tim", "tanstaaftanstaaf").start() == b"\0tim\0tanstaaftanstaaf"


def test_cram_md5_is_the_example_of_rfc_2195() -> None:
    mechanism = client("CRAM-MD5", "tim", "tanstaaftanstaaf")
    assert mechanism.start() is None
    assert mechanism.respond(NONCE.encode()) == b"tim b913a602c7eda7a495b4e6e7334d3890"


def test_login_gives_name_and_password_whatever_the_prompts_say() -> None:
    mechanism = client("LOGIN", "tim", "pw")
    assert mechanism.start() is None
    assert [mechanism.respond(b"?"), mechanism.respond(b"Username:")] == [b"tim", b"pw"]


def test_xoauth2_is_the_example_of_its_documentation() -> None:
    mechanism = client(
        "XOAUTH2", "someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"
    )
    assert mechanism.start() == (
        b"user=someuser@example.com\1auth=Bearer "
        b"ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\1\1"
    )
    assert mechanism.respond(b'{"status":"401"}') == b""


def exchange(name: str, username: str, secret: str, *, sends_initial: bool = True) -> bool:
    """Let both sides talk until there is a verdict."""
    ours = client(name, username, secret)
    theirs = ServerMechanism(name, PASSWORDS, nonce=NONCE)
    turn = theirs.turn(ours.start() if sends_initial else None)
    while isinstance(turn, bytes):
        turn = theirs.turn(ours.respond(turn))
    return turn


@pytest.mark.parametrize("sends_initial", [True, False])
@pytest.mark.parametrize("name", MECHANISMS)
@pytest.mark.parametrize(
    ("username", "secret", "verdict"),
    [
        ("tim", "tanstaaftanstaaf", True),
        ("jürgen", "schlüssel", True),
        ("empty", "", True),
        ("tim", "wrong", False),
        ("tim", "", False),
        ("nobody", "", False),
        ("nobody", "tanstaaftanstaaf", False),
        ("Tim", "tanstaaftanstaaf", False),
        ("", "", False),
    ],
)
def test_client_and_server_agree_on_who_may_come_in(
    name: str, username: str, secret: str, verdict: bool, sends_initial: bool
) -> None:
    assert exchange(name, username, secret, sends_initial=sends_initial) is verdict


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"\0",
        b"\0\0",
        b"tim",
        b"\xff\xfe",
        b"\0\xff\0\xff",
        b"tim \xff",
        b"\1\1",
        b"user=tim",
        b"auth=Bearer tanstaaftanstaaf",
        b"tim " + b"0" * 32,
        "tim ü".encode(),
    ],
)
@pytest.mark.parametrize("name", MECHANISMS)
def test_server_refuses_nonsense_without_breaking(name: str, response: bytes) -> None:
    theirs = ServerMechanism(name, PASSWORDS, nonce=NONCE)
    turn = theirs.turn(response)
    if isinstance(turn, bytes):
        turn = theirs.turn(response)
    assert turn is False


def test_server_lets_nobody_act_for_another() -> None:
    theirs = ServerMechanism("PLAIN", PASSWORDS, nonce=NONCE)
    assert theirs.turn(b"admin\0tim\0tanstaaftanstaaf") is False
    assert theirs.turn(b"tim\0tim\0tanstaaftanstaaf") is True


@pytest.mark.parametrize(
    ("name", "turns"), [("PLAIN", 1), ("LOGIN", 2), ("CRAM-MD5", 1), ("XOAUTH2", 2)]
)
def test_server_that_asks_on_and_on_gets_nothing_twice(name: str, turns: int) -> None:
    mechanism = client(name, "tim", "secret")
    mechanism.start()
    said = [mechanism.respond(b"") for _ in range(turns)]
    assert len(set(said)) == turns
    with pytest.raises(LocalProtocolError, match="asks for more") as info:
        mechanism.respond(b"")
    assert "secret" not in str(info.value)


def test_token_is_not_repeated_behind_an_error() -> None:
    mechanism = client("XOAUTH2", "tim", "secret")
    mechanism.start()
    assert mechanism.respond(b'{"status":"401"}') == b""
    with pytest.raises(LocalProtocolError):
        mechanism.respond(b"")


@pytest.mark.parametrize("name", MECHANISMS)
@pytest.mark.parametrize("text", ["a\0b", "a\1b", "a\ud800b"], ids=ascii)
def test_name_and_password_cannot_bring_a_field_of_their_own(name: str, text: str) -> None:
    for username, secret in ((text, "pw"), ("tim", text)):
        with pytest.raises(LocalProtocolError) as info:
            client(name, username, secret)
        assert text not in str(info.value)
        assert info.value.__cause__ is None


@pytest.mark.parametrize(
    ("wanted", "offered", "is_private", "chosen"),
    [
        ("auto", "PLAIN LOGIN", True, "PLAIN"),
        ("auto", "LOGIN PLAIN", True, "PLAIN"),
        ("auto", "LOGIN", True, "LOGIN"),
        ("auto", "PLAIN CRAM-MD5 LOGIN", True, "CRAM-MD5"),
        ("auto", "PLAIN CRAM-MD5 LOGIN", False, "CRAM-MD5"),
        ("auto", "XOAUTH2 PLAIN", True, "PLAIN"),
        ("plain", "PLAIN LOGIN", True, "PLAIN"),
        ("LOGIN", "PLAIN LOGIN", True, "LOGIN"),
        ("XOAUTH2", "PLAIN XOAUTH2", True, "XOAUTH2"),
        ("CRAM-MD5", "PLAIN CRAM-MD5", False, "CRAM-MD5"),
    ],
)
def test_mechanism_chosen(wanted: str, offered: str, is_private: bool, chosen: str) -> None:
    assert choose(wanted, offered.split(), is_private=is_private) == chosen


@pytest.mark.parametrize(
    ("wanted", "offered", "is_private", "why"),
    [
        ("auto", "", True, "no common mechanism: the server offers none"),
        ("auto", "XOAUTH2 GSSAPI", True, "no common mechanism"),
        ("auto", "PLAIN", False, "clear text"),
        ("auto", "PLAIN LOGIN", False, "clear text"),
        ("PLAIN", "PLAIN", False, "clear text"),
        ("LOGIN", "LOGIN", False, "clear text"),
        ("XOAUTH2", "XOAUTH2", False, "clear text"),
        ("PLAIN", "LOGIN", True, "does not offer PLAIN"),
        ("CRAM_MD5", "CRAM-MD5", True, "did you mean 'CRAM-MD5'"),
        ("GSSAPI", "GSSAPI", True, "not known here"),
    ],
)
def test_no_mechanism_is_forced_and_no_secret_goes_in_clear_text(
    wanted: str, offered: str, is_private: bool, why: str
) -> None:
    with pytest.raises(LocalProtocolError, match=why):
        choose(wanted, offered.split(), is_private=is_private)


@pytest.mark.parametrize("wanted", ["auto", *MECHANISMS])
def test_only_cram_md5_is_ever_chosen_without_tls(wanted: str) -> None:
    for offered in (MECHANISMS, MECHANISMS[::-1]):
        try:
            chosen = choose(wanted, offered, is_private=False)
        except LocalProtocolError:
            continue
        assert chosen == "CRAM-MD5"
