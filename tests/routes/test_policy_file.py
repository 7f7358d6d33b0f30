"""A policy's file is fetched over TLS, and nothing else is taken for it."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trio
import trustme

from smtpbook.errors import (
    LocalProtocolError,
    RemoteProtocolError,
    TLSError,
    TransportError,
    TransportTimeout,
)
from smtpbook.lookup.zone import Zone
from smtpbook.routes.policy_file import MAX_BYTES, fetch_policy
from smtpbook.transport.stream import certificate_error

AUTHORITY = trustme.CA()
ZONE = Zone({"mta-sts.example.org": {"A": "127.0.0.1"}, "bare.example": {"A": "127.0.0.1"}})
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: Text/Plain; charset=utf-8\r\n\r\n"


class Web:
    """A web server that says what it is told to."""

    def __init__(self, answer: bytes, name: str) -> None:
        self.answer, self.asked = answer, b""
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        AUTHORITY.issue_cert(name).configure_cert(self.context)

    async def serve(self, stream: trio.SSLStream[trio.SocketStream]) -> None:
        try:
            while not self.asked.endswith(b"\r\n\r\n"):
                self.asked += await stream.receive_some()
            if self.answer:
                await stream.send_all(self.answer)
            else:
                await trio.sleep_forever()
            await trio.aclose_forcefully(stream)
        except trio.BrokenResourceError:
            pass


async def fetch(
    answer: bytes,
    folder: Path,
    *,
    name: str = "mta-sts.example.org",
    limit_s: float = 20.0,
) -> tuple[bytes, bytes]:
    """Fetch from such a server; gives the file, and what it was asked."""
    AUTHORITY.cert_pem.write_to_path(str(folder / "ca.pem"))
    web = Web(answer, name)
    got: bytes | Exception
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_ssl_over_tcp_listeners(
            0, web.context, host="127.0.0.1", https_compatible=True
        )
        nursery.start_soon(trio.serve_listeners, web.serve, listeners)
        port = listeners[0].transport_listener.socket.getsockname()[1]
        try:
            got = await fetch_policy(
                ZONE, "example.org", port=port, ca_file=folder / "ca.pem", limit_s=limit_s
            )
        except Exception as exc:
            got = exc
        nursery.cancel_scope.cancel()
    if isinstance(got, Exception):
        raise got
    return got, web.asked


async def test_one_get_brings_the_file(tmp_path: Path) -> None:
    got, asked = await fetch(HEAD + b"version: STSv1\n", tmp_path)
    assert got == b"version: STSv1\n"
    assert asked.startswith(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\n")
    assert b"Host: mta-sts.example.org\r\n" in asked


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 301 Moved\r\nLocation: https://x.example/\r\n\r\n", "answers 301"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "answers 404"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>", "text/html, not"),
        (b"HTTP/1.1 200 OK\r\n\r\nversion: STSv1", "of no type"),
        (HEAD + b"x" * (MAX_BYTES + 1), "more than 65536 octets"),
        (b"220 mx.example.org ESMTP\r\n\r\n", "no HTTP"),
        (HEAD.replace(b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\n"), "no HTTP"),
    ],
)
async def test_anything_else_is_no_policy(answer: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(RemoteProtocolError, match=said):
        await fetch(answer, tmp_path)


async def test_a_certificate_for_another_name_proves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TLSError) as caught:
        await fetch(HEAD, tmp_path, name="www.example.org")
    assert certificate_error(caught.value) is not None


async def test_a_silent_web_server_costs_no_more_than_the_time_given(
    tmp_path: Path, autojump_clock: object
) -> None:
    with pytest.raises(TransportTimeout, match=r"policy of example\.org: nothing within"):
        await fetch(b"", tmp_path)


async def test_what_no_web_server_can_be_called_is_not_looked_for() -> None:
    name = "mta-sts.a/b.example"
    with pytest.raises(LocalProtocolError, match="a/b"):
        await fetch_policy(Zone({name: {"A": "127.0.0.1"}}), "a/b.example")


async def test_without_an_address_nobody_is_asked() -> None:
    with pytest.raises(TransportError, match=r"mta-sts\.bare\.example: no address"):
        await fetch_policy(ZONE, "bare.example")
    with pytest.raises(TransportError, match="says nothing of mta-sts") as caught:
        await fetch_policy(ZONE, "other.example")
    assert certificate_error(caught.value) is None
