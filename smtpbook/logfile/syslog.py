"""Syslog: the line around what a program says, in the shapes it is found in.

``Nov 28 12:21:29 mx postfix/smtp[123]: text`` (RFC 3164), the same with an ISO 8601 stamp
(rsyslog's and systemd's default today), either behind ``<22>``, and RFC 5424's.  What the
text means is left to the formats.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Generic, NamedTuple, TypeVar

from smtpbook.logfile.reading import Reading

MAX_LINE: Final = 8192
"""Characters of a line that are read; rsyslog cuts at 8 KiB, most others before that."""

_MAX_WRITERS: Final = 10_000  # processes that are remembered
_TAG: Final = re.compile(r"(\S{1,255}) (\S{1,128})\[(\d{1,10})\]")
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


Writer = TypeVar("Writer")


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


class Syslog(Generic[Writer]):
    """Takes lines apart, quickly: who writes is looked at once for each process.

    Parameters
    ----------
    reading : Reading
        Told of lines that are no syslog, or not of a program that is wanted.
    writer_of : callable
        Gives what stands for a process in what `read` gives; null = not wanted.

    Attributes
    ----------
    writers : dict
        What `writer_of` gave so far, by the text between stamp and ``: ``; behind that
        stands what the program says, and nothing else.
    stamp, about : slice
        Where stamp and that text stood in the last line that was read.
    """

    def __init__(self, reading: Reading, writer_of: Callable[[Tag], Writer | None]) -> None:
        self._syslog, self._iso = reading.stamps.syslog, reading.stamps.iso
        self._skipped = reading.skipped
        self._writer_of = writer_of
        self.writers: dict[str, Writer] = {}
        self._stamp, self._time = "", 0
        self._stands_at(15)

    def read(self, lines: Iterable[str]) -> Iterator[tuple[int, Writer, str]]:
        """Give when (microseconds UTC) who wrote what; skip what is not wanted.

        >>> log = Syslog(Reading(year=2026), lambda tag: tag.program)
        >>> list(log.read(["Nov 28 12:00:00 mx postfix/smtp[7]: 4F1: removed"]))
        [(1795867200000000, 'postfix/smtp', '4F1: removed')]
        """
        return filter(None, map(self.split, lines))

    def split(self, line: str) -> tuple[int, Writer, str] | None:
        """Do that for one line; null = it was skipped."""
        head, colon, text = line.partition(": ")
        if not colon:
            return self._split_other(line)
        stamp, about = head[:15], head[16:]
        if stamp[:1] <= "9":  # no month's name
            stamp, _, about = head.partition(" ")
        writer = self.writers.get(about)
        if writer is None:
            found = _TAG.fullmatch(about)
            writer = self._writer_of(Tag(*found.groups())) if found else None
            if writer is None:
                return self._split_other(line)
            if text.startswith("[ID "):
                text = _SOLARIS.sub("", text, count=1)
            else:
                self._remember(about, writer)
        time = self.time_of(stamp)
        if time is None:
            return self._split_other(line)
        self._stands_at(len(stamp))
        return time, writer, text

    def _stands_at(self, end: int) -> None:
        self.stamp, self.about = slice(end), slice(end + 1, None)

    def _remember(self, about: str, writer: Writer) -> None:
        if len(self.writers) >= _MAX_WRITERS:
            self.writers.clear()
        self.writers[about] = writer

    def time_of(self, stamp: str) -> int | None:
        """Read a stamp of either kind."""
        if stamp == self._stamp:
            return self._time
        time = (self._syslog if stamp[:1] > "9" else self._iso)(stamp)
        if time is not None:
            self._stamp, self._time = stamp, time
        return time

    def _split_other(self, line: str) -> tuple[int, Writer, str] | None:
        """Read what is not the everyday shape, or not wanted."""
        if found := _ANY.match(line):
            program, pid = found["program"], found["pid"]
            if found["version"]:
                program, pid = found["app"], found["process"]
            writer = self._writer_of(Tag(found["host"], program, pid or ""))
            time = None if writer is None else self.time_of(found["stamp"])
            if writer is not None and time is not None:
                return time, writer, found["text"]
        self._skipped(line)
        return None


def program_of(line: str) -> str | None:
    """Tell which program a line of syslog is from; null = it is no syslog."""
    found = _ANY.match(line, 0, 1000)
    return (found["program"] or found["app"]) if found else None
