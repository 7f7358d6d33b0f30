"""Which mechanism is chosen, both sides of each, and no secret where it does not belong."""

from __future__ import annotations

from itertools import product

import pytest

from smtpbook.errors import LocalProtocolError
from smtpbook.sasl import scram
from smtpbook.sasl.mechanism import ClientMechanism, Credentials, Known
from smtpbook.sasl.registry import (
    BY_DOMAIN,
    BY_PASSWORD,
    BY_TOKEN,
    MECHANISMS,
    choose,
    client,
    sends_secret,
    servable,
    server,
    tells_binding,
)

NONCE = "<1896.697170952@postoffice.reston.mci.net>"
# Those that both sides know by a user name and a secret.
BY_SECRET = (*BY_PASSWORD, *BY_TOKEN)
UNBOUND = tuple(name for name in BY_SECRET if not name.endswith("-PLUS"))
BINDING = bytes(range(32))
PASSWORDS = {
    "tim": "tanstaaftanstaaf",
    "jürgen": "schlüssel",
    "empty": "",
    "a,b=c": "commas, =2C",
}

KNOWN = Known(passwords=PASSWORDS, nonce=NONCE, binding=BINDING)


def ours(name: str, username: str = "tim", secret: str = "secret") -> ClientMechanism:
    credentials = Credentials(
        username=username,
        secret=secret,
        host="smtp.example.org",
        port=587,
        binding=BINDING if tells_binding(name, MECHANISMS) else b"",
    )
    return client(name, credentials)


# --- both sides ---------------------------------------------------------------------------


def exchange(name: str, username: str, secret: str, *, sends_initial: bool = True) -> bool:
    """Let both sides talk until there is a verdict."""
    try:
        mechanism = ours(name, username, secret)
    except LocalProtocolError:  # SCRAM is not begun without a user name
        assert not username
        return False
    theirs = server(name, KNOWN)
    turn = theirs.turn(mechanism.start() if sends_initial else None)
    while isinstance(turn, bytes):
        turn = theirs.turn(mechanism.respond(turn))
    return turn


@pytest.mark.parametrize(
    ("username", "secret", "verdict"),
    [
        ("tim", "tanstaaftanstaaf", True),
        ("jürgen", "schlüssel", True),
        ("empty", "", True),
        ("a,b=c", "commas, =2C", True),
        ("tim", "wrong", False),
        ("tim", "", False),
        ("nobody", "", False),
        ("nobody", "tanstaaftanstaaf", False),
        ("Tim", "tanstaaftanstaaf", False),
        ("", "", False),
    ],
)
def test_client_and_server_agree_on_who_may_come_in(
    username: str, secret: str, verdict: bool, subtests: pytest.Subtests
) -> None:
    for name, sends_initial in product(BY_SECRET, (True, False)):
        with subtests.test(name, sends_initial=sends_initial):
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
        b"n,a=tim,\1\1",
        b"n,,\1auth=Bearer tanstaaftanstaaf\1\1",
        b"y,a=tim,\1auth=Bearer tanstaaftanstaaf\1\1",
        b"n,tim,\1auth=Bearer tanstaaftanstaaf\1\1",
        b"n,a=tim,\1auth=Basic tanstaaftanstaaf\1\1",
        b"tim " + b"0" * 32,
        "tim ü".encode(),
    ],
)
def test_server_refuses_nonsense_without_breaking(
    response: bytes, subtests: pytest.Subtests
) -> None:
    for name in BY_SECRET:
        with subtests.test(name):
            theirs = server(name, KNOWN)
            turn = theirs.turn(response)
            if isinstance(turn, bytes):
                turn = theirs.turn(response)
            assert turn is False


@pytest.mark.parametrize(
    ("name", "turns"),
    [("PLAIN", 1), ("LOGIN", 2), ("CRAM-MD5", 1), ("OAUTHBEARER", 2), ("XOAUTH2", 2)],
)
def test_server_that_asks_on_and_on_gets_nothing_twice(name: str, turns: int) -> None:
    mechanism = ours(name)
    mechanism.start()
    said = [mechanism.respond(b"") for _ in range(turns)]
    assert len(set(said)) == turns
    with pytest.raises(LocalProtocolError, match="asks for more") as info:
        mechanism.respond(b"")
    assert "secret" not in str(info.value)


