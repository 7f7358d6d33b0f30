"""Plain text out of HTML: what a reader without HTML would be shown.

Blocks become paragraphs, links carry their targets, what is hidden stays hidden.  Jinja2's
tags keep their places, so that a template is turned into text once and not each recipient's
copy of it.  Stylesheets are not read: an element is hidden by its own style alone (see
`css.inline_css`).  Lines are as long as their paragraphs; `flowed` breaks those.
"""

from __future__ import annotations

import re
from html import unescape
from typing import Final

from smtpbook.bodies.markup import VOID, Token, tokens, values
from smtpbook.bodies.tags import Protected, Tag, nothing_to_protect, protect

# Line breaks an element asks for before and after itself; 2 leave a blank line.
_BREAKS: Final = {
    **dict.fromkeys(("p", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "blockquote"), 2),
    **dict.fromkeys(("ul", "ol", "dl", "pre", "table"), 2),
    **dict.fromkeys(("div", "section", "article", "header", "footer", "main", "nav"), 1),
    **dict.fromkeys(("aside", "address", "center", "figure", "figcaption", "form"), 1),
    **dict.fromkeys(("fieldset", "legend", "caption", "details", "summary", "body"), 1),
    **dict.fromkeys(("li", "dt", "dd", "tr"), 1),
}
_NESTED: Final = frozenset(
    ("ul", "ol", "li", "dl", "dd", "blockquote", "pre", "table", "tr")
)
_LISTS: Final = frozenset({"ul", "ol"})
_NOT_SHOWN: Final = frozenset({"svg", "math", "template", "object", "select"})
# As mail's preview texts are hidden, and what senders hide from small screens.
_HIDING: Final = re.compile(
    r"(?:display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all"
    r"|(?:max-height|opacity)\s*:\s*0(?:px)?)\s*(?:!\s*important\s*)?(?:;|\Z)",
    re.IGNORECASE,
)
_BLANKS: Final = re.compile(r"[\t\n\f\r ]+")
_INVISIBLE: Final = re.compile("[\xad\u034f\u200b\u2060\ufeff]|\u200c(?=[\xa0 \u200c]|\\Z)")
_ENDS: Final = re.compile(r"[ \xa0]+(?=\n|\Z)")
_QUOTED: Final = re.compile(r">[> ]*+")
_WIDTH: Final = 78  # RFC 3676 section 4.2, the soft break's blank included
_MAX_DEPTH: Final = 60  # open elements that are remembered
_MAX_INDENT: Final = 8  # of them, those that indent or quote a line


def html_to_text(html: str, *, finished: bool = False) -> str:
    """Turn HTML into plain text that reads well.

    Parameters
    ----------
    html : str
        A document or a fragment, well formed or not: a Jinja2 source.
    finished : bool
        It is no Jinja2 source, so braces are text.

    Returns
    -------
    str
        A Jinja2 source (unless `finished`) with the same tags in the same order.  No blank
        at the end of a line, no line break at the end.  After a ``{% for %}`` or
        ``{% if %}`` at the very start, what is rendered can begin with blank lines.

    Examples
    --------
    >>> print(html_to_text("<h1>Hi {{ name }}</h1><ul><li>a<li><a href='/b'>b</a></ul>"))
    Hi {{ name }}
    <BLANKLINE>
    - a
    - b (/b)
    """
    protected = nothing_to_protect(html) if finished else protect(html)
    writer = _Writer(protected)
    writer.read()
    text = _ENDS.sub("", "".join(writer.out))
    return text if finished else protected.restore_text(text)


def flowed(text: str) -> str:
    r"""Break long lines softly, so that readers may flow them to their own width.

    Parameters
    ----------
    text : str
        Finished text; each line is a paragraph.  A line that begins with ``>`` is a
        quotation.  Any line ends.

    Returns
    -------
    str
        Lines of 78 characters at most where blanks allow it, for a part declared as
        ``text/plain; format=flowed`` (DelSp is not used).  Blanks at the ends of
        paragraphs are gone, but for the signature's separator ``"-- "``.

    References
    ----------
    RFC 3676 section 4.2 (generating), 4.3 (signatures), 4.4 (space-stuffing), 4.5
    (quoting).

    Examples
    --------
    >>> flowed("> From here\n>> there\nFrom Ann")
    '> From here\n>> there\n From Ann'
    """
    lines: list[str] = []
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        marks = ""
        if line.startswith(">") and (quoted := _QUOTED.match(line)):
            depth = quoted[0].count(">")
            marks = ">" * depth
            # One blank behind the last mark belongs to the quotation.
            line = line[quoted[0].rindex(">") + 1 :].removeprefix(" ")
        # "-- " is a fixed line (section 4.3).
        line = line if line == "-- " else line.rstrip(" ")
        if len(line) + len(marks) < _WIDTH:
            lines.append(_stuffed(marks, line))
        else:
            lines += _soft_lines(marks, line)
    return "\n".join(lines)


