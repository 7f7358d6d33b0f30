from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.figure import Figure

from smtpbook.log.frame import to_frame
from smtpbook.reports.content import (
    Content,
    Facts,
    Heading,
    Lines,
    Paragraph,
    Picture,
    Section,
    Tiles,
    table_of,
)
from smtpbook.states import state
from tests.log.story import day, suppressed

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _figures_are_closed() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def one_day() -> pd.DataFrame:
    """300 recipients and one that is suppressed; not to be changed."""
    return to_frame([*day(300), suppressed("no@x.example")])


@pytest.fixture
def content() -> Content:
    """One block of each kind, with text that would act if it could."""

    def draw(theme: str) -> Figure:
        figure = Figure(figsize=(4, 1))
        figure.text(0.1, 0.5, f"drawn for ✓ {theme}")
        return figure

    times = pd.to_datetime(["2026-01-02", "2026-01-01", None], utc=True)
    table = pd.DataFrame(
        {
            "verb": ["RCPT|`x`", "<b>DATA</b>", "EHLO"],
            "median_s": [0.2, 30.0, float("nan")],
            "time": times,
        }
    )
    blocks = (
        Paragraph(text="It is <b>not</b> bold, $x$ no mathematics, _it_ not slanted."),
        Paragraph(text="Less weight.", is_note=True),
        Tiles(counts=((state("accepted"), 1200), (state("in_doubt"), 1))),
        Heading(text="A & B"),
        Facts(rows=(("label", "# text"), ("other", "*")), color="#D55E00"),
        table_of(table),
        Picture(name="chart", alt="Bars: [none]", light=draw("light"), draw=draw),
        Lines(text="-> EHLO ```\n<-  250 Ok"),
    )
    return Content(title="A <title>", sections=(Section(title="All of it", blocks=blocks),))
