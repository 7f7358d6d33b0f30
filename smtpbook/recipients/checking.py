"""Checking: which rows of a table can be written to, and what is wrong with the others.

A row needs one address, not met before, and no NUL in any cell.  What an address is,
`syntax` says; what is odd about one, `hints`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from smtpbook.recipients.cells import to_series
from smtpbook.recipients.columns import name_columns
from smtpbook.recipients.hints import find_hints
from smtpbook.recipients.problems import Findings, Note
from smtpbook.recipients.syntax import Checked, check_column, comparison_key, to_mask
from smtpbook.table import TEXT, Problem, Table


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
    names, doubts = name_columns(table, address)
    texts = table.cells.column(names.index("email")).cast(pa.large_string())
    findings = Findings(table, texts)
    checked = check_column(texts)
    _note_faults(checked, findings)
    _find_nuls(table, names, findings)
    _find_duplicates(checked.addresses, table, findings)
    none = pa.scalar(None, pa.large_string())
    good = pc.replace_with_mask(checked.addresses, pa.array(findings.dropped), none)
    findings.add(
        np.flatnonzero(checked.named & ~findings.dropped),
        "display_name",
        "only the address was taken, not the name in front of it",
        drop=False,
    )
    for hint in find_hints(good):
        findings.add(hint.places, hint.rule, hint.messages, drop=False)
    if not len(texts) and not (table.problems or doubts):
        said = f"{table.name} has a header, but no rows"
        doubts = [Problem(None, None, "empty", said)]
    frame = _to_frame(table, names, checked.addresses, ~findings.dropped)
    return frame, findings.note(doubts), dict(zip(names, table.headers, strict=True))


def _note_faults(checked: Checked, findings: Findings) -> None:
    findings.add(np.flatnonzero(checked.missing), "missing", "no address")
    invalid = np.fromiter(checked.invalid, np.int64, len(checked.invalid))
    findings.add(invalid, "invalid", checked.invalid.values())


def _find_nuls(table: Table, names: Sequence[str], findings: Findings) -> None:
    for name, column in zip(names, table.cells.columns, strict=True):
        if pa.types.is_large_string(column.type):
            found = to_mask(pc.match_substring(column, "\0")) & ~findings.dropped
            findings.add(np.flatnonzero(found), "nul", f"column {name!r} holds a NUL")


def _find_duplicates(addresses: pa.Array, table: Table, findings: Findings) -> None:
    good = np.flatnonzero(~findings.dropped)
    codes = _codes(comparison_key(addresses.take(pa.array(good))))
    # Codes are given in order: the first of a kind is above all before it.
    highest = np.maximum.accumulate(np.concatenate([[-1], codes[:-1]]))
    is_again = codes <= highest[: len(codes)]
    if not is_again.any():
        return
    first = good[~is_again][codes[is_again]]
    rows = table.rows.take(pa.array(first)).cast(pa.large_string())
    rows = rows.combine_chunks() if isinstance(rows, pa.ChunkedArray) else rows
    before, behind, glue = (
        pa.scalar(text, pa.large_string()) for text in ("the address of row ", " again", "")
    )
    messages = pc.binary_join_element_wise(before, rows, behind, glue)
    findings.add(good[is_again], "duplicate", messages)


def _codes(keys: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.asarray(keys.dictionary_encode().indices, dtype=np.int64)


def _to_frame(
    table: Table, names: Sequence[str], addresses: pa.Array, kept: np.ndarray
) -> pd.DataFrame:
    columns = dict(zip(names, table.cells.columns, strict=True))
    columns = {"email": addresses, **{k: v for k, v in columns.items() if k != "email"}}
    rows: dict[str, pd.Series] = {}
    is_kept = None if kept.all() else pa.array(kept)
    for name, column in columns.items():
        rows[name] = to_series(column if is_kept is None else column.filter(is_kept))
    count = int(kept.sum())
    frame = pd.DataFrame(rows, index=range(count))
    if table.sources is None:
        names_ = pd.Index([table.name], dtype=TEXT)
        codes = np.zeros(count, dtype=np.int8)
        frame["source"] = pd.Categorical.from_codes(codes, categories=names_)
    else:
        source = to_series(table.sources).astype("category")
        frame["source"] = source[kept].reset_index(drop=True)
    frame["source_row"] = np.asarray(table.rows.to_numpy(), dtype=np.int64)[kept]
    return frame
