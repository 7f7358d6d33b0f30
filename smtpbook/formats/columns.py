"""Columns: rows of logs made into one Arrow table, in bounded pieces.

`log.frame` does the same for rows that come one by one while a campaign goes on, and keeps
each text once a batch.  In a log of a server nearly every text is another, so here only
categories are kept once, which takes half the time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final

import pyarrow as pa

from smtpbook.escape import visible
from smtpbook.events import Row
from smtpbook.log.frame import arrow_schema

_ROWS: Final = 2_000  # of a piece; each row weighs a kilobyte until it is columns
_SCHEMA: Final = arrow_schema()


def to_table(rows: Iterable[Row]) -> pa.Table:
    """Make a table for `log.frame.from_table` of rows in `SCHEMA`'s order."""
    iterator, batches = iter(rows), list[pa.RecordBatch]()
    while batch := _next_batch(iterator):
        batches.append(batch)
    return pa.Table.from_batches(batches, schema=_SCHEMA)


def _next_batch(rows: Iterator[Row]) -> pa.RecordBatch | None:
    with _no_search_for_cycles():
        return _to_batch(list(islice(rows, _ROWS)))


def _to_batch(rows: list[Row]) -> pa.RecordBatch | None:
    if not rows:
        return None
    columns = zip(_SCHEMA, zip(*rows, strict=True), strict=True)
    arrays = [_to_array(cells, field.type) for field, cells in columns]
    return pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA)


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Let the garbage collector wait: it would look at the piece's rows again and again.

    That takes a twentieth of the time, for nothing: rows are texts and numbers.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _to_array(cells: tuple[Any, ...], type_: pa.DataType) -> pa.Array:
    first = cells[0]
    if first is cells[-1] and first is None and cells.count(None) == len(cells):
        return pa.nulls(len(cells), type_)
    try:
        return pa.array(cells, type_)
    except UnicodeEncodeError:
        # Surrogate escapes of octets that were not UTF-8: Arrow and pandas refuse them.
        return pa.array([cell and visible(cell, newlines=True) for cell in cells], type_)
