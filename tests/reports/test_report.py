"""One file that needs nothing else, and in which nothing foreign acts."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from smtpbook.errors import ColumnError, SMTPBookError
from smtpbook.log.frame import to_frame
from smtpbook.log.store import read_log, write_log
from smtpbook.reports.report import report
from smtpbook.tables.scan import scan_log
from tests.log.story import Story

pytestmark = pytest.mark.side_by_side

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
    before = dict(plt.rcParams)
    path = report(one_day, tmp_path_factory.mktemp("report") / "report.html")
    assert plt.get_fignums() == []  # no figure is left open, and no setting changed
    assert dict(plt.rcParams) == before
    return path.read_text(encoding="utf-8")


def test_the_file_needs_no_other(html: str) -> None:
    page = Page(html)
    assert not {"link", "iframe", "object"} & set(page.tags)
    anchors = [value for name, value in page.attributes if name == "id"]
    links = [value for name, value in page.attributes if name in ("href", "xlink:href")]
    inside = [link[1:] for link in links if link.startswith("#")]
    assert set(inside) <= set(anchors)
    assert len(set(anchors)) == len(anchors)
    # Clouds of points are pictures inside their charts.
    others = [link for link in links if not link.startswith("#")]
    assert all(link.startswith("data:image/png;base64,") for link in others)
    assert not {"src", "srcset"} & {name for name, _ in page.attributes}
    # Seven charts and where the time of two sessions went.
    assert page.tags.count("svg") == 9
    assert not re.search(r"url\((?!#)|@import|//[a-z]", re.sub('base64,[^"]*', "", html))
    assert "prefers-color-scheme: dark" in html


def test_it_tells_the_outcomes_the_refusals_and_the_versions(html: str) -> None:
    text = Page(html).text
    assert "Campaign november" in text
    assert "301 recipients in all." in text
    assert "450 after RCPT: 20 times" in text
    assert "No such user here" in text
    assert "Refusals by reason" in text
    assert "domain0.example" in text
    assert "88.0%70.0% to 95.8%" in text
    assert "95 % intervals: Wilson, within each domain." in text
    assert "1.83 ms1.46 ms to 2.06 ms" in text
    assert f"pandas{pd.__version__}" in text
    assert "the slowest: the reply to END-OF-DATA took 100 ms" in text
    assert "the most refusals: 12 refusals" in text
    assert "reverse-pathnews@example.org" in text


def test_every_picture_has_a_text_for_those_who_do_not_see_it(html: str) -> None:
    alts = [value for name, value in Page(html).attributes if name == "aria-label"]
    beginnings = [
        "Flow: What became of 301 recipients, attempt by attempt. In the end: ✓ 258",
        "Bars and heat map: 301 recipients at 13 domains: 86% accepted. Most that",
        "Bar chart: 1,150 replies by code. 220: 4, 221: 4, 250: ",
        "Distributions: How long 1,150 replies took, by command. Medians: GREETING 2.00 ms",
        "Rates over time: 258 recipients accepted in 3.00 s, 20 replies 4yz.",
        "Gantt chart: 4 sessions, at most 4 at a time.",
        "Timeline: 1,150 replies in 2.33 s: 42 refusals, below the lines.",
        "Waterfall: Session s0 with smtp.example.org: 5 steps.",
        "Waterfall: Session s3 with smtp.example.org: 356 steps; the first 20 are shown.",
    ]
    for alt, beginning in zip(alts, beginnings, strict=True):
        assert alt.startswith(beginning)


@pytest.mark.heavy
def test_foreign_text_is_only_text(tmp_path: Path) -> None:
    story = Story("<b>session").opened()
    story.message("x@<img src=x onerror=alert(1)>", rcpt=HOSTILE, outcome="rejected")
    log = to_frame(story.rows).assign(server="<script>alert(2)</script>")
    html = report(
        log, tmp_path / "r.html", title="<script>alert(3)</script> $a$"
    ).read_text()
    page = Page(html)
    assert page.tags.count("script") == 1  # our own
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


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("report.htm", r"'report.htm' ends in '.htm'.*; did you mean '.html'\?; there are"),
        ("report", "'report' has no suffix"),
        ("case.zip", "and .parquet for a case file"),
        ("case.parquet", "say share=True"),
    ],
)
def test_a_name_that_tells_no_report_is_refused(
    empty_log: pd.DataFrame, tmp_path: Path, name: str, said: str
) -> None:
    with pytest.raises(SMTPBookError, match=said):
        report(empty_log, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.heavy
def test_a_shared_report_names_nobody(tmp_path: Path) -> None:
    story = (
        Story().opened().message("ann@x.example", rcpt="550 5.1.1 ann: unknown").closed()
    )
    log = to_frame(story.rows)
    path = report(
        log, tmp_path / "r.md", settings={"from": "Ann", "pace": "9/s"}, share=True
    )
    text = path.read_text("utf-8")
    for name in ("ann", "x.example", "news@example.org", "laptop", "november", "192.0.2.1"):
        assert name not in text
    assert "5.1.1 \\*: unknown" in text
    assert "- pace: 9/s" in text
    assert "- from" not in text


@pytest.mark.heavy
def test_a_case_that_is_opened_still_has_its_settings(tmp_path: Path) -> None:
    log = to_frame(Story().opened().closed().rows)
    setup = {"pace": "100/min", "subject": "Hello"}
    case = report(log, tmp_path / "case.parquet", settings=setup, share=True)
    text = report(read_log(case), tmp_path / "again.md").read_text("utf-8")
    assert "- pace: 100/min" in text


@pytest.mark.heavy
@pytest.mark.parametrize("suffix", [".html", ".pdf", ".md"])
def test_every_log_has_a_report_in_every_form(
    any_log: pd.DataFrame, suffix: str, tmp_path: Path
) -> None:
    assert report(any_log, tmp_path / f"report{suffix}").stat().st_size > 500


@pytest.mark.heavy
def test_files_that_memory_does_not_hold_have_the_same_report(
    one_day: pd.DataFrame, tmp_path: Path
) -> None:
    write_log(one_day, tmp_path / "log.parquet")
    scan = scan_log(tmp_path / "log.parquet")
    texts = [
        report(log, tmp_path / "report.md").read_text("utf-8").split("\n## ")
        for log in (one_day, scan)
    ]
    differing = [
        ours.split("\n")[0] for ours, theirs in zip(*texts, strict=True) if ours != theirs
    ]
    assert differing == ["Latency by command"]  # intervals cost a scan two more passes
    assert report(scan, tmp_path / "case.html", share=True).exists()


def test_a_frame_that_is_no_event_log_is_refused(log: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(ColumnError, match="column 'verb' not found"):
        report(log.drop(columns="verb"), tmp_path / "report.html")
