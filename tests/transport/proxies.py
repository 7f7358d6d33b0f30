"""Proxies on loopback: small ones that work, and ones that say what they are told to.

Written from the RFCs and not from what the client uses, so that a mistake there shows.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import trio


@dataclass
class Proxy:
    """Speaks SOCKS4, SOCKS5 and HTTP's CONNECT, as its first octet is.

    Attributes
    ----------
    to_port : int
        Where every connection is made to, on loopback, whatever is asked for.
    login : tuple of str, optional
        Who may use it.
    asked : list of tuple
        The host and port that were asked for, in order.
    refusal : bytes, optional
        What is said instead of connecting.
    """

    to_port: int = 0
    login: tuple[str, str] | None = None
    refusal: bytes | None = None
    asked: list[tuple[str, int]] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)

    async def serve(self, stream: trio.SocketStream) -> None:
        """Serve one connection."""
        self.peers.append(stream.socket.getpeername()[0])
        reader = _Reader(stream)
        try:
            version = await reader.exactly(1)
            serve = {b"\x05": self._socks5, b"\x04": self._socks4}.get(version, self._http)
            said = await serve(reader, version)
            if self.refusal is not None:
                said = self.refusal
            elif said is not None:
                await self._relay(stream, said)
                return
            if said:
                await stream.send_all(said)
            await stream.send_eof()
        except (trio.BrokenResourceError, EOFError):
            pass

    async def _relay(self, stream: trio.SocketStream, said: bytes) -> None:
        server = await trio.open_tcp_stream("127.0.0.1", self.to_port)
        async with server, trio.open_nursery() as nursery:
            # What the server says first comes in one piece with the proxy's own words.
            await stream.send_all(said + await server.receive_some())
            nursery.start_soon(_copy, stream, server)
            nursery.start_soon(_copy, server, stream)

    async def _socks5(self, reader: _Reader, _: bytes) -> bytes | None:
        methods = await reader.exactly((await reader.exactly(1))[0])
        if self.login is None:
            await reader.stream.send_all(b"\x05\x00")
        elif b"\x02" not in methods:
            await reader.stream.send_all(b"\x05\xff")
            return None
        else:
            await reader.stream.send_all(b"\x05\x02")
            assert await reader.exactly(1) == b"\x01"
            name = await reader.exactly((await reader.exactly(1))[0])
            word = await reader.exactly((await reader.exactly(1))[0])
            is_right = (name.decode(), word.decode()) == self.login
            await reader.stream.send_all(b"\x01" + (b"\0" if is_right else b"\x01"))
            if not is_right:
                return None
        assert await reader.exactly(3) == b"\x05\x01\x00"
        kind = await reader.exactly(1)
        if kind == b"\x03":
            host = (await reader.exactly((await reader.exactly(1))[0])).decode()
        else:
            size = {b"\x01": 4, b"\x04": 16}[kind]
            host = str(ipaddress.ip_address(await reader.exactly(size)))
        self.asked.append((host, int.from_bytes(await reader.exactly(2), "big")))
        return b"\x05\x00\x00\x01" + bytes(6)

    async def _socks4(self, reader: _Reader, _: bytes) -> bytes | None:
        assert await reader.exactly(1) == b"\x01"
        port = int.from_bytes(await reader.exactly(2), "big")
        address = await reader.exactly(4)
        user = await reader.until(b"\0")
        host = str(ipaddress.ip_address(address))
        if address[:3] == bytes(3):
            host = (await reader.until(b"\0")).decode()
        if self.login is not None and user.decode() != self.login[0]:
            return b"\0\x5d" + bytes(6)
        self.asked.append((host, port))
        return b"\0\x5a" + bytes(6)

    async def _http(self, reader: _Reader, first: bytes) -> bytes | None:
        lines = (first + await reader.until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, version = lines[0].split()
        assert (method, version) == ("CONNECT", "HTTP/1.1")
        assert f"Host: {target}" in lines
        if self.login is not None:
            basic = base64.b64encode(":".join(self.login).encode("latin-1")).decode()
            if f"Proxy-Authorization: Basic {basic}" not in lines:
                return self._refuse(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
        host, _, port = target.rpartition(":")
        self.asked.append((host, int(port)))
        return b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy.test\r\n\r\n"

    def _refuse(self, said: bytes) -> bytes:
        self.refusal = said
        return said


@dataclass
class Mumbler:
    """Says these octets, one piece for each that it hears, and closes or stays silent."""

    pieces: Sequence[bytes]
    closes: bool = True
    endless: bytes = b""
    sent: int = 0

    async def serve(self, stream: trio.SocketStream) -> None:
        """Serve one connection."""
        try:
            for piece in self.pieces:
                await stream.receive_some()
                await stream.send_all(piece)
            while self.endless:
                await stream.send_all(self.endless)
                self.sent += len(self.endless)
            if not self.closes:
                await trio.sleep_forever()
        except trio.BrokenResourceError:
            pass


class _Reader:
    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream

    async def exactly(self, count: int) -> bytes:
        octets = b""
        while len(octets) < count:
            more = await self.stream.receive_some(count - len(octets))
            if not more:
                raise EOFError
            octets += more
        return octets

    async def until(self, end: bytes) -> bytes:
        octets = b""
        while not octets.endswith(end):
            octets += await self.exactly(1)
        return octets.removesuffix(end)


async def _copy(source: trio.SocketStream, sink: trio.SocketStream) -> None:
    try:
        async for octets in source:
            await sink.send_all(octets)
        await sink.send_eof()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass


async def listen(
    nursery: trio.Nursery, serve: Callable[[trio.SocketStream], object]
) -> int:
    """Listen on loopback until the nursery is cancelled; gives the port."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, serve, [listener])
    port: int = listener.socket.getsockname()[1]
    return port
