"""DataFrames as a source: numbers and times keep their type, the index is left behind."""

from __future__ import annotations

import re
from typing import Final

import pandas as pd
import pyarrow as pa

from smtpbook.escape import visible
from smtpbook.table import Table, blank_to_null, numbered

PROVENANCE: Final = ("source", "source_row")
"""Columns of `Recipients.frame` that say where a row was read."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def read_frame(frame: pd.DataFrame, *, name: str = "DataFrame") -> Table:
    """Take a DataFrame's rows.

    `Table.rows` has each row's position, for ``frame.iloc``.  A frame that has ``source``
    and ``source_row`` already, such as one from `Recipients.frame`, keeps them.  Cells that
    are neither numbers, truth values nor times become text.
    """
    columns = [frame.iloc[:, number] for number in range(frame.shape[1])]
    headers = [str(header) for header in frame.columns]
    rows: pa.Array = pa.array(range(len(frame)), pa.int64())
    sources = None
    if set(PROVENANCE) <= set(headers) and pd.api.types.is_integer_dtype(
        frame["source_row"]
    ):
        sources = to_arrow(frame["source"])
        rows = pa.array(frame["source_row"], pa.int64())
        columns = [column for column in columns if column.name not in PROVENANCE]
        headers = [header for header in headers if header not in PROVENANCE]
    return Table(
        name=name,
        headers=tuple(headers),
        cells=numbered(to_arrow(column) for column in columns),
        rows=rows,
        sources=sources,
    )


def to_arrow(column: pd.Series) -> pa.Array | pa.ChunkedArray:
    """Give a column as `Table.cells` holds it.

    Surrogates (octets that were not text) become escapes; blank text becomes null.
    """
    try:
        cells = pa.array(column, from_pandas=True)
        if pa.types.is_dictionary(cells.type):
            cells = cells.dictionary_decode()
    except (pa.ArrowException, TypeError, UnicodeError):
        return _as_text(column)
    kind = cells.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
        return blank_to_null(cells.cast(pa.large_string()))
    if pa.types.is_primitive(kind) or pa.types.is_decimal(kind):  # booleans and times, too
        return cells
    return _as_text(column)


def _as_text(column: pd.Series) -> pa.Array:
    cells = column.astype(object)
    texts = [
        None if missing else _SURROGATE.sub(lambda found: visible(found[0]), str(cell))
        for cell, missing in zip(cells, column.isna(), strict=True)
    ]
    return blank_to_null(pa.array(texts, pa.large_string()))
