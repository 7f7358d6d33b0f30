"""Foreign text is shown whole, and nothing of it acts."""

from __future__ import annotations

import html
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.escape import to_cell, to_html, visible

ANY = st.text(st.characters() | st.sampled_from("\r\n\t\0\x1b\u202e\udce9<>&\"'$\\=+-@"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("Grüße, 例え", "Grüße, 例え"),
        ("🏳️‍🌈", "🏳️\\u200d🌈"),
        ("a\tb", "a\tb"),
        ("a\nb\r", "a\\nb\\r"),
        ("\0\x07\x08\x7f", "\\x00\\x07\\x08\\x7f"),
        ("\x1b[31mred\x1b]0;title\x07", "\\x1b[31mred\\x1b]0;title\\x07"),
        ("\x85\x9b", "\\x85\\x9b"),
        ("caf\udce9", "caf\\xe9"),
        ("\ud800", "\\ud800"),
        ("\u202eevil\u202c", "\\u202eevil\\u202c"),
        ("\u2066a\u2069\u200f\u061c", "\\u2066a\\u2069\\u200f\\u061c"),
        ("a\u200bb\u2060\ufeff\xad", "a\\u200bb\\u2060\\ufeff\\xad"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("\U000e0041\U000e007f", "\\U000e0041\\U000e007f"),
        ("\ufffa", "\\ufffa"),
        ("", ""),
    ],
)
def test_control_and_direction_characters_are_shown_as_escapes(
    text: str, shown: str
) -> None:
    assert visible(text) == shown


def test_line_ends_stay_where_they_are_wanted() -> None:
    assert visible("a\r\nb", newlines=True) == "a\\r\nb"


@pytest.mark.parametrize(
    ("max_chars", "shown"),
    [(None, "abcdef"), (6, "abcdef"), (7, "abcdef"), (5, "abcd…"), (1, "…"), (0, "…")],
)
def test_long_text_is_cut_and_says_so(max_chars: int | None, shown: str) -> None:
    assert visible("abcdef", max_chars=max_chars) == shown


@given(ANY)
def test_nothing_visible_acts_and_all_of_it_can_be_written(text: str) -> None:
    shown = visible(text)
    assert not [
        char
        for char in shown
        if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") and char != "\t"
    ]
    assert not [
        char
        for char in shown
        if unicodedata.bidirectional(char)
        in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    ]
    shown.encode("utf-8")
    assert visible(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<b>550</b>", "&lt;b&gt;550&lt;/b&gt;"),
        ("\"a\" & 'b'", "&quot;a&quot; &amp; &#x27;b&#x27;"),
        ("$x$ \\(y\\)", "&#36;x&#36; &#92;(y&#92;)"),
        ("\x1b[31m", "&#92;x1b[31m"),
        ("\u202e", "&#92;u202e"),
        ("&lt;", "&amp;lt;"),
        ("a\nb", "a&#92;nb"),
    ],
)
def test_html_is_text_and_no_markup_or_mathematics(text: str, shown: str) -> None:
    assert to_html(text) == shown


def test_html_may_keep_line_ends() -> None:
    assert to_html("a\n<", newlines=True) == "a\n&lt;"


@given(ANY)
def test_html_reads_back_as_what_is_visible(text: str) -> None:
    shown = to_html(text)
    assert html.unescape(shown) == visible(text)
    assert not set(shown) & set("<>\"'$\\")


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "\\r=1"),
        ("\n=1", "\\n=1"),
        ("\0=1", "\\x00=1"),
        ("\ufeff=1", "\\ufeff=1"),
        ("550 5.1.1 a=b", "550 5.1.1 a=b"),
        ("'=1", "'=1"),
        ("", ""),
    ],
)
def test_cell_does_not_open_a_formula(text: str, cell: str) -> None:
    assert to_cell(text) == cell


@given(ANY)
def test_no_cell_begins_a_formula(text: str) -> None:
    assert to_cell(text)[:1] not in ("=", "+", "-", "@", "\t", "\r", "\n")
