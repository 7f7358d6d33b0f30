"""Opening: what is named is found, told apart, and refused with a reason."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from smtpbook.errors import RecipientsError
from smtpbook.sources import open as opening
from smtpbook.sources.detect import FORMATS, detect
from smtpbook.sources.open import read_table
from smtpbook.table import Table

CSV = b"email,city\nann@x.example,Graz\nbob@x.example,Linz\n"
CARD = b"BEGIN:VCARD\nFN:Ann\nEMAIL:ann@x.example\nEND:VCARD\n"
LDIF = b"version: 1\n\ndn: cn=Ann\nmail: ann@x.example\n"
JSON = b'[{"email": "ann@x.example"}]'
LINES = b'{"email": "ann@x.example"}\n{"email": "bob@x.example"}\n'
MAIL = b"Return-Path: <ann@x.example>\nFrom: ann@x.example\nSubject: x\n\nbody\n"
MBOX = b"From ann@x.example Mon Nov 23 10:00:00 2026\nFrom: ann@x.example\n\nbody\n"
PROSE = b"Dear all,\nplease write, if you like, to ann@x.example.\n"


def xlsx() -> bytes:
    octets = io.BytesIO()
    with xlsxwriter.Workbook(octets) as workbook:
        workbook.add_worksheet().write_column(0, 0, ["email", "ann@x.example"])
    return octets.getvalue()


def parquet() -> bytes:
    octets = io.BytesIO()
    pq.write_table(pa.table({"email": ["ann@x.example"]}), octets)
    return octets.getvalue()


def arrow() -> bytes:
    octets = io.BytesIO()
    pyarrow.feather.write_feather(pa.table({"email": ["ann@x.example"]}), octets)
    return octets.getvalue()


CONTENTS: dict[str, Callable[[], bytes]] = {
    "people.csv": lambda: CSV,
    "people.vcf": lambda: CARD,
    "people.ldif": lambda: LDIF,
    "people.json": lambda: JSON,
    "people.jsonl": lambda: LINES,
    "people.eml": lambda: MAIL,
    "people.mbox": lambda: MBOX,
    "people.txt": lambda: PROSE,
    "people.xlsx": xlsx,
    "people.parquet": parquet,
    "people.feather": arrow,
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def write(name: str, octets: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(octets)
        return path

    return write


def first_address(table: Table) -> object:
    return table.cells.column(table.headers.index("email"))[0].as_py()


# --- what a file is --------------------------------------------------------------------


@pytest.mark.parametrize("name", CONTENTS)
def test_every_format_is_known_by_its_name(
    write: Callable[[str, bytes], Path], name: str
) -> None:
    table = read_table(write(name, CONTENTS[name]()))
    assert first_address(table) == "ann@x.example"
    assert table.name == name
    assert table.problems == ()


@pytest.mark.parametrize("name", CONTENTS)
def test_every_format_is_known_by_its_content(
    write: Callable[[str, bytes], Path], name: str
) -> None:
    path = write("people", CONTENTS[name]())
    assert first_address(read_table(path)) == "ann@x.example"


def test_a_name_that_lies_is_read_as_what_it_is_and_that_is_said(
    write: Callable[[str, bytes], Path],
) -> None:
    table = read_table(write("people.csv", xlsx()))
    assert [(problem.rule, problem.message) for problem in table.problems] == [
        (
            "format",
            "people.csv is a spreadsheet, not delimited text, and was read as such",
        )
    ]
    table = read_table(write("people.xlsx", CSV))
    assert table.headers == ("email", "city")
    assert "is delimited text, not a spreadsheet" in table.problems[0].message


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("email,city\na@x.example,Graz\n", "delimited"),
        ("email;city\n", "delimited"),
        ("email\na@x.example\nb@x.example\n", "delimited"),
        ("First name\tE-mail\nAnn\ta@x.example\n", "delimited"),
        ('a,b\n"x,y",a@x.example\n', "delimited"),
        ("a@x.example\nb@x.example\n", "text"),
        ("Ann <a@x.example>, Bob <b@x.example>\n", "text"),
        ("Dear all,\n\nplease write to a@x.example.\n", "text"),
        ("Members of the club\nAnn: a@x.example\n", "text"),
    ],
)
def test_text_with_columns_is_told_from_text_without(
    write: Callable[[str, bytes], Path], text: str, kind: str
) -> None:
    assert detect(write("people.txt", text.encode())) == (kind, None)
    assert detect(write("people.txt", text.encode("utf-16"))) == (kind, None)


def test_a_delimiter_makes_columns_of_any_text(write: Callable[[str, bytes], Path]) -> None:
    path = write("people.txt", b"email:city\nann@x.example:Graz\nb@x.example:a:b:c\n")
    assert read_table(path, delimiter=":").headers == ("email", "city")


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"%PDF-1.7", "is a PDF; export the list"),
        (b"\x1f\x8b\x08", "is compressed; unpack it first"),
        (b"SQLite format 3\x00", "pass its URL: 'sqlite:///"),
        (b"<html><table><tr>", "is HTML or XML, whatever its name says"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>', "is HTML or XML"),
        (b"PK\x03\x04 nothing", "is a damaged zip file"),
        (b"", "is empty; expected a header line"),
    ],
)
def test_what_is_known_to_hold_no_list_is_refused(
    write: Callable[[str, bytes], Path], octets: bytes, why: str
) -> None:
    with pytest.raises(RecipientsError, match=why):
        read_table(write("people.xls", octets))


def test_every_reader_exists_and_takes_its_options(
    write: Callable[[str, bytes], Path],
) -> None:
    for form in FORMATS.values():
        reader = opening._reader(form)
        names = set(reader.__code__.co_varnames[: reader.__code__.co_kwonlyargcount + 1])
        assert names == {"path", *form.options}


# --- files that are none ---------------------------------------------------------------


def test_a_missing_file_is_answered_with_its_neighbour(
    write: Callable[[str, bytes], Path], tmp_path: Path
) -> None:
    write("people.csv", CSV)
    with pytest.raises(
        RecipientsError, match=r"no file '.*peple.csv'; did you mean 'people"
    ):
        read_table(tmp_path / "peple.csv")
    with pytest.raises(RecipientsError, match="there is no folder"):
        read_table(str(tmp_path / "lists" / "people.csv"))


def test_folders_pipes_and_notes_of_office_programs_are_refused(
    write: Callable[[str, bytes], Path], tmp_path: Path
) -> None:
    with pytest.raises(RecipientsError, match="is a folder; name one file in it"):
        read_table(tmp_path)
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(RecipientsError, match="is no ordinary file; copy it into one"):
        read_table(tmp_path / "pipe.csv")
    with pytest.raises(RecipientsError, match=r"'people.xlsx' is open; read that"):
        read_table(write("~$people.xlsx", b"Ann"))


def test_a_file_that_may_not_be_read_says_what_to_do(
    write: Callable[[str, bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("people.csv", CSV)

    def denied(self: Path, *args: Any, **options: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)  # root may read everything
    with pytest.raises(RecipientsError, match="close the program that has it open"):
        read_table(path)


# --- what is no file -------------------------------------------------------------------


def test_standard_input_is_told_by_its_content(monkeypatch: pytest.MonkeyPatch) -> None:
    for octets in (CSV, CARD, xlsx()):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(octets)))
        table = read_table("-")
        assert first_address(table) == "ann@x.example"
        assert table.name == "standard input"


def test_the_clipboard_is_told_by_its_content(monkeypatch: pytest.MonkeyPatch) -> None:
    copied = "pandas.io.clipboard.clipboard_get"
    monkeypatch.delitem(sys.modules, "smtpbook.sources.clipboard", raising=False)
    monkeypatch.setattr(copied, lambda: "email\tcity\r\nann@x.example\tGraz\r\n")
    table = read_table("clipboard")
    assert table.headers == ("email", "city")
    assert table.name == "clipboard"
    monkeypatch.delitem(sys.modules, "smtpbook.sources.clipboard")


def test_dataframes_and_databases_are_known_by_their_type(tmp_path: Path) -> None:
    assert read_table(pd.DataFrame({"email": ["ann@x.example"]})).name == "DataFrame"
    url = f"sqlite:///{tmp_path / 'people.db'}"
    frame = pd.DataFrame({"email": ["ann@x.example"]})
    frame.to_sql("people", url, index=False)
    assert first_address(read_table(url, table="people")) == "ann@x.example"
    with pytest.raises(RecipientsError, match=r"https:// is no database known here"):
        read_table("https://x.example/people.csv")
    with pytest.raises(RecipientsError, match="cannot read a list; expected a path"):
        read_table(["ann@x.example"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        (
            "people.csv",
            {"sheet": "x"},
            "sheet= cannot be used with people.csv, which is de",
        ),
        ("people.json", {"encoding": "utf-8"}, "its options: none"),
        (
            "people.xlsx",
            {"encoding": "utf-8", "query": "select 1"},
            "encoding= and query= cannot be used with .*, which is a spreadsheet; its "
            "options: sheet=",
        ),
        ("people.csv", {"delimiter": "::"}, "delimiter= is one character"),
    ],
)
def test_an_option_without_use_is_refused_by_name(
    write: Callable[[str, bytes], Path], name: str, options: dict[str, str], error: str
) -> None:
    with pytest.raises(RecipientsError, match=error):
        read_table(write(name, CONTENTS[name]()), **options)  # type: ignore[arg-type]


def test_options_are_refused_for_dataframes() -> None:
    with pytest.raises(RecipientsError, match="encoding= cannot be used with a DataFrame"):
        read_table(pd.DataFrame(), encoding="utf-8")


@pytest.mark.parametrize("name", ["~nobody-here/people.csv", "~people.csv"])
def test_a_tilde_that_names_no_home_belongs_to_the_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipientsError, match=r"no file '~"):
        read_table(name)
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_bytes(CSV)
    assert read_table(name).headers == ("email", "city")


def test_a_databases_url_taken_for_a_path_shows_no_password() -> None:
    with pytest.raises(RecipientsError, match="no file") as refused:
        read_table("postgresql:/ann:s3cret@h.example/people")
    assert "s3cret" not in str(refused.value)
