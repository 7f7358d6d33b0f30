"""HTML as tags and text with their places, so that an edit leaves the rest as it was.

The rules are those of the HTML standard's tokenizer, in a time that grows with the text
alone (Python's html.parser takes a minute for 16,000 ``<a``).  No tree is built: a tree
moves what stands between table rows, and Jinja2's tags stand there.

References
----------
WHATWG HTML, section 13.2.5 (tokenization).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import unescape
from typing import Final, Literal, NamedTuple

_BLANK: Final = r"[\t\n\f\r ]"
_ATTRIBUTE: Final = re.compile(
    rf"(?P<name>[^\t\n\f\r />][^\t\n\f\r />=]*+)"
    rf"(?:{_BLANK}*+={_BLANK}*+"
    rf"""(?P<value>"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z)|[^\t\n\f\r >"'][^\t\n\f\r >]*+)?+)?+"""
)
_TOKEN: Final = re.compile(
    r"<(?P<end>/?)(?P<name>[A-Za-z][^\t\n\f\r />]*+)"
    rf"(?:[\t\n\f\r /]++|{re.sub('[?]P<[a-z]+>', '?:', _ATTRIBUTE.pattern)})*+(?:>|\Z)"
    r"|<!--(?:-?>|.*?(?:--!?>|\Z))"
    r"|<(?:[!?]|/[^A-Za-z])[^>]*+(?:>|\Z)",
    re.DOTALL,
)
# What stands in these is no markup.
_RAW: Final = ("script", "style", "textarea", "title", "xmp", "iframe", "noframes")
_RAW_ENDS: Final = {name: re.compile(rf"</{name}(?=[\t\n\f\r />])", re.I) for name in _RAW}
VOID: Final = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source")
)
"""Elements that have no end."""


class Token(NamedTuple):
    """One piece of HTML.

    Attributes
    ----------
    kind : {"start", "end", "text", "raw", "comment"}
        ``"raw"``: what stands in a style, script, title and the like.  ``"comment"``: a
        declaration too.
    name : str
        The element's, in lower case; ``""`` for text and comments.
    start, stop : int
        Its place.
    """

    kind: Literal["start", "end", "text", "raw", "comment"]
    name: str
    start: int
    stop: int


class Attribute(NamedTuple):
    """One attribute of a start tag.

    Attributes
    ----------
    name : str
        In lower case.
    value : str
        With its character references, without its quotes.
    start, stop : int
        The place of name and value in the text.
    """

    name: str
    value: str
    start: int
    stop: int


def tokens(html: str) -> Iterator[Token]:
    """Cut HTML into tokens; together they are the whole text.

    Examples
    --------
    >>> [html[t.start : t.stop] for html in ["<p>a<br>b"] for t in tokens(html)]
    ['<p>', 'a', '<br>', 'b']
    """
    at = 0
    while match := _TOKEN.search(html, at):
        if match.start() > at:
            yield Token("text", "", at, match.start())
        at = match.end()
        name = (match["name"] or "").lower()
        if not name:
            yield Token("comment", "", *match.span())
            continue
        yield Token("end" if match["end"] else "start", name, *match.span())
        if name in _RAW_ENDS and not match["end"]:
            closing = _RAW_ENDS[name].search(html, at)
            stop = closing.start() if closing else len(html)
            if stop > at:
                yield Token("raw", name, at, stop)
            at = stop
    if at < len(html):
        yield Token("text", "", at, len(html))


def attributes(html: str, tag: Token) -> Iterator[Attribute]:
    """Give the attributes of a start tag; of those of one name, the first counts."""
    at, stop = tag.start + 1 + len(tag.name), tag.stop
    if html.endswith(">", tag.start, stop):
        stop -= 1
    for match in _ATTRIBUTE.finditer(html, at, stop):
        value = match["value"] or ""
        if value[:1] in ('"', "'"):
            value = value[1:-1]
        yield Attribute(match["name"].lower(), value, *match.span())


def values(html: str, tag: Token) -> dict[str, str]:
    """Give the attributes of a start tag by name, decoded."""
    found: dict[str, str] = {}
    for attribute in attributes(html, tag):
        found.setdefault(attribute.name, unescape(attribute.value))
    return found


def quoted(value: str) -> str:
    """Write a value for a place between double quotes."""
    return value.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def spliced(text: str, edits: Iterable[tuple[int, int, str]]) -> str:
    """Put new text in the place of old: (start, stop, new), in order of place."""
    pieces: list[str] = []
    end = 0
    for start, stop, new in edits:
        pieces += text[end:start], new
        end = stop
    return "".join([*pieces, text[end:]])
