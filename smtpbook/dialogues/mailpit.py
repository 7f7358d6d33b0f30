"""Mailpit: the commands and replies it logs with ``--verbose``.

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

from smtpbook.dialogues.happening import Happening, rows_of
from smtpbook.logfile.format import LogFormat
from smtpbook.logfile.reading import Reading

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
_END: Final = re.compile(r"(?:\\r\\n|\r?\n)")


def happenings(lines: Iterable[str], reading: Reading) -> Iterator[Happening]:
    """Understand the lines of its SMTP server; those of its other parts say nothing."""
    for line in lines:
        found = _LINE.match(_COLOUR.sub("", line))
        if found is None:
            reading.skipped(line)
            continue
        year, month, day, clock, text = found.groups()
        if spoken := _SAID.match(text):
            at = reading.stamps.iso(f"{year}-{month}-{day}T{clock}")
            what, client, words = spoken.groups()
            if what == "response":
                for part in _END.split(words.rstrip("\r")):
                    yield Happening("server", part, at, client)
            elif not words.startswith(_STORED):
                yield Happening("client", words, at, client)


def sniff(line: str) -> bool:
    """Tell whether a line is Mailpit's."""
    found = _LINE.match(_COLOUR.sub("", line[:1000]))
    return found is not None and found[5].startswith("[")


FORMAT: Final = LogFormat(
    name="mailpit",
    title="Mailpit",
    sniff=sniff,
    events=rows_of("mailpit", happenings, has_ids=False),
    max_line=_MAX_LINE,
)
