"""A server that says what it is told to, at the other end of a stream.

It reads the client's lines and the mail data, keeps every octet, and answers each with the
next item of its script.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import trio
import trio.testing

from smtpbook.accounts.account import Account
from smtpbook.events import COLUMNS, Row
from smtpbook.session.record import Record
from smtpbook.session.session import Session, open_session
from smtpbook.transport.stream import TcpStream

ACCOUNT = Account(host="mx.test", port=25, tls="none", helo="client.test")
EHLO = "250-mx.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 1000000"
CHUNKING_EHLO = f"250-mx.test\r\n250-CHUNKING\r\n{EHLO.partition(chr(10))[2]}"
PLAIN_EHLO = "250 mx.test"
READY = b"220 go ahead\r\n"
BYE = "221 Bye"


@dataclass(frozen=True)
class Wait:
    """Be silent for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Unasked:
    """Say or do something without waiting for the client to speak."""

    what: bytes | Callable[[Scripted], Awaitable[None]]


_BDAT = re.compile(rb"BDAT (\d+)(?: LAST)?")
CLOSE = "(close)"
SILENCE = "(silence)"
Item = str | bytes | Wait | Unasked | Callable[["Scripted"], Awaitable[None]]


class Scripted:
    """One connection's server.

    Parameters
    ----------
    items : sequence
        The greeting, then one item for each command or mail data: a reply without its
        CRLF, octets as they are, `Wait` or `Unasked` before the next, `CLOSE`, `SILENCE`,
        or an async function that gets this server.  After the last it goes on listening.
        A 3yz is followed by mail data, but for the 334 of AUTH.
    cut : int, optional
        Pause in front of this octet of all it says; -1 pauses in front of each.

    Attributes
    ----------
    received : bytearray
        Every octet the client has written.
    heard : list of bytes
        Its lines and mail data, without the CRLF.
    """

    def __init__(self, items: Sequence[Item], *, cut: int | None = None) -> None:
        self.received = bytearray()
        self.heard: list[bytes] = []
        self.said = 0
        self.block_takes_s = 0.0
        self.is_full = False
        self.is_on_loopback = False
        self._items = deque(items)
        self._cut = cut
        self._unread = b""
        self._takes_mail_data = False
        self.stream: trio.abc.Stream
        self.client_stream: trio.abc.Stream

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Play the script, then listen until the client has gone."""
        self.stream = stream
        try:
            is_spoken_to = True  # a connection asks for the greeting
            while self._items:
                item = self._items.popleft()
                if isinstance(item, Wait):
                    await trio.sleep(item.seconds)
                    continue
                if isinstance(item, Unasked):
                    await self._play(item.what)
                    continue
                if not is_spoken_to:
                    await self.hear()
                is_spoken_to = False
                await self._play(item)
            await self.listen()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(self.stream)

    async def _play(self, item: Item) -> None:
        if item is CLOSE:
            await self.stream.aclose()
            self._items.clear()
        elif item is SILENCE:
            self._items.clear()
        elif isinstance(item, str):
            await self.say(item.encode("utf-8", "surrogateescape") + b"\r\n")
            self._takes_mail_data = item[0] == "3" and not item.startswith("334")
        elif isinstance(item, bytes):
            await self.say(item)
        elif not isinstance(item, Wait | Unasked):
            await item(self)

    async def say(self, octets: bytes) -> None:
        """Write, with a pause where the script wants one."""
        start, self.said = self.said, self.said + len(octets)
        if self._cut == -1:
            parts = [octets[i : i + 1] for i in range(len(octets))]
        elif self._cut is not None and start < self._cut < self.said:
            parts = [octets[: self._cut - start], octets[self._cut - start :]]
        else:
            parts = [octets]
        for part in parts:
            await self.stream.send_all(part)
            if len(parts) > 1:
                await trio.testing.wait_all_tasks_blocked()

    async def hear(self) -> bytes:
        """Wait for a line, or for mail data after a 354; BDAT comes with its own."""
        end = b"\r\n.\r\n" if self._takes_mail_data else b"\r\n"
        while True:
            # The line before the mail data ended in CRLF.
            unread = b"\r\n" + self._unread if self._takes_mail_data else self._unread
            unit, is_whole, rest = unread.partition(end)
            if is_whole:
                break
            self._unread += await self.receive()
        self._unread, self._takes_mail_data = rest, False
        self.heard.append(unit.removeprefix(b"\r\n"))
        if found := _BDAT.fullmatch(unit):
            while len(self._unread) < int(found[1]):
                self._unread += await self.receive()
            self._unread = self._unread[int(found[1]) :]
        return unit

    async def listen(self) -> None:
        """Hear everything else the client says, and answer nothing."""
        while True:
            self._unread += await self.receive()
            *lines, self._unread = self._unread.split(b"\r\n")
            self.heard += lines

    async def receive(self) -> bytes:
        """Wait for octets; the client's leaving is an error."""
        octets = bytes(await self.stream.receive_some(65536))
        if not octets:
            raise trio.BrokenResourceError("the client has closed")
        self.received += octets
        return octets


