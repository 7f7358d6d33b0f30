"""HTTP on loopback: who is answered, who is refused, and who is cut off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import h11
import pytest
import trio

from smtpbook.loopback import Request, serve_http


@dataclass(frozen=True)
class Said:
    body: bytes
    status: int = 200

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        return [("Content-Length", str(len(self.body)))]


def refused(status: int, words: str) -> Said:
    return Said(words.encode(), status)


async def echo(request: Request) -> Said:
    return Said(f"{request.method} {request.target} ".encode() + request.body)


async def exchange(*pieces: str, max_body_bytes: int = 8) -> list[tuple[int, bytes]]:
    """Serve one connection: send the pieces, wait for the end, and give the answers."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    got = b""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            lambda: serve_http(listeners, echo, refused, max_body_bytes=max_body_bytes)
        )
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            for piece in pieces:
                await stream.send_all(piece.replace("PORT", str(port)).encode())
            async for piece in stream:
                got += piece
        nursery.cancel_scope.cancel()
    return answers(got)


def answers(octets: bytes) -> list[tuple[int, bytes]]:
    client = h11.Connection(h11.CLIENT)
    told: list[tuple[int, bytes]] = []
    while octets:
        client = h11.Connection(h11.CLIENT)
        client.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
        client.send(h11.EndOfMessage())
        client.receive_data(octets)
        response, body = client.next_event(), b""
        assert isinstance(response, h11.Response)
        while isinstance(event := client.next_event(), h11.Data):
            body += event.data
        assert isinstance(event, h11.EndOfMessage)
        told.append((response.status_code, body))
        octets = client.trailing_data[0]
    return told


HOST = "Host: 127.0.0.1:PORT\r\n"
LAST = f"{HOST}Connection: close\r\n"


async def test_requests_of_one_connection_are_answered_in_order() -> None:
    assert await exchange(
        f"GET /a HTTP/1.1\r\n{HOST}\r\n",
        f"POST /b HTTP/1.1\r\n{LAST}Content-Length: 3\r\n\r\n",
        "xyz",
    ) == [(200, b"GET /a "), (200, b"POST /b xyz")]


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        ("GET / HTTP/1.1\r\nHost: evil.test:PORT\r\nConnection: close\r\n\r\n", 421),
        (f"POST / HTTP/1.1\r\n{HOST}Content-Length: 9\r\n\r\n123456789", 413),
        (f"POST / HTTP/1.1\r\n{HOST}Content-Length: x\r\n\r\n", 400),
        (f"GET / HTTP/1.1\r\n{HOST}X: {'x' * 20_000}", 431),
        ("EHLO ann.example\r\n\r\n", 400),
    ],
)
async def test_what_is_refused_gets_a_reason_and_the_line_is_closed(
    request_text: str, status: int
) -> None:
    ((told, words),) = await exchange(request_text)
    assert told == status
    assert words


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (f"GET / HTTP/1.1\r\n{HOST}X: ",),
        (f"POST / HTTP/1.1\r\n{HOST}Content-Length: 5\r\n\r\n", "1"),
    ],
)
async def test_who_does_not_come_to_an_end_is_cut_off(
    pieces: tuple[str, ...], autojump_clock: object
) -> None:
    begun = trio.current_time()
    assert await exchange(*pieces) == []
    assert trio.current_time() - begun == pytest.approx(30, abs=0.1)
