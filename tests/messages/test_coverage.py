"""Every row is filled in before anything is sent, and what becomes of it is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.errors import TemplateError
from smtpbook.language.part import Part
from smtpbook.language.tracing import TracedPart
from smtpbook.messages.attachments import AttachmentColumn
from smtpbook.messages.template import Template

PEOPLE = pd.DataFrame(
    {
        "email": [f"p{n}@x.example" for n in range(6)],
        "first_name": ["Ann", "Bob", None, "Dan", "Eve", "Fay"],
        "sex": ["f", "m", "m", "m", "f", None],
        "note": ["", "hello", "hello", "hello", "", ""],
    }
)


def letter(**parts: Any) -> Template:
    return Template(**{"header_from": "a@x.example", "subject": "s", "text": "t", **parts})


def counts(coverage: pd.DataFrame, kind: str) -> dict[str, int]:
    found = coverage[coverage["kind"] == kind]
    return dict(zip(found["what"], found["recipients"], strict=True))


def test_branches_say_how_many_take_them() -> None:
    text = (
        "{% if sex == 'f' %}Ms{% elif sex == 'm' %}Mr{% else %}Dear{% endif %}"
        "{{ 'x' if note else 'y' }}{% if first_name is defined %}!{% endif %}"
    )
    people = PEOPLE.assign(sex=PEOPLE["sex"].fillna("?"))
    coverage = letter(text=text).coverage(people)
    assert counts(coverage, "branch") == {
        "if sex == 'f'": 2,
        "elif sex == 'm'": 3,
        "else of if sex == 'f'": 1,
        "if note": 3,
        "else of if note": 3,
        "if first_name is defined": 5,
        "none of if first_name is defined": 1,
    }
    lines = coverage.loc[coverage["kind"] == "branch", ["part", "line"]]
    assert set(lines["part"]) == {"text"}
    assert set(lines["line"]) == {1}


def test_fallbacks_and_loops_say_how_many_take_them() -> None:
    text = (
        "{{ first_name | default('friend') }} {{ sex | default('?') | upper }}"
        "{{ note | default('none', true) }}"
        "{% for word in note.split() %}{{ word }}{% else %}-{% endfor %}"
    )
    coverage = letter(text=text).coverage(PEOPLE)
    assert counts(coverage, "fallback") == {
        "first_name | default('friend')": 1,
        "sex | default('?')": 1,
        "note | default('none', True)": 3,
    }
    assert counts(coverage, "loop") == {
        "for word in note.split()": 3,
        "nothing for word in note.split()": 3,
    }


def test_a_place_nobody_reaches_is_named_with_zero() -> None:
    coverage = letter(text="{% if sex == 'd' %}x{% endif %}").coverage(PEOPLE.dropna())
    found = coverage.query("what == \"if sex == 'd'\"").iloc[0]
    assert (found["recipients"], found["share"], found["clusters"]) == (0, 0, ())
    assert pd.isna(found["example"])


def test_every_missing_field_of_a_row_is_named_not_only_the_first() -> None:
    template = letter(
        subject="{{ first_name }}", text="{{ first_name }} {{ sex }} {{ age }}"
    )
    coverage = template.coverage(PEOPLE)
    missing = coverage[coverage["kind"] == "missing"]
    assert list(
        zip(missing["part"], missing["what"], missing["recipients"], strict=True)
    ) == [
        ("subject", "first_name", 1),
        ("text", "age", 6),
        ("text", "first_name", 1),
        ("text", "sex", 1),
    ]
    assert missing.iloc[0]["example"] == "p2@x.example"


def test_a_part_that_comes_out_empty_is_told() -> None:
    html = (
        "<head><title>x</title></head><style>p{}</style><p>&nbsp;<!-- x -->{{ note }}</p>"
    )
    coverage = letter(html=html, text="t").coverage(PEOPLE)
    found = coverage[coverage["kind"] == "empty"].iloc[0]
    assert (found["part"], found["recipients"], found["example"]) == (
        "html",
        3,
        "p0@x.example",
    )


def test_a_picture_is_not_nothing() -> None:
    html = '<img src="https://x.example/a.png">'
    assert counts(letter(html=html, text="t").coverage(PEOPLE), "empty") == {}


def test_messages_that_took_the_same_way_are_a_cluster_with_an_example() -> None:
    text = "{{ first_name | default('friend') }}{% if sex == 'f' %}F{% endif %}"
    coverage = letter(text=text).coverage(PEOPLE.assign(sex=PEOPLE["sex"].fillna("?")))
    clusters = coverage[coverage["kind"] == "cluster"]
    assert list(clusters["recipients"]) == [3, 2, 1]
    assert list(clusters["example"]) == ["p1@x.example", "p0@x.example", "p2@x.example"]
    assert list(clusters["clusters"]) == [(1,), (2,), (3,)]
    assert clusters.iloc[1]["what"] == "if sex == 'f'"
    places = coverage[coverage["kind"] == "branch"].set_index("what")["clusters"]
    assert places["none of if sex == 'f'"] == (1, 3)


def test_longest_and_shortest() -> None:
    coverage = letter(text="Dear {{ first_name }}").coverage(
        PEOPLE.assign(first_name=["a" * n for n in (3, 9, 1, 4, 5, 6)])
    )
    found = coverage.set_index("kind")
    assert found.loc["longest", "example"] == "p1@x.example"
    assert found.loc["shortest", "example"] == "p2@x.example"
    assert found.loc["longest", "what"] == "subject 1 characters, text 14 characters"


def test_what_cannot_be_made_is_an_error_once_for_all_whom_it_hits(tmp_path: Path) -> None:
    template = letter(
        subject="{{ note }}",
        text="{{ 1 / 0 }}",
        attachments=[AttachmentColumn("f", tmp_path)],
    )
    coverage = letter(text="{{ 1 / 0 }}").coverage(PEOPLE)
    assert counts(coverage, "error") == {"text: division by zero": 6}
    people = PEOPLE.assign(f="", email=["no address", *PEOPLE["email"][1:]])
    errors = counts(template.coverage(people), "error")
    assert len(errors) == 2
    assert sorted(errors.values()) == [1, 5]
    breaks = PEOPLE.assign(note=["a\nBcc: b", *[""] * 5])
    errors = counts(letter(subject="{{ note }}").coverage(breaks), "error")
    assert list(errors.values()) == [1]
    assert "U+000A" in next(iter(errors))


def test_each_gives_a_row_for_each_recipient() -> None:
    template = letter(text="{{ sex }}{% if note %}!{% endif %}", html="{{ note }}")
    each = template.coverage(PEOPLE, each=True)
    assert list(each["email"]) == list(PEOPLE["email"])
    assert list(each.columns) == [
        *("email", "cluster", "missing", "empty", "error", "subject", "text", "html")
    ]
    assert each["missing"].isna().sum() == 5
    assert each.iloc[5]["missing"] == "sex"
    assert list(each["empty"].fillna("")) == ["html", "", "", "", "html", "html"]
    assert str(each.dtypes["cluster"]) == "Int64"


def test_an_empty_list_gives_an_empty_table_of_the_same_columns() -> None:
    full, none = (letter().coverage(p) for p in (PEOPLE, PEOPLE.iloc[:0]))
    assert list(full.dtypes) == list(none.dtypes)
    assert counts(none, "cluster") == {}


def test_a_table_that_is_missing_is_missing_and_no_error_besides() -> None:
    coverage = letter(text="{{ table(orders) }}").coverage(PEOPLE)
    assert counts(coverage, "missing") == {"orders": 6}
    assert counts(coverage, "error") == {}


@pytest.mark.parametrize("columns", [["email", "a", "a"], ["email", 4, "4"]])
def test_two_columns_of_one_name_are_refused(columns: list[object]) -> None:
    people = pd.DataFrame([["zoe@y.example", "x", "y"]], columns=columns)
    with pytest.raises(TemplateError, match=r"two columns are called '(a|4)'"):
        letter().coverage(people)


def test_the_coverage_of_a_list_agrees_with_what_render_does() -> None:
    template = letter(text="{{ first_name }}")
    each = template.coverage(PEOPLE, each=True)
    for row, (_, cells) in zip(each.itertuples(), PEOPLE.iterrows(), strict=True):
        refused = not _does(lambda cells=cells: template.check(cells))
        assert refused == (not pd.isna(row.missing) or not pd.isna(row.error))


SOURCES = st.recursive(
    st.sampled_from(
        [
            "x ",
            "{{ a }}",
            "{{ a | default('A') }}",
            "{{ b | d('B', true) }}",
            "{{ 1 if a else 2 }}",
        ]
    ),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        inner.map(lambda s: f"{{% if b %}}{s}{{% endif %}}"),
        st.tuples(inner, inner).map(
            lambda p: f"{{% if a == b %}}{p[0]}{{% else %}}{p[1]}{{% endif %}}"
        ),
        inner.map(lambda s: f"{{% for i in [1, 2] %}}{s}{{{{ i }}}}{{% endfor %}}"),
        inner.map(lambda s: f"{{% set c %}}{s}{{% endset %}}{{{{ c }}}}"),
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(
    source=SOURCES,
    a=st.sampled_from(["", "x", "<"]),
    b=st.sampled_from(["", "x"]),
    html=st.booleans(),
)
def test_a_traced_part_prints_what_the_part_prints(
    source: str, a: str, b: str, html: bool
) -> None:
    part = Part.compile("text", source, html=html)
    values = {"a": a, "b": b}
    assert TracedPart(part).render(values)[0] == part.render(values)


def _does(action: Callable[[], object]) -> bool:
    try:
        action()
    except Exception:
        return False
    return True
