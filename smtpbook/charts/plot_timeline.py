"""Chart of the timeline: every reply at the moment it came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from smtpbook.charts.canvas import (
    TimeAxis,
    label_ticks,
    new_axes,
    say,
    severity_legend,
    tidy,
    time_axis,
)
from smtpbook.palette import SEVERITY_COLORS, SEVERITY_MARKERS
from smtpbook.tables.engine import PLACE, query
from smtpbook.tables.latency import session_order
from smtpbook.tables.replies import replies_of
from smtpbook.tables.scan import Log
from smtpbook.wording import counted, duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOMENTS: Final = 300  # the log's length is cut into so many; about two pixels each
_MAX_POINTS: Final = 3000  # of longer logs the replies of each moment are counted instead
_FEW: Final = 500  # points that can be larger
_STEPS: Final = 5  # from a point to the next upon it: this part of the spread, or less
_SPREAD: Final = 0.4  # of a command's row, which is 1 high: what its points or bars take
_LEAST: Final = 0.05  # height of the smallest count, or one refusal would not be seen
_NEEDS: Final = ("verb", "time", "latency_s", PLACE)
_CAME: Final = """
came AS (
    SELECT
        verb,
        reply_code // 100 AS digit,
        time + CAST(coalesce(latency_s, 0) * 1e6 AS BIGINT) AS moment_us,
        place
    FROM log WHERE {is_reply} AND verb IS NOT NULL AND time IS NOT NULL
)"""
_SPAN: Final = f"""
WITH {_CAME}
SELECT count(*), min(moment_us), max(moment_us), count(*) FILTER (digit >= 4) FROM came
"""
_POINTS: Final = f"""
WITH {_CAME}
SELECT verb, digit, (moment_us - $start) / 1e6, 1, place FROM came ORDER BY place
"""
_COUNTS: Final = f"""
WITH {_CAME},
moments AS (
    SELECT verb, digit, least(floor((moment_us - $first) / $moment), $last) AS moment
    FROM came
)
SELECT verb, digit, moment, count(*), 0 FROM moments
GROUP BY verb, digit, moment ORDER BY verb, digit, moment
"""
_DTYPES: Final = {
    "verb": "string",
    "digit": "int64",
    "x": "float64",
    "replies": "int64",
    "place": "int64",
}


def plot_timeline(log: Log, *, ax: Axes | None = None) -> Axes:
    """Every reply over time, one row per command, coloured by severity.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.  Uses ``time``, ``latency_s``, ``verb``, ``reply_code`` and ``kind``;
        which rows are replies is told in `reply_codes`.
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
    names = ("replies", "first", "last", "refused")
    replies = replies_of(log)
    needs = {*_NEEDS, *replies.needs}

    def ask(sql: str, dtypes: Mapping[str, str], **given: float) -> pd.DataFrame:
        return query(
            sql.format(is_reply=replies.sql),
            dtypes,
            needs=needs,
            parameters={**given, **replies.parameters},
            log=log,
        )

    span = ask(_SPAN, dict.fromkeys(names, "Int64"))
    total, refused = int(span["replies"].iloc[0]), int(span["refused"].iloc[0])
    if not total:
        ax = new_axes(height=2.95) if ax is None else ax
        tidy(ax, "Replies over time")
        return say(ax, "No reply in this log tells when it came.")

    first, last = int(span["first"].iloc[0]), int(span["last"].iloc[0])
    start = pd.Timestamp(first, unit="us", tz="UTC").floor("s")
    length_s = (last - first) / 1e6
    moment = max(last - first, 1) / _MOMENTS
    second = first // 1_000_000 * 1_000_000
    few = total <= _MAX_POINTS
    if few:
        table = ask(_POINTS, _DTYPES, start=second)
    else:
        table = ask(_COUNTS, _DTYPES, first=first, moment=moment, last=_MOMENTS - 1)
    verbs = session_order([str(verb) for verb in table["verb"].unique()])
    table["row"] = table["verb"].map({verb: row for row, verb in enumerate(verbs)})
    ax = new_axes(height=1.6 + 0.45 * max(len(verbs), 3)) if ax is None else ax
    axis = time_axis(ax, start, length_s)
    ax.margins(x=0.02)
    if few:
        _draw_points(ax, table, axis, moment / 1e6)
    else:
        edges = (first - second + np.arange(_MOMENTS + 1) * moment) / 1e6
        _draw_counts(ax, table, axis(edges))
    for row in range(len(verbs)):
        ax.axhline(row, color="gray", linewidth=0.5, alpha=0.6, zorder=0)
    below = ", below the lines" if refused else ""
    over = f" in {duration(length_s)}" if length_s else ""
    refusals = counted(refused, "refusal", "refusals")
    tidy(ax, f"{counted(total, 'reply', 'replies')}{over}: {refusals}{below}", "Timeline")
    label_ticks(ax.yaxis, verbs)
    ax.tick_params("y", length=0)
    ax.set_ylim(len(verbs) - 0.4, -1.3)  # the session's first command on top, legend above
    severity_legend(ax, [int(digit) for digit in table["digit"].unique()])
    return ax


def _draw_points(ax: Axes, points: pd.DataFrame, axis: TimeAxis, moment_s: float) -> None:
    """Draw each reply; those of one command and moment stand upon each other."""
    moment = ((points["x"] - points["x"].min()) / moment_s).astype(int)
    side = (points["digit"] >= 4).map({True: 1, False: -1})
    stacks = points.assign(moment=moment, side=side).groupby(["row", "moment", "side"])
    place = stacks.cumcount() + 1
    heights = points["row"] + side * place * _SPREAD / max(place.max(), _STEPS)
    for severity, color in SEVERITY_COLORS.items():
        chosen = points["digit"] == severity
        ax.scatter(
            axis(points.loc[chosen, "x"]),
            heights[chosen],
            s=16 if severity >= 4 or len(points) < _FEW else 7,
            color=color,
            marker=SEVERITY_MARKERS[severity],
            linewidths=0,
            rasterized=True,
        )


def _draw_counts(ax: Axes, table: pd.DataFrame, edges: Any) -> None:
    """Draw how many replies each moment had: successes above the line, refusals below."""
    most = int(table["replies"].max())
    counts: dict[tuple[int, int], Any] = {}
    cells = table[["row", "digit", "x", "replies"]].astype(int)
    for row, digit, moment, replies in cells.itertuples(index=False):
        count = counts.setdefault((row, digit), np.zeros(_MOMENTS))
        count[moment] = replies
    for row in table["row"].unique():
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
                    edges,
                    np.append(base, row),
                    np.append(top, row),
                    step="post",
                    color=SEVERITY_COLORS[severity],
                    linewidth=0,
                )
