"""NTLM and GSSAPI against the other side of the library, and against a real KDC."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import spnego
from hypothesis import given
from hypothesis import strategies as st
from spnego.channel_bindings import GssChannelBindings

from smtpbook.accounts.account import Account
from smtpbook.errors import AuthenticationError, LocalProtocolError, RemoteProtocolError
from smtpbook.sasl.mechanism import Credentials
from smtpbook.session.domain import Gssapi, Ntlm
from tests.servers.kerberos import HOST, Kdc
from tests.servers.kerberos import PASSWORD as KERBEROS_PASSWORD
from tests.servers.kerberos import USER as KERBEROS_USER
from tests.servers.process import ServerMissing
from tests.session.scripted import ACCOUNT, BYE, Scripted, Servers

pytestmark = pytest.mark.side_by_side


USER, PASSWORD = "SCHOOL\\ann", "correct horse"
BINDING = bytes(range(32))
WINDOWS = ACCOUNT.replace(username=USER, password=PASSWORD, auth="NTLM")


@pytest.fixture(autouse=True)
def _domain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The users that the library's server side knows."""
    users = tmp_path / "users"
    users.write_text(f"SCHOOL:ann:{PASSWORD}\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(users))


def acceptor(**options: Any) -> spnego.ContextProxy:
    context: spnego.ContextProxy = spnego.server(service="smtp", **options)
    return context


def checking(context: spnego.ContextProxy) -> Callable[[Scripted], Any]:
    """Check a token of the client's, and say what comes next."""

    async def turn(server: Scripted) -> None:
        words = server.heard[-1].split()
        try:
            token = context.step(base64.b64decode(words[-1]) if words else b"")
        except spnego.exceptions.SpnegoError:
            await server.say(b"535 5.7.8 no\r\n")
            return
        if context.complete:
            await server.say(b"235 in\r\n")
        else:
            await server.say(b"334 " + base64.b64encode(token or b"") + b"\r\n")

    return turn


# --- NTLM ---------------------------------------------------------------------------------


async def test_ntlm_logs_in_and_leaves_no_secret(
    servers: Servers, autojump_clock: object
) -> None:
    turn = checking(acceptor(protocol="ntlm"))
    server = servers("220 mx", "250-mx\r\n250 AUTH NTLM PLAIN", turn, turn, BYE)
    async with servers.open(WINDOWS):
        pass
    said = [row["command"] for row in servers.rows.of("command", "AUTH")]
    assert said == ["AUTH NTLM [redacted]", "[redacted]"]
    assert PASSWORD not in str(servers.rows.all)
    assert base64.b64decode(server.heard[1].split()[2]).startswith(b"NTLMSSP\0")
    servers.rows.check_whole()


async def test_ntlm_with_a_wrong_password_is_refused_once(
    servers: Servers, autojump_clock: object
) -> None:
    turn = checking(acceptor(protocol="ntlm"))
    server = servers("220 mx", "250-mx\r\n250 AUTH NTLM PLAIN", turn, turn, BYE)
    with pytest.raises(AuthenticationError, match="AUTH NTLM: 535"):
        async with servers.open(WINDOWS.replace(password="cow")):
            pass
    assert server.heard[-1] == b"QUIT"


async def test_a_first_token_that_a_server_ignored_is_said_again(
    servers: Servers, autojump_clock: object
) -> None:
    turn = checking(acceptor(protocol="ntlm"))
    server = servers("220 mx", "250-mx\r\n250 AUTH NTLM", "334 ", turn, turn, BYE)
    async with servers.open(WINDOWS):
        pass
    assert server.heard[2] == server.heard[1].split()[2]


@pytest.mark.parametrize(("seen", "is_let_in"), [(BINDING, True), (BINDING[::-1], False)])
def test_ntlm_is_bound_to_the_certificate(seen: bytes, is_let_in: bool) -> None:
    ours = Ntlm(Credentials(username=USER, secret=PASSWORD, binding=BINDING))
    bindings = GssChannelBindings(application_data=b"tls-server-end-point:" + seen)
    theirs = acceptor(protocol="ntlm", channel_bindings=bindings)
    challenge = theirs.step(ours.start())
    answer = ours.respond(challenge or b"")
    if is_let_in:
        theirs.step(answer)
        assert theirs.complete
    else:
        with pytest.raises(spnego.exceptions.SpnegoError):
            theirs.step(answer)


@pytest.mark.parametrize(
    "challenge", ["TlRMTVNTUAACAAAA", "d2hhdD8=", "G1szMW0=", ""], ids=str
)
async def test_a_server_whose_token_is_none_is_left(
    challenge: str, servers: Servers, autojump_clock: object
) -> None:
    script = ("334 ", f"334 {challenge}", BYE)
    servers("220 mx", "250-mx\r\n250 AUTH NTLM", *script)
    async with servers.open(WINDOWS, login=False) as session:
        with pytest.raises(RemoteProtocolError, match="not in order") as broken:
            await session.log_in()
        assert session.is_over
    assert PASSWORD not in str(broken.value)
    assert "\x1b" not in str(broken.value)
    assert broken.value.__cause__ is None


@given(st.binary(min_size=1))
def test_no_token_breaks_more_than_the_login(token: bytes) -> None:
    ours = Ntlm(Credentials(username=USER, secret=PASSWORD))
    ours.start()
    with pytest.raises(RemoteProtocolError):
        ours.respond(token)


def test_what_a_library_quotes_is_made_safe_and_its_cause_is_left_out() -> None:
    ours = Ntlm(Credentials(username=USER, secret=PASSWORD))
    with (
        pytest.raises(RemoteProtocolError, match=r"NTLM: why: \\x1b\[31m") as broken,
        ours._translated(RemoteProtocolError, "why"),
    ):
        raise ValueError("\x1b[31m")
    assert broken.value.__suppress_context__


def test_ntlm_has_nothing_to_say_behind_its_answer() -> None:
    ours, theirs = (
        Ntlm(Credentials(username=USER, secret=PASSWORD)),
        acceptor(protocol="ntlm"),
    )
    ours.respond(theirs.step(ours.start()) or b"")
    with pytest.raises(LocalProtocolError, match="asks for more"):
        ours.respond(b"")


# --- what is not installed ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("auth", "missing", "told"),
    [
        ("NTLM", "spnego", r'NTLM needs .*: pip install "smtpbook\[ntlm\]"'),
        ("GSSAPI", "spnego", r'GSSAPI needs .*: pip install "smtpbook\[kerberos\]"'),
        ("GSSAPI", "gssapi", r'GSSAPI needs .*: pip install "smtpbook\[kerberos\]"'),
    ],
)
async def test_a_package_that_is_missing_is_named(
    auth: str,
    missing: str,
    told: str,
    servers: Servers,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: object,
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    if missing == "gssapi":  # the library has looked for it when it was loaded
        monkeypatch.setattr("spnego._gss.HAS_GSSAPI", False)
        monkeypatch.setattr("spnego._gss.GSSAPI_IMP_ERR", "no gssapi", raising=False)
    server = servers("220 mx", "250-mx\r\n250 AUTH NTLM GSSAPI PLAIN", BYE)
    with pytest.raises(LocalProtocolError, match=told):
        async with servers.open(WINDOWS.replace(auth=auth)):
            pass
    assert server.heard == [b"EHLO client.test", b"QUIT"]


# --- GSSAPI, with a realm of our own ------------------------------------------------------


@pytest.fixture
def kdc(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kdc]:
    pytest.importorskip("gssapi", reason='no gssapi here: pip install ".[kerberos]"')
    try:
        server = Kdc.start()
    except ServerMissing as exc:
        pytest.skip(str(exc))
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    with server:
        yield server


def realm(offer: bytes = b"\x07\x00\x10\x00") -> Callable[[Scripted], Any]:
    """Be a service of the realm (RFC 4752 section 3.2); its layers are offered last."""
    context = acceptor(protocol="kerberos", hostname=HOST)
    said: list[bytes] = []

    async def turn(server: Scripted) -> None:
        words = server.heard[-1].split()
        token = base64.b64decode(words[-1]) if words else b""
        if not context.complete:
            reply = context.step(token) or b""
        elif not said:
            reply = context.wrap(offer, encrypt=False).data
            said.append(reply)
        else:
            agreed = context.unwrap(token).data
            is_in = agreed == b"\x01\x00\x00\x00"
            await server.say(b"235 in\r\n" if is_in else b"535 no\r\n")
            return
        await server.say(b"334 " + base64.b64encode(reply) + b"\r\n")

    return turn


def kerberos(**changes: Any) -> Account:
    return Account(host=HOST, tls="none", helo="client.test", auth="GSSAPI", **changes)


OFFER = "250-mx\r\n250 AUTH GSSAPI PLAIN"


@pytest.mark.heavy
@pytest.mark.real_server
@pytest.mark.parametrize(
    ("username", "password"),
    [(None, None), (KERBEROS_USER, None), (KERBEROS_USER, KERBEROS_PASSWORD)],
    ids=["ticket", "ticket of a user", "password"],
)
async def test_a_ticket_logs_in(
    username: str | None, password: str | None, kdc: Kdc, servers: Servers
) -> None:
    if password is None:
        kdc.get_ticket()
    turn = realm()
    # The first token is too long for the line of AUTH.
    servers("220 mx", OFFER, "334 ", turn, turn, turn, BYE)
    async with servers.open(kerberos(username=username, password=password)):
        pass
    assert servers.rows.of("command", "AUTH")[-1]["reply_code"] == 235
    assert KERBEROS_PASSWORD not in str(servers.rows.all)
    servers.rows.check_whole()


@pytest.mark.heavy
@pytest.mark.real_server
@pytest.mark.parametrize(
    ("account", "told"),
    [
        ({}, "kinit"),
        ({"username": KERBEROS_USER}, "kinit"),
        ({"username": KERBEROS_USER, "password": "wrong"}, "no login can be begun"),
        ({"username": "nobody", "password": "wrong"}, "no login can be begun"),
    ],
    ids=["no ticket", "no ticket of a user", "wrong password", "unknown user"],
)
async def test_without_a_ticket_nothing_is_said(
    account: dict[str, str], told: str, kdc: Kdc, servers: Servers
) -> None:
    server = servers("220 mx", OFFER, BYE)
    with pytest.raises(LocalProtocolError, match=told):
        async with servers.open(kerberos(**account)):
            pass
    assert server.heard == [b"EHLO client.test", b"QUIT"]


@pytest.mark.heavy
@pytest.mark.real_server
@pytest.mark.parametrize(
    ("script", "why"),
    [
        ((lambda: "235 welcome"), "without proving"),
        ((lambda: realm(b"\x06\x00\x10\x00")), "security layer"),
        ((lambda: realm(b"\x01")), "security layer"),
        ((lambda: "334 d2hhdD8="), "not in order"),
    ],
    ids=["too early", "insists on a layer", "malformed", "no token"],
)
async def test_a_service_that_does_not_prove_itself_is_left(
    script: Callable[[], Any], why: str, kdc: Kdc, servers: Servers
) -> None:
    kdc.get_ticket()
    turn = script()
    servers("220 mx", OFFER, "334 ", turn, turn, turn, BYE)
    async with servers.open(kerberos(), login=False) as session:
        with pytest.raises(RemoteProtocolError, match=why):
            await session.log_in()
        assert session.is_over


@pytest.mark.heavy
@pytest.mark.real_server
def test_gssapi_has_nothing_to_say_behind_its_answer(kdc: Kdc) -> None:
    kdc.get_ticket()
    ours = Gssapi(Credentials(username="", secret="", host=HOST))
    theirs = acceptor(protocol="kerberos", hostname=HOST)
    assert ours.respond(theirs.step(ours.start()) or b"") == b""
    ours.respond(theirs.wrap(b"\x01\x00\x00\x00", encrypt=False).data)
    ours.finish()
    with pytest.raises(LocalProtocolError, match="asks for more"):
        ours.respond(b"")
