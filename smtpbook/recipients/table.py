"""Table: what every source gives before anything in it is checked.

A source (one file each: `delimited`, `frames`, …) knows a format and nothing of
addresses.  It hands over cells, where each row came from, and the rows it could not read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

import pandas as pd

TEXT: Final = pd.StringDtype("pyarrow")
"""Text cells: missing is ``pd.NA`` (the str dtype of pandas 3 has NaN)."""

PROVENANCE: Final = ("source", "source_row")


class Problem(NamedTuple):
    """One thing that is wrong with a list; a row of ``Recipients.problems``."""

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
    cells : DataFrame
        As many columns, numbered from 0; index from 0.
    provenance : DataFrame
        For each row of `cells`, ``source`` (string) and ``source_row`` (int64).
    problems : tuple of Problem
        Rows that could not be read and are not in `cells`, and doubts about the rest.
    """

    name: str
    headers: tuple[str, ...]
    cells: pd.DataFrame
    provenance: pd.DataFrame
    problems: tuple[Problem, ...] = ()


def provenance(source: str, rows: Iterable[int]) -> pd.DataFrame:
    """Make `Table.provenance` for rows that all come from one source."""
    source_row = pd.Series(list(rows), dtype="int64")
    return pd.DataFrame(
        {
            "source": pd.Series(source, index=source_row.index, dtype=TEXT),
            "source_row": source_row,
        }
    )


def may_hold_text(column: pd.Series) -> bool:
    """Tell whether a column's cells are neither numbers, truth values nor times."""
    types = pd.api.types
    return not (
        types.is_numeric_dtype(column)
        or types.is_datetime64_any_dtype(column)
        or types.is_timedelta64_dtype(column)
    )


def problems_frame(problems: Iterable[Problem]) -> pd.DataFrame:
    """Give problems as the DataFrame users see, in the order of the rows."""
    frame = pd.DataFrame(list(problems), columns=list(Problem._fields)).astype(
        {"row": "Int64", "address": TEXT, "rule": TEXT, "message": TEXT}
    )
    return frame.sort_values("row", kind="stable", na_position="first", ignore_index=True)