def _soft_lines(marks: str, line: str) -> list[str]:
    width = max(_WIDTH - len(marks) - 1, 20)  # 1: space-stuffing
    lines = []
    start, end = 0, len(line)
    indent = end - len(line.lstrip(" "))
    while end - start > width:
        cut = line.rfind(" ", max(start, indent), start + width) + 1
        if not cut:  # one word wider than the line
            cut = line.find(" ", max(start + width, indent)) + 1 or end
        while line.startswith(" ", cut):
            cut += 1
        if cut == end:
            break
        # "-- " on a line of its own would be the signature's separator.
        if line[start:cut] == "-- ":
            cut = line.find(" ", cut) + 1 or end
            if cut == end:
                break
            while line.startswith(" ", cut):
                cut += 1
        lines.append(_stuffed(marks, line[start:cut]))
        start = cut
    return [*lines, _stuffed(marks, line[start:])]


def _stuffed(marks: str, line: str) -> str:
    if line and (marks or line.startswith((" ", ">", "From "))):
        return f"{marks} {line}"
    return marks + line


class _Open:
    """An element whose end matters."""

    __slots__ = ("first", "heads", "name", "number", "rest")

    def __init__(self, name: str, first: str = "", rest: str = "") -> None:
        self.name = name
        self.first = first  # what its next line begins with: a list item's mark
        self.rest = rest  # what its other lines begin with
        self.number: int | None = None  # the next item's
        self.heads = False  # a table: it has header cells; a row: it has a cell


