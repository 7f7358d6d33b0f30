"""The report in a real browser: on a telephone, at night, its tables sorted."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtpbook.log.frame import to_frame
from smtpbook.reports.report import report
from tests.browser.conftest import CHROMIUM, CHROMIUM_ARGS
from tests.log.story import day

pytestmark = pytest.mark.heavy

# Words of a table, or of an explanation's labels, that are cut between two letters.
CUT_WORDS = """() => Array.from(document.querySelectorAll(".scroll td, .facts th"))
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


# How a chart's heading and the page's are coloured, and whether letters leave the picture.
SEEN = """(figure) => {
    const texts = Array.from(figure.querySelectorAll("text"));
    const room = figure.querySelector("svg").getBoundingClientRect();
    return {
        ink: getComputedStyle(texts.at(-1)).fill,
        page: getComputedStyle(document.body).color,
        cut: texts.map(one => [one.textContent, one.getBoundingClientRect()])
            .filter(([text, box]) => box.left < room.left || box.right > room.right)
            .map(([text]) => text),
    };
}"""


def test_charts_are_legible_by_day_and_at_night(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    path = report(to_frame(day(300)), tmp_path / "report.html")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=list(CHROMIUM_ARGS)
        )
        page = browser.new_page(color_scheme="light")
        problems: list[str] = []
        page.on("console", lambda said: problems.append(said.text))
        page.goto(path.as_uri())
        inks = set()
        for scheme in ("light", "dark", "light"):
            page.emulate_media(color_scheme=scheme)  # it changes while it is open, too
            for figure in page.locator("figure").all():
                seen = figure.evaluate(SEEN)
                assert seen["ink"] == seen["page"]
                assert seen["cut"] == []
                inks.add(seen["ink"])
        assert len(inks) == 2
        assert problems == []
        browser.close()


# The texts of the first column of a table's body.
COLUMN = (
    """(table) => Array.from(table.tBodies[0].rows, row => row.cells[%d].textContent)"""
)


def test_tables_sort_by_click_and_by_keyboard(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    path = report(to_frame(day(60)), tmp_path / "report.html")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=list(CHROMIUM_ARGS)
        )
        page = browser.new_page()
        problems: list[str] = []
        page.on("console", lambda said: problems.append(said.text))
        page.goto(path.as_uri())
        table = page.locator("section:has(#latency-by-command) table")
        verbs = table.evaluate(COLUMN % 0)
        assert verbs[:2] == ["GREETING", "EHLO"]
        table.get_by_role("button", name="verb").click()
        assert table.evaluate(COLUMN % 0) == sorted(verbs)
        head = table.locator("th").first
        assert head.get_attribute("aria-sort") == "ascending"
        page.keyboard.press("Enter")  # the button has the focus
        assert table.evaluate(COLUMN % 0) == sorted(verbs, reverse=True)
        replies = table.get_by_role("button", name="replies")
        replies.press("Space")
        counts = [int(cell) for cell in table.evaluate(COLUMN % 1)]
        assert counts == sorted(counts, reverse=True)  # the largest first
        assert head.get_attribute("aria-sort") is None
        assert problems == []  # the policy let the script run
        browser.close()


def test_without_scripts_tables_are_read_as_they_stand(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    path = report(to_frame(day(20)), tmp_path / "report.html")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=list(CHROMIUM_ARGS)
        )
        page = browser.new_context(java_script_enabled=False).new_page()
        page.goto(path.as_uri())
        assert page.get_by_role("columnheader", name="verb").count() == 2
        assert page.get_by_role("button").count() == 0
        browser.close()
