"""Delimited text: CSV and its relatives, with everything in it read as text.

Encoding and delimiter are found out; a guess that may be wrong is said.  A row that cannot
be cut into cells is reported with its line, and reading goes on with the next line.  What
the cells mean is decided elsewhere.

A file is read a block of lines at a time.  One regular expression (RE2, over the whole
block) tells the lines that are one row of the header's width each; Arrow's parser cuts
those.  What is left, such as cells with line ends in them, short rows and stray quotes,
is cut by the csv module, one record at a time; only there can a line be at fault.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final, TextIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from smtpbook import progress
from smtpbook.errors import RecipientsError
from smtpbook.sources.header import HEAD, find_header, is_blank, title_message
from smtpbook.table import Problem, Table, blank_to_null, numbered, text_table

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
# The line by which Excel is told the delimiter, and others are, too.
_SEPARATOR: Final = re.compile(r'"?sep=([^"\r\n])"?\n', re.IGNORECASE)
_BLOCK: Final = 4 << 20  # octets or characters read at a time
_SAMPLE: Final = 50  # lines that the delimiter is judged by
_TITLES: Final = 100  # lines in which a header stands below titles and blank ones
_WIDE: Final = 200  # columns; RE2 repeats up to 1000 times, in time and memory
_LINE: Final = 4 << 20  # characters
MAX_BYTES: Final = 2 << 30  # of a file; a list is held in memory, as several times as much
_LONG: Final = 64 << 20  # octets; reading more shows how far it has come


def read_delimited(
    path: Path, *, encoding: str | None = None, delimiter: str | None = None
) -> Table:
    r"""Read a file of delimited text.

    Empty lines, rows of empty cells and titles above the header are passed over; the cells
    a short row lacks are missing.  An apostrophe in front of ``= + - @`` or a tab is the
    mark for "text, not a formula" and no part of the cell (`Recipients.to_csv` writes it).
    `Table.rows` has the line of the file the row begins on, the first being line 1.  Ends
    of lines, those in cells too, become ``\n``.

    Parameters
    ----------
    path : Path
        The file.
    encoding : str, optional
        Default: by the byte order mark, else UTF-8 if the whole file is that, else
        Windows-1252, which is then said in the problems.
    delimiter : str, optional
        Default: the one that a first line such as ``sep=;`` names, as Excel reads it; else
        the one of comma, semicolon, tab and bar that cuts most rows alike.

    Raises
    ------
    RecipientsError
        The file has no header, not the encoding given, or more than `MAX_BYTES`.
    """
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise RecipientsError(
            f"delimiter= is one character, no quote and no line end, not {delimiter!r}"
        )
    if (size := path.stat().st_size) > MAX_BYTES:
        raise RecipientsError(
            f"{path.name} has {size / (1 << 30):,.1f} GB (at most {MAX_BYTES >> 30}); "
            f"split it, or load it into a database and read what is needed with query="
        )
    problems: list[Problem] = []
    errors = "strict"
    if encoding is None:
        encoding, doubt = detect_encoding(path)
        if doubt:
            problems.append(Problem(None, None, "encoding", doubt))
            errors = "replace"  # five octets mean nothing in Windows-1252
    display = progress.show(f"reading {path.name}", size, progress=size > _LONG)
    try:
        with path.open("rb") as file:
            text = io.TextIOWrapper(file, encoding=encoding, errors=errors)
            blocks = _Blocks(path.name, text)
            said = _SEPARATOR.fullmatch(next(blocks.from_(0), ""))
            delimiter = delimiter or (said[1] if said else _detect_delimiter(blocks))
            header, used, titles = _read_header(
                path, blocks, delimiter, first=1 if said else 0
            )
            problems += titles
            cutter = _Cutter(path.name, delimiter, len(header), problems)
            rows, cells = [], []
            blocks.advance(used)
            while len(blocks.lines):
                numbers, columns, used = cutter.cut(blocks)
                rows.append(numbers)
                cells.append(columns)
                display.update(file.tell(), {})
                blocks.advance(used)
    except (LookupError, UnicodeError) as error:
        raise RecipientsError(
            f"{path.name} cannot be read as {encoding}: {error}; pass another encoding=, "
            f"or none to have it found out"
        ) from None
    finally:
        display.close()
    return Table(
        name=path.name,
        headers=tuple(header),
        cells=pa.concat_tables(cells or [text_table([[]] * len(header))]),
        rows=pa.chunked_array(rows, pa.int64()),
        problems=tuple(problems),
    )


def detect_encoding(path: Path) -> tuple[str, str | None]:
    """Tell a text file's encoding, and the doubt to be said if it is a guess.

    Raises
    ------
    RecipientsError
        It is not text, as far as its octets tell.
    """
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


class _Blocks:
    """A text's lines, a block of them at a time.

    Attributes
    ----------
    lines : pyarrow.Array of string
        The lines of this block, without their ends; none at the end of the text.
    number : int
        The file's number of the first of them, the first line's being 1.
    is_last : bool
        Nothing follows this block.
    """

    def __init__(self, name: str, text: TextIO) -> None:
        self._name = name
        self._text = text
        self.number = 1
        self._fill("")

    def advance(self, used: int) -> None:
        """Go on: the lines that were not used stay the first ones."""
        rest = self.lines.slice(used).to_pylist()
        self.number += used
        self._fill("".join(f"{line}\n" for line in rest))

    def from_(self, place: int) -> Iterator[str]:
        """Give the lines of this block from one of them on."""
        for line in self.lines.slice(place):
            yield f"{line.as_py()}\n"

    def _fill(self, rest: str) -> None:
        block = self._text.read(_BLOCK)
        block += self._text.readline(_LINE) if block else ""
        if len(block) >= _LINE and block.count("\n", -_LINE) == 0:
            raise RecipientsError(
                f"{self._name} has a line of more than {_LINE:,} "
                f"characters; it is no delimited text"
            )
        self.is_last = not block
        raw = pa.array([(rest + block).removesuffix("\n")], pa.string())
        lines = pc.split_pattern(raw, "\n").flatten()
        self.lines = lines if rest or block else lines.slice(1)


class _Cutter:
    """Cuts blocks of lines into rows of cells; what cannot be cut becomes a problem."""

    def __init__(
        self, name: str, delimiter: str, width: int, problems: list[Problem]
    ) -> None:
        self._name = name
        self._delimiter = delimiter
        self._width = width
        self._problems = problems
        mark = re.escape(delimiter)
        cell = rf'(?:"(?:[^"]|"")*"|[^"{mark}]*)'
        self._row = rf"^{cell}(?:{mark}{cell}){{{width - 1}}}$"

    def cut(self, blocks: _Blocks) -> tuple[pa.Array, pa.Table, int]:
        """Give the rows' line numbers, their cells, and how many lines were used."""
        is_row = self._are_rows(blocks.lines)
        is_left = ~is_row & ~_to_numpy(pc.equal(blocks.lines, ""))
        careful: dict[int, list[str]] = {}
        end = len(is_row)
        place = 0
        for start in np.flatnonzero(is_left).tolist():
            if start < place:  # inside the record before
                continue
            cells, used = _cut(blocks.from_(start), self._delimiter)
            if not used and not blocks.is_last:  # goes on in the next block
                end = start
                break
            place = start + max(used, 1)
            is_row[start:place] = False
            if checked := self._checked(blocks.number + start, cells):
                careful[blocks.number + start] = checked
        return *self._joined(blocks, is_row[:end], careful), end

    def _are_rows(self, lines: pa.Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Tell which lines are one row each, of the header's width and not empty."""
        if not self._delimiter.isascii() or self._width > _WIDE:
            return np.zeros(len(lines), dtype=bool)
        marks = pc.count_substring(lines, self._delimiter)
        is_row = _to_numpy(pc.equal(marks, self._width - 1))
        quoted = _to_numpy(pc.match_substring(lines, '"'))
        if quoted.any():
            found = pc.match_substring_regex(lines.filter(pa.array(quoted)), self._row)
            is_row[quoted] = _to_numpy(found)
        return is_row & ~_to_numpy(pc.equal(lines, ""))

    def _checked(self, number: int, cells: list[str] | str) -> list[str] | None:
        """Give a record's cells in the header's width; None if it is empty or at fault."""
        width = self._width
        if isinstance(cells, str):
            message = f"{self._name}, line {number}: {cells}"
            self._problems.append(Problem(number, None, "unbalanced_quote", message))
        elif any(cells[width:]):
            message = (
                f"{self._name}, line {number}: {len(cells)} cells, but the header has "
                f"{width}; column {width + 1} should not be there"
            )
            self._problems.append(Problem(number, None, "too_many_cells", message))
        elif any(cells):
            return [*cells[:width], *[""] * (width - len(cells))]
        return None

    def _joined(
        self,
        blocks: _Blocks,
        is_row: np.ndarray[Any, np.dtype[np.bool_]],
        careful: dict[int, list[str]],
    ) -> tuple[pa.Array, pa.Table]:
        numbers = np.flatnonzero(is_row) + blocks.number
        cells = self._parsed(blocks.lines.slice(0, len(is_row)).filter(pa.array(is_row)))
        is_filled = ~_to_numpy(_all_null(cells))
        if not is_filled.all():
            numbers, cells = numbers[is_filled], cells.filter(pa.array(is_filled))
        if careful:
            numbers = np.concatenate([numbers, np.fromiter(careful, np.int64)])
            order = np.argsort(numbers)
            columns = zip(*careful.values(), strict=True)
            cells = pa.concat_tables([cells, text_table(columns)]).take(pa.array(order))
            numbers = numbers[order]
        return pa.array(numbers, pa.int64()), _without_marks(cells)

    def _parsed(self, lines: pa.Array) -> pa.Table:
        names = [str(number) for number in range(self._width)]
        if not len(lines):
            return text_table([[]] * self._width)
        text = pc.binary_join(pa.ListArray.from_arrays([0, len(lines)], lines), "\n")
        octets = text.buffers()[2]
        return pyarrow.csv.read_csv(
            pa.BufferReader(octets),
            read_options=pyarrow.csv.ReadOptions(
                column_names=names, block_size=octets.size + 1, use_threads=False
            ),
            parse_options=pyarrow.csv.ParseOptions(delimiter=self._delimiter),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.large_string()),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )


