"""MIME: a mail as headers and parts, within bounds, whatever its octets are.

What is read here was made by machines in every state of repair, and by people who want to
do harm.  So nothing recurses without a limit, each line is looked at a fixed number of
times, and what is broken is read as far as it goes.

References
----------
RFC 5322 (headers), RFC 6532 (headers in UTF-8), RFC 2045 and 2046 (MIME), RFC 2047.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Final

MAX_HEADER: Final = 1 << 18  # octets of one header
MAX_DEPTH: Final = 8
MAX_PARTS: Final = 200
_MAX_VALUE: Final = 1 << 14  # characters of one field
_MAX_BOUNDARY: Final = 200  # "no longer than 70 characters" -- RFC 2046 section 5.1.1
_BLANK: Final = re.compile(rb"\r?\n\r?\n|\A\r?\n")
_FIELD: Final = re.compile(r"([!-9;-~]{1,100})[ \t]*:(.*)")
_BROKEN: Final = (ValueError, LookupError, TypeError, AttributeError)


class Fields:
    r"""The fields of a header, or of a report's block, by their names in lower case.

    >>> fields = Fields.parse("Action: failed\nStatus: 5.1.1\n (no such user)")
    >>> fields["action"], fields["status"], fields["subject"]
    ('failed', '5.1.1 (no such user)', '')
    """

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[str, list[str]] = {}

    @classmethod
    def parse(cls, text: str) -> Fields:
        """Read fields, folded or not; lines that are none are passed over."""
        fields, last = cls(), ""
        for line in text.split("\n"):
            line = line.rstrip("\r")
            if line[:1] in (" ", "\t"):
                if last and len(fields._values[last][-1]) < _MAX_VALUE:
                    fields._values[last][-1] += f" {line.strip()}"
            elif match := _FIELD.match(line[:_MAX_VALUE]):
                last = match[1].lower()
                fields._values.setdefault(last, []).append(match[2].strip())
            else:
                last = ""
        return fields

    def __getitem__(self, name: str) -> str:
        """Give the first value; "" = there is no such field."""
        return self._values.get(name, [""])[0]

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __bool__(self) -> bool:
        return bool(self._values)

    def all(self, name: str) -> list[str]:
        """Give every value, in their order."""
        return self._values.get(name, [])

    @property
    def time(self) -> int | None:
        """The date in microseconds since 1970 UTC; None = there is none."""
        return micros(self["date"])


class Part:
    """A mail, or one part of it.

    Parameters
    ----------
    octets : bytes
        Header and body.

    Attributes
    ----------
    header : Fields
    kind : str
        Such as ``text/plain``, in lower case.
    """

    __slots__ = ("_type", "body", "header", "kind")

    def __init__(self, octets: bytes) -> None:
        blank = _BLANK.search(octets, 0, MAX_HEADER)
        head, self.body = (
            (octets[:MAX_HEADER], b"")
            if blank is None
            else (octets[: blank.start()], octets[blank.end() :])
        )
        self.header = Fields.parse(text_of(head))
        # The standard library knows how parameters are quoted, split and encoded.
        self._type = Message()
        self._type["Content-Type"] = self.header["content-type"] or "text/plain"
        self._type["Content-Disposition"] = self.header["content-disposition"]
        try:
            self.kind = self._type.get_content_type()
        except _BROKEN:
            self.kind = "text/plain"

    def parameter(self, name: str) -> str:
        """Give a parameter of its type, such as ``report-type``; "" = none."""
        try:
            value = self._type.get_param(name, "")
            return "".join(value[2:] if isinstance(value, tuple) else (str(value),))
        except _BROKEN:
            return ""

    @property
    def file_name(self) -> str:
        """The name it has as an attachment; "" = none."""
        try:
            return str(self._type.get_filename(""))[:_MAX_VALUE]
        except _BROKEN:
            return ""

    @property
    def octets(self) -> bytes:
        """The body, out of its transfer encoding."""
        encoding = self.header["content-transfer-encoding"].strip().lower()
        try:
            if encoding == "base64":
                return base64.b64decode(re.sub(rb"[^A-Za-z0-9+/]", b"", self.body) + b"===")
            if encoding == "quoted-printable":
                return quopri.decodestring(self.body)
        except (binascii.Error, ValueError):
            pass
        return self.body

    @property
    def text(self) -> str:
        r"""The body as text, in the encoding it names, with ``\n`` at the ends of lines."""
        octets = self.octets
        charset = self.parameter("charset")
        if charset and "\0" not in charset:
            try:
                return octets.decode(charset[:40]).replace("\r\n", "\n")
            except (LookupError, ValueError):
                pass
        return text_of(octets)

    @property
    def parts(self) -> list[Part]:
        """What it is made of, if it is of kind ``multipart``."""
        boundary = self.parameter("boundary")[:_MAX_BOUNDARY].rstrip()
        if not self.kind.startswith("multipart/") or not boundary:
            return []
        mark = re.escape(b"--" + boundary.encode("utf-8", "surrogateescape"))
        # Another one may begin with the same characters.
        line = re.compile(rb"(?:\A|\r?\n)" + mark + rb"(?=(?:--)?[ \t]*(?:\r?\n|\Z))")
        pieces = line.split(self.body, maxsplit=MAX_PARTS)
        found = []
        for piece in pieces[1:]:
            if piece.startswith(b"--"):
                break
            line_end = piece.find(b"\n")
            found.append(Part(piece[line_end + 1 :] if line_end >= 0 else b""))
        return found


def walk(mail: Part) -> Iterator[Part]:
    """Give a mail and all parts of it, but not what a message in it is made of."""
    waiting = [(mail, 0)]
    for _ in range(MAX_PARTS):
        if not waiting:
            return
        part, depth = waiting.pop()
        yield part
        if depth < MAX_DEPTH:
            waiting += [(one, depth + 1) for one in reversed(part.parts)]


def text_of(octets: bytes) -> str:
    r"""Give octets as text: UTF-8, and what is none as ``\xNN``."""
    return octets.decode("utf-8", "backslashreplace").replace("\r\n", "\n")


def decoded(value: str) -> str:
    """Give a header's value with its encoded words decoded, on one line."""
    try:
        text = str(make_header(decode_header(value[:_MAX_VALUE])))
    except (HeaderParseError, *_BROKEN):
        text = value
    return " ".join(text.split())


def micros(date: str) -> int | None:
    """Give a header's date in microseconds since 1970 UTC; None = it is none.

    >>> micros("Sat, 28 Nov 2026 13:00:00 +0100")
    1795867200000000
    """
    try:
        return round(parsedate_to_datetime(date[:200]).timestamp()) * 1_000_000
    except (OverflowError, OSError, *_BROKEN):
        return None
