"""Postfix: its log, one outcome for each line that tells what became of a recipient."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from smtpbook.events import Row, row_of
from smtpbook.logfile.format import LogFormat
from smtpbook.logfile.reading import Reading

_LINE: Final = re.compile(
    r"(?P<stamp>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (?P<host>\S{1,255}) "
    r"postfix[^/\s]{0,60}/(?P<service>[\w/-]{1,40})\[\d{1,10}\]: (?P<text>.*)",
    re.DOTALL,
)
_STATUS: Final = re.compile(r"(?P<queue_id>\w{1,20}): to=<(?P<recipient>[^>]{0,320})>.*")


def sniff(line: str) -> bool:
    """Tell whether a line is Postfix's."""
    return _LINE.match(line[:1000]) is not None


def events(lines: Iterable[str], reading: Reading) -> Iterator[Row]:
    """Give the outcomes."""
    for line in lines:
        found = _LINE.match(line)
        time = reading.stamps.syslog(found["stamp"]) if found else None
        if found is None or time is None:
            reading.skipped(line)
        elif status := _STATUS.match(found["text"]):
            yield row_of(time=time, kind="outcome", source="postfix", **status.groupdict())


FORMAT: Final = LogFormat(
    name="postfix", title="Postfix (syslog)", sniff=sniff, events=events
)
