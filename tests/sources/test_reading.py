"""Reading and cells: progress, faults, and columns that hold what rows bring."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from smtpbook import progress
from smtpbook.errors import RecipientsError
from smtpbook.sources import cells, reading
from smtpbook.sources.cells import Columns, to_arrow
from smtpbook.sources.reading import Faults, open_octets, read_lines


class Shown:
    """A display that remembers what it showed."""

    def __init__(self, title: str, total: int) -> None:
        self.title, self.total = title, total
        self.done: list[int] = []
        self.is_closed = False

    def update(self, done: int, counts: Mapping[str, int]) -> None:
        self.done.append(done)

    def close(self) -> None:
        self.is_closed = True


def test_reading_a_long_file_moves_a_display(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    displays: list[Shown] = []

    def show(title: str, total: int) -> Shown:
        displays.append(Shown(title, total))
        return displays[-1]

    monkeypatch.setattr(reading, "_LONG", 1_000_000)
    path = tmp_path / "people.txt"
    path.write_bytes(b"x" * 2_500_000)
    progress.use(show)
    try:
        with open_octets(path) as file:
            assert len(file.read()) == 2_500_000
    finally:
        progress.use(None)
    (shown,) = displays
    assert (shown.title, shown.total) == ("reading people.txt (MB)", 2)
    assert shown.done[-1] == 2
    assert shown.is_closed


def test_lines_end_as_any_system_ends_them(tmp_path: Path) -> None:
    path = tmp_path / "people.txt"
    path.write_bytes("\ufeffa\r\nb\n\nc\rd".encode())
    faults = Faults("people.txt")
    assert list(read_lines(path, faults)) == list(enumerate(["a", "b", "", "c", "d"], 1))
    with pytest.raises(RecipientsError, match="cannot be read as klingon"):
        list(read_lines(path, faults, "klingon"))


def test_faults_are_listed_up_to_a_limit_and_then_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "MAX_FAULTS", 2)
    faults = Faults("people.txt")
    for number in range(5):
        faults.add(number, "syntax", "bad")
    assert [problem.message for problem in faults.listed()] == [
        "people.txt, line 0: bad",
        "people.txt, line 1: bad",
        "people.txt: 3 more of 'syntax'",
    ]


@pytest.mark.parametrize(
    ("values", "kind", "kept"),
    [
        (["a", " ", None], pa.large_string(), ["a", None, None]),
        ([None, ""], pa.null(), [None, None]),
        ([1, None, 2**62], pa.int64(), [1, None, 2**62]),
        ([1.0, 2], pa.int64(), [1, 2]),
        ([1.5, 2], pa.float64(), [1.5, 2.0]),
        ([True, None], pa.bool_(), [True, None]),
        ([True, 1], pa.large_string(), ["TRUE", "1"]),
        ([date(2026, 1, 2), None], pa.timestamp("us"), [datetime(2026, 1, 2), None]),
        ([time(3, 4)], pa.time64("us"), [time(3, 4)]),
        ([timedelta(hours=36)], pa.duration("us"), [timedelta(hours=36)]),
        ([date(2026, 1, 2), "x", 1.0], pa.large_string(), ["2026-01-02", "x", "1"]),
        ([2**70, 1], pa.large_string(), [str(2**70), "1"]),
        (["\ud800"], pa.large_string(), ["\\ud800"]),
    ],
)
def test_a_column_has_the_type_that_holds_all_of_it(
    values: list[Any], kind: pa.DataType, kept: list[Any]
) -> None:
    array = to_arrow(values)
    assert array.type == kind
    assert array.to_pylist() == kept


def test_columns_learn_their_names_and_types_from_the_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cells, "BATCH", 2)
    columns = Columns("people", ("email",))
    columns.add(1, {"n": 1})
    columns.add(3, {"n": 2.5})
    columns.add(4, {"city": "Graz", "n": None})
    columns.add_columns([5, 6], {"n": pa.array([3, 4])})
    columns.add(7, {"city": 8010})
    headers, arrays, rows = columns.finish()
    assert headers == ("email", "n", "city")
    assert [array.to_pylist() for array in arrays] == [
        [None] * 6,
        [1.0, 2.5, None, 3.0, 4.0, None],
        [None, None, "Graz", None, None, "8010"],
    ]
    assert rows.to_pylist() == [1, 3, 4, 5, 6, 7]


def test_more_cells_than_anybody_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "BATCH", 2)
    monkeypatch.setattr(cells, "MAX_CELLS", 5)
    columns = Columns("people")
    columns.add(1, {"a": 1, "b": 2})
    columns.add(2, {"a": 1})
    columns.add(3, {"a": 1})
    with pytest.raises(
        RecipientsError, match="people has more than 1,000 columns or 5 cells"
    ):
        columns.add(4, {"a": 1})
