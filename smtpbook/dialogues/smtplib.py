r"""Python's smtplib: what it prints after ``set_debuglevel``, at level 1 and 2.

A command stands as the literal that was sent (``send: 'ehlo me\r\n'``), each line of a
reply as its octets (``reply: b'250 ok\r\n'``), mail data as one literal.  At level 2 each
line begins with a time of day, which measures latencies but has no date (CPython 3.11 to
3.14, ``Lib/smtplib.py``).  The lines that repeat a reply whole are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from smtpbook.dialogues.happening import Clock, Happening, What, rows_of
from smtpbook.logfile.format import LogFormat
from smtpbook.logfile.reading import Reading

_LINE: Final = re.compile(
    r"(?:(?P<time>\d\d:\d\d:\d\d\.\d{6}) )?(?P<what>send|reply|connect|data): (?P<rest>.*)",
    re.DOTALL,
)
_LITERAL: Final = re.compile(r"(b?)(['\"])(.*)\2", re.DOTALL)
_ESCAPE: Final = re.compile(
    r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))", re.DOTALL
)
_SHORT: Final = {"n": "\n", "r": "\r", "t": "\t"}
_PLACE: Final = re.compile(r"to \('([^']{1,255})', (\d{1,5})\)")


def happenings(lines: Iterable[str], reading: Reading) -> Iterator[Happening]:
    """Understand debug lines; what a program prints among them is skipped."""
    clock = Clock()
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            reading.skipped(line)
            continue
        at = clock.at(found["time"]) if found["time"] else None
        what, rest = found["what"], found["rest"]
        if what == "connect":
            if place := _PLACE.match(rest):
                yield Happening("connect", at=at, place=(place[1], int(place[2]), None))
        elif what != "data" and not rest.startswith("retcode ("):
            octets = literal(rest)
            if octets is None:
                reading.skipped(line)
            else:
                speaker: What = "client" if what == "send" else "server"
                for text in cut(octets):
                    yield Happening(speaker, text, at)


def literal(text: str) -> str | None:
    r"""Read a string or bytes as ``repr`` writes it; None = it is neither.

    >>> literal(r"b'caf\xc3\xa9\r\n'")
    'café\r\n'
    """
    found = _LITERAL.fullmatch(text)
    if found is None:
        return None
    try:
        value = _ESCAPE.sub(_character, found[3])
        if found[1]:
            value = value.encode("latin-1").decode("utf-8", "surrogateescape")
    except (ValueError, OverflowError):  # no such character, or not of bytes
        return None
    return value


def _character(escape: re.Match[str]) -> str:
    number, letter = escape[1] or escape[2] or escape[3], escape[4]
    return chr(int(number, 16)) if number else _SHORT.get(letter, letter)


def cut(text: str) -> list[str]:
    """Cut at CRLF; what ends in LF alone keeps it."""
    return text.removesuffix("\r\n").split("\r\n")


def sniff(line: str) -> bool:
    """Tell whether a line has one of the labels and a literal behind it."""
    found = _LINE.match(line[:400])
    return found is not None and found["rest"].startswith(
        ("'", '"', "b'", 'b"', "to (", "retcode (")
    )


FORMAT: Final = LogFormat(
    name="smtplib",
    title="Python's smtplib (debug output)",
    sniff=sniff,
    events=rows_of("smtplib", happenings, has_date=False, is_precise=True),
)