def _read_header(
    path: Path, blocks: _Blocks, delimiter: str, *, first: int
) -> tuple[list[str], int, list[Problem]]:
    """Give the header's cells, the number of lines down to it, and the titles above it."""
    place = first
    head: list[tuple[int, int, list[str]]] = []  # from line, to line, cells
    while place < len(blocks.lines) and len(head) < HEAD:
        if head and place - head[0][0] > _TITLES:
            break
        cells, used = _cut(blocks.from_(place), delimiter)
        if isinstance(cells, str):
            if head:
                break
            raise RecipientsError(f"{path.name}, line {place + 1} (the header): {cells}")
        if not all(map(is_blank, cells)):
            head.append((place + 1, place + used, cells))
        place += used
    if not head:
        raise RecipientsError(
            f"{path.name} is empty; expected a header line such as email,first_name"
        )
    found = find_header([cells for _, _, cells in head])
    _, end, header = head[found]
    titles = [
        title_message(f"{path.name}, line {line}", cells) for line, _, cells in head[:found]
    ]
    return (
        [cell.strip() for cell in header],
        end,
        [Problem(None, None, "title", message) for message in titles],
    )


def _detect_delimiter(blocks: _Blocks) -> str:
    sample = list(islice(blocks.from_(0), _SAMPLE))

    def rows_alike(delimiter: str) -> tuple[int, int]:
        rows = list(_rows(sample, delimiter))
        place = find_header(rows)
        widths = [len(cells) for cells in rows[place:]]
        if not widths or widths[0] < 2:  # does not cut the header
            return (0, 0)
        return (widths.count(widths[0]), widths[0])

    return max(DELIMITERS, key=rows_alike)


