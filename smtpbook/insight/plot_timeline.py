"""Chart of the timeline: every reply at the moment it came."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from matplotlib import dates

from smtpbook.insight.canvas import label_ticks, new_axes, say, severity_legend, tidy
from smtpbook.insight.summaries import replies
from smtpbook.log.frame import require_columns
from smtpbook.palette import SEVERITY_COLORS, SEVERITY_MARKERS
from smtpbook.tables.latency import session_order
from smtpbook.wording import counted, duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_Axis = Callable[[Any], Any]
_MOMENTS: Final = 300  # the log's length is cut into so many; about two pixels each
_MAX_POINTS: Final = 3000  # of longer logs the replies of each moment are counted instead
_FEW: Final = 500  # points that can be larger
_STEPS: Final = 5  # from a point to the next upon it: this part of the spread, or less
_SPREAD: Final = 0.4  # of a command's row, which is 1 high: what its points or bars take
_LEAST: Final = 0.05  # height of the smallest count, or one refusal would not be seen
_SHORT_S: Final = 120.0  # shorter logs have an axis of seconds instead of the clock


def plot_timeline(log: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Every reply over time, one row per command, coloured by severity.

    Parameters
    ----------
    log : DataFrame
        Event log.  Uses ``time``, ``latency_s``, ``verb``, ``reply_code`` and ``kind``.
    ax : Axes, optional
        Where to draw.  A new figure is made if omitted; the current one is never touched.

    Returns
    -------
    Axes
        Commands from top to bottom in the order of a session; successes above a command's
        line, refusals below it.  Up to 3,000 replies are points, those of one moment (a
        300th of the log's length) upon each other; of more replies each moment's are
        counted, and the counts are bars on one scale.  The time axis is in seconds if the
        log is shorter than two minutes, else UTC.

    Raises
    ------
    ColumnError
        The log lacks a column.
    """
    require_columns(log, "time", "latency_s", "verb")
    rows = replies(log).dropna(subset=["verb"])
    verbs = session_order(rows["verb"].astype(str).drop_duplicates())
    ax = new_axes(height=1.6 + 0.45 * max(len(verbs), 3)) if ax is None else ax
    if not verbs:
        tidy(ax, "Replies over time")
        return say(ax, "No replies in this log.")

    came = rows["time"] + pd.to_timedelta(rows["latency_s"].fillna(0), unit="s")
    start, length_s = came.min().floor("s"), (came.max() - came.min()).total_seconds()
    points = pd.DataFrame(
        {
            "row": rows["verb"].astype(str).map({verb: n for n, verb in enumerate(verbs)}),
            "digit": (rows["reply_code"] // 100).astype(int),
            "second": (came - start).dt.total_seconds(),
        }
    )
    axis = _time_axis(ax, start, length_s)
    draw = _draw_points if len(points) <= _MAX_POINTS else _draw_counts
    draw(ax, points, axis)
    for row in range(len(verbs)):
        ax.axhline(row, color="gray", linewidth=0.5, alpha=0.6, zorder=0)
    refused = int((points["digit"] >= 4).sum())
    below = ", below the lines" if refused else ""
    over = f" in {duration(length_s)}" if length_s else ""
    refusals = counted(refused, "refusal", "refusals")
    tidy(ax, f"{counted(len(points), 'reply', 'replies')}{over}: {refusals}{below}")
    label_ticks(ax.yaxis, verbs)
    ax.tick_params("y", length=0)
    ax.set_ylim(len(verbs) - 0.4, -1.3)  # the session's first command on top, legend above
    severity_legend(ax, points["digit"].unique())
    return ax


def _draw_points(ax: Axes, points: pd.DataFrame, axis: _Axis) -> None:
    """Draw each reply; those of one command and moment stand upon each other."""
    length = max(points["second"].max(), 1e-6)
    moment = (points["second"] / length * _MOMENTS).astype(int)
    side = (points["digit"] >= 4).map({True: 1, False: -1})
    stacks = points.assign(moment=moment, side=side).groupby(["row", "moment", "side"])
    place = stacks.cumcount() + 1
    heights = points["row"] + side * place * _SPREAD / max(place.max(), _STEPS)
    for severity, color in SEVERITY_COLORS.items():
        chosen = points["digit"] == severity
        ax.scatter(
            axis(points.loc[chosen, "second"]),
            heights[chosen],
            s=16 if severity >= 4 or len(points) < _FEW else 7,
            color=color,
            marker=SEVERITY_MARKERS[severity],
            linewidths=0,
            rasterized=True,
        )


def _draw_counts(ax: Axes, points: pd.DataFrame, axis: _Axis) -> None:
    """Draw how many replies each moment had: successes above the line, refusals below."""
    edges = np.linspace(0, max(points["second"].max(), 1e-6), _MOMENTS + 1)
    counts = {
        key: np.histogram(group, edges)[0]
        for key, group in points.groupby(["row", "digit"])["second"]
    }
    most = max(int(count.max()) for count in counts.values())
    for row in range(points["row"].max() + 1):
        # The y axis points down.  Both kinds of success, and of refusal, are stacked.
        for side, severities in ((-1, (2, 3)), (1, (4, 5))):
            top = np.full(_MOMENTS, float(row))
            for severity in severities:
                if (row, severity) not in counts:
                    continue
                count = counts[row, severity]
                height = np.maximum(count / most * _SPREAD, _LEAST * (count > 0))
                base, top = top, top + side * height
                # Not `stairs`: it looks at every corner three times, to find its limits.
                ax.fill_between(
                    axis(edges),
                    np.append(base, row),
                    np.append(top, row),
                    step="post",
                    color=SEVERITY_COLORS[severity],
                    linewidth=0,
                )


def _time_axis(ax: Axes, start: pd.Timestamp, length_s: float) -> _Axis:
    """Set up the time axis; the result turns seconds since the start into its values."""
    ax.margins(x=0.02)
    ax.grid(axis="x", alpha=0.25)
    if length_s < _SHORT_S:
        ax.set_xlabel(f"seconds since {start:%Y-%m-%d %H:%M:%S} UTC")
        return lambda seconds: seconds
    untyped: Any = dates
    locator = untyped.AutoDateLocator(tz="UTC")
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(untyped.ConciseDateFormatter(locator, tz="UTC"))
    ax.set_xlabel("time (UTC)")
    days = untyped.date2num(start)
    return lambda seconds: days + seconds / 86_400
