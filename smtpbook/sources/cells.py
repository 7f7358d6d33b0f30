"""Cells: Python values put into Arrow columns, each with the type that holds all of it.

For the sources that meet rows one by one.  A column of one kind keeps it; where kinds are
mixed, it becomes text.  pandas is not imported here: a worksheet's process needs none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final

import pyarrow as pa

from smtpbook.errors import RecipientsError
from smtpbook.escape import visible

MAX_COLUMNS: Final = 1000
MAX_CELLS: Final = 100_000_000
BATCH: Final = 20_000  # rows held as Python objects

_TIME: Final = pa.timestamp("us")
_TYPES: Final[dict[frozenset[type], pa.DataType]] = {
    frozenset(): pa.null(),
    frozenset({str}): pa.large_string(),
    frozenset({bool}): pa.bool_(),
    frozenset({int}): pa.int64(),
    frozenset({float}): pa.float64(),
    frozenset({int, float}): pa.float64(),
    frozenset({date}): _TIME,
    frozenset({datetime}): _TIME,
    frozenset({date, datetime}): _TIME,
    frozenset({time}): pa.time64("us"),
    frozenset({timedelta}): pa.duration("us"),
}


class Columns:
    """Rows on their way into columns; what columns there are is learnt from the rows.

    Parameters
    ----------
    name : str
        What errors call the source.
    headers : sequence of str
        Columns that are there even if no row has them.
    """

    def __init__(self, name: str, headers: Sequence[str] = ()) -> None:
        self._name = name
        self._rows: list[int] = []
        self._batch: list[Mapping[str, Any]] = []
        self._done = 0
        self._chunks: dict[str, list[pa.Array]] = {header: [] for header in headers}

    def add(self, row: int, cells: Mapping[str, Any]) -> None:
        """Take a row: its number in the source and its cells; blank ones may be missing.

        Raises
        ------
        RecipientsError
            There are too many columns, or too many cells.
        """
        self._rows.append(row)
        self._batch.append(cells)
        if len(self._batch) == BATCH:
            self._flush()

    def add_columns(self, rows: Sequence[int], cells: Mapping[str, pa.Array]) -> None:
        """Take many rows that are in columns already."""
        self._flush()
        self._rows.extend(rows)
        self._append(cells, len(rows))

    def finish(self) -> tuple[tuple[str, ...], list[pa.ChunkedArray], pa.Array]:
        """Give the headers, the columns and the rows' numbers."""
        self._flush()
        columns = [join(chunks) for chunks in self._chunks.values()]
        return tuple(self._chunks), columns, pa.array(self._rows, pa.int64())

    def _flush(self) -> None:
        names = dict.fromkeys(name for row in self._batch for name in row)
        self._refuse_too_much(len(names), len(self._batch))
        self._append(
            {name: to_arrow([row.get(name) for row in self._batch]) for name in names},
            len(self._batch),
        )
        self._batch = []

    def _append(self, arrays: Mapping[str, pa.Array], count: int) -> None:
        for name in arrays:
            self._chunks.setdefault(name, [pa.nulls(self._done)] if self._done else [])
        self._done += count
        self._refuse_too_much(len(self._chunks), self._done)
        if count:
            for name, chunks in self._chunks.items():
                chunks.append(arrays[name] if name in arrays else pa.nulls(count))

    def _refuse_too_much(self, width: int, height: int) -> None:
        if width > MAX_COLUMNS or width * height > MAX_CELLS:
            raise RecipientsError(
                f"{self._name} has more than {MAX_COLUMNS:,} columns or {MAX_CELLS:,} "
                f"cells by row {self._rows[-1]:,}; take out what letters do not need"
            )


def to_arrow(values: Sequence[Any]) -> pa.Array:
    """Put values of the types spreadsheets and JSON know, and None, into an array.

    Blank text is null.  Whole numbers held as floats, as spreadsheets have them, are whole.
    """
    kinds = frozenset(map(type, values)) - {type(None)}
    if str in kinds:
        values = [
            None if isinstance(value, str) and not value.strip() else value
            for value in values
        ]
        kinds = frozenset(map(type, values)) - {type(None)}
    target = _TYPES.get(kinds)
    try:
        if target == pa.float64() and all(
            value is None or float(value).is_integer() for value in values
        ):
            target = pa.int64()
            values = [None if value is None else int(value) for value in values]
        if target == _TIME and date in kinds:
            values = [
                datetime.combine(value, time()) if type(value) is date else value
                for value in values
            ]
        if target is not None:
            return pa.array(values, target)
    except (OverflowError, UnicodeEncodeError, pa.ArrowInvalid):
        pass  # beyond 64 bits, or lone surrogates
    texts = [None if value is None else to_text(value) for value in values]
    return pa.array(texts, pa.large_string())


def to_text(value: Any) -> str:
    """Write a value as a spreadsheet would show it.

    >>> [to_text(value) for value in (4370.0, True, date(2026, 11, 23), "01234")]
    ['4370', 'TRUE', '2026-11-23', '01234']
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return visible(value)
        return value
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    return value.isoformat(" ") if isinstance(value, datetime) else str(value)


def join(chunks: Sequence[pa.Array]) -> pa.ChunkedArray:
    """Put a column's pieces together in the type that holds all of them."""
    types = {chunk.type for chunk in chunks} - {pa.null()}
    if not types:
        target = pa.large_string()
    elif len(types) == 1:
        target = types.pop()
    elif types == {pa.int64(), pa.float64()}:
        target = pa.float64()
    else:
        target = pa.large_string()
    return pa.chunked_array([_as(chunk, target) for chunk in chunks], target)


def _as(chunk: pa.Array, target: pa.DataType) -> pa.Array:
    if chunk.type == target or target != pa.large_string() or chunk.type == pa.null():
        return chunk.cast(target)
    texts = (None if value is None else to_text(value) for value in chunk.to_pylist())
    return pa.array(texts, target)
