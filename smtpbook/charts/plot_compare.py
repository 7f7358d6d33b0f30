"""Chart of two runs: whose outcome is another, which command was slower, how surely."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.ticker import MaxNLocator, NullLocator

from smtpbook.charts.canvas import (
    FLOOR_S,
    HEAD,
    label_beside,
    label_ticks,
    legend_above,
    log_limits,
    log_time_axis,
    new_figure,
    say,
    tidy,
)
from smtpbook.comparing.compare import compare
from smtpbook.escape import visible
from smtpbook.events import OUTCOMES
from smtpbook.palette import BLUE, ORANGE
from smtpbook.states import state
from smtpbook.tables.latency import session_order
from smtpbook.tables.scan import Log
from smtpbook.wording import counted, duration, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MAX_CHANGES: Final = 8
_MAX_VERBS: Final = 14
_MAX_CHARS: Final = 24  # of a run's name
_COLORS: Final = (BLUE, ORANGE)
_MARKERS: Final = ("o", "D")
_SURE: Final = 0.05
_FILLED: Final = "filled: p < 0.05 (Holm)"
_CAPTION_CHARS: Final = 44
_WIDEST: Final = 100.0  # times as long, or as short, that an axis shows
_FACTORS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 1, 1.25, 2, 5, 10, 20, 50, 100)


def plot_compare(
    a: Log, b: Log, *, names: tuple[str, str] = ("a", "b"), is_clustered: bool = True
) -> Figure:
    """Compare two runs: outcomes side by side, changes of outcome, latency by command.

    Parameters
    ----------
    a, b : DataFrame or Scan
        Event logs, such as those of a run before and after a change.
    names : tuple of two str
        What to call them.
    is_clustered : bool
        As for `compare`.

    Returns
    -------
    Figure
        The share of each outcome in either log; how many of the recipients that are in
        both came to another outcome, the most frequent change on top; the median of what
        the server took for each command, from the one to the other.  Beside shares and
        medians stands by how much they changed, with the interval of 95 % that the axis
        names: those of `compare`.  A mark is filled if the p-value is below 0.05 after
        Holm; an arrow is an end beyond the axis.

    Raises
    ------
    ColumnError
        A log lacks a column.
    """
    shown = [visible(name, max_chars=_MAX_CHARS) for name in names]
    shares = compare(a, b, is_clustered=is_clustered)
    shares = shares.sort_values("outcome", key=_rank, ignore_index=True)
    changes = compare(a, b, by="change").dropna(subset=["outcome_a", "outcome_b"])
    commands = compare(a, b, by="command", is_clustered=is_clustered)
    timed = commands.dropna(subset=["p50_a_s", "p50_b_s"], how="all").set_index("verb")
    verbs = session_order([str(verb) for verb in timed.index])[:_MAX_VERBS]
    rows = (
        max(len(shares), 3),
        max(min(len(changes), _MAX_CHANGES), 2),
        max(len(verbs), 3),
    )
    heights = [1.0 + 0.3 * number for number in rows]
    figure = new_figure(10.0, sum(heights) + 1.4)
    grid = figure.add_gridspec(3, 2, height_ratios=heights, width_ratios=(3, 2))
    _draw_outcomes(figure.add_subplot(grid[0, 0]), shares, shown)
    _draw_changes(figure.add_subplot(grid[1, :]), changes, shown)
    below = figure.add_subplot(grid[2, 0])
    _draw_commands(below, timed.loc[verbs], shown, _slower(commands))
    interval = str(commands.attrs["interval"]).partition(";")[0]
    if not shares.empty:
        _draw_share_changes(figure.add_subplot(grid[0, 1]), shares)
    if verbs:
        _draw_time_changes(figure.add_subplot(grid[2, 1]), timed.loc[verbs], interval)
    return figure


def _rank(outcomes: pd.Series[Any]) -> pd.Series[Any]:
    return outcomes.astype(str).map({name: place for place, name in enumerate(OUTCOMES)})


def _draw_outcomes(ax: Axes, table: pd.DataFrame, names: list[str]) -> None:
    sizes = [int(table[f"recipients_{run}"].sum()) for run in "ab"]
    told = ", ".join(
        f"{name}: {counted(size, 'recipient', 'recipients')}"
        for name, size in zip(names, sizes, strict=True)
    )
    tidy(ax, f"Outcomes; {told}", "Bar chart", above=HEAD)
    if table.empty:
        say(ax, "No recipient has an outcome in these logs.")
        return
    for run, name in enumerate("ab"):
        share = table[f"share_{name}"].fillna(0).to_numpy()
        places = np.arange(len(table)) + (run - 0.5) * 0.36
        ax.barh(places, share, 0.34, color=_COLORS[run], lw=0, label=names[run])
        for place, count, one in zip(
            places, table[f"recipients_{name}"], share, strict=True
        ):
            text = f"{int(count):,} ({percent(float(one))})"
            number = ax.annotate(text, (one, place), (4, 0), textcoords="offset points")
            number.set(va="center", size="x-small")
    label_ticks(ax.yaxis, [str(state(str(name))) for name in table["outcome"]])
    ax.set_ylim(max(len(table), 2) - 0.5, -0.5)
    ax.set_xlim(0, 1.18)
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
    ax.tick_params("y", length=0, labelsize="small")
    legend_above(ax)


def _draw_changes(ax: Axes, changes: pd.DataFrame, names: list[str]) -> None:
    total = int(changes["recipients"].sum())
    title = f"{counted(total, 'recipient', 'recipients')} in both with another outcome"
    first = changes.head(_MAX_CHANGES)
    labels = [
        f"{state(str(old))} → {state(str(new))}"
        for old, new in zip(first["outcome_a"], first["outcome_b"], strict=True)
    ]
    tidy(
        ax,
        f"{title}: {names[0]} → {names[1]}",
        "Bar chart",
        "".join(f"{label}. " for label in labels[:3]),
    )
    if changes.empty:
        say(ax, "No recipient that is in both logs came to another outcome.")
        return
    colors = [state(str(new)).color for new in first["outcome_b"]]
    bars = ax.barh(range(len(first)), first["recipients"], 0.6, color=colors, lw=0)
    ax.bar_label(bars, [f"{n:,}" for n in first["recipients"]], padding=4, size="small")
    label_ticks(ax.yaxis, labels, max_chars=40)
    ax.tick_params("y", length=0, labelsize="small")
    ax.set_xlim(0, float(first["recipients"].max()) * 1.15)
    ax.set_ylim(max(len(first), 2) - 0.5, -0.5)
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
    if len(first) < len(changes):
        ax.set_xlabel(f"{len(changes) - len(first):,} rarer changes are not shown")


def _draw_commands(ax: Axes, timed: pd.DataFrame, names: list[str], told: str) -> None:
    title = "Median of what the server took for a command"
    tidy(ax, title, "Dot plot", told, above=HEAD)
    if timed.empty:
        say(ax, "No reply in these logs has a time.")
        return
    places = np.arange(len(timed))
    times = timed[["p50_a_s", "p50_b_s"]].clip(lower=FLOOR_S).to_numpy(float)
    ax.hlines(places, times.min(axis=1), times.max(axis=1), color="gray", lw=1.5, zorder=1)
    for run in (0, 1):
        ax.plot(
            times[:, run],
            places,
            _MARKERS[run],
            color=_COLORS[run],
            ms=6 - run,
            label=names[run],
        )
    label_ticks(ax.yaxis, [str(verb) for verb in timed.index])
    ax.tick_params("y", length=0, labelsize="small")
    log_time_axis(ax, *log_limits(float(np.nanmin(times)), float(np.nanmax(times))))
    ax.set_axisbelow(True)
    ax.set_ylim(max(len(timed), 2) - 0.5, -0.5)
    for head, column, points in ((names[0], "p50_a_s", 58.0), (names[1], "p50_b_s", 116.0)):
        cells = ["" if pd.isna(t) else duration(t) for t in timed[column]]
        label_beside(ax, visible(head, max_chars=9), cells, points=points)
    legend_above(ax)


def _draw_share_changes(ax: Axes, table: pd.DataFrame) -> None:
    """Draw by how many percentage points each share changed, with its interval."""
    values, low, high = (100 * table[name].to_numpy() for name in ("change", "low", "high"))
    told = [
        f"{name} {value:+.1f} ({one:+.1f} to {other:+.1f})"
        for name, value, one, other in zip(table["outcome"], values, low, high, strict=True)
        if not np.isnan(value)
    ]
    tidy(ax, "Change of the share", "Intervals", "; ".join(told[:4]), above=HEAD)
    reach = float(np.nanmax(np.abs([values, low, high]), initial=1.0)) * 1.1
    ax.set_xlim(-reach, reach)
    ax.axvline(0, color="gray", linewidth=0.8)
    _draw_intervals(ax, values, low, high, table["p_holm"])
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.set_xlabel(
        f"percentage points\n{_wrapped(table.attrs['interval'])}\n{_FILLED}",
        fontsize="small",
    )


def _draw_time_changes(ax: Axes, timed: pd.DataFrame, interval: str) -> None:
    """Draw how many times as long each median became, with its interval."""
    before = timed["p50_a_s"].clip(lower=FLOOR_S).to_numpy()
    values, low, high = (
        np.maximum(1 + timed[name].to_numpy() / before, 0)
        for name in ("p50_change_s", "p50_low_s", "p50_high_s")
    )
    told = [
        f"{verb} {value:.2g}"
        for verb, value in zip(timed.index, values, strict=True)
        if not np.isnan(value)
    ]
    tidy(ax, "Change of the median", "Intervals", "; ".join(told[:4]), above=HEAD)
    ends = np.concatenate([values, low, high])
    seen = ends[np.isfinite(ends) & (ends > 0)]
    most = float(np.exp(np.abs(np.log(seen)).max(initial=np.log(1.25))))
    most = min(most * 1.1, _WIDEST)
    ax.set_xscale("log")
    ax.set_xlim(1 / most, most)
    ax.axvline(1, color="gray", linewidth=0.8)
    _draw_intervals(ax, values, low, high, timed["p50_p_holm"])
    steps = [step for step in _FACTORS if 1 / most <= step <= most]
    ax.set_xticks(steps, [f"{step:g}" for step in steps])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel(f"times as long\n{_wrapped(interval)}\n{_FILLED}", fontsize="small")


def _draw_intervals(ax: Axes, values: Any, low: Any, high: Any, p_values: Any) -> None:
    """Draw a row for each: a mark, a line, and an arrow where the line goes on."""
    ink, (left, right) = rcParams["text.color"], ax.get_xlim()
    for row, (value, one, other, p) in enumerate(
        zip(values, low, high, p_values, strict=True)
    ):
        if np.isnan(value):
            continue
        ax.hlines(row, max(one, left), min(other, right), color=ink, linewidth=1.2)
        for end, is_beyond, mark in ((left, one < left, "<"), (right, other > right, ">")):
            if is_beyond:
                ax.plot(end, row, mark, color=ink, ms=5, clip_on=False)
        fill = ink if p < _SURE else ax.get_facecolor()
        place = min(max(value, left), right)
        ax.plot(place, row, "o", color=ink, markerfacecolor=fill, ms=6, zorder=3)
    ax.set_ylim(max(len(values), 2) - 0.5, -0.5)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x", alpha=0.25)
    ax.set_axisbelow(True)
    ax.tick_params("x", labelsize="small")


def _wrapped(caption: str) -> str:
    return "\n".join(wrap(caption, _CAPTION_CHARS))


def _slower(commands: pd.DataFrame) -> str:
    both = commands.dropna(subset=["p50_a_s", "p50_b_s"])
    if both.empty:
        return ""
    first = both.iloc[int((both["p50_b_s"] - both["p50_a_s"]).abs().argmax())]
    before, after = duration(first["p50_a_s"]), duration(first["p50_b_s"])
    return f"Changed most: {first['verb']}, from {before} to {after}."
