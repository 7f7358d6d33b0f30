"""Saved lists come back whole: rows, types, problems, counts and labels."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from smtpbook.errors import RecipientsError
from smtpbook.recipients.read import read_recipients
from smtpbook.recipients.recipients import Recipients
from smtpbook.recipients.saved import (
    SavedRows,
    delete_recipients,
    list_recipients,
    load_recipients,
    save_recipients,
    write_list,
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SMTPBOOK_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def people() -> Recipients:
    frame = pd.DataFrame(
        {
            "E-Mail": ["a@x.org", "no", "info@x.org", "A@x.org", None],
            "Age": [1, 2, 3, 4, None],
            "Whole": pd.array([1, 2, None, 4, 5], dtype="Int64"),
            "Price": pd.array(["1.5"] * 5, dtype="string"),
            "Joined": pd.to_datetime(["2026-01-01"] * 5, utc=True),
        }
    )
    return read_recipients(frame)[:1] + read_recipients(
        pd.DataFrame({"email": ["b@x.org"]})
    )


def test_a_list_comes_back_as_it_was(people: Recipients) -> None:
    save_recipients(people, "My list")
    again = load_recipients("My list")
    pd.testing.assert_frame_equal(again.frame, people.frame)
    pd.testing.assert_frame_equal(again.problems, people.problems)
    assert again.counts == people.counts
    assert dict(again.labels) == dict(people.labels)
    assert repr(again) == repr(people)
    save_recipients(people - people, "nobody")
    assert len(load_recipients("nobody")) == 0


def test_other_programs_can_read_it(people: Recipients, home: Path) -> None:
    save_recipients(people, "mine")
    frame = pd.read_parquet(home / "recipients" / "mine.parquet")
    assert frame["email"].tolist() == people.addresses


def test_lists_are_named_and_deleted(people: Recipients, home: Path) -> None:
    assert list_recipients().empty
    for name in ("b", "a"):
        save_recipients(people, name)
    (home / "recipients" / "bad.parquet").write_bytes(b"PAR1")
    frame = list_recipients()
    assert frame["name"].tolist() == ["a", "b", "bad"]
    assert frame["recipients"].fillna(-1).tolist() == [2, 2, -1]
    assert frame.dtypes.astype(str).tolist() == ["string", "Int64", "datetime64[us, UTC]"]
    delete_recipients("a")
    delete_recipients("bad")
    assert list_recipients()["name"].tolist() == ["b"]


def test_a_name_that_is_taken_is_not_overwritten_by_accident(people: Recipients) -> None:
    save_recipients(people, "mine")
    with pytest.raises(RecipientsError, match=r"a list 'mine' already; .*overwrite=True"):
        save_recipients(people[:1], "mine")
    save_recipients(people[:1], "mine", overwrite=True)
    assert len(load_recipients("mine")) == 1


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "a\\b", ".hidden", "a\0", "con", "NUL.x", "x.", "y" * 101],
)
def test_a_name_is_one_that_every_system_takes(people: Recipients, name: str) -> None:
    with pytest.raises(RecipientsError, match="is no name for a list"):
        save_recipients(people, name)
    with pytest.raises(RecipientsError, match="is no name for a list"):
        load_recipients(name)


def test_an_unknown_name_gets_the_near_miss(people: Recipients) -> None:
    save_recipients(people, "november")
    with pytest.raises(
        RecipientsError, match=r"did you mean 'november'.*there are: november"
    ):
        load_recipients("novmber")
    with pytest.raises(RecipientsError, match="no saved list 'x'"):
        delete_recipients("x")


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"nonsense"])
def test_a_damaged_file_is_named(people: Recipients, home: Path, damage: bytes) -> None:
    save_recipients(people, "mine")
    path = home / "recipients" / "mine.parquet"
    path.write_bytes(damage)
    with pytest.raises(RecipientsError, match="saved list 'mine' is damaged"):
        load_recipients("mine")
    people.to_parquet(path)  # a Parquet file, but none of ours
    with pytest.raises(RecipientsError, match="saved list 'mine' is damaged"):
        load_recipients("mine")


@pytest.mark.parametrize(
    "cells",
    [
        {"email": pa.array(["a@x.org"])},
        {
            "email": pa.Array.from_buffers(
                pa.string(),
                1,
                [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")],
            ),
            "source": pa.array([None], pa.string()),
        },
    ],
)
def test_rows_that_are_damaged_are_no_other_error_than_a_file_that_is(
    cells: dict[str, pa.Array], tmp_path: Path
) -> None:
    path = tmp_path / "list.parquet"
    pyarrow.parquet.write_table(pa.table(cells), path)
    with pytest.raises(RecipientsError, match=r"list '.*' is damaged"):
        SavedRows(path)([0])


def test_a_saved_list_joined_with_its_origin_was_read_once(people: Recipients) -> None:
    save_recipients(people, "mine")
    again = load_recipients("mine")
    both = people + again
    assert both.counts["read"] == people.counts["read"]
    assert (again[:1] + people[1:]).counts["read"] == people.counts["read"]
    assert (again + load_recipients("mine")).counts["read"] == people.counts["read"]


def test_a_thread_that_reads_meanwhile_changes_nobodys_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ends(list[int]):
        """Where the groups end; to look there lets another thread read first."""

        def __getitem__(self, item: Any) -> Any:
            if threading.current_thread() is threading.main_thread():
                others.append(threading.Thread(target=rows, args=([0],)))
                others[-1].start()
                others[-1].join(0.05)
            return super().__getitem__(item)

    monkeypatch.setattr("smtpbook.recipients.saved._GROUP", 10)  # rows, not thousands
    frame = pd.DataFrame({"email": [f"p{n}@x.example" for n in range(20)]})
    write_list(read_recipients(frame), tmp_path / "list.parquet")
    rows, others = SavedRows(tmp_path / "list.parquet"), list[threading.Thread]()
    rows._ends = Ends(rows._ends)
    (row,) = rows([15])
    assert row["email"] == "p15@x.example"
    assert others
    for other in others:
        other.join()
