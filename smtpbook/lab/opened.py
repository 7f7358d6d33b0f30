"""Opened: an accepted message taken apart for reading, however broken it is.

Whatever a message says of itself is foreign: names, types and charsets are read, never
trusted, and nothing is made safe to show here; that is for `pages`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser
from itertools import islice
from typing import Final

MAX_PARTS: Final = 100
"""How many parts of a message are looked at."""
# What a page shows of a message is bounded, whoever wrote it: all of it can be saved.
_MAX_DEPTH: Final = 20
_MAX_HEADER: Final = 32 * 1024  # octets
_MAX_PART_HEADER: Final = 4 * 1024
_MAX_VALUE: Final = 4_000  # characters
_MAX_PICTURES: Final = 20_000_000
_CID: Final = re.compile(r"cid:([^\s\"'<>()]{1,200})")
_HEADER: Final = re.compile(
    rb"(?:[!-9;-~]+[ \t]*:[^\n]*(?:\n|\Z)(?:[ \t][^\n]*(?:\n|\Z))*)*"
)
_EMPTY_LINE: Final = re.compile(rb"\A\r?\n")
_LINE_END: Final = re.compile(rb"(--)?[ \t]*\r?(?:\n|\Z)")
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
    has_more : bool
        There are more parts than were looked at.
    """

    header: tuple[tuple[str, str], ...] = ()
    html: str | None = None
    text: str | None = None
    files: tuple[File, ...] = ()
    has_more: bool = False

    def get(self, name: str) -> str:
        """Give a field of the header; empty = there is none."""
        return next((value for one, value in self.header if one.lower() == name), "")


def opened_header(data: bytes) -> Opened:
    """Read what a list shows of a message: From, To and Subject."""
    head, _ = _split(data, _MAX_HEADER)
    fields = ((name, head.get(name)) for name in ("From", "To", "Subject"))
    return Opened(
        header=tuple((name, _decoded(str(one))) for name, one in fields if one is not None)
    )


def opened(data: bytes) -> Opened:
    """Take a message apart; of one that defies it, the text is what came."""
    try:
        return _opened(data)
    except _BROKEN:
        return Opened(text=data.decode("utf-8", "replace"))


def _opened(data: bytes) -> Opened:
    bodies: dict[str, str] = {}
    files: list[File] = []
    pictures: dict[str, str] = {}
    leaves = list(islice(_leaves(data, _MAX_HEADER), MAX_PARTS + 1))
    for head, body in leaves[:MAX_PARTS]:
        kind, name = head.get_content_type(), head.get_filename()
        octets = _octets(head, body)
        if kind in ("text/plain", "text/html") and name is None and kind not in bodies:
            bodies[kind] = _text(head, octets)
            continue
        ending = ".eml" if kind.startswith("message/") else ""
        name = name or f"{kind.replace('/', '-')}{ending}"
        files.append(File(name=name, kind=kind, octets=octets))
        cid = str(head.get("Content-ID", "")).strip("<> ")
        if cid and kind.startswith("image/"):
            encoded = base64.b64encode(octets).decode("ascii")
            pictures[cid] = f"data:{kind};base64,{encoded}"
    html = bodies.get("text/html")
    return Opened(
        header=_fields(_split(data, _MAX_HEADER)[0]),
        html=None if html is None else _with_pictures(html, pictures),
        text=bodies.get("text/plain"),
        files=tuple(files),
        has_more=len(leaves) > MAX_PARTS,
    )


def _with_pictures(html: str, pictures: Mapping[str, str]) -> str:
    """Put pictures where they are named; not a large one a thousand times."""
    room = _MAX_PICTURES

    def picture(found: re.Match[str]) -> str:
        nonlocal room
        shown = pictures.get(found[1], "")
        if not shown or len(shown) > room:
            return found[0]
        room -= len(shown)
        return shown

    return _CID.sub(picture, html)


def _leaves(
    data: bytes, max_header: int, depth: int = 0
) -> Iterator[tuple[Message, bytes]]:
    """Give the parts that hold something; an attached message is one of them.

    Not by the standard library's parser: it hands each line through all parts around it,
    which takes minutes where somebody has put hundreds of them around ten megabytes.
    """
    head, body = _split(data, max_header)
    is_multipart = head.get_content_maintype() == "multipart" and depth < _MAX_DEPTH
    boundary = (head.get_boundary() or "") if is_multipart else ""
    parts = _parts(body, boundary.encode("utf-8", "surrogateescape")) if boundary else []
    for part in parts:
        yield from _leaves(part, _MAX_PART_HEADER, depth + 1)
    if not parts:
        yield head, body


def _parts(body: bytes, boundary: bytes) -> list[bytes]:
    """Give what stands between the boundaries (RFC 2046 section 5.1.1)."""
    line = b"\n--" + boundary
    parts: list[list[bytes]] = []
    is_inside = False
    for piece in (b"\n" + body).split(line)[1:]:
        end = _LINE_END.match(piece)
        if end is None:  # a longer boundary that begins so, or text
            if is_inside:
                parts[-1] += [line, piece]
            continue
        is_inside = end[1] is None
        if is_inside:
            parts.append([piece[end.end() :]])
    return [b"".join(part).removesuffix(b"\r") for part in parts]


def _split(data: bytes, max_header: int) -> tuple[Message, bytes]:
    """Read a header, as far as headers go; what is none belongs to the body."""
    found = _HEADER.match(data)
    end = found.end() if found else 0
    head = BytesHeaderParser().parsebytes(data[: min(end, max_header)])
    return head, _EMPTY_LINE.sub(b"", data[end:], count=1)


def _octets(head: Message, body: bytes) -> bytes:
    if head.get_content_maintype() == "message":
        return body
    head.set_payload(body.decode("ascii", "surrogateescape"))
    octets = head.get_payload(decode=True)
    return octets if isinstance(octets, bytes) else b""


def _text(head: Message, octets: bytes) -> str:
    try:
        return octets.decode(head.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError):  # no charset of ours
        return octets.decode("utf-8", "replace")


def _fields(mail: Message) -> tuple[tuple[str, str], ...]:
    return tuple((name, _decoded(str(value))) for name, value in mail.items())


def _decoded(value: str) -> str:
    unfolded = value.replace("\r\n", "").replace("\n", "")
    unfolded = unfolded if len(unfolded) <= _MAX_VALUE else f"{unfolded[:_MAX_VALUE]}…"
    try:
        return str(make_header(decode_header(unfolded)))
    except _BROKEN:
        return unfolded
