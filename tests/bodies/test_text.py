"""HTML becomes the text a reader would be shown, once for a template, in linear time."""

from __future__ import annotations

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.bodies.text import flowed, html_to_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("<p>One\n  two</p><p>three</p>", "One two\n\nthree"),
        ("<h1>Title</h1>text<div>line</div>next", "Title\n\ntext\nline\nnext"),
        ("a<br>b<br/>c<p>d", "a\nb\nc\n\nd"),
        ("<p>a<br></p><p>b</p>", "a\n\nb"),
        ("a <b> b </b> c<i></i> .", "a b c ."),
        ("<ul><li>a<li>b<ul><li>c</ul><li>d</ul>e", "- a\n- b\n  - c\n- d\n\ne"),
        ("<ol start=9><li>a<li>b<p>c</p></ol>", "9. a\n10. b\n\n    c"),
        ("<dl><dt>a<dd>b<dt>c<dd>d</dl>", "a\n  b\nc\n  d"),
        ("<blockquote><p>a</p><p>b<br>c</blockquote>d", "> a\n>\n> b\n> c\n\nd"),
        ("<pre>a\n  b\n\nc</pre>", "a\n  b\n\nc"),
        ("<p>a</p><hr><p>b</p>", "a\n\n" + "-" * 40 + "\n\nb"),
        ("&lt;b&gt; &amp; &euro;&nbsp;5&shy;0 &#0;", "<b> & € 50 \ufffd"),
        (
            "<a href='https://x.example/a?b&amp;c'>here</a>!",
            "here (https://x.example/a?b&c)!",
        ),
        ("<a href='https://x.example/'>x.example</a>", "x.example"),
        ("<a href='mailto:a@x.example'>a@x.example</a>", "a@x.example"),
        ("<a href='#top'>up</a> <a name=x>here</a>", "up here"),
        ("<a href=u><img src=s></a><a href=v><img src=s alt='A &amp; B'></a>", "A & B (v)"),
        ("<a href=u><p>Go</p></a><p>on</p>", "Go (u)\n\non"),
        (
            "<table><tr><th>Name<th>City<tr><td>Ann<td><tr><td><td><p>Graz</p></table>",
            "Name | City\nAnn\n| Graz",
        ),
        ("<table><tr><td>a<td>b<tr><td>c</table>", "a  b\nc"),
        ("<table><tr><td><table><tr><td><p>a</table><td><p>b</table>", "a\n\nb"),
    ],
)
def test_html_reads_as_text(html: str, text: str) -> None:
    assert html_to_text(html) == text


@pytest.mark.parametrize(
    "hidden",
    [
        "<style>p{}</style>",
        "<script>if (a<b) {}</script>",
        "<head><title>t</title><meta x></head>",
        "<head><title>t</title><body>",
        "<div style='display:none;max-height:0'>pre<div>header</div></div>",
        "<span STYLE='a:b; Visibility : HIDDEN'>x</span>",
        "<div hidden>x<p>y</div>",
        "<p hidden>x",
        "<!-- x --><!--[if mso]><p>x</p><![endif]--><!doctype html>",
        "<svg><title>x</title><text>y</text></svg>",
        "<select><option>x</select>",
    ],
)
def test_what_is_hidden_is_left_out(hidden: str) -> None:
    assert html_to_text(f"{hidden}<p>seen</p>") == "seen"


def test_text_shown_to_other_clients_than_outlook_stays() -> None:
    assert html_to_text("<!--[if !mso]><!-->seen<!--<![endif]-->") == "seen"


def test_a_style_that_hides_nothing_hides_nothing() -> None:
    html = "<p style='max-height:0.5em;opacity:0.9;color:red'>seen</p>"
    assert html_to_text(html) == "seen"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>Hi {{ a | default('<b>') }}!</p>", "Hi {{ a | default('<b>') }}!"),
        (
            "<p>a</p>{% if x < 1 %}<p>b</p>{% endif %}<p>c</p>",
            "a{% if x < 1 %}\n\nb{% endif %}\n\nc",
        ),
        ("<p>a</p><p>{% for x in y %}{{ x }}, {% endfor %}</p>",
         "a\n\n{% for x in y %}{{ x }}, {% endfor %}"),
        ("<a href='{{ url }}'>go</a>", "go ({{ url }})"),
        ("<img alt='{{ a }} &amp; b'>", "{{ a }} & b"),
        ("<i hidden>{{ a }}</i>b", "b"),
        ("{# <p>no</p> #}b", "{# <p>no</p> #}b"),
    ],
)  # fmt: skip
def test_tags_stay_where_they_are(source: str, text: str) -> None:
    assert html_to_text(source) == text


ROWS = {"yes": True, "no": False, "xs": ["one", "two", "three"], "a": "A", "url": "u"}


