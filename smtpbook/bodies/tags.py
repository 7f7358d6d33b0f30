"""Jinja2's tags kept out of reach while the text around them is turned into another form.

Each tag becomes one word that no converter takes for markup, and comes back exactly as it
was.  Nothing here compiles or renders a template: a tag that never ends is left for
Jinja2, which names it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal

Kind = Literal["expression", "statement", "comment"]

_OPENS: Final = re.compile(r"\{[{%#]")
# A delimiter inside a string does not end a tag.  An unfinished string runs to the end, so
# that nothing is looked at twice.
_STRING: Final = r""""(?:\\.|[^"\\])*+(?:"|\Z)|'(?:\\.|[^'\\])*+(?:'|\Z)"""
_RAW: Final = r"\{%[-+]?\s*raw\s*[-+]?%\}.*?(?:\{%[-+]?\s*endraw\s*[-+]?%\}|\Z)"
_TAG: Final = re.compile(
    rf"(?P<comment>\{{#.*?#\}})|(?P<raw>{_RAW})"
    rf"|(?P<statement>\{{%(?:{_STRING}|(?!%\}}).)*+%\}})"
    rf"|(?P<expression>\{{\{{(?:{_STRING}|(?!\}}\}}).)*+\}}\}})",
    re.DOTALL,
)
_KEYWORD: Final = re.compile(r"\{%[-+]?\s*(\w+)")
_BLOCKS: Final = frozenset({"if", "for", "filter", "with", "macro", "call", "autoescape"})
_LETTERS: Final = str.maketrans("0123456789", "ghijklmnop")


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag of a template.

    Attributes
    ----------
    text : str
        With its delimiters.
    kind : {"expression", "statement", "comment"}
        ``{% raw %}`` up to ``{% endraw %}`` is one expression: it prints something.
    line : int
        Where it begins, from 1.
    """

    text: str
    kind: Kind
    line: int

    @property
    def keyword(self) -> str:
        """The first word of a statement, such as ``"endif"``; ``""`` for other tags."""
        found = _KEYWORD.match(self.text) if self.kind == "statement" else None
        return found[1] if found else ""

    @property
    def depth(self) -> int:
        """1 for a statement that opens a block, -1 for one that closes it, else 0."""
        keyword = self.keyword
        if keyword.startswith("end"):
            return -1
        if keyword == "set":  # a block only when it gives no value
            return int("=" not in self.text)
        return int(keyword in _BLOCKS)


@dataclass(frozen=True, slots=True)
class Protected:
    """A template's source with a word in place of each tag.

    Attributes
    ----------
    text : str
        The source; each word is lower-case letters and digits, and begins with a letter.
    tags : tuple of Tag
        In their order.
    word : re.Pattern
        Finds such a word; its first group is the tag's place in `tags`.
    """

    text: str
    tags: tuple[Tag, ...]
    word: re.Pattern[str]

    def tag(self, match: re.Match[str]) -> Tag:
        """Give the tag a match of `word` stands for."""
        return self.tags[int(match[1])]

    def restore(self, text: str) -> str:
        """Put the tags back."""
        return self.word.sub(lambda match: self.tag(match).text, text)

    def restore_text(self, text: str) -> str:
        """Put the tags back into text that was decoded, where a brace is only a brace."""
        opening = re.compile(rf"\{{(?=[{{%#]|{self.word.pattern})")
        return self.restore(opening.sub("{{ '{' }}", text))


def protect(source: str) -> Protected:
    """Put a word in the place of each Jinja2 tag.

    Examples
    --------
    >>> protected = protect("Dear {{ name | default('a}}') }},{# why? #}")
    >>> [tag.text for tag in protected.tags]
    ["{{ name | default('a}}') }}", '{# why? #}']
    >>> protected.restore(protected.text)
    "Dear {{ name | default('a}}') }},{# why? #}"
    """
    # No text can hold the digest of itself, so no text can forge a word.
    digest = sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    key = "j" + digest.translate(_LETTERS)
    pieces: list[str] = []
    tags: list[Tag] = []
    line, end = 1, 0
    for start, stop, kind in _tags(source):
        line += source.count("\n", end, start)
        pieces += source[end:start], f"{key}{len(tags)}z"
        tags.append(Tag(source[start:stop], kind, line))
        line += source.count("\n", start, stop)
        end = stop
    pieces.append(source[end:])
    return Protected("".join(pieces), tuple(tags), re.compile(rf"{key}(\d+)z"))


def nothing_to_protect(text: str) -> Protected:
    """Give text that is no template, so that its braces mean nothing."""
    return Protected(text, (), re.compile(r"(?!)()"))


def _tags(source: str) -> list[tuple[int, int, Kind]]:
    found: list[tuple[int, int, Kind]] = []
    at = 0
    while (opening := _OPENS.search(source, at)) and (
        match := _TAG.match(source, opening.start())
    ):
        kind: Kind = "expression"
        if match["statement"] or match["comment"]:
            kind = "statement" if match["statement"] else "comment"
        found.append((*match.span(), kind))
        at = match.end()
    return found