class _Writer:
    """Text on its way out; breaks and blanks wait until something follows them."""

    def __init__(self, protected: Protected) -> None:
        self.out: list[str] = []
        self._source = protected
        self._open: list[_Open] = []
        self._count: dict[str, int] = {}
        self._quotes = 0  # that have gone on since the last text
        self._breaks = 0
        self._lines = 0  # what <br> asked for
        self._blank = False
        self._at_start = True  # of a line
        self._fresh = False  # the line break is out
        self._cell = ""  # the border between two cells
        self._edge = False  # nothing yet in a cell whose row stays on one line
        self._link: tuple[str, int] | None = None
        self._hidden: tuple[str, int] | None = None
        self._outer: tuple[int, int] | None = None  # where before a loop, how many breaks
        self._loops: list[bool] = []  # of each open one: does it begin within a line?

    def read(self) -> None:
        html = self._source.text
        pieces: list[tuple[Token | Tag, str]] = []
        for token in tokens(html):
            if token.kind != "text":
                pieces.append((token, ""))
                continue
            parts = self._source.word.split(html[token.start : token.stop])
            for index, part in enumerate(parts):
                if index % 2:
                    tag = self._source.tags[int(part)]
                    pieces.append((tag, self._word(int(part))))
                elif part:
                    pieces.append((token, part))
        within_line = self._followed_within_line(pieces)
        for (piece, text), within in zip(pieces, within_line, strict=True):
            if isinstance(piece, Tag):
                self._tag(piece, text, within)
            elif self._hidden:
                self._skip(piece)
            elif piece.kind == "start":
                self._start(piece, values(html, piece))
            elif piece.kind == "end":
                self._end(piece.name)
            elif piece.kind == "text":
                self._text(text)

    def _word(self, number: int) -> str:
        return self._source.word.pattern.replace(r"(\d+)", str(number))

    @staticmethod
    def _followed_within_line(pieces: list[tuple[Token | Tag, str]]) -> list[bool]:
        """Say for each piece whether text follows before the next block's edge."""
        found: list[bool] = []
        follows = False
        for piece, text in reversed(pieces):
            found.append(follows)
            if isinstance(piece, Tag):
                follows = follows or piece.kind == "expression"
            elif piece.kind == "text":
                follows = follows or bool(text.strip())
            elif piece.name in ("img", "br"):
                follows = True
            elif piece.name in _BREAKS or piece.name in ("td", "th"):
                follows = False
        return found[::-1]

    # --- what comes in ---------------------------------------------------------------

    def _tag(self, tag: Tag, word: str, within_line: bool) -> None:
        if self._hidden:
            return  # what is hidden loses its tags too, statements in pairs
        if tag.kind == "expression":
            self._put(word)
            return
        keyword = tag.keyword
        closes = keyword.startswith("end") or keyword in ("else", "elif")
        in_row = bool(self._open) and self._open[-1].name == "tr"
        began_within = False
        if keyword == "endfor" and self._loops:
            began_within = self._loops.pop()
        if self._breaks:
            # A break stands before a tag when the line it opens goes on behind the tag,
            # else behind it: a paragraph under {% if %} brings its own break.
            if began_within or in_row or (within_line and not closes):
                self._break()
        elif self._lines:
            self._break()
        elif self._blank:
            self._blank = False
            if not self._at_start:
                self.out.append(" ")
        if keyword == "for":
            self._loops.append(not self._breaks and not in_row)
            if self._breaks:
                # What the loop's surroundings ask for is asked for once.
                if self.out:
                    self._outer = (len(self.out), self._breaks)
                    self.out.append("")
                self._breaks = 1
            if self._open and self._open[-1].name == "ol":
                self._open[-1].number = None  # how often it runs is not known
        if in_row:
            self._open[-1].heads = True
        self.out.append(word)

    def _text(self, text: str) -> None:
        text = _INVISIBLE.sub("", unescape(text))
        if self._count.get("pre"):
            for number, line in enumerate(re.split(r"\r\n|[\r\n]", text)):
                if number:
                    self._line()
                if line:
                    self._put(line)
            return
        text = _BLANKS.sub(" ", text)
        words = text.strip(" ")
        self._blank = self._blank or text.startswith(" ")
        begins = self._at_start or self._breaks or self._lines
        if words and not (begins and not words.strip("\xa0")):
            self._put(words.replace("\xa0", " "))
            self._blank = text.endswith(" ")

    def _start(self, token: Token, attributes: dict[str, str]) -> None:
        name = token.name
        if name in _NOT_SHOWN or self._is_hidden(attributes):
            if name not in VOID:
                self._hidden = (name, 1)
            return
        if name == "br":
            self._line()
        elif name == "img":
            self._image(attributes.get("alt", ""))
        elif name == "a":
            self._end_link()
            self._link = (attributes.get("href", "").strip(), len(self.out))
        elif name in ("td", "th"):
            self._start_cell(name)
        if name in ("li", "dt", "dd", "tr"):
            self._close_open("dd" if name == "dt" else name)
        self._leave_cell(name)
        self._ask(name)
        if name == "hr":
            self._put("-" * 40)
            self._ask(name)
        if name in _NESTED and len(self._open) < _MAX_DEPTH:
            self._push(name, attributes)

    @staticmethod
    def _is_hidden(attributes: dict[str, str]) -> bool:
        style = attributes.get("style", "")
        return "hidden" in attributes or bool(style and _HIDING.search(style))

    def _skip(self, token: Token) -> None:
        assert self._hidden is not None
        name, depth = self._hidden
        if token.name != name or token.kind not in ("start", "end"):
            return
        # A paragraph ends where the next one begins.
        depth = depth + 1 if token.kind == "start" and name != "p" else depth - 1
        self._hidden = (name, depth) if depth else None
        if not depth and token.kind == "start":
            self._start(token, values(self._source.text, token))

    def _image(self, alt: str) -> None:
        if alt.strip():
            self._text(alt.replace("&", "&amp;"))

    # --- elements --------------------------------------------------------------------

    def _push(self, name: str, attributes: dict[str, str]) -> None:
        element = _Open(name)
        if name == "ol":
            start = attributes.get("start", "")
            element.number = int(start) if re.fullmatch(r"\d{1,6}", start) else 1
        elif name == "li":
            element.first = self._mark()
            element.rest = " " * len(element.first)
        elif name == "dd":
            element.first = element.rest = "  "
        elif name == "blockquote":
            element.first = element.rest = "> "
        self._open.append(element)
        self._count[name] = self._count.get(name, 0) + 1

    def _mark(self) -> str:
        """Give the mark of the next list item."""
        above = self._open[-1] if self._open else None
        if above is None or above.number is None:
            return "- "
        number = above.number
        above.number += 1
        return f"{number}. "

    def _end(self, name: str) -> None:
        if name == "a":
            self._end_link()
        if self._count.get(name):
            while self._pop() != name:
                pass
        self._leave_cell(name)
        self._ask(name)

    def _pop(self) -> str:
        name = self._open.pop().name
        self._count[name] -= 1
        self._quotes = min(self._quotes, self._count.get("blockquote", 0))
        return name

    def _close_open(self, name: str) -> None:
        """End a list item, row or definition that the next one ends."""
        limits = _LISTS if name == "li" else frozenset({"table", "dl"})
        for depth in range(len(self._open) - 1, -1, -1):
            if self._open[depth].name in limits:
                return
            if self._open[depth].name == name:
                while len(self._open) > depth:
                    self._pop()
                return

    def _start_cell(self, name: str) -> None:
        row = self._open[-1] if self._open and self._open[-1].name == "tr" else None
        table = next((e for e in reversed(self._open) if e.name == "table"), None)
        if row is None or table is None:
            self._blank = True
            return
        table.heads = table.heads or name == "th"
        if table.heads:
            # Rows of a table with headings stay on one line, whatever is in their cells.
            if row.heads:
                self._cell += " | "
                if not self._edge:
                    self._breaks = self._lines = 0
            self._edge = True
        elif row.heads and not self._breaks:
            self._cell = "  "
        row.heads = True

    def _leave_cell(self, name: str) -> None:
        if name in ("tr", "table"):
            self._edge = False

    def _end_link(self) -> None:
        if self._link is None:
            return
        (target, begun), self._link = self._link, None
        shown = "".join(self.out[begun:]).strip()
        if not target or target.startswith("#") or not shown:
            return
        plain = _BLANKS.sub("", target)
        if shown in (plain, plain.removeprefix("mailto:"), plain.removeprefix("tel:")):
            return
        if shown != re.sub(r"^https?://|/$", "", plain):
            self.out.append(f" ({plain})")
        self._at_start = False

    # --- what goes out ---------------------------------------------------------------

    def _ask(self, name: str) -> None:
        if self._edge or name not in _BREAKS:
            return
        wanted = _BREAKS[name]
        if name in _LISTS and self._count.get("li"):
            wanted = 1
        self._breaks = max(self._breaks, wanted)
        self._cell = ""

    def _prefix(self) -> str:
        parts = []
        for element in [e for e in self._open if e.first or e.rest][:_MAX_INDENT]:
            parts.append(element.first or element.rest)
            if element.name == "li":
                element.first = ""
        return "".join(parts)

    def _quote(self) -> str:
        """Give what stands on a blank line: the marks of quotations that go on."""
        return "> " * min(self._quotes, _MAX_INDENT)

    def _break(self) -> None:
        lines = self._breaks + max(0, self._lines - 1) if self._breaks else self._lines
        quote = self._quote()
        if self._outer and self._breaks:
            slot, wanted = self._outer
            self.out[slot] = ("\n" + quote) * (wanted - self._breaks - self._fresh)
            lines += min(0, wanted - self._breaks - self._fresh)
        elif self._fresh:
            lines -= 1
        self._outer = None
        if self.out:
            self.out.append(("\n" + quote) * (lines - 1) + "\n" * (lines > 0))
        self.out.append(self._prefix())
        self._breaks, self._lines, self._blank = 0, 0, False
        self._at_start = self._fresh = True

    def _line(self) -> None:
        if self._edge:
            self._blank = True
        else:
            self._lines += 1

    def _put(self, words: str) -> None:
        if self._breaks or self._lines:
            self._break()
        if self._cell:
            self.out.append(self._cell.lstrip() if self._at_start else self._cell)
        elif self._blank and not self._at_start:
            self.out.append(" ")
        self.out.append(words)
        self._cell, self._blank = "", False
        self._quotes = self._count.get("blockquote", 0)
        self._at_start = self._fresh = self._edge = False
