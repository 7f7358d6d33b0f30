"""Header: which of a table's first rows names its columns.

Exports and people put titles, dates and groups of columns above it; a table without any
has it in its first row.  What the names mean is decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from smtpbook.escape import visible
from smtpbook.sources.cells import to_text

HEAD: Final = 50  # rows among which it is looked for
_SHOWN: Final = 9
_ADDRESS: Final = re.compile(r"\s*[^\s@]+@[^\s@]+\s*")
# What a column of addresses is called, and a title seldom is.
_NAMED: Final = re.compile(
    r"e-?mail|courriel|messagerie|électronique|correo|posta elettronica"
    r"|メール|邮箱|почта|البريد",
    re.IGNORECASE,
)


def find_header(rows: Sequence[Sequence[Any]]) -> int:
    """Give the place of the header among the first rows.

    It is the first row above the first address that has a name for it, or else the first
    one there; but one that fills more than half as many cells as any row up to the address:
    titles and groups of columns fill few.  Without an address, or such a row, it is the
    first row of all.

    >>> find_header([["Members"], ["name", "email"], ["Ann", "ann@x.org"]])
    1
    """
    with_address = (
        place for place, row in enumerate(rows) if any(is_address(cell) for cell in row)
    )
    end = next(with_address, 0)
    fullest = max(map(_filled, rows[: end + 1]), default=0)
    full = [place for place in range(end) if 2 * _filled(rows[place]) > fullest]
    named = (place for place in full if any(_is_named(cell) for cell in rows[place]))
    return next(named, full[0] if full else 0)


def title_message(place: str, cells: Sequence[Any]) -> str:
    """Say that a row above the header was left out."""
    return f"{place} ({shown(cells)}), above the header, left out"


def is_address(cell: object) -> bool:
    """Tell whether a cell looks like an address."""
    return isinstance(cell, str) and _ADDRESS.fullmatch(cell) is not None


def is_blank(cell: object) -> bool:
    """Tell whether a cell holds nothing, or white space alone."""
    return isinstance(cell, str) and not cell.strip()


def shown(cells: Sequence[Any]) -> str:
    """Show the first cells that hold something."""
    filled = [to_text(cell).strip() for cell in cells if not is_blank(cell)]
    text = ", ".join(repr(visible(cell, max_chars=40)) for cell in filled[:_SHOWN])
    return f"{text}, …" if len(filled) > _SHOWN else text


def _filled(row: Sequence[Any]) -> int:
    return sum(not is_blank(cell) for cell in row)


def _is_named(cell: object) -> bool:
    return isinstance(cell, str) and _NAMED.search(cell) is not None
