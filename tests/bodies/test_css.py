"""Rules move into style attributes, and nothing else of the source moves."""

from __future__ import annotations

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.bodies.css import inline_css
from smtpbook.errors import TemplateError

VALUES = {"x": True, "no": False, "name": "Zoë <&>", "rows": ["a", "b"], "brand": "#112233"}


def render(source: str) -> str:
    return jinja2.Environment(autoescape=True).from_string(source).render(VALUES)


@pytest.mark.parametrize(
    ("source", "inlined"),
    [
        ("<style>p{color:red}</style><p>a", '<p style="color: red">a'),
        ("<style>p{color:red}</style><P ID=x>a", '<P style="color: red" ID=x>a'),
        (
            "<style>p{color:red;margin:1px !important}</style><p STYLE='color:blue;'>",
            '<p style="color: red; color:blue; margin: 1px !important">',
        ),
        (
            "<style>a:hover{color:red} a{color:blue}</style><a href=u>",
            '<style>a:hover { color: red; }</style><a style="color: blue" href=u>',
        ),
        (
            '<style>p{font-family:"A B"}</style><style media=print>p{a:b}</style><p>',
            "<style>@media print {\np{a:b}\n}</style><p style=\"font-family: 'A B'\">",
        ),
        ("<p>no style, <b CLASS = 'x'>\n</p>", "<p>no style, <b CLASS = 'x'>\n</p>"),
        (
            "<style>.a{color:red}.b{color:blue}</style>"
            "<i class='a{% if x %} b{% endif %}'>",
            "<style>.b { color: blue; }</style>"
            "<i style=\"color: red\" class='a{% if x %} b{% endif %}'>",
        ),
        (
            "<style>b{color:{{ brand | default('red') }}}</style><b>",
            "<b style=\"color: {{ brand | default('red') }}\">",
        ),
    ],
)
def test_what_inlining_gives(source: str, inlined: str) -> None:
    assert inline_css(source) == inlined


def test_a_further_stylesheet_comes_first_and_its_rest_goes_into_the_head() -> None:
    source = "<html><head><title>t</title></head><body><p>a</p></body></html>"
    assert inline_css(source, "p{color:red} @media print{#id{a:b}}") == (
        "<html><head><title>t</title><style>@media print{ #id{a:b}}</style></head><body>"
        '<p style="color: red">a</p></body></html>'
    )
    assert inline_css("<p>a", "@media print{p{a:b}}") == (
        "<style>@media print{p{a:b}}</style><p>a"
    )
    assert inline_css("<style>p{color:red}</style><p>", "p{color:blue}") == (
        '<p style="color: red">'
    )


@pytest.mark.parametrize(
    "source",
    [
        "<table>{% for r in rows %}<tr><td>{{ r }}{% endfor %}</table>",
        "<table>{{ name }}<tr><td style='a:{{ name }};{% if x %}b:c{% endif %}'>",
        "<p title=\"{{ name | default('<b>') }}\">{% raw %}{{ <p> }}{% endraw %}</p>",
        "<!doctype html>\n<html><body {# c #}\n>".replace("{# c #}", ""),
        "<tr><td>a &nbsp; &amp &copy</tr>\r\n<!-- <p> --><script>'<p>'</script>",
        "<p>{# <td {{ x }}> #}<br/><img src=x /></p >",
    ],
)
def test_all_but_the_styles_survives_exactly(source: str) -> None:
    result = inline_css(source, "zz{a:b}")
    assert result == f"<style>zz {{ a: b; }}</style>{source}" or result == source.replace(
        "<body", "<style>zz { a: b; }</style><body"
    )


@pytest.mark.parametrize(
    "source",
    [
        "<table>{% for r in rows %}<tr><td>{{ r }}</td></tr>{% endfor %}</table>",
        "<p class=a>{{ name }}</p>{% if no %}<p>x</p>{% endif %}",
        "<p class=a style='color:{{ brand }}'>{% if x %}<b>{{ name }}</b>{% endif %}</p>",
    ],
)
def test_rendering_what_was_inlined_is_inlining_what_was_rendered(source: str) -> None:
    css = "td,.a{color:red}b{margin:0!important}p{padding:1px}"
    assert render(inline_css(source, css)) == inline_css(render(source), css)


@given(st.lists(st.sampled_from(
    ["<p class=a>", "</p>", "<b>", "</b>", "{{ name }}", "{% if x %}", "{% endif %}",
     "text",
     "<td style='a:b'>", "<div id=i style=\"c:{{ name }}\">", "</div>",
     "&amp;", "&lt;", "\n"]
)).map("".join))  # fmt: skip
def test_taking_the_styles_out_again_gives_the_source(source: str) -> None:
    result = inline_css(source, ".a{x:y} b{x:y}")
    left = "<style>.a { x: y; }\nb { x: y; }</style>"
    for rest in (left, "<style>.a { x: y; }</style>", "<style>b { x: y; }</style>"):
        result = result.removeprefix(rest)
    assert result.replace(' style="x: y"', "") == source


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (
            "\n<td {% if x %}class='a'{% endif %}>",
            "html, line 2: {% if x %} stands among the attributes of <td>, where no CSS "
            "can be inlined; put it inside a value: "
            'style="{% if … %}color: red{% endif %}"',
        ),
        (
            "{#\n\n#}<h{{ n }}>",
            "html, line 3: {{ n }} makes up a tag's name, where no CSS can be inlined; "
            "write the name out, in a {% if %} around the whole element if need be",
        ),
        (
            "<style>\n{% if x %}p{a:b}{% endif %}</style>",
            "html, line 2: {% if x %} stands among the rules of a <style>, where no CSS "
            "can be inlined; only a value can be a merge field: color: {{ brand }}",
        ),
        (
            "{% if x %}\n<style>p{a:b}</style>{% endif %}",
            "html, line 2: a <style> inside {% if %} or {% for %} cannot be put into style "
            "attributes; take it out of the block",
        ),
    ],
)
def test_a_tag_where_none_can_stand_is_an_error_that_says_what_to_do(
    source: str, error: str
) -> None:
    with pytest.raises(TemplateError) as caught:
        inline_css(source, "p{a:b}")
    assert str(caught.value) == error


def test_a_stylesheet_does_not_end_its_element() -> None:
    with pytest.raises(TemplateError, match="holds '</style'"):
        inline_css("<p>", "p{a:'</STYLE>'}")


def test_nothing_is_loaded() -> None:
    link = "<link rel=stylesheet href={}>"
    source = link.format("/etc/passwd") + link.format("http://x.example")
    assert inline_css(source + "<style>p{a:b}</style><p>") == source + '<p style="a: b">'


@pytest.mark.parametrize("css", ["p{", "}", "p:not(", "@media {", "\0", "<!--", "p{;*a:b}"])
def test_damaged_stylesheets_do_no_harm(css: str) -> None:
    assert inline_css("<p>a</p>", css).endswith(("<p>a</p>", '<p style="">a</p>'))


@pytest.mark.parametrize("piece", ["<div>", "<b></x>", "<table><tr>", "<b><p></p>"])
def test_elements_too_deep_for_the_library_are_refused(piece: str) -> None:
    with pytest.raises(TemplateError, match="more than 250 elements inside each other"):
        inline_css(piece * 20_000, "p{a:b}")


@pytest.mark.parametrize(
    "piece", ["<p ", "<!--", "{{", "<style>", "<p>", "<li>", "<tr><td>"]
)
def test_hostile_html_ends(piece: str) -> None:
    assert inline_css(piece * 5000, "p{a:b}")
