"""Opened: an accepted message taken apart for reading, however broken it is.

Whatever a message says of itself is foreign: names, types and charsets are read, never
trusted, and nothing is made safe to show here; that is for `pages`.
"""

from __future__ import annotations

import base64
import email
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser
from typing import Final

from smtpbook.protocol.header import split_header

# What the standard library raises over some messages that somebody made to hurt it.
_BROKEN: Final = (
    *(RecursionError, MessageError, ValueError, LookupError, TypeError),
    *(AttributeError, AssertionError),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A part of a message that is not one of its two bodies."""

    name: str
    kind: str
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A message taken apart.

    Attributes
    ----------
    header : tuple of (str, str)
        The fields in their order, encoded words read.
    html, text : str or None
        The first body of each kind; pictures of the message stand in `html` itself.
    files : tuple of File
    """

    header: tuple[tuple[str, str], ...] = ()
    html: str | None = None
    text: str | None = None
    files: tuple[File, ...] = ()

    def get(self, name: str) -> str:
        """Give a field of the header; empty = there is none."""
        return next((value for one, value in self.header if one.lower() == name), "")


def opened_header(data: bytes) -> Opened:
    """Read a message's header alone."""
    head = BytesHeaderParser().parsebytes(split_header(data)[0])
    return Opened(header=_fields(head))


def opened(data: bytes) -> Opened:
    """Take a message apart; of one that defies it, the text is what came."""
    try:
        return _opened(email.message_from_bytes(data))
    except _BROKEN:
        return Opened(text=data.decode("utf-8", "replace"))


def _opened(mail: Message) -> Opened:
    bodies: dict[str, str] = {}
    files: list[File] = []
    pictures: dict[str, str] = {}
    for part in _leaves(mail):
        kind = part.get_content_type()
        is_file = part.get_filename() is not None
        if kind in ("text/plain", "text/html") and not is_file and kind not in bodies:
            bodies[kind] = _text(part)
            continue
        octets = _octets(part)
        files.append(File(name=_name(part, kind), kind=kind, octets=octets))
        cid = str(part.get("Content-ID", "")).strip("<> ")
        if cid and kind.startswith("image/"):
            encoded = base64.b64encode(octets).decode("ascii")
            pictures[cid] = f"data:{kind};base64,{encoded}"
    html = bodies.get("text/html")
    for cid, picture in pictures.items():
        html = None if html is None else html.replace(f"cid:{cid}", picture)
    return Opened(
        header=_fields(mail), html=html, text=bodies.get("text/plain"), files=tuple(files)
    )


def _leaves(mail: Message) -> Iterator[Message]:
    """Give the parts that hold something; an attached message is one of them."""
    if mail.is_multipart() and mail.get_content_maintype() != "message":
        for part in mail.get_payload():
            if isinstance(part, Message):
                yield from _leaves(part)
    else:
        yield mail


def _octets(part: Message) -> bytes:
    if part.is_multipart():  # an attached message
        return b"".join(
            one.as_bytes() for one in part.get_payload() if isinstance(one, Message)
        )
    octets = part.get_payload(decode=True)
    return octets if isinstance(octets, bytes) else b""


def _text(part: Message) -> str:
    octets = _octets(part)
    try:
        return octets.decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError):  # no charset of ours
        return octets.decode("utf-8", "replace")


def _name(part: Message, kind: str) -> str:
    ending = ".eml" if part.is_multipart() else ""
    return part.get_filename() or f"{kind.replace('/', '-')}{ending}"


def _fields(mail: Message) -> tuple[tuple[str, str], ...]:
    return tuple((name, _decoded(str(value))) for name, value in mail.items())


def _decoded(value: str) -> str:
    unfolded = value.replace("\r\n", "").replace("\n", "")
    try:
        return str(make_header(decode_header(unfolded)))
    except _BROKEN:
        return unfolded