@pytest.mark.parametrize(
    "source",
    [
        "<p>a</p>{% if no %}<p>b</p>{% else %}<p>c</p>{% endif %}<p>d</p>",
        "<p>a</p>{% if yes %}<p>b</p>{% endif %}text",
        "<p>a</p>{% if no %}<p>b</p>{% endif %}text",
        "<ul>{% for x in xs %}<li>{{ x }}</li>{% endfor %}</ul><p>z</p>",
        "<p>a</p><ul><li>0</li>{% for x in xs %}<li>{{ x }}</li>{% endfor %}</ul>",
        "<p>s</p><table>{% for x in xs %}"
        "<tr><th>{{ x }}</th><td>1</td></tr>{% endfor %}</table>",
        "<p>s</p>{% for x in xs %}{{ x }}<br>{% endfor %}<p>e</p>",
        "<p>s</p>{% for x in xs %}{{ x }}<div>y</div>{% endfor %}<p>e</p>",
        "<p>s</p>{% for x in xs %}<div>{{ x }}</div>{% endfor %}<p>e</p>",
        "<p>s {% if yes %}t{% endif %}{% if no %}u{% endif %} v</p>",
        "<blockquote><p>s</p>{% for x in xs %}<p>{{ x }}</p>{% endfor %}</blockquote>",
        "<p>{{ a }}<b>{{ a }}</b> <a href='{{ url }}'>{{ a }}</a></p>",
    ],
)
def test_a_template_turned_into_text_renders_as_the_rendered_html_reads(
    source: str,
) -> None:
    def render(template: str) -> str:
        return jinja2.Environment(autoescape=False).from_string(template).render(ROWS)

    assert render(html_to_text(source)).strip() == html_to_text(render(source))


@pytest.mark.parametrize(
    "html", ["&#123;{ x }}", "{<b></b>{ x }}", "&lbrace;% x %}", "{<b>{{ a }}</b>"]
)
def test_braces_that_are_text_in_html_are_text_in_the_result(html: str) -> None:
    shown = html_to_text(jinja2.Template(html).render(ROWS), finished=True)
    assert jinja2.Template(html_to_text(html)).render(ROWS) == shown


def test_finished_html_has_no_tags() -> None:
    assert html_to_text("{{ a &amp;   b }}", finished=True) == "{{ a & b }}"


@pytest.mark.parametrize(
    "piece",
    [
        *("<div>", "<b>", "<ul><li>a", "<blockquote>a", "<table><tr><td>a", "<a href=x>a"),
        *("<p hidden>a", "<!--", "<a ", "</", "{{", "{% if a %}", "<td>", "<li>", "</b>"),
        *("<i hidden>", "<pre>\n", "<br>", "&", "<style>", "<ol><li></li><blockquote>"),
    ],
)
def test_hostile_html_takes_no_more_time_than_its_length(piece: str) -> None:
    text = html_to_text(piece * 10_000)
    assert len(text) < 60 * 10_000


@given(st.lists(st.sampled_from(
    ["<p>", "</p>", "<ul>", "<li>", "</ul>", "<table>", "<tr>", "<td>", "<th>", "</table>",
     "<br>", "<pre>", "</pre>", "<a href=u>", "</a>", "<blockquote>", "</blockquote>",
     "<p hidden>", "<i hidden>", "</i>", "w", " ", "\n", "&nbsp;", "{{ x }}", "{% if x %}",
     "{% endif %}", "{% for x in y %}", "{% endfor %}", "<", "<!--", "-->", "<hr>"]
)).map("".join))  # fmt: skip
def test_any_soup_is_text_without_blank_ends(soup: str) -> None:
    text = html_to_text(soup)
    lines = text.split("\n")
    assert all(line == line.rstrip(" ") for line in lines)
    if not ("{" in soup or "<pre>" in soup):
        assert text == text.rstrip()
        assert text.count("w") <= soup.count("w")


# --- format=flowed --------------------------------------------------------------------


def unflowed(text: str) -> list[tuple[int, str]]:
    """Read format=flowed as RFC 3676 section 4.2 to 4.5 tells: depth and paragraph."""
    paragraphs: list[tuple[int, str]] = []
    goes_on = False
    for line in text.split("\n"):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content.removeprefix(" ")
        if goes_on and paragraphs[-1][0] == depth and content != "-- ":
            paragraphs[-1] = (depth, paragraphs[-1][1] + content)
        else:
            paragraphs.append((depth, content))
        goes_on = content.endswith(" ") and content != "-- "
    return paragraphs


def paragraphs(text: str) -> list[tuple[int, str]]:
    found = []
    for line in text.split("\n"):
        depth = 0
        while (rest := line.lstrip(" ") if depth else line).startswith(">"):
            depth, line = depth + 1, rest[1:]
        line = line.removeprefix(" ") if depth else line
        found.append((depth, line if line == "-- " else line.rstrip(" ")))
    return found


WORDS = st.sampled_from(["a", "--", "From", ">", " ", "  ", "w" * 30, "x" * 90, "é", ""])
LINES = st.lists(WORDS, max_size=30).map(" ".join)


@given(st.lists(LINES | st.just("-- ") | st.text("> -aF", max_size=9)).map("\n".join))
def test_flowed_text_flows_back_into_its_paragraphs(text: str) -> None:
    result = flowed(text)
    assert unflowed(result) == paragraphs(text)
    for line in result.split("\n"):
        assert len(line) <= 78 or " " not in line.strip("> ").removeprefix("-- ")


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("", ""),
        ("short  \r\nlines\r", "short\nlines\n"),
        ("a" * 40 + " " + "b" * 40, "a" * 40 + " \n" + "b" * 40),
        ("-- \nAnn", "-- \nAnn"),
        ("--  ", "--"),
        ("> -- ", "> -- "),
        ("> > a\n>\n>b", ">> a\n>\n> b"),
        (" indented", "  indented"),
        ("a" * 74 + " From b", "a" * 74 + " \n From b"),
        ("a" * 75 + " -- " + "x" * 90, "a" * 75 + " \n-- " + "x" * 90),
    ],
)
def test_lines_are_stuffed_and_broken(text: str, result: str) -> None:
    assert flowed(text) == result
