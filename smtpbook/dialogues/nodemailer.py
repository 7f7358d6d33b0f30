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
from typing import Any, Final

from smtpbook.dialogues.said import Said, rows_of
from smtpbook.logfile.format import LogFormat
from smtpbook.logfile.reading import Reading

_LINE: Final = re.compile(
    r"\[(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\] (?P<level>[A-Z]{4,5}) {1,2}"
    r"(?:\[#\w{1,20}\] )?(?:\[(?P<session>[\w+/=-]{1,60})\] )?(?P<text>.*)",
    re.DOTALL,
)
_CONNECTED: Final = re.compile(r"(Secure connection|Connection) established to (.{1,255})$")
_COUNT: Final = re.compile(r"<(\d{1,15}) bytes encoded mime message")


def said(lines: Iterable[str], reading: Reading) -> Iterator[Said]:
    """Understand lines of either kind."""
    data: set[str] = set()  # sessions whose mail data is being shown
    for line in lines:
        for entry in _entries(line, reading):
            session = entry.session or ""
            if entry.what == "server":
                data.discard(session)
                if entry.text.startswith("354"):
                    data.add(session)
                yield entry
            elif entry.what != "dns":
                yield entry
            elif session in data:
                event = _mail_data(entry)
                if event.what == "data" or event.text == ".":
                    data.discard(session)
                yield event
            else:
                yield from _events(entry)


def _entries(line: str, reading: Reading) -> Iterator[Said]:
    """Cut a line into who speaks and what is said; ``dns`` = neither, a remark."""
    if found := _LINE.match(line):
        at = reading.stamps.iso(f"{found['time'].replace(' ', 'T')}Z")
        text, what = found["text"], found["text"][:3]
        if what == "S: ":
            yield Said("server", text[3:], at, found["session"])
        elif what == "C: ":
            yield Said("client", text[3:], at, found["session"])
        else:
            yield Said("dns", text, at, found["session"])
    elif entry := _json(line):
        what, text = entry.get("tnx"), entry["msg"]
        session, when = entry.get("sid"), entry.get("time")
        at = reading.stamps.iso(when) if isinstance(when, str) else None
        if isinstance(when, int) and 0 < when < 1 << 43:  # pino's: milliseconds
            at = when * 1000
        session = session[:60] if isinstance(session, str) else None
        for part in re.split(r"\r?\n", text.rstrip("\r\n")):
            if what in ("server", "client"):
                yield Said(what, part, at, session)
            else:
                yield Said("dns", part, at, session)
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


def _mail_data(entry: Said) -> Said:
    """Understand a line while mail data is open: it is shown, or counted."""
    if found := _COUNT.match(entry.text):
        return entry._replace(what="data", text="", octets=int(found[1]))
    return entry._replace(what="client")


def _events(entry: Said) -> Iterator[Said]:
    """Understand what it says of a connection."""
    text = entry.text
    if found := _CONNECTED.match(text):
        host, _, port = found[2].rpartition(":")
        number = int(port) if port.isascii() and port.isdecimal() else None
        yield entry._replace(
            what="connect", text="", place=(None, number, host or found[2])
        )
        if found[1].startswith("Secure"):
            yield entry._replace(what="tls", text="")
    elif text == "Connection upgraded with STARTTLS":
        yield entry._replace(what="tls", text="")
    elif text == "Connection closed" or text.startswith("Closing connection to the"):
        yield entry._replace(what="disconnect", text="")
    elif text == "Connection closed unexpectedly":
        yield entry._replace(what="disconnect", text="", error="TransportError")


def sniff(line: str) -> bool:
    """Tell whether a line is the default logger's, or an object of an SMTP session."""
    if _LINE.match(line[:300]) is not None:
        return "] S: " in line[:200] or "] C: " in line[:200] or "nodemailer" in line[:200]
    return line.startswith("{") and '"tnx":"' in line[:2000].replace(": ", ":")


FORMAT: Final = LogFormat(
    name="nodemailer",
    title="Nodemailer",
    sniff=sniff,
    events=rows_of("nodemailer", said),
)
