"""Reading files: octets with progress shown, lines with numbers, faults counted.

For the formats that are read record by record.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from smtpbook import progress
from smtpbook.errors import RecipientsError
from smtpbook.sources.delimited import detect_encoding
from smtpbook.table import Problem

MAX_LINE: Final = 16 << 20  # characters; no text has such lines, and one must fit in memory
MAX_FAULTS: Final = 1000  # of one rule that are listed; the others are counted
_LONG: Final = 64 << 20  # octets from which progress is worth showing
_MB: Final = 1_000_000


class Faults:
    """Problems found while reading one source.

    Parameters
    ----------
    name : str
        What messages call the source.
    unit : str
        What its rows are counted in.
    """

    def __init__(self, name: str, unit: str = "line") -> None:
        self._name, self._unit = name, unit
        self._listed: list[Problem] = []
        self._counts: Counter[str] = Counter()

    def add(
        self, row: int | None, rule: str, message: str, *, line: int | None = None
    ) -> None:
        """Note one; the message is put behind the source's name and the place.

        A row that is named here and not in the table counts as one that could not be read;
        `line` is a place that is no row, such as one in the middle of a vCard.
        """
        self._counts[rule] += 1
        if self._counts[rule] <= MAX_FAULTS:
            number = line if row is None else row
            place = f", {self._unit} {number}" if number is not None else ""
            said = f"{self._name}{place}: {message}"
            self._listed.append(Problem(row, None, rule, said))

    def add_whole(self, rule: str, message: str) -> None:
        """Note one of the whole source whose message names it already."""
        self._listed.append(Problem(None, None, rule, message))

    def listed(self) -> tuple[Problem, ...]:
        """Give those found so far, and how many are left out."""
        more = [
            Problem(
                None, None, rule, f"{self._name}: {count - MAX_FAULTS:,} more of {rule!r}"
            )
            for rule, count in self._counts.items()
            if count > MAX_FAULTS
        ]
        return (*self._listed, *more)


class _Watched(io.RawIOBase):
    """A file whose reading moves a progress display."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("rb", buffering=0)
        size = path.stat().st_size
        self._read = 0
        self._display = progress.show(
            f"reading {path.name} (MB)", size // _MB, progress=size >= _LONG
        )

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        count = self._file.readinto(buffer)  # type: ignore[attr-defined]
        self._read += count
        self._display.update(self._read // _MB, {})
        return int(count)

    def close(self) -> None:
        if not self.closed:
            self._display.close()
            self._file.close()
        super().close()


def open_octets(path: Path) -> io.BufferedReader:
    """Open a file for reading from its beginning to its end; long ones show progress."""
    return io.BufferedReader(_Watched(path), 1 << 20)


def read_lines(
    path: Path, faults: Faults, encoding: str | None = None
) -> Iterator[tuple[int, str]]:
    """Give a text's lines, without their ends, each with its number from 1.

    Parameters
    ----------
    path : Path
        The file.
    faults : Faults
        Told if the encoding is a guess.
    encoding : str, optional
        Default: found out as for delimited text.

    Raises
    ------
    RecipientsError
        A line is longer than `MAX_LINE`, or not of the encoding given.
    """
    errors = "strict"
    if encoding is None:
        encoding, doubt = detect_encoding(path)
        if doubt:
            faults.add_whole("encoding", doubt)
            errors = "replace"
    try:
        with io.TextIOWrapper(open_octets(path), encoding, errors) as text:
            number = 0
            while line := text.readline(MAX_LINE):
                number += 1
                if len(line) == MAX_LINE:
                    raise RecipientsError(
                        f"{path.name}, line {number} is longer than {MAX_LINE >> 20} MB: "
                        f"this is no text that people are listed in"
                    )
                yield number, line.rstrip("\n")
    except (LookupError, UnicodeError) as error:
        raise RecipientsError(
            f"{path.name} cannot be read as {encoding}: {error}; pass another encoding=, "
            f"or none to have it found out"
        ) from None
