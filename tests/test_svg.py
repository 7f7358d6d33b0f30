"""A figure on a page has the page's colours, and its parts do not meet another's."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from smtpbook.charts.canvas import colored
from smtpbook.svg import INK, PAPER, to_svg


@pytest.fixture
def figure() -> Figure:
    """Lines and text, a bar hatched with dots, points that are a picture."""
    with colored(INK, PAPER):
        figure = Figure(figsize=(2, 1))
        ax = figure.subplots()
        ax.bar([0], [1], color="#009E73", hatch="...", edgecolor=PAPER)
        ax.scatter([0], [1], rasterized=True)
        ax.text(0, 0, '<b>\\cost</b> $5$ version="1"', parse_math=False)
        ax.text(0, 1, "white", color="white")
    return figure


def test_ink_and_paper_become_those_of_the_page(figure: Figure) -> None:
    drawn = to_svg(figure, ink="CanvasText", paper="Canvas", name="a")
    assert "fill: CanvasText" in drawn
    assert 'fill: Canvas"' in drawn
    assert not re.search(f"{INK}|{PAPER}", drawn)
    assert "fill: #ffffff" in drawn  # white on a colour stays white
    assert len(drawn) < 40_000  # the dots are few


def test_nothing_foreign_acts_and_no_address_is_named(figure: Figure) -> None:
    drawn = to_svg(figure, ink="black", paper="white", name="a")
    assert '&lt;b&gt;&#92;cost&lt;/b&gt; &#36;5&#36; version="1"' in drawn
    assert "://" not in drawn
    assert "<style" not in drawn  # it would hold for the whole page


def test_parts_of_two_drawings_have_different_names(figure: Figure) -> None:
    one, other = (
        to_svg(figure, ink="black", paper="white", name=name) for name in ("a", "b")
    )
    named, others = (set(re.findall(r'\bid="([^"]*)"', drawn)) for drawn in (one, other))
    assert len(named) == len(others) >= 3
    assert not named & others
    assert set(re.findall(r'(?:url\(|href=")#([^")]*)', one)) <= named
    assert one == to_svg(figure, ink="black", paper="white", name="a")
    ElementTree.fromstring(one.replace("xlink:", ""))  # well-formed
