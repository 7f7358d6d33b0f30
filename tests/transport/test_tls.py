"""Security: whom TLS trusts, how we prove who we are, pins, and opportunistic TLS."""

from __future__ import annotations

import datetime
import re
import ssl
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio
import trustme
import truststore
from cryptography.hazmat.primitives import serialization

from smtpbook.accounts.account import Account
from smtpbook.accounts.client_certificate import ClientCertificate
from smtpbook.accounts.passwords import FromEnvironment
from smtpbook.accounts.secret import Secret
from smtpbook.certificates.certificate import fingerprints
from smtpbook.errors import DeferredError, LocalProtocolError, TLSError, TransportError
from smtpbook.log.frame import to_frame
from smtpbook.log.transcript import transcript
from smtpbook.protocol.message import Message
from smtpbook.session.session import open_session
from smtpbook.transport.tls import tls_context
from tests.session.scripted import (
    ACCOUNT,
    BYE,
    PLAIN_EHLO,
    READY,
    Scripted,
    Servers,
    secured,
)

Make = Callable[..., Message]
OFFERED = "250-mx.test\r\n250 STARTTLS"
TEXT = "open sesame"


@dataclass
class Authority:
    """An authority of the tests, its file, and a server's context."""

    ca: trustme.CA
    file: Path

    def server(
        self, *names: str, wants: trustme.CA | None = None, **options: object
    ) -> ssl.SSLContext:
        """Make a server that shows a certificate, and `wants` one of that authority."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        issued = self.ca.issue_cert(*(names or ("mx.test",)), **options)  # type: ignore[arg-type]
        issued.configure_cert(context)
        if wants is not None:
            wants.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    ca = trustme.CA()
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    ca.cert_pem.write_to_path(str(file))
    return Authority(ca, file)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have told OpenSSL whom to trust."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)


@pytest.fixture
def account(authority: Authority) -> Account:
    """An account that trusts the tests' authority."""
    return ACCOUNT.replace(tls="starttls", ca_file=authority.file)


@pytest.fixture
def own(authority: Authority, tmp_path: Path) -> Path:
    """A client's certificate and key, in one file."""
    file = tmp_path / "own.pem"
    authority.ca.issue_cert("client.test").private_key_and_cert_chain_pem.write_to_path(
        str(file)
    )
    return file


def encrypted(own: Path, passphrase: str = TEXT) -> tuple[Path, Path]:
    """Write the certificate and its key, encrypted, into a file each."""
    key = serialization.load_pem_private_key(own.read_bytes(), None)
    key_file, file = own.with_name("key.pem"), own.with_name("certificate.pem")
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(passphrase.encode()),
        )
    )
    file.write_text(
        own.read_text().partition("-----END PRIVATE KEY-----\n")[2] or own.read_text()
    )
    return file, key_file


# --- whom to trust ------------------------------------------------------------------------


