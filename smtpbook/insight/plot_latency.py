"""Chart of latency: how long each command took, as distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from smtpbook.insight.canvas import label_ticks, new_axes, say, tidy
from smtpbook.palette import PLAIN
from smtpbook.tables.latency import session_order, timed_replies
from smtpbook.wording import counted, duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MEANING: Final = {
    "service_s": "what the server took for the command alone (service_s)",
    "latency_s": "command written to last octet of its reply (latency_s)",
    "first_byte_s": "command written to first octet of its reply (first_byte_s)",
}
# A shape of fewer replies would be invented: each is drawn as a line of its own.
_FEW: Final = 20
_BINS: Final = 80
_HEIGHT: Final = 0.5  # of a distribution; rows are 1 apart, labels of the row above between
_NARROWEST: Final = 10.0  # times that differ by less are shown on an axis this wide
# A log axis has no zero: what took less than a clock around a socket call can tell (a reply
# that came in one packet with the one before it took 0 s) stands here.
_FLOOR_S: Final = 2e-5


def plot_latency(
    log: pd.DataFrame, *, ax: Axes | None = None, column: str = "service_s"
) -> Axes:
    """Distributions of the time replies took, one row per command, on a log scale.

    Parameters
    ----------
    log : DataFrame
        Event log.  Uses ``verb``, ``reply_code``, ``kind`` and ``column``.
    ax : Axes, optional
        Where to draw.  A new figure is made if omitted; the current one is never touched.
    column : str
        ``"service_s"`` (default): what the server took for this command.  In
        ``"latency_s"`` a pipelined MAIL is blamed for the message before it.

    Returns
    -------
    Axes
        Commands from top to bottom in the order of a session.  Each is a histogram over
        80 bins of the logarithm, scaled to its own maximum, or a line per reply if there
        are fewer than 20; median (circle, label to the left) and p95 (triangle, label to
        the right) are those of `latency_by_command`.

    Raises
    ------
    ColumnError
        The log lacks a column.
    """
    times = timed_replies(log, column)
    groups = {
        str(verb): group.to_numpy(float) for verb, group in times.groupby("verb")[column]
    }
    verbs = session_order(groups)
    ax = new_axes(height=1.6 + 0.55 * max(len(verbs), 3)) if ax is None else ax
    tidy(ax, f"How long {counted(len(times), 'reply', 'replies')} took, by command")
    if not verbs:
        return say(ax, f"No reply in this log has a time ({column}).")

    low = max(min(float(group.min()) for group in groups.values()), _FLOOR_S)
    high = max(*(float(group.max()) for group in groups.values()), _FLOOR_S)
    if high < low * _NARROWEST:
        low, high = low / _NARROWEST**0.5, high * _NARROWEST**0.5
    edges = np.geomspace(low, high, _BINS + 1)
    for row, verb in enumerate(verbs):
        _draw_distribution(ax, row, groups[verb], edges)
        _mark(ax, row, groups[verb])
    _scale(ax, low, high)
    label_ticks(ax.yaxis, verbs, [f" ({len(groups[verb]):,})" for verb in verbs])
    ax.tick_params("y", length=0)
    ax.set_ylim(len(verbs) - 0.5, -_HEIGHT - 0.25)
    label = f"{_MEANING.get(column, column)}\nmedian: circle; 95th percentile: triangle"
    if any(float(group.min()) <= 0 for group in groups.values()):
        label += "\n0 s: came together with the reply before"
    ax.set_xlabel(label, parse_math=False)
    return ax


def _draw_distribution(ax: Axes, row: int, times: Any, edges: Any) -> None:
    # The y axis points down, so a row's shape rises to smaller values.
    times = np.maximum(times, edges[0])
    if len(times) < _FEW:
        ax.vlines(times, row - _HEIGHT / 2, row, color=PLAIN, alpha=0.8, linewidth=1.2)
    else:
        counts, _ = np.histogram(times, edges)
        tops = row - _HEIGHT * counts / counts.max()
        ax.stairs(tops, edges, baseline=row, fill=True, color=PLAIN, alpha=0.85)
    ax.axhline(row, color="gray", linewidth=0.5, alpha=0.6, zorder=0)


def _mark(ax: Axes, row: int, times: Any) -> None:
    """Mark median and p95 on the row's base line; labels point away from each other."""
    median, p95 = np.quantile(times, [0.5, 0.95])
    ink = rcParams["text.color"]
    ax.plot(max(median, _FLOOR_S), row, "o", color=ink, markersize=5, zorder=3)
    _label(ax, duration(median), max(median, _FLOOR_S), row, side="right")
    if len(times) > 1:
        ax.plot(max(p95, _FLOOR_S), row, ">", color=ink, markersize=5, zorder=3)
        _label(ax, f"p95 {duration(p95)}", max(p95, _FLOOR_S), row, side="left")


def _label(ax: Axes, text: str, time: float, row: int, *, side: str) -> None:
    ax.annotate(
        text,
        (time, row),
        (-3 if side == "right" else 3, -6),
        textcoords="offset points",
        ha=side,
        va="top",
        fontsize="small",
    )


def _scale(ax: Axes, low: float, high: float) -> None:
    """Make the time axis logarithmic, with room for the labels at both ends."""
    decades = np.log10(high / low)
    ax.set_xscale("log")
    ax.set_xlim(low / 10 ** (0.16 * decades), high * 10 ** (0.22 * decades))
    # Labels at 1, 2 and 5 while they fit, at powers of ten beyond.
    subs = (1.0, 2.0, 5.0) if decades < 2 else (1.0,)
    ax.xaxis.set_major_locator(LogLocator(subs=subs))
    ax.xaxis.set_major_formatter(EngFormatter(unit="s"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.grid(axis="x", alpha=0.25)
