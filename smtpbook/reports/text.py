"""Text: a report as Markdown, its pictures in a folder beside it.

The folder is named as those of notebooks and of Quarto are: ``report.md`` has
``report_files/``.  Text from servers and lists stands there as text: no mark of Markdown
and no HTML in it acts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from smtpbook.reports.content import (
    Block,
    Content,
    Facts,
    Heading,
    Lines,
    Paragraph,
    Picture,
    Table,
    Tiles,
)
from smtpbook.reports.pictures import DPI
from smtpbook.wording import counted

_MAX_ROWS: Final = 50
# "Any ASCII punctuation character may be backslash-escaped" -- CommonMark 2.4.  Escaped
# is what would mean something, with GitHub's "$" for mathematics: reports are read as text,
# too.
_AT_THE_START: Final = re.compile(r"^(\s*)([#+=-])")
_ALWAYS: Final = re.compile(r"([\\`*_\[\]|~$<])|&(?=[#a-zA-Z])")


def write_text(content: Content, path: Path) -> None:
    """Write a report as Markdown; files that are there are replaced."""
    folder = path.with_name(f"{path.stem}_files")
    parts = [f"# {_escaped(content.title)}"]
    for section in content.sections:
        parts.append(f"## {_escaped(section.title)}")
        for block in section.blocks:
            parts += _block(block, folder)
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _block(block: Block, folder: Path) -> Iterator[str]:
    match block:
        case Paragraph(text=text, is_note=is_note):
            yield f"*{_escaped(text)}*" if is_note else _escaped(text)
        case Heading(text=text):
            yield f"### {_escaped(text)}"
        case Lines(text=text):
            longest = max(map(len, re.findall("`+", text)), default=0)
            fence = "`" * max(3, longest + 1)
            yield f"{fence}text\n{text}\n{fence}"
        case Tiles(counts=counts):
            rows = [(f"{one}", f"{n:,}", one.meaning) for one, n in counts]
            yield _grid(("state", "recipients", "meaning"), (False, True, False), rows)
        case Facts(rows=facts):
            yield "\n".join(f"- {_escaped(name)}: {_escaped(text)}" for name, text in facts)
        case Table():
            cells = [[cell.text for cell in row] for row in block.rows[:_MAX_ROWS]]
            yield _grid(block.heads, block.is_number, cells)
            if left_out := block.left_out + len(block.rows) - len(cells):
                yield f"*{counted(left_out, 'more row is', 'more rows are')} not shown.*"
        case Picture():
            folder.mkdir(exist_ok=True)
            block.figure.savefig(folder / f"{block.name}.png", dpi=DPI)
            yield f"![{_escaped(block.alt)}]({quote(folder.name)}/{block.name}.png)"


def _grid(
    heads: Sequence[str], is_number: Sequence[bool], rows: Iterable[Sequence[str]]
) -> str:
    rule = ("---:" if flag else "---" for flag in is_number)
    lines = [map(_escaped, heads), rule, *(map(_escaped, row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(text: str) -> str:
    r"""Make text mean nothing to Markdown.

    >>> print(_escaped("<b> & $x$ &amp; a_b | 2 - 1"))
    \<b> & \$x\$ \&amp; a\_b \| 2 - 1
    """
    text = _ALWAYS.sub(r"\\\g<0>", " ".join(text.split()))
    return _AT_THE_START.sub(r"\1\\\2", text)
