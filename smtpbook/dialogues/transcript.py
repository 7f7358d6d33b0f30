"""Our own transcript: what `smtpbook.log.transcript` tells, read back.

Times are to the millisecond, in UTC; the head line has the date, the server and the
session.  Outcomes are found from the dialogue again, not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Final

from smtpbook.dialogues.happening import Clock, Happening, What, rows_of
from smtpbook.events import CLEAR_TEXT, UNPROVED
from smtpbook.logfile.format import LogFormat
from smtpbook.logfile.reading import Reading

_HEAD: Final = re.compile(
    r"=== (?P<server>.{1,300}?)(?::(?P<port>\d{1,5}))?(?: \[(?P<address>[^\]]{1,100})\])?"
    r"(?:, (?P<tls>[^,]{1,40}))??(?:, session (?P<session>[^,]{1,100}))?, "
    r"(?P<date>\d{4}-\d\d-\d\d|no date)(?: \(UTC\))?$"
)
_LINE: Final = re.compile(
    r"(?:(?P<time>\d\d:\d\d:\d\d\.\d{3})|[ ]{12})  "
    r"[ ]{0,10}(?:\[(?P<took>[\d.]{1,20}) (?P<unit>ms|s)\])?[ ]{0,3}"
    r"(?: (?P<client>->) |(?P<server><-)  |(?P<note>\*\*\*) )(?P<text>.*)",
    re.DOTALL,
)
_DATA: Final = re.compile(r"\[([\d,]{1,20}) octets of mail data\]$")
_TOOK: Final = re.compile(r" in ([\d.]{1,20}) (ms|s)$")
_TLS: Final = re.compile(
    rf"([^,(:]{{1,40}})(?:, ([^,(]{{1,80}}?))?(?: \(({UNPROVED}|[^)]{{1,80}})\))?$"
)
_NO_SERVER: Final = "no server"
_NOT_ENCRYPTED: Final = "not encrypted: "


def happenings(lines: Iterable[str], reading: Reading) -> Iterator[Happening]:
    """Understand head lines and what stands below them."""
    head: re.Match[str] | None = None
    midnight: int | None = None
    clock = Clock()
    for line in lines:
        if found := _HEAD.match(line):
            head, clock = found, Clock()
            midnight = reading.stamps.iso(f"{found['date']}T00:00:00Z")
            continue
        found = _LINE.match(line)
        if found is None or head is None:
            if line.strip():
                reading.skipped(line)
            continue
        since = clock.at(found["time"]) if found["time"] else None
        at = None if midnight is None or since is None else midnight + since
        took_s = _seconds(found["took"], found["unit"])
        event = _said(found, head)
        if event is not None:
            took_s = event.took_s if took_s is None else took_s
            yield event._replace(at=at, session=head["session"], took_s=took_s)


def _said(found: re.Match[str], head: re.Match[str]) -> Happening | None:
    text = found["text"]
    if found["server"]:
        return Happening("server", text)
    if found["client"]:
        if data := _DATA.match(text):
            return Happening("data", octets=int(data[1].replace(",", "") or 0))
        return Happening("client", text)
    return _note(text, head)


def _note(text: str, head: re.Match[str]) -> Happening | None:
    """Understand what happened to the connection; None = a note on a recipient."""
    port = int(head["port"]) if head["port"] else None
    server = None if head["server"] == _NO_SERVER else head["server"]
    place = (server, port, head["address"] or _address(server))
    words, _, error = text.partition(": ")
    what: What | None = None
    if words.startswith(("connected", "connection failed")):
        what = "connect"
    elif words.startswith("through ") or words.endswith(" failed"):
        what = "proxy" if "proxy" in words or words.startswith("through") else None
    elif words in ("dns", "disconnected"):
        what = "dns" if words == "dns" else "disconnect"
    if what is not None:
        if what == "dns":  # whose address is not known yet
            place = (server, port, None)
        took = _TOOK.search(words)
        took_s = _seconds(took[1], took[2]) if took else None
        return Happening(what, error=error or None, place=place, took_s=took_s)
    if text.startswith(_NOT_ENCRYPTED):
        return Happening("tls", CLEAR_TEXT)
    if words == "TLS failed":
        return Happening("tls", error=error or None)
    if words.startswith("TLS") and (tls := _TLS.match(text)):
        version = None if tls[1] == "TLS" else tls[1]
        return Happening("tls", tls[3] or "", tls=(version, tls[2]))
    return None


def _address(server: str | None) -> str | None:
    """Give the server if it was asked for by its address."""
    try:
        return str(ip_address(server or ""))
    except ValueError:
        return None


def _seconds(number: str | None, unit: str | None) -> float | None:
    try:
        seconds = float(number or "")
    except ValueError:
        return None
    return seconds / 1000 if unit == "ms" else seconds


def sniff(line: str) -> bool:
    """Tell whether a line is a head line, or one below it."""
    return _HEAD.match(line[:800]) is not None or _LINE.match(line[:60]) is not None


FORMAT: Final = LogFormat(
    name="transcript",
    title="smtpbook's transcript",
    sniff=sniff,
    events=rows_of("transcript", happenings, is_precise=True),
)
