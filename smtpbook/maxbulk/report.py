"""The fidelity report: what was found in a template or document, and how it was read.

A note is data; this module also shows a list of them in a terminal and in a notebook.
What was found is foreign text and is shown only through `smtpbook.escape`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from smtpbook.escape import to_html, visible

Kind: TypeAlias = Literal["exact", "assumed", "not understood"]

_SHOWN: Final = 100  # notes; all of them are in `.notes`
_FOUND_CHARS: Final = 70
_WIDTH: Final = 80
_INDENT: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """How one thing was read.

    Attributes
    ----------
    line : int, from 1
        Where it stands first.
    found : str
        What stands there, as it is written.
    meaning : str
        How it was read.
    kind : {"exact", "assumed", "not understood"}
        As documented; as it was taken, for the maker does not say; or left as it was.
    times : int, from 1
        How often the same is so.
    """

    line: int
    found: str
    meaning: str
    kind: Kind
    times: int = 1


class Notes:
    """Collects notes; what is noted again under the same key only counts."""

    def __init__(self) -> None:
        self._notes: dict[object, Note] = {}

    def add(self, key: object, kind: Kind, line: int, found: str, meaning: str) -> None:
        """Take a note down, or count it when its key is known."""
        known = self._notes.get(key)
        self._notes[key] = (
            replace(known, times=known.times + 1)
            if known
            else Note(line=line, found=found, meaning=meaning, kind=kind)
        )

    def in_order(self) -> tuple[Note, ...]:
        """Give the notes by line."""
        return tuple(sorted(self._notes.values(), key=lambda note: note.line))


def _rows(notes: Sequence[Note]) -> Iterator[tuple[str, str, str, str]]:
    """Give line, kind, what was found and how it was read; none of it escaped yet."""
    for note in notes[:_SHOWN]:
        more = f" (and {note.times - 1:,} more)" if note.times > 1 else ""
        found = note.found
        if len(found) > _FOUND_CHARS:
            found = found[: _FOUND_CHARS - 1] + "…"
        yield str(note.line), note.kind, found + more, note.meaning
    if len(notes) > _SHOWN:
        yield "", "", "…", f"{len(notes) - _SHOWN:,} more, all in .notes"


def as_text(head: str, notes: Sequence[Note]) -> str:
    """Lay a head and its notes out for a terminal."""
    lines = [
        visible(head, newlines=True),
        "",
        "  line  how             found: how it was read",
    ]
    for line, kind, found, meaning in _rows(notes):
        lines.append(
            textwrap.fill(
                visible(f"{found}: {meaning}"),
                _WIDTH,
                initial_indent=f"  {line:>4}  {kind:<{_INDENT - 8}}",
                subsequent_indent=" " * _INDENT,
            )
        )
    return "\n".join(lines)


def as_html(head: str, notes: Sequence[Note]) -> str:
    """Lay a head and its notes out for a notebook."""
    left = "text-align: left; vertical-align: top"
    titles = "".join(
        f'<th scope="col" style="{left}">{title}</th>'
        for title in ("line", "how", "found", "how it was read")
    )
    rows = "".join(
        "<tr>"
        + "".join(f'<td style="{left}">{to_html(cell)}</td>' for cell in row)
        + "</tr>"
        for row in _rows(notes)
    )
    # A colour of our own would vanish in one of the themes.
    return (
        '<div style="color: var(--jp-content-font-color1, CanvasText)">'
        f'<pre style="color: inherit; white-space: pre-wrap">'
        f"{to_html(head, newlines=True)}</pre>"
        f'<table style="color: inherit"><thead><tr>{titles}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
