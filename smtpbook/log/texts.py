"""Texts: a column of the event log in which each text stands once, until it is looked at.

A log's texts repeat themselves, and so its batches and files hold each of them once, with
a number for every row.  In full, as pandas has texts, they take three times the memory of
all other columns together and most of the time it takes to make a DataFrame; and most of
them nobody ever looks at.  So a column stays as it was recorded until something asks for
its texts; from then on it is pandas's own.  Nothing here knows of rows or files.

Theory of operation: pandas's array has its texts in the attribute ``_pa_array``.  What
pandas asks of every column of a frame (its length, a copy, some of its rows, where it is
null) is answered from the numbers; whatever else it does asks for that attribute, and then
the texts are written out and the array is one of pandas's own class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import wraps
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas.api.indexers import check_array_indexer

Plain = pd.arrays.ArrowStringArray
"""Texts as pandas has them."""

# Rows that pandas gets in one piece.  Smaller pieces share more of their memory and make
# everything that looks for a row slower.
_STRETCH_ROWS: Final = 64_000
# A row looked up by itself takes a microsecond or two.
_FEW_ROWS: Final = 200
_MAX_SHORT: Final = 2**15 - 1
_OWN_NUMBERS: Final = (pa.int16(), pa.int32())  # of our batches, and of tables of many
_NONE: Final = pa.chunked_array([], pa.large_string())


def to_texts(values: pa.ChunkedArray) -> Any:
    """Make pandas's array of texts, which may be dictionary-encoded."""
    if not (pa.types.is_dictionary(values.type) and values.num_chunks):
        return Plain(values.cast(pa.large_string()))
    column: Any = Plain(_NONE)
    del column._pa_array
    column._coded = values
    column.__class__ = _Coded
    return column


def _by_numbers(method: Any) -> Any:
    """Have a method answer from the numbers, and by pandas once the texts are there."""

    @wraps(method)
    def answer(self: Any, *args: Any, **kwargs: Any) -> Any:
        # Another thread may look at the texts at any moment: then they are plain.
        coded = vars(self).get("_coded")
        if coded is None:
            return getattr(Plain, method.__name__)(self, *args, **kwargs)
        return method(self, coded, *args, **kwargs)

    return answer


class _Coded(Plain):
    """Texts that nobody has looked at; `to_texts` makes it, and a look makes it plain."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make a plain one: whatever pandas makes by this class, it has the texts for."""
        plain = super().__new__(Plain)
        if args or kwargs:
            Plain.__init__(plain, *args, **kwargs)
        return plain

    @property
    def _pa_array(self: Any) -> Any:
        held = vars(self)
        # Two threads may look at once, and one of them may have written a cell since.
        if (coded := held.get("_coded")) is not None:
            held.setdefault("_pa_array", _decoded(coded))
            self.__class__ = Plain
            held.pop("_coded", None)
        return held["_pa_array"]

    def __reduce_ex__(self, protocol: Any) -> Any:
        return Plain(self._pa_array).__reduce_ex__(protocol)

    @property
    def nbytes(self) -> int:
        coded = vars(self).get("_coded")
        octets: int = (self._pa_array if coded is None else coded).nbytes
        return octets

    @_by_numbers
    def __len__(self, coded: pa.ChunkedArray) -> int:
        return len(coded)

    @_by_numbers
    def isna(self, coded: pa.ChunkedArray) -> Any:
        return coded.is_null().to_numpy()

    @_by_numbers
    def copy(self, coded: pa.ChunkedArray) -> Any:
        return to_texts(coded)

    @_by_numbers
    def view(self: Any, coded: pa.ChunkedArray, dtype: Any = None) -> Any:
        if dtype is not None:
            return Plain(self._pa_array).view(dtype)
        column = to_texts(coded)
        if getattr(self, "_readonly", False):
            column._readonly = True
        return column

    @_by_numbers
    def __getitem__(self: Any, coded: pa.ChunkedArray, item: Any) -> Any:
        if isinstance(item, slice) and item.step in (None, 1):
            return to_texts(coded[item])
        if isinstance(item, int | np.integer) and not isinstance(item, bool):
            text = coded[int(item)].as_py()
            return self.dtype.na_value if text is None else text
        if isinstance(item, list | np.ndarray | pd.api.extensions.ExtensionArray):
            rows = np.asarray(check_array_indexer(self, item))
            return self.take(np.flatnonzero(rows) if rows.dtype == bool else rows)
        return Plain(self._pa_array)[item]

    @_by_numbers
    def take(
        self: Any,
        coded: pa.ChunkedArray,
        indices: Any,
        *,
        allow_fill: bool = False,
        fill_value: Any = None,
    ) -> Any:
        rows = np.asarray(indices)
        is_filled = allow_fill and fill_value is not None and not pd.isna(fill_value)
        if is_filled or rows.dtype.kind not in "iu":
            return Plain(self._pa_array).take(
                indices, allow_fill=allow_fill, fill_value=fill_value
            )
        rows = rows.astype(np.int64, copy=False)
        if (rows < (-1 if allow_fill else -len(coded))).any():
            error = ValueError if allow_fill else IndexError
            raise error(f"row {rows.min()} of {len(coded)} is asked for")
        if not allow_fill:
            rows = np.where(rows < 0, rows + len(coded), rows)
        if len(rows) <= _FEW_ROWS:
            texts = [None if row < 0 else coded[row].as_py() for row in rows.tolist()]
            return Plain(pa.array(texts, pa.large_string()))
        piece = _one_piece(vars(self), coded)
        codes = piece.indices.take(pa.array(rows, mask=rows < 0))
        return Plain(_in_full(codes, piece.dictionary))


