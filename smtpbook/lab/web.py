"""Web: the lab server's mailbox over HTTP, on loopback, for whoever sits at this machine.

A page from elsewhere must not read it: who asks by another name than loopback's is refused
(DNS rebinding), nothing is shared with other origins, and nothing can be changed here.
What the pages hold is `pages`'s; HTTP itself is h11's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

import h11
import trio

from smtpbook.lab import pages
from smtpbook.lab.pages import Page
from smtpbook.lab.received import Received
from smtpbook.log.transcript import transcript

if TYPE_CHECKING:
    from smtpbook.log.frame import Log

_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
_PATIENCE_S: Final = 30.0  # for a request, and between two
_MAX_REQUEST: Final = 16 * 1024
_NOT_FOUND: Final = pages.failed(404, "There is no page here.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the pages are about.

    Attributes
    ----------
    title : str
    received : sequence of Received
        Grows while it is looked at.
    log : callable
        Gives the log of a session by its id.
    """

    title: str
    received: Sequence[Received]
    log: Callable[[str], Log]

    def answer(self, target: str, tag: str = "") -> Page:
        """Answer a GET.

        Parameters
        ----------
        target : str
            Path and query.
        tag : str
            What the browser has already, as it was told in ``ETag``.
        """
        try:
            parts = urlsplit(target)
        except ValueError:
            return _NOT_FOUND
        wanted = parse_qs(parts.query).get("q", [""])[0]
        match parts.path.strip("/").split("/"):
            case [""]:
                return pages.mailbox_page(self.title, list(self.received), wanted)
            case ["rows"]:
                return self._rows(wanted, tag)
            case ["messages.json"]:
                return pages.as_json(list(self.received))
            case ["style.css"]:
                return pages.STYLE
            case ["live.js"]:
                return pages.LIVE
            case ["message", number, *rest]:
                return self._message(number, rest)
        return _NOT_FOUND

    def _rows(self, wanted: str, tag: str) -> Page:
        messages = list(self.received)
        now = pages.tag_of(messages)
        if tag == now:
            return Page(status=304, body=b"", more=(("ETag", now),))
        return Page(body=pages.rows(messages, wanted).encode(), more=(("ETag", now),))

    def _message(self, name: str, rest: list[str]) -> Page:
        number, dot, ending = name.partition(".")
        if not (number.isascii() and number.isdigit() and len(number) < 10):
            return _NOT_FOUND
        if not 1 <= int(number) <= len(self.received):
            return _NOT_FOUND
        one = self.received[int(number) - 1]
        match rest:
            case [] if ending == "eml":
                return pages.source_of(one)
            case _ if dot:
                return _NOT_FOUND
            case ["frame"]:
                return pages.frame(one)
            case ["file", place] if place.isascii() and place.isdigit() and len(place) < 6:
                return pages.file_of(one, int(place)) or _NOT_FOUND
            case [] | [_]:
                tab = rest[0] if rest else ""
                said = ""
                if tab == "conversation":
                    said = transcript(self.log(one.session_id))
                return pages.message_page(self.title, int(number), one, tab, said)
        return _NOT_FOUND


async def serve_pages(listeners: list[trio.SocketListener], desk: Desk) -> None:
    """Serve the pages until cancelled."""
    port = listeners[0].socket.getsockname()[1]
    hosts = {f"{name}:{port}" for name in _NAMES}

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            try:
                await _converse(stream, desk, hosts)
            except trio.BrokenResourceError:
                return  # the browser has gone

    await trio.serve_listeners(serve, listeners)


async def _converse(stream: trio.SocketStream, desk: Desk, hosts: set[str]) -> None:
    """Answer the requests of one connection."""
    http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_REQUEST)
    while True:
        with trio.move_on_after(_PATIENCE_S) as patience:
            try:
                request = await _next_request(stream, http)
            except h11.RemoteProtocolError as exc:
                if http.our_state is h11.IDLE:
                    page = pages.failed(exc.error_status_hint, "This is no request.")
                    await _send(stream, http, page, is_head=False)
                return
            if request is None:
                return
            page = await _page_for(request, desk, hosts)
            await _send(stream, http, page, is_head=request.method == b"HEAD")
            if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
                return
            http.start_next_cycle()
        if patience.cancelled_caught:
            return


async def _next_request(
    stream: trio.SocketStream, http: h11.Connection
) -> h11.Request | None:
    """Read a request to its end; None = there is none any more."""
    request: h11.Request | None = None
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await stream.receive_some())
        elif isinstance(event, h11.Request):
            request = event
            if event.method not in (b"GET", b"HEAD"):
                return event  # its body is not waited for
        elif isinstance(event, h11.EndOfMessage):
            return request
        elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
            return None


async def _page_for(request: h11.Request, desk: Desk, hosts: set[str]) -> Page:
    fields = {name: value.decode("latin-1") for name, value in request.headers}
    if fields.get(b"host", "").lower() not in hosts:
        return pages.failed(421, "Ask by the address that the lab server has told.")
    if request.method not in (b"GET", b"HEAD"):
        return pages.failed(405, "Only GET and HEAD are answered here.")
    # Another site may lead here, and may have the browser fetch nothing else.
    is_ours = fields.get(b"sec-fetch-site", "none") in ("none", "same-origin")
    if not is_ours and fields.get(b"sec-fetch-dest") != "document":
        return pages.failed(403, "This is not for other sites.")
    target = request.target.decode("latin-1")
    tag = fields.get(b"if-none-match", "")
    # In a thread: a message of ten megabytes takes longer than a conversation may wait.
    return await trio.to_thread.run_sync(desk.answer, target, tag)


async def _send(
    stream: trio.SocketStream, http: h11.Connection, page: Page, *, is_head: bool
) -> None:
    octets = http.send(h11.Response(status_code=page.status, headers=page.headers)) or b""
    if not is_head and page.status != 304:
        octets += http.send(h11.Data(data=page.body)) or b""
    octets += http.send(h11.EndOfMessage()) or b""
    await stream.send_all(octets)
