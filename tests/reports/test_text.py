"""A report as Markdown: pictures beside it, and no mark in it that is not ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from smtpbook.reports.content import Content
from smtpbook.reports.text import write_text


@pytest.fixture
def text(content: Content, tmp_path: Path) -> str:
    write_text(content, tmp_path / "my report.md")
    return (tmp_path / "my report.md").read_text("utf-8")


@pytest.fixture
def html(text: str) -> str:
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(text)


def test_its_pictures_stand_in_a_folder_beside_it(text: str, tmp_path: Path) -> None:
    assert "![Bars: \\[none\\]](my%20report_files/chart.png)" in text
    picture = tmp_path / "my report_files" / "chart.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_tables_and_lists_and_dialogues_are_those_of_markdown(html: str) -> None:
    assert '<th style="text-align:right">median</th>' in html
    assert '<td style="text-align:right">30.0 s</td>' in html
    assert "<li>label: # text</li>" in html
    assert "-&gt; EHLO ```\n&lt;-  250 Ok\n</code>" in html
    assert "<em>Less weight.</em>" in html
    assert "✓ accepted" in html


def test_what_is_foreign_is_text(html: str) -> None:
    assert (
        "It is &lt;b&gt;not&lt;/b&gt; bold, $x$ no mathematics, _it_ not slanted." in html
    )
    assert "<td>RCPT|`x`</td>" in html
    assert "<li>other: *</li>" in html
    assert "<h1>A &lt;title&gt;</h1>" in html
