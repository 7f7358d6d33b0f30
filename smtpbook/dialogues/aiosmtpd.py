"""aiosmtpd: the commands it logs, and at level DEBUG its replies.

Its logger is ``mail.log``; where the records go, and what stands before them, is up to the
program that runs it.  Read are lines that hold the client's address, as Python writes it,
and what was said: ``('192.0.2.7', 50124) >> b'EHLO app'``.  A stamp is read if the line
begins with one (``%(asctime)s``); otherwise ``time`` is null.  At level INFO no replies are
logged: what became of a recipient is in doubt.  Mail data is not read.

References
----------
aiosmtpd 1.4.6, ``smtp.py``: ``push``, ``_handle_client``, ``challenge_auth``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from smtpbook.dialogues.happening import Happening, What, rows_of
from smtpbook.dialogues.smtplib import cut, literal
from smtpbook.logfile.format import LogFormat
from smtpbook.logfile.reading import Reading

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
_SPEAKERS: Final[dict[str, What]] = {">>": "client", "<<": "server"}
_ENDS: Final = ("EOF received", "connection lost", "connection timeout")


def happenings(lines: Iterable[str], reading: Reading) -> Iterator[Happening]:
    """Understand lines by the arrows behind the client's address."""
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            if not _OURS.search(line, 0, 200):
                reading.skipped(line)
            continue
        stamp, client, what, rest = found.groups()
        at = reading.stamps.iso(stamp.replace(",", ".")) if stamp else None
        if what == "handling connection":
            yield Happening("connect", at=at, session=client)
        elif what in _ENDS:
            yield Happening("disconnect", at=at, session=client)
        elif what in _SPEAKERS and (octets := literal(rest.strip())) is not None:
            for text in cut(octets):
                yield Happening(_SPEAKERS[what], text, at, client)


def sniff(line: str) -> bool:
    """Tell whether a line is aiosmtpd's."""
    return _LINE.match(line, 0, 1000) is not None


FORMAT: Final = LogFormat(
    name="aiosmtpd",
    title="aiosmtpd",
    sniff=sniff,
    events=rows_of("aiosmtpd", happenings, has_ids=False),
    max_line=_MAX_LINE,
)
