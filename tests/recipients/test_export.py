"""Exports: other programs get the list, and nothing in it acts there."""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from smtpbook.errors import RecipientsError
from smtpbook.recipients import export
from smtpbook.recipients.export import export_recipients
from smtpbook.recipients.read import read_recipients
from smtpbook.recipients.recipients import Recipients

FORMS = ("csv", "xlsx", "parquet", "json", "jsonl")
HOSTILE = [
    "=HYPERLINK(1)",
    "+43 1 2345",
    "-2",
    "@SUM(1)",
    "'=x",
    "''@x",
    "\t=1",
    "O'Hara",
    "two\nlines",
    'a "b", c;d',
    "می\u200cخواهم",  # noqa: RUF001
    "山田",
]


def people_with(notes: list[str | None]) -> Recipients:
    emails = [f"p{number}@x.org" for number in range(len(notes))]
    return read_recipients(pd.DataFrame({"email": emails, "note": notes}), address="email")


def write(people: Recipients, folder: Path, form: str) -> Path:
    path = folder / f"out.{form}"
    export_recipients(people, path)
    return path


@pytest.mark.parametrize("form", FORMS)
def test_every_form_reads_back_as_it_was(tmp_path: Path, form: str) -> None:
    people = people_with([*HOSTILE, None, "x"])
    again = read_recipients(write(people, tmp_path, form), address="email")
    assert again.addresses == people.addresses
    notes = again.frame["note"].astype(object)
    assert notes.where(notes.notna(), None).tolist() == [*HOSTILE, None, "x"]


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.text(st.sampled_from("'=+-@\t\na ,\"é"), max_size=6), min_size=1, max_size=4
    )
)
@example(["'=", "\n=", " =", '"'])
def test_csv_reads_back_whatever_is_in_it(tmp_path: Path, notes: list[str]) -> None:
    people = people_with([*notes, "x"])
    again = read_recipients(write(people, tmp_path, "csv"), address="email", delimiter=",")
    assert list(again.frame["note"].fillna("")) == list(people.frame["note"].fillna(""))


@pytest.mark.parametrize("form", FORMS)
def test_no_control_character_gets_out(tmp_path: Path, form: str) -> None:
    people = people_with(["\x1b[31m\x07", "a\u202eb\u2028", "one\r\ntwo", "x\x7f\x85"])
    path = write(people, tmp_path, form)
    again = read_recipients(path, address="email").frame["note"].tolist()
    assert again == ["\\x1b[31m\\x07", "a\\u202eb\\u2028", "one\ntwo", "x\\x7f\\x85"]


def test_no_cell_of_a_csv_is_a_formula(tmp_path: Path) -> None:
    frame = pd.read_csv(write(people_with(HOSTILE), tmp_path, "csv"), dtype=str)
    assert not frame["note"].str.match(r"[=+\-@\t\r]").any()


def test_text_in_a_sheet_is_text(tmp_path: Path) -> None:
    path = write(people_with([*HOSTILE, "https://x.example", "007"]), tmp_path, "xlsx")
    sheet = openpyxl.load_workbook(path)["recipients"]
    cells = [row[1] for row in sheet.iter_rows(min_row=2)]
    assert {cell.data_type for cell in cells} == {"s"}
    assert not any(cell.hyperlink for cell in cells)
    assert cells[0].value == "=HYPERLINK(1)"


@pytest.mark.parametrize("form", ["xlsx", "parquet"])
def test_numbers_and_times_keep_their_kind(tmp_path: Path, form: str) -> None:
    frame = pd.DataFrame(
        {
            "email": ["a@x.org", "b@x.org"],
            "n": [1.5, None],
            "yes": [True, False],
            "day": pd.to_datetime(["2026-01-02 03:04", None]),
        }
    )
    path = write(read_recipients(frame), tmp_path, form)
    if form == "parquet":
        back = pd.read_parquet(path)
        assert (back["n"][0], back["yes"][0]) == (1.5, True)
        assert back["day"][0] == pd.Timestamp("2026-01-02 03:04")
        return
    _, first, second = openpyxl.load_workbook(path)["recipients"].iter_rows(
        values_only=True
    )
    assert first == ("a@x.org", 1.5, True, datetime.datetime(2026, 1, 2, 3, 4))
    assert second == ("b@x.org", None, False, None)


