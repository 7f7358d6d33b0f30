"""Every chart of every log: no traceback, no warning, nothing of the user's touched."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from smtpbook.errors import ColumnError
from smtpbook.insight.plot_coverage import plot_coverage
from smtpbook.insight.plot_latency import plot_latency
from smtpbook.insight.plot_reply_codes import plot_reply_codes
from smtpbook.insight.plot_timeline import plot_timeline
from smtpbook.messages.template import Template
from smtpbook.palette import SEVERITY_COLORS, SEVERITY_HATCHES
from smtpbook.tables.latency import latency_by_command
from smtpbook.wording import duration
from tests.insight.conftest import LOGS

Plot = Callable[..., Axes]
PLOTS = [plot_reply_codes, plot_latency, plot_timeline]


def empty_axes() -> Axes:
    axes: Axes = Figure(layout="constrained").subplots()
    return axes


def labels(ax: Axes, axis: str) -> list[str]:
    return [tick.get_text() for tick in getattr(ax, f"get_{axis}ticklabels")()]


def assert_is_drawn(log: pd.DataFrame, plot: Plot) -> None:
    ax = plot(log, ax=empty_axes())
    ax.figure.draw_without_rendering()
    assert ax.has_data() or ax.texts
    assert ax.get_title(loc="left")


@pytest.mark.parametrize("plot", PLOTS)
def test_any_log_gives_a_picture(any_log: pd.DataFrame, plot: Plot) -> None:
    assert_is_drawn(any_log, plot)


@pytest.mark.parametrize("plot", PLOTS)
def test_a_dark_style_gives_a_picture(log: pd.DataFrame, plot: Plot) -> None:
    with plt.style.context("dark_background"):
        assert_is_drawn(log, plot)


@pytest.mark.parametrize("plot", PLOTS)
def test_a_new_figure_is_made_and_the_current_one_left_alone(
    log: pd.DataFrame, plot: Plot
) -> None:
    mine = plt.figure()
    ax = plot(log)
    assert ax.figure is not mine
    assert mine.axes == []
    assert ax.figure.number in plt.get_fignums()


@pytest.mark.parametrize("plot", PLOTS)
def test_axes_that_are_given_are_drawn_upon_without_pyplot(
    log: pd.DataFrame, plot: Plot
) -> None:
    ax = empty_axes()
    assert plot(log, ax=ax) is ax
    assert plt.get_fignums() == []


@pytest.mark.parametrize("plot", PLOTS)
def test_nothing_to_draw_is_said_in_a_sentence(empty_log: pd.DataFrame, plot: Plot) -> None:
    ax = plot(empty_log, ax=empty_axes())
    assert [text.get_text()[:3] for text in ax.texts] == ["No "]


@pytest.mark.parametrize("plot", PLOTS)
def test_a_missing_column_is_named(log: pd.DataFrame, plot: Plot) -> None:
    with pytest.raises(ColumnError, match="column 'reply_code' not found"):
        plot(log.rename(columns={"reply_code": "reply_codes"}), ax=empty_axes())


@pytest.mark.parametrize("plot", [plot_latency, plot_timeline])
def test_words_from_outside_are_escaped_shortened_and_no_mathematics(plot: Plot) -> None:
    ax = plot(LOGS["every code"](), ax=empty_axes())
    label = ax.get_yticklabels()[-1]
    assert label.get_text().startswith("X$y^2$\\u202eZ")
    assert len(label.get_text()) < 24
    assert not label.get_parse_math()


def places_of_texts(ax: Axes) -> list[Bbox]:
    """Where the texts that can be seen stand, in pixels."""
    (left, right), (low, high) = sorted(ax.get_xlim()), sorted(ax.get_ylim())
    ticks = [
        tick for tick in ax.get_xticklabels() if left <= tick.get_position()[0] <= right
    ]
    ticks += [
        tick for tick in ax.get_yticklabels() if low <= tick.get_position()[1] <= high
    ]
    legend = ax.get_legend()
    named = legend.get_texts() if legend else []
    texts = [*ticks, *named, *ax.texts, ax.xaxis.label, ax.yaxis.label, ax._left_title]
    return [text.get_window_extent() for text in texts if text.get_text()]


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize("name", ["one row", "every code", "hours", "300 recipients"])
def test_no_two_texts_overlap_and_none_is_cut(plot: Plot, name: str) -> None:
    ax = plot(LOGS[name]())
    ax.figure.canvas.draw()
    places = [place.padded(-1) for place in places_of_texts(ax)]
    whole = Bbox.union([ax.figure.bbox, *places])
    assert whole.bounds == ax.figure.bbox.bounds
    for one, other in itertools.combinations(places, 2):
        assert not one.overlaps(other)


def test_reply_codes_are_bars_in_code_order_coloured_and_hatched_by_severity(
    log: pd.DataFrame,
) -> None:
    ax = plot_reply_codes(log, ax=empty_axes())
    assert labels(ax, "x") == ["220", "221", "250", "354", "450", "550", "554"]
    bars = ax.containers[0]
    assert bars.datavalues.sum() == 1150
    for bar, digit in zip(bars, (2, 2, 2, 3, 4, 5, 5), strict=True):
        assert bar.get_facecolor() == to_rgba(SEVERITY_COLORS[digit])
        assert (bar.get_hatch() or "") == SEVERITY_HATCHES[digit]
    assert ax.get_title(loc="left") == "1,150 replies by code"


def test_commands_without_a_reply_are_counted_in_the_title(log: pd.DataFrame) -> None:
    log = log.copy()
    log.loc[log["verb"] == "QUIT", "reply_code"] = pd.NA
    title = plot_reply_codes(log, ax=empty_axes()).get_title(loc="left")
    assert title == "1,146 replies by code; 4 commands without one"


def test_latency_marks_the_median_and_p95_of_the_table(log: pd.DataFrame) -> None:
    ax = plot_latency(log, ax=empty_axes())
    table = latency_by_command(log)
    marks = [(line.get_marker(), line.get_xdata()[0]) for line in ax.lines]
    assert [x for mark, x in marks if mark == "o"] == pytest.approx(list(table["p50_s"]))
    assert [x for mark, x in marks if mark == ">"] == pytest.approx(list(table["p95_s"]))
    written = [text.get_text() for text in ax.texts]
    assert duration(table["p50_s"].iloc[2]) in written
    assert f"p95 {duration(table['p95_s'].iloc[2])}" in written
    assert [label.split(" ")[0] for label in labels(ax, "y")] == table["verb"].tolist()


def test_the_caption_of_latencies_of_no_time_is_not_cut(log: pd.DataFrame) -> None:
    log.loc[log["verb"] == "DATA", "service_s"] = 0.0
    ax = plot_latency(log)
    ax.figure.canvas.draw()
    place = ax.xaxis.label.get_window_extent()
    assert place.x0 >= 0
    assert place.x1 <= ax.figure.bbox.x1


def test_a_latency_label_stands_above_the_distribution_of_the_next_row() -> None:
    log = LOGS["300 recipients"]()
    for height in (None, 4.4):  # its own figure, and one as full as the report's
        figure = Figure(figsize=(9, height or 1), layout="constrained")
        ax = plot_latency(log, ax=figure.subplots() if height else None)
        ax.figure.canvas.draw()
        tops = [
            ax.transData.transform(patch.get_path().vertices).max(axis=0)[1]
            for patch in ax.patches
        ]
        for text in ax.texts:
            below = [top for top in tops if top < text.get_window_extent().y1]
            assert all(top <= text.get_window_extent().y0 for top in below)


def test_latency_says_which_column_it_shows(log: pd.DataFrame) -> None:
    assert "(service_s)" in plot_latency(log, ax=empty_axes()).get_xlabel()
    ax = plot_latency(log, ax=empty_axes(), column="latency_s")
    assert "(latency_s)" in ax.get_xlabel()
    with pytest.raises(ColumnError, match="did you mean 'lag_s'"):
        plot_latency(log, ax=empty_axes(), column="lags")


def test_timeline_shows_every_reply_and_refusals_below_the_line(log: pd.DataFrame) -> None:
    ax = plot_timeline(log, ax=empty_axes())
    offsets = np.concatenate([dots.get_offsets() for dots in ax.collections])
    assert len(offsets) == 1150
    refused = np.concatenate([dots.get_offsets() for dots in ax.collections[2:4]])
    assert len(refused) == 42
    assert set(np.round(refused[:, 1])) == {3.0, 5.0}  # RCPT and END-OF-DATA
    assert (refused[:, 1] > np.round(refused[:, 1])).all()  # the y axis points down
    assert (
        ax.get_title(loc="left") == "1,150 replies in 2.33 s: 42 refusals, below the lines"
    )


def test_a_long_timeline_is_counted_and_not_drawn_reply_by_reply() -> None:
    ax = plot_timeline(LOGS["2,000 recipients"](), ax=empty_axes())
    assert 0 < len(ax.collections) < 15


def test_short_timelines_count_seconds_and_long_ones_tell_the_time() -> None:
    short = plot_timeline(LOGS["300 recipients"](), ax=empty_axes())
    assert short.get_xlabel() == "seconds since 2025-11-24 16:00:00 UTC"
    assert plot_timeline(LOGS["hours"](), ax=empty_axes()).get_xlabel() == "time (UTC)"


def test_every_severity_has_its_colour() -> None:
    assert set(SEVERITY_COLORS) == {2, 3, 4, 5}


# -- what becomes of a letter


def coverage_of(cities: list[str | None], text: str) -> pd.DataFrame:
    letter = Template(header_from="a@x.example", subject="Hello", text=text)
    rows = [{"email": f"p{n}@x.example", "city": city} for n, city in enumerate(cities)]
    people = pd.DataFrame(rows, columns=["email", "city"])
    return letter.coverage(people, progress=False)


def many_ways() -> pd.DataFrame:
    """More kinds of messages, and more places, than a picture has room for."""
    text = "".join(f"{{% if city == 'c{n}' %}}{n}{{% endif %}}" for n in range(30))
    return coverage_of([f"c{n}" for n in range(30) for _ in range(n + 1)], text)


COVERAGES = {
    "one kind": lambda: coverage_of(["Graz"] * 3, "{% if city %}x{% endif %}"),
    "all kinds of places": lambda: coverage_of(
        ["Graz", "Rome", None],
        "{% if city == 'Graz' %}x{% endif %}{{ city | default('y') }}{{ city }}"
        "{% for n in range(2) %}z{% endfor %}",
    ),
    "many": many_ways,
    "hostile": lambda: coverage_of(
        ["a", "b"], "{% if city == '$x^2$ \u202e' ~ '" + "Z" * 99 + "' %}x{% endif %}y"
    ),
}


@pytest.mark.parametrize("name", COVERAGES)
def test_any_coverage_gives_a_picture_whose_texts_neither_overlap_nor_are_cut(
    name: str,
) -> None:
    coverage = COVERAGES[name]()
    mine = plt.figure()
    ax = plot_coverage(coverage)
    assert ax.figure is not mine
    assert mine.axes == []
    ax.figure.canvas.draw()
    places = [place.padded(-1) for place in places_of_texts(ax)]
    assert Bbox.union([ax.figure.bbox, *places]).bounds == ax.figure.bbox.bounds
    for one, other in itertools.combinations(places, 2):
        assert not one.overlaps(other)


def test_coverage_is_drawn_upon_the_axes_that_are_given_in_a_dark_style() -> None:
    with plt.style.context("dark_background"):
        ax = empty_axes()
        assert plot_coverage(COVERAGES["all kinds of places"](), ax=ax) is ax
        ax.figure.draw_without_rendering()
    assert plt.get_fignums() == []


def test_coverage_has_a_row_for_each_place_and_a_column_for_each_kind() -> None:
    coverage = coverage_of(
        ["Graz", "Graz", "Rome", None], "{% if city == 'Graz' %}x{% endif %}{{ city }}"
    )
    ax = plot_coverage(coverage, ax=empty_axes())
    assert ax.get_title(loc="left") == "4 messages in 3 kinds"
    assert labels(ax, "x") == ["2", "1", "1"]
    assert labels(ax, "y") == [
        "text: city",
        "text: if city == 'Graz'",
        "text: none of if city == 'Graz'",
    ]
    shown = ax.images[0].get_array()[:, :, 3] > 0
    assert shown.tolist() == [
        [False, False, True],
        [True, False, False],
        [False, True, True],
    ]
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["missing", "branch"]


def test_what_a_picture_of_coverage_has_no_room_for_is_counted() -> None:
    ax = plot_coverage(many_ways(), ax=empty_axes())
    assert "(12 of 30 shown)" in ax.get_xlabel()
    assert "(24 of 60 shown)" in ax.get_ylabel()
    assert ax.images[0].get_array().shape == (24, 12, 4)


def test_words_of_a_template_are_escaped_shortened_and_no_mathematics() -> None:
    ax = plot_coverage(COVERAGES["hostile"](), ax=empty_axes())
    label = ax.get_yticklabels()[0]
    assert "$x^2$ \\u202e" in label.get_text()
    assert len(label.get_text()) < 60
    assert not label.get_parse_math()


@pytest.mark.parametrize(
    ("cities", "text", "sentence", "title"),
    [
        ([], "x", "No recipients.", "0 messages in 0 kinds"),
        (
            ["Graz"],
            "x",
            "No message comes past a branch or a fallback.",
            "1 message in 1 kind",
        ),
        (
            ["Graz"],
            "{{ city | float / 0 }}",
            "No message comes past a branch or a fallback.",
            "1 message in 1 kind; 1 cannot be made",
        ),
    ],
)
def test_coverage_without_a_place_is_a_sentence(
    cities: list[str | None], text: str, sentence: str, title: str
) -> None:
    ax = plot_coverage(coverage_of(cities, text), ax=empty_axes())
    assert [text.get_text() for text in ax.texts] == [sentence]
    assert ax.get_title(loc="left") == title


def test_another_table_is_no_coverage(log: pd.DataFrame) -> None:
    with pytest.raises(ColumnError, match="column 'part' not found"):
        plot_coverage(log, ax=empty_axes())
