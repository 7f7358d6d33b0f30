"""msmtp: what ``-d`` prints: its settings, then ``-->`` and ``<--`` for who speaks.

All lines of the mail data are shown, and what AUTH says is not hidden by msmtp (msmtp
1.8.23); it is here.  There are no times, and a closed connection is not told of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from smtpbook.dialogues.happening import Happening, rows_of
from smtpbook.logfile.format import LogFormat
from smtpbook.logfile.reading import Reading

_LINE: Final = re.compile(r"(-->|<--)(?: (.*))?$", re.DOTALL)
_SETTING: Final = re.compile(r"(\w[\w ]{0,40}?) += (.*)", re.DOTALL)
_TLS: Final = re.compile(r"\s+\(?(TLS\d[\d.]*)\b.{0,200}?(?:\(([A-Z0-9-]+)\))?$")
_NO_CONNECTION: Final = re.compile(r"msmtp: cannot connect to (\S{1,255}), port (\d{1,5})")
# What it says besides, and what belongs to the certificate it shows.
_REMARKS: Final = (
    "msmtp: ",
    "ignoring ",
    "loaded ",
    "using account ",
    "reading ",
    "falling",
)


def happenings(lines: Iterable[str], reading: Reading) -> Iterator[Happening]:
    """Understand lines by their arrows, and the settings that say who is spoken to."""
    host: str | None = None
    port: int | None = None
    is_new = is_tls = is_about_tls = False
    for line in lines:
        if found := _LINE.match(line):
            if is_new:
                yield Happening("connect", place=(host, port, None))
            is_new = is_about_tls = False
            yield Happening("client" if found[1] == "-->" else "server", found[2] or "")
        elif line == "TLS session parameters:":
            is_tls = is_about_tls = True
        elif is_tls and (tls := _TLS.match(line)):
            is_tls = False
            yield Happening("tls", tls=(tls[1].replace("TLS", "TLSv"), tls[2]))
        elif found := _SETTING.match(line):
            if found[1] == "host":
                host, port, is_new = found[2][:255], None, True
            elif found[1] == "port" and found[2].isascii() and found[2].isdecimal():
                port = int(found[2][:5])
        elif found := _NO_CONNECTION.match(line):
            place = (found[1], int(found[2]), None)
            is_new = False
            yield Happening("connect", error="TransportError", place=place)
        elif line.startswith("TLS certificate information:") or is_about_tls:
            is_about_tls = True
        elif line.strip() and not line.startswith(_REMARKS):
            reading.skipped(line)


def sniff(line: str) -> bool:
    """Tell whether a line has one of the arrows."""
    return line.startswith(("<-- ", "--> "))


FORMAT: Final = LogFormat(
    name="msmtp", title="msmtp -d", sniff=sniff, events=rows_of("msmtp", happenings)
)
