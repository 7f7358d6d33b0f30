"""Part: one piece of a template that is filled in on its own, such as its subject.

A part is compiled once and filled in for each row.  It gives its result in pieces, as the
template prints them: those that stand in the source come back as the very same strings,
so that whoever encodes them need do so only once.  Nothing here knows what a row or a
message is; what a part may not do is the `fence`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import CodeType
from typing import Final

import jinja2
from jinja2 import meta, nodes
from jinja2.runtime import new_context

from smtpbook.errors import TemplateError, near_miss
from smtpbook.language.fence import Environment
from smtpbook.language.limits import MAX_OUTPUT, too_long
from smtpbook.language.reading import read_straight
from smtpbook.language.straight import Straight

_TAGS: Final = (
    *("if", "elif", "else", "endif", "for", "endfor", "set", "endset"),
    *("macro", "endmacro", "call", "endcall", "filter", "endfilter"),
    *("with", "endwith", "raw", "endraw", "autoescape", "endautoescape"),
)
_UNKNOWN: Final = re.compile(
    r"(?:No (?P<kind>filter|test) named|Encountered unknown tag) '(?P<name>\w+)'"
)
_TEXT: Final = Environment(autoescape=False)
_HTML: Final = Environment(autoescape=True)


@dataclass(frozen=True, slots=True)
class Part:
    """One compiled part of a template.

    Attributes
    ----------
    name : str
        What errors call it: ``"subject"``, ``"text"``, ``"headers['X-Campaign']"``.
    source : str
        Jinja2.
    is_html : bool
        Values are escaped for HTML.
    fields : frozenset of str
        The fields it may look up, those behind a condition or a default included.
    calls : frozenset of str
        The functions among those offered to it that it calls.
    literals : frozenset of str
        Pieces that stand in the source.
    """

    name: str
    source: str
    is_html: bool
    fields: frozenset[str]
    calls: frozenset[str]
    literals: frozenset[str] = field(repr=False)
    _template: jinja2.Template = field(repr=False)
    _straight: Straight | None = field(repr=False)

    @classmethod
    def compile(
        cls, name: str, source: str, *, html: bool = False, functions: Iterable[str] = ()
    ) -> Part:
        """Compile a part.

        Parameters
        ----------
        name : str
            What errors call it.
        source : str
            Jinja2.
        html : bool
            Values are escaped for HTML.
        functions : iterable of str
            Names that are functions where the part calls them, and fields elsewhere.

        Raises
        ------
        TemplateError
            It is not Jinja2, names an unknown filter, or wants another file.  The
            message names part and line.
        """
        tree = parse(name, source, html=html)
        calls = frozenset(
            call.node.name
            for call in tree.find_all(nodes.Call)
            if isinstance(call.node, nodes.Name)
        ).intersection(functions)
        straight = read_straight(tree, html=html)
        template = compile_tree(name, tree, html=html)
        unbound = meta.find_undeclared_variables(tree)
        fields = unbound - template.environment.globals.keys() - calls
        literals = _literals(template)
        return cls(
            name, source, html, frozenset(fields), calls, literals, template, straight
        )

    def pieces(self, values: Mapping[str, object]) -> list[str]:
        """Fill the part in, and give it as it was printed, piece by piece.

        Raises
        ------
        MissingField
            A field without value was used without ``default``.
        Exception
            Whatever the part's own expressions raise: a `jinja2.TemplateError` when a
            limit stops it, or `ZeroDivisionError`, `TypeError` and the like.
        """
        if self._straight is not None:
            pieces = self._straight.pieces(values)
            if pieces is not None and sum(map(len, pieces)) <= MAX_OUTPUT:
                return pieces
        return run(self._template, values)

    def render(self, values: Mapping[str, object]) -> str:
        """Fill the part in; errors as `pieces`."""
        return "".join(self.pieces(values))


def parse(name: str, source: str, *, html: bool) -> nodes.Template:
    """Read a part's source, and refuse what a part that stands alone cannot have."""
    environment = _HTML if html else _TEXT
    try:
        tree = environment.parse(source)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(f"{name}, line {error.lineno}: {_explain(error)}") from None
    outside = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
    for node in tree.find_all(outside):
        raise TemplateError(
            f"{name}, line {node.lineno}: a part stands alone; include, import and "
            f"extends have nothing to load from"
        )
    return tree


def compile_tree(name: str, tree: nodes.Template, *, html: bool) -> jinja2.Template:
    """Make what `parse` gave, or has become of it, ready to run."""
    try:
        return (_HTML if html else _TEXT).from_string(tree)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(f"{name}, line {error.lineno}: {_explain(error)}") from None


def run(template: jinja2.Template, values: Mapping[str, object]) -> list[str]:
    """Fill a compiled template in; errors as `Part.pieces`."""
    # What the template's own new_context() would put together from a chain of mappings,
    # and look through again.
    names = {**template.environment.globals, **values}
    context = new_context(template.environment, None, template.blocks, names, True, None)
    pieces = list(template.root_render_func(context))
    if sum(map(len, pieces)) > MAX_OUTPUT:
        raise too_long()
    return pieces


def _literals(template: jinja2.Template) -> frozenset[str]:
    """Find the pieces that are constants of the compiled template."""
    found: set[str] = set()
    code: list[CodeType] = [template.root_render_func.__code__]
    while code:
        for constant in code.pop().co_consts:
            if isinstance(constant, CodeType):
                code.append(constant)
            elif isinstance(constant, str):
                found.add(constant)
    return frozenset(found)


def _explain(error: jinja2.TemplateSyntaxError) -> str:
    message = (error.message or "not a template").rstrip(".")
    if unknown := _UNKNOWN.search(message):
        known: Mapping[str, Iterable[str]] = {
            "filter": _TEXT.filters,
            "test": _TEXT.tests,
        }
        if unknown["name"] in _TAGS:
            return f"{{% {unknown['name']} %}} ends or divides what has not begun"
        message += near_miss(unknown["name"], known.get(unknown["kind"], _TAGS))
    return message
