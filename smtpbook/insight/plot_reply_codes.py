"""Chart of reply codes: how often each came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd
from matplotlib import rcParams
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from smtpbook.insight.canvas import label_ticks, new_axes, say, tidy
from smtpbook.palette import SEVERITY_COLORS, SEVERITY_HATCHES, SEVERITY_NAMES
from smtpbook.tables.replies import reply_codes
from smtpbook.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_UPRIGHT: Final = 12  # more codes than this, and their labels stand on end


def plot_reply_codes(log: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Bar chart: how often each reply code came.

    Parameters
    ----------
    log : DataFrame
        Event log.  Uses ``reply_code`` and ``kind``; commands without a reply are left
        out and counted in the title, ``outcome`` rows are left out.
    ax : Axes, optional
        Where to draw.  A new figure is made if omitted; the current one is never touched.

    Returns
    -------
    Axes
        Bars in ascending code order, coloured and hatched by first digit.

    Raises
    ------
    ColumnError
        The log lacks one of the two columns.
    """
    counts = reply_codes(log)
    ax = new_axes() if ax is None else ax
    commands = log["kind"].isin(["greeting", "command"])
    unanswered = int((commands & log["reply_code"].isna()).sum())
    without = f"; {unanswered:,} commands without one" if unanswered else ""
    total = int(counts["replies"].sum())
    tidy(ax, f"{counted(total, 'reply', 'replies')} by code{without}")
    if counts.empty:
        return say(ax, "No replies in this log.")

    digits = (counts["reply_code"].astype(int) // 100).tolist()
    bars = ax.bar(
        range(len(counts)),
        counts["replies"],
        color=[SEVERITY_COLORS[digit] for digit in digits],
        hatch=[SEVERITY_HATCHES[digit] for digit in digits],
        # Hatches have the edge's colour; the background's shows on every bar.
        edgecolor=rcParams["axes.facecolor"],
        linewidth=0,
    )
    turn = 90 if len(counts) > _UPRIGHT else 0
    ax.bar_label(bars, [f"{n:,}" for n in counts["replies"]], padding=2, rotation=turn)
    label_ticks(ax.xaxis, counts["reply_code"].astype(str))
    ax.tick_params("x", rotation=turn, length=0)
    ax.set(xlabel="reply code", ylabel="replies")
    ax.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    # Room at the top for the labels and the legend; one bar alone keeps a bar's width.
    ax.set_ylim(0, counts["replies"].max() * (1.4 if turn else 1.25))
    middle, half = (len(counts) - 1) / 2, max(len(counts), 4) / 2 + 0.1
    ax.set_xlim(middle - half, middle + half)
    ax.legend(
        handles=[
            Patch(
                facecolor=SEVERITY_COLORS[digit],
                hatch=SEVERITY_HATCHES[digit],
                edgecolor=rcParams["axes.facecolor"],
                linewidth=0,
                label=f"{digit}yz {SEVERITY_NAMES[digit]}",
            )
            for digit in sorted(set(digits))
        ],
        loc="upper center",
        ncols=4,
        frameon=False,
        fontsize="small",
        columnspacing=1.2,
    )
    return ax
