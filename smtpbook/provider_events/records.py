"""Records: lines of comma-separated values under a header line, whoever's they are.

Each line is read by itself, so that one with a quote too many costs no other.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Final

_MAX_COLUMNS: Final = 500
_QUOTES: Final = "\"'"


def cells_of(line: str) -> list[str]:
    """Give the cells of a line; none where it is no such line.

    >>> cells_of('d,"a, b",2')
    ['d', 'a, b', '2']
    """
    try:
        cells = next(csv.reader([line]), [])
    except csv.Error:
        return []
    return cells if len(cells) <= _MAX_COLUMNS else []


def named(header: list[str], cells: list[str]) -> Mapping[str, str]:
    """Give the cells that are not empty, by their column; nothing if they do not fit."""
    if len(cells) != len(header):
        return {}
    return {
        name: cell.strip() for name, cell in zip(header, cells, strict=True) if cell.strip()
    }


def size_of(cell: str | None) -> int | None:
    """Give the octets that a cell tells; null = it holds no such number.

    >>> size_of("2048"), size_of("2 kB"), size_of(None)
    (2048, None, None)
    """
    is_number = cell is not None and cell.isascii() and cell.isdigit() and len(cell) < 16
    return int(cell or "") if is_number else None


def plain(name: str) -> str:
    """Give a column's name without what spellings of it differ in.

    >>> plain("Sender Address"), plain("sender_address"), plain("sender-address")
    ('senderaddress', 'senderaddress', 'senderaddress')
    """
    kept = (char for char in name.strip(_QUOTES).lower() if char.isalnum())
    return "".join(kept)
