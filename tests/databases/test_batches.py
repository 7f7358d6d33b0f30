"""A database's answer, put together from batches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest

from smtpbook.databases.batches import Answer, to_array
from smtpbook.table import Table

DAY, NOON = date(2024, 2, 29), datetime(2024, 2, 29, 12)


def gathered(*batches: Sequence[Any]) -> Table:
    """The table of one column that comes in these batches."""
    answer = Answer("db: people", ["it"])
    for batch in batches:
        answer.add([batch if isinstance(batch, pa.Array) else to_array(batch)])
    return answer.table()


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["a", None], pa.large_string(), ["a", None]),
        ([1, None], pa.int64(), [1, None]),
        ([1, 2.5], pa.float64(), [1.0, 2.5]),
        ([True, None], pa.bool_(), [True, None]),
        ([DAY], pa.date32(), [DAY]),
        ([NOON], pa.timestamp("us"), [NOON]),
        ([Decimal("1.50"), Decimal("10")], pa.decimal128(4, 2), [Decimal("1.50"), 10]),
        ([2**63, 1], pa.large_string(), [str(2**63), "1"]),
        ([2**60 + 1, 1.5], pa.large_string(), [str(2**60 + 1), "1.5"]),
        ([Decimal("NaN")], pa.large_string(), ["NaN"]),
        ([DAY, NOON], pa.large_string(), ["2024-02-29", "2024-02-29 12:00:00"]),
        ([time(12, 30), None], pa.large_string(), ["12:30:00", None]),
        ([timedelta(hours=1)], pa.large_string(), ["1:00:00"]),
        (
            [{"é": [1, DAY]}, ["a"]],
            pa.large_string(),
            ['{"é": [1, "2024-02-29"]}', '["a"]'],
        ),
        ([UUID(int=7)], pa.large_string(), ["00000000-0000-0000-0000-000000000007"]),
        ([1, "a", b"\xc3\xa9"], pa.large_string(), ["1", "a", "é"]),
        ([b"a", memoryview(b"b")], pa.binary(), [b"a", b"b"]),
        ([None, None], pa.null(), [None, None]),
    ],
)
def test_what_a_driver_gives_keeps_its_type_or_becomes_text(
    values: list[Any], kind: pa.DataType, expected: list[Any]
) -> None:
    found = to_array(values)
    assert (found.type, found.to_pylist()) == (kind, expected)


@pytest.mark.parametrize(
    ("batches", "kind"),
    [
        ([[None], ["a"]], pa.large_string()),
        ([[None], [None]], pa.large_string()),
        ([], pa.large_string()),
        ([[1], [None], [2.5]], pa.float64()),
        ([[1], ["a"]], pa.large_string()),
        ([[2**60 + 1], [2.5]], pa.large_string()),
        ([[Decimal("1.5")], [Decimal("100.25")]], pa.decimal128(5, 2)),
        ([[Decimal(10**37)], [Decimal("0.01")]], pa.large_string()),
        ([[NOON], [NOON]], pa.timestamp("us")),
    ],
)
def test_batches_of_different_types_meet_in_one_that_holds_both(
    batches: list[list[Any]], kind: pa.DataType
) -> None:
    cells = gathered(*batches).cells
    assert cells.column(0).type == kind
    assert cells.num_rows == len(batches)


def test_blank_text_is_missing_also_where_text_is_kept_once() -> None:
    table = gathered(["a", " ", "", "b "] * 500, [None] * 5, ["\t\u3000"] * 5)
    assert pa.types.is_dictionary(table.cells.column(0).type)
    assert table.cells.column(0)[:4].to_pylist() == ["a", None, None, "b "]
    assert table.cells.column(0).cast(pa.large_string()).null_count == 1010
    assert table.cells.column(0).null_count == 1010


def test_a_column_empty_at_first_is_judged_by_its_first_texts() -> None:
    table = gathered([None] * 2000, pa.nulls(2000, pa.string()), ["a", "b"] * 1000)
    cells = table.cells.column(0)
    assert cells.type == pa.dictionary(pa.int8(), pa.large_string())
    assert cells.null_count == 4000
    assert cells[-2:].to_pylist() == ["a", "b"]


@pytest.mark.parametrize(
    ("count", "code"), [(127, "int8"), (128, "int16"), (40_000, "int32")]
)
def test_codes_are_as_narrow_as_the_words_allow(count: int, code: str) -> None:
    words = [str(number) for number in range(count)]
    cells = gathered(*[[word for word in words for _ in range(20)]] * 2).cells.column(0)
    assert str(cells.type.index_type) == code
    assert len(cells.chunk(1).dictionary) == count


def test_times_are_in_utc() -> None:
    there = NOON.replace(tzinfo=timezone(timedelta(hours=2)))
    cells = gathered([there], [NOON.replace(tzinfo=UTC)]).cells.column(0)
    assert cells.type == pa.timestamp("us", "UTC")
    assert [moment.hour for moment in cells.to_pylist()] == [10, 12]


def test_the_first_and_the_last_moment_there_is() -> None:
    moments = [datetime.min, datetime.max, date.min, date.max]
    assert gathered(moments[:2]).cells.column(0).to_pylist() == moments[:2]
    assert gathered(moments[2:]).cells.column(0).to_pylist() == moments[2:]
    days = pa.array([-719163, -719162, 2932896, 2932897], pa.int32()).view(pa.date32())
    table = gathered(days)
    assert table.cells.column(0).to_pylist() == [None, date.min, date.max, None]
    assert "2 times, first in row 1;" in table.problems[0].message


def test_octets_leave_the_column_out_whatever_else_it_held() -> None:
    answer = Answer("db: people", ["id", "photo\x1b"])
    answer.add([to_array([1]), to_array(["none"])])
    answer.add([to_array([2]), to_array([b"\xff"])])
    answer.add([to_array([3]), to_array([None])])
    table = answer.table()
    assert table.headers == ("id",)
    assert table.cells.to_pydict() == {"0": [1, 2, 3]}
    assert r"column 'photo\x1b' holds octets" in table.problems[0].message


def test_what_is_kept_lets_go_of_the_batch_it_came_in() -> None:
    answer = Answer("db: people", ["it"])
    before = pa.total_allocated_bytes()
    batch = pa.array(range(100_000))
    answer.add([batch[:10]])
    del batch
    assert pa.total_allocated_bytes() == before
