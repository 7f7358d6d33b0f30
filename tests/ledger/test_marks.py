"""Marks: which messages' mail data had begun."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtpbook.errors import LedgerError
from smtpbook.ledger.marks import Marks, read_marks


def test_marks_of_this_boot_are_read_and_of_another_are_not(tmp_path: Path) -> None:
    marks = Marks(tmp_path / "m", "boot")
    marks.add(0, 1)
    marks.add(2**40, 3)
    assert read_marks(tmp_path / "m", "boot") == {(0, 1), (2**40, 3)}
    assert read_marks(tmp_path / "m", "boots") is None
    assert read_marks(tmp_path / "m", None) is None
    assert read_marks(tmp_path / "none", "boot") is None
    marks.close()
    Marks(tmp_path / "m", "boot").close()
    assert read_marks(tmp_path / "m", "boot") == set()


def test_a_mark_cut_off_had_not_been_made(tmp_path: Path) -> None:
    marks = Marks(tmp_path / "m", "boot")
    marks.add(7, 1)
    marks.add(8, 1)
    marks.close()
    whole = (tmp_path / "m").read_bytes()
    for cut in range(1, 16):
        (tmp_path / "m").write_bytes(whole[:-cut])
        assert read_marks(tmp_path / "m", "boot") == {(7, 1)}


def test_marks_without_a_boot_id_prove_nothing(tmp_path: Path) -> None:
    Marks(tmp_path / "m", None).close()
    assert read_marks(tmp_path / "m", None) is None
    assert read_marks(tmp_path / "m", "boot") is None


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"cannot write .*nothing further is sent"):
        Marks(tmp_path / "no" / "m", "boot")
