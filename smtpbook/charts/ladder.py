"""A sequence diagram's frame: two sides, arrows between them, groups on a band.

What was said, and when, is for the charts that draw it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
from matplotlib import rcParams

from smtpbook.escape import visible
from smtpbook.palette import GREY, PURPLE
from smtpbook.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CLIENT: Final = 0.0
SERVER: Final = 1.0
MAX_STEPS: Final = 60
_MAX_CHARS: Final = 64  # of what is said in one step
_TIP: Final = 0.007  # from a side's line to the middle of an arrow's head
_INSET: Final = 0.012  # from a side's line to what is said
_LOST: Final = 0.72  # so much of its way an arrow goes that does not arrive


def short(text: str) -> str:
    """Cut what a server or a client said to one step's length, made safe to show."""
    return visible(text, max_chars=_MAX_CHARS)


def short_reply(code: int, text: str | None) -> str:
    """Give a reply's first line, and how many more there are."""
    first, *more = (text or "").split("\n")
    lines = f" (+ {counted(len(more), 'line', 'lines')})" if more else ""
    return short(f"{code} {first}".rstrip()) + lines


def parts(rows: pd.DataFrame) -> Iterator[tuple[list[Any], int | None]]:
    """Give the rows that were written together, with the group's number.

    A row that was written alone is a part of its own, and has no number; null cells are
    None.
    """
    plain = rows.astype(object).where(rows.notna(), None)
    for number, group in groupby(
        plain.itertuples(index=False, name="Row"), key=lambda row: row.pipelined
    ):
        together = list(group)
        for part in [[row] for row in together] if number is None else [together]:
            yield part, number if len(part) > 1 else None


def places(groups: Iterable[int | None]) -> Iterator[list[int]]:
    """Give the places of each group, of each step's group in turn; None = of no group."""
    for group, members in groupby(enumerate(groups), key=lambda numbered: numbered[1]):
        if group is not None:
            yield [place for place, _ in members]


def shade(ax: Axes, group: list[int]) -> None:
    """Underlay the steps of a group."""
    top, bottom = group[0] - 0.62, group[-1] + 0.3
    ax.fill_between([0, 1], top, bottom, color=GREY, alpha=0.22, lw=0, zorder=0.5)


def arrow(
    ax: Axes, row: int, tip: float, text: str, color: str | None, *, arrives: bool = True
) -> None:
    """Draw a step from one side to the other; one that does not arrive ends in a cross."""
    color = color or rcParams["text.color"]
    tail = 1 - tip
    toward = tip - tail
    end = tip if arrives else tail + _LOST * toward
    ax.plot([tail, end], [row, row], color=color, ls="-" if arrives else "--", lw=1.4)
    if arrives:
        # The marker's middle is a little before the line at which it points.
        ax.plot(end - _TIP * toward, row, ">" if toward > 0 else "<", color=color, ms=6)
    else:
        ax.plot(end, row, "x", color=PURPLE, ms=8, mew=2.2)
    inset, side = (_INSET, "left") if toward > 0 else (1 - _INSET, "right")
    place = ax.annotate(text, (inset, row), (0, 1.5), textcoords="offset points")
    place.set(ha=side, va="bottom", size="small", parse_math=False)


def draw_sides(ax: Axes, rows: int, notes: str) -> None:
    """Draw the two sides for so many steps, and write notes below them."""
    for x, who in ((CLIENT, "client"), (SERVER, "server")):
        ax.vlines(x, -0.9, rows - 0.3, rcParams["text.color"], lw=1.2)
        place = ax.annotate(who, (x, -0.9), (0, 3), textcoords="offset points", ha="center")
        place.set(weight="bold", annotation_clip=False)
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(rows - 0.3, -0.9)
    ax.set_axis_off()
    place = ax.annotate(notes, (0, 0), (0, -4), "axes fraction", "offset points")
    place.set(size="small", va="top", annotation_clip=False)
