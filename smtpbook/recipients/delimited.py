"""Delimited text: CSV and its relatives, with everything in it read as text.

Encoding and delimiter are found out; a guess that may be wrong is said.  A row that cannot
be cut into cells is reported with its line, and reading goes on with the next line.  What
the cells mean is decided elsewhere.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from smtpbook.errors import RecipientsError
from smtpbook.recipients.table import TEXT, Problem, Table, provenance

EXTENSIONS: Final = (".csv", ".tsv", ".tab", ".txt")
DELIMITERS: Final = (",", ";", "\t", "|")

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BLOCK: Final = 1 << 20  # octets read at a time while looking for the encoding
_SAMPLE: Final = 50  # lines that the delimiter is judged by
_BATCH: Final = 20_000  # rows held as Python objects


def read_delimited(
    path: Path, *, encoding: str | None = None, delimiter: str | None = None
) -> Table:
    """Read a file of delimited text.

    Empty lines and rows of empty cells are passed over; the cells a short row lacks are
    missing.  ``source_row`` is the line of the file the row begins on, the header's being
    line 1.

    Parameters
    ----------
    path : Path
        The file.
    encoding : str, optional
        Default: by the byte order mark, else UTF-8 if the whole file is that, else
        Windows-1252, which is then said in the problems.
    delimiter : str, optional
        Default: the one of comma, semicolon, tab and bar that cuts most rows alike.

    Raises
    ------
    RecipientsError
        The file has no header, or not the encoding given.
    """
    problems: list[Problem] = []
    errors = "strict"
    if encoding is None:
        encoding, doubt = _detect_encoding(path)
        if doubt:
            problems.append(Problem(None, None, "encoding", doubt))
            errors = "replace"  # five octets mean nothing in Windows-1252
    try:
        with path.open(encoding=encoding, errors=errors, newline="") as lines:
            sample = list(islice(lines, _SAMPLE))
            delimiter = delimiter or _detect_delimiter(sample)
            records = _records(chain(sample, lines), delimiter)
            header = _read_header(path, records)
            rows, cells = _read_cells(path, records, header, problems)
    except (LookupError, UnicodeError) as error:
        raise RecipientsError(
            f"{path.name} cannot be read as {encoding}: {error}; pass another encoding=, "
            f"or none to have it found out"
        ) from None
    return Table(
        name=path.name,
        headers=tuple(header),
        cells=cells,
        provenance=provenance(path.name, rows),
        problems=tuple(problems),
    )


def _detect_encoding(path: Path) -> tuple[str, str | None]:
    with path.open("rb") as file:
        block = file.read(_BLOCK)
        for mark, encoding in _MARKS:
            if block.startswith(mark):
                return encoding, None
        if block.count(0) * 4 > len(block):
            raise RecipientsError(
                f"{path.name} is not text, or UTF-16 without a byte order mark; if so, "
                f"pass encoding='utf-16-le'"
            )
        decoder = codecs.getincrementaldecoder("utf-8")()
        line = 1
        while True:
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                line += error.object.count(b"\n", 0, error.start)
                return "cp1252", (
                    f"{path.name} is not UTF-8 (line {line} holds the octet "
                    f"0x{error.object[error.start]:02X}), read as Windows-1252; pass "
                    f"encoding= if names look wrong"
                )
            if not block:
                return "utf-8", None
            line += block.count(b"\n")
            block = file.read(_BLOCK)


def _detect_delimiter(sample: list[str]) -> str:
    def rows_alike(delimiter: str) -> tuple[int, int]:
        records = _records(iter(sample), delimiter)
        widths = [len(cells) for _, cells in records if cells and isinstance(cells, list)]
        if not widths or widths[0] < 2:  # does not cut the header
            return (0, 0)
        return (widths.count(widths[0]), widths[0])

    return max(DELIMITERS, key=rows_alike)


def _records(lines: Iterator[str], delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Cut lines into records: the line each begins on, and its cells or what is wrong.

    A quote that is never closed swallows what follows, at most as much as the csv module
    takes for one cell (128 KiB).  Only the line it stands in is given up; the others are
    read again.
    """
    again: deque[str] = deque()
    record: list[str] = []  # the lines of the record being read

    def feed() -> Iterator[str]:
        while line := again.popleft() if again else next(lines, ""):
            record.append(line)
            yield line

    number = 1
    while True:
        try:
            for cells in csv.reader(feed(), delimiter=delimiter, strict=True):
                yield number, cells
                number += len(record)
                record.clear()
            return
        except csv.Error as error:
            column = _faulty_column(record[0], delimiter)
            yield number, f"column {column}: a quote is not closed or not doubled ({error})"
            again.extendleft(reversed(record[1:]))
            number += 1
            record.clear()


def _faulty_column(line: str, delimiter: str) -> int:
    mark = re.escape(delimiter)
    cell = re.compile(rf'(?:"(?:[^"]|"")*"|(?!")[^{mark}]*){mark}')
    column, end = 1, 0
    while found := cell.match(line, end):
        column, end = column + 1, found.end()
    return column


def _read_header(path: Path, records: Iterator[tuple[int, list[str] | str]]) -> list[str]:
    for number, cells in records:
        if isinstance(cells, str):
            raise RecipientsError(f"{path.name}, line {number} (the header): {cells}")
        if any(cells):
            return [cell.strip() for cell in cells]
    raise RecipientsError(
        f"{path.name} is empty; expected a header line such as email,first_name"
    )


def _read_cells(
    path: Path,
    records: Iterable[tuple[int, list[str] | str]],
    header: list[str],
    problems: list[Problem],
) -> tuple[list[int], pd.DataFrame]:
    width = len(header)
    rows: list[int] = []
    batch: list[list[str]] = []
    batches: list[pa.RecordBatch] = []
    for number, cells in records:
        if isinstance(cells, str):
            message = f"{path.name}, line {number}: {cells}"
            problems.append(Problem(number, None, "unbalanced_quote", message))
        elif any(cells[width:]):
            message = (
                f"{path.name}, line {number}: {len(cells)} cells, but the header has "
                f"{width}; column {width + 1} should not be there"
            )
            problems.append(Problem(number, None, "too_many_cells", message))
        elif any(cells):
            if len(cells) != width:
                cells = [*cells[:width], *[""] * (width - len(cells))]
            rows.append(number)
            batch.append(cells)
            if len(batch) == _BATCH:
                batches.append(_to_arrow(batch, width))
                batch = []
    batches.append(_to_arrow(batch, width))
    cells_frame = pa.Table.from_batches(batches).to_pandas(
        types_mapper={pa.string(): TEXT}.get
    )
    return rows, cells_frame.set_axis(range(width), axis="columns")


def _to_arrow(batch: list[list[str]], width: int) -> pa.RecordBatch:
    columns = [pa.array(column, pa.string()) for column in zip(*batch, strict=True)]
    columns = columns or [pa.array([], pa.string())] * width
    blank = [pc.equal(pc.utf8_trim_whitespace(column), "") for column in columns]
    return pa.RecordBatch.from_arrays(
        [
            pc.if_else(empty, pa.scalar(None, pa.string()), column)
            for empty, column in zip(blank, columns, strict=True)
        ],
        names=[str(number) for number in range(width)],
    )
