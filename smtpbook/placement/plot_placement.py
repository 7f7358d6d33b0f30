"""Chart of the placement: where mail lies at each provider, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd
from matplotlib import rcParams
from matplotlib.patches import Patch

from smtpbook.charts.canvas import (
    HEAD,
    label_beside,
    label_ticks,
    legend_below,
    new_axes,
    say,
    tidy,
)
from smtpbook.escape import visible
from smtpbook.palette import GREEN, GREY, SKY, VERMILLION
from smtpbook.placement.read import PLACED
from smtpbook.placement.share import inbox_share
from smtpbook.wording import counted, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_ROWS: Final = 30
_MAX_CHARS: Final = 26
_COLORS: Final = {"inbox": GREEN, "spam": VERMILLION, "elsewhere": SKY, "missing": GREY}
_HATCHES: Final = {"inbox": "", "spam": "xxx", "elsewhere": "...", "missing": "---"}
_HEIGHT: Final = 0.62  # of a bar


def plot_placement(
    placement: pd.DataFrame, *, by: str = "provider", ax: Axes | None = None
) -> Axes:
    """Bars of shares: where the mail to a seed list lies, with the inbox's interval.

    Parameters
    ----------
    placement : DataFrame
        Of `read_placement`.
    by : {"provider", "arm", "campaign_id", "address"}
        What the rows are.
    ax : Axes, optional
        Where to draw.  A new figure is made if omitted; the current one is never touched.

    Returns
    -------
    Axes
        A row for each provider, in the list's order, thirty at most: the shares of its
        messages in the inbox, in spam, elsewhere and missing.  The line on it is the
        interval of the inbox's share (95 %, Wilson).  At the right stand the messages in
        the inbox of all, and the interval in numbers.  What was not accepted, or not looked
        for, is counted in the title.

    Raises
    ------
    ColumnError
        The table lacks a column.
    ValueError
        `by` is none of the four.
    """
    table = inbox_share(placement, by=by)
    shown = table[table["messages"] > 0].head(_MAX_ROWS).reset_index(drop=True)
    ax = new_axes(8.0, 1.9 + 0.36 * max(len(shown), 2)) if ax is None else ax
    unknown = int(placement["placed"].isna().sum())
    left_out = f"; {unknown:,} not accepted or not looked for" if unknown else ""
    if shown.empty:
        tidy(ax, f"Placement by {by}{left_out}", "Bars")
        return say(ax, "No mailbox has been looked at for a message that was accepted.")

    total, inbox = int(table["messages"].sum()), int(table["inbox"].sum())
    title = (
        f"{counted(total, 'message', 'messages')}: {percent(inbox / total)} in the inbox"
    )
    tidy(ax, title + left_out, "Bars of shares", _told(shown, by), above=HEAD)
    _draw(ax, shown)
    label_ticks(ax.yaxis, shown[by], max_chars=_MAX_CHARS)
    ax.tick_params("both", length=0, labelsize="small")
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"])
    ax.set_xlabel(
        "share of the messages; the line: 95 % interval of the inbox's share (Wilson)",
        loc="left",
        size="small",
    )
    ax.set_xlim(0, 1)
    ax.set_ylim(max(len(shown), 2) - 0.5, -0.5)
    ax.spines[["left", "bottom"]].set_visible(False)
    sizes = zip(shown["inbox"], shown["messages"], strict=True)
    label_beside(ax, "in the inbox", [f"{a:,} of {b:,}" for a, b in sizes], points=70)
    ends = zip(shown["inbox_low"], shown["inbox_high"], strict=True)
    cells = [f"{_bound(low)} to {_bound(high)}%" for low, high in ends]
    label_beside(ax, "95 % interval", cells, points=152)
    legend_below(ax, _keys(shown), lines=2.2)
    return ax


def _bound(share: float) -> str:
    """Say an end of an interval, in whole per cent where that does not say all or none."""
    digits = 1 if f"{share:.0%}" in ("0%", "100%") and 0.0005 < share < 0.9995 else 0
    return f"{100 * share:.{digits}f}"


def _draw(ax: Axes, shown: pd.DataFrame) -> None:
    rows = range(len(shown))
    base = shown["inbox"] * 0.0
    for name in PLACED:
        part = shown[name] / shown["messages"]
        ax.barh(
            rows,
            part,
            _HEIGHT,
            base,
            color=_COLORS[name],
            hatch=_HATCHES[name],
            edgecolor=rcParams["axes.facecolor"],
            linewidth=0.5,
        )
        base = base + part
    # On every colour, so with an edge of the background's.
    ink, paper = rcParams["text.color"], rcParams["axes.facecolor"]
    low, high = shown["inbox_low"], shown["inbox_high"]
    for width, color in ((5.0, paper), (2.2, ink)):
        ax.hlines(rows, low, high, color=color, lw=width, capstyle="round", zorder=3)
    place = ax.scatter(shown["inbox_share"], rows, 42, ink, marker="D", zorder=4)
    place.set(edgecolor=paper, linewidth=1.2, clip_on=False)


def _keys(shown: pd.DataFrame) -> list[Patch]:
    paper = rcParams["axes.facecolor"]
    return [
        Patch(
            facecolor=_COLORS[name],
            hatch=_HATCHES[name],
            edgecolor=paper,
            linewidth=0,
            label=name,
        )
        for name in PLACED
        if shown[name].any()
    ]


def _told(shown: pd.DataFrame, by: str) -> str:
    """Tell of the rows with the least in the inbox."""
    worst = shown.sort_values("inbox_share", kind="stable").head(3)
    return " ".join(
        f"{visible(str(row[by]), max_chars=40)}: {row['inbox']:,} of {row['messages']:,} "
        f"in the inbox ({row['inbox_low']:.0%} to {row['inbox_high']:.0%}), "
        f"{row['spam']:,} in spam, {row['missing']:,} missing."
        for _, row in worst.iterrows()
    )
