"""Markdown gives HTML and text in which Jinja2's tags are exactly what they were."""

from __future__ import annotations

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.bodies.markdown import markdown_to_html, markdown_to_text
from smtpbook.bodies.tags import protect
from smtpbook.errors import TemplateError

VALUES = {
    "x": True,
    "no": False,
    "xs": ["one", "*two*"],
    "name": "<b>*Zoë*",
    "url": "u?a&b",
}


def render(source: str, *, autoescape: bool = True) -> str:
    return jinja2.Environment(autoescape=autoescape).from_string(source).render(VALUES)


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("# Hi {{ name }}\n\ntext", "<h1>Hi {{ name }}</h1>\n<p>text</p>"),
        ("**{{ a_b_c * 2 }}** ~~x~~", "<p><strong>{{ a_b_c * 2 }}</strong> <s>x</s></p>"),
        (
            "[go]({{ url }} \"{{ t | default('x') }}\")",
            "<p><a href=\"{{ url }}\" title=\"{{ t | default('x') }}\">go</a></p>",
        ),
        ("![{{ alt }}]({{ url }})", '<p><img src="{{ url }}" alt="{{ alt }}" /></p>'),
        ("`{{ x | f(\"<\") }}`", "<p><code>{{ x | f(\"<\") }}</code></p>"),
        ("```\n{% if x %}\n<p>\n```", "<pre><code>{% if x %}\n&lt;p&gt;\n</code></pre>"),
        ("    {% if x %}", "<pre><code>{% if x %}\n</code></pre>"),
        (
            "a\n{% if x %}\nb\n{% endif %}\nc",
            "<p>a</p>\n{% if x %}\n<p>b</p>\n{% endif %}\n<p>c</p>",
        ),
        ("{# a *note* #}\nb", "{# a *note* #}\n<p>b</p>"),
        ("{{ table(frame) }}", "{{ table(frame) }}"),
        ("{{ name }}", "<p>{{ name }}</p>"),
        ("<div class='{{ a }}'>\n\n*b*\n</div>",
         "<div class='{{ a }}'>\n<p><em>b</em></p>\n</div>"),
        (
            "{% for x in xs %}\n1. {{ x }}\n{% endfor %}",
            "<ol>\n{% for x in xs %}\n<li>{{ x }}</li>\n{% endfor %}\n</ol>",
        ),
        (
            "- a\n{% for x in xs %}\n- {{ x }}\n{% endfor %}\n- z",
            "<ul>\n<li>a</li>\n{% for x in xs %}\n<li>{{ x }}</li>\n{% endfor %}\n"
            "<li>z</li>\n</ul>",
        ),
        (
            "{% if x %}\n- a\n{% else %}\nb\n{% endif %}\n- c",
            "{% if x %}\n<ul>\n<li>a</li>\n</ul>\n{% else %}\n<p>b</p>\n{% endif %}\n"
            "<ul>\n<li>c</li>\n</ul>",
        ),
        (
            "{% if x %}\n|a|\n|-|\n|1|\n{% endif %}",
            "{% if x %}\n<table>\n<thead>\n<tr>\n<th>a</th>\n</tr>\n</thead>\n<tbody>\n"
            "<tr>\n<td>1</td>\n</tr>\n</tbody>\n</table>\n{% endif %}",
        ),
        (
            "- a\n{% if x %}\n* b\n{% endif %}\n* c\n{% endif %}",
            "<ul>\n<li>a</li>\n</ul>\n{% if x %}\n<ul>\n<li>b</li>\n</ul>\n{% endif %}\n"
            "<ul>\n<li>c</li>\n</ul>\n{% endif %}",
        ),
        (
            "|a|b|\n|-|-|\n{% for x in xs %}\n|{{ x | upper }}|1|\n{% endfor %}",
            "<table>\n<thead>\n<tr>\n<th>a</th>\n<th>b</th>\n</tr>\n</thead>\n<tbody>\n"
            "{% for x in xs %}\n<tr>\n<td>{{ x | upper }}</td>\n<td>1</td>\n</tr>\n"
            "{% endfor %}\n</tbody>\n</table>",
        ),
    ],
)  # fmt: skip
def test_markdown_becomes_html(source: str, html: str) -> None:
    assert markdown_to_html(source).strip() == html


def test_values_are_escaped_and_are_no_markdown() -> None:
    assert render(markdown_to_html("Dear {{ name }}, [go]({{ url }})")) == (
        '<p>Dear &lt;b&gt;*Zoë*, <a href="u?a&amp;b">go</a></p>'
    )


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("# Hi\n\n**bold** and *soft*, `code`", "Hi\n\nbold and soft, code"),
        ("[our site]({{ url }})", "our site (u?a&b)"),
        ("<https://x.example/a>", "https://x.example/a"),
        ("s\n{% if no %}\nb\n{% endif %}\nc", "s\n\nc"),
        (
            "s\n\n{% for x in xs %}\n- {{ x }}\n{% endfor %}\n\ne",
            "s\n\n- one\n- *two*\n\ne",
        ),
        ("1. a\n2. b\n\n> quoted\n> text", "1. a\n2. b\n\n> quoted text"),
        ("|a|b|\n|-|-|\n|{{ name }}|2|", "a | b\n<b>*Zoë* | 2"),
        ("`{` and \\{{ x", "{ and {{ x"),
    ],
)
def test_markdown_reads_well_as_text(source: str, text: str) -> None:
    assert render(markdown_to_text(source), autoescape=False) == text


@pytest.mark.parametrize("source", ["\\{\\{ name }}", "&#123;{ name }}", "{*{* name }}"])
def test_braces_that_are_text_stay_text(source: str) -> None:
    html = markdown_to_html(source)
    assert "Zoë" not in render(html)


def test_a_tag_in_angle_brackets_is_an_error_that_says_what_to_write() -> None:
    with pytest.raises(TemplateError) as caught:
        markdown_to_html("a\n\nsee <{{ url }}>")
    assert str(caught.value) == (
        "markdown, line 3: <{{ url }}> would be an HTML element; write "
        "[{{ url }}]({{ url }}) for a link"
    )


def test_a_dangerous_link_is_no_link() -> None:
    assert "<a" not in markdown_to_html("[x](javascript:alert)")


PIECES = st.sampled_from(
    ["{{ a_b | f('*') }}", "{% if x %}", "{% endif %}", "{% for x in xs %}", "{% endfor %}",
     "{# | #}", "*", "_", "**", "|", "`", "\n", "\n\n", "- ", "1. ", "> ", "# ", "[t](",
     ")",      "    ", "word", "```\n", "|-|-|\n", "<b>", "&", "\\", "~~", "\t"]
)  # fmt: skip


@given(st.lists(PIECES).map("".join))
def test_every_tag_survives_once_and_in_order(source: str) -> None:
    def tags(text: str) -> list[str]:
        return [tag.text for tag in protect(text).tags if tag.text != "{{ '{' }}"]

    assert tags(markdown_to_html(source)) == tags(source)


@pytest.mark.parametrize(
    "piece", ["> ", "- ", "[", "*a ", "{% if x %}\n", "- a\n{{ f() }}\n"]
)
def test_hostile_markdown_ends(piece: str) -> None:
    assert markdown_to_text(piece * 1000) is not None
