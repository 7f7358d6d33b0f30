"""LDIF: entries become rows; changes, files and secrets do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smtpbook.errors import RecipientsError
from smtpbook.sources.ldif import read_ldif
from smtpbook.table import Table


def read(tmp_path: Path, text: str) -> Table:
    path = tmp_path / "people.ldif"
    path.write_text(text)
    return read_ldif(path)


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


def test_an_entry_is_a_row_per_address(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        "version: 1\n# a comment\n  that goes on\n\n"
        "dn: cn=Zoe,dc=x,dc=example\nobjectClass: person\ncn:: Wm/Dqw==\ngivenName: Zoe\n"
        "sn;lang-de: Mar\n sh\nmail: zoe@x.example\nmail: zoe2@x.example\n"
        "userPassword:: c2VjcmV0\njpegPhoto:: /9j/4AAQ\nemployeeType: staff\n"
        "mozillaSecondEmail: zoe3@x.example\n\n\n"
        "dn: cn=Bob,dc=x,dc=example\nchangetype: add\nmail: bob@x.example",
    )
    zoe = {
        "dn": "cn=Zoe,dc=x,dc=example",
        "full_name": "Zoë",
        "first_name": "Zoe",
        "last_name": "Marsh",
        "employeetype": "staff",
    }
    assert rows(table) == [
        {"email": "zoe@x.example", "email_number": 1, **zoe},
        {"email": "zoe2@x.example", "email_number": 2, **zoe},
        {"email": "zoe3@x.example", "email_number": 3, **zoe},
        {"email": "bob@x.example", "email_number": 1, "dn": "cn=Bob,dc=x,dc=example"},
    ]
    assert table.rows.to_pylist() == [5, 5, 5, 19]
    assert table.problems == ()


def test_changes_files_and_broken_lines_are_said_and_left_out(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("never read")
    table = read(
        tmp_path,
        f"dn: cn=Ann\nmail: ann@x.example\ndescription:< file://{secret}\ncn:: %%%\n"
        "what is this\n\ndn: cn=Bob\nchangetype: modify\nreplace: mail\n"
        "mail: bob@x.example\n-\n",
    )
    assert rows(table) == [{"email": "ann@x.example", "email_number": 1, "dn": "cn=Ann"}]
    assert [(problem.row, problem.rule) for problem in table.problems] == [
        (None, "url"),
        (None, "base64"),
        (None, "syntax"),
        (7, "change"),
    ]
    assert table.problems[0].message.startswith("people.ldif, line 3: description is to be")
    assert "never read" not in str(table)
    assert table.problems[-1].message == (
        "people.ldif, line 7: an entry to modify, not a person"
    )


@pytest.mark.parametrize("text", ["\n", "version: 1\n", "dn: x\nchangetype: delete\n"])
def test_a_file_without_entries_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(RecipientsError, match="holds no entry of a directory"):
        read(tmp_path, text)


def test_no_kind_of_password_becomes_a_field(tmp_path: Path) -> None:
    secrets = ("authPassword", "unicodePwd", "sambaNTPassword", "sambaLMPassword")
    table = read(
        tmp_path,
        "dn: cn=Zoe\nmail: zoe@x.example\n" + "".join(f"{it}: s3cret\n" for it in secrets),
    )
    assert rows(table) == [{"dn": "cn=Zoe", "email": "zoe@x.example", "email_number": 1}]
