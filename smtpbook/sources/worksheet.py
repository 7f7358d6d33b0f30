"""One worksheet, read in a process of its own: ``python -m smtpbook.sources.worksheet``.

A spreadsheet of a few kilobytes can claim billions of cells, and the parser then takes the
process down (calamine's issue 693).  So the process that parses is not the user's: it has
a limit on its memory, and `spreadsheets` gives it a limit of time.  What can be told before
parsing (what a zip says it unpacks to, how far a sheet's cells reach) is.

The sheet is written to standard output as an Arrow stream with a column ``row`` in front;
its schema's metadata holds what is to be said about it.  Where it cannot be read, the
message goes to standard error, and the exit status is `REFUSED`.
"""

from __future__ import annotations

import json
import mmap
import re
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from posixpath import join as join_parts
from typing import Any, BinaryIO, Final, NamedTuple
from xml.etree import ElementTree

import pyarrow as pa
from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
    WorksheetNotFound,
    load_workbook,
)

from smtpbook.errors import RecipientsError, near_miss
from smtpbook.escape import visible
from smtpbook.sources.cells import BATCH, Columns, to_arrow, to_text
from smtpbook.sources.header import (
    HEAD,
    find_header,
    is_address,
    is_blank,
    shown,
    title_message,
)

REFUSED: Final = 3
MAX_UNPACKED: Final = 2 << 30  # octets; a full sheet of ten columns has a quarter of it
# Parsed cells take 32 octets each, be they empty (calamine's Data).
MAX_GRID: Final = 30_000_000
MAX_NAMED: Final = 100  # cells without a value that are named

_REL: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_DECLARATION: Final = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
# A cell that is not closed at once holds something; attributes in any order.
_CELL: Final = re.compile(
    rb"""\sr\s*=\s*["']([A-Za-z]{1,9})([0-9]{1,12})["'][^<>]*+(?<!/)>"""
)
_ERROR: Final = re.compile(rb'<c r="([A-Z]+)([0-9]+)"[^<>]*\st="e"[^<>]*>')
_UNCALCULATED: Final = re.compile(
    rb'<c r="([A-Z]+)([0-9]+)"(?![^<>]*\st="str")[^<>]*>\s*'
    rb"<f(?:[^<>]*/>|[^<>]*>[^<]*</f>)\s*(?:<v\s*/>|<v></v>)?\s*</c>"
)
_PROBED: Final = 1000  # rows in which a sheet's addresses are looked for
MAX_TITLE: Final = 255  # characters of a header, as in Excel's tables


class Remark(NamedTuple):
    """Something to say about the sheet; row and column count from 1."""

    row: int | None
    rule: str
    message: str


def main(arguments: Sequence[str]) -> int:
    """Read a sheet.

    The arguments are the path, the sheet's name (may be empty), and how many octets of
    memory this may take.
    """
    path, sheet = Path(arguments[0]), arguments[1] or None
    _limit_memory(int(arguments[2]))
    sys.meta_path.insert(0, _NoPandas())
    try:
        write(path, sheet, sys.stdout.buffer)
    except RecipientsError as error:
        sys.stderr.write(str(error))
        return REFUSED
    return 0


def write(path: Path, wanted: str | None, output: BinaryIO) -> None:
    """Read a sheet and write it out as the module says.

    Raises
    ------
    RecipientsError
        The file is no spreadsheet, is encrypted, damaged or too large, or it is not clear
        which sheet is meant.
    """
    parts = _parts(path)
    try:
        with load_workbook(path) as workbook:
            name = _choose(path, workbook, parts, wanted)
            remarks = _scan(path, parts[name]) if name in parts else []
            sheet = workbook.get_sheet_by_name(name)
            rows = _rows(sheet)
            head = list(islice(rows, HEAD)) or [(0, [])]
            place = find_header([cells for _, cells in head])
            header = head[place]
            remarks += [
                Remark(first[0] + 1, "merged", f"cells {_range(first, last)} are merged")
                for first, last in (sheet.merged_cell_ranges or [])[:MAX_NAMED]
            ]
            # What is said of the header and of titles is said of no row.
            remarks = [
                each if (each.row or 0) > header[0] else each._replace(row=None)
                for each in remarks
            ] + [
                Remark(None, "title", title_message(f"row {row}", cells))
                for row, cells in head[:place]
            ]
            below = (row for row in chain(head, rows) if row[0] > header[0])
            _write_rows(path, header[1], below, remarks, output)
    except PasswordError:
        raise _encrypted(path) from None
    except CalamineError as error:
        raise _damaged(path, error) from None


