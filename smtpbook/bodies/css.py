"""Stylesheets put into style attributes, because many mail clients drop the former.

The css-inline library decides which rule meets which element.  Only its decisions are
taken: they are written into the source, which is otherwise left as it was, so that no
``{% if %}`` between table rows is moved and no fragment becomes a document.  Nothing is
loaded, from the network or from files.
"""

from __future__ import annotations

import re
from collections import Counter
from html import unescape
from typing import Final

import css_inline

from smtpbook.bodies.markup import VOID, Token, attributes, quoted, spliced, tokens, values
from smtpbook.bodies.tags import Protected, Tag, protect
from smtpbook.errors import TemplateError
from smtpbook.escape import visible

_NUMBER: Final = "data-smtpbook-element"
_COMMENT: Final = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_CLOSING: Final = re.compile(r"</style", re.IGNORECASE)
_SHEET: Final = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL)
_IMPORTANT: Final = re.compile(r"!\s*important\s*\Z", re.IGNORECASE)
# Declarations end at a semicolon that is in no string and no parentheses.
_DECLARATION: Final = re.compile(r"""(?:"[^"]*+"|'[^']*+'|\([^)]*+\)|[^;"'(]|["'(])++""")
# The library calls itself for each element inside another: 20,000 end the interpreter.
_MAX_DEPTH: Final = 250
_IMPLIED: Final = frozenset(
    ("p", "li", "dt", "dd", "td", "th", "tr", "thead", "tbody", "tfoot", "option")
)
_INLINER: Final = css_inline.CSSInliner(
    inline_style_tags=True,
    keep_style_tags=True,
    remove_inlined_selectors=True,
    load_remote_stylesheets=False,
)


def inline_css(source: str, css: str = "") -> str:
    """Put the rules of ``<style>`` elements and of a stylesheet into style attributes.

    Parameters
    ----------
    source : str
        Jinja2 in HTML, a document or a fragment.
    css : str
        A further stylesheet, without Jinja2, that comes before those in the source.

    Returns
    -------
    str
        The same source with style attributes; an element's own declarations win.  What
        cannot be inlined (``@media``, ``:hover``, rules that meet nothing) stays in one
        ``<style>``, where the first one stood.

    Raises
    ------
    TemplateError
        A Jinja2 tag stands among the attributes of a tag, makes up its name, or stands in
        a stylesheet where no value is; `css` ends its element; more than 250 elements are
        inside each other.  The message names the line and says what to do.

    Notes
    -----
    A class or id that a merge field or ``{% if %}`` decides meets no rule.

    Examples
    --------
    >>> inline_css("<style>b { color: red }</style><b>{{ name }}</b>")
    '<b style="color: red">{{ name }}</b>'
    """
    protected = protect(source)
    html = protected.text
    found = list(tokens(html))
    sheets = [_plain(css)] if css.strip() else []
    sheets += _sheets(protected, found)
    if not sheets:
        return source
    _check(protected, found)
    _check_depth(found)
    styles, left = _decide(protected, found, "\n".join(sheets))
    edits = [
        *_style_edits(html, found, styles),
        *_sheet_edits(html, found, f"<style>{left}</style>" if left else ""),
    ]
    return protected.restore(spliced(html, sorted(edits)))


def _plain(css: str) -> str:
    if _CLOSING.search(css):
        raise TemplateError("css: holds '</style', which would end the stylesheet")
    # "@media print{#id" would open a Jinja2 comment.
    return re.sub(r"\{(?=[{%#])", "{ ", css)


def _sheets(protected: Protected, found: list[Token]) -> list[str]:
    """Give the source's stylesheets, and refuse those that depend on the recipient."""
    html, depth, media, sheets = protected.text, 0, "", []
    for token in found:
        if token.kind == "text":
            for match in protected.word.finditer(html, token.start, token.stop):
                depth += protected.tag(match).depth
        elif token.kind == "start" and token.name == "style":
            media = values(html, token).get("media", "")
        elif token.kind == "raw" and token.name == "style":
            sheet = html[token.start : token.stop]
            if depth > 0:
                line = protected.restore(html[: token.start]).count("\n") + 1
                raise TemplateError(
                    f"html, line {line}: a <style> inside {{% if %}} or {{% for %}} cannot "
                    "be put into style attributes; take it out of the block"
                )
            sheet = _without_comments(protected, sheet)
            sheets.append(f"@media {media} {{\n{sheet}\n}}" if media else sheet)
    return [sheet for sheet in sheets if sheet.strip()]


def _without_comments(protected: Protected, sheet: str) -> str:
    """Drop comments; see that each Jinja2 tag left stands where a value does."""
    sheet = _COMMENT.sub(" ", sheet)
    kept = protected.word.sub(
        lambda match: "" if protected.tag(match).kind == "comment" else match[0], sheet
    )
    for match in protected.word.finditer(kept):
        before = max(kept.rfind(char, 0, match.start()) for char in "{};")
        after = re.compile(r"[{};]").search(kept, match.end())
        is_value = (
            before >= 0
            and kept[before] != "}"
            and ":" in kept[before : match.start()]
            and (after is None or after[0] != "{")
        )
        if not is_value:
            raise _misplaced(
                protected.tag(match),
                "stands among the rules of a <style>",
                "only a value can be a merge field: color: {{ brand }}",
            )
    return kept


