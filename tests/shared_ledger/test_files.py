"""Files beside a ledger: whole, however large, and as they were at one instant."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtpbook.errors import LedgerError
from smtpbook.shared_ledger.files import PIECE_BYTES, open_files
from tests.ledger.conftest import PEOPLE, Database

pytestmark = pytest.mark.real_server


def test_a_file_comes_back_whatever_its_size(database: Database, tmp_path: Path) -> None:
    database.create(PEOPLE)
    octets = bytes(range(256)) * (PIECE_BYTES // 256 * 2) + b"more"
    path = tmp_path / "list"
    path.write_bytes(octets)
    with open_files(database.url, database.name) as kept:
        kept.put("a%s", b"")
        kept.put("list", path)
    with open_files(database.url, database.name) as kept:
        kept.put("a%s", octets)
        kept.put("a%s", b"short")
        assert kept.names() == ["a%s", "list"]
        assert len([*kept.pieces("list")]) == 3
    with open_files(database.url, database.name) as kept:
        assert (kept.get("list"), kept.get("a%s"), kept.get("b")) == (octets, b"short", b"")


def test_after_an_error_nothing_of_it_counts(database: Database) -> None:
    database.create(PEOPLE)

    def change() -> None:
        with open_files(database.url, database.name) as kept:
            kept.put("one", b"1")
            raise OSError("the folder's disk is full")

    with pytest.raises(OSError, match="disk is full"):
        change()
    with open_files(database.url, database.name) as kept:
        assert kept.names() == []


def test_a_campaign_that_is_not_there_is_told(database: Database) -> None:
    with (
        pytest.raises(LedgerError, match="there is no ledger"),
        open_files(database.url, "november-0"),
    ):
        pass
