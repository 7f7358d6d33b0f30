"""Tracing: which ways through a template a row takes.

A traced part prints what the part prints and notes, by number, each place it comes past:
a branch of an ``if``, a loop that is entered or not, a ``default`` that stands in for a
missing value.  Places are named in the template's own words.  What many rows have in
common is `coverage`'s question.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import jinja2
from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from smtpbook.language.expressions import expression
from smtpbook.language.fence import Function
from smtpbook.language.filters import FILTERS
from smtpbook.language.part import Part, compile_tree, parse, run

_MARK: Final = "_smtpbook_mark"
_TAKEN: Final = "_smtpbook_taken"
_DEFAULT: Final = "_smtpbook_default"
_DEFAULTS: Final = frozenset({"default", "d"})
# A longer name would not fit a table or a chart.
_MAX_NAME: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Somewhere in a template that a row comes past or does not.

    Attributes
    ----------
    part : str
        ``"subject"``, ``"text"`` …
    line : int
        In the part's source, from 1.
    kind : {"branch", "loop", "fallback"}
    name : str
        Such as ``"if language == 'de'"`` or ``"first_name | default('friend')"``.
    """

    part: str
    line: int
    kind: Literal["branch", "loop", "fallback"]
    name: str


class TracedPart:
    """A part that says which places a row came past.

    Parameters
    ----------
    part : Part

    Attributes
    ----------
    places : list of Place
        In the order of the source.
    """

    def __init__(self, part: Part) -> None:
        self.part = part
        self.places: list[Place] = []
        tree = parse(part.name, part.source, html=part.is_html)
        tree = _Tracer(part.name, self.places).visit(tree)
        self._template: jinja2.Template = compile_tree(part.name, tree, html=part.is_html)

    def render(self, values: Mapping[str, object]) -> tuple[str, frozenset[int]]:
        """Fill the part in; give the text and the numbers of the places it came past.

        Raises
        ------
        Exception
            As `Part.pieces`.
        """
        passed: set[int] = set()
        pieces = run(self._template, {**values, **_marks(passed)})
        return "".join(pieces), frozenset(passed)


def _marks(passed: set[int]) -> dict[str, Function]:
    """Give the functions that the tracer put into the tree."""

    def mark(place: int) -> None:
        passed.add(place)

    def taken(place: int, value: Any) -> Any:
        passed.add(place)
        return value

    def default(place: int, value: Any, *args: Any, **kwargs: Any) -> Any:
        result = FILTERS["default"](value, *args, **kwargs)
        if result is not value:
            passed.add(place)
        return result

    functions: dict[str, Any] = {_MARK: mark, _TAKEN: taken, _DEFAULT: default}
    return {name: Function(function) for name, function in functions.items()}


class _Tracer(NodeTransformer):
    """Puts a mark at every place of a syntax tree."""

    def __init__(self, part: str, places: list[Place]) -> None:
        self._part, self._places = part, places

    def _place(self, node: nodes.Node, kind: Any, name: str) -> nodes.Const:
        place = Place(part=self._part, line=node.lineno, kind=kind, name=_shortened(name))
        self._places.append(place)
        return nodes.Const(len(self._places) - 1, lineno=node.lineno)

    def _marked(
        self, node: nodes.Node, kind: Any, name: str, body: Iterable[nodes.Node]
    ) -> list[nodes.Node]:
        mark = _call(_MARK, [self._place(node, kind, name)], node.lineno)
        return [nodes.ExprStmt(mark, lineno=node.lineno), *self._visited(body)]

    def _visited(self, body: Iterable[nodes.Node]) -> list[nodes.Node]:
        return [found for node in body for found in self.visit_list(node)]

    def visit_If(self, node: nodes.If) -> nodes.If:
        node.test = self.visit(node.test)
        name = expression(node.test)
        node.body = self._marked(node, "branch", f"if {name}", node.body)
        for other in node.elif_:
            other.test = self.visit(other.test)
            other.body = self._marked(
                other, "branch", f"elif {expression(other.test)}", other.body
            )
        otherwise = "else" if node.else_ else "none"
        node.else_ = self._marked(node, "branch", f"{otherwise} of if {name}", node.else_)
        return node

    def visit_For(self, node: nodes.For) -> nodes.For:
        node.iter = self.visit(node.iter)
        name = f"for {expression(node.target)} in {expression(node.iter)}"
        node.body = self._marked(node, "loop", name, node.body)
        node.else_ = self._marked(node, "loop", f"nothing {name}", node.else_)
        return node

    def visit_CondExpr(self, node: nodes.CondExpr) -> nodes.CondExpr:
        name = expression(node.test)
        node.test = self.visit(node.test)
        yes = self._place(node, "branch", f"if {name}")
        node.expr1 = _call(_TAKEN, [yes, self.visit(node.expr1)], node.lineno)
        no = self._place(node, "branch", f"else of if {name}")
        other = nodes.Const("") if node.expr2 is None else self.visit(node.expr2)
        node.expr2 = _call(_TAKEN, [no, other], node.lineno)
        return node

    def visit_Filter(self, node: nodes.Filter) -> nodes.Expr:
        name = expression(node)
        self.generic_visit(node)
        if node.name not in _DEFAULTS or node.node is None:
            return node
        place = self._place(node, "fallback", name)
        args = [place, node.node, *node.args]
        return _call(_DEFAULT, args, node.lineno, node.kwargs)


def _call(
    name: str, args: list[nodes.Expr], lineno: int, kwargs: Iterable[Any] = ()
) -> nodes.Call:
    function = nodes.Name(name, "load", lineno=lineno)
    return nodes.Call(function, args, list(kwargs), None, None, lineno=lineno)


def _shortened(name: str) -> str:
    return name if len(name) <= _MAX_NAME else name[: _MAX_NAME - 1] + "…"
