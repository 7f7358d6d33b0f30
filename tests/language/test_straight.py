"""What a part prints without Jinja2 is what it prints with it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smtpbook.language.fence import MAX_OUTPUT, MissingField
from smtpbook.language.part import Part, parse, run
from smtpbook.language.reading import read_straight

NAMES = st.sampled_from(["city", "name", "range"])  # the last is a function of Jinja2's
CONSTANTS = st.text("aé<&'\\\n", max_size=3).map(repr)
PLAIN = st.text("ab é<&'\"\\\n\r}%", max_size=4)


def chosen(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    test = st.builds("{} {} {}".format, NAMES, st.sampled_from(["==", "!="]), CONSTANTS)
    more = st.one_of(st.just(""), st.builds("{{% elif {} %}}{}".format, test, inner))
    rest = st.one_of(st.just(""), st.builds("{{% else %}}{}".format, inner))
    return st.builds("{{% if {} %}}{}{}{}{{% endif %}}".format, test, inner, more, rest)


SOURCES = st.recursive(
    st.one_of(
        PLAIN,
        st.sampled_from(["{# c #}", "{% raw %}{{ x }}{% endraw %}"]),
        st.builds("{{{{ {} }}}}".format, NAMES),
        st.builds("{{{{ {} | default({}) }}}}".format, NAMES, CONSTANTS),
    ),
    lambda inner: st.one_of(chosen(inner), st.lists(inner, max_size=4).map("".join)),
    max_leaves=8,
)
VALUES = st.dictionaries(
    st.sampled_from(["city", "name", "range"]),
    st.one_of(st.text("aé<&'\"\\\n", max_size=3), st.sampled_from([7, 1.5, True, ["a"]])),
)


def outcome(fill: Any, *given: Any) -> Any:
    try:
        return fill(*given)
    except Exception as error:
        return type(error), str(error)


@pytest.mark.parametrize("html", [False, True])
@given(source=SOURCES, values=VALUES)
@example(source="{{ city }}", values={})
@example(source="{{ city | default('<a>') }}", values={"city": "<b>"})
def test_pieces_are_those_of_jinja(html: bool, source: str, values: dict[str, Any]) -> None:
    part = Part.compile("text", source, html=html)
    found = outcome(part.pieces, values)
    assert found == outcome(run, part._template, values)


@pytest.mark.parametrize(
    "source",
    [
        "just text",
        "Dear {{ name | default('friend') }},\n",
        "{% if a == 'x' %}one{% elif b != 'y' %}{{ c }}{% else %}three{% endif %}",
    ],
)
def test_a_part_of_fields_and_choices_is_straight(source: str) -> None:
    straight = read_straight(parse("text", source, html=False), html=False)
    assert straight is not None
    assert straight.pieces(dict.fromkeys(("name", "a", "b", "c"), "x"))


@pytest.mark.parametrize(
    "source",
    [
        "{{ name | upper }}",
        "{{ name.first }}",
        "{{ name | default(other) }}",
        "{{ name | default('x', true) }}",
        "{{ name | default('x') | upper }}",
        "{{ name ~ 'x' }}",
        "{{ 7 }}",
        "{{ self }}",
        "{% if name %}x{% endif %}",
        "{% if name == 7 %}x{% endif %}",
        "{% if 'x' == name %}x{% endif %}",
        "{% if 'a' < name < 'b' %}x{% endif %}",
        "{% if name == 'x' %}{{ name | upper }}{% endif %}",
        "{% if name == 'x' %}y{% elif other %}z{% endif %}",
        "{% for each in name %}x{% endfor %}",
        "{% set name = 'x' %}{{ name }}",
    ],
)
def test_everything_else_is_left_to_jinja(source: str) -> None:
    assert read_straight(parse("text", source, html=False), html=False) is None


def test_a_choice_may_have_very_many_ways() -> None:
    ways = "".join(f"{{% elif n == '{n}' %}}way {n}" for n in range(1, 600))
    part = Part.compile("text", f"{{% if n == '0' %}}way 0{ways}{{% endif %}}")
    assert part.pieces({"n": "599"}) == run(part._template, {"n": "599"}) == ["way 599"]


def test_a_missing_field_is_named_and_a_long_text_refused_all_the_same() -> None:
    part = Part.compile("text", "{{ a }}{{ b }}")
    with pytest.raises(MissingField) as caught:
        part.pieces({"a": "x"})
    assert caught.value.field == "b"
    with pytest.raises(Exception, match="more than"):
        part.pieces({"a": "x" * MAX_OUTPUT, "b": "y"})
