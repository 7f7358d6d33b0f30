"""Cells: from the Arrow columns of sources to the pandas columns of lists.

Text stays in Arrow's memory; nothing becomes one Python object a cell before `to_rows`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from smtpbook.sources.frames import to_arrow
from smtpbook.table import TEXT

# With missing cells among them, whole numbers and truth values would become objects or
# fractions.
_NULLABLE: Final = {
    pa.bool_(): pd.BooleanDtype(),
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
}


def to_series(cells: pa.Array | pa.ChunkedArray) -> pd.Series:
    """Give a column as lists hold it.

    Text becomes `TEXT`; numbers, truth values and times get NumPy's dtypes where these can
    hold them exactly, else pandas' nullable or Arrow's (decimals, dates).
    """

    def dtype_of(kind: pa.DataType) -> Any:
        if pa.types.is_large_string(kind) or pa.types.is_null(kind):
            return TEXT
        if cells.null_count and kind in _NULLABLE:
            return _NULLABLE[kind]
        if pa.types.is_decimal(kind) or pa.types.is_date(kind) or pa.types.is_time(kind):
            return pd.ArrowDtype(kind)
        return None

    if pa.types.is_timestamp(cells.type) and cells.type.tz:
        return _instants(cells)
    series: pd.Series = cells.to_pandas(types_mapper=dtype_of)
    return series


def _instants(cells: pa.Array | pa.ChunkedArray) -> pd.Series:
    """Give times with a zone; Arrow's own way copies them twice."""
    dtype = pd.DatetimeTZDtype(cells.type.unit, cells.type.tz)
    counts = np.empty(len(cells), dtype=np.int64)
    start = 0
    for chunk in cells.chunks if isinstance(cells, pa.ChunkedArray) else [cells]:
        end = start + len(chunk)
        counts[start:end] = chunk.view(pa.int64()).fill_null(pd.NaT.value)
        start = end
    return pd.Series(pd.DatetimeIndex(counts, dtype=dtype, copy=False))


def to_text_array(column: pd.Series) -> pa.Array:
    """Give a column of text as one Arrow array (large_string)."""
    cells = to_arrow(column).cast(pa.large_string())
    return cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells


def to_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Give rows as dicts of plain values; missing cells are None."""
    names = list(frame.columns)
    columns = [_plain(frame[name]) for name in names]
    return [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]


def _plain(column: pd.Series) -> list[Any]:
    cells = column.tolist()
    if not column.hasnans:
        return cells
    is_known = column.notna().tolist()
    return [cell if known else None for cell, known in zip(cells, is_known, strict=True)]


def stacked(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put frames below each other; a column that one lacks is missing there.

    A column that is text in one of them is text throughout, and none becomes one of Python
    objects because cells are missing.
    """
    names = list(dict.fromkeys(name for frame in frames for name in frame.columns))
    columns: dict[str, pd.Series] = {}
    for name in names:
        parts = [frame.get(name) for frame in frames]
        columns[name] = _stacked_column(parts, [len(frame) for frame in frames])
    return pd.DataFrame(columns, index=range(sum(map(len, frames))))


def _stacked_column(parts: Sequence[pd.Series | None], counts: Sequence[int]) -> pd.Series:
    arrays = [None if part is None else to_arrow(part) for part in parts]
    kinds = {array.type for array in arrays if array is not None}
    try:
        schema = pa.unify_schemas(
            [pa.schema([("", kind)]) for kind in kinds], promote_options="permissive"
        )
        kind = schema.field(0).type
    except pa.ArrowException:
        kind = pa.large_string()
    if any(pa.types.is_large_string(one) for one in kinds):
        kind = pa.large_string()
    chunks: list[pa.Array] = []
    for array, count in zip(arrays, counts, strict=True):
        cells = pa.nulls(count, kind) if array is None else array.cast(kind)
        chunks.extend(cells.chunks if isinstance(cells, pa.ChunkedArray) else [cells])
    joined = to_series(pa.chunked_array(chunks, kind))
    is_source = any(
        isinstance(part, pd.Series) and part.dtype == "category" for part in parts
    )
    return joined.astype("category") if is_source else joined


def may_hold_text(column: pd.Series) -> bool:
    """Tell whether a column's cells are neither numbers, truth values nor times."""
    if isinstance(column.dtype, pd.ArrowDtype):
        return False
    types = pd.api.types
    return not (
        types.is_numeric_dtype(column)
        or types.is_datetime64_any_dtype(column)
        or types.is_timedelta64_dtype(column)
    )
