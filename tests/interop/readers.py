"""One message as each of three parsers reads it, in the same words.

Python's email package, fast-mail-parser (the Rust library mailparse, which shares nothing
with it) and Dovecot, asked over IMAP for the structure, the envelope and the decoded parts
as it found them.  What they give is put side by side here; nothing is repaired.
"""

from __future__ import annotations

import email
import imaplib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.header import decode_header, make_header
from email.policy import compat32, default
from email.utils import decode_rfc2231, getaddresses
from typing import Any, Final
from urllib.parse import unquote

import fast_mail_parser

Person = tuple[str, str]  # display name, address

_PEOPLE: Final = ("From", "Reply-To", "To")
_PARAMETER: Final = re.compile(r'; (\w+)="?([^";]*)')
# RFC 3501 section 9: parentheses, a quoted string, a literal, an atom.
_TOKEN: Final = re.compile(
    rb'\s*(?:(?P<begin>\()|(?P<end>\))|"(?P<quoted>(?:[^"\\]|\\.)*)"'
    rb"|~?\{(?P<size>\d+)\}\r\n|(?P<atom>[^\s()\"{]+))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a message, its transfer encoding undone.

    Attributes
    ----------
    content_type : str
    parameters : dict
        Of the content type: charset, format, boundary.  Of text whose charset is not named
        it is us-ascii (RFC 2046 section 4.1.2).
    disposition : str or None
    file_name : str
        Empty = it has none.
    content : bytes or None
        None = it consists of `parts`.
    parts : tuple of Part
    """

    content_type: str
    parameters: dict[str, str]
    disposition: str | None
    file_name: str
    content: bytes | None
    parts: tuple[Part, ...] = ()

    def __str__(self) -> str:
        inner = ", ".join(map(str, self.parts))
        return self.content_type.split("/")[1] + (f"({inner})" if inner else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a parser says that a message is."""

    subject: str
    date: str
    message_id: str
    people: dict[str, list[Person]]
    body: Part


def read_with_python(data: bytes) -> Reading:
    """Read with `email.policy.default`; names with the parser it had before.

    That of Python 3.11 puts blanks between encoded words (RFC 2047 section 6.2 drops them).
    """
    mail = email.message_from_bytes(data, policy=default)
    older = email.message_from_bytes(data, policy=compat32)
    people = {
        name: [
            (_decoded(shown), address)
            for shown, address in getaddresses([_unfolded(older.get(name, ""))])
            if address
        ]
        for name in _PEOPLE
    }
    return Reading(
        subject=str(mail["Subject"]),
        date=str(older["Date"]),
        message_id=str(mail["Message-ID"]),
        people=people,
        body=_python_part(mail),
    )


def _python_part(part: Any) -> Part:
    return Part(
        content_type=part.get_content_type(),
        parameters=_with_charset(part["Content-Type"], part["Content-Type"].params),
        disposition=part.get_content_disposition(),
        file_name=part.get_filename("") or "",
        content=None if part.is_multipart() else part.get_payload(decode=True),
        parts=tuple(map(_python_part, part.iter_parts())),
    )


def read_with_rust(data: bytes) -> Reading:
    """Read with fast-mail-parser, which must find nothing to repair."""
    mail = fast_mail_parser.parse_email(data, strict=True)
    people = {
        "From": [] if mail.from_ is None else [mail.from_],
        "Reply-To": mail.reply_to,
        "To": mail.to,
    }
    tree = fast_mail_parser.parse_email_tree(data)
    return Reading(
        subject=mail.subject,
        date=mail.date,
        message_id=tree.headers["Message-ID"][0],
        people={
            name: [(person.display_name or "", person.address) for person in found]
            for name, found in people.items()
        },
        body=_rust_part(tree),
    )


def _rust_part(part: fast_mail_parser.PyMimePart) -> Part:
    field = part.headers["Content-Type"][0]
    return Part(
        content_type=part.content_type,
        parameters=_with_charset(field, dict(_PARAMETER.findall(field))),
        disposition=part.disposition,
        file_name=part.filename,
        content=part.content,
        parts=tuple(map(_rust_part, part.children)),
    )


def read_with_dovecot(imap: imaplib.IMAP4, uid: str) -> Reading:
    """Ask Dovecot: ENVELOPE, BODYSTRUCTURE, and BINARY (RFC 3516) for each part."""
    found = _fetched(imap, uid, "(ENVELOPE BODYSTRUCTURE)")
    date, subject, sender, _, reply_to, to, *_, message_id = found["ENVELOPE"]
    people = {"From": sender, "Reply-To": reply_to, "To": to}
    # "the server … default[s] reply-to to from" -- RFC 3501 section 7.4.2
    if reply_to == sender:
        people["Reply-To"] = []
    return Reading(
        subject=_decoded(_text(subject)),
        date=_text(date),
        message_id=_text(message_id),
        people={
            name: [
                (_decoded(_text(shown)), f"{_text(local_part)}@{_text(domain)}")
                for shown, _, local_part, domain in listed or []
            ]
            for name, listed in people.items()
        },
        body=_dovecot_part(imap, uid, found["BODYSTRUCTURE"], ""),
    )


def _dovecot_part(imap: imaplib.IMAP4, uid: str, about: list[Any], number: str) -> Part:
    if isinstance(about[0], list):
        count = next(at for at, item in enumerate(about) if isinstance(item, bytes))
        children, (subtype, parameters, *_) = about[:count], about[count:]
        prefix = f"{number}." if number else ""
        return Part(
            content_type=f"multipart/{_text(subtype)}",
            parameters=_named(parameters),
            disposition=None,
            file_name="",
            content=None,
            parts=tuple(
                _dovecot_part(imap, uid, child, f"{prefix}{at}")
                for at, child in enumerate(children, 1)
            ),
        )
    kind = f"{_text(about[0])}/{_text(about[1])}"
    # RFC 3501 section 7.4.2: a text has its number of lines before the extension data.
    disposition = about[9 if kind.startswith("text/") else 8]
    number = number or "1"
    content = _fetched(imap, uid, f"(BINARY.PEEK[{number}])")[f"BINARY[{number}]"]
    return Part(
        content_type=kind,
        parameters=_named(about[2]),
        disposition=None if disposition is None else _text(disposition[0]),
        file_name="" if disposition is None else _file_name(disposition[1]),
        content=content or b"",
    )


def _file_name(parameters: list[bytes] | None) -> str:
    """Find it as it is, or encoded after RFC 2231."""
    named = _named(parameters)
    if "filename*" not in named:
        return named.get("filename", "")
    charset, _, octets = decode_rfc2231(named["filename*"])
    return unquote(octets, str(charset), "strict")


def _named(parameters: list[bytes] | None) -> dict[str, str]:
    listed = [_text(item) for item in parameters or []]
    return dict(zip(listed[::2], listed[1::2], strict=True))


def _fetched(imap: imaplib.IMAP4, uid: str, items: str) -> dict[str, Any]:
    """Give what was fetched of one message, by name."""
    status, answer = imap.uid("FETCH", uid, items)
    assert status == "OK"
    assert answer[0] is not None, f"no message {uid}"
    octets = b"".join(
        piece if isinstance(piece, bytes) else b"\r\n".join(piece) for piece in answer
    )
    _, listed = _parsed(octets)
    return {
        _text(name): value for name, value in zip(listed[::2], listed[1::2], strict=True)
    }


def _parsed(octets: bytes) -> list[Any]:
    """Read IMAP's lists into Python's: octets, None for NIL, and lists of them."""
    levels: list[list[Any]] = [[]]
    at = 0
    while token := _TOKEN.match(octets, at):
        at = token.end()
        if token["begin"]:
            levels.append([])
        elif token["end"]:
            done = levels.pop()
            levels[-1].append(done)
        elif token["size"]:
            levels[-1].append(octets[at : at + int(token["size"])])
            at += int(token["size"])
        elif token["atom"]:
            levels[-1].append(None if token["atom"] == b"NIL" else token["atom"])
        else:
            levels[-1].append(re.sub(rb"\\(.)", rb"\1", token["quoted"]))
    return levels[0]


def _text(octets: bytes | None) -> str:
    return (octets or b"").decode()


def _with_charset(field: str, parameters: Mapping[str, str]) -> dict[str, str]:
    default = {"charset": "us-ascii"} if field.startswith("text/") else {}
    return {**default, **parameters}


def _decoded(text: str) -> str:
    return str(make_header(decode_header(text)))


def _unfolded(value: str) -> str:
    return re.sub(r"\r?\n(?=[ \t])", "", value)
