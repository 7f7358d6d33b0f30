"""Reading: what is counted while logs are read, and what the caller has decided.

It opens nothing.
"""

from __future__ import annotations

from datetime import UTC, tzinfo
from typing import Final

from smtpbook.escape import visible
from smtpbook.logfile.stamps import Stamps

_EXAMPLES: Final = 5
_EXAMPLE_CHARS: Final = 200


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
    lines : int
        Lines read; whoever splits them counts them.
    skips : int
        How many of those nobody understood.
    cut : int
        How many were longer than the format gets to see, and lost their ends.
    examples : list of str
        The first few lines that were skipped, escaped.
    """

    __slots__ = ("cut", "examples", "lines", "skips", "stamps")

    def __init__(self, *, year: int | None = None, time_zone: tzinfo = UTC) -> None:
        self.stamps = Stamps(year=year, time_zone=time_zone)
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

    def skipped(self, line: str) -> None:
        """Count a line that nobody understood."""
        self.skips += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(visible(line, max_chars=_EXAMPLE_CHARS))
