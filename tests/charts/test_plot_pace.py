"""The pace's chart: every run gives a picture, and the picture shows each change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import matplotlib.pyplot as plt
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smtpbook.charts.plot_pace import plot_pace
from smtpbook.delivery.run import Run
from smtpbook.log.frame import Recorder


def run_of(rates: list[float], step_s: float) -> Run:
    run, start = Run(Recorder(), "c"), datetime(2026, 5, 1, 9, tzinfo=UTC)
    for n, rate in enumerate(rates):
        time = start + timedelta(seconds=n * step_s)
        run.note_pace(time=time, server="mx.test", rate_per_s=rate / 60, why="$x^2$ <b>")
    return run


def empty_axes() -> Axes:
    axes: Axes = Figure(layout="constrained").subplots()
    return axes


@pytest.mark.parametrize("style", ["default", "dark_background"])
@pytest.mark.parametrize("step_s", [10, 600])
@pytest.mark.parametrize("rates", [[60], [60, 120, 240, 120, 132], [60, 30]])
def test_any_pace_gives_a_picture(style: str, step_s: float, rates: list[float]) -> None:
    with plt.style.context(style):
        ax = plot_pace(run_of(rates, step_s), ax=empty_axes())
        ax.figure.draw_without_rendering()
    assert ax.lines[0].get_ydata()[:-1] == pytest.approx(rates)
    assert ax.get_title(loc="left").startswith("Pace: ")


def test_each_cut_is_marked_at_the_rate_that_was_too_much() -> None:
    ax = plot_pace(run_of([60, 120, 240, 120, 132], 10), ax=empty_axes())
    assert ax.get_title(loc="left") == "Pace: 4 changes, from 60 to 132 a minute"
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["1 cut"]
    assert ax.collections[0].get_offsets().tolist() == [[30, 240]]


def test_where_there_is_nothing_to_show_it_says_so() -> None:
    ax = plot_pace(run_of([], 1))
    assert 'the pace was not "adaptive"' in ax.texts[0].get_text()