def test_json_says_times_and_missing_cells(tmp_path: Path) -> None:
    day = pd.to_datetime(["2026-01-02", None])
    people = read_recipients(pd.DataFrame({"email": ["a@x.org", "b@x.org"], "day": day}))
    people.to_json(tmp_path / "out.json")
    people.to_jsonl(tmp_path / "out.jsonl")
    rows = json.loads((tmp_path / "out.json").read_text())
    assert rows[0]["day"].startswith("2026-01-02T00:00:00")
    assert rows[1] == {"email": "b@x.org", "day": None}
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == rows


def test_several_lists_are_a_sheet_each(tmp_path: Path) -> None:
    a, b = people_with(["x"]), people_with(["y", "z"])
    long = "A rather long name: of [one] list"
    export_recipients({long: a, long.upper(): b, "History": a}, tmp_path / "all.xlsx")
    book = openpyxl.load_workbook(tmp_path / "all.xlsx")
    assert book.sheetnames == [
        "A rather long name_ of _one_ li",
        "A RATHER LONG NAME_ OF _ONE 2",
        "History 2",
    ]
    assert [sheet.max_row for sheet in book] == [2, 3, 2]
    export_recipients([a, b], tmp_path / "all.xlsx")
    assert openpyxl.load_workbook(tmp_path / "all.xlsx").sheetnames == ["list 1", "list 2"]


@pytest.mark.parametrize("form", ["csv", "parquet", "json", "jsonl"])
def test_several_lists_are_one_table_with_their_names(tmp_path: Path, form: str) -> None:
    a = read_recipients(pd.DataFrame({"email": ["a@x.org"], "age": [7]}))
    b = read_recipients(pd.DataFrame({"email": ["b@x.org"], "city": ["Graz"]}))
    export_recipients({"one": a, "two": b}, tmp_path / f"all.{form}")
    frame = read_recipients(tmp_path / f"all.{form}", address="email").frame
    assert frame["list"].tolist() == ["one", "two"]
    assert frame["city"].fillna("").tolist() == ["", "Graz"]
    assert float(frame["age"][0]) == 7


def test_what_cannot_be_written_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = people_with(["x" * 40_000])
    with pytest.raises(
        RecipientsError, match=r"'note' of p0@x.org is longer than the 32,767"
    ):
        people.to_excel(tmp_path / "out.xlsx")
    monkeypatch.setattr(export, "_MAX_ROWS", 1)
    with pytest.raises(RecipientsError, match="a sheet holds 0 and"):
        people.to_excel(tmp_path / "out.xlsx")
    with pytest.raises(
        RecipientsError, match=r"cannot write 'out.xls'; did you mean 'xlsx'"
    ):
        export_recipients(people, tmp_path / "out.xls")
    with pytest.raises(RecipientsError, match="there is no list to write"):
        export_recipients([], tmp_path / "out.csv")
    with pytest.raises(RecipientsError, match="str is no list; read it"):
        export_recipients(["a@x.org"], tmp_path / "out.csv")  # type: ignore[list-item]
    with pytest.raises(
        RecipientsError, match=r"cannot write .*(non-existent|No such file)"
    ):
        people.to_csv(tmp_path / "none" / "out.csv")
    named = read_recipients(pd.DataFrame({"email": ["a@x.org"], "list": ["x"]}))
    with pytest.raises(RecipientsError, match=r"has a field 'list'.*rename it first"):
        export_recipients([named, named], tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"
    people_with(["old"]).to_excel(path)
    old = path.read_bytes()
    with pytest.raises(RecipientsError):
        people_with(["x" * 40_000]).to_excel(path)
    assert path.read_bytes() == old


def test_infinity_is_text_in_a_sheet(tmp_path: Path) -> None:
    frame = pd.DataFrame({"email": ["a@x.org", "b@x.org"], "n": [float("inf"), 1.5]})
    export_recipients(read_recipients(frame), tmp_path / "out.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx").active
    assert [sheet.cell(row, 2).value for row in (2, 3)] == ["inf", 1.5]


@pytest.mark.parametrize(
    ("name", "title"),
    [(1, "1"), ("x" * 30 + "'y", "x" * 30), (" ", "list"), ("' '", "list")],
)
def test_a_sheets_title_is_one_that_excel_opens(
    tmp_path: Path, name: object, title: str
) -> None:
    export_recipients({name: people_with(["x"])}, tmp_path / "out.xlsx")  # type: ignore[dict-item]
    assert openpyxl.load_workbook(tmp_path / "out.xlsx").sheetnames == [title]


def test_what_is_no_ordinary_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(RecipientsError, match="no ordinary file"):
        export_recipients(people_with(["x"]), tmp_path / "pipe.csv")
    assert (tmp_path / "pipe.csv").is_fifo()
