"""Chart of the outcomes as a flow: what became of whom, from attempt to attempt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib import rcParams

from smtpbook.charts.canvas import HEAD, new_axes, say, spread, tidy
from smtpbook.events import OUTCOMES
from smtpbook.palette import OUTCOME_HATCHES
from smtpbook.states import state, told
from smtpbook.tables.engine import PLACE, query
from smtpbook.tables.outcomes import count_outcomes
from smtpbook.tables.scan import Log
from smtpbook.wording import counted, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What an attempt ends in; the other outcomes are known of before or after it.
_FLOW_SQL: Final = """
WITH tried AS (
    SELECT
        recipient,
        outcome,
        place,
        coalesce(
            attempt, row_number() OVER (PARTITION BY recipient ORDER BY place)
        ) AS number
    FROM log WHERE kind = 'outcome' AND recipient IS NOT NULL
        AND outcome IN ('accepted', 'deferred', 'rejected', 'failed', 'in_doubt')
),
each AS (
    SELECT
        recipient,
        greatest(least(number, $most), 1) AS attempt,
        arg_max(outcome, place) AS outcome,
        max(number) AS last
    FROM tried GROUP BY recipient, greatest(least(number, $most), 1)
),
followed AS (
    SELECT *, lead(attempt) OVER (PARTITION BY recipient ORDER BY attempt) AS after
    FROM each
)
SELECT
    attempt,
    outcome,
    count(*),
    count(*) FILTER (after = attempt + 1),
    max(last)
FROM followed GROUP BY attempt, outcome ORDER BY attempt, outcome
"""
_MAX_ATTEMPTS: Final = 5  # columns; later attempts are put together in the last
_BAR: Final = 0.2  # of the distance from a column to the next
_LABEL: Final = 0.062  # of a bar's height: what a label takes
_THINNEST: Final = 0.006  # of a bar's height: a part that is less is still seen
_HATCHED: Final = 0.025  # of a bar's height: a hatch would hide the colour of less
_FLOW: Final = 0.35  # opacity


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bar:
    """An attempt: what it came to, and how many of whom were tried again, by outcome."""

    name: str
    sizes: dict[str, int]
    again: dict[str, int]


def plot_outcomes(log: Log, *, ax: Axes | None = None) -> Axes:
    """Flow of the recipients: what each attempt came to, and who was tried again.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.  Uses its ``outcome`` rows; ``attempt`` is counted where it is null.
    ax : Axes, optional
        Where to draw.  A new figure is made if omitted; the current one is never touched.

    Returns
    -------
    Axes
        A bar for each attempt, all of one height: the shares of what it came to.  From a
        part whose recipients were tried again a stream leads to the next attempt's bar,
        which is this part enlarged.  Attempts after the fifth are one bar.  The last bar
        is what became of every recipient of the log in the end.

    Raises
    ------
    ColumnError
        The log lacks a column.
    """
    end = {name: n for name, n in count_outcomes(log).items() if n}
    bars = _bars(log, end)
    ax = new_axes(2.2 + 2.1 * max(len(bars), 2), 4.4) if ax is None else ax
    if not bars:
        tidy(ax, "Outcomes")
        return say(ax, "No recipient has an outcome in this log.")

    people = counted(sum(end.values()), "recipient", "recipients")
    title = f"What became of {people}, attempt by attempt"
    tidy(ax, title, "Flow", f"In the end: {told(end)}.", above=HEAD)
    for column, bar in enumerate(bars):
        _draw_bar(ax, column, bar)
        _draw_flow(ax, column, bar)
    heads = [f"{bar.name}\n{sum(bar.sizes.values()):,}" for bar in bars]
    ax.set_xticks(np.arange(len(bars)) + _BAR / 2, heads)
    ax.tick_params("x", length=0)
    ax.set_yticks([])
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.set_xlim(-0.05, len(bars) - 0.05)
    ax.set_ylim(0, 1)
    return ax


def _bars(log: Log, end: dict[str, int]) -> list[_Bar]:
    table = query(
        _FLOW_SQL,
        {
            "attempt": "int64",
            "outcome": "string",
            "recipients": "int64",
            "again": "int64",
            "last": "int64",
        },
        needs=("kind", "recipient", "outcome", "attempt", PLACE),
        parameters={"most": _MAX_ATTEMPTS},
        log=log,
    )
    bars = []
    for number, own in table.groupby("attempt"):
        last = int(own["last"].max())
        many = number == _MAX_ATTEMPTS < last
        sizes = dict(zip(own["outcome"], own["recipients"], strict=True))
        again = dict(zip(own["outcome"], own["again"], strict=True))
        name = f"attempts {number} to {last}" if many else f"attempt {number}"
        bars.append(_Bar(name=name, sizes=sizes, again=again))
    if len(bars) == 1 and bars[0].sizes == end:
        return bars
    return [*bars, _Bar(name="in the end", sizes=end, again={})] if end else []


def _parts(sizes: dict[str, int]) -> list[tuple[str, int, float, float]]:
    """Give a bar's parts from the bottom up: outcome, recipients, where it lies."""
    # What may be tried again is on top.
    order = (*(name for name in OUTCOMES if name != "deferred"), "deferred")
    names = [name for name in order if sizes.get(name, 0)]
    whole = sum(sizes.values())
    shares = np.maximum([sizes[name] / whole for name in names], _THINNEST)
    tops = np.cumsum(shares / shares.sum())
    return [
        (name, int(sizes[name]), float(top - share / shares.sum()), float(top))
        for name, share, top in zip(names, shares, tops, strict=True)
    ]


def _draw_bar(ax: Axes, column: int, bar: _Bar) -> None:
    parts, whole = _parts(bar.sizes), sum(bar.sizes.values())
    middles = [(low + high) / 2 for *_, low, high in parts]
    labels = spread(middles, _LABEL, _LABEL / 2, 1 - _LABEL / 2)
    for (name, size, low, high), label in zip(parts, labels, strict=True):
        one = state(name)
        ax.bar(
            column,
            high - low,
            _BAR,
            low,
            align="edge",
            color=one.color,
            hatch=OUTCOME_HATCHES[name] if high - low > _HATCHED else "",
            edgecolor=rcParams["axes.facecolor"],
            linewidth=0.8,
        )
        ax.annotate(
            f"{one} {size:,} ({percent(size / whole)})",
            (column + _BAR, label),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
            zorder=4,
        )


def _draw_flow(ax: Axes, column: int, bar: _Bar) -> None:
    """Draw the streams from the parts of a bar whose recipients were tried again."""
    total, base = sum(bar.again.values()), 0.0
    x = np.linspace(0, 1, 40)
    ease = x * x * (3 - 2 * x)
    for name, size, low, high in _parts(bar.sizes):
        if not bar.again.get(name, 0):
            continue
        # The part's upper end goes on; whoever was not tried again stays below it.
        start = high - (high - low) * bar.again[name] / size
        end, base = (base, base + bar.again[name] / total), base + bar.again[name] / total
        ax.fill_between(
            column + _BAR + x * (1 - _BAR),
            start + (end[0] - start) * ease,
            high + (end[1] - high) * ease,
            color=state(name).color,
            alpha=_FLOW,
            linewidth=0,
            zorder=0.5,
        )
