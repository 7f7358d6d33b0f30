"""Batches: a database's answer, put together as a Table while it comes in.

Nothing here talks to a database.  A batch is dropped from memory as soon as its columns
are kept, and text that repeats itself is kept once, so that what is held is little more
than the `Table` that comes out of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smtpbook.errors import RecipientsError
from smtpbook.escape import visible
from smtpbook.table import Problem, Table, blank_to_null, numbered

Rows = tuple[Sequence[str], Iterator[Sequence[pa.Array]]]
"""An answer as it comes: the columns' names, and their arrays a batch at a time."""

_WORTH_ENCODING: Final = 1000  # rows; below that a dictionary saves nothing to speak of
_MAX_DIGITS: Final = 38  # of a decimal128
_AS_THEY_ARE: Final = frozenset({bool, int, float, Decimal, date, datetime})
_NUMBERS: Final = frozenset({int, float})
_OCTETS: Final = frozenset({bytes, bytearray, memoryview})

# What is kept is taken from another place than what is only needed meanwhile, or it would
# hold on to the latter's room.
_KEPT: Final = pa.system_memory_pool()

# From the year 1 to 9999, counted from 1970.
_DAYS: Final = ((date.min - date(1970, 1, 1)).days, (date.max - date(1970, 1, 1)).days)
_SECONDS: Final = (_DAYS[0] * 86_400, (_DAYS[1] + 1) * 86_400 - 1)
_PER_SECOND: Final = {"s": 1, "ms": 1000, "us": 1_000_000, "ns": 1_000_000_000}
_MOST: Final = (1 << 63) - 1  # nanoseconds reach from 1677 to 2262


class Answer:
    """What came so far of a database's answer.

    Parameters
    ----------
    name : str
        As `Table.name`.
    headers : sequence of str
        The columns' names.

    Attributes
    ----------
    rows : int
        How many came.

    Raises
    ------
    RecipientsError
        There are no columns, or two of one name.
    """

    def __init__(self, name: str, headers: Sequence[str]) -> None:
        if not headers:
            raise RecipientsError(
                f"{name}: this gives no rows and columns; query= is a select, or another "
                f"statement that reads"
            )
        for header in headers:
            if headers.count(header) > 1:
                raise RecipientsError(
                    f"{name}: two columns are called {visible(repr(header))}; give one "
                    f"another name in the query: … as another_name"
                )
        self.rows = 0
        self._name = name
        self._columns = [_Column(header) for header in headers]

    def add(self, arrays: Sequence[pa.Array]) -> None:
        """Keep a batch of rows, one array a column."""
        for column, array in zip(self._columns, arrays, strict=True):
            column.add(array, rows_before=self.rows)
        self.rows += len(arrays[0])
        for pool in (pa.default_memory_pool(), _KEPT):
            pool.release_unused()

    def table(self) -> Table:
        """Give all of it."""
        kept = [column for column in self._columns if not column.is_binary]
        return Table(
            name=self._name,
            headers=tuple(column.header for column in kept),
            cells=numbered(column.cells() for column in kept),
            rows=pa.array(np.arange(1, self.rows + 1)),
            problems=tuple(
                Problem(None, None, rule, f"{self._name}: column {header} {message}")
                for header, rule, message in self._doubts()
            ),
        )

    def _doubts(self) -> Iterator[tuple[str, str, str]]:
        for column in self._columns:
            header = visible(repr(column.header))
            if column.is_binary:
                yield (
                    header,
                    "binary",
                    "holds octets, not text, and is left out; if they are text, say so in "
                    "the query with a cast",
                )
            if column.beyond:
                yield (
                    header,
                    "date",
                    f"has dates before the year 1 or after 9999, {column.beyond:,} times, "
                    f"first in row {column.first_beyond:,}; they are read as missing",
                )


