"""vCard: three versions, as real address books write them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from smtpbook.errors import RecipientsError
from smtpbook.sources.vcards import read_vcards
from smtpbook.table import Table


def read(tmp_path: Path, text: str | bytes, **options: str) -> Table:
    path = tmp_path / "people.vcf"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_vcards(path, **options)


def rows(table: Table) -> list[dict[str, Any]]:
    cells = zip(*(column.to_pylist() for column in table.cells.columns), strict=True)
    return [
        {
            name: cell
            for name, cell in zip(table.headers, row, strict=True)
            if cell is not None
        }
        for row in cells
    ]


def test_version_4_with_a_preferred_address_and_labels_in_groups(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ann Marsh\r\nN:Marsh;Ann;;Dr.;\r\n"
        'EMAIL;TYPE="home,work";PREF=2:ann@home.example\r\n'
        "item1.EMAIL;PREF=1:mailto:ann@work.example\r\nitem1.X-ABLabel:Office\r\n"
        "ORG:ACME\\, Inc.;Sales\\; North\r\nADR:;;Ring 1\\nTop 3;Graz;;8010;Austria\r\n"
        "NOTE:a very lo\r\n ng note\r\nEND:VCARD\r\n",
    )
    person = {
        "full_name": "Ann Marsh",
        "last_name": "Marsh",
        "first_name": "Ann",
        "prefix": "Dr.",
        "organization": "ACME, Inc.",
        "department": "Sales; North",
        "street": "Ring 1\nTop 3",
        "city": "Graz",
        "postal_code": "8010",
        "country": "Austria",
        "note": "a very long note",
    }
    assert rows(table) == [
        {"email": "ann@work.example", "email_number": 1, **person},
        {
            "email": "ann@home.example",
            "email_type": "home work",
            "email_number": 2,
            **person,
        },
    ]
    assert table.rows.to_pylist() == [1, 1]
    assert table.problems == ()


def test_version_3_of_apple_and_several_cards(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        "BEGIN:VCARD\nVERSION:3.0\nN:Marsh;Ann;;;\nFN:Ann Marsh\n"
        "EMAIL;type=INTERNET;type=WORK;type=pref:ann@x.example\n"
        "PHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQSkZJRgABAQAAAQABAAD\n /2wBDAAIBAQIBAQ\n"
        "END:VCARD\n\nBEGIN:VCARD\nVERSION:3.0\nFN:No Address\nEND:VCARD\n",
    )
    assert rows(table) == [
        {
            "email": "ann@x.example",
            "email_type": "work",
            "email_number": 1,
            "last_name": "Marsh",
            "first_name": "Ann",
            "full_name": "Ann Marsh",
        },
        {"full_name": "No Address"},
    ]
    assert table.rows.to_pylist() == [1, 10]


def test_version_2_with_quoted_printable_and_soft_line_breaks(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        "BEGIN:VCARD\r\nVERSION:2.1\r\n"
        "N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=4D=C3=BC=6C=6C=65=72;=5A=6F=C3=\r\n"
        "=AB;;;\r\n"
        "FN;ENCODING=QUOTED-PRINTABLE;CHARSET=ISO-8859-1:Zo=EB\r\n"
        "ORG;QUOTED-PRINTABLE:Caf=E9\r\n"
        "EMAIL;INTERNET;HOME:zoe@x.example\r\nEND:VCARD\r\n",
    )
    assert rows(table) == [
        {
            "email": "zoe@x.example",
            "email_type": "home",
            "email_number": 1,
            "last_name": "Müller",
            "first_name": "Zoë",
            "full_name": "Zoë",
            "organization": "Café",
        }
    ]


def test_bad_lines_are_said_and_good_cards_kept(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        "FN:nobody\nBEGIN:VCARD\nFN:Ann\nnonsense\x1b[31m\nEMAIL:a@x.example\n"
        "BEGIN:VCARD\nEMAIL:b@x.example\nEND:VCARD\nBEGIN:VCARD\nEMAIL:c@x.example\n",
    )
    assert [row["email"] for row in rows(table)] == [
        "a@x.example",
        "b@x.example",
        "c@x.example",
    ]
    assert [problem.message for problem in table.problems] == [
        "people.vcf, line 1: stands outside any card; left out",
        r"people.vcf, line 4: 'nonsense\\x1b[31m' is no property such as FN:Ann; left out",
        "people.vcf, line 2: the card has no END:VCARD; read until the next",
        "people.vcf, line 9: the card has no END:VCARD; the file may be cut off",
    ]


def test_a_file_that_is_not_utf8_is_read_as_windows_1252_and_that_is_said(
    tmp_path: Path,
) -> None:
    card = "BEGIN:VCARD\nFN:Zoë\nEMAIL:z@x.example\nEND:VCARD\n".encode("cp1252")
    table = read(tmp_path, card)
    assert rows(table)[0]["full_name"] == "Zoë"
    assert [problem.rule for problem in table.problems] == ["encoding"]
    assert read(tmp_path, card, encoding="cp1252").problems == ()
    with pytest.raises(RecipientsError, match="cannot be read as utf-8"):
        read(tmp_path, card, encoding="utf-8")


def test_a_file_without_cards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipientsError, match="holds no vCard; expected a line BEGIN"):
        read(tmp_path, "\n\n")


@pytest.mark.parametrize(
    "hostile",
    [
        "NOTE" + ';A="b"' * 200_000 + "x",
        "NOTE" + ";A" * 200_000,
        "NOTE;ENCODING=QUOTED-PRINTABLE:" + "a=\n" * 200_000,
        "NOTE;QUOTED-PRINTABLE" + "x" * 500_000 + "=\n" * 200_000,
        "PHOTO:" + "\n aaaa" * 200_000,
        "N:" + "\\;" * 200_000,
        "a." * 400_000,
    ],
)
def test_hostile_lines_cost_time_in_proportion_and_only_themselves(
    tmp_path: Path, hostile: str
) -> None:
    start = time.process_time()
    table = read(tmp_path, f"BEGIN:VCARD\n{hostile}\nFN:x\nEMAIL:a@x.example\nEND:VCARD\n")
    assert [row.get("email") for row in rows(table)] == ["a@x.example"]
    assert time.process_time() - start < 5
