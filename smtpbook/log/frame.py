"""Frame: rows of the event log made into columns, and columns into a DataFrame.

This is the only place that makes the event log's DataFrame, whoever wrote the rows.  It
does not read files (that is `log.store`) and knows nothing of sockets.

Theory of operation: a row is a tuple, and a tuple of 36 cells weighs more than what it
says.  So `Recorder` puts the cells of two thousand of them one behind the other in a list
and turns that into Arrow columns in one go, at about 1.5 µs a row.  That is a pause of 3 ms
in the thread that appends, less than what handing the work to another thread would cost it
(Python lets a thread keep the interpreter for 5 ms).  In a batch each text stands once, and
a column that holds one value throughout shares its buffers with the batch before it.  A
DataFrame is made from the buffers, never from cells; its texts stay in the batches until
they are looked at (`texts`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from threading import Lock
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from smtpbook.codes.explain import reason_of
from smtpbook.errors import ColumnError, near_miss
from smtpbook.escape import visible
from smtpbook.events import COLUMNS, KINDS, OUTCOMES, SCHEMA, Row
from smtpbook.log.distinct import NEEDED, distinct_replies
from smtpbook.log.texts import filled, joined, to_texts, unified

Log = pd.DataFrame
"""The event log *is* a DataFrame: the name by which rooms without pandas speak of it."""

BATCH_ROWS: Final = 2000
"""Rows in a record batch.  With half as many a row takes a quarter more memory."""

WIDTH: Final = len(COLUMNS)
"""Cells in a row."""

_ARROW_TYPES: Final = {
    "datetime64[us, UTC]": pa.timestamp("us", tz="UTC"),
    "string": pa.string(),
    "category": pa.dictionary(pa.int32(), pa.string()),
    "Int16": pa.int16(),
    "Int32": pa.int32(),
    "Int64": pa.int64(),
    "int32": pa.int32(),
    "float64": pa.float64(),
}
# In a batch of BATCH_ROWS no dictionary outgrows 16 bits; in a table of many it does.
_TEXT: Final = pa.dictionary(pa.int16(), pa.string())
_FEW: Final = 64  # categories
_FIXED_CATEGORIES: Final = {"kind": KINDS, "outcome": OUTCOMES}
_DTYPES: Final = {column.name: column.dtype for column in SCHEMA}


def arrow_schema() -> pa.Schema:
    """Give the event log's Arrow schema: what a file of it holds.

    >>> arrow_schema().field("time").type
    TimestampType(timestamp[us, tz=UTC])
    """
    return pa.schema([(c.name, _ARROW_TYPES[c.dtype]) for c in SCHEMA])


def batch_schema() -> pa.Schema:
    """Give the schema of record batches: `arrow_schema`, every text dictionary-encoded."""
    types = _ARROW_TYPES | dict.fromkeys(("string", "category"), _TEXT)
    return pa.schema([(c.name, types[c.dtype]) for c in SCHEMA])


_BATCH_SCHEMA: Final = batch_schema()
_TABLE_TYPES: Final = _ARROW_TYPES | {"string": _ARROW_TYPES["category"]}
_Shared = dict[str, tuple[Any, pa.Array]]


class Recorder:
    """Takes rows as they happen and gives the DataFrame of all so far.

    Examples
    --------
    >>> from smtpbook.events import Event
    >>> recorder = Recorder()
    >>> recorder.append(Event(verb="EHLO", reply_code=250).to_row())
    >>> recorder.frame()[["verb", "reply_code"]]
       verb  reply_code
    0  EHLO         250
    """

    __slots__ = ("_batches", "_cells", "_lock", "_shared")

    def __init__(self) -> None:
        self._cells: list[Any] = []  # of rows that are in no batch
        self._batches: list[pa.RecordBatch] = []
        self._shared: _Shared = {}
        self._lock = Lock()

    def append(self, row: Row) -> None:
        """Take one row: a `Sink` of 0.2 µs, but every 2,000th call takes about 3 ms.

        Raises
        ------
        ValueError
            It has not a cell for each column.
        """
        if len(row) != WIDTH:
            raise ValueError(f"a row has {WIDTH} cells, not {len(row)}; see Event.to_row")
        cells = self._cells
        cells.extend(row)
        if len(cells) >= BATCH_ROWS * WIDTH:
            self._batch()

    def _batch(self) -> None:
        with self._lock:
            # Other threads append meanwhile: take what stands first, leave the rest.
            if len(self._cells) >= BATCH_ROWS * WIDTH:
                columns = _columns(self._cells, 0)
                self._batches.append(_to_batch(columns, self._shared))
                del self._cells[: BATCH_ROWS * WIDTH]

    def __len__(self) -> int:
        with self._lock:
            return self._held()

    def _held(self) -> int:
        """Count the rows in memory; with the lock."""
        return len(self._batches) * BATCH_ROWS + len(self._cells) // WIDTH

    def frame(self) -> pd.DataFrame:
        """Give the event log so far, from any thread, while rows still come.

        Returns
        -------
        DataFrame
            The columns of `smtpbook.events.SCHEMA`; a snapshot that later rows do not
            change.
        """
        with self._lock:
            batches, cells = self._batches.copy(), self._cells.copy()
        return from_batches([*batches, *cells_to_batches(cells)])


def to_frame(rows: Iterable[Row]) -> pd.DataFrame:
    """Make the event log's DataFrame from rows in `SCHEMA`'s order.

    Parameters
    ----------
    rows : iterable of tuple
        Cells in the order of `smtpbook.events.COLUMNS`; ``time`` in microseconds since
        1970 UTC, ``None`` where a cell is null.

    Returns
    -------
    DataFrame
        Exactly the columns and dtypes of `smtpbook.events.SCHEMA`, also when there is no
        row.  ``reason`` is filled for 4yz and 5yz replies that had none.
    """
    return from_batches(list(to_batches(rows)))


def to_batch(rows: Sequence[Row], shared: _Shared | None = None) -> pa.RecordBatch:
    """Turn rows into one record batch of `batch_schema`.

    Parameters
    ----------
    rows : sequence of tuple, length 1 to 32767
        Cells in the order of `smtpbook.events.COLUMNS`.
    shared : dict, optional
        The last array of each column that held one value only; pass the same one from
        batch to batch, and equal arrays are one.
    """
    return _to_batch(zip(*rows, strict=True), {} if shared is None else shared)


def cells_to_batches(cells: Sequence[Any]) -> Iterator[pa.RecordBatch]:
    """Turn rows whose cells stand one behind the other into batches of `BATCH_ROWS`."""
    shared = _Shared()
    for first in range(0, len(cells) // WIDTH, BATCH_ROWS):
        yield _to_batch(_columns(cells, first), shared)


def _columns(cells: Sequence[Any], first: int) -> Iterator[Sequence[Any]]:
    """Give the columns of `BATCH_ROWS` rows, or of those there are, from the first on."""
    stop = (first + BATCH_ROWS) * WIDTH
    return (cells[first * WIDTH + place : stop : WIDTH] for place in range(WIDTH))


def _to_batch(columns: Iterable[Sequence[Any]], shared: _Shared) -> pa.RecordBatch:
    arrays = []
    for field, cells in zip(_BATCH_SCHEMA, columns, strict=True):
        first = cells[0]
        # Nearly every column that differs does so in the last row, too.
        if first != cells[-1] or cells.count(first) < len(cells):
            arrays.append(_to_array(cells, field.type))
            continue
        value, array = shared.get(field.name, (None, None))
        if array is None or value != first or len(array) != len(cells):
            array = _to_array(cells, field.type)
            shared[field.name] = first, array
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=_BATCH_SCHEMA)


def _to_array(cells: Sequence[Any], type_: pa.DataType) -> pa.Array:
    try:
        return pa.array(cells, type_)
    except UnicodeEncodeError:
        # Surrogate escapes of octets that were not UTF-8: Arrow and pandas refuse them.
        return pa.array([cell and visible(cell, newlines=True) for cell in cells], type_)


def to_batches(rows: Iterable[Row]) -> Iterator[pa.RecordBatch]:
    """Turn any number of rows into batches of `BATCH_ROWS`, the last one shorter."""
    iterator, shared = iter(rows), _Shared()
    while chunk := list(islice(iterator, BATCH_ROWS)):
        yield to_batch(chunk, shared)


def from_batches(batches: Sequence[pa.RecordBatch]) -> pd.DataFrame:
    """Make the event log's DataFrame from record batches of `batch_schema`."""
    return from_table(to_table(batches))


