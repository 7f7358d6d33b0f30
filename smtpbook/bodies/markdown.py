"""Markdown as a mail's body: HTML for those who see it, text for those who do not.

The markdown-it library reads CommonMark with tables and strikethrough.  Jinja2's tags pass
through it as words: values are filled in later, and are no Markdown.  A line of ``{% … %}``
stands between blocks and is no paragraph.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token

from smtpbook.bodies.tags import Protected, Tag, protect
from smtpbook.bodies.text import html_to_text
from smtpbook.errors import TemplateError
from smtpbook.escape import visible

_TAG_LINE: Final = "jinja2_line"
# {{ table(frame) }} and the like bring blocks of their own.
_CALL: Final = re.compile(r"\{\{[-+]?\s*[A-Za-z_]\w*\(")
_ELSE: Final = frozenset({"else", "elif"})
_LISTS: Final = frozenset({"bullet_list_open", "ordered_list_open"})


def markdown_to_html(source: str) -> str:
    r"""Turn Jinja2 in Markdown into Jinja2 in HTML.

    Parameters
    ----------
    source : str
        Markdown (CommonMark, tables, strikethrough); HTML in it stays as it is.

    Returns
    -------
    str
        With the same tags in the same order.  List items and table rows between
        ``{% for %}`` and ``{% endfor %}`` lines are items of one list, rows of one table.

    Raises
    ------
    TemplateError
        A tag stands in angle brackets, where HTML would read an element's name.  The
        message names the line and says what to write.

    Examples
    --------
    >>> markdown_to_html("Dear *{{ name | default('friend') }}*")
    "<p>Dear <em>{{ name | default('friend') }}</em></p>\n"
    """
    protected = protect(source)
    reader = _reader(protected)
    tokens = _as_rows(_as_one_list(reader.parse(protected.text), protected), protected)
    _check(tokens, protected)
    return protected.restore_text(reader.renderer.render(tokens, reader.options, {}))


def markdown_to_text(source: str) -> str:
    """Turn Jinja2 in Markdown into Jinja2 in plain text.

    Parameters
    ----------
    source : str
        As for `markdown_to_html`.

    Returns
    -------
    str
        Paragraphs and lists as they stand, links with their targets in parentheses, no
        marks of emphasis.

    Raises
    ------
    TemplateError
        As for `markdown_to_html`.

    Examples
    --------
    >>> markdown_to_text("See **[our site]({{ url }})**.")
    'See our site ({{ url }}).'
    """
    return html_to_text(markdown_to_html(source))


def _reader(protected: Protected) -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

    def tag_line(state: StateBlock, begin: int, end: int, silent: bool) -> bool:
        if state.is_code_block(begin):
            return False
        line = state.src[state.bMarks[begin] + state.tShift[begin] : state.eMarks[begin]]
        if not _stands_alone(line, protected):
            return False
        if silent and state.parentType == "table":
            # Among its rows, unless the tag closes what was open before the table.
            rows = state.src[state.bMarks[state.line] : state.eMarks[begin]]
            return _leads_out(rows, protected)
        if not silent:
            state.line = begin + 1
            token = state.push(_TAG_LINE, "", 0)
            token.content = line.strip()
        return True

    alternatives = ["paragraph", "reference", "blockquote", "list"]
    reader.block.ruler.before("fence", _TAG_LINE, tag_line, {"alt": alternatives})
    reader.add_render_rule(_TAG_LINE, lambda _, tokens, at, *__: tokens[at].content + "\n")
    return reader


def _stands_alone(line: str, protected: Protected) -> bool:
    """Tell whether a line holds tags alone, none of which prints a word or two."""
    tags = _tags(line, protected)
    return bool(
        tags
        and not protected.word.sub("", line).strip()
        and all(tag.kind != "expression" or _CALL.match(tag.text) for tag in tags)
    )


def _tags(text: str, protected: Protected) -> list[Tag]:
    return [protected.tag(match) for match in protected.word.finditer(text)]


def _leads_out(text: str, protected: Protected) -> bool:
    """Tell whether a tag in it ends, or is the other case of, what began before it."""
    depth = 0
    for tag in _tags(text, protected):
        if not depth and (tag.depth < 0 or tag.keyword in _ELSE):
            return True
        depth += tag.depth
    return False


def _as_rows(tokens: list[Token], protected: Protected) -> list[Token]:
    """Let a line of tags among a table's rows stand between them, instead of in a cell."""
    result: list[Token] = []
    row: list[Token] = []
    for token in tokens:
        row.append(token)
        if token.type == "tr_open":
            result += row[:-1]
            row = [token]
        elif token.type == "tr_close":
            text = "".join(part.content for part in row if part.type == "inline")
            if _stands_alone(text, protected):
                row = [Token(_TAG_LINE, "", 0, content=text, level=token.level)]
            result += row
            row = []
    return result + row


