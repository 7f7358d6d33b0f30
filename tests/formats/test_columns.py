"""Rows become columns, and nothing else changes by it."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from smtpbook.events import Row, row_of
from smtpbook.formats.columns import to_table


def rows(states: list[bool], count: int = 3) -> Iterator[Row]:
    for number in range(count):
        states.append(gc.isenabled())
        yield row_of(time=number, recipient=f"r{number}@example.org")


def test_cycles_are_searched_for_again_when_rows_are_read_or_reading_them_failed() -> None:
    during: list[bool] = []
    assert to_table(rows(during))["time"].cast("int64").to_pylist() == [0, 1, 2]
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        to_table(row for row in rows(during) if 1 / row[0])
    assert gc.isenabled()
    assert during == [False] * 4


def test_cycles_are_not_searched_for_afterwards_where_they_were_not_before() -> None:
    gc.disable()
    try:
        to_table(rows([]))
        assert not gc.isenabled()
    finally:
        gc.enable()
