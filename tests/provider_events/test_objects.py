"""JSON is found however it was saved, and what is none costs nothing but itself."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.provider_events import objects
from smtpbook.provider_events.objects import find_objects

LEAVES = st.none() | st.integers(-5, 5) | st.text(max_size=6)
VALUES = (
    LEAVES | st.lists(LEAVES, max_size=2) | st.dictionaries(st.text(max_size=2), LEAVES)
)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=3), max_size=3)


def values(text: str) -> list[object]:
    return [found.value for found in find_objects(text.split("\n"))]


@settings(max_examples=30)
@given(OBJECTS, st.sampled_from([None, 1]), st.booleans())
def test_an_array_is_its_objects_on_one_line_or_many(
    given_: list[dict[str, object]], indent: int | None, is_array: bool
) -> None:
    if is_array:
        text = json.dumps(given_, indent=indent)
    else:
        text = "\n".join(json.dumps(one, indent=indent) for one in given_)
    assert values(text) == given_


def test_objects_behind_one_another_and_empty_lines_between_are_found() -> None:
    assert values('{"a": 1} {"b": "}{\\""}\n\n ,{"c":\n2}') == [
        {"a": 1},
        {"b": '}{"'},
        {"c": 2},
    ]


def test_what_is_no_json_is_told_and_costs_no_object_after_it() -> None:
    found = list(find_objects(["hello", '{"a": 1}', "{broken}", '{"b": 2}']))
    assert [(one.line, one.value) for one in found] == [
        (1, None),
        (2, {"a": 1}),
        (3, None),
        (4, {"b": 2}),
    ]


def test_an_object_without_an_end_is_told_at_the_end() -> None:
    (found,) = find_objects(['{"a": [', "1"])
    assert (found.line, found.value) == (2, None)


def test_an_object_that_is_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "MAX_OBJECT", 100)
    lines = ['{"a": [', *['"xxxxxxxxxxxxxxxxxxxx",'] * 50, '"x"]}', '{"b": 2}']
    assert [one.value for one in find_objects(lines)] == [None, {"b": 2}]


def test_deep_nesting_is_refused_like_anything_else() -> None:
    deep = '{"a":' * 100_000 + "1" + "}" * 100_000
    assert values(deep + '\n{"b": 2}') == [None, {"b": 2}]


@settings(max_examples=50)
@given(st.text(alphabet='{}[]",\\ab:1\n', max_size=200))
def test_no_text_raises(text: str) -> None:
    for found in find_objects(text.split("\n")):
        assert found.value is None or isinstance(found.value, dict)
