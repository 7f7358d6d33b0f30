"""Table: what every source gives before anything in it is checked.

A source (one file each in `sources` and `databases`) knows a format and nothing of
addresses.  It hands over cells as Arrow columns, where each row came from, and the rows it
could not read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

TEXT: Final = pd.StringDtype("pyarrow")
"""Text cells in pandas: missing is ``pd.NA`` (the str dtype of pandas 3 has NaN)."""


class Problem(NamedTuple):
    """One thing that is wrong with a list; a row of ``Recipients.problems``.

    Attributes
    ----------
    row : int or None
        As `Table.rows`; None = the whole source.
    address : str or None
        Shown with control characters as escapes; None = none.
    rule : str
        One word for the kind of fault.
    message : str
        Names the source, the row and the column, and the next step.
    """

    row: int | None
    address: str | None
    rule: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Cells as a source gives them.

    Attributes
    ----------
    name : str
        What errors call the source, such as a file's name.
    headers : tuple of str
        The columns' names as written there; may be blank, may be equal.
    cells : pyarrow.Table
        As many columns, named "0", "1", ….  Text is `pa.large_string` or, where it repeats
        itself, a dictionary of that; missing and blank cells are null; numbers, truth
        values and times keep their type.
    rows : pyarrow.Array of int64
        For each row of `cells`, its line (files) or position (other sources).
    sources : pyarrow.Array of large_string, optional
        For each row, what it was read from; None = `name` for all of them.
    problems : tuple of Problem
        Rows that could not be read and are not in `cells`, and doubts about the rest.
    """

    name: str
    headers: tuple[str, ...]
    cells: pa.Table
    rows: pa.Array | pa.ChunkedArray
    sources: pa.Array | pa.ChunkedArray | None = None
    problems: tuple[Problem, ...] = ()


def text_table(columns: Iterable[Iterable[str | None]]) -> pa.Table:
    """Make `Table.cells` of text columns; blank cells become null."""
    arrays = [pa.array(column, pa.large_string()) for column in columns]
    return numbered([blank_to_null(array) for array in arrays])


def numbered(arrays: Iterable[pa.Array | pa.ChunkedArray]) -> pa.Table:
    """Put columns together under the names `Table.cells` has."""
    columns = list(arrays)
    return pa.table(columns, names=[str(number) for number in range(len(columns))])


def blank_to_null(text: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Give text with its blank cells (nothing, or white space alone) as null."""
    if isinstance(text, pa.ChunkedArray):
        return pa.chunked_array([blank_to_null(chunk) for chunk in text.chunks], text.type)
    # Looked for before anything is copied: most columns have none.
    is_blank = pc.or_(pc.utf8_is_space(text), pc.equal(pc.binary_length(text), 0))
    if not pc.any(is_blank).as_py():
        return text
    # Not if_else: Arrow 18 to 21 damage text that is a slice of other text.
    return pc.replace_with_mask(text, is_blank, pa.scalar(None, text.type))
