"""Replies: what the server says (RFC 5321 section 4.2).

A reply is a three-digit code and some text, on one line or several.  This module turns
octets into `Reply` objects and back.  It does no I/O, reads no clock, and does not know
which command a reply belongs to.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal

from smtpbook.errors import RemoteProtocolError
from smtpbook.escape import visible
from smtpbook.protocol.commands import MAX_AUTH_LINE

# "An SMTP server SHOULD send the <SP> if subsequent text is not sent, but clients
# MUST be prepared for it to be omitted." -- RFC 5321 section 4.2.1
_LINE: Final = re.compile(rb"([2-5][0-9]{2})(?:(-)| |$)([^\r\n]*)")
_LINE_END: Final = re.compile(r"\r\n|\n")
# class "." subject "." detail -- RFC 3463 section 2
_ENHANCED: Final = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?= |$)")

# "The maximum total length of a reply line including the reply code and the <CRLF> is
# 512 octets. More information may be conveyed through multiple-line replies." -- RFC 5321
# section 4.5.3.1.5.  Real servers go beyond it; eight times as much is still no attack.
MAX_REPLY_LINE: Final = 4096
# A reply longer than this is an attack or a bug: any real EHLO is a few KB.
MAX_REPLY_BYTES: Final = 64 * 1024
MAX_REPLY_LINES: Final = 500

_MAX_SEEN: Final = 32  # kinds of reply remembered; what varies is not worth it

Severity = Literal["success", "intermediate", "transient", "permanent"]
_SEVERITY: Final[dict[int, Severity]] = {
    2: "success",
    3: "intermediate",
    4: "transient",
    5: "permanent",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One reply from the server.

    Attributes
    ----------
    code : int
        Reply code, 200 to 599.
    lines : tuple of str, length >= 1
        Text after the code, one item per line, without code, separator or CRLF.
        Bytes that are not UTF-8 are kept as surrogate escapes, so
        ``line.encode("utf-8", "surrogateescape")`` gives back what was received.
    cells : tuple
        What the event log holds of it: code, enhanced status, text.  Made once, as the
        parser gives the same object for the same octets.

    Examples
    --------
    >>> Reply.parse("550 5.1.1 no such user").enhanced_status
    '5.1.1'

    References
    ----------
    RFC 5321 section 4.2 (replies), RFC 3463 section 2 (enhanced status codes).
    """

    code: int
    lines: tuple[str, ...] = ("",)
    cells: tuple[int, str | None, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        match = _ENHANCED.match(self.lines[0])
        status = match[1] if match and match[1][0] == str(self.code)[0] else None
        cells = (self.code, status, "\n".join(map(visible, self.lines)))
        object.__setattr__(self, "cells", cells)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Reply, code=self.code, lines=self.lines), ()

    @classmethod
    def parse(cls, text: str) -> Reply:
        """Read a reply from a string of one line or several.

        Raises
        ------
        RemoteProtocolError
            The text is not one whole reply.
        """
        parser = ReplyParser()
        # Not splitlines(), which also cuts at characters that may stand in a text.
        wire = "\r\n".join(_LINE_END.split(text.strip("\r\n"))) + "\r\n"
        with suppress(UnicodeEncodeError):  # a lone surrogate, which no octet makes
            parser.feed(wire.encode("utf-8", "surrogateescape"))
        reply = parser.next_reply()
        if isinstance(reply, NeedData) or parser.is_inside_reply:
            raise RemoteProtocolError(
                f"not one whole reply: {visible(text, max_chars=80)!r}"
            )
        return reply

    @classmethod
    def of(cls, code: int, text: str) -> Reply:
        """Make a reply of its code and its `text`, as an event log has them."""
        return cls(code=code, lines=tuple(text.split("\n")))

    @property
    def severity(self) -> Severity:
        """What the first digit means; the only thing the client may act on.

        A code we have never seen is handled by its first digit (section 4.2).
        """
        return _SEVERITY[self.code // 100]

    @property
    def text(self) -> str:
        r"""The lines joined by ``\n``, safe to show and to store.

        Octets that are not UTF-8, controls and direction marks stand as escapes.
        """
        return self.cells[2]

    @property
    def enhanced_status(self) -> str | None:
        """The RFC 3463 status that opens the text, such as ``"4.2.2"``, if any.

        Its class must agree with the reply code (RFC 2034 section 4), or it is none.
        Whether the server announced ENHANCEDSTATUSCODES is not asked: many do not.
        """
        return self.cells[1]

    def to_bytes(self) -> bytes:
        r"""Give the reply as a server writes it.

        >>> Reply(code=250, lines=("mx", "SIZE 10")).to_bytes()
        b'250-mx\r\n250 SIZE 10\r\n'
        """
        last = len(self.lines) - 1
        return b"".join(
            b"%d%c%s\r\n"
            % (self.code, 45 if i < last else 32, line.encode("utf-8", "surrogateescape"))
            for i, line in enumerate(self.lines)
        )

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()


class NeedData:
    """Returned by `ReplyParser.next_reply` when no whole reply has arrived."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NEED_DATA"


NEED_DATA: Final = NeedData()


class ReplyParser:
    r"""Cut a byte stream into replies.

    Theory of operation: what arrives is cut into lines at once; what follows the last CRLF
    waits for its own.  A line is looked at when a reply is asked for.  What does not fit
    the bounds is refused without waiting for more of it.

    >>> parser = ReplyParser()
    >>> parser.feed(b"250-mx.example\r\n250 SIZE 1000\r\n")
    >>> parser.next_reply()
    Reply(code=250, lines=('mx.example', 'SIZE 1000'))
    >>> parser.next_reply()
    NEED_DATA
    """

    __slots__ = ("_code", "_lines", "_rest", "_seen", "_size", "_texts", "size")

    def __init__(self) -> None:
        self._seen: dict[bytes, Reply] = {}  # one-line replies by their line
        self._lines: list[bytes] = []  # whole and not yet taken, the last one first
        self._rest = b""  # of a line whose CRLF has not come
        self._size = 0  # octets of the reply being read
        self._code: int | None = None
        self._texts: list[str] = []
        self.size = 0
        """Octets of the last reply returned, CRLFs included."""

    def feed(self, data: bytes | bytearray) -> None:
        """Add octets from the server.  Parses nothing; call `next_reply` for that."""
        rest = self._rest + data
        # No line ends here: what waits is not looked at again.  After a bare LF it is,
        # but no line gets longer than its bound.
        if b"\n" not in data:
            self._rest = rest
            return
        lines = rest.split(b"\r\n")
        self._rest = lines.pop()
        lines.reverse()
        self._lines = lines + self._lines if self._lines else lines

    def next_reply(self) -> Reply | NeedData:
        """Take the next whole reply out of what has arrived.

        Returns
        -------
        Reply or NEED_DATA

        Raises
        ------
        RemoteProtocolError
            The octets are not a reply, the code changes inside a multiline reply, or a
            bound is exceeded.  The connection is past saving: close it.
        """
        lines = self._lines
        while lines:
            line = lines[-1]
            if self._code is None and (seen := self._seen.get(line)):
                lines.pop()
                self.size = len(line) + 2
                return seen
            self._check_size(line, 2)
            match = _LINE.fullmatch(line)
            if match is None:
                raise RemoteProtocolError(f"not an SMTP reply line: {line[:80]!r}")
            lines.pop()
            code = int(match[1])
            if self._code is None:
                self._code = code
            elif self._code != code:
                raise RemoteProtocolError(f"reply code changed from {self._code} to {code}")
            self._size += len(line) + 2
            self._texts.append(match[3].decode("utf-8", "surrogateescape"))
            if match[2] is None:
                reply = Reply(code=code, lines=tuple(self._texts))
                if len(self._texts) == 1 and len(self._seen) < _MAX_SEEN:
                    self._seen[line] = reply
                self.size = self._size
                self._code, self._texts, self._size = None, [], 0
                return reply
            if len(self._texts) >= MAX_REPLY_LINES:
                raise RemoteProtocolError(f"reply longer than {MAX_REPLY_LINES} lines")
        if self._rest:
            self._check_size(self._rest, 1)  # its CR may have come
        return NEED_DATA

    def _check_size(self, line: bytes, missing: int) -> None:
        size = len(line) + missing
        # "Clients and servers MUST be able to handle the maximum encoded size of challenges
        # and responses" -- RFC 4954 section 4
        bound = MAX_AUTH_LINE if line.startswith(b"334") else MAX_REPLY_LINE
        if size > bound:
            raise RemoteProtocolError(f"reply line longer than {bound} octets")
        if self._size + size > MAX_REPLY_BYTES:
            raise RemoteProtocolError(f"reply longer than {MAX_REPLY_BYTES} octets")

    @property
    def is_inside_reply(self) -> bool:
        """Something has arrived behind the last whole reply; before TLS nothing may."""
        return self._code is not None or bool(self._rest or self._lines)

    @property
    def unread(self) -> bytes:
        """Octets not looked at; whole lines of a reply whose last has not come were."""
        return b"\r\n".join([*reversed(self._lines), self._rest])
