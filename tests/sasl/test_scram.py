"""SCRAM speaks as RFC 5802 says, and believes no server that does not."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scramp import ScramClient, ScramMechanism

from smtpbook.errors import LocalProtocolError, RemoteProtocolError
from smtpbook.sasl.mechanism import Credentials, Known
from smtpbook.sasl.scram import (
    MAX_ITERATIONS,
    MIN_ITERATIONS,
    NAMES,
    Scram,
    ScramServer,
)

BINDING = bytes(range(32))
PENCIL = Credentials(username="user", secret="pencil")
SALT = base64.b64encode(b"salt of the earth").decode()
UNBOUND = NAMES[3:]
# All of it is in Unicode 3.2, and nothing prepared comes out empty.
WORD = st.text(st.characters(categories=["L", "N", "P"], max_codepoint=0x17F), min_size=1)


def ours(name: str = "SCRAM-SHA-256", nonce: str = "ours", **fields: Any) -> Scram:
    fields = {"username": "user", "secret": "pencil", **fields}
    if name.endswith("-PLUS"):
        fields.setdefault("binding", BINDING)
    return Scram(name, Credentials(**fields), nonce=nonce)


def theirs(name: str = "SCRAM-SHA-256", **fields: Any) -> ScramServer:
    fields = {"passwords": {"user": "pencil"}, "nonce": "theirs", **fields}
    if name.endswith("-PLUS"):
        fields.setdefault("binding", BINDING)
    return ScramServer(name, Known(**fields))


def agree(client: Scram, server: ScramServer) -> bool:
    """Let both sides talk until there is a verdict, which the client has to believe."""
    turn = server.turn(client.start())
    while isinstance(turn, bytes):
        turn = server.turn(client.respond(turn))
    if turn:
        client.finish()
    return turn


# --- the documents ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "nonce", "first", "final", "signature"),
    [
        (
            "SCRAM-SHA-1",
            "fyko+d2lbbFgONRv9qkxdawL",
            "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
            "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        ),
        (
            "SCRAM-SHA-256",
            "rOprNGfwEbeRWgbNEkqO",
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        ),
    ],
    ids=["RFC 5802 section 5", "RFC 7677 section 3"],
)
def test_the_example_of_the_document_is_spoken(
    name: str, nonce: str, first: str, final: str, signature: str
) -> None:
    client = Scram(name, PENCIL, nonce=nonce)
    assert client.start() == f"n,,n=user,r={nonce}".encode()
    assert client.respond(first.encode()) == final.encode()
    assert client.respond(signature.encode()) == b""
    client.finish()


@pytest.mark.parametrize("name", UNBOUND)
@given(
    password=WORD,
    salt=st.binary(min_size=12, max_size=64),
)
def test_another_library_proves_a_password_in_the_same_way(
    name: str, password: str, salt: bytes
) -> None:
    other = ScramClient([name], "user", password, c_nonce="ours")
    client = ours(name, secret=password)
    assert client.start() == other.get_client_first().encode()
    first = f"r=ourstheirs,s={base64.b64encode(salt).decode()},i=4096"
    other.set_server_first(first)
    assert client.respond(first.encode()) == other.get_client_final().encode()


@pytest.mark.parametrize("name", NAMES)
def test_another_library_is_convinced_by_our_client(name: str) -> None:
    mechanism = ScramMechanism(name)
    info = mechanism.make_auth_info("pencil", iteration_count=4096)
    binding = ("tls-server-end-point", BINDING) if name.endswith("-PLUS") else None
    other = mechanism.make_server(lambda _: info, channel_binding=binding)
    client = ours(name)
    other.set_client_first((client.start() or b"").decode())
    other.set_client_final(client.respond(other.get_server_first().encode()).decode())
    assert client.respond(other.get_server_final().encode()) == b""
    client.finish()


@pytest.mark.parametrize("name", NAMES)
def test_another_library_is_convinced_by_our_server(name: str) -> None:
    binding = ("tls-server-end-point", BINDING) if name.endswith("-PLUS") else None
    other = ScramClient([name], "user", "pencil", channel_binding=binding)
    server = theirs(name)
    first = server.turn(other.get_client_first().encode())
    assert isinstance(first, bytes)
    other.set_server_first(first.decode())
    final = server.turn(other.get_client_final().encode())
    assert isinstance(final, bytes)
    other.set_server_final(final.decode())
    assert server.turn(b"") is True


# --- both sides ---------------------------------------------------------------------------


@given(
    name=st.sampled_from(NAMES),
    username=WORD,
    right=WORD,
    tried=WORD,
    is_same=st.booleans(),
)
def test_both_sides_agree_exactly_when_the_password_is_the_same(
    name: str, username: str, right: str, tried: str, is_same: bool
) -> None:
    if is_same:
        tried = right
    client = ours(name, username=username, secret=tried, nonce="")
    server = theirs(name, passwords={"someone": tried + "x", username: right})
    # SASLprep may make one of two spellings.
    assert agree(client, server) is (client._password == ours(secret=right)._password)


@given(st.lists(st.binary(), min_size=3))
def test_server_lets_nobody_in_for_noise(noise: list[bytes]) -> None:
    server = theirs()
    for octets in noise:
        if server.turn(octets) is False:
            return
    pytest.fail("it went on")


@given(st.data())
def test_client_believes_nothing_but_the_proof(data: st.DataObject) -> None:
    """One octet of what the server says is another: no login comes of it."""
    client, server = ours(), theirs()
    first = server.turn(client.start())
    assert isinstance(first, bytes)
    spoiled = data.draw(st.sampled_from(["first", "final"]))

    def other(octets: bytes) -> bytes:
        at = data.draw(st.integers(0, len(octets) - 1))
        octet = data.draw(st.integers(0, 255).filter(lambda one: one != octets[at]))
        return octets[:at] + bytes([octet]) + octets[at + 1 :]

    def go_on() -> None:
        final = server.turn(client.respond(other(first) if spoiled == "first" else first))
        client.respond(other(final) if isinstance(final, bytes) else b"")
        client.finish()

    with pytest.raises((RemoteProtocolError, LocalProtocolError)):
        go_on()


@pytest.mark.parametrize("name", NAMES)
def test_names_with_commas_and_equals_signs_are_spelled_out(name: str) -> None:
    """RFC 5802 section 5.1."""
    client = ours(name, username="a,b=2C")
    assert (client.start() or b"").partition(b",,")[2] == b"n=a=2Cb=3D2C,r=ours"
    assert agree(client, theirs(name, passwords={"a,b=2C": "pencil"}))


def test_a_password_typed_otherwise_is_the_same_password() -> None:
    assert agree(ours(secret="\u2168 \u00aa"), theirs(passwords={"user": "IX a"}))
    assert agree(ours(secret="IX a"), theirs(passwords={"user": "\u2168\u00a0\u00aa"}))


def test_each_exchange_has_a_nonce_of_its_own() -> None:
    said = {Scram("SCRAM-SHA-1", PENCIL).start() for _ in range(20)}
    assert len(said) == 20


def test_a_user_that_nobody_knows_is_asked_like_any_other() -> None:
    known, unknown = theirs().turn(b"n,,n=user,r=x"), theirs().turn(b"n,,n=nobody,r=x")
    assert isinstance(known, bytes)
    assert known == unknown


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"username": ""}, "needs a user name"),
        ({"secret": "\U0001f40e"}, r"Unicode 3\.2"),
        ({"username": "\u0007"}, "prohibits"),
        ({"name": "SCRAM-SHA-1-PLUS", "binding": b""}, "binds a login to TLS"),
    ],
)
def test_what_cannot_be_said_is_not_begun(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(LocalProtocolError, match=why):
        ours(**fields)


# --- channel binding ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "binding", "header"),
    [
        ("SCRAM-SHA-256", b"", b"n,,"),
        ("SCRAM-SHA-256", BINDING, b"y,,"),
        ("SCRAM-SHA-256-PLUS", BINDING, b"p=tls-server-end-point,,"),
    ],
)
def test_the_header_says_what_is_bound_and_the_proof_covers_it(
    name: str, binding: bytes, header: bytes
) -> None:
    client = ours(name, binding=binding)
    assert client.start() == header + b"n=user,r=ours"
    final = client.respond(f"r=ourstheirs,s={SALT},i=4096".encode())
    bound = base64.b64decode(final.split(b",")[0].removeprefix(b"c="))
    assert bound == header + (binding if name.endswith("-PLUS") else b"")


@pytest.mark.parametrize("name", NAMES[:3])
def test_another_certificate_in_between_is_noticed(name: str) -> None:
    assert agree(ours(name), theirs(name)) is True
    assert agree(ours(name), theirs(name, binding=BINDING[::-1])) is False


def test_server_notices_that_its_offer_to_bind_was_removed() -> None:
    """RFC 5802 section 6: "y" to a server that offers -PLUS is a downgrade."""
    assert theirs(binding=BINDING).turn(b"y,,n=user,r=ours") is False
    assert theirs(binding=BINDING).turn(b"n,,n=user,r=ours") is not False
    assert theirs().turn(b"y,,n=user,r=ours") is not False


@pytest.mark.parametrize("flag", [b"n", b"y", b"p=tls-unique", b"p=tls-exporter", b"p="])
def test_server_of_plus_wants_the_binding_it_knows(flag: bytes) -> None:
    server = theirs("SCRAM-SHA-256-PLUS")
    assert server.turn(flag + b",,n=user,r=ours") is False


def test_server_without_plus_is_not_bound_to() -> None:
    assert theirs().turn(b"p=tls-server-end-point,,n=user,r=ours") is False


# --- hostile servers ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (f"r=another,s={SALT},i=4096", "nonce is not ours"),
        (f"r=ours,s={SALT},i=4096", "nonce is not ours"),
        (f"r=our,s={SALT},i=4096", "nonce is not ours"),
        (f"r=xourstheirs,s={SALT},i=4096", "nonce is not ours"),
        (f"r=ourstheirs,s={SALT},i={10**9}", "more than 2,000,000"),
        (f"r=ourstheirs,s={SALT},i={MAX_ITERATIONS + 1}", "more than 2,000,000"),
        (f"r=ourstheirs,s={SALT},i=1{'0' * 9000}", "more than 2,000,000"),
        (f"r=ourstheirs,s={SALT},i={MIN_ITERATIONS - 1}", "fewer than 4,096"),
        (f"r=ourstheirs,s={SALT},i=1", "fewer than 4,096"),
        (f"r=ourstheirs,s={SALT},i=0", "not r=…,s=…,i=…"),
        (f"r=ourstheirs,s={SALT},i=-1", "not r=…,s=…,i=…"),
        (f"r=ourstheirs,s={SALT},i=\uff14096", "not r=…,s=…,i=…"),
        (f"r=ourstheirs,s={SALT}", "not r=…,s=…,i=…"),
        ("r=ourstheirs,i=4096", "not r=…,s=…,i=…"),
        ("r=ourstheirs,s=,i=4096", "not r=…,s=…,i=…"),
        ("r=ourstheirs,s=not base64!,i=4096", "not r=…,s=…,i=…"),
        (f"s={SALT},i=4096", "not r=…,s=…,i=…"),
        (f"s={SALT},r=ourstheirs,i=4096", "not r=…,s=…,i=…"),
        ("v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", "not r=…,s=…,i=…"),
        (f"m=x,r=ourstheirs,s={SALT},i=4096", "extension"),
        ("\x1b[31m", "not r=…,s=…,i=…"),
    ],
)
def test_a_first_message_that_is_not_in_order_proves_nothing_to_the_server(
    first: str, why: str
) -> None:
    client = ours()
    with pytest.raises(RemoteProtocolError, match=why) as broken:
        client.respond(first.encode())
    assert "pencil" not in str(broken.value)
    assert "\x1b" not in str(broken.value)
    with pytest.raises(RemoteProtocolError, match="without proving"):
        client.finish()


def test_what_a_message_may_hold_besides_is_ignored() -> None:
    """RFC 5802 section 5.1: optional extensions that are not known are left alone."""
    client = ours()
    assert client.respond(f"r=ourstheirs,s={SALT},i=4096,x=y".encode())
    proof = client.awaited
    assert client.respond(proof + b",x=y") == b""
    client.finish()


@pytest.mark.parametrize("final", [b"", b"v=", b"v=AAAA", b"x=y", b"m=x", b"\xff"])
def test_a_server_that_does_not_know_the_password_is_not_believed(final: bytes) -> None:
    client = ours()
    client.respond(f"r=ourstheirs,s={SALT},i=4096".encode())
    with pytest.raises(RemoteProtocolError, match="could not prove"):
        client.respond(final)
    with pytest.raises(RemoteProtocolError, match="without proving"):
        client.finish()


@pytest.mark.parametrize("turns", [0, 1])
def test_a_server_that_is_content_too_early_is_not_believed(turns: int) -> None:
    client = ours()
    for challenge in (f"r=ourstheirs,s={SALT},i=4096".encode(),)[:turns]:
        client.respond(challenge)
    with pytest.raises(RemoteProtocolError, match="without proving"):
        client.finish()


@pytest.mark.parametrize("is_first", [True, False])
def test_why_a_server_refuses_is_kept_and_heard_once(is_first: bool) -> None:
    """RFC 5802 section 7: server-error."""
    client = ours()
    if not is_first:
        client.respond(f"r=ourstheirs,s={SALT},i=4096".encode())
    assert client.respond(b"e=invalid-proof") == b""
    assert client.failure == "invalid-proof"
    with pytest.raises(LocalProtocolError, match="asks for more"):
        client.respond(b"e=again")
    with pytest.raises(RemoteProtocolError, match="without proving"):
        client.finish()


def test_a_server_that_asks_on_gets_nothing_twice() -> None:
    client, server = ours(), theirs()
    first = client.respond(b"")
    assert first == client.start()
    challenge = server.turn(first)
    assert isinstance(challenge, bytes)
    final = server.turn(client.respond(challenge))
    assert isinstance(final, bytes)
    assert client.respond(final) == b""
    for _ in range(3):
        with pytest.raises(LocalProtocolError, match="asks for more"):
            client.respond(b"")


# --- hostile clients ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "first",
    [
        b"n,,n=us=er,r=ours",  # "=" that begins nothing
        b"n,,n=,r=ours",
        b"n,,n=user",
        b"n,,n=user,r=",
        b"n,,m=x,n=user,r=ours",
        b"n,a=admin,n=user,r=ours",
        b"n,n=user,r=ours",
        b"n=user,r=ours",
    ],
)
def test_a_first_message_that_is_not_in_order_is_refused(first: bytes) -> None:
    assert theirs().turn(first) is False


def test_one_may_act_for_oneself() -> None:
    assert theirs().turn(b"n,a=user,n=user,r=ours") is not False


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"c=biws", b"c=eSws"),
        (b"c=biws", b"c=biwsAA=="),
        (b"r=ours", b"r=hers"),
        (b",p=", b",x=y,p="),
        (b",p=", b",p=AAAA"),
        (b",p=", b",q="),
    ],
)
def test_a_changed_final_message_is_refused(old: bytes, new: bytes) -> None:
    client, server = ours(), theirs()
    first = server.turn(client.start())
    assert isinstance(first, bytes)
    final = client.respond(first)
    assert old in final
    assert server.turn(final.replace(old, new)) is False


def test_nobody_is_let_in_who_keeps_talking_after_the_proof() -> None:
    client, server = ours(), theirs()
    first = server.turn(client.start())
    assert isinstance(first, bytes)
    assert isinstance(server.turn(client.respond(first)), bytes)
    assert server.turn(b"more") is False