def _as_one_list(tokens: list[Token], protected: Protected) -> list[Token]:
    """Join lists of one kind that only tag lines part, where these open and close in pairs.

    Otherwise each turn of a loop would be a list of its own, with a number 1 each.
    """
    dropped: set[int] = set()
    moved: dict[int, list[int]] = {}
    for siblings in _siblings(tokens):
        for run in _runs(siblings, tokens, protected):
            lists = [pair for pair in run if tokens[pair[0]].type in _LISTS]
            (first, _), (_, last) = lists[0], lists[-1]
            begin, end = run[0][0], run[-1][1]
            dropped.update(at for pair in lists for at in pair)
            moved.setdefault(begin, []).append(first)
            moved.setdefault(end + 1, []).insert(0, last)
    result: list[Token] = []
    for at in range(len(tokens) + 1):
        result += [tokens[other] for other in moved.get(at, ())]
        if at < len(tokens) and at not in dropped:
            result.append(tokens[at])
    return result


def _siblings(tokens: list[Token]) -> Iterable[list[tuple[int, int]]]:
    """Give the blocks inside each block: where they begin and end."""
    found: list[list[tuple[int, int]]] = []
    inside: list[list[tuple[int, int]]] = [[]]
    begins: list[int] = []
    for at, token in enumerate(tokens):
        if token.nesting == 1:
            begins.append(at)
            inside.append([])
        elif token.nesting == -1:
            found.append(inside.pop())
            inside[-1].append((begins.pop(), at))
        else:
            inside[-1].append((at, at))
    return [*found, *inside]


def _runs(
    siblings: list[tuple[int, int]], tokens: list[Token], protected: Protected
) -> Iterable[list[tuple[int, int]]]:
    """Give stretches of lists of one kind and tag lines that are whole in themselves."""
    stretch: list[tuple[int, int]] = []
    kind = ""
    for pair in siblings:
        token = tokens[pair[0]]
        its_kind = token.type + token.markup if token.type in _LISTS else ""
        if token.type != _TAG_LINE and its_kind != (kind or its_kind or None):
            yield from _whole(stretch, tokens, protected)
            stretch, kind = [], ""
        if token.type == _TAG_LINE or its_kind:
            stretch.append(pair)
            kind = its_kind or kind
    yield from _whole(stretch, tokens, protected)


def _whole(
    stretch: list[tuple[int, int]], tokens: list[Token], protected: Protected
) -> Iterable[list[tuple[int, int]]]:
    """Part a stretch at tags whose other half, or whose ``{% if %}``, is not in it."""
    unpaired: set[int] = set()
    opened: list[list[int]] = []
    for at, (begin, _) in enumerate(stretch):
        for tag in _tags(tokens[begin].content, protected):
            if tag.depth > 0:
                opened.append([at])
            elif tag.depth < 0 and opened:
                opened.pop()
            elif tag.keyword in _ELSE and opened:
                opened[-1].append(at)
            elif tag.depth < 0 or tag.keyword in _ELSE:
                unpaired.add(at)
    unpaired.update(at for lines in opened for at in lines)
    edges = [-1, *sorted(unpaired), len(stretch)]
    for before, after in pairwise(edges):
        run = stretch[before + 1 : after]
        if len(run) > 1 and any(tokens[begin].type in _LISTS for begin, _ in run):
            yield run


def _check(tokens: list[Token], protected: Protected) -> None:
    """Refuse ``<{{ url }}>``, which HTML takes for an element and does not show."""
    opening = re.compile(rf"</?{protected.word.pattern}")
    parts = [part for token in tokens for part in (token, *(token.children or ()))]
    for part in parts:
        is_html = part.type in ("html_inline", "html_block")
        if is_html and (match := opening.search(part.content)):
            tag = protected.tag(match)
            text = visible(tag.text, max_chars=60)
            raise TemplateError(
                f"markdown, line {tag.line}: <{text}> would be an HTML element; write "
                f"[{text}]({text}) for a link"
            )
