"""Format: what a log's format has to offer so that `read_log` can read it.

One module per format exports one of these as ``FORMAT``.  A format sees lines or octets
and gives rows; it opens no file, and knows nothing of compression, encodings or frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from smtpbook.events import Row
from smtpbook.logfile.reading import Reading

MAX_LINE: Final = 1 << 20
"""Characters of a line that a format gets to see, unless it asks for more; Postfix writes
at most 2,000, and rsyslog takes 8,192."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFormat:
    """A format of lines.

    Attributes
    ----------
    name : str
        What ``format=`` takes; the ``source`` of its rows.
    title : str
        What messages call it.
    sniff : callable
        Tells of one line whether it looks like one of this format: cheap, linear in the
        line's length, never raises.
    events : callable
        Takes lines without their ends (of all files of this format, in their order) and a
        `Reading`, and gives rows in `SCHEMA`'s order.  It never raises because of what a
        line says: what it does not understand it hands to `Reading.skipped`.
    max_line : int
        Characters of a line that it gets; what is behind them is cut off and counted.
    """

    name: str
    title: str
    sniff: Callable[[str], bool]
    events: Callable[[Iterable[str], Reading], Iterator[Row]]
    max_line: int = MAX_LINE


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryFormat:
    """A format that is not made of lines, such as a capture of packets.

    Attributes
    ----------
    name, title : str
        As of `LogFormat`.
    sniff : callable
        Tells of a file's first octets (up to 64 KiB) whether it is of this format.
    events : callable
        Takes one file, opened for reading once from its beginning, and a `Reading`, whose
        ``lines`` it counts itself: packets, parts, whatever the file is made of.
    """

    name: str
    title: str
    sniff: Callable[[bytes], bool]
    events: Callable[[BinaryIO, Reading], Iterator[Row]]
