"""Spreadsheets: what a sheet gives, what is said about it, and bombs that do nothing."""

from __future__ import annotations

import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import xlsxwriter

from smtpbook.errors import RecipientsError
from smtpbook.sources import spreadsheets
from smtpbook.sources.spreadsheets import read_spreadsheet
from smtpbook.table import Table
from tests.servers.process import ROOT
from tests.sources.workbooks import ods_row, text_cell, write_ods, write_xls, write_xlsx

HEADER = f'<row r="1">{text_cell("A1", "email")}{text_cell("B1", "city")}</row>'
ANN = f'<row r="2">{text_cell("A2", "ann@x.example")}{text_cell("B2", "Graz")}</row>'


@pytest.fixture
def book(tmp_path: Path) -> Callable[..., Path]:
    """Write a workbook: a list of rows for each sheet."""

    def book(**sheets: list[list[Any]]) -> Path:
        path = tmp_path / "people.xlsx"
        options = {"default_date_format": "yyyy-mm-dd"}
        with xlsxwriter.Workbook(path, options) as workbook:
            for name, rows in sheets.items():
                sheet = workbook.add_worksheet(name)
                for number, row in enumerate(rows):
                    sheet.write_row(number, 0, row)
        return path

    return book


def columns(table: Table) -> dict[str, list[Any]]:
    cells = [column.to_pylist() for column in table.cells.columns]
    return dict(zip(table.headers, cells, strict=True))


def said(table: Table) -> list[tuple[int | None, str]]:
    return [(problem.row, problem.rule) for problem in table.problems]


def test_cells_keep_their_type_and_text_that_looks_like_a_number_stays_text(
    book: Callable[..., Path],
) -> None:
    table = read_spreadsheet(
        book(
            List=[
                ["email", "zip", "visits", "score", "member", "joined", "mixed"],
                ["a@x.example", "01234", 3, 2.5, True, date(2026, 11, 23), 7],
                [],
                ["b@x.example", "04370", 4, 3, False, datetime(2026, 1, 2, 3, 4), "seven"],
                ["c@x.example", "  "],
            ]
        )
    )
    assert columns(table) == {
        "email": ["a@x.example", "b@x.example", "c@x.example"],
        "zip": ["01234", "04370", None],
        "visits": [3, 4, None],
        "score": [2.5, 3.0, None],
        "member": [True, False, None],
        "joined": [datetime(2026, 11, 23), datetime(2026, 1, 2, 3, 4), None],
        "mixed": ["7", "seven", None],
    }
    assert table.cells.schema.types == [
        pa.large_string(),
        pa.large_string(),
        pa.int64(),
        pa.float64(),
        pa.bool_(),
        pa.timestamp("us"),
        pa.large_string(),
    ]
    assert table.rows.to_pylist() == [2, 4, 5]
    assert table.name == "people.xlsx"
    assert said(table) == []


def test_ods_is_read_and_repeated_empty_rows_cost_nothing(tmp_path: Path) -> None:
    rows = [
        ods_row("email", "city"),
        ods_row("ann@x.example", "Graz", repeated=2),
        '<table:table-row table:number-rows-repeated="1048573">'
        '<table:table-cell table:number-columns-repeated="16384"/></table:table-row>',
    ]
    table = read_spreadsheet(write_ods(tmp_path / "people.ods", "".join(rows)))
    assert columns(table) == {"email": ["ann@x.example"] * 2, "city": ["Graz"] * 2}
    assert table.rows.to_pylist() == [2, 3]


def test_a_header_without_rows_is_an_empty_table(book: Callable[..., Path]) -> None:
    table = read_spreadsheet(book(List=[["email", "city"]]))
    assert table.headers == ("email", "city")
    assert len(table.cells) == len(table.rows) == 0


def test_an_empty_sheet_has_no_columns(book: Callable[..., Path]) -> None:
    table = read_spreadsheet(book(List=[]))
    assert table.headers == ()


