"""Connect: lookup, TCP and TLS, and what each failure is called."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme

from smtpbook.accounts.account import Account
from smtpbook.accounts.timeouts import Timeouts
from smtpbook.errors import (
    DeferredError,
    RejectedError,
    RemoteProtocolError,
    TLSError,
    TransportError,
    TransportTimeout,
)
from smtpbook.events import Event
from smtpbook.protocol.message import Message
from smtpbook.protocol.verdicts import Protocol
from smtpbook.session.session import open_session
from smtpbook.transport.connect import connect_to
from tests.session.scripted import (
    ACCOUNT,
    BYE,
    CLOSE,
    EHLO,
    PLAIN_EHLO,
    READY,
    SILENCE,
    Item,
    Rows,
    Scripted,
    Servers,
    Wait,
    secured,
)

Make = Callable[..., Message]
OK = "250 OK"
GO = "354 go ahead"
OFFERED = "250-mx.test\r\n250-PIPELINING\r\n250-AUTH PLAIN\r\n250 STARTTLS"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def account(authority: trustme.CA, tmp_path: Path) -> Account:
    """An account that trusts the tests' authority."""
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    return ACCOUNT.replace(tls="starttls", ca_file=ca_file)


def issued(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """Give a server's side of TLS, with a certificate for ``mx.test`` or these names."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*(names or ("mx.test",))).configure_cert(context)
    return context


# --- STARTTLS -----------------------------------------------------------------------------


async def test_what_was_offered_in_clear_text_is_forgotten(
    servers: Servers,
    message: Make,
    authority: trustme.CA,
    account: Account,
    autojump_clock: object,
) -> None:
    """PIPELINING before TLS and not after it: nothing is pipelined."""
    server = servers(
        "220 mx", OFFERED, secured(issued(authority)), PLAIN_EHLO, OK, OK, GO, OK, BYE
    )
    async with servers.open(account) as session:
        assert not session.extensions.has_pipelining
        assert (await session.send(message())).outcome == "accepted"
    assert server.heard[:3] == [b"EHLO client.test", b"STARTTLS", b"EHLO client.test"]
    rows = servers.rows.all
    assert {row["pipelined"] for row in rows} == {None}
    in_clear = [row["verb"] for row in rows if row["tls_version"] is None]
    assert in_clear == ["GREETING", "EHLO", "STARTTLS"]
    (tls,) = servers.rows.of("tls")
    assert tls["tls_version"] in ("TLSv1.2", "TLSv1.3")
    assert tls["tls_cipher"]
    assert tls["latency_s"] == 0
    servers.rows.check_whole()


@pytest.mark.parametrize("ehlo", [EHLO, PLAIN_EHLO, "500 what"])
async def test_without_starttls_nothing_else_is_said(
    ehlo: str, servers: Servers, account: Account, autojump_clock: object
) -> None:
    server = servers("220 mx", ehlo, *(["250 mx"] if ehlo[0] == "5" else []), BYE)
    with pytest.raises(TLSError, match="does not offer STARTTLS"):
        async with servers.open(account.replace(username="ann", password="horse")):
            pass
    said = [line.split()[0] for line in server.heard]
    assert said in ([b"EHLO", b"QUIT"], [b"EHLO", b"HELO", b"QUIT"])
    servers.rows.check_whole()


@pytest.mark.parametrize(
    ("reply", "error"),
    [("454 later", DeferredError), ("501 no", RejectedError), ("421 bye", DeferredError)],
)
async def test_a_refused_starttls_is_the_end(
    reply: str,
    error: type[Exception],
    servers: Servers,
    account: Account,
    autojump_clock: object,
) -> None:
    server = servers("220 mx", OFFERED, reply, BYE)
    with pytest.raises(error, match="STARTTLS"):
        async with servers.open(account):
            pass
    assert [line.split()[0] for line in server.heard[2:]] in ([b"QUIT"], [])
    servers.rows.check_whole()


@pytest.mark.parametrize(
    "behind",
    [
        b"250 injected\r\n",
        b"250-mx\r\n250 AUTH PLAIN\r\n",
        b"250-mx\r\n250-AUTH PLAIN\r\n",
        b"250 half a line",
        b"2",
        b"\r\n",
        b"421 bye\r\n",
    ],
)
async def test_clear_text_behind_the_220_ends_the_session_before_the_handshake(
    behind: bytes,
    servers: Servers,
    authority: trustme.CA,
    account: Account,
    autojump_clock: object,
) -> None:
    """CVE-2011-0411: somebody between us may have put it there."""
    injecting = secured(issued(authority), READY + behind)
    server = servers("220 mx", OFFERED, injecting, "250-mx\r\n250 AUTH PLAIN", "235 in")
    before = b"EHLO client.test\r\nSTARTTLS\r\n"
    with pytest.raises((RemoteProtocolError, TransportError)):
        async with servers.open(account.replace(username="ann", password="horse")):
            pass
    assert server.received == before
    servers.rows.check_whole()


@pytest.mark.parametrize("when", ["after the 220", "in the handshake"])
@pytest.mark.parametrize(
    ("ending", "error"), [(CLOSE, TransportError), (SILENCE, TransportTimeout)]
)
async def test_a_handshake_that_does_not_come_about(
    when: str,
    ending: Item,
    error: type[Exception],
    servers: Servers,
    account: Account,
    autojump_clock: object,
) -> None:
    async def cut(server: Scripted) -> None:
        await server.say(READY)
        if when == "in the handshake":
            await server.receive()
            await server.stream.send_all(b"\x16\x03\x03")
        if ending is CLOSE:
            await server.stream.aclose()

    servers("220 mx", OFFERED, cut)
    started = trio.current_time()
    with pytest.raises(error, match="handshake"):
        async with servers.open(account.replace(timeouts=Timeouts(tls_s=7))):
            pass
    assert trio.current_time() - started == (0 if ending is CLOSE else 7)
    servers.rows.check_whole()
    (tls,) = servers.rows.of("tls")
    assert tls["error"] in ("TLSError", "TransportError", "TransportTimeout")


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_cancelled_handshake_is_closed_and_recorded(
    tls: str, servers: Servers, account: Account, autojump_clock: object
) -> None:
    clear = () if tls == "implicit" else ("220 mx", OFFERED, READY)
    server = servers(*(clear or (Wait(100),)))
    with trio.move_on_after(3) as scope:
        async with servers.open(account.replace(tls=tls)):
            pass
    assert scope.cancelled_caught
    assert trio.current_time() == 3
    servers.rows.check_whole()
    await trio.testing.wait_all_tasks_blocked()
    if clear:
        with pytest.raises(trio.ClosedResourceError):
            await server.stream.send_all(b"x")


# --- certificates -------------------------------------------------------------------------


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("fault", ["another name", "an unknown authority"])
async def test_a_certificate_that_proves_nothing_is_refused(
    tls: str,
    fault: str,
    servers: Servers,
    authority: trustme.CA,
    account: Account,
    autojump_clock: object,
) -> None:
    if fault == "another name":
        context = issued(authority, "other.test")
    else:
        context = issued(trustme.CA())
    said: tuple[Item, ...] = ("220 mx", OFFERED, secured(context))
    server = servers(*(said if tls == "starttls" else (secured(context, b""),)))
    login = account.replace(tls=tls, username="ann", password="horse")
    with pytest.raises(TLSError, match="the certificate was not accepted"):
        async with servers.open(login):
            pass
    assert server.heard == ([b"EHLO client.test", b"STARTTLS"] if tls == "starttls" else [])
    servers.rows.check_whole()


async def test_implicit_tls_covers_the_greeting(
    servers: Servers, authority: trustme.CA, account: Account, autojump_clock: object
) -> None:
    greeting = secured(issued(authority), b"", then=b"220 mx\r\n")
    servers(greeting, "250-mx\r\n250 AUTH PLAIN", "235 in", BYE)
    login = account.replace(tls="implicit", username="ann", password="horse")
    async with servers.open(login) as session:
        assert session.extensions.mechanisms == ("PLAIN",)
    assert None not in {row["tls_version"] for row in servers.rows.all}
    assert servers.rows.of("command", "AUTH")[0]["command"] == "AUTH PLAIN [redacted]"
    servers.rows.check_whole()


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_an_authority_that_cannot_be_read_is_named(
    content: str | None, servers: Servers, account: Account, autojump_clock: object
) -> None:
    ca_file = Path(str(account.ca_file)).with_name("mine.pem")
    if content is not None:
        ca_file.write_text(content)
    servers("220 mx", OFFERED, READY)
    with pytest.raises(TLSError, match=r"mine\.pem' cannot be read"):
        async with servers.open(account.replace(ca_file=ca_file)):
            pass
    servers.rows.check_whole()


# --- lookup and TCP -----------------------------------------------------------------------


@pytest.mark.parametrize("host", ["a" * 64 + ".test", "a..test"])
def test_a_name_that_cannot_be_looked_up_is_a_transport_error(host: str) -> None:
    async def main() -> None:
        async with open_session(Account(host=host, port=25, tls="none"), sink=rows):
            pass

    rows = Rows()
    with pytest.raises(TransportError, match="not a host name"):
        trio.run(main)
    assert [(row["kind"], row["error"]) for row in rows.all] == [("dns", "TransportError")]


def test_a_closed_port_is_a_transport_error_with_its_address() -> None:
    async def main(port: int) -> None:
        account = Account(host="127.0.0.1", port=port, tls="none")
        async with open_session(account, sink=rows):
            pass

    rows = Rows()
    with socket.socket() as taken:  # bound, not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(TransportError, match=rf"connecting to 127\.0\.0\.1:{port}"):
            trio.run(main, port)
    dns, connect = rows.all
    assert (dns["kind"], dns["error"]) == ("dns", None)
    assert (connect["kind"], connect["error"]) == ("connect", "TransportError")
    assert (connect["server_address"], connect["port"]) == ("127.0.0.1", port)


async def test_where_the_addresses_are_known_no_name_is_looked_up() -> None:
    rows = Rows()
    connector = partial(connect_to, ["127.0.0.1"])
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(
            trio.serve_listeners, Scripted(["220 mx", PLAIN_EHLO, BYE]).serve, [listener]
        )
        port = listener.socket.getsockname()[1]
        account = Account(host="no.such.host.test", port=port, tls="none")
        async with open_session(account, sink=rows, connector=connector):
            pass
        nursery.cancel_scope.cancel()
    kinds = [row["kind"] for row in rows.all]
    assert kinds == ["connect", "greeting", "command", "command", "disconnect"]
    servers = {(row["server"], row["server_address"]) for row in rows.all}
    assert servers == {("no.such.host.test", "127.0.0.1")}


async def test_without_an_address_there_is_no_connection() -> None:
    with pytest.raises(TransportError, match=r"mx\.test:25"):
        async with open_session(ACCOUNT, connector=partial(connect_to, [])):
            pass


def test_a_connection_is_made_from_the_address_asked_for() -> None:
    peers = []

    async def serve(stream: trio.SocketStream) -> None:
        peers.append(stream.socket.getpeername()[0])
        await stream.send_all(b"554 no\r\n")
        await stream.receive_some()
        await stream.send_all(b"221 bye\r\n")

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(partial(trio.serve_listeners, serve, [listener]))
            account = Account(
                host="127.0.0.1",
                port=listener.socket.getsockname()[1],
                tls="none",
                source_address="127.0.0.1",
            )
            with pytest.raises(RejectedError):
                async with open_session(account, sink=rows):
                    pass
            nursery.cancel_scope.cancel()

    rows = Rows()
    trio.run(main)
    assert peers == ["127.0.0.1"]
    assert [row["kind"] for row in rows.all] == [
        "dns",
        "connect",
        "greeting",
        "command",
        "disconnect",
    ]
    assert {row["server_address"] for row in rows.all[1:]} == {"127.0.0.1"}
    rows.check_whole()


@pytest.mark.parametrize("kind", ["dns", "connect"])
def test_a_callback_that_raises_leaves_no_socket_open(kind: str) -> None:
    async def main(port: int) -> None:
        async with open_session(Account(host="127.0.0.1", port=port), record=callback):
            pass

    def callback(event: Event) -> None:
        if event.kind == kind:
            raise ZeroDivisionError

    with socket.create_server(("127.0.0.1", 0)) as listener:
        with pytest.raises(ZeroDivisionError):
            trio.run(main, listener.getsockname()[1])
        if kind == "connect":
            listener.settimeout(10)
            with listener.accept()[0] as peer:
                peer.settimeout(10)
                assert peer.recv(1) == b""


def test_a_cancelled_connect_is_closed_and_recorded() -> None:
    """The queue of the listener is full: the connection is neither made nor refused."""

    async def main(port: int) -> None:
        with trio.move_on_after(5):
            account = Account(host="127.0.0.1", port=port, tls="none", timeouts=20)
            async with open_session(account, sink=rows):
                pass

    rows = Rows()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        trio.run(main, port, clock=trio.testing.MockClock(autojump_threshold=0))
        for one in waiting:
            one.close()
    last = rows.all[-1]
    assert (last["kind"], last["error"]) in (
        ("connect", "Cancelled"),
        ("disconnect", "TransportError"),
    )


# --- Unix sockets -------------------------------------------------------------------------


async def _listen_at(path: Path, server: Scripted, nursery: trio.Nursery) -> None:
    listening = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    await listening.bind(str(path))
    listening.listen()
    listener = trio.SocketListener(listening)
    nursery.start_soon(trio.serve_listeners, server.serve, [listener])


@pytest.mark.parametrize(("protocol", "verb"), [("smtp", b"EHLO"), ("lmtp", b"LHLO")])
async def test_a_message_goes_to_a_unix_socket(
    protocol: Protocol, verb: bytes, tmp_path: Path, message: Make, nursery: trio.Nursery
) -> None:
    server, rows = Scripted(["220 lmtp", PLAIN_EHLO, OK, OK, GO, OK, BYE]), Rows()
    path = tmp_path / "lmtp"
    await _listen_at(path, server, nursery)
    account = Account(host=str(path), protocol=protocol)
    async with open_session(account, sink=rows) as session:
        assert (await session.send(message())).outcome == "accepted"
    assert server.heard[0].startswith(verb)
    assert b"hello" in server.received
    assert rows.all[0]["kind"] == "connect"
    for row in rows.all:
        assert row["server"] == str(path)
        assert row["port"] is row["server_address"] is row["tls_version"] is None
    assert f"=== {path}, session" in session.transcript()
    rows.check_whole()


async def test_at_a_unix_socket_our_name_is_loopbacks_address_where_we_have_none(
    tmp_path: Path, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "nameless")
    server = Scripted(["220 lmtp", PLAIN_EHLO, BYE])
    await _listen_at(tmp_path / "lmtp", server, nursery)
    async with open_session(Account(host=str(tmp_path / "lmtp"))):
        pass
    assert server.heard[0] == b"EHLO [127.0.0.1]"


async def test_a_password_may_go_to_a_unix_socket_because_nothing_travels(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    server = Scripted(["220 lmtp", "250-mx\r\n250 AUTH PLAIN", "235 in", BYE])
    await _listen_at(tmp_path / "lmtp", server, nursery)
    account = Account(host=str(tmp_path / "lmtp"), username="ann", password="horse")
    async with open_session(account):
        pass
    assert server.heard[1].startswith(b"AUTH PLAIN")


@pytest.mark.parametrize(
    ("path", "told"),
    [("nobody", "No such file"), ("x" * 200, "too long")],
)
async def test_a_unix_socket_that_is_not_there_is_named(
    path: str, told: str, tmp_path: Path
) -> None:
    rows = Rows()
    place = str(tmp_path / path)
    with pytest.raises(TransportError, match=f"connecting to {place}: .*{told}"):
        async with open_session(Account(host=place), sink=rows):
            pass
    assert [(row["kind"], row["error"]) for row in rows.all] == [
        ("connect", "TransportError")
    ]


# --- addresses ----------------------------------------------------------------------------


class _BothFamilies(trio.abc.HostnameResolver):
    """Every name is this machine's, in both families."""

    async def getaddrinfo(self, host: Any, port: Any, *_: Any) -> list[Any]:
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]

    async def getnameinfo(self, *_: Any) -> tuple[str, str]:
        raise NotImplementedError


@pytest.mark.parametrize("host", ["::1", "127.0.0.1"])
async def test_a_server_is_reached_by_whichever_of_its_addresses_answers(
    host: str, nursery: trio.Nursery
) -> None:
    trio.socket.set_custom_hostname_resolver(_BothFamilies())
    (listener,) = await trio.open_tcp_listeners(0, host=host)
    server, rows = Scripted(["220 mx", PLAIN_EHLO, BYE]), Rows()
    nursery.start_soon(trio.serve_listeners, server.serve, [listener])
    port = listener.socket.getsockname()[1]
    async with open_session(Account(host="mx.test", port=port, tls="none"), sink=rows):
        pass
    assert rows.all[-1]["server_address"] == host
    assert rows.of("connect")[-1]["error"] is None
    rows.check_whole()
