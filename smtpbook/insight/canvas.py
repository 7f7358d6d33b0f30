"""Canvas: what every chart shares: where it draws, what it says when there is nothing.

Each chart takes an Axes or gets a new figure; the figure the user is working on is never
drawn upon unless it is handed in.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from matplotlib.lines import Line2D

from smtpbook.escape import visible
from smtpbook.palette import (
    SEVERITY_COLORS,
    SEVERITY_MARKERS,
    SEVERITY_NAMES,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_CHARS: Final = 14  # of a foreign word on an axis


def new_axes(width: float = 7.0, height: float = 4.0) -> Axes:
    """Make a figure with one Axes, which a notebook shows when its cell ends."""
    # Imported here: pyplot picks a window system, and a chart into an Axes needs none.
    import matplotlib.pyplot as plt

    _, ax = plt.subplots(figsize=(width, height), layout="constrained")
    return ax


def tidy(ax: Axes, title: str) -> None:
    """Set the title, and take away the lines that say nothing."""
    ax.set_title(title, loc="left", fontsize="medium", parse_math=False)
    ax.spines[["top", "right"]].set_visible(False)


def say(ax: Axes, sentence: str) -> Axes:
    """Write a sentence where there is nothing to draw."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, sentence, transform=ax.transAxes, ha="center", va="center", wrap=True)
    return ax


def label_ticks(axis: Any, words: Iterable[str], notes: Iterable[str] = ()) -> None:
    """Write foreign words at 0, 1, 2 …: escaped, shortened, never as mathematics.

    A note of our own follows each word and is not shortened.
    """
    pairs = zip_longest(words, notes, fillvalue="")
    shown = [visible(word, max_chars=_MAX_CHARS) + note for word, note in pairs]
    axis.set_ticks(range(len(shown)), shown)
    for label in axis.get_ticklabels():
        label.set_parse_math(False)


def severity_legend(ax: Axes, severities: Iterable[int]) -> None:
    """Name the severities that occur, in one line at the top of the Axes."""
    handles = [
        Line2D(
            [],
            [],
            linestyle="",
            marker=SEVERITY_MARKERS[digit],
            color=SEVERITY_COLORS[digit],
            label=f"{digit}yz {SEVERITY_NAMES[digit]}",
        )
        for digit in sorted(severities)
    ]
    ax.legend(
        handles=handles,
        loc="upper center",
        ncols=len(handles),
        frameon=False,
        fontsize="small",
        handletextpad=0.1,
        columnspacing=1.2,
    )