def test_a_list_that_does_not_begin_in_the_corner_keeps_its_row_numbers(
    tmp_path: Path,
) -> None:
    rows = (
        f'<row r="7">{text_cell("C7", "email")}</row>'
        f'<row r="9">{text_cell("C9", "ann@x.example")}</row>'
    )
    table = read_spreadsheet(write_xlsx(tmp_path / "people.xlsx", rows))
    assert columns(table) == {"email": ["ann@x.example"]}
    assert table.rows.to_pylist() == [9]


def test_pandas_is_not_loaded_to_read_a_sheet(book: Callable[..., Path]) -> None:
    code = (
        "import sys\n"
        "from smtpbook.sources.worksheet import main\n"
        "main(sys.argv[1:])\n"
        "sys.exit('pandas' in sys.modules)"
    )
    path = book(List=[["email", "n"], ["ann@x.example", 1]])
    subprocess.run(
        [sys.executable, "-c", code, str(path), "", str(spreadsheets.MAX_MEMORY)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def test_a_workbook_of_excel_97(tmp_path: Path) -> None:
    table = read_spreadsheet(write_xls(tmp_path / "people.xls"))
    assert columns(table) == {
        "E-Mail": ["ann@x.example", "bob@x.example"],
        "Name": ["Änn ☃", "Bob"],
        "Joined": [datetime(2024, 1, 2), datetime(2023, 5, 6)],
        "Age": [31.0, 2.5],
    }
    assert said(table) == []


# --- headers ---------------------------------------------------------------------------


def test_titles_above_the_header_are_passed_over_and_said(
    book: Callable[..., Path],
) -> None:
    rows = [
        ["Members 2026"],
        [],
        ["Person", "", "Contact"],
        ["first", "last", "email", "city"],
        ["Ann", "Marsh", "ann@x.example", "Graz"],
    ]
    table = read_spreadsheet(book(List=rows))
    assert table.headers == ("first", "last", "email", "city")
    assert table.rows.to_pylist() == [5]
    assert said(table) == [(None, "title"), (None, "title")]
    assert table.problems[0].message == (
        "people.xlsx: row 1 ('Members 2026'), above the header, left out"
    )


def test_of_two_header_rows_the_one_that_names_the_addresses_counts(
    book: Callable[..., Path],
) -> None:
    rows = [
        ["Person", "", "Adresse"],
        ["E-Mail", "Vorname", "Ort"],
        ["a@x.example", "A", "G"],
    ]
    table = read_spreadsheet(book(List=rows))
    assert table.headers == ("E-Mail", "Vorname", "Ort")
    assert said(table) == [(None, "title")]


def test_a_first_row_without_an_address_is_a_row_and_no_header(
    book: Callable[..., Path],
) -> None:
    rows = [["email", "name"], ["", "Bob"], ["ann@x.example", "Ann"]]
    table = read_spreadsheet(book(List=rows))
    assert columns(table) == {"email": [None, "ann@x.example"], "name": ["Bob", "Ann"]}
    assert said(table) == []


def test_a_list_without_a_header_gives_its_first_row_as_one(
    book: Callable[..., Path],
) -> None:
    table = read_spreadsheet(book(List=[["ann@x.example", 4], ["bob@x.example", 5]]))
    assert table.headers == ("ann@x.example", "4")


def test_a_header_that_names_fewer_columns_than_there_are_is_one(
    book: Callable[..., Path],
) -> None:
    table = read_spreadsheet(book(List=[["email"], ["ann@x.example", "Ann", "Graz"]]))
    assert table.headers == ("email", "", "")
    assert table.rows.to_pylist() == [2]


# --- which sheet -----------------------------------------------------------------------


def test_the_only_sheet_with_addresses_is_taken(book: Callable[..., Path]) -> None:
    path = book(Notes=[["to do"]], People=[["email"], ["ann@x.example"]])
    assert columns(read_spreadsheet(path)) == {"email": ["ann@x.example"]}
    assert read_spreadsheet(path, sheet="Notes").headers == ("to do",)


def test_several_sheets_are_asked_about(book: Callable[..., Path]) -> None:
    path = book(May=[["email"], ["a@x.example"]], June=[["email"], ["b@x.example"]])
    with pytest.raises(
        RecipientsError,
        match=r"several sheets with addresses \('May', 'June'\); say which: sheet='May'",
    ):
        read_spreadsheet(path)
    with pytest.raises(
        RecipientsError,
        match=r"no sheet 'Jume'; did you mean 'June'\?; its sheets: 'May', ",
    ):
        read_spreadsheet(path, sheet="Jume")
    path = book(One=[["a"]], Two=[["b"]])
    with pytest.raises(RecipientsError, match=r"several sheets \('One', 'Two'\)"):
        read_spreadsheet(path)


# --- what is said ----------------------------------------------------------------------


def test_the_value_of_a_formula_is_read_and_a_missing_one_is_said(tmp_path: Path) -> None:
    rows = (
        f'<row r="1">{text_cell("A1", "email")}{text_cell("B1", "n")}</row>'
        f'<row r="2">{text_cell("A2", "a@x.example")}<c r="B2"><f>1+1</f><v>2</v></c></row>'
        f'<row r="3">{text_cell("A3", "b@x.example")}<c r="B3"><f>1+1</f></c></row>'
        f'<row r="4">{text_cell("A4", "c@x.example")}'
        f'<c r="B4" t="e"><f>NA()</f><v>#N/A</v></c></row>'
        f'<row r="5">{text_cell("A5", "d@x.example")}'
        f'<c r="B5" t="str"><f>""</f><v></v></c></row>'
    )
    table = read_spreadsheet(write_xlsx(tmp_path / "people.xlsx", rows))
    assert columns(table)["n"] == [2, None, None, None]
    assert said(table) == [(3, "formula"), (4, "formula")]
    assert table.problems[0].message.startswith(
        "people.xlsx, row 3: cell B3 is a formula without a value"
    )


def test_a_thousand_cells_without_a_value_are_counted_not_listed(tmp_path: Path) -> None:
    rows = "".join(
        f'<row r="{n}"><c r="A{n}" t="e"><v>#REF!</v></c>{text_cell(f"B{n}", "x")}</row>'
        for n in range(1, 1001)
    )
    table = read_spreadsheet(write_xlsx(tmp_path / "people.xlsx", rows))
    assert len(table.problems) == 101
    assert table.problems[-1].message == "people.xlsx: 900 more cells without a value"


def test_merged_cells_are_said_with_their_place(tmp_path: Path) -> None:
    merged = '<mergeCells><mergeCell ref="A2:A3"/><mergeCell ref="B1:C1"/></mergeCells>'
    path = write_xlsx(tmp_path / "people.xlsx", HEADER + ANN, after=merged)
    table = read_spreadsheet(path)
    assert [problem.message for problem in table.problems] == [
        "people.xlsx, row 2: cells A2:A3 are merged",
        "people.xlsx: cells B1:C1 are merged",
    ]


# --- hostile files ---------------------------------------------------------------------


def refusal(path: Path, within_s: float = 20) -> str:
    """Give why a file is refused, in a time that a busy machine needs, too."""
    start = time.monotonic()
    with pytest.raises(RecipientsError) as caught:
        read_spreadsheet(path)
    assert time.monotonic() - start < within_s
    return str(caught.value)


def test_a_dimension_of_17_billion_cells_is_not_believed(tmp_path: Path) -> None:
    claim = '<dimension ref="A1:XFD1048576"/>'
    path = write_xlsx(tmp_path / "people.xlsx", HEADER + ANN, before=claim)
    assert columns(read_spreadsheet(path)) == {"email": ["ann@x.example"], "city": ["Graz"]}


def test_two_cells_17_billion_apart_are_refused_before_parsing(tmp_path: Path) -> None:
    far = f'<row r="1048576">{text_cell("XFD1048576", "x")}</row>'
    path = write_xlsx(tmp_path / "people.xlsx", HEADER + ANN + far)
    assert path.stat().st_size < 5000
    assert refusal(path).startswith(
        "people.xlsx reaches to row 1,048,576 and column 16,384: 17,179,869,184 cells"
    )


def test_a_formatted_cell_far_off_holds_nothing_and_harms_nothing(tmp_path: Path) -> None:
    far = '<row r="1048576"><c r="XFD1048576" s="1"/></row>'
    path = write_xlsx(tmp_path / "people.xlsx", HEADER + ANN + far)
    assert len(read_spreadsheet(path).rows) == 1


@pytest.mark.parametrize(
    "far",
    [
        "<row r='1048576'><c r='XFD1048576'><v>1</v></c></row>",
        '<row r="4000000000"><c r="AAAAAA4000000000"><v>1</v></c></row>',
        '<row r="1048576"><c r="&#88;FD1048576"><v>1</v></c></row>',
    ],
)
def test_a_cell_far_off_is_refused_however_it_is_written(tmp_path: Path, far: str) -> None:
    assert refusal(write_xlsx(tmp_path / "people.xlsx", HEADER + far))


def test_repeated_cells_are_refused(tmp_path: Path) -> None:
    row = (
        '<table:table-row table:number-rows-repeated="1048576"><table:table-cell '
        'table:number-columns-repeated="16384" office:value-type="string"><text:p>x'
        "</text:p></table:table-cell></table:table-row>"
    )
    assert "people.ods" in refusal(write_ods(tmp_path / "people.ods", row))


def test_a_zip_that_unpacks_to_gigabytes_is_refused_by_its_directory(
    tmp_path: Path,
) -> None:
    path = write_xlsx(tmp_path / "people.xlsx", HEADER + ANN)
    octets = bytearray(path.read_bytes())
    # The uncompressed size in the central directory's last entry (APPNOTE 4.3.12).
    entry = octets.rindex(b"PK\x01\x02")
    octets[entry + 24 : entry + 28] = (3 << 30).to_bytes(4, "little")
    path.write_bytes(octets)
    assert refusal(path).startswith("people.xlsx would unpack to 3.0 GB (at most 2)")


def test_one_long_text_met_a_hundred_thousand_times_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreadsheets, "MAX_MEMORY", 1 << 29)  # with 3 GB it takes longer
    shared = f"<sst><si><t>{'a' * 1_000_000}</t></si></sst>"
    rows = "".join(
        f'<row r="{n}"><c r="A{n}" t="s"><v>0</v></c></row>' for n in range(1, 100_000)
    )
    path = write_xlsx(tmp_path / "people.xlsx", rows, shared=shared)
    assert "asks for more memory than a list can need" in refusal(path, within_s=90)


def test_a_file_that_takes_too_long_is_ended(
    book: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreadsheets, "MAX_TIME_S", 0.001)
    assert "took longer than 0.001 s" in refusal(book(List=[["email"], ["a@x.example"]]))


def test_entities_are_refused(tmp_path: Path) -> None:
    shared = (
        '<!DOCTYPE sst [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
        '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><sst><si><t>&c;</t></si></sst>'
    )
    path = write_xlsx(tmp_path / "people.xlsx", HEADER, shared=shared)
    assert "declares entities of its own (in xl/sharedStrings.xml)" in refusal(path)


def test_a_zip_inside_is_never_opened(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "people.xlsx", HEADER + ANN)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/embeddings/inner.zip", b"PK\x03\x04 not even one")
    assert len(read_spreadsheet(path).rows) == 1


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"PK\x03\x04 and then nothing", "damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "damaged"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
            "protected by a password; save it without one",
        ),
    ],
)
def test_what_is_no_spreadsheet_is_refused(tmp_path: Path, octets: bytes, why: str) -> None:
    path = tmp_path / "people.xls"
    path.write_bytes(octets)
    assert why in refusal(path)


def test_a_file_too_large_is_refused_unread(
    book: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreadsheets, "MAX_FILE", 1 << 10)
    assert "save the sheet as CSV" in refusal(book(List=[["email"]]))
