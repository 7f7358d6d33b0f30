"""HTML is cut where a browser cuts it, and every piece knows its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.bodies.markup import attributes, quoted, spliced, tokens, values

SOUP = st.text("<>/!-=\"' \na&b", max_size=80) | st.lists(
    st.sampled_from(["<p a=1>", "<style>", "</style>", "<!--", "-->", "<a b='", ">", "x"])
).map("".join)


def pieces(html: str) -> list[tuple[str, str]]:
    return [(token.kind, html[token.start : token.stop]) for token in tokens(html)]


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ("a<b>c</B >", [("text", "a"), ("start", "<b>"), ("text", "c"), ("end", "</B >")]),
        ("1 < 2", [("text", "1 < 2")]),
        ('<a b="x>y" c=\'>\'>', [("start", '<a b="x>y" c=\'>\'>')]),
        ("<!-- <b> --><!doctype x><?x?></ x>", [
            ("comment", "<!-- <b> -->"), ("comment", "<!doctype x>"), ("comment", "<?x?>"),
            ("comment", "</ x>"),
        ]),
        ("<!--><b>", [("comment", "<!-->"), ("start", "<b>")]),
        ("<style>a<b</styleX></STYLE>", [
            ("start", "<style>"), ("raw", "a<b</styleX>"), ("end", "</STYLE>"),
        ]),
        ("<a b='", [("start", "<a b='")]),
    ],
)  # fmt: skip
def test_html_is_cut_into_tokens(html: str, found: list[tuple[str, str]]) -> None:
    assert pieces(html) == found


@given(SOUP)
def test_the_tokens_are_the_whole_text(html: str) -> None:
    assert "".join(text for _, text in pieces(html)) == html
    for token in tokens(html):
        if token.kind == "start":
            assert all(token.start < a.start < a.stop <= token.stop
                       for a in attributes(html, token))  # fmt: skip


def test_attributes_are_read_as_browsers_do() -> None:
    html = "<a HREF = 'x&amp;y' b c=d/e =f b=2>"
    (token,) = tokens(html)
    assert values(html, token) == {"href": "x&y", "b": "", "c": "d/e", "=f": ""}
    first = next(attributes(html, token))
    assert html[first.start : first.stop] == "HREF = 'x&amp;y'"


@given(st.text())
def test_a_quoted_value_reads_back(value: str) -> None:
    html = f'<a b="{quoted(value)}">'
    (token,) = tokens(html)
    assert next(attributes(html, token)).value == quoted(value)


def test_edits_leave_the_rest() -> None:
    assert spliced("abcdef", [(1, 2, "X"), (2, 2, "-"), (5, 6, "")]) == "aX-cde"


@pytest.mark.parametrize("piece", ["<a ", "<!--", '<a b="', "</", "<style>", "<a b=", "<"])
def test_hostile_html_is_cut_in_one_pass(piece: str) -> None:
    assert len(list(tokens(piece * 20_000))) < 5
