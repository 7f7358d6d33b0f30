"""Reading any log: which format each file is in, and its rows as the event log.

Formats are told by their content, never by a file's name.  What a format is, and which
there are, stands elsewhere (`logfile.format`, `formats.registry`).
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Sequence
from datetime import tzinfo
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final, TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import pandas as pd
import pyarrow as pa

from smtpbook import progress as progresses
from smtpbook.errors import SMTPBookError, near_miss
from smtpbook.escape import visible
from smtpbook.events import Row
from smtpbook.formats.columns import to_table
from smtpbook.formats.registry import FORMATS, format_of
from smtpbook.log import store
from smtpbook.log.frame import from_table, join_tables
from smtpbook.log.where import path_of, reached
from smtpbook.logfile.format import BinaryFormat, LogFormat
from smtpbook.logfile.lines import CHUNK, encoding_of, first_lines, read_batches
from smtpbook.logfile.opening import Source, sources_of
from smtpbook.logfile.reading import Reading
from smtpbook.progress import Display

_LONG: Final = 64 << 20  # octets from which progress is worth showing
_MB: Final = 1_000_000
# What is no log, and who reads it.
_ELSEWHERE: Final = (
    (
        re.compile(rb"From |(?i:return-path|received|delivered-to):"),
        "bounces are read by read_bounces",
    ),
    (
        re.compile(rb"\s*(?:<\?xml[^>]{0,200}>\s*)?<feedback"),
        "DMARC reports are read by read_dmarc_reports",
    ),
)
_Named = str | os.PathLike[str] | BinaryIO | TextIO


def read_log(
    source: _Named | Sequence[_Named],
    format: str | None = None,
    *,
    year: int | None = None,
    time_zone: str | tzinfo = "UTC",
    progress: bool = True,
) -> pd.DataFrame:
    """Read a log of any program that is known as an event log.

    Parameters
    ----------
    source : path, str, stream, or a list of them
        A file; a folder; a pattern such as ``"/var/log/mail.log*"``; an open file or
        stream; ``"-"`` for standard input.  What is packed with gzip, bzip2, xz or zstd is
        unpacked.  Rotated files are read from the oldest to the newest.
    format : str, optional
        What it is; by default each file's first lines tell.
    year : int, optional
        Of the first stamp, where stamps name none.
    time_zone : str or tzinfo
        Of stamps that name none, such as ``"Europe/Berlin"``.
    progress : bool
        Show how far it has come, if it is long.

    Returns
    -------
    DataFrame
        The event log with exactly `smtpbook.events.SCHEMA`'s columns and dtypes; what a
        format does not tell is null.  Sessions that have no name of their own are numbered
        behind their file's, such as ``swaks.txt-1``.

        ``attrs["read"]`` tells how many ``rows`` came of how many ``lines``, how many of
        them were ``matched`` and how many ``skipped``, because nobody understood them, with
        ``examples``; how many were ``cut`` because they were too long; and of each of the
        ``files`` its format (null = none that is known, and it was left out) and its
        ``lines``; a capture's are its packets.

    Raises
    ------
    OSError
        There is no such file, or it cannot be opened.
    SMTPBookError
        A file is in no format that can be read, or damaged; or `format` or `time_zone` is
        not known.
    ColumnError
        It is Parquet or Arrow, but not an event log.
    """
    zone = _zone_of(time_zone)
    _check_format(format)
    if isinstance(source, str | os.PathLike):
        with reached(source):
            is_stored = _is_stored(path_of(source), format)
        if is_stored:
            return store.read_log(source, format)
    sources = sources_of(source)
    groups: dict[str, list[Source]] = {}
    for one in sources:
        groups.setdefault(_format_of(one, format, len(sources) > 1), []).append(one)
    if not set(groups) - {""}:
        raise SMTPBookError(f"{_shown(source)}: no file of it is a log that can be read")
    size = sum(one.size for one in sources)
    display = progresses.show(
        "reading (MB)", size // _MB, progress=progress and size >= _LONG
    )
    counted = _Counted(display)
    try:
        tables = []
        for name, members in groups.items():
            if name in store.FORMATS:
                tables += [_stored(one, name, counted) for one in members]
            elif name in FORMATS:
                reading = Reading(year=year, time_zone=zone)
                rows = _rows(format_of(name), members, reading, counted)
                tables.append(to_table(rows))
                counted.add(reading)
            else:
                counted.leave_out(members)
    finally:
        display.close()
    log = from_table(tables[0] if len(tables) == 1 else join_tables(tables))
    log.attrs["read"] = {"rows": len(log), **counted.told()}
    return log


class _Counted:
    """What is told of all that was read."""

    def __init__(self, display: Display) -> None:
        self._display, self._octets = display, 0
        self._counts = dict.fromkeys(("lines", "matched", "skipped", "cut"), 0)
        self._examples: list[str] = []
        self.files: list[dict[str, Any]] = []

    def octets(self, count: int) -> None:
        self._octets += count
        self._display.update(self._octets // _MB, {})

    def add(self, reading: Reading) -> None:
        self._counts["lines"] += reading.lines
        self._counts["matched"] += reading.lines - reading.skips
        self._counts["skipped"] += reading.skips
        self._counts["cut"] += reading.cut
        self._examples += reading.examples

    def leave_out(self, sources: list[Source]) -> None:
        self.files += [{"name": one.name, "format": None, "lines": 0} for one in sources]

    def told(self) -> dict[str, Any]:
        return {**self._counts, "examples": self._examples, "files": self.files}


def _stored(source: Source, format: str, counted: _Counted) -> pa.Table:
    """Read an event log of our own that stands beside others."""
    if source.path is None:
        raise SMTPBookError(
            f"{source.name}: an event log in {format!r} cannot be read from a stream; "
            f"save it, and read the file"
        )
    counted.files.append({"name": source.name, "format": format, "lines": 0})
    return store.read_table(source.path, format)


def _rows(
    format: LogFormat | BinaryFormat,
    sources: list[Source],
    reading: Reading,
    counted: _Counted,
) -> Iterator[Row]:
    """Give the rows of files of one format; those of lines are read as one."""
    if isinstance(format, LogFormat):
        batches = _batches(format, sources, reading, counted)
        return format.events(chain.from_iterable(batches), reading)
    return _binary_rows(format, sources, reading, counted)


def _batches(
    format: LogFormat, sources: list[Source], reading: Reading, counted: _Counted
) -> Iterator[list[str]]:
    for one in sources:
        before = reading.lines
        reading.new_file(one.label, one.latest)
        with one.open(counted.octets) as file:
            encoding = encoding_of(file.head)
            octets = io.BufferedReader(file, CHUNK)
            yield from read_batches(octets, encoding, format.max_line, reading)
        lines = reading.lines - before
        counted.files.append({"name": one.name, "format": format.name, "lines": lines})


def _binary_rows(
    format: BinaryFormat, sources: list[Source], reading: Reading, counted: _Counted
) -> Iterator[Row]:
    for one in sources:
        before = reading.lines
        reading.new_file(one.label, one.latest)
        with one.open(counted.octets) as file:
            yield from format.events(io.BufferedReader(file), reading)
        lines = reading.lines - before
        counted.files.append({"name": one.name, "format": format.name, "lines": lines})


def _format_of(source: Source, format: str | None, is_lenient: bool) -> str:
    """Tell a file's format; "" = none is known, and there are others."""
    if format is not None:
        return format
    with source.open() as file:
        head = file.head
    if stored := store.format_of(head):
        return stored
    lines, likes = first_lines(head), {}
    for form in map(format_of, FORMATS):
        if isinstance(form, BinaryFormat):
            if form.sniff(head):
                return form.name
            continue
        likes[form.name] = sum(map(form.sniff, lines))
        if 0 < likes[form.name] == len(lines):
            return form.name  # none can beat it, and the others need not be imported
    best = max(likes, key=likes.__getitem__)
    if likes[best]:
        return best
    if is_lenient:
        return ""
    shown = visible(head[:80].decode("utf-8", "surrogateescape"), max_chars=60)
    found = f"begins with '{shown}'" if head else "is empty"
    other = next((way for mark, way in _ELSEWHERE if mark.match(head)), None)
    raise SMTPBookError(
        f"{source.name}: {found}, which is no log format that can be read; "
        + (other or f"looked for: {', '.join(format_of(name).title for name in FORMATS)}")
    )


def _is_stored(path: Path, format: str | None) -> bool:
    """Tell whether it is for `log.store`: Parquet or Arrow, or a folder of them."""
    if format is not None:
        return format in store.FORMATS
    if path.is_dir():
        return store.is_folder_of_logs(path)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return store.format_of(file.read(64)) is not None


def _check_format(format: str | None) -> None:
    known = [*store.FORMATS, *FORMATS]
    if format is not None and format not in known:
        raise SMTPBookError(
            f"unknown log format {format!r}{near_miss(format, known)}; "
            f"can be read: {', '.join(known)}"
        )


def _zone_of(zone: str | tzinfo) -> tzinfo:
    if isinstance(zone, tzinfo):
        return zone
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        hint = near_miss(zone, available_timezones())
        raise SMTPBookError(f"unknown time zone {zone!r}{hint}") from error


def _shown(source: Any) -> str:
    return visible(str(source), max_chars=200)
