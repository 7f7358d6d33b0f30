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
from smtpbook.samples import sample
from smtpbook.states import state
from smtpbook.svg import INK
from tests.log.story import Story, day, suppressed

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
def log(one_day: pd.DataFrame) -> pd.DataFrame:
    """300 recipients and one that is suppressed."""
    return one_day.copy()


@pytest.fixture
def empty_log() -> pd.DataFrame:
    return to_frame([])


def _hours() -> pd.DataFrame:
    story = Story().opened()
    for n in range(60):
        story.message(f"p{n}@x.example", rcpt="450 4.2.0 later" if n % 5 else "250 Ok")
        story.time += 180_000_000
    return to_frame(story.rows)


@pytest.fixture(
    params=[
        lambda: to_frame([]),
        lambda: to_frame([suppressed("no@x.example")]),
        lambda: to_frame(Story().opened().rows[:1]),
        lambda: sample("swaks.txt"),
        lambda: sample("postfix.log"),
        lambda: sample("smtp.pcap"),
        _hours,
    ],
    ids=["empty", "outcome only", "one row", "no times", "postfix", "capture", "hours"],
)
def any_log(request: pytest.FixtureRequest) -> pd.DataFrame:
    """Logs of every size and oddity, one after the other."""
    log: pd.DataFrame = request.param()
    return log


@pytest.fixture
def content() -> Content:
    """One block of each kind, with text that would act if it could."""

    figure = Figure(figsize=(4, 1))
    figure.text(0.1, 0.5, "drawn ✓ <i>\\once</i> $x$", parse_math=False, color=INK)
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
        Picture(name="chart", alt="Bars: [none]", figure=figure),
        Lines(text="-> EHLO ```\n<-  250 Ok"),
    )
    return Content(title="A <title>", sections=(Section(title="All of it", blocks=blocks),))
