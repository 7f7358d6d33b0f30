"""A report as a page: one script of our own, and nothing that acts besides."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

from smtpbook.reports.content import Content
from smtpbook.reports.page import write_page


@pytest.fixture
def page(content: Content, tmp_path: Path) -> str:
    write_page(content, tmp_path / "page.html")
    return (tmp_path / "page.html").read_text("utf-8")


def test_only_the_script_that_sorts_tables_may_run(page: str) -> None:
    policy = re.search(r'Policy" content="([^"]*)"', page)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert policy is not None
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy[1]
    assert policy[1].startswith("default-src 'none'; img-src data:; ")


def test_cells_say_what_they_are_sorted_by(page: str) -> None:
    assert 'data-key="0.2">200 ms<' in page
    assert 'data-key="30.0">30.0 s<' in page
    assert '<td class="number">-</td>' in page  # comes last
    assert f'data-key="{1_767_312_000.0}">2026-01-02 00:00:00<' in page


def test_what_is_foreign_is_text(page: str) -> None:
    assert "<b>not</b>" not in page
    assert "&lt;b&gt;DATA&lt;/b&gt;" in page
    assert "<title>A &lt;title&gt;</title>" in page
    assert "drawn ✓ &lt;i&gt;&#92;once&lt;/i&gt; &#36;x&#36;" in page
    assert "$" not in page


def test_a_chart_has_the_ink_of_the_page_and_says_what_it_shows(page: str) -> None:
    (figure,) = re.findall("<figure.*?</figure>", page, re.DOTALL)
    assert figure.startswith('<figure role="img" aria-label="Bars: [none]"><svg')
    assert "fill: var(--ink)" in figure
    assert "://" not in figure