def to_table(batches: Sequence[pa.RecordBatch]) -> pa.Table:
    """Make one table of record batches of `batch_schema`."""
    return pa.Table.from_batches(batches, schema=_BATCH_SCHEMA)


def from_table(table: pa.Table) -> pd.DataFrame:
    """Make the event log's DataFrame from an Arrow table.

    Parameters
    ----------
    table : pyarrow.Table
        Any of the event log's columns, in any order, texts plain or dictionary-encoded.
        Columns it lacks are null; columns that are not the event log's are left out.
    """
    # Reasons first: looking for them takes room, which the other columns then have.
    columns = _columns_of(table, ("kind", "reply_code", "reason"))
    columns["reason"] = _with_reasons(columns, table)
    columns |= _columns_of(table, (name for name in COLUMNS if name not in columns))
    return pd.DataFrame({name: columns[name] for name in COLUMNS}, copy=False)


def _columns_of(table: pa.Table, names: Iterable[str]) -> dict[str, Any]:
    return {name: _to_pandas(_column(table, name), name) for name in names}


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name in table.column_names:
        return table.column(name)
    return pa.chunked_array([pa.nulls(table.num_rows, _ARROW_TYPES[_DTYPES[name]])])


def join_tables(tables: Iterable[pa.Table]) -> pa.Table:
    """Make one table of several, each as `from_table` takes it, in their order.

    Returns
    -------
    Table
        All columns of the event log, texts dictionary-encoded with 32 bits.
    """
    types = [(c.name, _TABLE_TYPES[c.dtype]) for c in SCHEMA]
    schema = pa.schema(types)
    aligned = [
        pa.table(
            [
                table.column(name).cast(type_)
                if name in table.column_names
                else pa.nulls(table.num_rows, type_)
                for name, type_ in types
            ],
            schema=schema,
        )
        for table in tables
    ]
    return pa.concat_tables([schema.empty_table(), *aligned])


