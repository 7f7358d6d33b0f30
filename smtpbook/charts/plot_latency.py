"""Chart of latency: how long each command took, as distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.ticker import FixedLocator

from smtpbook.charts.canvas import (
    FLOOR_S,
    HEAD,
    label_beside,
    label_ticks,
    log_limits,
    log_time_axis,
    new_axes,
    say,
    tidy,
)
from smtpbook.errors import near_miss
from smtpbook.escape import visible
from smtpbook.palette import LINES, PLAIN
from smtpbook.tables.engine import query
from smtpbook.tables.latency import latency_by_command
from smtpbook.tables.replies import replies_of
from smtpbook.tables.scan import Log
from smtpbook.tables.times import is_timed, needs_of
from smtpbook.wording import counted, duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS: Final = ("histogram", "box", "ecdf")

_MEANING: Final = {
    "service_s": "what the server took for the command alone (service_s)",
    "latency_s": "command written to last octet of its reply (latency_s)",
    "first_byte_s": "command written to first octet of its reply (first_byte_s)",
}
# The quantiles that are told, each with its mark.
_TOLD: Final = (("p50_s", "median", "o"), ("p95_s", "p95", ">"), ("p99_s", "p99", "D"))
_QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_SIGNS: Final = {"o": "●", ">": "▶", "D": "◆"}  # the marks, as text
_COLUMNS: Final = (58.0, 116.0, 174.0)  # points from the edge to the right of each
# A shape of fewer replies would be invented: each is drawn as a line of its own.
_FEW: Final = 20
_BINS: Final = 80
_HEIGHT: Final = 0.62  # of a distribution; rows are 1 apart
_STEPS: Final = 400  # bins of a curve
_LIMITS: Final = "SELECT min(seconds), max(seconds) FROM log WHERE {}"
_BINNED: Final = """
SELECT
    verb,
    CAST(greatest(least(
        floor((ln(greatest(seconds, $floor)) - $low) / $width), $last
    ), 0) AS BIGINT) AS bin,
    count(*)
