"""Reading: which parts are straight ones, told by Jinja2's own tree of them.

What this gives, `straight` goes through for each row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from jinja2 import nodes

from smtpbook.language.straight import Choice, Field, Step, Straight, Test

# Jinja2's own name for the template, whatever a row has under it.
_TEMPLATE: Final = "self"


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


def _steps_of(body: Sequence[nodes.Node]) -> list[Step] | None:
    steps: list[Step] = []
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


def _printed(node: nodes.Node) -> Step | None:
    match node:
        case nodes.TemplateData(data=text):
            return str(text)
        case nodes.Name(name=name):
            return Field(name)
        case nodes.Filter(
            node=nodes.Name(name=name),
            name="default" | "d",
            args=[nodes.Const(value=str(default))],
            kwargs=[],
            dyn_args=None,
            dyn_kwargs=None,
        ):
            return Field(name, default)
    return None


def _choice(node: nodes.Node) -> Step | None:
    if not isinstance(node, nodes.If):
        return None
    tests = list[Test]()
    for one in (node, *node.elif_):
        match one.test:
            case nodes.Compare(
                expr=nodes.Name(name=name),
                ops=[
                    nodes.Operand(op="eq" | "ne" as op, expr=nodes.Const(value=str(text)))
                ],
            ) if (steps := _steps_of(one.body)) is not None:
                tests.append(Test(name, text, op == "eq", steps))
            case _:
                return None
    other = _steps_of(node.else_)
    return None if other is None else Choice(tests, other)
