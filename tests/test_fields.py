"""A column of any name has a name in a template."""

from __future__ import annotations

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.fields import field_name
from smtpbook.language.part import Part


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("Surname", "Surname"),
        ("First Name", "First_Name"),
        ("E-mail", "E_mail"),
        ("2nd name", "_2nd_name"),
        ("  a.b  ", "__a_b__"),
        ("Prénom", "Prénom"),
        ("名前", "名前"),
        ("ﬁeld ①", "field_1"),
        ("_", "_"),
        ("", "_"),
        ("👍", "_"),
        ("\ud800\n", "__"),
        ("or", "or_"),
        ("None", "None_"),
        ("self", "self_"),
        ("range", "range_"),
        ("class", "class"),
    ],
)
def test_a_column_gets_the_nearest_identifier(column: str, name: str) -> None:
    assert field_name(column) == name


@given(st.text())
def test_a_name_is_an_identifier_and_its_own_name(column: str) -> None:
    name = field_name(column)
    assert name.isidentifier()
    assert field_name(name) == name


@given(st.text() | st.sampled_from([*jinja2.defaults.DEFAULT_NAMESPACE, "loop", "super"]))
def test_a_template_looks_the_name_up_and_nothing_else(column: str) -> None:
    name = field_name(column)
    part = Part.compile("text", f"{{{{ {name} | default('none') }}}}")
    assert part.fields == {name}
    assert part.render({name: "value"}) == "value"
    assert part.render({}) == "none"