def _rows(lines: list[str], delimiter: str) -> Iterator[list[str]]:
    start = 0
    while start < len(lines):
        cells, used = _cut(iter(lines[start:]), delimiter)
        start += max(used, 1)
        if cells and isinstance(cells, list):
            yield cells


def _cut(lines: Iterator[str], delimiter: str) -> tuple[list[str] | str, int]:
    """Cut the first record from lines: its cells or what is wrong, and its lines' number.

    A quote that is never closed swallows what follows, at most as much as the csv module
    takes for one cell (128 KiB).  Only the line it stands in is given up.  The number is 0
    if the lines ended before the record did.
    """
    record: list[str] = []

    def feed() -> Iterator[str]:
        for line in lines:
            record.append(line)
            yield line

    try:
        cells = next(csv.reader(feed(), delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        column = _faulty_column(record[0], delimiter)
        fault = f"column {column}: a quote is not closed or not doubled ({error})"
        return fault, 0 if "unexpected end" in str(error) else 1
    return cells, len(record)


def _faulty_column(line: str, delimiter: str) -> int:
    mark = re.escape(delimiter)
    cell = re.compile(rf'(?:"(?:[^"]|"")*"|(?!")[^{mark}]*){mark}')
    column, end = 1, 0
    while found := cell.match(line, end):
        column, end = column + 1, found.end()
    return column


def _all_null(cells: pa.Table) -> pa.Array | pa.ChunkedArray:
    """Tell the rows of which every cell is null."""
    is_null = pc.is_null(cells.column(0))
    for column in cells.columns[1:]:
        if not pc.any(is_null).as_py():
            break
        is_null = pc.and_(is_null, pc.is_null(column))
    return is_null


def _without_marks(cells: pa.Table) -> pa.Table:
    """Take the apostrophe off would-be formulas; blank cells become null."""
    columns = []
    for column in cells.columns:
        if pc.any(pc.starts_with(column, "'")).as_py():
            column = pc.replace_substring_regex(column, r"^'('*[=+\-@\t])", r"\1")
        columns.append(blank_to_null(column))
    return numbered(columns)


def _to_numpy(mask: pa.Array | pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.array(mask.to_numpy(zero_copy_only=False), dtype=bool)
