"""swaks: its transcript, in which the hint before each line says who speaks.

``->`` and ``~>`` are the client's lines in clear text and under TLS, ``<-`` and ``<~`` the
server's; ``**>`` and ``<**`` those where something is not as it should be, ``===`` and
``***`` what swaks itself has to say (swaks 20201014, its manual's section "Transcript
hints").  It has no times; with ``--show-time-lapse`` it tells what each reply took.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from smtpbook.dialogues.happening import Happening, rows_of
from smtpbook.logfile.format import LogFormat
from smtpbook.logfile.reading import Reading

_LINE: Final = re.compile(
    r"(?P<client> [-~]>|\*[*~]>)(?: |$)|(?P<server><[-~] |<\*\*|<~\*) |"
    r"(?P<info>===|\*\*\*) |(?P<raw>  >|<  ) "
)
_TRYING: Final = re.compile(r"Trying (\S{1,255}?)(?::(\d{1,5}))?\.\.\.$")
_TLS: Final = re.compile(r"TLS started (?:with|w/) cipher ([^:\s]{1,40}):([^:\s]{1,80})")
_TOOK: Final = re.compile(r"response in (\d{1,9}(?:\.\d{1,9})?)s$")


def happenings(lines: Iterable[str], reading: Reading) -> Iterator[Happening]:
    """Understand lines by their hints; a text of several lines repeats its hint."""
    place: tuple[str | None, int | None] = (None, None)
    took_s: float | None = None
    is_trying = False  # a failure to connect is told on two lines
    for line in lines:
        found = _LINE.match(line)
        text = line[found.end() :] if found else ""
        if found is None:
            reading.skipped(line)
        elif found["client"]:
            yield Happening("client", text)
        elif found["server"]:
            yield Happening("server", text, took_s=took_s)
            took_s = None
        elif found["info"]:
            if trying := _TRYING.match(text):
                host, port = trying[1], int(trying[2]) if trying[2] else None
                place, is_trying = (host, port), True
            elif lapse := _TOOK.match(text):
                took_s = float(lapse[1])
            elif event := _event(text, place, is_trying):
                is_trying = is_trying and event.what != "connect"
                yield event


def _event(
    text: str, place: tuple[str | None, int | None], is_trying: bool
) -> Happening | None:
    """Understand what swaks says of the connection; None = nothing of it happened."""
    if text.startswith("Connected to "):
        return Happening("connect", place=(*place, None))
    if text.startswith("Error connecting") and is_trying:
        return Happening("connect", error="TransportError", place=(*place, None))
    if tls := _TLS.match(text):
        return Happening("tls", tls=(tls[1], tls[2]))
    if text.startswith("TLS startup failed"):
        return Happening("tls", error="TLSError")
    if text.startswith("Connection closed with") or text == "Dropping connection":
        return Happening("disconnect")
    if text.endswith("closed connection unexpectedly."):
        return Happening("disconnect", error="TransportError")
    return None


def sniff(line: str) -> bool:
    """Tell whether a line has one of the hints, as no other program writes them."""
    return line.startswith(
        ("=== Trying ", "=== Connected to ", "<-  ", "<~  ", " -> ", " ~> ", "<** ", "<~* ")
    )


FORMAT: Final = LogFormat(
    name="swaks", title="swaks", sniff=sniff, events=rows_of("swaks", happenings)
)