FROM log WHERE {} GROUP BY verb, bin ORDER BY verb, bin
"""
_LEVELS: Final = (0.0, 0.25, 0.5, 0.75, 0.95)  # labels of 99% and 100% have no room
_TOP: Final = 0.99


def plot_latency(
    log: Log,
    *,
    kind: str = "histogram",
    column: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Distributions of the time replies took, one for each command, on a log scale.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.  Uses ``verb``, ``reply_code``, ``kind`` and ``column``.
    kind : {"histogram", "box", "ecdf"}
        ``"histogram"``: a shape of 80 bins of the logarithm, scaled to its own maximum, or
        a line for each bin if there are fewer than 20 replies.  ``"box"``: from the first
        quartile to the third, whiskers from the 5th percentile to the 95th.  ``"ecdf"``:
        which share of the replies took at most so long, as curves upon each other.
    column : str, optional
        ``"service_s"``: what the server took for this command.  In ``"latency_s"`` a
        pipelined MAIL is blamed for the message before it; it is taken if omitted and the
        log has no other.
    ax : Axes, optional
        Where to draw.  A new figure is made if omitted; the current one is never touched.

    Returns
    -------
    Axes
        Commands from top to bottom in the order of a session.  Median (circle), p95
        (triangle) and p99 (diamond) are those of `latency_by_command`, and written beside;
        those of a DataFrame have their intervals as lines, except in curves and where an
        interval has an end that nothing bounds.

    Raises
    ------
    ColumnError
        The log lacks a column.
    ValueError
        There is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(
            f"kind is {', '.join(KINDS)}, not {kind!r}{near_miss(kind, KINDS)}"
        )
    table = latency_by_command(log, quantiles=_QUANTILES, column=column)
    column = str(table.attrs["column"])
    if ax is None:
        rows = 4.2 if kind == "ecdf" else 1.7 + 0.42 * max(len(table), 3)
        ax = new_axes(8.0, rows)
    total = counted(int(table["replies"].sum()), "reply", "replies")
    if table.empty:
        tidy(ax, f"How long {total} took, by command")
        return say(ax, f"No reply in this log has a time ({column}).")

    medians = zip(table["verb"], table["p50_s"], strict=True)
    told = ", ".join(f"{verb} {duration(time)}" for verb, time in [*medians][:12])
    title, told = f"How long {total} took, by command", visible(f"Medians: {told}.")
    tidy(ax, title, "Distributions", told, above=HEAD)
    bins = _STEPS if kind == "ecdf" else _BINS
    counts, edges, zeros = _binned(log, column, bins)
    log_time_axis(ax, edges[0], edges[-1])
    if kind == "ecdf":
        _draw_curves(ax, table, counts, edges)
    else:
        _draw_rows(ax, kind, table, counts, edges)
    label = _MEANING.get(column, column)
    if zeros:
        label += "\n0 s: came together with the reply before"
    if "quantile_error" in table:
        label += f"\nquantiles to {float(table['quantile_error'].max()):.1%} of themselves"
    if kind != "ecdf" and _has_intervals(table):
        label += f"\nlines: {table.attrs['interval']}"
    ax.set_xlabel(label, parse_math=False, fontsize="small")
    return ax


def _has_intervals(table: pd.DataFrame) -> bool:
    ends = [f"{name[:-2]}_high_s" for name, _, _ in _TOLD]
    return all(end in table for end in ends) and bool(
        np.isfinite(table[ends]).any(axis=None)
    )


def _binned(log: Log, column: str, bins: int) -> tuple[dict[str, Any], Any, bool]:
    """Count the times of each command in bins of the logarithm.

    Returns
    -------
    dict of str to array, array, bool
        Counts by verb; the bins' edges in seconds; whether a reply took no time at all.
    """
    replies = replies_of(log)
    needs, timed = needs_of(replies, column), is_timed(replies)
    limits = query(
        _LIMITS.format(timed),
        dict.fromkeys(("low", "high"), "float64"),
        needs=needs,
        parameters=replies.parameters,
        log=log,
    )
    shortest, longest = (float(cell) for cell in limits.iloc[0])
    low, high = log_limits(shortest, longest)
    table = query(
        _BINNED.format(timed),
        {"verb": "string", "bin": "int64", "replies": "int64"},
        needs=needs,
        parameters={
            **replies.parameters,
            "floor": FLOOR_S,
            "low": float(np.log(low)),
            "width": float(np.log(high / low)) / bins,
            "last": bins - 1,
        },
        log=log,
    )
    counts: dict[str, Any] = {}
    for verb, own in table.groupby("verb"):
        counts[str(verb)] = np.zeros(bins)
        counts[str(verb)][own["bin"].to_numpy()] = own["replies"]
    return counts, np.geomspace(low, high, bins + 1), shortest <= 0


def _draw_rows(
    ax: Axes, kind: str, table: pd.DataFrame, counts: dict[str, Any], edges: Any
) -> None:
    """Draw a distribution in a row of its own for each command, and write its quantiles."""
    ink, verbs = rcParams["text.color"], [str(verb) for verb in table["verb"]]
    for row, (verb, times) in enumerate(zip(verbs, table.to_dict("records"), strict=True)):
        if kind == "box":
            _draw_box(ax, row, times)
        else:
            _draw_histogram(ax, row, counts[verb], edges)
        for name, _, marker in _TOLD:
            place = row if kind == "box" else row + _HEIGHT / 2
            time = max(times[name], FLOOR_S)
            low, high = (
                times.get(f"{name[:-2]}_{end}_s", np.nan) for end in ("low", "high")
            )
            if low > 0 and np.isfinite(high):
                ax.plot([low, high], [place, place], color=ink, linewidth=1.2, zorder=2)
            ax.plot(time, place, marker, color=ink, markersize=4.5, zorder=3)
    label_ticks(ax.yaxis, verbs, [f" ({n:,})" for n in table["replies"]])
    ax.tick_params("y", length=0, labelsize="small")
    ax.set_ylim(len(verbs) - 0.4, -0.6)
    for (name, word, marker), points in zip(_TOLD, _COLUMNS, strict=True):
        cells = [duration(time) for time in table[name]]
        label_beside(ax, f"{_SIGNS[marker]} {word}", cells, points=points)


def _draw_histogram(ax: Axes, row: int, counts: Any, edges: Any) -> None:
    # The y axis points down, so a row's shape rises to smaller values.
    base = row + _HEIGHT / 2
    if counts.sum() < _FEW:
        middles = np.sqrt(edges[1:] * edges[:-1])[counts > 0]
        ax.vlines(middles, base - _HEIGHT / 2, base, color=PLAIN, alpha=0.8, linewidth=1.2)
    else:
        tops = base - _HEIGHT * counts / counts.max()
        ax.stairs(tops, edges, baseline=base, fill=True, color=PLAIN, alpha=0.85)
    ax.axhline(base, color="gray", linewidth=0.5, alpha=0.6, zorder=0)


def _draw_box(ax: Axes, row: int, times: dict[Any, Any]) -> None:
    names = ("p5_s", "p25_s", "p75_s", "p95_s")
    low, first, third, high = (max(times[name], FLOOR_S) for name in names)
    ax.hlines(row, low, high, color=PLAIN, linewidth=1.4)
    ax.barh(row, third - first, _HEIGHT, first, color=PLAIN, alpha=0.85, linewidth=0)
    ax.vlines([low, high], row - _HEIGHT / 4, row + _HEIGHT / 4, color=PLAIN, linewidth=1.4)


def _draw_curves(ax: Axes, table: pd.DataFrame, counts: dict[str, Any], edges: Any) -> None:
    """Draw the share of replies that took at most so long, a curve for each command."""
    lines = _lines(len(table))
    for verb, total, (color, style) in zip(
        table["verb"], table["replies"], lines, strict=True
    ):
        shares = np.cumsum(counts[str(verb)]) / total
        # From the last edge at which nobody has answered to the first at which all have.
        first = int(np.argmax(shares > 0))
        last = int(np.argmax(shares >= 1)) + 1
        ax.plot(
            edges[first : last + 1],
            np.append(0, shares[first:last]),
            color=color,
            linestyle=style,
            linewidth=1.5,
            label=f"{visible(str(verb), max_chars=14)} ({total:,})",
        )
    ax.yaxis.set_major_locator(FixedLocator(_LEVELS))
    ax.yaxis.set_major_formatter(lambda level, _: f"{level:.0%}")
    ax.axhline(_TOP, color="gray", linewidth=0.5, linestyle=":", zorder=0)
    ax.annotate("99%", (1, _TOP), (2, 0), ("axes fraction", "data"), "offset points").set(
        va="center", size="small", annotation_clip=False
    )
    ax.set_ylim(-0.02, 1.02)
    ax.set_ylabel("share of replies that took at most so long")
    ax.grid(axis="y", alpha=0.25)
    legend = ax.legend(
        loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize="small"
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _lines(number: int) -> list[tuple[str, Any]]:
    """Give colours and dashes: of many lines those of one colour differ in dashes."""
    dashes = ("-", "--", ":", "-.")
    return [(LINES[n % len(LINES)], dashes[n // len(LINES) % 4]) for n in range(number)]
