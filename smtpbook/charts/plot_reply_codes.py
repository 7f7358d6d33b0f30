"""Chart of reply codes: how often each came."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import pandas as pd
from matplotlib import rcParams
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from smtpbook.charts.canvas import HEAD, label_ticks, legend_above, new_axes, say, tidy
from smtpbook.escape import visible
from smtpbook.palette import SEVERITY_COLORS, SEVERITY_HATCHES, SEVERITY_NAMES
from smtpbook.tables.engine import query
from smtpbook.tables.latency import session_order
from smtpbook.tables.replies import reply_codes
from smtpbook.tables.scan import Log
from smtpbook.wording import counted, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_UNANSWERED: Final = """
SELECT count(*) FROM log WHERE kind IN ('greeting', 'command') AND reply_code IS NULL
"""
_Block = tuple[str, int, list[tuple[int, int]]]

_MAX_BLOCKS: Final = 12
_MAX_CODES: Final = 8  # in a block
_MAX_CHARS: Final = 40  # of a domain
_MAX_TOLD: Final = 600
_UPRIGHT: Final = 12  # more codes than this, and their labels stand on end


def plot_reply_codes(log: Log, *, by: str | None = None, ax: Axes | None = None) -> Axes:
    """Bar chart: how often each reply code came, on the whole or for each of something.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.  Uses ``reply_code`` and ``kind``; commands without a reply are left
        out and counted in the title, ``outcome`` rows are left out.
    by : str, optional
        As in `reply_codes`: ``"verb"``, ``"domain"``, or another column of the log.
    ax : Axes, optional
        Where to draw.  A new figure is made if omitted; the current one is never touched.

    Returns
    -------
    Axes
        Bars in ascending code order, coloured and hatched by first digit.  With `by` they
        lie, a block for each verb or domain: verbs in the order of a session, else the
        most frequent first.  Of more than twelve blocks, or eight codes in one, the rarer
        are left out and counted.

    Raises
    ------
    ColumnError
        The log lacks one of the two columns, or has none that is called `by`.
    """
    if by is not None:
        return _plot_by(log, by, ax)
    counts = reply_codes(log)
    ax = new_axes() if ax is None else ax
    table = query(_UNANSWERED, {"n": "int64"}, needs=("kind", "reply_code"), log=log)
    unanswered = int(table["n"].iloc[0])
    without = f"; {unanswered:,} commands without one" if unanswered else ""
    total = int(counts["replies"].sum())
    told = ", ".join(f"{code}: {n:,}" for code, n in _pairs(counts)[:12])
    tidy(ax, f"{counted(total, 'reply', 'replies')} by code{without}", "Bar chart", told)
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
        handles=_keys(digits),
        loc="upper center",
        ncols=4,
        frameon=False,
        fontsize="small",
        columnspacing=1.2,
    )
    return ax


def _plot_by(log: Log, by: str, ax: Axes | None) -> Axes:
    """Draw a block of lying bars for each value of a column."""
    counts = reply_codes(log, by)
    total = int(counts["replies"].sum())
    blocks = _blocks(counts)
    lines = sum(1 + len(codes) for _, _, codes in blocks)
    ax = new_axes(7.0, 1.4 + 0.21 * max(lines, 6)) if ax is None else ax
    title = f"{counted(total, 'reply', 'replies')} by {by.replace('_', ' ')} and code"
    told = [
        f"{name}: {', '.join(f'{c} {n:,}' for c, n in codes)}." for name, _, codes in blocks
    ]
    tidy(
        ax, title, "Bar chart", visible(" ".join(told[:8]), max_chars=_MAX_TOLD), above=HEAD
    )
    if not blocks:
        return say(ax, f"No replies with a {by.replace('_', ' ')} in this log.")

    most = int(counts["replies"].max())
    row: float
    row, digits = 0, set[int]()
    for name, size, codes in blocks:
        head = ax.annotate(
            f"{visible(name, max_chars=_MAX_CHARS)}  {counted(size, 'reply', 'replies')}",
            (0, row),
            (2, 0),
            textcoords="offset points",
        )
        head.set(va="center", size="small", weight="bold", parse_math=False)
        for code, n in codes:
            row += 1
            _draw_bar(ax, row, str(code), n, size)
            digits.add(code // 100)
        row += 1.4
    ax.set_ylim(row - 0.8, -0.7)
    ax.set_xlim(0, most * 1.22)
    ax.set_yticks([])
    ax.set_xlabel(_left_out(counts, blocks))
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.grid(axis="x", alpha=0.25)
    ax.set_axisbelow(True)
    legend_above(ax, _keys(digits))
    return ax


def _blocks(counts: pd.DataFrame) -> list[_Block]:
    """Give the largest groups: name, replies, and the most frequent codes with theirs."""
    column = str(counts.columns[0])
    groups = [(str(name), group) for name, group in counts.groupby(column, observed=True)]
    sizes = {name: int(group["replies"].sum()) for name, group in groups}
    names = sorted(sizes, key=lambda name: -sizes[name])[:_MAX_BLOCKS]
    named = dict(groups)
    return [
        (
            name,
            sizes[name],
            _pairs(named[name].nlargest(_MAX_CODES, "replies").sort_index()),
        )
        for name in (session_order(names) if column == "verb" else names)
    ]


def _draw_bar(ax: Axes, row: float, code: str, replies: int, of: int) -> None:
    digit = int(code) // 100
    ax.barh(
        row,
        replies,
        0.74,
        color=SEVERITY_COLORS[digit],
        hatch=SEVERITY_HATCHES[digit],
        edgecolor=rcParams["axes.facecolor"],
        linewidth=0,
    )
    share = f"{replies:,}" if replies == of else f"{replies:,} ({percent(replies / of)})"
    number = ax.annotate(share, (replies, row), (4, 0), textcoords="offset points")
    number.set(va="center", size="small")
    name = ax.annotate(code, (0, row), (-4, 0), textcoords="offset points")
    name.set(va="center", ha="right", size="small", annotation_clip=False)


def _left_out(counts: pd.DataFrame, blocks: list[_Block]) -> str:
    """Say what the axis counts, and how many replies have no bar."""
    shown = sum(n for _, _, codes in blocks for _, n in codes)
    hidden = int(counts["replies"].sum()) - shown
    return f"replies ({hidden:,} rarer ones are not shown)" if hidden else "replies"


def _pairs(counts: pd.DataFrame) -> list[tuple[int, int]]:
    codes = counts["reply_code"].astype(int)
    return list(zip(codes.tolist(), counts["replies"].tolist(), strict=True))


def _keys(digits: Iterable[int]) -> list[Patch]:
    return [
        Patch(
            facecolor=SEVERITY_COLORS[digit],
            hatch=SEVERITY_HATCHES[digit],
            edgecolor=rcParams["axes.facecolor"],
            linewidth=0,
            label=f"{digit}yz {SEVERITY_NAMES[digit]}",
        )
        for digit in sorted(set(digits))
    ]