def secured(
    context: ssl.SSLContext,
    say: bytes = READY,
    *,
    then: bytes = b"",
    seen: list[object] | None = None,
) -> Callable[[Scripted], Awaitable[None]]:
    """Say that TLS may begin, and do the server's side of the handshake: an item.

    With ``say=b""`` TLS begins at once; `then` is said under it, and `seen` gets what the
    client's certificate holds.
    """

    async def start(server: Scripted) -> None:
        if say:
            await server.say(say)
        secure = trio.SSLStream(
            server.stream, context, server_side=True, https_compatible=True
        )
        server.stream = secure
        await secure.do_handshake()
        if seen is not None:
            seen.append(secure.getpeercert())
        if then:
            await server.say(then)

    return start


class Servers:
    """Scripted servers, one for each connection that is made.

    Attributes
    ----------
    all : list of Scripted
        In the order in which they are connected to.
    rows : Rows
        The record of every session opened here.
    """

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self.rows = Rows()
        self.all: list[Scripted] = []
        self._waiting: deque[Scripted] = deque()

    def __call__(
        self,
        *items: Item,
        cut: int | None = None,
        block_takes_s: float = 0,
        is_full: bool = False,
        is_on_loopback: bool = False,
    ) -> Scripted:
        """Put another server up, for the next connection.

        `block_takes_s` is how long the client takes to write to it, each time: replies can
        come in between.  With `is_full` nothing is buffered between the two: who writes
        waits until the other reads.  With `is_on_loopback` the kernel stands between them.
        """
        server = Scripted(items, cut=cut)
        server.block_takes_s = block_takes_s
        server.is_full = is_full
        server.is_on_loopback = is_on_loopback
        self.all.append(server)
        self._waiting.append(server)
        return server

    def open(
        self, account: Account = ACCOUNT, **options: Any
    ) -> AbstractAsyncContextManager[Session]:
        """Open a session with the next server."""
        return open_session(account, sink=self.rows, connector=self.connect, **options)

    async def connect(self, account: Account, record: Record) -> trio.abc.Stream:
        """Connect to the next server: a `Connector`."""
        server = self._waiting.popleft()
        ours: trio.abc.Stream
        theirs: trio.abc.Stream
        if server.is_on_loopback:
            ours, theirs = await _loopback_pair()
        elif server.is_full:
            ours, theirs = trio.testing.lockstep_stream_pair()
        else:
            ours, theirs = memory, _ = trio.testing.memory_stream_pair()
            if server.block_takes_s:
                _slow_down(memory.send_stream, server.block_takes_s)
        server.client_stream = ours
        self._nursery.start_soon(server.serve, theirs)
        return ours


async def _loopback_pair() -> tuple[TcpStream, trio.SocketStream]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = trio.socket.socket()
        # Else it grows to as much as this machine allows.
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 256 * 1024)
        await ours.connect(listener.getsockname())
        theirs, _ = listener.accept()
    return TcpStream(ours), trio.SocketStream(trio.socket.from_stdlib_socket(theirs))


def _slow_down(stream: trio.testing.MemorySendStream, seconds: float) -> None:
    deliver = stream.send_all_hook
    assert deliver is not None

    async def deliver_and_wait() -> None:
        await deliver()  # type: ignore[misc]
        await trio.sleep(seconds)

    stream.send_all_hook = deliver_and_wait


class Rows:
    """A sink that keeps the rows, as dicts."""

    def __init__(self) -> None:
        self.all: list[dict[str, object]] = []

    def __call__(self, row: Row) -> None:
        self.all.append(dict(zip(COLUMNS, row, strict=True)))

    def of(self, kind: str, verb: str | None = None) -> list[dict[str, object]]:
        """Give those of a kind, and of a verb."""
        return [
            row
            for row in self.all
            if row["kind"] == kind and (verb is None or row["verb"] == verb)
        ]

    def column(self, name: str, kind: str = "command") -> list[object]:
        return [row[name] for row in self.of(kind)]

    def check_whole(self) -> None:
        """Assert what holds for every session, however it ended."""
        by_session: dict[object, list[dict[str, object]]] = {}
        for row in self.all:
            by_session.setdefault(row["session_id"], []).append(row)
        for rows in by_session.values():
            assert [row["seq"] for row in rows] == list(range(len(rows)))
            assert rows[-1]["kind"] == "disconnect"
            assert [row["kind"] for row in rows].count("disconnect") == 1
        for row in self.all:
            if row["kind"] in ("greeting", "command"):
                # A command has a reply or an error, never both and never neither.
                assert (row["reply_code"] is None) != (row["error"] is None), row
            for name in ("latency_s", "first_byte_s", "service_s"):
                assert row[name] is None or row[name] >= 0, row  # type: ignore[operator]
        attempts = [(row["transaction_id"], row["recipient"]) for row in self.of("outcome")]
        assert len(set(attempts)) == len(attempts)
        begun = {row["transaction_id"] for row in self.of("command", "MAIL")}
        assert begun - {None} <= {transaction for transaction, _ in attempts}
