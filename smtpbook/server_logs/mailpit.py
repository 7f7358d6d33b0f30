"""Mailpit: the commands and replies it logs with ``--verbose``, as rows.

Without it only refusals are logged, each a row.  Its lines name a client's address without
the port, so two sessions of one address at the same time cannot be told apart.

References
----------
Mailpit 1.21: ``internal/logger/logger.go`` (stamps, colours), ``internal/smtpd/main.go``
(what is logged).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from smtpbook.events import Row
from smtpbook.logfile.format import LogFormat
from smtpbook.logfile.reading import Reading
from smtpbook.server_logs.sessions import Sessions

_SOURCE: Final = "mailpit"
_MAX_LINE: Final = 8192
_COLOUR: Final = re.compile(r"\x1b\[\d{0,3}m")
_LINE: Final = re.compile(
    r"(?:TRAC|DEBU|INFO|WARN|ERRO|FATA|PANI)\w{0,4}"
    r"\[(\d{4})/(\d\d)/(\d\d) (\d\d:\d\d:\d\d)\] (.*)",
    re.DOTALL,
)
_SAID: Final = re.compile(
    r"\[smtpd\] (received|response) \(([^()]{0,64})\) (.*)", re.DOTALL
)
_STORED: Final = "from:"  # "received (address) from:… subject:…" tells of the message


class _Log:
    """One log, read line by line."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._sessions = Sessions(_SOURCE, reading)

    def rows(self, lines: Iterable[str]) -> Iterator[Row]:
        for line in lines:
            found = _LINE.match(_COLOUR.sub("", line))
            if found is None:
                self._reading.skipped(line)
                continue
            year, month, day, clock, text = found.groups()
            said = _SAID.match(text)
            if said is None:
                continue
            time = self._reading.stamps.iso(f"{year}-{month}-{day}T{clock}")
            yield from self._said(time, *said.groups())
        yield from self._sessions.rest()

    def _said(self, time: int | None, what: str, client: str, line: str) -> Iterator[Row]:
        if what == "response":
            for one in line.replace("\\r\\n", "\n").split("\n"):
                if one.startswith("220 "):
                    self._sessions.opened(client)
                yield from self._sessions.reply(time, client, one.rstrip("\r"))
        elif not line.startswith(_STORED):
            yield from self._sessions.command(time, client, line)


def sniff(line: str) -> bool:
    """Tell whether a line is Mailpit's."""
    found = _LINE.match(_COLOUR.sub("", line[:1000]))
    return found is not None and found[5].startswith("[")


def events(lines: Iterable[str], reading: Reading) -> Iterator[Row]:
    """Give the rows of a log's lines."""
    return _Log(reading).rows(lines)


FORMAT: Final = LogFormat(
    name=_SOURCE, title="Mailpit", sniff=sniff, events=events, max_line=_MAX_LINE
)