def fill_reasons(table: pa.Table) -> pa.Table:
    """Fill ``reason`` as the DataFrame has it, in a table of the event log's columns."""
    refused = pc.fill_null(pc.greater_equal(table["reply_code"], 400), False)
    missing = pc.and_(refused, pc.is_null(table["reason"]))
    if not pc.any(missing).as_py():
        return table
    # Greetings, too: they tell whose server it is.
    greets = pc.equal(table["kind"].cast(pa.string()), "greeting")
    looked_at = pc.fill_null(pc.or_kleene(missing, greets), False)
    found = from_table(table.filter(looked_at))["reason"]
    found = found[missing.filter(looked_at).to_numpy()]
    reasons = pc.replace_with_mask(
        table["reason"].cast(pa.string()).combine_chunks(),
        missing.combine_chunks(),
        pa.array(found, pa.string(), from_pandas=True),
    )
    return table.set_column(table.column_names.index("reason"), "reason", reasons)


def _to_pandas(values: pa.ChunkedArray, name: str) -> Any:
    """Give a column as pandas holds it, in memory of its own: it is there to be changed."""
    dtype = _DTYPES[name]
    if dtype == "category":
        return _to_categorical(values, _FIXED_CATEGORIES.get(name, ()))
    if dtype == "string":
        return to_texts(values)
    values = values.cast(_ARROW_TYPES[dtype])
    if dtype == "float64":
        return _owned(values.to_numpy())
    if dtype == "int32":
        return _owned(filled(values, 0))
    # One chunk: pandas would make an array of each, then join them.
    extension: Any = pd.api.types.pandas_dtype(dtype)
    column = extension.__from_arrow__(values.combine_chunks())
    return column.copy() if dtype.startswith("datetime") else column


