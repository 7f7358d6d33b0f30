"""DataFrames as a source: the columns keep their dtypes, the index is left behind."""

from __future__ import annotations

import pandas as pd

from smtpbook.recipients.table import PROVENANCE, TEXT, Table, provenance


def read_frame(frame: pd.DataFrame, *, name: str = "DataFrame") -> Table:
    """Take a DataFrame's rows.

    ``source_row`` is the row's position, for ``frame.iloc``.  A frame that has ``source``
    and ``source_row`` already, such as one from `Recipients.frame`, keeps them.
    """
    cells = frame.reset_index(drop=True)
    if set(PROVENANCE) <= set(cells.columns) and pd.api.types.is_integer_dtype(
        cells["source_row"]
    ):
        origin = cells[list(PROVENANCE)].astype({"source": TEXT, "source_row": "int64"})
        cells = cells.drop(columns=list(PROVENANCE))
    else:
        origin = provenance(name, range(len(cells)))
    headers = tuple(str(column) for column in cells.columns)
    return Table(
        name=name,
        headers=headers,
        cells=cells.set_axis(range(len(headers)), axis="columns"),
        provenance=origin,
    )
