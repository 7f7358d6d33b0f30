"""Plain text: addresses found where they stand, in linear time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from smtpbook.errors import RecipientsError
from smtpbook.sources import reading
from smtpbook.sources.text import read_text
from smtpbook.table import Table


def read(tmp_path: Path, text: str | bytes) -> Table:
    path = tmp_path / "notes.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_text(path)


def test_addresses_are_found_with_line_and_context(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        "Dear all,\nwrite to Ann <ann@x.example>, 'bob.o'neil@y.example' or\n"
        "mailto:info@bücher.example. Not @home, not a@ b, but a+b@x.example!\n",
    )
    assert table.cells.column(0).to_pylist() == [
        "ann@x.example",
        "bob.o'neil@y.example",
        "info@bücher.example",
        "a+b@x.example",
    ]
    assert table.rows.to_pylist() == [2, 2, 3, 3]
    assert table.headers == ("email", "context")
    assert table.cells.column(1)[0].as_py() == (
        "write to Ann <ann@x.example>, 'bob.o'neil@y.example' or"
    )


def test_a_text_without_addresses_is_an_empty_table_that_says_so(tmp_path: Path) -> None:
    table = read(tmp_path, "Dear all,\n")
    assert table.headers == ("email", "context")
    assert [problem.rule for problem in table.problems] == ["empty"]


@pytest.mark.parametrize("piece", ["a", "a.", "@", "a@", ".", "a@b", "é"])
def test_no_text_makes_it_slow(tmp_path: Path, piece: str) -> None:
    start = time.process_time()
    read(tmp_path, piece * 500_000 + " @\n")
    assert time.process_time() - start < 10


def test_a_line_that_no_text_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_LINE", 100)
    with pytest.raises(RecipientsError, match=r"notes.txt, line 2 is longer than"):
        read(tmp_path, "short\n" + "x" * 101)