def _owned(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return array if array.flags.writeable else array.copy()


def _to_categorical(values: pa.ChunkedArray, fixed: Sequence[str]) -> pd.Categorical:
    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    # Many columns are null throughout, whatever their dictionaries hold.
    is_null = values.null_count == len(values)
    codes, texts = (None, []) if is_null else _coded(values.chunks)
    names = (*fixed, *sorted(set(texts).difference(fixed)))
    places = {name: place for place, name in enumerate(names)}
    smallest = np.min_scalar_type(-len(names) - 1)
    # Of each text its place among the names; of null, which is -1, the last one.
    place_of = np.array([*map(places.__getitem__, texts), -1], smallest)
    codes = np.full(len(values), -1, smallest) if codes is None else place_of[codes]
    dtype = (_dtype_of_few if len(names) <= _FEW else _dtype_of)(names)
    return pd.Categorical.from_codes(codes, dtype=dtype, validate=False)


def _coded(chunks: Sequence[pa.Array]) -> tuple[Any, list[str]]:
    """Give for each row the place of its text, null as -1, and the texts."""
    codes, texts = joined(chunks)
    return filled(codes, -1), texts.to_pylist()


def _dtype_of(names: tuple[str, ...]) -> pd.CategoricalDtype:
    # "str" is pandas's own text dtype where it has one (3.0), else object.
    return pd.CategoricalDtype(pd.Index(names, dtype="str"))


# Logs of one campaign have the same few names, and to make them a dtype, which looks
# whether all are different, takes longer than the rest of a short column.
_dtype_of_few: Final = lru_cache(_dtype_of)


def _with_reasons(columns: Mapping[str, Any], table: pa.Table) -> pd.Categorical:
    """Fill ``reason`` where a 4yz or 5yz reply has none; each distinct reply asks once."""
    column: pd.Categorical = columns["reason"]
    refused = columns["reply_code"].to_numpy("int16", na_value=0) >= 400
    missing = refused & column.isna()
    if not missing.any():
        return column
    # Greetings, too: they tell whose server it is.
    looked_at = missing | (columns["kind"] == "greeting")
    rows = pa.array(np.flatnonzero(looked_at))
    said = pa.table({name: unified(_column(table, name)).take(rows) for name in NEEDED})
    seen = pd.DataFrame(_columns_of(said, NEEDED), copy=False)
    number, heard = distinct_replies(seen, missing[looked_at])
    reasons = [reason_of(*one[:4], host=one.host, greeting=one.greeting) for one in heard]
    given = {name for n, name in enumerate(column.categories) if n in column.codes}
    names = pd.Index(sorted(given.union(filter(None, reasons))), dtype="str")
    smallest = np.min_scalar_type(-len(names) - 1)
    places = np.append(names.get_indexer(column.categories), -1).astype(smallest)
    codes = places[column.codes]
    asked = names.get_indexer(pd.Index(reasons, dtype=object)).astype(smallest)
    codes[missing] = asked[number]
    return pd.Categorical.from_codes(codes, names)


def require_columns(frame: pd.DataFrame, *names: str) -> None:
    """Check that a log has the columns a function is about to use.

    Raises
    ------
    TypeError
        It is no log.
    ColumnError
        One is missing; the message names it and the nearest column there is.

    Examples
    --------
    >>> require_columns(pd.DataFrame({"reply_cod": []}), "reply_code")
    Traceback (most recent call last):
    smtpbook.errors.ColumnError: column 'reply_code' not found; did you mean 'reply_cod'?
    """
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(
            f"a log is a DataFrame, such as run.log or what read_log gives, and not a "
            f"{type(frame).__name__}"
        )
    for name in names:
        if name not in frame.columns:
            there = [column for column in frame.columns if isinstance(column, str)]
            raise ColumnError(f"column {name!r} not found{near_miss(name, there)}")