def _limit_memory(octets: int) -> None:
    with suppress(ImportError, ValueError, OSError):  # Windows; a lower limit is in force
        import resource

        # Not RLIMIT_AS: Arrow reserves address space that it never uses.  macOS takes the
        # limit and does not keep it.
        resource.setrlimit(resource.RLIMIT_DATA, (octets, octets))


class _NoPandas:
    """A finder of modules that finds no pandas.

    Arrow would load it to ask whether a list of cells is a Series, which takes longer than
    all the rest of an ordinary sheet.
    """

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        """Refuse pandas, and leave every other module to the finders after this one."""
        if name == "pandas":
            raise ModuleNotFoundError("a sheet is read without pandas", name=name)


def _damaged(path: Path, error: object) -> RecipientsError:
    why = visible(str(error), max_chars=200)
    return RecipientsError(
        f"{path.name} is damaged, or no spreadsheet of the kind it says ({why}); open it "
        f"in a spreadsheet program and save it again"
    )


def _encrypted(path: Path) -> RecipientsError:
    return RecipientsError(
        f"{path.name} is protected by a password; save it without one and read that"
    )


# --- before parsing --------------------------------------------------------------------


def _parts(path: Path) -> dict[str, str]:
    """Refuse what cannot be meant well; give the part that holds each sheet (XLSX)."""
    if not zipfile.is_zipfile(path):
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as octets,
        ):
            # What encrypted workbooks are wrapped in: [MS-OFFCRYPTO] section 2.3.4.4.
            if octets.find("EncryptedPackage".encode("utf-16-le")) >= 0:
                raise _encrypted(path)
        return {}
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
            if unpacked > MAX_UNPACKED:
                raise RecipientsError(
                    f"{path.name} would unpack to {unpacked / (1 << 30):,.1f} GB (at most "
                    f"{MAX_UNPACKED >> 30}); if that is no mistake, save the sheet as CSV"
                )
            for entry in archive.infolist():
                if entry.filename.endswith((".xml", ".rels")):
                    with archive.open(entry) as part:
                        if _DECLARATION.search(part.read(1 << 16)):
                            raise RecipientsError(
                                f"{path.name} declares entities of its own (in "
                                f"{visible(entry.filename)}), which no spreadsheet program "
                                f"does; save it again with one"
                            )
            return _worksheets(archive)
    except (zipfile.BadZipFile, ElementTree.ParseError, NotImplementedError) as error:
        raise _damaged(path, error) from None
    except RuntimeError as error:  # zipfile's word for a password
        raise _encrypted(path) from error


def _worksheets(archive: zipfile.ZipFile) -> dict[str, str]:
    try:
        book = ElementTree.fromstring(archive.read("xl/workbook.xml"))  # noqa: S314
        links = ElementTree.fromstring(  # noqa: S314 -- no entities: seen above
            archive.read("xl/_rels/workbook.xml.rels")
        )
    except KeyError:  # XLSB, ODS
        return {}
    targets = {link.get("Id"): link.get("Target", "") for link in links}
    return {
        sheet.get("name", ""): join_parts("/xl", targets[sheet.get(_REL)])[1:]
        for sheet in book.iterfind(".//{*}sheet")
        if sheet.get(_REL) in targets
    }


def _scan(path: Path, part: str) -> list[Remark]:
    """Look through a sheet's XML for how far it reaches and for cells without a value."""
    last_row = last_column = missing = 0
    named: dict[tuple[int, str], None] = {}
    with zipfile.ZipFile(path) as archive:
        if part not in archive.namelist():
            return []
        with archive.open(part) as file:
            for xml in _pieces(file):
                cells = _CELL.findall(xml)
                rows, columns = {row for _, row in cells}, {column for column, _ in cells}
                last_row = max(last_row, *map(int, rows), 0)
                last_column = max(last_column, *map(_column_number, columns), 0)
                if last_row * last_column > MAX_GRID:
                    raise RecipientsError(
                        f"{path.name} reaches to row {last_row:,} and column "
                        f"{last_column:,}: {last_row * last_column:,} cells (at most "
                        f"{MAX_GRID:,}); delete what is far off the list, or save as CSV"
                    )
                for pattern in (_ERROR, _UNCALCULATED):
                    for column, row in pattern.findall(xml):
                        missing += 1
                        if len(named) < MAX_NAMED:
                            named[int(row), column.decode()] = None
    remarks = [
        Remark(
            row,
            "formula",
            f"cell {column}{row} is a formula without a value (an error, or never "
            f"calculated), read as empty; calculate and save the sheet again",
        )
        for row, column in sorted(named)
    ]
    if missing > len(named):
        remarks.append(
            Remark(None, "formula", f"{missing - len(named):,} more cells without a value")
        )
    return remarks


