"""Expressions: a template's own words, written again from its syntax tree.

For tables and charts that say which condition or default is meant.  What is rare in mail
is shown as ``…``; nothing is evaluated here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from jinja2 import nodes

_COMPARISONS: Final = {
    **{"eq": "==", "ne": "!=", "lt": "<", "lteq": "<=", "gt": ">", "gteq": ">="},
    **{"in": "in", "notin": "not in"},
}
_OPERATORS: Final[dict[type[nodes.Expr], str]] = {
    **{nodes.Add: "+", nodes.Sub: "-", nodes.Mul: "*", nodes.Div: "/"},
    **{nodes.FloorDiv: "//", nodes.Mod: "%", nodes.Pow: "**"},
    **{nodes.And: "and", nodes.Or: "or"},
}
# How tightly each binds, from the loosest: what binds less than its surroundings needs
# brackets there.
_BINDING: Final[dict[type[nodes.Node], int]] = {
    kind: level
    for level, kinds in enumerate(
        [
            (nodes.CondExpr,),
            (nodes.Or,),
            (nodes.And,),
            (nodes.Not,),
            (nodes.Compare,),
            (nodes.Add, nodes.Sub),
            (nodes.Concat,),
            (nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod),
            (nodes.Neg,),
            (nodes.Pow,),
        ]
    )
    for kind in kinds
}
_TIGHTEST: Final = 99


def expression(node: nodes.Node) -> str:
    """Write an expression as an author would.

    >>> import jinja2
    >>> tree = jinja2.Environment().parse("{{ name | default('x') if a > 1 else b.c }}")
    >>> expression(next(tree.find_all(nodes.CondExpr)))
    "name | default('x') if a > 1 else b.c"
    """
    match node:
        case nodes.Name():
            return node.name
        case nodes.Const():
            return repr(node.value)
        case nodes.TemplateData():
            return repr(node.data)
        case nodes.Filter() if node.node is not None:
            return f"{_operand(node.node)} | {node.name}{_arguments(node)}"
        case nodes.Test():
            return f"{_operand(node.node)} is {node.name}{_arguments(node)}"
        case nodes.Call():
            return f"{_operand(node.node)}{_arguments(node) or '()'}"
        case nodes.Compare():
            others = (f" {_COMPARISONS[o.op]} {_operand(o.expr)}" for o in node.ops)
            return _operand(node.expr) + "".join(others)
        case nodes.Not():
            return f"not {_operand(node.node, _BINDING[nodes.Not])}"
        case nodes.Neg():
            return f"-{_operand(node.node)}"
        case nodes.BinExpr() if type(node) in _OPERATORS:
            binding = _BINDING[type(node)]
            # They bind to the left: a - (b - c) keeps its brackets.
            left, right = _operand(node.left, binding), _operand(node.right, binding + 1)
            return f"{left} {_OPERATORS[type(node)]} {right}"
        case nodes.Concat():
            return " ~ ".join(map(_operand, node.nodes))
        case nodes.Getattr():
            return f"{_operand(node.node)}.{node.attr}"
        case nodes.Getitem():
            return f"{_operand(node.node)}[{expression(node.arg)}]"
        case nodes.CondExpr():
            otherwise = "" if node.expr2 is None else f" else {_operand(node.expr2, 1)}"
            return f"{_operand(node.expr1, 1)} if {_operand(node.test, 1)}{otherwise}"
        case nodes.List():
            return f"[{_joined(node.items, ', ')}]"
        case nodes.Tuple():
            return _joined(node.items, ", ")
    return "…"


def _operand(node: nodes.Node, binding: int = _TIGHTEST) -> str:
    """Write a part of an expression, in brackets where it would be torn apart."""
    loose = _BINDING.get(type(node), _TIGHTEST)
    return f"({expression(node)})" if loose < binding else expression(node)


def _arguments(node: nodes.Call | nodes.Filter | nodes.Test) -> str:
    named = (f"{pair.key}={expression(pair.value)}" for pair in node.kwargs)
    arguments = ", ".join([*map(expression, node.args), *named])
    return f"({arguments})" if arguments else ""


def _joined(items: Iterable[nodes.Node], between: str) -> str:
    return between.join(map(expression, items))