@pytest.mark.parametrize("name", BY_SECRET)
@pytest.mark.parametrize("text", ["a\0b", "a\1b", "a\ud800b"], ids=ascii)
def test_name_and_password_cannot_bring_a_field_of_their_own(name: str, text: str) -> None:
    for username, secret in ((text, "pw"), ("tim", text)):
        with pytest.raises(LocalProtocolError) as info:
            ours(name, username, secret)
        assert text not in str(info.value)
        assert info.value.__cause__ is None


def test_credentials_do_not_show_their_secret() -> None:
    assert "tanstaaf" not in repr(Credentials(username="tim", secret="tanstaaf"))
    assert "tanstaaf" not in repr(KNOWN)


@pytest.mark.parametrize(
    ("known", "names"),
    [
        (KNOWN, BY_SECRET),
        (Known(passwords=PASSWORDS, nonce=NONCE), UNBOUND),
        (Known(passwords={}, nonce=NONCE, binding=BINDING), ()),
        (Known(passwords={}, nonce=NONCE, identity="tim"), ("EXTERNAL",)),
        (Known(passwords={"anonymous": ""}, nonce=NONCE), (*UNBOUND, "ANONYMOUS")),
    ],
    ids=["TLS", "clear text", "nobody", "a certificate", "anybody"],
)
def test_server_offers_what_it_can_check(known: Known, names: tuple[str, ...]) -> None:
    assert servable(known) == names
    assert not set(names) & set(BY_DOMAIN)


@pytest.mark.parametrize(
    ("name", "offered", "tells"),
    [
        ("SCRAM-SHA-256", ("SCRAM-SHA-256", "PLAIN"), True),
        ("SCRAM-SHA-256", ("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"), False),
        ("SCRAM-SHA-256", ("SCRAM-SHA-256", "SCRAM-SHA-1-PLUS"), False),
        ("SCRAM-SHA-256-PLUS", ("SCRAM-SHA-256-PLUS",), True),
        ("NTLM", ("NTLM", "SCRAM-SHA-1-PLUS"), True),
        ("PLAIN", ("PLAIN",), False),
        ("GSSAPI", ("GSSAPI",), False),
    ],
)
def test_binding_is_not_spoken_of_to_a_server_whose_offer_was_passed_over(
    name: str, offered: tuple[str, ...], tells: bool
) -> None:
    """It would take the flag "y" for a sign that somebody had removed the offer."""
    assert tells_binding(name, offered) is tells


# --- the choice ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "offered", "is_private", "chosen"),
    [
        ("auto", "PLAIN LOGIN", True, "PLAIN LOGIN"),
        ("auto", "LOGIN PLAIN", True, "PLAIN LOGIN"),
        ("auto", "LOGIN", True, "LOGIN"),
        ("auto", "PLAIN CRAM-MD5 LOGIN", True, "CRAM-MD5 PLAIN LOGIN"),
        ("auto", "PLAIN CRAM-MD5 LOGIN", False, "CRAM-MD5"),
        ("auto", "XOAUTH2 OAUTHBEARER PLAIN", True, "PLAIN"),
        ("auto", "EXTERNAL ANONYMOUS GSSAPI NTLM LOGIN", True, "LOGIN"),
        ("auto", "PLAIN CRAM-MD5 SCRAM-SHA-1", True, "SCRAM-SHA-1 CRAM-MD5 PLAIN"),
        ("auto", "SCRAM-SHA-1-PLUS SCRAM-SHA-1 PLAIN", False, "SCRAM-SHA-1"),
        ("plain", "PLAIN LOGIN", True, "PLAIN"),
        ("LOGIN", "PLAIN LOGIN", True, "LOGIN"),
        ("XOAUTH2", "PLAIN XOAUTH2", True, "XOAUTH2"),
        ("OAUTHBEARER", "PLAIN OAUTHBEARER", True, "OAUTHBEARER"),
        ("CRAM-MD5", "PLAIN CRAM-MD5", False, "CRAM-MD5"),
        ("scram-sha-256", "PLAIN SCRAM-SHA-256 SCRAM-SHA-512", False, "SCRAM-SHA-256"),
        ("EXTERNAL", "PLAIN EXTERNAL", False, "EXTERNAL"),
        ("GSSAPI", "GSSAPI PLAIN", False, "GSSAPI"),
    ],
)
def test_mechanisms_chosen(
    wanted: str, offered: str, is_private: bool, chosen: str
) -> None:
    assert choose(wanted, offered.split(), is_private=is_private) == tuple(chosen.split())


