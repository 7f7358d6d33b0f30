"""Every chart of every log: no traceback, no warning, nothing of the user's touched."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from smtpbook.charts.canvas import Chart, alt_text
from smtpbook.charts.plot_compare import plot_compare
from smtpbook.charts.plot_conversation import plot_conversation
from smtpbook.charts.plot_coverage import plot_coverage
from smtpbook.charts.plot_domains import plot_domains
from smtpbook.charts.plot_latency import plot_latency
from smtpbook.charts.plot_outcomes import plot_outcomes
from smtpbook.charts.plot_reply_codes import plot_reply_codes
from smtpbook.charts.plot_retry_curve import plot_retry_curve
from smtpbook.charts.plot_sessions import plot_sessions
from smtpbook.charts.plot_throughput import plot_throughput
from smtpbook.charts.plot_timeline import plot_timeline
from smtpbook.charts.plot_waterfall import plot_waterfall
from smtpbook.errors import ColumnError
from smtpbook.log.frame import to_frame
from smtpbook.log.store import write_log
from smtpbook.messages.template import Template
from smtpbook.palette import SEVERITY_COLORS, SEVERITY_HATCHES
from smtpbook.samples import sample
from smtpbook.tables.latency import latency_by_command
from smtpbook.tables.replies import reply_codes
from smtpbook.tables.scan import scan_log
from smtpbook.wording import duration
from tests.insight.conftest import LOGS
from tests.log.story import Story, day, suppressed

pytestmark = pytest.mark.side_by_side

Plot = Callable[..., Axes]
PLOTS: list[Plot] = [
    plot_reply_codes,
    partial(plot_reply_codes, by="verb"),
    plot_latency,
    partial(plot_latency, kind="box"),
    partial(plot_latency, kind="ecdf"),
    plot_timeline,
    plot_outcomes,
    plot_domains,
    plot_throughput,
    plot_retry_curve,
    plot_sessions,
    plot_waterfall,
    plot_conversation,
    lambda log, **given: one_of(plot_compare(log, log), **given),
]
NAMES = [
    *("reply codes", "reply codes by verb", "latency", "latency box", "latency ecdf"),
    *("timeline", "outcomes", "domains", "throughput", "retry curve", "sessions"),
    *("waterfall", "conversation", "compare"),
]
every_plot = pytest.mark.parametrize("plot", PLOTS, ids=NAMES)
# Those that draw upon Axes; the comparison has three of its own.
every_axes_plot = pytest.mark.parametrize("plot", PLOTS[:-1], ids=NAMES[:-1])


def one_of(figure: Figure, *, ax: Axes | None = None) -> Axes:
    return figure.axes[0]


def empty_axes() -> Axes:
    axes: Axes = Figure(layout="constrained").subplots()
    return axes


def labels(ax: Axes, axis: str) -> list[str]:
    return [tick.get_text() for tick in getattr(ax, f"get_{axis}ticklabels")()]


def upright_texts(ax: Axes) -> list[Text]:
    """The texts that can be seen; boxes around slanted ones overlap where words do not."""
    (left, right), (low, high) = sorted(ax.get_xlim()), sorted(ax.get_ylim())
    ticks = [
        tick for tick in ax.get_xticklabels() if left <= tick.get_position()[0] <= right
    ]
    ticks += [
        tick for tick in ax.get_yticklabels() if low <= tick.get_position()[1] <= high
    ]
    legend = ax.get_legend()
    named = legend.get_texts() if legend else []
    axes = [*ticks, ax.xaxis.label, ax.yaxis.label] if ax.axison else []
    texts = [*axes, *named, *ax.texts, ax._left_title]
    return [text for text in texts if text.get_text() and text.get_rotation() % 90 == 0]


@cache
def a_day() -> pd.DataFrame:
    """300 recipients, many codes, and words that would like to be mathematics."""
    story = Story("s$x^2$\u202e")
    for code in (211, 220, 251, 252, 421, 450, 451, 452, 500, 501, 502, 503, 550, 554):
        story.said("NOOP", "NOOP", f"{code} $\\frac{{")
    story.said("X$y^2$\u202e" + "Z" * 30, "X", "599 5.9.9 $\\frac{")
    story.message("x@$y$.example", rcpt="450 4.2.0 $z$", outcome="deferred")
    return to_frame([*story.rows, *day(300), suppressed("no@x.example")])


def assert_is_drawn(log: pd.DataFrame, plot: Plot) -> None:
    """It has a title, words for who cannot see it, and no text upon or beyond another."""
    figure = plot(log).figure
    assert isinstance(figure, Figure)
    figure.canvas.draw()
    for ax in figure.axes:
        assert ax.has_data() or ax.texts
        assert ax.get_title(loc="left") in alt_text(ax)
        places = [text.get_window_extent().padded(-1) for text in upright_texts(ax)]
        assert Bbox.union([figure.bbox, *places]).bounds == figure.bbox.bounds
        for one, other in itertools.combinations(places, 2):
            assert not one.overlaps(other)
        for text in upright_texts(ax):
            assert "\u202e" not in text.get_text()
            assert not (text.get_parse_math() and "$" in text.get_text())


@every_plot
def test_a_log_gives_a_picture_whose_texts_neither_overlap_nor_are_cut(plot: Plot) -> None:
    with plt.style.context("dark_background"):
        assert_is_drawn(a_day(), plot)


@pytest.mark.heavy
@every_plot
def test_any_log_gives_a_picture(any_log: pd.DataFrame, plot: Plot) -> None:
    assert_is_drawn(any_log, plot)


@every_plot
def test_nothing_to_draw_is_said_in_a_new_figure_and_the_current_one_left_alone(
    empty_log: pd.DataFrame, plot: Plot
) -> None:
    mine = plt.figure()
    ax = plot(empty_log)
    sentences = [text.get_text() for text in ax.texts]
    assert [sentence[:3] for sentence in sentences] == ["No "]
    assert sentences[0] in alt_text(ax)
    assert isinstance(ax.figure, Figure)
    assert ax.figure.number in plt.get_fignums()
    assert ax.figure is not mine
    assert mine.axes == []


@every_axes_plot
def test_axes_that_are_given_are_drawn_upon_without_pyplot(plot: Plot) -> None:
    ax = empty_axes()
    assert plot(LOGS["one row"](), ax=ax) is ax
    assert plt.get_fignums() == []


@every_plot
def test_a_missing_column_is_named(log: pd.DataFrame, plot: Plot) -> None:
    with pytest.raises(ColumnError, match="column 'kind' not found"):
        plot(log.rename(columns={"kind": "kinds"}))


@pytest.mark.heavy
@every_plot
def test_files_give_the_same_picture_as_a_frame(plot: Plot, tmp_path: Path) -> None:
    log = LOGS["hours"]()
    scan = scan_log(write_log(log, tmp_path / "log.parquet"))
    assert alt_text(plot(scan)) == alt_text(plot(log))


def test_a_notebook_gets_the_picture_in_words_too() -> None:
    ax = plot_reply_codes(LOGS["300 recipients"]())
    assert isinstance(ax.figure, Chart)
    data, metadata = ax.figure._repr_mimebundle_()
    assert data["text/plain"].startswith(
        "Bar chart: 1,150 replies by code. 220: 4, 221: 4, 250: "
    )
    assert metadata["image/png"]["alt"] == data["text/plain"]
    assert alt_text(plt.figure().subplots()) == ""


@pytest.mark.parametrize("plot", [plot_latency, plot_timeline])
def test_a_word_from_outside_is_shortened(plot: Plot) -> None:
    ax = plot(LOGS["every code"](), ax=empty_axes())
    label = ax.get_yticklabels()[-1]
    assert label.get_text().startswith("X$y^2$\\u202eZ")
    assert len(label.get_text()) < 24


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
    assert {"● median", "▶ p95", "◆ p99"} <= {*written}
    for name in ("p50_s", "p95_s", "p99_s"):
        assert {duration(time) for time in table[name]} <= {*written}
    assert [label.split(" ")[0] for label in labels(ax, "y")] == table["verb"].tolist()


def test_latencies_have_their_intervals_as_lines_and_name_them() -> None:
    log = to_frame(day(300, sessions=20))
    ax = plot_latency(log, ax=empty_axes())
    table = latency_by_command(log)
    lines = [list(line.get_xdata()) for line in ax.lines if len(line.get_xdata()) == 2]
    wanted = table[["p50_low_s", "p50_high_s"]].to_numpy().tolist()
    assert all(any(one == pytest.approx(pair) for one in lines) for pair in wanted)
    assert "cluster bootstrap by session" in ax.get_xlabel()
    assert "interval" not in plot_latency(log, kind="ecdf", ax=empty_axes()).get_xlabel()


def test_the_caption_of_latencies_of_no_time_is_not_cut(log: pd.DataFrame) -> None:
    log.loc[log["verb"] == "DATA", "service_s"] = 0.0
    ax = plot_latency(log)
    ax.figure.canvas.draw()
    place = ax.xaxis.label.get_window_extent()
    assert place.x0 >= 0
    assert place.x1 <= ax.figure.bbox.x1


def test_boxes_and_curves_tell_the_same_quantiles(log: pd.DataFrame) -> None:
    table = latency_by_command(log)
    box = plot_latency(log, kind="box", ax=empty_axes())
    marks = [line.get_xdata()[0] for line in box.lines if line.get_marker() == "D"]
    assert marks == pytest.approx(list(table["p99_s"]))
    curves = plot_latency(log, kind="ecdf", ax=empty_axes())
    for line, (_, row) in zip(curves.lines, table.iterrows(), strict=False):
        times, shares = line.get_data()
        assert np.interp(0.5, shares, times) == pytest.approx(row["p50_s"], rel=0.05)
        assert (shares[0], shares[-1]) == (0, 1)


def test_an_unknown_kind_of_latency_chart_names_the_near_miss(log: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="did you mean 'ecdf'"):
        plot_latency(log, kind="cdf")


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


def test_a_mail_servers_log_has_a_timeline_of_its_outcomes() -> None:
    log = sample("postfix.log")
    ax = plot_timeline(log, ax=empty_axes())
    assert labels(ax, "y") == ["GREETING", "RCPT", "END-OF-DATA"]
    replies = reply_codes(log, "verb")["replies"].sum()
    assert ax.get_title(loc="left").startswith(f"{replies} replies in ")


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
    places = [text.get_window_extent().padded(-1) for text in upright_texts(ax)]
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
