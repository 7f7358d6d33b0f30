"""The report in a real browser: read on a telephone."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtpbook.insight.report import report
from smtpbook.log.frame import to_frame
from tests.browser.conftest import CHROMIUM, CHROMIUM_ARGS
from tests.log.story import day

pytestmark = pytest.mark.heavy

# Words of a table, or of an explanation's labels, that are cut between two letters.
CUT_WORDS = """() => Array.from(document.querySelectorAll(".scroll td, .refusal th"))
    .filter(cell => {
        const range = document.createRange();
        range.selectNodeContents(cell);
        const words = cell.textContent.trim().split(/[\\s-]+/).length;
        const lines = new Set(Array.from(range.getClientRects(), box => box.top));
        return lines.size > words;
    })
    .map(cell => cell.textContent)"""


def test_no_word_is_cut_on_a_narrow_page(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    path = report(to_frame(day(300)), tmp_path / "report.html")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=list(CHROMIUM_ARGS)
        )
        page = browser.new_page(viewport={"width": 420, "height": 800})
        page.goto(path.as_uri())
        assert page.evaluate(CUT_WORDS) == []
        # Wide tables scroll by themselves.
        assert page.evaluate("document.documentElement.scrollWidth") <= 420
        browser.close()
