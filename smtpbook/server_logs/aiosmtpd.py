"""aiosmtpd: the commands it logs, and at level DEBUG its replies, as rows.

Its logger is ``mail.log``; where the records go, and what stands before them, is up to the
program that runs it.  Read are lines that hold the client's address, as Python writes it,
and what was said: ``('192.0.2.7', 50124) >> b'EHLO app'``.  A stamp is read if the line
begins with one (``%(asctime)s``); otherwise ``time`` is null.  At level INFO no replies are
logged, so there are commands only, and no outcomes.  Secrets are masked by aiosmtpd itself.

References
----------
aiosmtpd 1.4.6, ``smtp.py``: ``push``, ``_handle_client``, ``sanitize``.
"""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Iterable, Iterator
from typing import Final

from smtpbook.events import Row
from smtpbook.logfile.format import LogFormat
from smtpbook.logfile.reading import Reading
from smtpbook.server_logs.sessions import Sessions

_SOURCE: Final = "aiosmtpd"
_MAX_LINE: Final = 8192
_LINE: Final = re.compile(
    r"(?P<stamp>\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{1,6})?\S{0,6})?.{0,200}?"
    r"(?P<client>\('[0-9A-Fa-f.:%]{2,64}', \d{1,5}(?:, \d{1,10}, \d{1,10})?\)"
    r"|'[^']{0,108}') "
    r"(?P<what>>>|<<|handling connection|EOF received|connection lost|sender: |recip: |"
    r"connection timeout|unrecognised: |Connection lost during)(?P<rest>.*)",
    re.DOTALL,
)
_OURS: Final = re.compile(r"mail\.(?:log|debug)|Available AUTH mechanisms: |Peer: \(")


class _Log:
    """One log, read line by line."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._sessions = Sessions(_SOURCE, reading)

    def rows(self, lines: Iterable[str]) -> Iterator[Row]:
        for line in lines:
            found = _LINE.match(line)
            if found is None:
                if not _OURS.search(line, 0, 200):
                    self._reading.skipped(line)
                continue
            yield from self._said(*found.groups())
        yield from self._sessions.rest()

    def _said(self, stamp: str | None, client: str, what: str, rest: str) -> Iterator[Row]:
        time = self._reading.stamps.iso(stamp.replace(",", ".")) if stamp else None
        if what in (">>", "<<"):
            octets = _octets(rest.strip())
            take = self._sessions.command if what == ">>" else self._sessions.reply
            for line in octets.split("\n") if what == "<<" else [octets]:
                yield from take(time, client, line.rstrip("\r"))
        elif what == "handling connection":
            self._sessions.opened(client)
        elif what in ("EOF received", "connection lost", "connection timeout"):
            yield from self._sessions.unanswered(client)
            self._sessions.closed(client)


def _octets(text: str) -> str:
    """Read Python's way to write octets; "" = it was cut, or is something else."""
    if not re.match(r"b['\"]", text):
        return ""
    try:
        value = literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ""
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else ""


def sniff(line: str) -> bool:
    """Tell whether a line is aiosmtpd's."""
    return _LINE.match(line, 0, 1000) is not None


def events(lines: Iterable[str], reading: Reading) -> Iterator[Row]:
    """Give the rows of a log's lines."""
    return _Log(reading).rows(lines)


FORMAT: Final = LogFormat(
    name=_SOURCE, title="aiosmtpd", sniff=sniff, events=events, max_line=_MAX_LINE
)
