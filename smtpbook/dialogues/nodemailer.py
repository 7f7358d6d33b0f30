"""Nodemailer: what its logger writes with ``logger: true``, or a logger of JSON lines.

The default logger writes ``[time] LEVEL [session] S: 220 ready``, the time in UTC and to
the second, which measures nothing; with ``debug: true`` the message too, line by line.  A
logger of bunyan's kind gets objects with ``tnx`` (who speaks), ``sid`` (the session) and
``msg`` (nodemailer 10.6).  Several sessions may be under way at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, NamedTuple

from smtpbook.dialogues.happening import Happening, rows_of
from smtpbook.logfile.format import LogFormat
from smtpbook.logfile.reading import Reading

_LINE: Final = re.compile(
    r"\[(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\] (?P<level>[A-Z]{4,5}) {1,2}"
    r"(?:\[#\w{1,20}\] )?(?:\[(?P<session>[\w+/=-]{1,60})\] )?(?P<text>.*)",
    re.DOTALL,
)
_CONNECTED: Final = re.compile(r"(Secure connection|Connection) established to (.{1,255})$")
_SPEAKERS: Final[dict[str, Literal["server", "client"]]] = {
    **{"S: ": "server", "C: ": "client"},
    **{"server": "server", "client": "client"},
}
_MAX_MS: Final = 1 << 43  # pino's stamps are milliseconds; these are of the year 2248
_COUNT: Final = re.compile(r"<(\d{1,15}) bytes encoded mime message")


class _Entry(NamedTuple):
    """What one line of a log entry says; ``speaker`` None = a remark, or mail data."""

    speaker: Literal["server", "client"] | None
    text: str
    at: int | None
    session: str | None


def happenings(lines: Iterable[str], reading: Reading) -> Iterator[Happening]:
    """Understand lines of either kind."""
    data: set[str | None] = set()  # sessions whose mail data is being shown
    for line in lines:
        for entry in _entries(line, reading):
            speaker, text, at, session = entry
            if speaker is not None:
                data.discard(session)
                if speaker == "server" and text.startswith("354"):
                    data.add(session)
                yield Happening(speaker, text, at, session)
            elif session not in data:
                yield from _events(entry)
            elif count := _COUNT.match(text):  # it is not shown, or its dot was not
                data.discard(session)
                yield Happening("data", at=at, session=session, octets=int(count[1]))
            else:
                if text == ".":
                    data.discard(session)
                yield Happening("client", text, at, session)


def _entries(line: str, reading: Reading) -> Iterator[_Entry]:
    """Cut a log entry into lines, each with who says it."""
    if found := _LINE.match(line):
        at = reading.stamps.iso(f"{found['time']}Z")
        text = found["text"]
        speaker = _SPEAKERS.get(text[:3])
        yield _Entry(speaker, text[3:] if speaker else text, at, found["session"])
    elif entry := _json(line):
        session, when = entry.get("sid"), entry.get("time")
        at = reading.stamps.iso(when) if isinstance(when, str) else None
        if isinstance(when, int) and 0 < when < _MAX_MS:
            at = when * 1000
        session = session[:60] if isinstance(session, str) else None
        speaker = _SPEAKERS.get(str(entry.get("tnx")))
        for part in re.split(r"\r?\n", entry["msg"].rstrip("\r\n")):
            yield _Entry(speaker, part, at, session)
    else:
        reading.skipped(line)


def _json(line: str) -> dict[str, Any] | None:
    if not line.startswith("{") or '"tnx"' not in line:
        return None
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or not isinstance(entry.get("msg"), str):
        return None
    return entry


def _events(entry: _Entry) -> Iterator[Happening]:
    """Understand what it says of a connection."""
    _, text, at, session = entry
    if found := _CONNECTED.match(text):
        host, _, port = found[2].rpartition(":")
        number = int(port) if port.isascii() and port.isdecimal() else None
        place = (None, number, host or found[2])
        yield Happening("connect", at=at, session=session, place=place)
        if found[1].startswith("Secure"):
            yield Happening("tls", at=at, session=session)
    elif text == "Connection upgraded with STARTTLS":
        yield Happening("tls", at=at, session=session)
    elif text == "Connection closed" or text.startswith("Closing connection to the"):
        yield Happening("disconnect", at=at, session=session)
    elif text == "Connection closed unexpectedly":
        yield Happening("disconnect", at=at, session=session, error="TransportError")


def sniff(line: str) -> bool:
    """Tell whether a line is the default logger's, or an object of an SMTP session."""
    if _LINE.match(line[:300]) is not None:
        return "] S: " in line[:200] or "] C: " in line[:200] or "nodemailer" in line[:200]
    return line.startswith("{") and '"tnx":"' in line[:2000].replace(": ", ":")


FORMAT: Final = LogFormat(
    name="nodemailer",
    title="Nodemailer",
    sniff=sniff,
    events=rows_of("nodemailer", happenings),
)
