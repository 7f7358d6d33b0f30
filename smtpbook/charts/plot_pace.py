"""Chart of the pace: how fast a send was let go, and what changed it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from smtpbook.charts.canvas import new_axes, say, tidy, time_axis
from smtpbook.delivery.run import Run
from smtpbook.palette import BLUE, VERMILLION
from smtpbook.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_pace(run: Run, *, ax: Axes | None = None) -> Axes:
    """Chart of an adaptive pace: the rate over time, with every cut.

    Parameters
    ----------
    run : Run
        Uses its ``pace`` (``time``, ``rate_per_min``) and the times of its outcomes, where
        the chart ends.
    ax : Axes, optional
        Where to draw.  A new figure is made if omitted; the current one is never touched.

    Returns
    -------
    Axes
        Messages a minute, in steps, with a triangle on each rate that was too much.  The
        time axis is in seconds if the send was shorter than two minutes, else UTC.
        ``run.pace`` tells the cause of each step.
    """
    ax = new_axes() if ax is None else ax
    pace = run.pace
    if pace.empty:
        tidy(ax, "Pace")
        return say(ax, 'Nothing to show: the pace was not "adaptive".')
    start = pace["time"].iloc[0]
    end = max(pace["time"].iloc[-1], run.log["time"].max())
    axis = time_axis(ax, start, (end - start).total_seconds())
    rate, since = pace["rate_per_min"], (pace["time"] - start).dt.total_seconds()
    times = axis(np.append(since, (end - start).total_seconds()))
    rates = [*rate, rate.iloc[-1]]
    # A send without a change may be too short for a line.
    marker = "o" if len(pace) == 1 else None
    ax.step(times, rates, where="post", color=BLUE, linewidth=1.5, marker=marker)
    is_cut = rate.diff() < 0
    if is_cut.any():
        ax.scatter(
            axis(since[is_cut]),
            rate.shift()[is_cut],
            s=30,
            color=VERMILLION,
            marker="v",
            linewidths=0,
            zorder=3,
            label=counted(int(is_cut.sum()), "cut", "cuts"),
        )
        ax.legend(loc="upper center", frameon=False, fontsize="small")
    ax.set_ylim(0, float(rate.max()) * 1.25)  # the legend above the line
    ax.set_ylabel("messages a minute, at most")
    ax.grid(axis="y", alpha=0.25)
    changes = counted(len(pace) - 1, "change", "changes")
    tidy(
        ax,
        f"Pace: {changes}, from {rate.iloc[0]:,.0f} to {rate.iloc[-1]:,.0f} a minute",
        "Curve",
    )
    return ax
