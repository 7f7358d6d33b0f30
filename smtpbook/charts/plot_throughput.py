"""Chart of the throughput: how many were accepted, and how many put off, over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from matplotlib import rcParams

from smtpbook.charts.canvas import (
    HEAD,
    TimeAxis,
    legend_above,
    new_axes,
    say,
    tidy,
    time_axis,
)
from smtpbook.log.frame import require_columns
from smtpbook.palette import GREEN, SEVERITY_COLORS, SEVERITY_HATCHES
from smtpbook.tables.over_time import throughput
from smtpbook.tables.scan import Log
from smtpbook.wording import counted, lasting

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_UNITS: Final = ((1.0, "second"), (60.0, "minute"), (3600.0, "hour"), (86_400.0, "day"))
_ROOM: Final = 3.0  # times the most that was reached: a pace far above it is not shown


def plot_throughput(
    log: Log, *, pace: pd.DataFrame | None = None, ax: Axes | None = None
) -> Axes:
    """Throughput over time: recipients accepted upwards, 4yz and 5yz replies downwards.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.
    pace : DataFrame, optional
        What a run was allowed: ``run.pace`` (``time``, ``rate_per_min``), drawn as a line.
    ax : Axes, optional
        Where to draw.  A new figure is made if omitted; the current one is never touched.

    Returns
    -------
    Axes
        The stretches of the table `throughput`, as rates: a second, a minute, an hour or a
        day, whichever gives numbers above 1.  The label says how long a stretch is.

    Raises
    ------
    ColumnError
        The log, or the pace, lacks a column.
    """
    if pace is not None:
        require_columns(pace, "time", "rate_per_min")
    table = throughput(log)
    ax = new_axes(8.0, 4.0) if ax is None else ax
    up, down = table["accepted"], table["transient"] + table["permanent"]
    if not (up.any() or down.any()):
        tidy(ax, "Throughput")
        return say(ax, "No recipient was accepted in this log, and none refused.")

    start = table["time"].iloc[0]
    edges = (table["time"] - start).dt.total_seconds().to_numpy()
    step_s = float(edges[1]) if len(edges) > 1 else 1.0
    edges = np.append(edges, edges[-1] + step_s)
    axis = time_axis(ax, start, float(edges[-1]))
    most = max(int(up.max()), int(down.max())) / step_s
    unit_s, unit = next(((s, u) for s, u in _UNITS if most * s >= 1), _UNITS[-1])
    columns = ("accepted", "transient", "permanent")
    rates = {name: table[name].to_numpy() / step_s * unit_s for name in columns}
    _draw(ax, axis(edges), rates)
    if pace is not None and not pace.empty:
        _draw_pace(ax, axis, pace, (start, float(edges[-1])), unit_s, most * unit_s)
    _label(ax, unit, step_s)
    people = counted(int(up.sum()), "recipient", "recipients")
    title = f"{people} accepted in {lasting(float(edges[-1]))}"
    best = f"At most {rates['accepted'].max():,.3g} a {unit}."
    tidy(
        ax,
        f"{title}, {table['transient'].sum():,} replies 4yz",
        "Rates over time",
        best,
        above=HEAD,
    )
    return ax


def _draw(ax: Axes, edges: Any, rates: dict[str, Any]) -> None:
    # Bars in one piece each: the steps of so many moments, filled.
    ax.stairs(rates["accepted"], edges, fill=True, color=GREEN, label="accepted", lw=0)
    base = np.zeros(len(edges) - 1)
    for digit, name in ((4, "transient"), (5, "permanent")):
        if rates[name].any():
            ax.stairs(
                base - rates[name],
                edges,
                baseline=base,
                fill=True,
                facecolor=SEVERITY_COLORS[digit],
                hatch=SEVERITY_HATCHES[digit],
                edgecolor=rcParams["axes.facecolor"],
                linewidth=0,
                label=f"{digit}yz replies",
            )
        base = base - rates[name]
    ax.axhline(0, color=rcParams["axes.edgecolor"], linewidth=0.8)


def _draw_pace(
    ax: Axes,
    axis: TimeAxis,
    pace: pd.DataFrame,
    span: tuple[pd.Timestamp, float],
    unit_s: float,
    reached: float,
) -> None:
    """Draw the pace until the end of the log, and leave it out where it is far above."""
    start, end_s = span
    since = (pace["time"] - start).dt.total_seconds().clip(lower=0).to_numpy()
    rate = pace["rate_per_min"].to_numpy(float) / 60 * unit_s
    times = axis(np.append(since, max(end_s, since[-1])))
    steps = np.append(rate, rate[-1])
    ink = rcParams["text.color"]
    ax.step(times, steps, where="post", color=ink, linestyle="--", lw=1.3, label="pace")
    if rate.max() > _ROOM * reached:
        ax.set_ylim(top=_ROOM * reached)


def _label(ax: Axes, unit: str, step_s: float) -> None:
    ax.set_ylabel(f"recipients a {unit} (up),\nreplies a {unit} (down)")
    ax.yaxis.set_major_formatter(lambda value, _: f"{abs(value):,.4g}")
    ax.grid(axis="y", alpha=0.25)
    ax.set_axisbelow(True)
    ax.set_xlabel(f"{ax.get_xlabel()}; a step is {lasting(step_s)}")
    ax.margins(x=0.01)
    legend_above(ax)
