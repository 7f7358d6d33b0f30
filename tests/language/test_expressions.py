"""A template's expressions are shown in its own words."""

from __future__ import annotations

import jinja2
import pytest
from jinja2 import nodes

from smtpbook.language.expressions import expression

SAME = [
    "name",
    "name | default('friend')",
    "a == 'x' and b != 2 or not c",
    "(a or b) and not (c and d)",
    "a is defined",
    "a is divisibleby(3)",
    "row['First Name'].strip()",
    "f(a, b=1)",
    "a ~ ' ' ~ b",
    "'Herr' if sex == 'M' else 'Frau'",
    "-a + b * 2 // 3 % 4 ** 5 - 1 / 2",
    "(a + b) * c",
    "a in ['x', 'y'] and b not in c",
    "1 < a <= 3",
    "a | upper | trim",
    "(a ~ b) | upper",
]


@pytest.mark.parametrize("source", SAME)
def test_it_is_written_as_an_author_would(source: str) -> None:
    assert expression(_parsed(source)) == source


@pytest.mark.parametrize("source", SAME)
def test_it_means_the_same(source: str) -> None:
    tree = _parsed(source)
    assert _parsed(expression(tree)) == tree


def test_what_is_rare_is_left_out() -> None:
    assert expression(_parsed("a[1:2]")) == "a[…]"


def _parsed(source: str) -> nodes.Expr:
    tree = jinja2.Environment().parse(f"{{{{ {source} }}}}")
    output = tree.body[0]
    assert isinstance(output, nodes.Output)
    return output.nodes[0]
