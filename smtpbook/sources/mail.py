"""Mail: the people in the headers of saved messages (``.eml``) and mailboxes (``.mbox``).

Only headers are read; bodies are passed over without being kept.  Nobody is left out: the
same address may be found in many messages.

References
----------
RFC 5322 (headers), RFC 6532 (headers in UTF-8), RFC 2047 (encoded words), RFC 4155 (mbox).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.parser import HeaderParser
from email.utils import getaddresses, parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

from smtpbook.errors import RecipientsError
from smtpbook.sources.cells import Columns
from smtpbook.sources.contacts import EMAIL
from smtpbook.sources.reading import Faults, open_octets
from smtpbook.table import Table, numbered

HEADERS: Final = ("from", "reply-to", "to", "cc")
MAX_HEADERS: Final = 256 << 10  # octets of one message; a list of 5,000 addresses fits
_MAX_SUBJECT: Final = 1 << 13  # characters
_PIECE: Final = 1 << 16  # octets of a line that are looked at
# "each message in the mbox file is preceded by a separator line" -- RFC 4155 appendix A
_SEPARATOR: Final = re.compile(rb"From \S.*\d\d:\d\d")
_HEADER: Final = re.compile(rb"[!-9;-~]+[ \t]*:|[ \t]+\S")


def read_mail(path: Path) -> Table:
    """Read who is named in the headers of one message or of a mailbox's messages.

    Columns: ``email``; ``name``, the person as written beside the address; ``header``, one
    of ``from``, ``reply-to``, ``to`` and ``cc``; ``date`` (datetime, UTC), the message's;
    ``subject``.  Rows are numbered by message, from 1.

    Parameters
    ----------
    path : Path
        A message, or messages in the form of RFC 4155.

    Raises
    ------
    RecipientsError
        The file holds no message.
    """
    faults = Faults(path.name, "message")
    columns = Columns(path.name, (EMAIL, "name", "header", "date", "subject"))
    count = 0
    for count, (octets, is_cut) in enumerate(_headers(path), 1):
        if is_cut:
            faults.add(
                count,
                "too_long",
                f"its headers are longer than {MAX_HEADERS >> 10} KB; the rest is left out",
            )
        for row in _people(octets, count, faults):
            columns.add(count, row)
    if not count:
        raise RecipientsError(f"{path.name} holds no message with headers such as From: …")
    headers, arrays, rows = columns.finish()
    return Table(
        name=path.name,
        headers=headers,
        cells=numbered(arrays),
        rows=rows,
        problems=faults.listed(),
    )


def read_subjects(path: Path) -> Iterator[str]:
    """Give the subject of each message, decoded and on one line; "" = it has none.

    Parameters
    ----------
    path : Path
        As for `read_mail`; a file without messages gives nothing.
    """
    faults = Faults(path.name, "message")
    for number, (octets, _) in enumerate(_headers(path), 1):
        message = HeaderParser().parsestr(_text(octets, number, faults))
        yield _decoded(str(message["subject"] or "")[:_MAX_SUBJECT]) or ""


def _headers(path: Path) -> Iterator[tuple[bytes, bool]]:
    """Give each message's headers, and whether some of them were left out."""
    with closing(open_octets(path)) as file:
        lines: list[bytes] = []
        size = 0
        in_headers = at_start = True
        was_empty = True  # the line before; the first message needs none
        while line := file.readline(_PIECE):
            if at_start and was_empty and _SEPARATOR.match(line):
                if lines:
                    yield b"".join(lines), size > MAX_HEADERS
                lines, size, in_headers = [], 0, True
            elif in_headers:
                size += len(line)
                if at_start and not _HEADER.match(line):
                    in_headers = False
                elif size <= MAX_HEADERS:
                    lines.append(line)
                elif not at_start and size - len(line) <= MAX_HEADERS:
                    # Half an address is none, or somebody else's.
                    lines[-1] = lines[-1].rpartition(b",")[0]
            was_empty = at_start and not line.strip()
            at_start = line.endswith(b"\n")
        if lines:
            yield b"".join(lines), size > MAX_HEADERS


def _people(octets: bytes, number: int, faults: Faults) -> Iterator[dict[str, Any]]:
    message = HeaderParser().parsestr(_text(octets, number, faults))
    date = _date(message["date"])
    subject = _decoded(message["subject"])
    for header in HEADERS:
        # Each header by itself: one that cannot be read must not cost the others.
        for value in message.get_all(header, ()):
            try:
                found = getaddresses([str(value)])
            except (RecursionError, ValueError, IndexError):
                found = []
            if "@" in str(value) and not any(address for _, address in found):
                faults.add(number, "syntax", f"{header} cannot be read; left out")
                continue
            for name, address in found:
                if address:
                    yield {
                        EMAIL: _decoded(address),
                        "name": _decoded(name),
                        "header": header,
                        "date": date,
                        "subject": subject,
                    }


def _text(octets: bytes, number: int, faults: Faults) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        message = "its headers are neither ASCII nor UTF-8, read as Windows-1252"
        faults.add(None, "encoding", message, line=number)
        return octets.decode("cp1252", "replace")


def _decoded(value: Any) -> str | None:
    if value is None:
        return None
    try:
        text = str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        text = str(value)
    return " ".join(text.split())


def _date(value: Any) -> Any:
    try:
        date = parsedate_to_datetime(str(value))
        return date if date.tzinfo is None else date.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
