"""MIME: header fields and bodies as octets that seven-bit mail carries unchanged.

Python's email package writes the structure, once per shape, and every field that needs
folding or encoding; what it would leave as it is goes in as it is.  Its older classes are
used.  `EmailMessage` parses each header value anew and decodes what looks like an encoded
word in it: on Python 3.11.7 a cell holding ``=?utf-8?q?=0D=0ABcc:_x?=`` becomes a header
line (CVE-2024-6923), and where that is mended the cell is still altered.  It also encodes
a URL too long for a line, so that List-Unsubscribe no longer is one.

A body comes in pieces: those that stand in the template are encoded once, when it is
made; only what a row fills in is encoded for each message.  This module expects header
text without line breaks; it does not look for them.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Sequence
from email.charset import BASE64, QP, Charset
from email.header import Header
from email.message import Message as Email
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import formataddr
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from smtpbook.dots import join, ready
from smtpbook.protocol.addresses import Mailbox
from smtpbook.protocol.message import MAX_LINE

CRLF: Final = b"\r\n"
# How every boundary begins.  Neither quoted-printable nor base64 can hold it (RFC 2045
# sections 6.7 and 6.8), and a plain body that does is encoded.
BOUNDARY: Final = "=_"

_POLICY: Final = compat32.clone(linesep="\r\n", cte_type="8bit")
# A parameter that is folded reads, to many, with the line break in it.
_ON_ONE_LINE: Final = _POLICY.clone(max_line_length=None)
# "Each line of characters … SHOULD be no more than 78 characters, excluding the CRLF."
# -- RFC 5322 section 2.1.1
_FIELD: Final = 78
# "An 'encoded-word' may not be more than 75 characters long" -- RFC 2047 section 2
_WORD: Final = 75

# What a plain header field may not hold: characters outside printable ASCII, and text
# that a reader would take for an encoded word (RFC 2047 section 2).
_NOT_PLAIN: Final = re.compile(r"[^ -~]|=\?.*\?=")
# Nor a file's name what readers take for quotes: Python's for angle brackets, too.
_NOT_PLAIN_NAME: Final = re.compile(rf'{_NOT_PLAIN.pattern}|["\\<>]')
# Free text is encoded as well where it cannot be folded into lines of 998 octets: a folded
# line is blanks and then one word at least (RFC 5322 section 2.1.1).
_NOT_FOLDABLE: Final = re.compile(r" {450}|[!-~]{450}")

# What quoted-printable leaves as it is on a line of its own, as most values are: short, no
# "=", no blank at its end, and no dot at its beginning, which the wire would double.
_WRITTEN_AS_IT_IS: Final = re.compile(r"[!-\-/-<>-~](?:[ -<>-~]{0,70}[!-<>-~])?")

_ASCII: Final = Charset("us-ascii")
# In encoded words (RFC 2047 section 4): the one readable, the other short where nearly
# every character has to be encoded.
_Q_WORDS: Final = Charset("utf-8")
_Q_WORDS.header_encoding = QP
_B_WORDS: Final = Charset("utf-8")
_B_WORDS.header_encoding = BASE64
_QUOTED_PRINTABLE: Final = Charset("utf-8")
_QUOTED_PRINTABLE.body_encoding = QP
_BASE64: Final = Charset("utf-8")
_BASE64.body_encoding = BASE64

_SHORT: Final = 100  # characters of a value that is remembered
_WHOLE: Final = 20  # ways through a body, by conditions alone, that are remembered

Encoding = Literal["7bit", "quoted-printable", "base64"]


# -- header fields


def field(name: str, value: Header | str) -> bytes:
    r"""Write one field with its line end, as the email package folds it.

    >>> field("Date", "Mon, 23 Nov 2026 09:30:00 +0000")
    b'Date: Mon, 23 Nov 2026 09:30:00 +0000\r\n'
    """
    # typeshed forgets that a policy folds a Header too.
    octets = _POLICY.fold_binary(name, value)  # type: ignore[arg-type]
    # It begins a new line for a long first word, and would read that line's blank as text.
    begin = f"{name}: ".encode("ascii")
    return begin + octets.removeprefix(begin).removeprefix(b"\r\n ")


def free_text(name: str, text: str) -> bytes:
    r"""Write a field that people read, such as Subject, from any text on one line.

    >>> free_text("Subject", "Grüße")
    b'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n'
    """
    return _text_again(name, text) if len(text) <= _SHORT else _text_field(name, text)


def _text_field(name: str, text: str) -> bytes:
    room = _FIELD - len(name) - 2
    if not (_NOT_PLAIN.search(text) or len(text) > room):
        return f"{name}: {text}\r\n".encode("ascii")
    charset = _charset_of(text)
    if charset is not _ASCII and (word := _encoded_word(text, charset, room)) is not None:
        return f"{name}: {word}\r\n".encode("ascii")
    return field(name, Header(text, charset, header_name=name))


# Most subjects are the same for all, or for all of one city.
_text_again: Final = lru_cache(maxsize=512)(_text_field)


def structured(name: str, text: str) -> bytes:
    r"""Write a field that programs read: printable ASCII stays as it is, however long.

    >>> structured("List-Id", "<news.smtpbook.example>")
    b'List-Id: <news.smtpbook.example>\r\n'
    """
    return free_text(name, text) if _NOT_PLAIN.search(text) else encoded(name, text)


def encoded(name: str, text: str) -> bytes:
    r"""Write a field whose value is ASCII and encoded already; it is folded at most.

    >>> encoded("List-Id", "=?utf-8?q?Gr=C3=BC=C3=9Fe?= <news.x.example>")
    b'List-Id: =?utf-8?q?Gr=C3=BC=C3=9Fe?= <news.x.example>\r\n'
    """
    if len(name) + 2 + len(text) <= _FIELD:
        return f"{name}: {text}\r\n".encode("ascii")
    return field(name, Header(text, _ASCII, header_name=name))


def addresses(name: str, people: Sequence[tuple[str, Mailbox]]) -> bytes:
    r"""Write a field that holds addresses, each with the name in front of it.

    A mailbox that needs SMTPUTF8 stands alone and as UTF-8 (RFC 6532), without the name.

    >>> addresses("To", [("Ann, Prof.", Mailbox.parse("ann@x.example"))])
    b'To: "Ann, Prof." <ann@x.example>\r\n'
    """
    lines, room = [], _FIELD - len(name) - 2
    for display_name, mailbox in people:
        lines.append(_one_address(display_name, mailbox, room))
        room = _FIELD - 1  # the next stands on a line of its own
    return f"{name}: ".encode("ascii") + b",\r\n ".join(lines) + CRLF


def _one_address(display_name: str, mailbox: Mailbox, room: int) -> bytes:
    if mailbox.needs_smtputf8 or not display_name:
        return str(mailbox).encode()
    charset = _charset_of(display_name)
    if charset is _ASCII:
        spec = formataddr((display_name, str(mailbox)))
        if len(spec) <= room:
            return spec.encode("ascii")
        return _folded(spec, charset, room)
    spec = f"<{mailbox}>"
    word = _encoded_word(display_name, charset, room - len(spec) - 1)
    if word is not None:
        return f"{word} {spec}".encode("ascii")
    return _folded(display_name, charset, room) + f"\r\n {spec}".encode("ascii")


def _encoded_word(text: str, charset: Charset, room: int) -> str | None:
    """Write text as one encoded word, which most names and subjects fit in."""
    if len(text) > min(room, _WORD):
        return None
    word = charset.header_encode(text)
    return word if len(word) <= min(room, _WORD) else None


def _folded(text: str, charset: Charset, room: int) -> bytes:
    """Write text in lines, the first of them so long at most."""
    header = Header(text, charset, _FIELD, "x" * (_FIELD - room - 2))
    return header.encode(linesep="\r\n").encode("ascii")


def _charset_of(text: str) -> Charset:
    if not (_NOT_PLAIN.search(text) or _NOT_FOLDABLE.search(text)):
        return _ASCII
    foreign = len(text) - len(text.encode("ascii", "ignore"))
    return _B_WORDS if 2 * foreign > len(text) else _Q_WORDS


# -- bodies


class _Piece(NamedTuple):
    """A piece of a body, encoded to stand between any two others, or behind them all."""

    encoded: bytes
    last: bytes
    octets: int
    foreign: int

    @classmethod
    def of(cls, text: str) -> _Piece:
        if _WRITTEN_AS_IT_IS.fullmatch(text):
            octets = text.encode("ascii")
            return cls(ready(octets + b"=\r\n"), ready(octets), len(octets), 0)
        text = _one_line_end(text)
        octets = text.encode()
        encoded = binascii.b2a_qp(octets, istext=True).replace(b"\n", CRLF)
        # The next piece begins on a line of its own, so that neither asks where the other
        # ended: "=" before a line end takes that line end away (RFC 2045 section 6.7).
        last = ready(encoded)
        between = last if encoded.endswith(CRLF) else join((last, b"=\r\n"))
        plain = len(octets) if text.isascii() else len(text.encode("ascii", "ignore"))
        return cls(between, last, len(octets), len(octets) - plain)


class _Plain(NamedTuple):
    """A piece of a body as it is, in seven bits.

    ``first`` and ``rest`` are how much it adds to the line it begins in, and leaves on the
    line it ends in (None = the same line); ``longest`` is between them.
    """

    octets: bytes
    first: int
    longest: int
    rest: int | None
    has_boundary: bool

    @classmethod
    def of(cls, text: str) -> _Plain:
        text = _one_line_end(text)
        first, *others = map(len, text.split("\n"))
        # Or the second half of one, the first half in the piece before.
        has_boundary = BOUNDARY in text or text.startswith(BOUNDARY[1:])
        octets = ready(text.replace("\n", "\r\n").encode("ascii"))
        rest = others[-1] if others else None
        return cls(octets, first, max(others, default=0), rest, has_boundary)


class Body:
    """Writes one text or HTML part, again and again with other values in it.

    Parameters
    ----------
    subtype : str
        ``"plain"`` or ``"html"``.
    literals : iterable of str
        The pieces that every message shares.
    is_flowed : bool
        The text given is format=flowed (RFC 3676).
    """

    def __init__(
        self, subtype: str, literals: Iterable[str], *, is_flowed: bool = False
    ) -> None:
        self.is_flowed = is_flowed
        self._subtype = subtype
        self._known = {text: _Piece.of(text) for text in literals}
        plain = {text: _Plain.of(text) for text in self._known if text.isascii()}
        self._plain = plain if len(plain) == len(self._known) else None
        # The header and the body of parts that no value is in.
        self._whole = dict[tuple[str, ...], tuple[bytes, bytes]]()

    def entity(self, pieces: Sequence[str]) -> list[bytes]:
        """Write the part, in octets to be joined: its header, an empty line, its body.

        Raises
        ------
        UnicodeEncodeError
            A piece holds a surrogate, which no octets stand for.
        """
        key = tuple(pieces)
        if (whole := self._whole.get(key)) is not None:
            return [*whole]
        encoding, body = self._encode(pieces)
        header = _text_header(self._subtype, encoding, self.is_flowed)
        if len(self._whole) < _WHOLE and all(map(self._known.__contains__, key)):
            self._whole[key] = ready(header), join(body)
        # One without pieces is a body, too: the header's end is not its own.
        return [header, *(body or [b""])]

    def _encode(self, pieces: Sequence[str]) -> tuple[Encoding, list[bytes]]:
        if self._plain is not None and (plain := self._in_seven_bits(pieces)) is not None:
            return "7bit", plain
        encoded, octets, foreign = list[bytes](), 0, 0
        for text in filter(None, pieces):
            piece = self._known.get(text) or _value(text)
            encoded.append(piece.encoded)
            octets += piece.octets
            foreign += piece.foreign
        # Quoted-printable turns an octet into three, base64 three octets into four.
        if 6 * foreign > octets:
            content = _joined(pieces).replace("\n", "\r\n")
            return "base64", [base64_lines(content.encode())]
        if encoded:
            encoded[-1] = piece.last
        return "quoted-printable", encoded

    def _in_seven_bits(self, pieces: Sequence[str]) -> list[bytes] | None:
        """Write a body as it is; None = seven bits, or its lines, do not hold it."""
        known, octets = self._plain or {}, list[bytes]()
        line = longest = 0
        has_boundary = False
        for text in filter(None, pieces):
            piece = known.get(text) or (_plain(text) if text.isascii() else None)
            if piece is None:
                return None
            octets.append(piece.octets)
            line += piece.first
            if piece.rest is not None:
                longest, line = max(longest, line, piece.longest), piece.rest
            has_boundary = has_boundary or piece.has_boundary
        if max(longest, line) > MAX_LINE:
            return None
        return None if has_boundary and f"--{BOUNDARY}" in _joined(pieces) else octets


def _plain(text: str) -> _Plain:
    return _plain_again(text) if len(text) <= _SHORT else _Plain.of(text)


def _value(text: str) -> _Piece:
    return _again(text) if len(text) <= _SHORT else _Piece.of(text)


# Lists repeat themselves: cities, companies, first names.
_again: Final = lru_cache(maxsize=4096)(_Piece.of)
_plain_again: Final = lru_cache(maxsize=4096)(_Plain.of)


def _joined(pieces: Sequence[str]) -> str:
    content = "".join(pieces)
    # Each by itself: no line end is made of one's last character and the next one's first.
    return "".join(map(_one_line_end, pieces)) if "\r" in content else content


def _one_line_end(text: str) -> str:
    if "\r" not in text:
        return text
    return text.replace("\r\n", "\n").replace("\r", "\n")


@lru_cache
def _text_header(subtype: str, encoding: Encoding, is_flowed: bool) -> bytes:
    charset = {
        "7bit": _ASCII,
        "quoted-printable": _QUOTED_PRINTABLE,
        "base64": _BASE64,
    }[encoding]
    # typeshed wants a name; MIMEText takes a Charset since Python 3.5.
    part = MIMEText("", subtype, charset, policy=_POLICY)  # type: ignore[arg-type]
    if is_flowed:
        part.set_param("format", "flowed")
    return ready(_header_of(part))


# -- files


def base64_lines(octets: bytes) -> bytes:
    r"""Encode in lines of 76 characters, the last one with its end (RFC 2045 section 6.8).

    >>> base64_lines(b"smtpbook")
    b'c210cGJvb2s=\r\n'
    """
    encoded = binascii.b2a_base64(octets, newline=False)
    lines = [encoded[at : at + 76] for at in range(0, len(encoded), 76)]
    return CRLF.join([*lines, b""])


def file_entity(
    name: str, content_type: str, data: bytes, *, content_id: str | None = None
) -> bytes:
    """Write a part that holds a file.

    Parameters
    ----------
    name : str
        Told to the reader, encoded where it is not ASCII (RFC 2231).
    content_type : str
        Such as ``"application/pdf"``.
    data : bytes
    content_id : str, optional
        Without angle brackets.  With it the file is part of the HTML that shows it
        (RFC 2392), else an attachment (RFC 2183).
    """
    part = MIMEBase(*content_type.split("/", 1), policy=_ON_ONE_LINE)
    part["Content-Transfer-Encoding"] = "base64"
    part.add_header(
        "Content-Disposition",
        "attachment" if content_id is None else "inline",
        filename=("utf-8", "", name) if _NOT_PLAIN_NAME.search(name) else name,
    )
    if content_id is not None:
        part["Content-ID"] = f"<{content_id}>"
    return ready(_header_of(part) + base64_lines(data))


def multipart(
    subtype: str, entities: Sequence[Sequence[bytes]], *, boundary: str
) -> list[bytes]:
    """Put parts together, the boundary between them; octets to be joined.

    Parameters
    ----------
    subtype : {"alternative", "related", "mixed"}
        RFC 2046 sections 5.1.3 and 5.1.4, RFC 2387.
    entities : sequence of sequence of bytes, length >= 1
        Each with its header.
    boundary : str
        Begins with `BOUNDARY`, and is no other's beginning.
    """
    begin, *ends = _frame(subtype, boundary, len(entities))
    octets = [begin]
    for entity, end in zip(entities, ends, strict=True):
        octets += entity
        octets.append(end)
    return octets


@lru_cache
def _frame(subtype: str, boundary: str, count: int) -> tuple[bytes, ...]:
    """Let the email package write a multipart, and cut its parts out."""
    hole = "(part)"
    part: Email[str, str] = Email(policy=_POLICY)
    part.set_payload(hole)
    whole = MIMEMultipart(subtype, boundary, [part] * count, policy=_POLICY)
    del whole["MIME-Version"]  # belongs to the message (RFC 2045 section 4)
    return tuple(map(ready, whole.as_bytes().split(f"\r\n{hole}".encode())))


def _header_of(part: MIMEBase) -> bytes:
    del part["MIME-Version"]
    return part.as_bytes().partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
