"""The charts as pictures: each looks as it did when somebody last looked at it.

Compared are shapes without letters, which no two machines draw alike; what is written, and
that nothing written overlaps, is tested by the other files here.  The pictures in
``reference`` are drawn anew by ``python -m tests.charts.test_pictures``.  Look at them
before they are kept.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.testing.compare import compare_images
from matplotlib.text import Text

from smtpbook.charts.plot_compare import plot_compare
from smtpbook.charts.plot_conversation import plot_conversation
from smtpbook.charts.plot_domains import plot_domains
from smtpbook.charts.plot_latency import plot_latency
from smtpbook.charts.plot_outcomes import plot_outcomes
from smtpbook.charts.plot_reply_codes import plot_reply_codes
from smtpbook.charts.plot_retry_curve import plot_retry_curve
from smtpbook.charts.plot_sessions import plot_sessions
from smtpbook.charts.plot_throughput import plot_throughput
from smtpbook.charts.plot_timeline import plot_timeline
from smtpbook.charts.plot_waterfall import plot_waterfall
from smtpbook.experiments.effects import Effects
from smtpbook.experiments.experiment import Experiment
from smtpbook.experiments.plot_effects import plot_effects
from smtpbook.log.frame import to_frame
from tests.experiments.conftest import log_of
from tests.log.story import Story, day

pytestmark = pytest.mark.side_by_side

REFERENCE = Path(__file__).parent / "reference"
TOLERANCE = (
    1.0  # root mean square of the differences, of 255: a line that is missing is more
)
DOTS_PER_INCH = 40
LATER: dict[str, Any] = {"rcpt": "450 4.2.0 Greylisted", "outcome": "deferred"}


@cache
def campaign(seed: int = 1) -> pd.DataFrame:
    """A hundred recipients, some behind greylisting: two sessions, then one per retry."""
    chance = random.Random(seed)
    stories = [Story("s1").opened(), Story("s2").opened()]
    waiting = []
    for n in range(100):
        seconds = [chance.lognormvariate(median, 0.6) for median in (-6.3, -5.8, -6.5, -4)]
        whom, dice = f"p{n}@domain{n % 5}.example", chance.random()
        story = stories[n % 2]
        if dice < 0.3:
            story.message(
                whom, rcpt="450 4.2.0 Greylisted", outcome="deferred", pipelined=n
            )
            waiting.append(whom)
        elif dice < 0.4:
            story.message(whom, rcpt="550 5.1.1 No such user", outcome="rejected")
        else:
            story.message(whom, seconds=seconds, pipelined=n)
        story.time += 1_000_000
    for attempt in range(2, 6):
        start = stories[-1].time + 300_000_000 * attempt
        story = Story(f"retry{attempt}", start=start).opened()
        still = []
        for whom in waiting:
            if chance.random() < 0.6:
                story.message(whom, attempt=attempt)
            else:
                story.message(whom, attempt=attempt, **LATER)
                still.append(whom)
            story.time += 20_000_000
        waiting, _ = still, stories.append(story)
    return to_frame([row for story in stories for row in story.closed().rows])


def effects() -> Effects:
    """Two factors, of which the first makes a difference."""
    experiment = Experiment({"subject": ["a", "b"], "helo": ["a.x", "b.x"]})
    log = log_of(experiment, 600, lambda arm, _: 0.9 if "subject=a" in arm else 0.75)
    return experiment.effects(log)


PICTURES: dict[str, Callable[[], Axes | Figure]] = {
    "reply_codes": lambda: plot_reply_codes(campaign()),
    "reply_codes_by_verb": lambda: plot_reply_codes(campaign(), by="verb"),
    "latency": lambda: plot_latency(to_frame(day(300))),
    "latency_box": lambda: plot_latency(to_frame(day(300)), kind="box"),
    "latency_ecdf": lambda: plot_latency(to_frame(day(300)), kind="ecdf"),
    "timeline": lambda: plot_timeline(to_frame(day(300))),
    "outcomes": lambda: plot_outcomes(campaign()),
    "domains": lambda: plot_domains(campaign()),
    "throughput": lambda: plot_throughput(campaign()),
    "retry_curve": lambda: plot_retry_curve(campaign()),
    "sessions": lambda: plot_sessions(to_frame(day(300))),
    "waterfall": lambda: plot_waterfall(campaign(), max_rows=20),
    "conversation": lambda: plot_conversation(campaign(), max_steps=24),
    "compare": lambda: plot_compare(campaign(), campaign(2), names=("before", "after")),
    "effects": lambda: plot_effects(effects()),
}


def draw(name: str, path: Path) -> None:
    """Draw a chart's shapes, at places that do not hang on how wide a letter is."""
    with plt.style.context("default"):
        chart = PICTURES[name]()
        figure = chart.get_figure() if isinstance(chart, Axes) else chart
        assert isinstance(figure, Figure)
        figure.set_layout_engine("none")
        for part in figure.findobj(lambda part: isinstance(part, Text | Legend)):
            part.set_visible(False)
        for place, ax in enumerate(figure.axes):
            height = 0.9 / len(figure.axes)
            ax.set_position((0.05, 0.97 - (place + 1) * height, 0.9, height * 0.9))
        figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})
        plt.close(figure)


@pytest.mark.heavy
@pytest.mark.parametrize("name", PICTURES)
def test_a_chart_looks_as_it_did(name: str, tmp_path: Path) -> None:
    drawn = tmp_path / f"{name}.png"
    draw(name, drawn)
    difference = compare_images(str(REFERENCE / drawn.name), str(drawn), TOLERANCE)
    assert difference is None


if __name__ == "__main__":
    REFERENCE.mkdir(exist_ok=True)
    for one in PICTURES:
        draw(one, REFERENCE / f"{one}.png")