class _Column:
    """The chunks of one column, each kept small."""

    def __init__(self, header: str) -> None:
        self.header = header
        self.is_binary = False
        self.beyond = 0  # times that Python has no date for
        self.first_beyond = 0
        self._chunks: list[pa.Array] = []
        self._is_encoded: bool | None = None  # None = not decided yet

    def add(self, array: pa.Array, *, rows_before: int) -> None:
        kind = array.type
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            self.is_binary = True
        if self.is_binary:
            self._chunks.clear()
            return
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            array = self._text(array)
        elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            array = self._times(array, rows_before)
        # A driver's batch lives as long as any part of it: hence a copy.
        self._chunks.append(pa.concat_arrays([array], memory_pool=_KEPT))

    def cells(self) -> pa.ChunkedArray:
        """Give the chunks as one column of one type, and forget them."""
        chunks, self._chunks = self._chunks, []
        repeats = [chunk for chunk in chunks if pa.types.is_dictionary(chunk.type)]
        distinct = sum(len(chunk.dictionary) for chunk in repeats)
        if 2 * distinct > sum(map(len, repeats)):  # the first rows were not like the rest
            kind = pa.large_string()
        else:
            kind = _common({chunk.type for chunk in chunks} - {pa.null()})
        try:
            cells = pa.chunked_array([chunk.cast(kind) for chunk in chunks], kind)
        except pa.ArrowInvalid:  # 2 ** 60 among floats
            kind = pa.large_string()
            cells = pa.chunked_array([chunk.cast(kind) for chunk in chunks], kind)
        return _narrowed(cells) if pa.types.is_dictionary(kind) else cells

    def _text(self, array: pa.Array) -> pa.Array:
        array = blank_to_null(array.cast(pa.large_string()))
        if self._is_encoded is None and len(array) - array.null_count >= _WORTH_ENCODING:
            self._is_encoded = 2 * array.dictionary_encode().nbytes < array.nbytes
        return array.dictionary_encode() if self._is_encoded else array

    def _times(self, array: pa.Array, rows_before: int) -> pa.Array:
        if not pa.types.is_date(array.type):
            array = array.cast(pa.timestamp("us", "UTC" if array.type.tz else None))
        array, is_beyond = within_calendar(array)
        if count := pc.sum(is_beyond).as_py():
            if not self.beyond:
                self.first_beyond = rows_before + pc.index(is_beyond, True).as_py() + 1
            self.beyond += count
        return array


def within_calendar(times: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Give dates or times with those null that Python has none for, and tell which.

    PostgreSQL has infinity and years before Christ, files have whatever was put there.
    """
    kind, slack = times.type, 0
    if pa.types.is_date(kind):
        (least, most), per = _DAYS, 1 if pa.types.is_date32(kind) else 86_400_000
    else:
        (least, most), per = _SECONDS, _PER_SECOND[kind.unit]
        if kind.tz not in {None, "UTC"}:
            slack = 86_400 * per  # it is to be shown in its zone
    number = times.view(pa.int32() if kind.bit_width == 32 else pa.int64())
    is_beyond = pc.or_(
        pc.less(number, max(least * per, -_MOST) + slack),
        pc.greater(number, min((most + 1) * per - 1, _MOST) - slack),
    )
    if pc.any(is_beyond).as_py():
        times = pc.replace_with_mask(times, is_beyond, pa.scalar(None, kind))
    return times, is_beyond


def to_array(values: Sequence[Any]) -> pa.Array:
    """Make a column of what a driver gives for its cells.

    Numbers, truth values, dates and times stay what they are; what has no type in a
    `Table` is written as text, lists and objects as JSON.
    """
    kinds = {type(value) for value in values} - {type(None)}
    if not kinds:
        return pa.nulls(len(values))
    try:
        if kinds == {str}:
            return pa.array(values, pa.large_string())
        if kinds <= _NUMBERS or (len(kinds) == 1 and kinds <= _AS_THEY_ARE):
            return pa.array(values)
        if kinds <= _OCTETS:
            return pa.array(values, pa.binary())
    except (pa.ArrowInvalid, OverflowError):  # numbers beyond 64 bits, Decimal("NaN")
        pass
    return pa.array([_told(value) for value in values], pa.large_string())


def _told(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):  # SQLite, among text
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _narrowed(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Give all chunks one dictionary, and codes no wider than it needs."""
    cells = cells.unify_dictionaries(memory_pool=_KEPT)
    if not cells.num_chunks:
        return cells
    words = cells.chunk(0).dictionary
    code = next(
        c
        for c in (pa.int8(), pa.int16(), pa.int32())
        if len(words) < 1 << (c.bit_width - 1)
    )
    return pa.chunked_array(
        pa.DictionaryArray.from_arrays(chunk.indices.cast(code, memory_pool=_KEPT), words)
        for chunk in cells.chunks
    )


def _common(kinds: set[pa.DataType]) -> pa.DataType:
    """Give the type that holds all of these without loss, text if there is no other."""
    if len(kinds) == 1:
        return next(iter(kinds))
    if kinds and all(map(pa.types.is_decimal, kinds)):
        scale = max(kind.scale for kind in kinds)
        digits = max(kind.precision - kind.scale for kind in kinds) + scale
        if digits <= _MAX_DIGITS:
            return pa.decimal128(digits, scale)
    if kinds == {pa.int64(), pa.float64()}:
        return pa.float64()
    if any(map(pa.types.is_dictionary, kinds)):
        return pa.dictionary(pa.int32(), pa.large_string())
    return pa.large_string()
