"""Columns: their names as template fields, and which of them holds the addresses.

A field's name is the header in lower case with every run of other characters turned into
one underscore (``First Name`` → ``first_name``), so that ``{{ first_name }}`` and
``where("first_name == 'Ann'")`` can name it.  Nothing here looks at a single address.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import pyarrow as pa

from smtpbook.errors import RecipientsError, near_miss
from smtpbook.escape import visible
from smtpbook.sources.frames import PROVENANCE
from smtpbook.table import Problem, Table, numbered, text_table

# Names that Python's grammar (where) or Jinja2's (templates) keeps for itself.
_RESERVED: Final = frozenset({*keyword.kwlist, "true", "false", "none"})
_NAMED: Final = re.compile(
    "mail|address|adresse|courriel|correo|indirizzo|メール|邮箱|почта|البريد"
)
_SHAPE: Final = re.compile(r"\s*[^\s@]+@[^\s@]+\s*")
_SAMPLE: Final = 1000  # cells that a column is judged by


def to_field_name(header: str) -> str:
    """Turn a header into a name usable in templates and expressions; "" if none is left.

    >>> [to_field_name(header) for header in ("First Name", "E-Mail", "2nd", "class")]
    ['first_name', 'e_mail', '_2nd', 'class_']
    """
    text = unicodedata.normalize("NFKC", header).lower()
    kept = (char if f"_{char}".isidentifier() else " " for char in text)
    name = "_".join("".join(kept).replace("_", " ").split())
    if name in _RESERVED:
        return f"{name}_"
    return name if not name or name.isidentifier() else f"_{name}"


def name_columns(table: Table, address: str | None) -> tuple[list[str], list[Problem]]:
    """Name a table's columns; the one with the addresses is called ``email``.

    Parameters
    ----------
    table : Table
        What a source gave.
    address : str, optional
        The header or the field name of the column with the addresses.  Default: the only
        one whose name says so and which holds some, or which holds mostly addresses.

    Returns
    -------
    names : list of str
        One per column, all different, none of them ``source`` or ``source_row``.
    problems : list of Problem
        Columns that had no name, or one already taken.

    Raises
    ------
    RecipientsError
        `address` names no column; or none, or several, may hold the addresses.
    """
    _refuse_missing_header(table)
    plain = [to_field_name(header) for header in table.headers]
    chosen = _address_column(table, plain, address)
    taken = {*PROVENANCE, "email"}
    names: list[str] = []
    problems: list[Problem] = []
    for number, (header, name) in enumerate(zip(table.headers, plain, strict=True)):
        free = "email" if number == chosen else _free(name or f"column_{number + 1}", taken)
        taken.add(free)
        names.append(free)
        if number != chosen and free != name:
            what = f"{_shown([header])}, a name already taken" if name else "without a name"
            message = f"{table.name}: column {number + 1}, {what}, is called {free!r}"
            problems.append(Problem(None, None, "header", message))
    return names, problems


def without_header(table: Table) -> Table:
    """Give a table whose first line holds an address with that line as its first row."""
    if not any(_SHAPE.fullmatch(header) for header in table.headers):
        return table
    first = text_table([header] for header in table.headers)
    cells = [column.cast(pa.large_string()) for column in table.cells.columns]
    rows = pa.chunked_array([[1], *_chunks(table.rows)], pa.int64())
    is_address = [_SHAPE.fullmatch(header) is not None for header in table.headers]
    return replace(
        table,
        headers=tuple(
            "email" if is_address.index(True) == number else f"column_{number + 1}"
            for number in range(len(is_address))
        ),
        cells=pa.concat_tables([first, numbered(cells)]),
        rows=rows,
        sources=None,
    )


def _chunks(rows: pa.Array | pa.ChunkedArray) -> list[pa.Array]:
    return rows.chunks if isinstance(rows, pa.ChunkedArray) else [rows]


def _refuse_missing_header(table: Table) -> None:
    for header in table.headers:
        if _SHAPE.fullmatch(header):
            raise RecipientsError(
                f"{table.name} has no header: its first line holds the address "
                f"{_shown([header])}; put a line such as email,first_name above it"
            )


def _address_column(table: Table, names: Sequence[str], address: str | None) -> int:
    listed = f"{table.name} (columns: {_shown(table.headers)})"
    if address is not None:
        for known in (table.headers, names):
            if address in known:
                return list(known).index(address)
        hint = near_miss(address, [*table.headers, *names])
        raise RecipientsError(f"column {address!r} not found in {listed}{hint}")
    shares = [_share_of_addresses(column) for column in table.cells.columns]
    named = [number for number, name in enumerate(names) if _NAMED.search(name)]
    candidates = [
        number
        for number, share in enumerate(shares)
        if share > 0.5 or (share > 0 and number in named)
    ] or named
    if len(candidates) > 1:  # one that both its name and its cells speak for
        sure = [one for one in candidates if one in named]
        candidates = sure if len(sure) == 1 and shares[sure[0]] > 0.5 else candidates
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise RecipientsError(
            f"no column holds addresses in {listed}; name it: address='…'"
        )
    several = [table.headers[number] or names[number] for number in candidates]
    raise RecipientsError(
        f"several columns of {table.name} may hold the addresses: {_shown(several)}; "
        f"say which: address={several[0]!r}"
    )


def _share_of_addresses(column: pa.ChunkedArray) -> float:
    sample = column.drop_null().slice(0, _SAMPLE).to_pylist()
    found = sum(_SHAPE.fullmatch(str(cell)) is not None for cell in sample)
    return found / len(sample) if found else 0.0


def _free(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _shown(headers: Iterable[str]) -> str:
    return visible(", ".join(repr(header) for header in headers), max_chars=300)
