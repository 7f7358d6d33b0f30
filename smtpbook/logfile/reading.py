"""Reading: what is counted while logs are read, and what the caller has decided.

It opens nothing.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import Final

from smtpbook.escape import visible
from smtpbook.logfile.stamps import Stamps
from smtpbook.protocol.commands import REDACTED

_EXAMPLES: Final = 5
_EXAMPLE_CHARS: Final = 200
_NAME_CHARS: Final = 100
# A line that nobody understood may hold a login all the same: what follows AUTH, or whole
# words of base64 (RFC 4954 section 4), which have letters of both cases or end in "=".
_LOGIN: Final = re.compile(r"\b(AUTH[ \t]+\S+[ \t]+|PASS[ \t]+)\S+", re.IGNORECASE)
_BASE64: Final = re.compile(
    r"(?<![\w+/=])(?=[^\s]*[a-z])(?=[^\s]*[A-Z0-9=])"
    r"(?:[A-Za-z0-9+/]{4}){1,500}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?(?![\w+/=])"
)


class Reading:
    """Counts what happens to lines; one for all files of a format that are read together.

    Parameters
    ----------
    year : int, optional
        The year of the first stamp that names none.  Default: found out (`Stamps`).
    time_zone : tzinfo
        Of stamps that name none.

    Attributes
    ----------
    stamps : Stamps
        Makes microseconds since 1970 UTC of the stamps of lines.
    file : str
        The short name of the file that is read now; empty = it has none.
    lines : int
        Lines read; whoever splits them counts them.
    skips : int
        How many of those nobody understood.
    cut : int
        How many were longer than the format gets to see, and lost their ends.
    examples : list of str
        The first few lines that were skipped, escaped, and without what may be a login.
    """

    __slots__ = ("cut", "examples", "file", "lines", "skips", "stamps")

    def __init__(self, *, year: int | None = None, time_zone: tzinfo = UTC) -> None:
        self.stamps = Stamps(year=year, time_zone=time_zone)
        self.file = ""
        self.lines = self.skips = self.cut = 0
        self.examples: list[str] = []

    @property
    def year(self) -> int | None:
        """The year the caller gave; null = none."""
        return self.stamps.year

    @property
    def time_zone(self) -> tzinfo:
        """The zone of stamps that name none."""
        return self.stamps.time_zone

    def new_file(self, name: str, latest: datetime | None) -> None:
        """Begin another file, which was last written to then; null = that is now."""
        self.file = visible(name, max_chars=_NAME_CHARS)
        self.stamps.new_file(latest)

    def session_id(self, source: str, number: int) -> str:
        """Name a session that the log does not name, so that no other file's is named so.

        >>> reading = Reading()
        >>> reading.session_id("swaks", 1)
        'swaks-1'
        >>> reading.new_file("monday.txt", None)
        >>> reading.session_id("swaks", 1)
        'monday.txt-1'
        """
        return f"{self.file or source}-{number}"

    def skipped(self, line: str) -> None:
        """Count a line that nobody understood."""
        self.skips += 1
        if len(self.examples) < _EXAMPLES:
            line = _LOGIN.sub(rf"\1{REDACTED}", line[: 4 * _EXAMPLE_CHARS])
            line = _BASE64.sub(_masked, line)
            self.examples.append(visible(line, max_chars=_EXAMPLE_CHARS))


def _masked(word: re.Match[str]) -> str:
    """Mask a word of base64, and leave one that is written as words are."""
    return word[0] if word[0].istitle() or word[0].islower() else REDACTED
