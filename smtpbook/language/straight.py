"""Straight: a part that prints texts and fields one after the other, without Jinja2.

Most parts of most letters are no more than that: what stands in the source, fields, for
some of them a default, and here and there a choice by one field.  To set Jinja2 up for
each of them takes several times as long as what they do.  Whatever is not as simple, also
a value that is no text or is not there, is left to Jinja2: it alone says what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from jinja2 import nodes
from markupsafe import escape

# What `escape` writes otherwise.
_SPECIAL: Final = re.compile("[&<>'\"]")
# Jinja2's own name for the template, whatever a row has under it.
_TEMPLATE: Final = "self"


class _Field(NamedTuple):
    """Prints a field; `default` where it has no value, if there is one."""

    name: str
    default: str | None = None


class _Test(NamedTuple):
    """Asks whether a field is a certain text, and what to do if it is, or is not."""

    name: str
    text: str
    is_equal: bool
    steps: Sequence[_Step]


class _Choice(NamedTuple):
    """Goes the way of the first test that holds; of none, the last way."""

    tests: Sequence[_Test]
    other: Sequence[_Step]


_Step = str | _Field | _Choice


class Straight:
    """A part of text, fields and choices.

    Parameters
    ----------
    steps : sequence
        As `read_straight` gives them.
    is_html : bool
        Values are escaped for HTML.
    """

    __slots__ = ("_is_html", "_steps")

    def __init__(self, steps: Sequence[_Step], *, is_html: bool) -> None:
        self._steps, self._is_html = steps, is_html

    def pieces(self, values: Mapping[str, object]) -> list[str] | None:
        """Fill it in, piece by piece as Jinja2 would; None = that has to do it."""
        pieces: list[str] = []
        return pieces if self._print(self._steps, values, pieces) else None

    def _print(
        self, steps: Sequence[_Step], values: Mapping[str, object], pieces: list[str]
    ) -> bool:
        for step in steps:
            if type(step) is str:
                pieces.append(step)
            elif type(step) is _Field:
                value = values.get(step.name, step.default)
                if type(value) is not str:
                    return False
                if self._is_html and _SPECIAL.search(value):
                    value = str(escape(value))
                pieces.append(value)
            elif type(step) is _Choice:
                way = step.other
                for name, text, is_equal, then in step.tests:
                    value = values.get(name)
                    if type(value) is not str:
                        return False
                    if (value == text) is is_equal:
                        way = then
                        break
                if not self._print(way, values, pieces):
                    return False
        return True


def read_straight(tree: nodes.Template, *, html: bool) -> Straight | None:
    """Read a part as a straight one; None = it is not.

    Parameters
    ----------
    tree : Template
        Jinja2's, as it was parsed.
    html : bool
        Values are escaped for HTML.
    """
    assert tree.environment is not None
    not_fields = {_TEMPLATE, *tree.environment.globals}
    if any(node.name in not_fields for node in tree.find_all(nodes.Name)):
        return None
    steps = _steps_of(tree.body)
    return None if steps is None else Straight(steps, is_html=html)


def _steps_of(body: Sequence[nodes.Node]) -> list[_Step] | None:
    steps: list[_Step] = []
    for node in body:
        if isinstance(node, nodes.Output):
            found = [_printed(each) for each in node.nodes]
        else:
            found = [_choice(node)]
        for before, step in zip([None, *found], found, strict=False):
            if step is None:
                return None
            if isinstance(before, str) and isinstance(step, str):
                steps[-1] = f"{steps[-1]}{step}"  # a comment stood between: one piece
            else:
                steps.append(step)
    return steps


def _printed(node: nodes.Node) -> _Step | None:
    match node:
        case nodes.TemplateData(data=text):
            return str(text)
        case nodes.Name(name=name):
            return _Field(name)
        case nodes.Filter(
            node=nodes.Name(name=name),
            name="default" | "d",
            args=[nodes.Const(value=str(default))],
            kwargs=[],
            dyn_args=None,
            dyn_kwargs=None,
        ):
            return _Field(name, default)
    return None


def _choice(node: nodes.Node) -> _Step | None:
    if not isinstance(node, nodes.If):
        return None
    tests = list[_Test]()
    for one in (node, *node.elif_):
        match one.test:
            case nodes.Compare(
                expr=nodes.Name(name=name),
                ops=[
                    nodes.Operand(op="eq" | "ne" as op, expr=nodes.Const(value=str(text)))
                ],
            ) if (steps := _steps_of(one.body)) is not None:
                tests.append(_Test(name, text, op == "eq", steps))
            case _:
                return None
    other = _steps_of(node.else_)
    return None if other is None else _Choice(tests, other)
