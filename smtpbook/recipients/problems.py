"""Problems: what is wrong with the rows of a list, as the DataFrame users see.

A row is dropped by the first thing that is wrong with it; hints drop nothing.  The rows
read are those kept, those dropped and those left out on purpose: the counts add up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from smtpbook.escape import visible
from smtpbook.recipients.cells import to_series
from smtpbook.table import TEXT, Problem, Table

_DTYPES: Final[dict[str, Any]] = {
    "row": "Int64",
    "address": TEXT,
    "rule": TEXT,
    "message": TEXT,
    "dropped": "bool",
    "source": TEXT,
}
_PRINTABLE: Final = "^[ -~]*$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is to be said about a reading, or about an operation on a list.

    Two lists that come of the same reading share its note; joined, they have it once, even
    if one of them was saved in between.

    Attributes
    ----------
    rows_read : int
        0 for an operation.
    problems : DataFrame
        As `Recipients.problems`.
    key : str
        Equal for the same reading or operation, and for no other.
    """

    rows_read: int = field(compare=False)
    problems: pd.DataFrame = field(compare=False)
    key: str = field(default_factory=lambda: uuid4().hex)


class Findings:
    """What is found while a table is checked.

    Parameters
    ----------
    table : Table
        What a source gave.
    texts : pyarrow.ChunkedArray of text
        For each row, the cell with the address.

    Attributes
    ----------
    dropped : numpy array of bool
        The rows that are not to be in the list.
    """

    def __init__(self, table: Table, texts: pa.ChunkedArray) -> None:
        self._table = table
        self._texts = texts
        self._parts: list[pd.DataFrame] = []
        self.dropped = np.zeros(len(table.rows), dtype=bool)

    def add(
        self,
        places: np.ndarray[Any, Any],
        rule: str,
        messages: str | pa.Array | Iterable[str],
        *,
        drop: bool = True,
    ) -> None:
        """Note something about rows, which are dropped unless it is a hint.

        Their `places` rise.
        """
        if not len(places):
            return
        # Not take, which joins the chunks of a column for a single cell of it.
        table, chosen = self._table, np.zeros(len(self.dropped), dtype=bool)
        chosen[places] = True
        taken = pa.array(chosen)
        rows = table.rows.filter(taken)
        sources: Any = table.name
        if table.sources is not None:
            sources = table.sources.filter(taken).cast(pa.large_string())
        if not isinstance(messages, str | pa.Array):
            messages = pa.array(messages, pa.large_string())
        said = pc.binary_join_element_wise(
            pc.binary_join_element_wise(
                _large(sources), _large(", row "), rows.cast(pa.large_string()), _large("")
            ),
            _large(messages),
            _large(": "),
        )
        columns = {
            "row": to_series(rows).astype("Int64"),
            "address": to_series(shown(_large(self._texts.filter(taken)))),
            "message": to_series(said),
        }
        part = pd.DataFrame(columns).assign(rule=rule, dropped=drop)
        part["source"] = sources if isinstance(sources, str) else to_series(sources)
        self._parts.append(part)
        if drop:
            self.dropped[places] = True

    def note(self, doubts: Iterable[Problem]) -> Note:
        """Put together what the source said, doubts about the whole, and what was found."""
        said = [*self._table.problems, *doubts]
        kept = np.asarray(self._table.rows.to_numpy())
        given = np.array([problem.row or 0 for problem in said], dtype=np.int64)
        # What the source says of a row that it gave is a hint.
        unread = np.array([problem.row is not None for problem in said], dtype=bool)
        if unread.any():
            unread &= ~np.isin(given, kept)
            # Of several things said of one row that is not there, the first counts it.
            places = np.flatnonzero(unread)
            unread[np.delete(places, np.unique(given[places], return_index=True)[1])] = (
                False
            )
        parts = self._parts
        if said:
            first = problems_frame(said, dropped=unread, source=self._table.name)
            parts = [first, *parts]
        problems = joined(parts)
        problems = problems.sort_values(
            "row", kind="stable", na_position="first", ignore_index=True
        )
        return Note(rows_read=len(kept) + int(unread.sum()), problems=problems)


def problems_frame(
    problems: Iterable[Problem],
    *,
    dropped: bool | np.ndarray[Any, Any] = False,
    source: str | pd.Series = "",
) -> pd.DataFrame:
    """Give problems as the DataFrame users see."""
    frame = pd.DataFrame(list(problems), columns=list(Problem._fields))
    return frame.assign(dropped=dropped, source=source)[list(_DTYPES)].astype(_DTYPES)


def joined(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Put frames of problems below each other."""
    filled = [frame[list(_DTYPES)].astype(_DTYPES) for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else _NO_PROBLEMS.copy()


# Made once: most lists have none, and making it takes as long as reading a short list.
_NO_PROBLEMS: Final = problems_frame([])


def shown(texts: pa.Array) -> pa.Array:
    """Give text as `visible` shows it."""
    is_hostile = pc.fill_null(pc.invert(pc.match_substring_regex(texts, _PRINTABLE)), False)
    if not pc.any(is_hostile).as_py():
        return texts
    shown = [visible(text) for text in texts.filter(is_hostile).to_pylist()]
    return pc.replace_with_mask(texts, is_hostile, pa.array(shown, texts.type))


def _large(text: str | pa.Array | pa.ChunkedArray) -> Any:
    if isinstance(text, str):
        return pa.scalar(text, pa.large_string())
    text = text.cast(pa.large_string())
    return text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text
