"""Page: a report as one HTML file that needs no other.

Charts are part of it, in the ink and on the paper of its light or dark theme.  There is no
address in it that is fetched, and the only script that runs is the one below, which sorts
tables; without it they are read as they stand.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Final

from smtpbook.escape import to_html
from smtpbook.reports.content import (
    Block,
    Cell,
    Content,
    Facts,
    Heading,
    Lines,
    Paragraph,
    Picture,
    Section,
    Table,
    Tiles,
)
from smtpbook.svg import to_svg
from smtpbook.wording import counted

_CSS: Final = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #ffffff; --line: #d5d5d5;
  --shade: #f5f5f5; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --paper: #16181b; --line: #44484d; --shade: #1f2226; }
}
body { color: var(--ink); background: var(--paper); font: 15px/1.5 system-ui, sans-serif;
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th.number, td.number { text-align: right; white-space: nowrap; }
thead th { position: sticky; top: 0; background: var(--paper); }
th button { all: unset; cursor: pointer; }
th button:focus-visible { outline: 2px solid #56B4E9; outline-offset: 2px; }
th button::after { content: " ↕"; opacity: .35; }
th[aria-sort=ascending] button::after { content: " ↑"; opacity: 1; }
th[aria-sort=descending] button::after { content: " ↓"; opacity: 1; }
.scroll { overflow: auto; max-height: 32rem; }
.scroll td { overflow-wrap: break-word; max-width: 24rem; }
.facts { border-left: .25rem solid; padding-left: .75rem; max-width: 52rem; }
.facts.plain { border: 0; padding: 0; }
.facts th { font-weight: normal; opacity: .75; white-space: nowrap; }
.facts th, .facts td { border: 0; }
pre { background: var(--shade); padding: .6rem .8rem; overflow-x: auto; font-size: .85em;
  line-height: 1.35; }
.tiles { display: flex; flex-wrap: wrap; gap: .8rem; padding: 0; list-style: none; }
.tiles li { border: 1px solid var(--line); border-left: .4rem solid; padding: .3rem .9rem; }
.tiles b { display: block; font-size: 1.4rem; }
.tiles small { display: block; max-width: 12rem; opacity: .75; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: 0; list-style: none; }
nav a { color: inherit; }
svg { max-width: 100%; height: auto; }
figure { margin: 1rem 0; }
.note { opacity: .75; font-size: .9rem; }
@media print { .scroll { max-height: none; } nav, th button::after { display: none; } }
"""
# A cell without a key comes last, whichever way its column is sorted.
_SCRIPT: Final = """
for (const table of document.querySelectorAll(".scroll table")) {
  const heads = Array.from(table.tHead.rows[0].cells);
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const was = head.getAttribute("aria-sort");
      const first = head.className === "number" ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const way = was === first ? other : first;
      heads.forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", way);
      const key = (row) => row.cells[column].dataset.key;
      const sign = way === "ascending" ? 1 : -1;
      const rows = Array.from(table.tBodies[0].rows);
      rows.sort((one, two) => {
        const a = key(one), b = key(two);
        if (a === undefined || b === undefined) {
          return (a === undefined) - (b === undefined);
        }
        const difference = Number(a) - Number(b);
        return sign * (Number.isNaN(difference) ? a.localeCompare(b) : difference);
      });
      table.tBodies[0].append(...rows);
    });
  });
}
"""
_HASH: Final = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
# Even if something foreign slipped through: nothing else is run, nothing is fetched.
_POLICY: Final = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    f"script-src 'sha256-{_HASH}'"
)


def write_page(content: Content, path: Path) -> None:
    """Write a report as HTML; a file that is there is replaced."""
    title = to_html(content.title)
    links = "".join(
        f'<li><a href="#{_anchor(one)}">{to_html(one.title)}</a></li>'
        for one in content.sections
    )
    body = "\n".join(map(_section, content.sections))
    path.write_text(
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{title}</title>\n<style>{_CSS}</style>\n</head>\n"
        f"<body>\n<h1>{title}</h1>\n<nav><ul>{links}</ul></nav>\n{body}\n"
        f"<script>{_SCRIPT}</script>\n</body>\n</html>\n",
        encoding="utf-8",
    )


def _section(section: Section) -> str:
    blocks = "\n".join(map(_block, section.blocks))
    anchor = _anchor(section)
    return f'<section><h2 id="{anchor}">{to_html(section.title)}</h2>\n{blocks}</section>'


def _anchor(section: Section) -> str:
    return section.title.lower().replace(" ", "-")


def _block(block: Block) -> str:
    match block:
        case Paragraph(text=text, is_note=is_note):
            look = ' class="note"' if is_note else ""
            return f"<p{look}>{to_html(text)}</p>"
        case Heading(text=text):
            return f"<h3>{to_html(text)}</h3>"
        case Lines(text=text):
            # Who has no mouse scrolls what has the focus.
            return f'<pre tabindex="0">{to_html(text, newlines=True)}</pre>'
        case Tiles():
            return _tiles(block)
        case Facts():
            return _facts(block)
        case Table():
            return _table(block)
        case Picture():
            return _figure(block)


def _tiles(tiles: Tiles) -> str:
    each = "".join(
        f'<li style="border-left-color: {one.color}"><b>{n:,}</b>'
        f'<span title="{to_html(one.meaning)}"><span aria-hidden="true">{one.icon}</span> '
        f"{to_html(one.word)}</span><small>{to_html(one.meaning)}</small></li>"
        for one, n in tiles.counts
    )
    return f'<ul class="tiles">{each}</ul>'


def _facts(facts: Facts) -> str:
    rows = "".join(
        f'<tr><th scope="row">{to_html(label)}</th><td>{to_html(text)}</td></tr>'
        for label, text in facts.rows
    )
    look = (
        f'class="facts" style="border-color: {facts.color}"'
        if facts.color
        else 'class="facts plain"'
    )
    return f"<div {look}><table><tbody>{rows}</tbody></table></div>"


def _table(table: Table) -> str:
    classes = [' class="number"' if flag else "" for flag in table.is_number]
    head = "".join(
        f'<th scope="col"{class_}>{to_html(name)}</th>'
        for class_, name in zip(classes, table.heads, strict=True)
    )
    rows = "".join(f"<tr>{''.join(map(_cell, classes, row))}</tr>\n" for row in table.rows)
    more = counted(table.left_out, "more row is", "more rows are")
    note = f'<p class="note">{more} not shown.</p>' if table.left_out else ""
    return (
        f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{rows}</tbody></table></div>{note}"
    )


def _cell(class_: str, cell: Cell) -> str:
    key = "" if cell.key is None else f' data-key="{to_html(str(cell.key))}"'
    return f"<td{class_}{key}>{to_html(cell.text)}</td>"


def _figure(picture: Picture) -> str:
    drawn = to_svg(
        picture.figure, ink="var(--ink)", paper="var(--paper)", name=picture.name
    )
    return f'<figure role="img" aria-label="{to_html(picture.alt)}">{drawn}</figure>'
