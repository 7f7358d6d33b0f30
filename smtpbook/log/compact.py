"""Compaction: the many sealed files of a log become few, the same rows in the same order.

It is asked for, never done by itself, and nobody else may write to the folder meanwhile
(of a campaign's that is `campaign.compacting`'s affair); reading goes on.

Theory of operation.  Neighbours in the order of their names are written into one file,
``FIRST..LAST.parquet``, in larger row groups and better compressed.  The file tells what
it is made of, so whoever reads the folder counts each row once from the instant at which
it has its name, whether or not the others are removed (`files.standing`).  That comes last;
a process killed before leaves it to the next compaction.  Each step is on the device before
the next one begins: the file, its name, the removals.  Behind a URL it is the same: there
the file has its name once it was uploaded (`where`).

Rows keep their order, as in a segment (`journal`): by session, with a number to find the
order again, they would take 31 octets each, not 33.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from smtpbook.errors import SMTPBookError, near_miss
from smtpbook.escape import visible
from smtpbook.events import COLUMNS
from smtpbook.log.files import PARQUET, SPAN, log_files, parts_of
from smtpbook.log.frame import join_tables
from smtpbook.log.journal import seal_left
from smtpbook.log.store import GROUP_ROWS, read_pieces, torn_bytes_of, write_tables
from smtpbook.log.stream import SUFFIX
from smtpbook.log.where import is_here, located
from smtpbook.progress import show
from smtpbook.wording import counted

FILE_ROWS: Final = 10_000_000
"""Rows in a compacted file, at most; one that has so many is not written again."""

# Level 9 takes 7 % less than level 3 and twice the time; level 15 another 5 % and eight
# times.
_ZSTD_LEVEL: Final = 9
_LONG_ROWS: Final = 1_000_000  # some four seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """What a compaction came to.

    Attributes
    ----------
    files_before, files : int
        How many files the log was in, and is in now.
    bytes_before, bytes : int
        What they took, and take.
    rows : int
        Events in the log; as many as before.
    """

    files_before: int
    files: int
    bytes_before: int
    bytes: int
    rows: int

    def __str__(self) -> str:
        return (
            f"{counted(self.rows, 'event', 'events')}: "
            f"{counted(self.files_before, 'file', 'files')} of {self.bytes_before:,} "
            f"octets, now {self.files:,} of {self.bytes:,}"
        )


def compact_folder(
    folder: Path,
    growing: Path | None = None,
    *,
    file_rows: int = FILE_ROWS,
    group_rows: int = GROUP_ROWS,
    progress: bool = False,
) -> Compacted:
    """Make few files of the many of a log; nobody else may write there.

    Parameters
    ----------
    folder : Path
        Such as a campaign's ``events/``.  Streams that a killed process left are sealed
        first; one that cannot be stays.
    growing : Path, optional
        Where such streams are, if elsewhere.
    file_rows, group_rows : int
        Rows in a file and in a row group, at most.
    progress : bool
        Whether to show how far it is, where it takes long.

    Returns
    -------
    Compacted

    Raises
    ------
    OSError
        There is no such folder, or a file cannot be read or written; the log is whole.
    SMTPBookError
        A file is damaged or no event log (`ColumnError`); the log is as it was.
    """
    before = log_files(folder, growing)
    bytes_before = sum(path.stat().st_size for path in before)
    seal_left(growing or folder, folder)
    _tidy(folder)
    groups = list(_groups(log_files(folder), file_rows))
    with _shown(groups, progress=progress) as told:
        for group in groups:
            _replace(folder, group, group_rows, told)
    after = log_files(folder)
    return Compacted(
        files_before=len(before),
        files=len(after),
        bytes_before=bytes_before,
        bytes=sum(path.stat().st_size for path in after),
        rows=sum(_rows(path) for path in after if path.suffix == PARQUET),
    )


@contextmanager
def _shown(
    groups: Iterable[Sequence[Path]], *, progress: bool
) -> Iterator[Callable[[int], None]]:
    """Show how many events are written; what is given takes how many more."""
    total = sum(_rows(path) for group in groups for path in group)
    display = show("compacting", total, progress=progress and total >= _LONG_ROWS)
    done = 0

    def told(rows: int) -> None:
        nonlocal done
        done += rows
        display.update(done, {})

    try:
        yield told
    finally:
        display.close()


def _groups(files: Iterable[Path], file_rows: int) -> Iterator[list[Path]]:
    """Give the neighbours that are to be one file; what stands alone is left out.

    Files are taken in their order as long as there is room.  So those that are full come
    out as they were, however often it is done.
    """
    group, held = list[Path](), 0
    for path in files:
        rows = _rows(path) if path.suffix == PARQUET else None
        if rows is None or held + rows > file_rows:
            yield from [group] if len(group) > 1 else []
            group, held = [], 0
        if rows is not None:
            group.append(path)
            held += rows
    yield from [group] if len(group) > 1 else []


def _rows(path: Path) -> int:
    """Count a file's rows; one that holds more than an event log does is not touched."""
    try:
        name, system = located(path)
        about = pq.read_metadata(name, filesystem=system)
        names = about.schema.to_arrow_schema().names
    except (pa.ArrowException, UnicodeDecodeError) as damage:
        raise SMTPBookError(
            f"{path}: damaged, or not an event log in Parquet: "
            f"{visible(str(damage), max_chars=200)}; move it elsewhere, and compact again"
        ) from damage
    for name in names:
        if name not in COLUMNS:
            raise SMTPBookError(
                f"{path}: column {visible(name, max_chars=40)!r} is not one of the event "
                f"log's{near_miss(name, COLUMNS)}, and would be lost; move the file "
                f"elsewhere, and compact again"
            )
    return int(about.num_rows)