def _check(protected: Protected, found: list[Token]) -> None:
    """Refuse Jinja2 tags that make up a tag's name or its attributes."""
    for token in found:
        if match := protected.word.search(token.name):
            raise _misplaced(
                protected.tag(match),
                "makes up a tag's name",
                "write the name out, in a {% if %} around the whole element if need be",
            )
        if token.kind == "start":
            for attribute in attributes(protected.text, token):
                if match := protected.word.search(attribute.name):
                    raise _misplaced(
                        protected.tag(match),
                        f"stands among the attributes of <{token.name}>",
                        'put it inside a value: style="{% if … %}color: red{% endif %}"',
                    )


def _check_depth(found: list[Token]) -> None:
    """Refuse what would overflow the library's stack."""
    opened: Counter[str] = Counter()
    depth = 0
    for token in found:
        # Those that the next of their kind ends are not inside each other.
        if token.name in VOID or token.name in _IMPLIED:
            continue
        if token.kind == "start":
            opened[token.name] += 1
            depth += 1
        elif token.kind == "end" and opened[token.name]:
            opened[token.name] -= 1
            depth -= 1
        if depth > _MAX_DEPTH:
            raise TemplateError(
                f"html: more than {_MAX_DEPTH} elements inside each other; "
                f"close <{visible(token.name, max_chars=40)}>"
            )


def _misplaced(tag: Tag, place: str, advice: str) -> TemplateError:
    return TemplateError(
        f"html, line {tag.line}: {visible(tag.text, max_chars=60)} {place}, where no CSS "
        f"can be inlined; {advice}"
    )


def _decide(
    protected: Protected, found: list[Token], sheet: str
) -> tuple[dict[int, str], str]:
    """Ask the library for the style of each start tag, and what stays of the sheet."""
    html = protected.text
    copy = [f"<style>{sheet}</style>"]
    for number, token in enumerate(found):
        text = html[token.start : token.stop]
        if token.kind == "text":
            # Jinja2's tags are comments, which no parser moves out of a table.
            copy.append(protected.word.sub("<!---->", text))
        elif token.kind == "start" and token.name not in ("style", "link", "script"):
            copy.append(_numbered(protected, token, number))
        elif token.kind == "end" and token.name not in ("style", "script"):
            copy.append(text)
    try:
        result = _INLINER.inline("".join(copy))
    except css_inline.InlineError as error:
        raise TemplateError(f"html: the stylesheets cannot be read: {error}") from None
    styles = {}
    for token in tokens(result):
        if token.kind == "start":
            own = values(result, token)
            if _NUMBER in own and own.get("style"):
                styles[int(own[_NUMBER])] = own["style"].strip().rstrip(";")
    left = _SHEET.search(result)
    return styles, left[1].strip() if left else ""


def _numbered(protected: Protected, token: Token, number: int) -> str:
    """Write a start tag with its number in place of its style."""
    kept = "".join(
        f' {a.name}="{quoted(_always(protected, unescape(a.value)))}"'
        for a in attributes(protected.text, token)
        if a.name != "style"
    )
    return f'<{token.name} {_NUMBER}="{number}"{kept}>'


def _always(protected: Protected, value: str) -> str:
    """Give what an attribute holds for every recipient: what stands around its blocks."""
    blocks = [
        match
        for match in protected.word.finditer(value)
        if protected.tag(match).kind == "statement"
    ]
    return value[: blocks[0].start()] + value[blocks[-1].end() :] if blocks else value


def _style_edits(
    html: str, found: list[Token], styles: dict[int, str]
) -> list[tuple[int, int, str]]:
    edits = []
    for number, style in styles.items():
        token = found[number]
        own = next((a for a in attributes(html, token) if a.name == "style"), None)
        if own is None:
            at = token.start + 1 + len(token.name)
            edits.append((at, at, f' style="{quoted(style)}"'))
            continue
        # The cascade: the sheet's, the element's own, then what the sheet insists on.
        declared = [part.strip() for part in _DECLARATION.findall(style)]
        insisted = [part for part in declared if _IMPORTANT.search(part)]
        first = [part for part in declared if part not in insisted]
        parts = [*first, unescape(own.value).strip().rstrip(";"), *insisted]
        merged = "; ".join(part for part in parts if part)
        edits.append((own.start, own.stop, f'style="{quoted(merged)}"'))
    return edits


def _sheet_edits(html: str, found: list[Token], left: str) -> list[tuple[int, int, str]]:
    """Take the style elements out, and put what is left of them where the first stood."""
    edits: list[tuple[int, int, str]] = []
    for token in found:
        if token.name == "style":
            edits.append((token.start, token.stop, "" if edits else left))
    if edits or not left:
        return edits
    for token in found:
        if (token.kind, token.name) == ("end", "head"):
            return [(token.start, token.start, left)]
        if (token.kind, token.name) == ("start", "body"):
            return [(token.start, token.start, left)]
    return [(0, 0, left)]
