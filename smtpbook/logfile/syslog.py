"""Syslog: the line around what a program says, in the shapes it is found in.

``Nov 28 12:21:29 mx postfix/smtp[123]: text`` (RFC 3164), the same with an ISO 8601 stamp
(rsyslog's and systemd's default today), either behind ``<22>``, and RFC 5424's.  What the
text means is left to the formats.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from smtpbook.logfile.reading import Reading

MAX_LINE: Final = 8192
"""Characters of a line that are read; rsyslog cuts at 8 KiB, most others before that."""

_MAX_TAGS: Final = 10_000  # process ids that are remembered
_TAG: Final = re.compile(r"(\S{1,255}) (\S{1,128})\[(\d{1,10})")
_ANY: Final = re.compile(
    r"(?:<\d{1,3}>(?P<version>1 )?)?"
    r"(?P<stamp>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"
    r"|\d{4}-\d\d-\d\d[T ][\d:.,]{8,18}\S{0,6}) "
    r"(?P<host>\S{1,255}) "
    r"(?(version)(?P<app>\S{1,48}) (?P<process>\S{1,128}) \S{1,32} "
    r"(?:-|\[[^]]*+\]) ?\ufeff?"
    r"|(?P<program>[^\s\[:]{1,128})(?:\[(?P<pid>\d{1,10})\])?: ?)"
    r"(?P<text>.*)",
    re.DOTALL,
)
_SOLARIS: Final = re.compile(r"\[ID \d{1,10} \w{1,20}\.\w{1,20}\] ")


class Tag(NamedTuple):
    """Who wrote a line.

    Attributes
    ----------
    host, program : str
        As they stand there, such as ``"postfix/smtp"``.
    pid : str
        Its process; "" = not told.
    """

    host: str
    program: str
    pid: str


class Syslog:
    """Takes lines apart; remembers the last stamp and who has written so far."""

    __slots__ = ("_stamp", "_stamps", "_tags", "_time")

    def __init__(self, reading: Reading) -> None:
        self._stamps = reading.stamps
        self._tags: dict[str, Tag] = {}
        self._stamp, self._time = "", 0

    def split(self, line: str) -> tuple[int, Tag, str] | None:
        """Give when (microseconds UTC) who wrote what; null = it is no syslog.

        >>> log = Syslog(Reading(year=2026))
        >>> log.split("Nov 28 12:00:00 mx postfix/smtp[7]: 4F1: removed")
        (1795867200000000, Tag(host='mx', program='postfix/smtp', pid='7'), '4F1: removed')
        """
        head, _, text = line.partition("]: ")
        if head[:1].isalpha():
            stamp, about = head[:15], head[16:]
        else:
            stamp, _, about = head.partition(" ")
        tag = self._tags.get(about)
        if tag is None:
            found = _TAG.fullmatch(about)
            if found is None:
                return self._split_other(line)
            if len(self._tags) >= _MAX_TAGS:
                self._tags.clear()
            tag = self._tags[about] = Tag(*found.groups())
        if stamp != self._stamp:
            time = self._time_of(stamp)
            if time is None:
                return self._split_other(line)
            self._stamp, self._time = stamp, time
        if text.startswith("[ID "):
            text = _SOLARIS.sub("", text, count=1)
        return self._time, tag, text

    def _time_of(self, stamp: str) -> int | None:
        if stamp[:1].isalpha():
            return self._stamps.syslog(stamp)
        return self._stamps.iso(stamp)

    def _split_other(self, line: str) -> tuple[int, Tag, str] | None:
        """Read what is not the everyday shape."""
        found = _ANY.match(line)
        if found is None:
            return None
        time = self._time_of(found["stamp"])
        if time is None:
            return None
        program, pid = found["program"] or found["app"], found["pid"] or found["process"]
        return time, Tag(found["host"], program, pid or ""), found["text"]


def program_of(line: str) -> str | None:
    """Tell which program a line of syslog is from; null = it is no syslog."""
    found = _ANY.match(line, 0, 1000)
    return (found["program"] or found["app"]) if found else None