def test_what_proves_most_and_tells_least_comes_first() -> None:
    for offered in (MECHANISMS, MECHANISMS[::-1]):
        names = choose("auto", offered, is_private=True, can_bind=True)
        assert names == (
            *("SCRAM-SHA-512-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"),
            *("SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"),
            *("CRAM-MD5", "PLAIN", "LOGIN"),
        )


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"),
    [
        ("auto", "PLAIN LOGIN XOAUTH2", "XOAUTH2"),
        ("auto", "PLAIN OAUTHBEARER", "OAUTHBEARER"),
        ("auto", "PLAIN XOAUTH2 OAUTHBEARER", "OAUTHBEARER XOAUTH2"),
        ("xoauth2", "PLAIN XOAUTH2 OAUTHBEARER", "XOAUTH2"),
    ],
)
def test_a_token_goes_where_tokens_are_taken(
    wanted: str, offered: str, chosen: str
) -> None:
    names = choose(wanted, offered.split(), is_private=True, serves=BY_TOKEN)
    assert names == tuple(chosen.split())


@pytest.mark.parametrize("wanted", ["auto", *BY_PASSWORD])
@pytest.mark.parametrize("is_private", [True, False])
def test_a_token_is_never_sent_as_a_password(wanted: str, is_private: bool) -> None:
    with pytest.raises(LocalProtocolError, match=r"this secret, which|this secret serves"):
        choose(wanted, BY_PASSWORD, is_private=is_private, serves=BY_TOKEN)


@pytest.mark.parametrize("offered", [BY_TOKEN, BY_TOKEN[:1], BY_TOKEN[1:]])
def test_a_password_is_not_sent_as_a_token_unless_that_is_asked_for(
    offered: tuple[str, ...],
) -> None:
    with pytest.raises(LocalProtocolError, match="no common mechanism"):
        choose("auto", offered, is_private=True)
    assert choose(offered[0], offered, is_private=True) == (offered[0],)


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
        ("OAUTHBEARER", "OAUTHBEARER", False, "clear text"),
        ("PLAIN", "LOGIN", True, "does not offer PLAIN"),
        ("CRAM_MD5", "CRAM-MD5", True, "did you mean 'CRAM-MD5'"),
        ("OAUTHBEARER2", "OAUTHBEARER", True, "did you mean 'OAUTHBEARER'"),
        ("DIGEST-MD5", "DIGEST-MD5", True, "not known here"),
        ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256-PLUS", True, "use SCRAM-SHA-256$"),
        ("auto", "SCRAM-SHA-256-PLUS EXTERNAL", True, "no common mechanism"),
    ],
)
def test_no_mechanism_is_forced_and_no_secret_goes_in_clear_text(
    wanted: str, offered: str, is_private: bool, why: str
) -> None:
    with pytest.raises(LocalProtocolError, match=why):
        choose(wanted, offered.split(), is_private=is_private)


@pytest.mark.parametrize("serves", [None, BY_TOKEN])
@pytest.mark.parametrize("wanted", ["auto", *BY_SECRET])
def test_without_tls_nothing_is_chosen_that_sends_a_secret_or_binds(
    wanted: str, serves: tuple[str, ...] | None
) -> None:
    for offered in (MECHANISMS, MECHANISMS[::-1]):
        try:
            chosen = choose(wanted, offered, is_private=False, serves=serves)
        except LocalProtocolError:
            continue
        assert chosen
        assert set(chosen) <= {*scram.NAMES[3:], "CRAM-MD5"}
        assert not any(map(sends_secret, chosen))
