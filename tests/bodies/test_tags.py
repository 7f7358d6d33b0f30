"""Jinja2's tags are found as Jinja2 finds them, and come back as they were."""

from __future__ import annotations

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.bodies.tags import protect

SOUP = st.lists(
    st.sampled_from(["{{", "}}", "{%", "%}", "{#", "#}", "'", '"', "\\", " ", "a", "if",
                     "\n",
                     "{% raw %}", "{%- endraw -%}", "{{ a }}", "{% if a %}"])
).map("".join)  # fmt: skip


@pytest.mark.parametrize(
    ("source", "tags"),
    [
        ("a {{ b }} c", ["{{ b }}"]),
        ('{{ \'}}\' }}{{ "\\"}}" }}', ["{{ '}}' }}", '{{ "\\"}}" }}']),
        ("{%- if a < '%}' -%}x", ["{%- if a < '%}' -%}"]),
        ("{# '{{ #}{{ a }}", ["{# '{{ #}", "{{ a }}"]),
        (
            "{% raw %}{{{% x {% endraw %}{{ a }}",
            ["{% raw %}{{{% x {% endraw %}", "{{ a }}"],
        ),
        ("{{ a }} {{ b", ["{{ a }}"]),
        ("{ { } }", []),
    ],
)
def test_tags_are_found(source: str, tags: list[str]) -> None:
    assert [tag.text for tag in protect(source).tags] == tags


@given(SOUP)
def test_what_is_protected_comes_back(source: str) -> None:
    protected = protect(source)
    assert protected.restore(protected.text) == source
    assert len(protected.word.findall(protected.text)) == len(protected.tags)


@given(SOUP)
def test_no_tag_that_jinja2_would_read_is_missed(source: str) -> None:
    try:
        # Jinja2 forgives a tag that begins where the source ends.
        jinja2.Environment().parse(f"{source}.")
    except jinja2.TemplateSyntaxError:
        return
    left = protect(f"{source}.").text
    assert not any(opening in left for opening in ("{{", "{%", "{#"))


def test_lines_depths_and_keywords_are_told() -> None:
    source = (
        "{% if a %}\n{# \n #}{%- endif %}\n{% set b %}{% set c = 1 %}{% raw %}{% endraw %}"
    )
    assert [
        (tag.line, tag.depth, tag.keyword, tag.kind) for tag in protect(source).tags
    ] == [
        (1, 1, "if", "statement"),
        (2, 0, "", "comment"),
        (3, -1, "endif", "statement"),
        (4, 1, "set", "statement"),
        (4, 0, "set", "statement"),
        (4, 0, "", "expression"),
    ]


@pytest.mark.parametrize("piece", ["{{", "{{ '", "{% raw %}", "{#", "{{ a }}", "{{ '\\'"])
def test_hostile_sources_end(piece: str) -> None:
    assert len(protect(piece * 20_000).tags) in (0, 1, 20_000)
