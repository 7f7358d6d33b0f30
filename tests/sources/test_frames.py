"""DataFrames: what keeps its type, what becomes text."""

from __future__ import annotations

import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from smtpbook.sources.frames import read_frame


@pytest.mark.parametrize(
    ("column", "kind", "cells"),
    [
        (pd.Series(["a", None, " "]), pa.large_string(), ["a", None, None]),
        (pd.Series([1.5, np.nan]), pa.float64(), [1.5, None]),
        (pd.Series([1, None], dtype="Int64"), pa.int64(), [1, None]),
        (pd.Series([True, False]), pa.bool_(), [True, False]),
        (pd.Categorical(["x", None]), pa.large_string(), ["x", None]),
        (pd.Series([1, "x", None], dtype=object), pa.large_string(), ["1", "x", None]),
        (pd.Series(["\udce9\u200d"], dtype=object), pa.large_string(), ["\\xe9\u200d"]),
        (pd.Series([["a"]], dtype=object), pa.large_string(), ["['a']"]),
        (pd.Series([None, None], dtype=object), pa.large_string(), [None, None]),
        (
            pd.Series([decimal.Decimal("1.50")], dtype=object),
            pa.decimal128(3, 2),
            [decimal.Decimal("1.50")],
        ),
    ],
)
def test_numbers_keep_their_type_and_all_else_is_text(
    column: pd.Series, kind: pa.DataType, cells: list[object]
) -> None:
    table = read_frame(pd.DataFrame({"a": column}))
    assert table.cells.column(0).type == kind
    assert table.cells.column(0).to_pylist() == cells


def test_rows_are_positions_whatever_the_index() -> None:
    table = read_frame(pd.DataFrame({1: ["a", "b"]}, index=[7, 7]), name="mine")
    assert table.headers == ("1",)
    assert table.rows.to_pylist() == [0, 1]
    assert table.sources is None


def test_equal_headers_stay_two_columns() -> None:
    frame = pd.DataFrame([["a", "b"]], columns=["x", "x"])
    assert read_frame(frame).cells.to_pydict() == {"0": ["a"], "1": ["b"]}


def test_provenance_is_kept() -> None:
    frame = pd.DataFrame({"a": ["x"], "source": ["f.csv"], "source_row": [9]})
    table = read_frame(frame.astype({"source": "category"}))
    assert table.headers == ("a",)
    assert table.rows.to_pylist() == [9]
    assert table.sources.to_pylist() == ["f.csv"]
