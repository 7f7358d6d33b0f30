"""One file that needs nothing else, and in which nothing foreign acts."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from smtpbook.insight.report import report

from smtpbook.errors import ColumnError
from smtpbook.log.frame import to_frame
from tests.log.story import Story

HOSTILE = "550 5.7.1 <script>alert(1)</script> $x^2$ \\(y\\) \u202eevil"


class Page(HTMLParser):
    """Collects tags, their attributes and the text of a page, and checks the nesting."""

    VOID = ("meta", "img", "source", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def html(one_day: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = report(one_day, tmp_path_factory.mktemp("report") / "report.html")
    return path.read_text(encoding="utf-8")


def test_the_file_needs_no_other(html: str) -> None:
    page = Page(html)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    sources = [
        value for name, value in page.attributes if name in ("src", "srcset", "href")
    ]
    assert len(sources) == 10  # five charts, for light and for dark pages
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"url\(|@import|//[a-z]", re.sub('base64,[^"]*', "", html))
    assert "prefers-color-scheme: dark" in html


def test_it_tells_the_outcomes_the_refusals_and_the_versions(html: str) -> None:
    text = Page(html).text
    assert "Campaign november" in text
    assert "301 recipients in all." in text
    assert "450 after RCPT: 20 times" in text
    assert "No such user here" in text
    assert "Refusals by reason" in text
    assert "domain0.example" in text
    assert f"pandas {pd.__version__}" in text


def test_every_picture_has_a_text_for_those_who_do_not_see_it(html: str) -> None:
    alts = [value for name, value in Page(html).attributes if name == "alt"]
    beginnings = [
        "Flow: What became of 301 recipients, attempt by attempt. In the end: ✓ 258",
        "Bars and heat map: 301 recipients at 13 domains: 86% accepted. Most that",
        "Bar chart: 1,150 replies by code. 220: 4, 221: 4, 250: ",
        "Distributions: How long 1,150 replies took, by command. Medians: GREETING 2.00 ms",
        "Timeline: 1,150 replies in 2.33 s: 42 refusals, below the lines.",
    ]
    for alt, beginning in zip(alts, beginnings, strict=True):
        assert alt.startswith(beginning)


def test_foreign_text_is_only_text(tmp_path: Path) -> None:
    story = Story("<b>session").opened()
    story.message("x@<img src=x onerror=alert(1)>", rcpt=HOSTILE, outcome="rejected")
    log = to_frame(story.rows).assign(server="<script>alert(2)</script>")
    html = report(
        log, tmp_path / "r.html", title="<script>alert(3)</script> $a$"
    ).read_text()
    page = Page(html)
    assert "script" not in page.tags
    assert "onerror" not in dict(page.attributes)
    assert "$" not in html  # not even for a mathematics renderer
    assert "\u202e" not in html
    for number in (1, 2, 3):
        assert f"<script>alert({number})</script>" in page.text


def test_an_empty_log_has_a_report_that_says_so(
    empty_log: pd.DataFrame, tmp_path: Path
) -> None:
    text = Page(report(empty_log, tmp_path / "report.html").read_text()).text
    assert "The log is empty." in text
    assert "No replies in this log." in text


def test_no_figure_is_left_open_and_no_setting_changed(tmp_path: Path) -> None:
    before = dict(plt.rcParams)
    report(to_frame(Story().opened().rows), str(tmp_path / "report.html"))
    assert plt.get_fignums() == []
    assert dict(plt.rcParams) == before


def test_a_frame_that_is_no_event_log_is_refused(log: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(ColumnError, match="column 'verb' not found"):
        report(log.drop(columns="verb"), tmp_path / "report.html")
