"""Chart of two runs: whose outcome is another, and which command was slower."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

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
from smtpbook.escape import visible
from smtpbook.events import OUTCOMES
from smtpbook.palette import BLUE, ORANGE
from smtpbook.states import state
from smtpbook.tables.compare import compare
from smtpbook.tables.latency import session_order
from smtpbook.tables.outcomes import count_outcomes
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


def plot_compare(a: Log, b: Log, *, names: tuple[str, str] = ("a", "b")) -> Figure:
    """Compare two runs: outcomes side by side, changes of outcome, latency by command.

    Parameters
    ----------
    a, b : DataFrame or Scan
        Event logs, such as those of a run before and after a change.
    names : tuple of two str
        What to call them.

    Returns
    -------
    Figure
        Three charts: the share of each outcome in either log; how many of the recipients
        that are in both came to another outcome, the most frequent change on top; the
        median of what the server took for each command, from the one to the other.
        Whether a difference is more than chance is not told here.

    Raises
    ------
    ColumnError
        A log lacks a column.
    """
    shown = [visible(name, max_chars=_MAX_CHARS) for name in names]
    shares = _shares(a, b)
    changes = compare(a, b)
    changes = changes.dropna(subset=["outcome_a", "outcome_b"])
    commands = compare(a, b, by="command")
    rows = (
        max(len(shares), 2),
        max(min(len(changes), _MAX_CHANGES), 2),
        max(len(commands), 2),
    )
    heights = [1.0 + 0.3 * min(number, _MAX_VERBS) for number in rows]
    figure = new_figure(8.0, sum(heights) + 0.6)
    above, middle, below = figure.subplots(3, height_ratios=heights)
    _draw_outcomes(above, shares, shown)
    _draw_changes(middle, changes, shown)
    _draw_commands(below, commands, shown)
    return figure


def _shares(a: Log, b: Log) -> pd.DataFrame:
    """Give recipients by outcome (row) and log (column), those of nothing left out."""
    table = pd.DataFrame({"a": count_outcomes(a), "b": count_outcomes(b)})
    return table.loc[[name for name in OUTCOMES if table.loc[name].any()]]


def _draw_outcomes(ax: Axes, table: pd.DataFrame, names: list[str]) -> None:
    sizes = [int(table[name].sum()) for name in ("a", "b")]
    told = ", ".join(
        f"{name}: {counted(size, 'recipient', 'recipients')}"
        for name, size in zip(names, sizes, strict=True)
    )
    tidy(ax, f"Outcomes; {told}", "Bar chart", above=HEAD)
    if table.empty:
        say(ax, "No recipient has an outcome in these logs.")
        return
    for run, (name, size) in enumerate(zip(("a", "b"), sizes, strict=True)):
        share = table[name].to_numpy(float) / max(size, 1)
        places = np.arange(len(table)) + (run - 0.5) * 0.36
        ax.barh(places, share, 0.34, color=_COLORS[run], lw=0, label=names[run])
        for place, count, one in zip(places, table[name], share, strict=True):
            text = f"{int(count):,} ({percent(float(one))})"
            number = ax.annotate(text, (one, place), (4, 0), textcoords="offset points")
            number.set(va="center", size="x-small")
    label_ticks(ax.yaxis, [str(state(str(name))) for name in table.index])
    ax.set_ylim(len(table) - 0.5, -0.5)
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


def _draw_commands(ax: Axes, commands: pd.DataFrame, names: list[str]) -> None:
    title = "Median of what the server took for a command"
    tidy(ax, title, "Dot plot", _slower(commands), above=HEAD)
    timed = commands.dropna(subset=["p50_a_s", "p50_b_s"], how="all").set_index("verb")
    if timed.empty:
        say(ax, "No reply in these logs has a time.")
        return
    verbs = session_order([str(verb) for verb in timed.index])[:_MAX_VERBS]
    timed = timed.loc[verbs]
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
    label_ticks(ax.yaxis, verbs)
    ax.tick_params("y", length=0, labelsize="small")
    log_time_axis(ax, *log_limits(float(np.nanmin(times)), float(np.nanmax(times))))
    ax.set_axisbelow(True)
    ax.set_ylim(max(len(timed), 2) - 0.5, -0.5)
    for head, column, points in ((names[0], "p50_a_s", 58.0), (names[1], "p50_b_s", 116.0)):
        cells = ["" if pd.isna(t) else duration(t) for t in timed[column]]
        label_beside(ax, visible(head, max_chars=9), cells, points=points)
    label_beside(ax, "change", [_change(row) for _, row in timed.iterrows()], points=174.0)
    legend_above(ax)


def _change(row: Any) -> str:
    old, new = row["p50_a_s"], row["p50_b_s"]
    if pd.isna(old) or pd.isna(new):
        return ""
    if old <= 0 or new / old >= 10:
        return f"+{duration(new - old)}" if new > old else "0 s"
    return f"{new / old - 1:+.0%}"


def _slower(commands: pd.DataFrame) -> str:
    both = commands.dropna(subset=["p50_a_s", "p50_b_s"])
    if both.empty:
        return ""
    first = both.iloc[int((both["p50_b_s"] - both["p50_a_s"]).abs().argmax())]
    before, after = duration(first["p50_a_s"]), duration(first["p50_b_s"])
    return f"Changed most: {first['verb']}, from {before} to {after}."
