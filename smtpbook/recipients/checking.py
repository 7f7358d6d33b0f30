"""Checking: which rows of a table can be written to, and what is wrong with the others.

A row needs one address, not met before, and no NUL in any cell.  What an address is,
`syntax` says; what is odd about one, `hints`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from smtpbook.databases.batches import within_calendar
from smtpbook.escape import visible
from smtpbook.recipients.cells import to_series
from smtpbook.recipients.columns import name_columns
from smtpbook.recipients.hints import find_hints
from smtpbook.recipients.problems import Findings, Note
from smtpbook.recipients.syntax import (
    Checked,
    Mask,
    check_column,
    comparison_key,
    pieces,
    to_mask,
)
from smtpbook.table import TEXT, Problem, Table, numbered

_NO_ROWS: Final = np.zeros(0, dtype=bool)


def check(
    table: Table, *, address: str | None = None
) -> tuple[pd.DataFrame, Note, Mapping[str, str]]:
    """Separate the rows that can be written to from those that cannot.

    Returns
    -------
    frame : DataFrame
        The good rows: ``email`` with the addresses in canonical form, the table's other
        columns under their field names, then ``source`` and ``source_row``.
    note : Note
        How many rows were read, and what is wrong with them.
    labels : mapping of str to str
        The header as written in the source, for each field.

    Raises
    ------
    RecipientsError
        The column with the addresses cannot be told.
    """
    table = _within_calendar(table)
    names, doubts = name_columns(table, address)
    texts = table.cells.column(names.index("email"))
    findings = Findings(table, texts)
    checked = check_column(texts)
    _note_faults(checked, findings)
    _find_nuls(table, names, findings)
    _find_duplicates(checked.addresses, table, findings)
    findings.add(
        np.flatnonzero(checked.named & ~findings.dropped),
        "display_name",
        "only the address was taken, not the name in front of it",
        drop=False,
    )
    for hint in find_hints(checked.addresses, findings.dropped):
        findings.add(hint.places, hint.rule, hint.messages, drop=False)
    if not len(texts) and not (table.problems or doubts):
        said = f"{table.name} has a header, but no rows"
        doubts = [Problem(None, None, "empty", said)]
    frame = _to_frame(table, names, checked.addresses, ~findings.dropped)
    return frame, findings.note(doubts), dict(zip(names, table.headers, strict=True))


def _within_calendar(table: Table) -> Table:
    """Take out the times that Python has none for; databases did so already."""
    columns: list[pa.ChunkedArray] = []
    problems = list(table.problems)
    for header, column in zip(table.headers, table.cells.columns, strict=True):
        kind = column.type
        if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            pairs = [within_calendar(chunk) for chunk in column.chunks]
            is_beyond = pa.chunked_array([beyond for _, beyond in pairs], pa.bool_())
            column = pa.chunked_array([times for times, _ in pairs], kind)
            if count := pc.sum(is_beyond).as_py():
                row = table.rows[pc.index(is_beyond, True).as_py()].as_py()
                said = (
                    f"{table.name}: column {visible(header)!r} has dates before the year 1 "
                    f"or after 9999, {_times(count)}, first in row {row:,}; they are read "
                    f"as missing"
                )
                problems.append(Problem(None, None, "date", said))
        columns.append(column)
    return replace(table, cells=numbered(columns), problems=tuple(problems))


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _note_faults(checked: Checked, findings: Findings) -> None:
    findings.add(np.flatnonzero(checked.missing), "missing", "no address")
    invalid = np.fromiter(checked.invalid, np.int64, len(checked.invalid))
    findings.add(invalid, "invalid", checked.invalid.values())


def _find_nuls(table: Table, names: Sequence[str], findings: Findings) -> None:
    for name, column in zip(names, table.cells.columns, strict=True):
        found = np.concatenate([_NO_ROWS, *map(_holds_nul, column.chunks)])
        places = np.flatnonzero(found & ~findings.dropped)
        findings.add(places, "nul", f"column {name!r} holds a NUL")


def _holds_nul(cells: pa.Array) -> Mask:
    if pa.types.is_dictionary(cells.type):
        hit = pa.array(_holds_nul(cells.dictionary))
        return to_mask(hit.take(cells.indices))
    if pa.types.is_large_string(cells.type):
        return to_mask(pc.match_substring(cells, "\0"))
    return np.zeros(len(cells), dtype=bool)


def _find_duplicates(addresses: pa.ChunkedArray, table: Table, findings: Findings) -> None:
    is_suspect = _may_be_again(addresses, findings.dropped)
    suspects = np.flatnonzero(is_suspect)
    alike = addresses.filter(pa.array(is_suspect)).combine_chunks()
    codes = _codes(comparison_key(alike))
    # Codes are given in order: the first of a kind is above all before it.
    highest = np.maximum.accumulate(np.concatenate([[-1], codes[:-1]]))
    is_again = codes <= highest[: len(codes)]
    if not is_again.any():
        return
    first = suspects[~is_again][codes[is_again]]
    rows = table.rows.take(pa.array(first)).cast(pa.large_string())
    rows = rows.combine_chunks() if isinstance(rows, pa.ChunkedArray) else rows
    before, behind, glue = (
        pa.scalar(text, pa.large_string()) for text in ("the address of row ", " again", "")
    )
    messages = pc.binary_join_element_wise(before, rows, behind, glue)
    findings.add(suspects[is_again], "duplicate", messages)


def _may_be_again(addresses: pa.ChunkedArray, dropped: Mask) -> Mask:
    """Tell which addresses share a short hash: all that are alike, and few besides."""
    hashes = [np.zeros(0, dtype=np.uint32)]
    for piece in pieces(addresses):
        keys = comparison_key(piece).to_numpy(zero_copy_only=False)
        numbers = np.fromiter(map(hash, keys), np.int64, len(keys))
        hashes.append(numbers.astype(np.uint32))
    of_all = np.concatenate(hashes)
    ordered = np.sort(of_all[~dropped])
    shared = pa.array(ordered[1:][ordered[1:] == ordered[:-1]])
    return to_mask(pc.is_in(pa.array(of_all), value_set=shared)) & ~dropped


def _codes(keys: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.asarray(keys.dictionary_encode().indices, dtype=np.int64)


def _to_frame(
    table: Table, names: Sequence[str], addresses: pa.ChunkedArray, kept: Mask
) -> pd.DataFrame:
    columns = dict(zip(names, table.cells.columns, strict=True))
    columns = {"email": addresses, **{k: v for k, v in columns.items() if k != "email"}}
    rows: dict[str, pd.Series] = {}
    is_kept = None if kept.all() else pa.array(kept)
    for name, column in columns.items():
        rows[name] = to_series(column if is_kept is None else column.filter(is_kept))
    rows["source"] = _sources(table, kept)
    numbers = np.asarray(table.rows.to_numpy(), dtype=np.int64)
    rows["source_row"] = pd.Series(
        numbers if is_kept is None else numbers[kept], copy=False
    )
    return pd.DataFrame(rows, index=range(int(kept.sum())), copy=False)


def _sources(table: Table, kept: Mask) -> pd.Series:
    if table.sources is not None:
        sources = to_series(table.sources).astype("category")
        return sources[kept].reset_index(drop=True)
    codes = np.zeros(int(kept.sum()), dtype=np.int8)
    names = pd.Index([table.name], dtype=TEXT)
    return pd.Series(pd.Categorical.from_codes(codes, categories=names))
