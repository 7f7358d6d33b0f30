"""Tables and lists of the command line: plain text, aligned, within eighty columns.

Every cell may be a stranger's, so all of them pass through `escape.visible`.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from smtpbook.escape import visible
from smtpbook.states import state

WIDTH: Final = 80
_MAX_CELL: Final = 40  # characters of a cell that is not the last of its row
_MIN_LAST: Final = 24
_LABEL: Final = 14


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Put rows below headers; numbers stand right, the last column is wrapped.

    >>> print(table(["name", "n", "about"], [["ann", 1200, "a reader"], ["bob", None, ""]]))
    name      n  about
    ann   1,200  a reader
    bob
    """
    given = [list(row) for row in rows]
    cells = [list(headers), *([_text(cell) for cell in row] for row in given)]
    last = len(headers) - 1
    for line in cells:
        line[:last] = [visible(cell, max_chars=_MAX_CELL) for cell in line[:last]]
    widths = [max(len(line[place]) for line in cells) for place in range(last)]
    is_number = [any(_is_number(row[place]) for row in given) for place in range(last)]
    shown = []
    for line in cells:
        head = "".join(
            f"{cell:>{width}}  " if right else f"{cell:<{width}}  "
            for cell, width, right in zip(line, widths, is_number, strict=False)
        )
        shown.append(_wrapped(head, line[last]))
    return "\n".join(shown)


def labelled(pairs: Iterable[tuple[str, object]]) -> str:
    """Put labels before texts, wrapped; what is None is left out.

    >>> print(labelled([("server", "mx.example"), ("login", None)]))
    server        mx.example
    """
    return "\n".join(
        _wrapped(f"{label:<{_LABEL}}", _text(text))
        for label, text in pairs
        if text is not None
    )


def shown(name: str) -> str:
    """Give a state with its icon, or its word alone where the output cannot have that."""
    one = state(name)
    try:
        str(one).encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return one.word
    return str(one)


def _wrapped(head: str, text: str) -> str:
    width = max(WIDTH - len(head), _MIN_LAST)
    lines = list(_lines(visible(text, newlines=True), width)) or [""]
    return "\n".join(
        (head if number == 0 else " " * len(head)) + line
        for number, line in enumerate(lines)
    ).rstrip()


def _lines(text: str, width: int) -> Iterator[str]:
    for line in text.split("\n"):
        yield from textwrap.wrap(
            line, width, break_long_words=False, break_on_hyphens=False
        ) or [""]


def _text(cell: object) -> str:
    if cell is None:
        return ""
    return f"{cell:,}" if _is_number(cell) else str(cell)


def _is_number(cell: object) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)
