"""Chart of the sessions: from when to when each connection stood, and what it did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.colors import to_rgba
from matplotlib.patches import Patch

from smtpbook.charts.canvas import (
    HEAD,
    TimeAxis,
    label_beside,
    label_ticks,
    legend_above,
    new_axes,
    say,
    tidy,
    time_axis,
)
from smtpbook.palette import GREY, PLAIN, PURPLE, SEVERITY_COLORS, SEVERITY_NAMES
from smtpbook.tables.engine import query
from smtpbook.tables.scan import Log
from smtpbook.tables.sessions import sessions
from smtpbook.wording import counted, lasting

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_SESSIONS: Final = 50
_MOMENTS: Final = 400  # the time shown is cut into so many; about two pixels each
_LINES: Final = 20  # of the picture, in a row
# Height of each level in a row, which is 1 high: what matters is seen without colours, too.
_THICK: Final = {1: 0.15, 2: 0.5, 3: 0.5, 4: 0.9, 5: 0.9, 6: 0.9}
_IDLE: Final = 0.3  # opacity of a connection on which nothing is awaited
# What each row brought, as a key of _LEVELS, and the moments over which it went on.
_MOVES: Final = """
SELECT DISTINCT
    session_id,
    CASE
        WHEN reply_code IS NULL AND error IS NOT NULL THEN 6
        WHEN reply_code >= 400 THEN least(reply_code // 100, 5)
        WHEN kind IN ('dns', 'connect', 'proxy', 'tls', 'greeting') THEN 2
        WHEN verb IN ('GREETING', 'EHLO', 'HELO', 'LHLO', 'STARTTLS', 'AUTH') THEN 2
        WHEN reply_code IS NOT NULL THEN 3
        ELSE 1
    END AS level,
    CAST(greatest(least(floor((time - $low) / $moment), $last), 0) AS BIGINT) AS first,
    CAST(greatest(least(floor(
        (time + coalesce(latency_s, 0) * 1e6 - $low) / $moment
    ), $last), 0) AS BIGINT) AS final
FROM log
WHERE session_id IN (SELECT unnest($ids)) AND kind IS DISTINCT FROM 'outcome'
ORDER BY session_id, level, first, final
"""
# What a moment is coloured by: the worst that happened in it.
_LEVELS: Final = {
    1: (GREY, "open"),
    2: (PLAIN, "opening"),
    3: (SEVERITY_COLORS[2], SEVERITY_NAMES[2]),
    4: (SEVERITY_COLORS[4], SEVERITY_NAMES[4]),
    5: (SEVERITY_COLORS[5], SEVERITY_NAMES[5]),
    6: (PURPLE, "no reply"),
}


def plot_sessions(log: Log, *, ax: Axes | None = None) -> Axes:
    """Gantt chart of the connections: when each stood, and when it was at work.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.
    ax : Axes, optional
        Where to draw.  A new figure is made if omitted; the current one is never touched.

    Returns
    -------
    Axes
        A bar for each session in the order in which they began (of more than fifty the
        first fifty): faint where the connection stood and nothing was awaited, else
        coloured by what the moment (a 400th of the time shown) brought, the worst first;
        opening is connecting, TLS, greeting, EHLO and AUTH.  A cross ends a session in
        which something was not answered.  At the right the messages that each had.

    Raises
    ------
    ColumnError
        The log lacks a column.
    """
    every = sessions(log)
    every = every[every["time"].notna()]
    shown = every.head(_MAX_SESSIONS)
    ax = new_axes(9.0, 2.0 + 0.2 * max(len(shown), 4)) if ax is None else ax
    if every.empty:
        tidy(ax, "Sessions")
        return say(ax, "No session in this log tells when it was.")

    _title(ax, every, shown)
    start = shown["time"].iloc[0].floor("s")
    begin = (shown["time"] - start).dt.total_seconds().to_numpy()
    end = begin + shown["duration_s"].to_numpy()
    span = (float(begin.min()), max(float(end.max()), float(begin.min()) + 1e-6))
    axis = time_axis(ax, start, span[1] - span[0])
    levels = _levels(log, shown, start, span)
    _draw(ax, axis, levels, span)
    lost = shown["error"].notna().to_numpy()
    ax.plot(axis(end[lost]), np.flatnonzero(lost), "X", color=rcParams["text.color"], ms=6)
    label_ticks(ax.yaxis, list(shown["session_id"]))
    ax.tick_params("y", length=0, labelsize="small")
    label_beside(ax, "messages", [f"{n:,}" for n in shown["messages"]], points=52)
    ax.set_ylim(len(shown) - 0.4, -0.6)
    legend_above(ax, _keys(levels))
    return ax


def _levels(
    log: Log, shown: pd.DataFrame, start: pd.Timestamp, span: tuple[float, float]
) -> Any:
    """Give the worst level of each session (row) and moment (column); 0 = not open."""
    low, high = span
    ids = list(shown["session_id"])
    moves = query(
        _MOVES,
        {"session_id": "string", "level": "int64", "first": "int64", "last": "int64"},
        needs=("session_id", "kind", "verb", "reply_code", "error", "time", "latency_s"),
        parameters={
            "ids": ids,
            "low": round((start.timestamp() + low) * 1e6),
            "moment": (high - low) * 1e6 / _MOMENTS,
            "last": _MOMENTS - 1,
        },
        log=log,
    )
    levels = np.zeros((len(ids), _MOMENTS), int)
    since = (shown["time"] - start).dt.total_seconds() - low
    for row, (begin, lasts) in enumerate(zip(since, shown["duration_s"], strict=True)):
        places = np.array([begin, begin + lasts]) / (high - low) * _MOMENTS
        first, last = places.astype(int).clip(0, _MOMENTS - 1)
        levels[row, first : last + 1] = 1
    rows = {session_id: row for row, session_id in enumerate(ids)}
    for session_id, level, first, last in moves.itertuples(index=False):
        part = levels[rows[session_id], first : last + 1]
        np.maximum(part, level, out=part)
    return levels


def _draw(ax: Axes, axis: TimeAxis, levels: Any, span: tuple[float, float]) -> None:
    colors = np.zeros((len(_LEVELS) + 1, 4))
    for level, (color, _) in _LEVELS.items():
        colors[level] = to_rgba(color, _IDLE if level == 1 else 1)
    left, right = axis(span[0]), axis(span[1])
    # Each row is many lines of the picture, of which a level fills those in its middle.
    lines = np.abs((np.arange(_LINES) + 0.5) / _LINES - 0.5) * 2
    thick = np.array([0.0, *_THICK.values()])
    filled = lines[None, :, None] < thick[levels][:, None, :]
    picture = colors[np.where(filled, levels[:, None, :], 0)]
    ax.imshow(
        picture.reshape(-1, _MOMENTS, 4),
        aspect="auto",
        interpolation="nearest",
        extent=(left, right, len(levels) - 0.5, -0.5),
    )
    ax.set_xlim(left - 0.01 * (right - left), right + 0.01 * (right - left))


def _title(ax: Axes, every: pd.DataFrame, shown: pd.DataFrame) -> None:
    ends = every["time"] + pd.to_timedelta(every["duration_s"], unit="s")
    changes = pd.concat([pd.Series(1, every["time"]), pd.Series(-1, ends)])
    # Where one ends at the instant at which another begins, both do not stand together.
    together = int(changes.groupby(level=0).sum().sort_index().cumsum().max())
    some = "" if len(shown) == len(every) else f"; the first {len(shown):,} are shown"
    number = counted(len(every), "session", "sessions")
    title = f"{number}, at most {max(together, 1):,} at a time{some}"
    mean = lasting(float(every["duration_s"].mean()))
    tidy(ax, title, "Gantt chart", f"A session lasted {mean} on average.", above=HEAD)


def _keys(levels: Any) -> list[Patch]:
    return [
        Patch(color=color, alpha=_IDLE if level == 1 else 1, lw=0, label=word)
        for level, (color, word) in _LEVELS.items()
        if (levels == level).any()
    ]