def _replace(
    folder: Path, group: Sequence[Path], group_rows: int, told: Callable[[int], None]
) -> None:
    """Write one file for many, and only then remove these."""
    first, last = group[0].stem.partition(SPAN)[0], group[-1].stem.rpartition(SPAN)[2]
    parts: dict[str, int] = {}
    for path in group:
        known = parts_of(path)
        parts |= known if path.stem not in known else {path.stem: _rows(path)}
    rows = sum(parts.values())
    torn_bytes = sum(map(torn_bytes_of, group))
    path = write_tables(
        _pieces(group, group_rows, told),
        folder / f"{first}{SPAN}{last}{PARQUET}",
        {"read": {"rows": rows, "torn_bytes": torn_bytes}},
        parts=parts,
        level=_ZSTD_LEVEL,
    )
    if _rows(path) != rows:  # nothing was removed yet: whoever reads counts these
        path.unlink()
        raise SMTPBookError(f"{folder}: its files changed meanwhile; compact it again")
    _sync(folder)
    _tidy(folder)


def _pieces(
    group: Iterable[Path], group_rows: int, told: Callable[[int], None]
) -> Iterator[pa.Table]:
    """Give the rows of many files in tables of equal length, the last one shorter."""
    held, count = list[pa.Table](), 0
    for path in group:
        for read in read_pieces(path):
            table = read
            while count + table.num_rows > group_rows:
                room = group_rows - count
                yield join_tables([*held, table.slice(0, room)])
                table, held, count = table.slice(room), [], 0
            held.append(table)
            count += table.num_rows
            told(read.num_rows)
    yield join_tables(held)


def _tidy(folder: Path) -> None:
    """Remove what does not count any more."""
    there = {
        path
        for path in folder.iterdir()
        if path.suffix in (PARQUET, SUFFIX) and not path.name.startswith(".")
    }
    for path in there - set(log_files(folder)):
        # On Windows one that is being read stays; it does not count, and goes next time.
        with suppress(OSError):
            path.unlink()
    _sync(folder)


def _sync(folder: Path) -> None:
    """Bring names and removals to the device, in this order."""
    if os.name == "nt" or not is_here(folder):  # where a folder cannot be opened
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