def _one_piece(held: dict[str, Any], coded: pa.ChunkedArray) -> pa.DictionaryArray:
    """Put the batches together, and keep that: who takes rows once takes others."""
    if coded.num_chunks == 1:
        return coded.chunk(0)
    codes, texts = joined(coded.chunks)
    piece = pa.DictionaryArray.from_arrays(
        codes.combine_chunks(), texts.cast(pa.large_string())
    )
    # One text in many batches takes no room; in one piece it would.
    if len(texts) > 1:
        held["_coded"] = pa.chunked_array([piece])
        # A look takes the numbers away once the texts are there: it may have been over.
        if "_pa_array" in held:
            held.pop("_coded", None)
    return piece


def filled(values: pa.ChunkedArray, null: int) -> Any:
    """Give numbers in one NumPy array, null as another number."""
    # In one piece first: many are filled one by one, which takes longer.
    return pc.fill_null(values.combine_chunks(), null).to_numpy()


def joined(chunks: Sequence[pa.Array]) -> tuple[pa.ChunkedArray, pa.Array]:
    """Give the codes of many chunks with a dictionary each, and one dictionary for all."""
    values = unified(pa.chunked_array(chunks))
    codes = pa.chunked_array([chunk.indices for chunk in values.chunks])
    return codes, values.chunk(0).dictionary


def unified(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Give texts that have a dictionary each one for all; others stay as they are."""
    if not pa.types.is_dictionary(values.type):
        return values
    # A batch's own numbers may be too small for the texts of many, and those of another
    # program for two batches, or have no room for a null's.
    texts = sum(len(chunk.dictionary) for chunk in values.chunks)
    if texts > _MAX_SHORT or values.type.index_type not in _OWN_NUMBERS:
        values = values.cast(pa.dictionary(pa.int32(), values.type.value_type))
    return values.unify_dictionaries()


def _decoded(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Give texts in full, as pandas stores them (64-bit offsets).

    Where one text fills a whole stretch of rows, equal stretches are one array: most
    columns of a campaign's log then take next to no memory.
    """
    stretches: list[pa.Array] = []
    last: tuple[Any, int] | None = None
    for chunks in _stretches(values.chunks):
        codes, texts = joined(chunks)
        if len(texts) > 1 or (len(texts) == 1 and codes.null_count):
            last = None
            stretches.append(_in_full(codes.combine_chunks(), texts))
            continue
        only = texts[0].as_py() if len(texts) else None
        if last != (only, len(codes)):
            last = only, len(codes)
            text = pa.scalar(only, pa.large_string())
            stretches.append(pa.repeat(text, len(codes)))
        else:
            stretches.append(stretches[-1])
    return pa.chunked_array(stretches, pa.large_string())


def _in_full(codes: pa.Array, texts: pa.Array) -> pa.Array:
    return texts.cast(pa.large_string()).take(codes)


def _stretches(chunks: Sequence[pa.Array]) -> Iterator[list[pa.Array]]:
    """Put neighbours together until they make a stretch."""
    stretch: list[pa.Array] = []
    rows = 0
    for chunk in chunks:
        stretch.append(chunk)
        rows += len(chunk)
        if rows >= _STRETCH_ROWS:
            yield stretch
            stretch, rows = [], 0
    if stretch:
        yield stretch
