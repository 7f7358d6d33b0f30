"""Contact exports: a row per address, whoever exported."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from smtpbook.sources.contacts import unfold
from smtpbook.sources.open import read_table
from smtpbook.table import Table, text_table


def exported(tmp_path: Path, *lines: str) -> Table:
    path = tmp_path / "contacts.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return read_table(path)


def rows(table: Table) -> list[tuple[Any, ...]]:
    return list(zip(*(column.to_pylist() for column in table.cells.columns), strict=True))


def test_google_has_several_columns_and_several_addresses_in_a_cell(tmp_path: Path) -> None:
    table = exported(
        tmp_path,
        "Name,E-mail 1 - Label,E-mail 1 - Value,E-mail 2 - Label,E-mail 2 - Value,City",
        "Ann,* Home,a@x.example ::: a2@x.example,Work,a3@x.example,Graz",
        "Bob,,,,,Linz",
        "Cid,,,Work,c@x.example,",
    )
    assert table.headers == ("Name", "email", "email_type", "email_number", "City")
    assert rows(table) == [
        ("Ann", "a@x.example", "Home", 1, "Graz"),
        ("Ann", "a2@x.example", "Home", 2, "Graz"),
        ("Ann", "a3@x.example", "Work", 3, "Graz"),
        ("Bob", None, None, None, "Linz"),
        ("Cid", "c@x.example", "Work", 1, None),
    ]
    assert table.rows.to_pylist() == [2, 2, 2, 3, 4]


def test_googles_older_export_with_one_address_column(tmp_path: Path) -> None:
    table = exported(
        tmp_path, "Name,E-mail 1 - Type,E-mail 1 - Value", "Ann,* Other,a@x.example"
    )
    assert rows(table) == [("Ann", "a@x.example", "Other", 1)]


def test_outlook(tmp_path: Path) -> None:
    table = exported(
        tmp_path,
        "First Name,E-mail Address,E-mail Type,E-mail Display Name,E-mail 2 Address",
        "Ann,a@x.example,SMTP,Ann M,a2@x.example",
    )
    assert table.headers == (
        "First Name",
        "email",
        "email_type",
        "email_number",
        "E-mail Display Name",
    )
    assert rows(table) == [
        ("Ann", "a@x.example", "SMTP", 1, "Ann M"),
        ("Ann", "a2@x.example", None, 2, "Ann M"),
    ]


def test_thunderbird(tmp_path: Path) -> None:
    table = exported(
        tmp_path,
        "First Name,Primary Email,Secondary Email",
        "Ann,a@x.example,a2@x.example",
        "Bob,,b@x.example",
    )
    assert rows(table) == [
        ("Ann", "a@x.example", None, 1),
        ("Ann", "a2@x.example", None, 2),
        ("Bob", "b@x.example", None, 1),
    ]


@pytest.mark.parametrize(
    ("address", "label", "second", "second_label"),
    [
        ("E-Mail-Adresse", "E-Mail-Typ", "E-Mail 2: Adresse", "E-Mail 2: Typ"),
        (
            "Adresse de messagerie",
            "Type de messagerie",
            "Adresse de messagerie 2",
            "Type de messagerie 2",
        ),
        (
            "Dirección de correo electrónico",
            "Tipo de correo electrónico",
            "Dirección del correo electrónico 2",
            "Tipo de correo electrónico 2",
        ),
        (
            "Indirizzo posta elettronica",
            "Tipo posta elettronica",
            "Indirizzo posta elettronica 2",
            "Tipo posta elettronica 2",
        ),
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_outlook_in_other_languages(
    tmp_path: Path, address: str, label: str, second: str, second_label: str, form: str
) -> None:
    header = f"Name,{address},{label},{second},{second_label}"
    table = exported(
        tmp_path, unicodedata.normalize(form, header), "Ann,a@x.example,SMTP,b@x.example,EX"
    )
    assert table.headers == ("Name", "email", "email_type", "email_number")
    assert rows(table) == [
        ("Ann", "a@x.example", "SMTP", 1),
        ("Ann", "b@x.example", "EX", 2),
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Primäre E-Mail-Adresse", "Sekundäre E-Mail-Adresse"),
        ("Adresse électronique principale", "Adresse électronique secondaire"),
        ("Email primaria", "Email secondaria"),
    ],
)
def test_thunderbird_in_other_languages(tmp_path: Path, first: str, second: str) -> None:
    table = exported(tmp_path, f"Name,{first},{second}", "Ann,a@x.example,b@x.example")
    assert rows(table) == [
        ("Ann", "a@x.example", None, 1),
        ("Ann", "b@x.example", None, 2),
    ]


def test_an_ordinary_table_is_left_as_it_is() -> None:
    table = Table(
        name="people.csv",
        headers=("E-mail Address", "Work mail"),
        cells=text_table([["a@x.example"], ["b@x.example"]]),
        rows=pa.array([2]),
    )
    assert unfold(table) is table


def test_where_rows_came_from_is_repeated_with_them() -> None:
    table = Table(
        name="both",
        headers=("Primary Email", "Secondary Email"),
        cells=text_table([["a@x.example", "b@x.example"], ["a2@x.example", None]]),
        rows=pa.array([7, 8]),
        sources=pa.array(["one.csv", "two.csv"], pa.large_string()),
    )
    unfolded = unfold(table)
    assert unfolded.rows.to_pylist() == [7, 7, 8]
    assert unfolded.sources is not None
    assert unfolded.sources.to_pylist() == ["one.csv", "one.csv", "two.csv"]
