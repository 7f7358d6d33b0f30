"""curl: what ``-v`` prints of a transfer to ``smtp://``.

``>`` is what curl sent, ``<`` what the server said, ``*`` what curl has to say, and ``}``
how many octets of mail data went out, which are not shown; nor is the dot (curl 7.88 to
8.17).  With ``--trace-time`` each line begins with a time of day, without a date.  Under
TLS the counted octets are those of its records, and no mail data is told of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from smtpbook.dialogues.dialogue import COMMANDS
from smtpbook.dialogues.happening import Clock, Happening, rows_of
from smtpbook.logfile.format import LogFormat
from smtpbook.logfile.reading import Reading

_LINE: Final = re.compile(
    r"(?:(?P<time>\d\d:\d\d:\d\d\.\d{6}) )?(?P<mark>[*<>{}])(?: (?P<text>.*))?$", re.DOTALL
)
_OURS: Final = re.compile(
    rf"(?:\d\d:\d\d:\d\d\.\d{{6}} )?(?:< [2-5]\d\d[ -]|> (?:{COMMANDS})\b)", re.IGNORECASE
)
_CONNECTED: Final = re.compile(
    r"(?:Connected to|Established connection to) (\S{1,255}) "
    r"\(([^\s)]{1,60})(?:\)| port (\d{1,5})\))(?: port (\d{1,5}))?"
)
_REFUSED: Final = re.compile(r"connect to (\S{1,255}) port (\d{1,5}).{0,80} failed: ")
_TLS: Final = re.compile(r"SSL connection using (\S{1,40}) / (\S{1,80})")
_COUNT: Final = re.compile(r"\[(\d{1,15}) bytes data\]$")
_CLOSING: Final = ("Closing connection", "shutting down connection")


def happenings(lines: Iterable[str], reading: Reading) -> Iterator[Happening]:
    """Understand lines by their marks; the progress meter is skipped."""
    clock = Clock()
    is_data = is_tls = False
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            reading.skipped(line)
            continue
        at = clock.at(found["time"]) if found["time"] else None
        mark, text = found["mark"], found["text"] or ""
        if mark == ">":
            yield Happening("client", text, at)
        elif mark == "<":
            is_data = text.startswith("354")
            yield Happening("server", text, at)
        elif mark == "}" and is_data and not is_tls and (count := _COUNT.match(text)):
            yield Happening("data", at=at, octets=int(count[1]))
        elif mark == "*" and (event := _event(text, at)):
            is_tls = event.what == "tls" or (is_tls and event.what != "connect")
            yield event


def _event(text: str, at: int | None) -> Happening | None:
    """Understand what curl says of the connection; None = nothing of it happened."""
    if found := _CONNECTED.match(text):
        host, address, *ports = found.groups()
        port = next((int(one) for one in ports if one), None)
        return Happening("connect", at=at, place=(host, port, address))
    if found := _REFUSED.match(text):
        place = (found[1], int(found[2]), None)
        return Happening("connect", at=at, error="TransportError", place=place)
    if found := _TLS.match(text):
        return Happening("tls", at=at, tls=(found[1], found[2]))
    if text.startswith(_CLOSING):
        return Happening("disconnect", at=at)
    return None


def sniff(line: str) -> bool:
    """Tell whether a line is a command or a reply of SMTP behind curl's mark."""
    return _OURS.match(line[:200]) is not None


FORMAT: Final = LogFormat(
    name="curl",
    title="curl -v",
    sniff=sniff,
    events=rows_of("curl", happenings, has_date=False, is_precise=True),
)
