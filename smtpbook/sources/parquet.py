"""Parquet and Arrow files: columns keep their types, batch by batch.

Both can claim more than they hold: a dictionary of one long text, and a billion rows that
point to it, fit into a few kilobytes.  Text is therefore met as a dictionary first and
written out only as far as `MAX_BYTES` goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from smtpbook import progress
from smtpbook.errors import RecipientsError
from smtpbook.escape import visible
from smtpbook.sources.cells import MAX_CELLS
from smtpbook.sources.reading import Faults
from smtpbook.table import Table, blank_to_null, numbered

MAX_BYTES: Final = 2 << 30  # of all columns in memory
_BATCH: Final = 1 << 16  # rows
_WORTH_SHOWING: Final = 1_000_000  # rows


def read_parquet(path: Path) -> Table:
    """Read a Parquet file; rows are numbered by position, from 1.

    Categories stay dictionaries.  Columns that no letter can show (lists, structures,
    octets that are not text) are left out, which is said.

    Raises
    ------
    RecipientsError
        The file is damaged, encrypted, or holds more than `MAX_CELLS` or `MAX_BYTES`.
    """
    try:
        with pq.ParquetFile(path) as file:
            schema, count = file.schema_arrow, file.metadata.num_rows
        faults = Faults(path.name)
        kept = _flat(schema, faults)
        # Opened again: which columns are text is known only now.
        text = [field.name for field in kept if _is_text(field.type)]
        with pq.ParquetFile(path, read_dictionary=text, pre_buffer=False) as file:
            batches = file.iter_batches(_BATCH, columns=[field.name for field in kept])
            return _gathered(path, kept, count, batches, faults)
    except (pa.ArrowException, OSError, MemoryError, UnicodeError) as error:
        raise _damaged(path, "Parquet", error) from None


def read_arrow(path: Path) -> Table:
    """Read an Arrow IPC file (``.arrow``, Feather version 2), as `read_parquet` does.

    Raises
    ------
    RecipientsError
        The file is damaged, or holds more than `MAX_CELLS` or `MAX_BYTES`.
    """
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
            faults = Faults(path.name)
            kept = _flat(file.schema, faults)
            names = [field.name for field in kept]
            places = range(file.num_record_batches)
            # Not count_rows: Arrow 18 has none.  Nothing is copied that is not compressed.
            count = sum(file.get_batch(place).num_rows for place in places)
            batches = (file.get_batch(place).select(names) for place in places)
            return _gathered(path, kept, count, batches, faults)
    except (pa.ArrowException, OSError, MemoryError, UnicodeError) as error:
        raise _damaged(path, "Arrow", error) from None


def _damaged(path: Path, kind: str, error: BaseException) -> RecipientsError:
    why = visible(str(error).partition("\n")[0], max_chars=200)
    return RecipientsError(f"{path.name} is damaged, or not the {kind} it says: {why}")


def _flat(schema: pa.Schema, faults: Faults) -> pa.Schema:
    kept = []
    for field in schema:
        values = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if schema.names.count(field.name) > 1:
            faults.add(None, "header", f"several columns {_shown(field)}; all left out")
        elif pa.types.is_nested(values) or pa.types.is_fixed_size_binary(values):
            faults.add(
                None, "nested", f"column {_shown(field)} holds {field.type}; left out"
            )
        else:
            kept.append(field)
    return pa.schema(kept)


def _gathered(
    path: Path,
    kept: pa.Schema,
    count: int,
    batches: Iterable[pa.RecordBatch],
    faults: Faults,
) -> Table:
    if not 0 <= count * max(len(kept), 1) <= MAX_CELLS:
        raise RecipientsError(
            f"{path.name} claims {count:,} rows of {len(kept):,} columns; at most "
            f"{MAX_CELLS:,} cells are read: select with DuckDB or pandas and pass the "
            f"DataFrame"
        )
    room = _Room(path.name)
    columns: list[list[pa.Array]] = [[] for _ in kept]
    found = 0
    for batch in _watched(batches, path.name, count):
        # Arrow takes a file at its word: an offset beyond its end would end Python.
        batch.validate(full=True)
        found += len(batch)
        for array, field, chunks in zip(batch.columns, kept, columns, strict=True):
            chunks.append(_within(room, array, field.type))
    if kept and found != count:
        raise pa.ArrowInvalid(f"it claims {count:,} rows and has {found:,}")
    cells: dict[str, pa.ChunkedArray] = {}
    for field, chunks in zip(kept, columns, strict=True):
        column = pa.chunked_array(chunks, chunks[0].type if chunks else _target(field.type))
        try:
            text = column.cast(pa.large_string()) if _is_text(field.type) else column
        except pa.ArrowInvalid:
            faults.add(None, "nested", f"column {_shown(field)} is no text; left out")
        else:
            cells[field.name] = blank_to_null(text) if text is not column else column
    return Table(
        name=path.name,
        headers=tuple(map(visible, cells)),
        cells=numbered(cells.values()),
        rows=pa.array(np.arange(1, count + 1, dtype=np.int64)),
        problems=faults.listed(),
    )


class _Room:
    """Counts what is kept in memory, and refuses what does not fit before it is made."""

    def __init__(self, name: str) -> None:
        self._name, self._taken = name, 0

    def take(self, size: int) -> None:
        self._taken += size
        if self._taken > MAX_BYTES:
            raise RecipientsError(
                f"{self._name} would take more than {MAX_BYTES >> 30} GB of memory; select "
                f"columns and rows with DuckDB or pandas and pass the DataFrame"
            )


def _within(room: _Room, array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Take an array if there is room for it, dictionaries as if they were written out."""
    if not pa.types.is_dictionary(array.type):
        room.take(array.nbytes)
        return array
    if _is_text(array.type.value_type):
        lengths = pc.binary_length(array.dictionary).take(array.indices)
        room.take(int(pc.sum(lengths).as_py() or 0))
    if pa.types.is_dictionary(kind):
        return array
    return array.dictionary.cast(_target(kind)).take(array.indices)


def _target(kind: pa.DataType) -> pa.DataType:
    if not _is_text(kind):
        return kind
    is_octets = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    return pa.large_binary() if is_octets else pa.large_string()


def _is_text(kind: pa.DataType) -> bool:
    """Tell whether a column holds text, or octets, as which old writers put text."""
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )


def _shown(field: pa.Field) -> str:
    return repr(visible(field.name, max_chars=60))


def _watched(
    batches: Iterable[pa.RecordBatch], name: str, count: int
) -> Iterator[pa.RecordBatch]:
    display = progress.show(f"reading {name}", count, progress=count >= _WORTH_SHOWING)
    done = 0
    try:
        for batch in batches:
            yield batch
            done += len(batch)
            display.update(done, {})
    finally:
        display.close()