def test_authorities_are_read_once_until_their_file_changes(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(ca_file))
    account = ACCOUNT.replace(tls="starttls", ca_file=ca_file)
    context = tls_context(account)
    assert tls_context(account.replace(ca_file=str(ca_file), port=1)) is context
    system = tls_context(account.replace(ca_file=None))
    assert tls_context(account.replace(ca_file=None)) is system is not context
    trustme.CA().cert_pem.write_to_path(str(ca_file), append=True)
    assert len(tls_context(account).get_ca_certs()) == 2
    assert len(context.get_ca_certs()) == 1


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_tls_is_verified_and_1_2_or_newer(
    platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    # An account of its own: contexts are kept.
    context = fresh_context(monkeypatch)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert isinstance(context, truststore.SSLContext) is (platform != "linux")


def fresh_context(monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Give the system's context, made anew."""
    from smtpbook.transport import tls

    tls._context.cache_clear()
    context = tls_context(Account(host="mx.test", tls="starttls"))
    tls._context.cache_clear()
    return context


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_who_sets_openssls_variables_is_obeyed_on_every_system(
    variable: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    is_file = variable == "SSL_CERT_FILE"
    monkeypatch.setenv(variable, str(authority.file if is_file else authority.file.parent))
    context = fresh_context(monkeypatch)
    assert not isinstance(context, truststore.SSLContext)
    if is_file:
        assert len(context.get_ca_certs()) == 1


@pytest.mark.parametrize("is_known", [True, False])
async def test_the_systems_trust_store_judges_the_handshake(
    is_known: bool,
    servers: Servers,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: object,
) -> None:
    """Where OpenSSL cannot read it; here truststore asks OpenSSL all the same."""
    from smtpbook.transport import tls

    monkeypatch.setattr("sys.platform", "darwin")
    tls._context.cache_clear()
    account = ACCOUNT.replace(tls="starttls")
    if is_known:
        tls_context(account).load_verify_locations(authority.file)
    servers("220 mx", OFFERED, secured(authority.server()), PLAIN_EHLO, BYE)
    refused = pytest.raises(TLSError, match="the certificate was not accepted")
    with nullcontext() if is_known else refused:
        async with servers.open(account) as session:
            assert session.certificates
    tls._context.cache_clear()
    servers.rows.check_whole()


async def test_an_expired_certificate_is_refused(
    servers: Servers, authority: Authority, account: Account, autojump_clock: object
) -> None:
    ended = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
    context = authority.server(not_after=ended)
    servers("220 mx", OFFERED, secured(context))
    with pytest.raises(TLSError, match=r"certificate was not accepted: .*expired"):
        async with servers.open(account):
            pass
    servers.rows.check_whole()


# --- our own certificate ------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["one file", "two files", "encrypted", "by a callable"])
async def test_a_server_that_wants_a_certificate_is_shown_ours(
    kind: str,
    servers: Servers,
    authority: Authority,
    account: Account,
    own: Path,
    autojump_clock: object,
) -> None:
    file, key_file = encrypted(own)
    given = {
        "one file": own,
        "two files": (str(own), str(own)),
        "encrypted": ClientCertificate(file=file, key_file=key_file, passphrase=TEXT),
        "by a callable": ClientCertificate(
            file=file, key_file=key_file, passphrase=lambda: Secret(TEXT)
        ),
    }[kind]
    seen: list[object] = []
    context = authority.server(wants=authority.ca)
    servers("220 mx", OFFERED, secured(context, seen=seen), PLAIN_EHLO, BYE)
    async with servers.open(account.replace(client_certificate=given)) as session:
        assert session.certificates
    assert "client.test" in str(seen)
    servers.rows.check_whole()


async def test_it_is_shown_where_tls_begins_at_once_too(
    servers: Servers,
    authority: Authority,
    account: Account,
    own: Path,
    autojump_clock: object,
) -> None:
    seen: list[object] = []
    context = authority.server(wants=authority.ca)
    servers(secured(context, b"", then=b"220 mx\r\n", seen=seen), PLAIN_EHLO, BYE)
    account = account.replace(tls="implicit", client_certificate=own)
    async with servers.open(account) as session:
        assert session.certificates
    assert "client.test" in str(seen)
    servers.rows.check_whole()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("shown", ["none", "one of an unknown authority"])
async def test_a_server_that_gets_no_good_certificate_hangs_up_and_it_is_told(
    version: ssl.TLSVersion,
    shown: str,
    servers: Servers,
    authority: Authority,
    account: Account,
    own: Path,
    autojump_clock: object,
) -> None:
    context = authority.server(wants=authority.ca if shown == "none" else trustme.CA())
    context.maximum_version = version

    async def hang_up(server: Scripted) -> None:
        with pytest.raises(trio.BrokenResourceError):
            await secured(context)(server)
        await server.stream.aclose()

    servers("220 mx", OFFERED, hang_up)
    if shown != "none":
        account = account.replace(client_certificate=own)
    with pytest.raises(TransportError, match=r"alert|closed|eof"):
        async with servers.open(account):
            pass
    servers.rows.check_whole()


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("not there", "cannot be read: .*No such file"),
        ("no key", "holds a certificate and its key"),
        ("another key", "key values mismatch"),
        ("no passphrase", r"may be encrypted: ClientCertificate\(file=…, passphrase=…\)"),
        ("wrong passphrase", "is the passphrase right"),
    ],
)
async def test_a_certificate_of_ours_that_cannot_be_used_is_named(
    fault: str,
    told: str,
    servers: Servers,
    authority: Authority,
    account: Account,
    own: Path,
    autojump_clock: object,
) -> None:
    file, key_file = encrypted(own)
    another = own.with_name("another.pem")
    authority.ca.issue_cert("x.test").private_key_pem.write_to_path(str(another))
    given = {
        "not there": ClientCertificate(file=own.with_name("nowhere.pem")),
        "no key": ClientCertificate(file=authority.file),
        "another key": ClientCertificate(file=own, key_file=another),
        "no passphrase": ClientCertificate(file=file, key_file=key_file),
        "wrong passphrase": ClientCertificate(
            file=file, key_file=key_file, passphrase="ali baba"
        ),
    }[fault]
    servers("220 mx", OFFERED, READY)
    with pytest.raises(TLSError, match=f"(?s)^client_certificate '.*pem' .*{told}") as info:
        async with servers.open(account.replace(client_certificate=given)):
            pass
    assert "ali baba" not in str(info.value)
    servers.rows.check_whole()


async def test_a_passphrase_that_is_nowhere_ends_the_session_by_its_own_words(
    servers: Servers, account: Account, own: Path, autojump_clock: object
) -> None:
    file, key_file = encrypted(own)
    given = ClientCertificate(
        file=file, key_file=key_file, passphrase=FromEnvironment("NOT_SET")
    )
    servers("220 mx", OFFERED, READY)
    with pytest.raises(LocalProtocolError, match="NOT_SET is not set"):
        async with servers.open(account.replace(client_certificate=given)):
            pass
    servers.rows.check_whole()


def test_our_certificate_is_read_once_until_it_changes(
    account: Account, authority: Authority, own: Path
) -> None:
    asked = []

    def ask() -> str:
        asked.append(1)
        return TEXT

    file, key_file = encrypted(own)
    given = ClientCertificate(file=file, key_file=key_file, passphrase=ask)
    account = account.replace(client_certificate=given)
    context = tls_context(account)
    assert tls_context(account.replace(helo="other.test")) is context
    assert tls_context(account.replace(client_certificate=None)) is not context
    assert len(asked) == 1
    file.write_text(file.read_text() + authority.file.read_text())
    assert tls_context(account) is not context
    assert len(asked) == 2


# --- pins ---------------------------------------------------------------------------------


def der_of(context: ssl.SSLContext, authority: Authority) -> bytes:
    """Shake hands with a server's context, and give the certificate it shows."""
    client = ssl.create_default_context(cafile=str(authority.file))
    a, b = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(a, b, server_hostname="mx.test")
    theirs = context.wrap_bio(b, a, server_side=True)
    for side in (ours, theirs, ours):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    der = ours.getpeercert(binary_form=True)
    assert der is not None
    return der


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("by", ["key", "whole", "colons", "one of several"])
async def test_a_certificate_that_is_pinned_is_taken(
    tls: str,
    by: str,
    servers: Servers,
    authority: Authority,
    account: Account,
    autojump_clock: object,
) -> None:
    context = authority.server()
    key, whole = fingerprints(der_of(context, authority))
    pin: dict[str, str | list[str]] = {
        "key": key,
        "whole": whole.upper(),
        "colons": re.sub("(..)(?!$)", r"\1:", whole),
        "one of several": ["ab" * 32, key],
    }
    if tls == "starttls":
        servers("220 mx", OFFERED, secured(context), PLAIN_EHLO, BYE)
    else:
        servers(secured(context, b"", then=b"220 mx\r\n"), PLAIN_EHLO, BYE)
    async with servers.open(account.replace(tls=tls, pin=pin[by])) as session:
        assert session.certificates
    servers.rows.check_whole()


async def test_another_certificate_than_the_pinned_is_refused_with_what_was_seen(
    servers: Servers, authority: Authority, account: Account, autojump_clock: object
) -> None:
    """It is valid in all else; nothing is said to it, and no password."""
    context = authority.server()
    key, whole = fingerprints(der_of(context, authority))
    server = servers("220 mx", OFFERED, secured(context), "250-mx\r\n250 AUTH PLAIN")
    login = account.replace(pin="ab" * 32, username="ann", password=TEXT)
    with pytest.raises(TLSError, match="not one of those pinned") as info:
        async with servers.open(login):
            pass
    assert key in str(info.value)
    assert whole in str(info.value)
    assert server.heard == [b"EHLO client.test", b"STARTTLS"]
    (tls,) = servers.rows.of("tls")
    assert tls["error"] == "TLSError"
    servers.rows.check_whole()


async def test_a_pin_does_not_make_a_certificate_valid(
    servers: Servers, account: Account, tmp_path: Path, autojump_clock: object
) -> None:
    unknown = Authority(trustme.CA(), tmp_path / "unknown.pem")
    unknown.ca.cert_pem.write_to_path(str(unknown.file))
    context = unknown.server()
    key, _ = fingerprints(der_of(context, unknown))
    servers("220 mx", OFFERED, secured(context))
    with pytest.raises(TLSError, match="was not accepted"):
        async with servers.open(account.replace(pin=key)):
            pass


# --- opportunistic TLS --------------------------------------------------------------------

RELAY = ACCOUNT.replace(tls="opportunistic", port=25)


@pytest.mark.parametrize("names", [("mx.test",), ("other.test",)])
async def test_opportunistic_tls_takes_any_certificate_and_says_so(
    names: tuple[str, ...],
    servers: Servers,
    authority: Authority,
    message: Make,
    autojump_clock: object,
) -> None:
    context = authority.server(*names)
    said = ("250 OK", "250 OK", "354 go", "250 OK", BYE)
    servers("220 mx", OFFERED, secured(context), PLAIN_EHLO, *said)
    async with servers.open(RELAY) as session:
        assert (await session.send(message())).outcome == "accepted"
    (tls,) = servers.rows.of("tls")
    assert (tls["command"], tls["error"]) == ("unauthenticated", None)
    assert tls["tls_version"] is not None
    assert "(unauthenticated)" in session.transcript()
    servers.rows.check_whole()


@pytest.mark.parametrize(
    "said",
    [
        (PLAIN_EHLO,),
        (OFFERED, "454 not now"),
        (OFFERED, "501 no"),
        ("500 what", "250 mx"),
    ],
)
async def test_opportunistic_tls_that_does_not_come_about_leaves_clear_text_and_says_so(
    said: tuple[str, ...], servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers("220 mx", *said, "250 OK", "250 OK", "354 go", "250 OK", BYE)
    async with servers.open(RELAY) as session:
        assert (await session.send(message())).outcome == "accepted"
    assert b"MAIL FROM:<ann@x.test>" in server.received
    log = to_frame(session.rows)
    in_clear = log[(log["kind"] == "tls") & (log["command"] == "clear text")]
    assert len(in_clear) == 1
    assert log["tls_version"].isna().all()
    assert "not encrypted" in transcript(log)
    servers.rows.check_whole()


async def test_an_opportunistic_handshake_that_fails_is_an_error(
    servers: Servers, autojump_clock: object
) -> None:
    async def mumble(server: Scripted) -> None:
        await server.say(READY)
        await server.receive()
        await server.say(b"this is no TLS record at all\r\n")

    server = servers("220 mx", OFFERED, mumble)
    with pytest.raises(TLSError):
        async with servers.open(RELAY):
            pass
    assert b"MAIL" not in server.received
    servers.rows.check_whole()


async def test_a_refused_starttls_that_ends_the_session_is_no_clear_text(
    servers: Servers, autojump_clock: object
) -> None:
    servers("220 mx", OFFERED, "421 bye")
    with pytest.raises(DeferredError):
        async with servers.open(RELAY):
            pass
    servers.rows.check_whole()


def test_an_account_that_proves_nothing_has_no_login() -> None:
    with pytest.raises(ValueError, match=r"opportunistic.* password (?s:.*)starttls"):
        RELAY.replace(username="ann", password=TEXT)


async def test_contexts_are_shared_by_sessions_at_the_same_time(
    servers: Servers, authority: Authority, account: Account, autojump_clock: object
) -> None:
    context = authority.server()
    for _ in range(2):
        servers("220 mx", OFFERED, secured(context), PLAIN_EHLO, BYE)
    async with (
        servers.open(account) as one,
        open_session(account, sink=servers.rows, connector=servers.connect) as other,
    ):
        assert one.certificates == other.certificates
