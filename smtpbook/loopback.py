"""Loopback: HTTP for whoever sits at this machine, answered by one async function.

A page from elsewhere must not get in: who asks by another name than loopback's is refused
(DNS rebinding).  Who else may ask, and what the answers hold, is the function's to say;
HTTP itself is h11's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import h11
import trio

PATIENCE_S: Final = 30.0
"""For a request and its answer, and between two: who is slower is cut off."""

_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
_MAX_HEAD: Final = 16 * 1024  # octets of a request without its body


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked.

    Attributes
    ----------
    method, target : str
        As they came; `target` is path and query.
    fields : mapping of str to str
        By name in lower case.
    body : bytes
    """

    method: str
    target: str
    fields: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


class Answer(Protocol):
    """What is answered."""

    @property
    def status(self) -> int:
        """HTTP's status code."""

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """Names and values, in order."""

    @property
    def body(self) -> bytes:
        """What follows them."""


Answers = Callable[[Request], Awaitable[Answer]]
Fails = Callable[[int, str], Answer]


async def serve_http(
    listeners: list[trio.SocketListener],
    answer: Answers,
    failed: Fails,
    *,
    max_body_bytes: int = 0,
) -> None:
    """Answer requests until cancelled.

    Parameters
    ----------
    listeners : list of SocketListener
        All of one port of the loopback interface.
    answer : async callable
        Takes a `Request`.
    failed : callable
        Makes the answer of a status and words, for what `answer` is not asked.
    max_body_bytes : int
        Of a request; more is refused.
    """
    port = listeners[0].socket.getsockname()[1]
    hosts = {f"{name}:{port}" for name in _NAMES}

    async def from_here(request: Request) -> Answer:
        if request.fields.get("host", "").lower() not in hosts:
            return failed(421, "Ask by the address that was told.")
        return await answer(request)

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            try:
                await _converse(stream, from_here, failed, max_body_bytes)
            except trio.BrokenResourceError:
                return  # nobody is there any more

    await trio.serve_listeners(serve, listeners)


async def _converse(
    stream: trio.SocketStream, answer: Answers, failed: Fails, max_body_bytes: int
) -> None:
    """Answer the requests of one connection."""
    http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
    while True:
        with trio.move_on_after(PATIENCE_S) as patience:
            try:
                request = await _next_request(stream, http, max_body_bytes)
            except h11.RemoteProtocolError as exc:
                if http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                    said = failed(exc.error_status_hint, "This is no request of ours.")
                    await _send(stream, http, said, is_head=False)
                return
            if request is None:
                return
            said = await answer(request)
            await _send(stream, http, said, is_head=request.method == "HEAD")
            if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
                return
            http.start_next_cycle()
        if patience.cancelled_caught:
            return


async def _next_request(
    stream: trio.SocketStream, http: h11.Connection, max_body_bytes: int
) -> Request | None:
    """Read a request to its end; None = there is none any more."""
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await stream.receive_some())
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > max_body_bytes:
                raise h11.RemoteProtocolError("body too large", error_status_hint=413)
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return Request(
                method=head.method.decode("ascii"),
                target=head.target.decode("latin-1"),
                fields={
                    name.decode("ascii"): value.decode("latin-1")
                    for name, value in head.headers
                },
                body=bytes(body),
            )
        elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
            return None


async def _send(
    stream: trio.SocketStream, http: h11.Connection, said: Answer, *, is_head: bool
) -> None:
    response = h11.Response(status_code=said.status, headers=list(said.headers))
    octets = http.send(response) or b""
    if not is_head and said.status != 304:
        octets += http.send(h11.Data(data=said.body)) or b""
    octets += http.send(h11.EndOfMessage()) or b""
    await stream.send_all(octets)