def _pieces(file: Any) -> Iterator[bytes]:
    """Give XML in pieces that end where a cell begins."""
    rest = b""
    while octets := file.read(1 << 20):
        xml = rest + octets
        cut = xml.rfind(b"<c ", max(0, len(xml) - (1 << 17)))
        cut = cut if cut > 0 else max(0, len(xml) - 256)
        yield xml[:cut]
        rest = xml[cut:]
    yield rest


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number


# --- which sheet, which header ---------------------------------------------------------


def _choose(
    path: Path, workbook: CalamineWorkbook, parts: dict[str, str], wanted: str | None
) -> str:
    kinds = workbook.sheets_metadata
    sheets = [kind.name for kind in kinds if kind.typ == SheetTypeEnum.WorkSheet]
    if wanted is not None:
        if wanted not in sheets:
            raise RecipientsError(
                f"{path.name} has no sheet {wanted!r}{near_miss(wanted, sheets)}; its "
                f"sheets: {shown(sheets)}"
            )
        return wanted
    visible_ones = [
        kind.name
        for kind in kinds
        if kind.name in sheets and kind.visible == SheetVisibleEnum.Visible
    ]
    if len(visible_ones) == 1:
        return visible_ones[0]
    if not sheets:
        raise RecipientsError(f"{path.name} has no sheet with cells")
    with_addresses = [
        name for name in visible_ones if _has_addresses(path, workbook, parts, name)
    ]
    if len(with_addresses) == 1:
        return with_addresses[0]
    several = with_addresses or visible_ones or sheets
    which = "with addresses " if with_addresses else ""
    raise RecipientsError(
        f"{path.name} has several sheets {which}({shown(several)}); say which: "
        f"sheet={several[0]!r}"
    )


def _has_addresses(
    path: Path, workbook: CalamineWorkbook, parts: dict[str, str], name: str
) -> bool:
    if part := parts.get(name):
        _scan(path, part)  # refuses what must not be parsed
    with suppress(WorksheetNotFound):
        rows = islice(_rows(workbook.get_sheet_by_name(name)), _PROBED)
        return any(is_address(cell) for _, cells in rows for cell in cells)
    return False


def _rows(sheet: CalamineSheet) -> Iterator[tuple[int, list[Any]]]:
    """Give the rows that hold something, with their numbers in the spreadsheet."""
    for number, cells in enumerate(sheet.iter_rows(), 1):
        if any(not is_blank(cell) for cell in cells):
            yield number, cells


# --- rows to columns -------------------------------------------------------------------


def _write_rows(
    path: Path,
    header: list[Any],
    rows: Iterator[tuple[int, list[Any]]],
    remarks: list[Remark],
    output: BinaryIO,
) -> None:
    columns = Columns(path.name)
    while batch := list(islice(rows, BATCH)):
        # All rows of a sheet are equally long.
        cells = zip(*(row[1] for row in batch), strict=True)
        columns.add_columns(
            [row[0] for row in batch],
            {str(place): to_arrow(column) for place, column in enumerate(cells)},
        )
    found, arrays, numbers = columns.finish()
    used = dict(zip(found, arrays, strict=True))
    titles = [to_text(cell).strip()[:MAX_TITLE] for cell in header]
    # Columns beyond the header that nothing stands in are formatting, not columns.
    kept = [
        place
        for place, title in enumerate(titles)
        if title or (str(place) in used and used[str(place)].null_count < len(numbers))
    ]
    empty = pa.nulls(len(numbers), pa.large_string())
    said = {"headers": [titles[place] for place in kept], "remarks": remarks}
    table = pa.table(
        [numbers, *(used.get(str(place), empty) for place in kept)],
        names=["row", *map(str, kept)],
        metadata={"sheet": json.dumps(said)},
    )
    with pa.ipc.new_stream(output, table.schema) as stream:
        stream.write_table(table, max_chunksize=BATCH)


def _range(first: tuple[int, int], last: tuple[int, int]) -> str:
    return f"{_letters(first[1])}{first[0] + 1}:{_letters(last[1])}{last[0] + 1}"


def _letters(column: int) -> str:
    letters = ""
    while column >= 0:
        column, rest = divmod(column, 26)
        letters, column = chr(65 + rest) + letters, column - 1
    return letters


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
