"""Web: the lab server's mailbox over HTTP, on loopback, for whoever sits at this machine.

A page from elsewhere must not read it: nothing is shared with other origins, and nothing
can be changed here.  What the pages hold is `pages`'s; HTTP itself is `loopback`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

import trio

from smtpbook.lab import pages
from smtpbook.lab.pages import Page
from smtpbook.lab.received import Received
from smtpbook.log.transcript import transcript
from smtpbook.loopback import Request, serve_http

if TYPE_CHECKING:
    from smtpbook.log.frame import Log

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
        place = int(number)
        if not place or not (found := self.received[place - 1 : place]):
            return _NOT_FOUND
        one = found[0]
        match rest:
            case [] if ending == "eml":
                return pages.source_of(one)
            case _ if dot:
                return _NOT_FOUND
            case ["frame"]:
                return pages.frame(one)
            case ["file", which] if which.isascii() and which.isdigit() and len(which) < 6:
                return pages.file_of(one, int(which)) or _NOT_FOUND
            case [] | [_]:
                tab = rest[0] if rest else ""
                said = ""
                if tab == "conversation":
                    said = transcript(self.log(one.session_id))
                return pages.message_page(self.title, place, one, tab, said)
        return _NOT_FOUND


async def serve_pages(listeners: list[trio.SocketListener], desk: Desk) -> None:
    """Serve the pages until cancelled."""

    async def answer(request: Request) -> Page:
        if request.method not in ("GET", "HEAD"):
            return pages.failed(405, "Only GET and HEAD are answered here.")
        # Another site may lead here, and may have the browser fetch nothing else.
        is_ours = request.fields.get("sec-fetch-site", "none") in ("none", "same-origin")
        if not is_ours and request.fields.get("sec-fetch-dest") != "document":
            return pages.failed(403, "This is not for other sites.")
        tag = request.fields.get("if-none-match", "")
        # In a thread: a message of ten megabytes takes longer than a conversation may wait.
        return await trio.to_thread.run_sync(desk.answer, request.target, tag)

    await serve_http(listeners, answer, pages.failed)
