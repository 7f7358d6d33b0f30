"""Canvas: what every chart shares: where it draws, what it says when there is nothing.

Each chart takes an Axes or gets a new figure; the figure the user is working on is never
drawn upon unless it is handed in.  What a chart shows it also tells in words, for those
who cannot see it: `alt_text`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from itertools import zip_longest
from typing import Any, Final
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from matplotlib import dates, rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter

from smtpbook.escape import visible
from smtpbook.palette import (
    SEVERITY_COLORS,
    SEVERITY_MARKERS,
    SEVERITY_NAMES,
)
from smtpbook.wording import duration

TimeAxis = Callable[[Any], Any]
"""Turns seconds since the start, a number or an array, into values of the time axis."""

HEAD: Final = 20.0
"""Points above the Axes that a title needs, when heads of columns stand below it."""

FLOOR_S: Final = 2e-5
"""A log axis has no zero: what took less than a clock around a socket call can tell (a
reply that came in one packet with the one before it took 0 s) stands here."""

_NARROWEST: Final = 10.0  # times that differ by less are shown on an axis this wide
_MAX_CHARS: Final = 14  # of a foreign word on an axis
_SHORT_S: Final = 120.0  # shorter times have an axis of seconds instead of the clock
_INKED: Final[Any] = (
    *("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"),
)
_PAPERED: Final[Any] = ("axes.facecolor", "figure.facecolor", "savefig.facecolor")
_TOLD: WeakKeyDictionary[Axes, str] = WeakKeyDictionary()


class Chart(Figure):
    """A figure that says in words what it shows, where a notebook has room for words."""

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, Any]]:
        """Give the text beside the picture, and what a page made of the notebook reads.

        The picture itself is the notebook's affair: which formats it wants is set there.
        nbconvert writes the metadata ``alt`` of an image into the page.
        """
        told = alt_text(self)
        return {"text/plain": told}, {"image/png": {"alt": told}}


def new_axes(width: float = 7.0, height: float = 4.0) -> Axes:
    """Make a figure with one Axes, which a notebook shows when its cell ends."""
    return new_figure(width, height).subplots()


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure, which a notebook shows when its cell ends."""
    # Imported here: pyplot picks a window system, and a chart into an Axes needs none.
    import matplotlib.pyplot as plt

    return plt.figure(figsize=(width, height), layout="constrained", FigureClass=Chart)


def colored(ink: str, paper: str) -> AbstractContextManager[None]:
    """Have what is drawn meanwhile in the colours of the page that it is for."""
    return rc_context(dict.fromkeys(_INKED, ink) | dict.fromkeys(_PAPERED, paper))


def tidy(
    ax: Axes, title: str, kind: str = "", told: str = "", *, above: float | None = None
) -> None:
    """Set the title, and take away the lines that say nothing.

    What kind of chart it is, and what is told besides, is not drawn: it stands in
    `alt_text`, for those who do not see.
    The title stands so many points above the Axes, if something else stands there.
    """
    ax.set_title(title, loc="left", fontsize="medium", parse_math=False, pad=above)
    ax.spines[["top", "right"]].set_visible(False)
    _TOLD[ax] = f"{kind}: {title}. {told}".strip(": ")


def alt_text(chart: Axes | Figure) -> str:
    """Tell in words what a chart shows: its kind, its title and what stands out.

    Parameters
    ----------
    chart : Axes or Figure
        What a ``plot_*`` function gave.

    Returns
    -------
    str
        Empty for what is no chart of ours.
    """
    every = [chart] if isinstance(chart, Axes) else chart.axes
    return " ".join(_TOLD[ax] for ax in every if ax in _TOLD)


def say(ax: Axes, sentence: str) -> Axes:
    """Write a sentence where there is nothing to draw."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, sentence, transform=ax.transAxes, ha="center", va="center", wrap=True)
    _TOLD[ax] = f"{_TOLD.get(ax, '')} {sentence}".strip()
    return ax


def label_ticks(
    axis: Any,
    words: Iterable[str],
    notes: Iterable[str] = (),
    *,
    max_chars: int = _MAX_CHARS,
) -> None:
    """Write foreign words at 0, 1, 2 …: escaped, shortened, never as mathematics.

    A note of our own follows each word and is not shortened.  Where a picture can be
    hovered over, the word beside the cursor is told.
    """
    pairs = zip_longest(words, notes, fillvalue="")
    shown = [visible(word, max_chars=max_chars) + note for word, note in pairs]
    axis.set_ticks(range(len(shown)), shown)
    for label in axis.get_ticklabels():
        label.set_parse_math(False)
    told = dict(enumerate(shown))
    setattr(
        axis.axes,
        f"fmt_{axis.axis_name}data",
        lambda place: told.get(round(place), ""),
    )


def label_beside(ax: Axes, head: str, cells: Sequence[str], *, points: float) -> None:
    """Write a column of a table to the right of the Axes, its cells at rows 0, 1, 2 and on.

    It ends so many points from the Axes' edge; the head stands above it.
    """
    places: list[tuple[str, float, Any, float]] = [
        (cell, row, ax.get_yaxis_transform(), 0) for row, cell in enumerate(cells)
    ]
    for text, y, coordinates, up in [*places, (head, 1, ax.transAxes, 4)]:
        ax.annotate(
            text,
            (1, y),
            (points, up),
            xycoords=coordinates,
            textcoords="offset points",
            ha="right",
            va="bottom" if up else "center",
            fontsize="small",
            annotation_clip=False,
            parse_math=False,
        )


def legend_above(ax: Axes, handles: Sequence[Artist] | None = None) -> None:
    """Name what is drawn in one line between the Axes and its title; see `HEAD`."""
    legend = ax.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0.1,
        ncols=9,
        frameon=False,
        fontsize="small",
        columnspacing=1.2,
        handlelength=1.4,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def legend_below(ax: Axes, handles: Sequence[Artist], *, lines: float = 2) -> None:
    """Name what is drawn below the x axis, which has so many lines of text."""
    ax.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0, 0),
        borderaxespad=0.8 + 1.7 * lines,
        ncols=4,
        frameon=False,
        fontsize="small",
        columnspacing=1.2,
        handlelength=1.4,
    )


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


def time_axis(ax: Axes, start: pd.Timestamp, length_s: float) -> TimeAxis:
    """Set up an x axis of time: in seconds below two minutes, else the clock's, in UTC."""
    ax.grid(axis="x", alpha=0.25)
    if length_s < _SHORT_S:
        ax.xaxis.set_major_locator(MaxNLocator(6))
        ax.set_xlabel(f"seconds since {start:%Y-%m-%d %H:%M:%S} UTC")
        ax.fmt_xdata = lambda seconds: f"{seconds:.3f} s"
        return lambda seconds: seconds
    untyped: Any = dates
    locator = untyped.AutoDateLocator(tz="UTC")
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(untyped.ConciseDateFormatter(locator, tz="UTC"))
    ax.set_xlabel("time (UTC)")
    ax.fmt_xdata = lambda day: f"{untyped.num2date(day):%Y-%m-%d %H:%M:%S} UTC"
    days = untyped.date2num(start)
    return lambda seconds: days + seconds / 86_400


def log_limits(shortest: float, longest: float) -> tuple[float, float]:
    """Give the ends of a log axis for times of seconds, which may all be one, or zero."""
    low, high = max(shortest, FLOOR_S), max(longest, FLOOR_S)
    if high < low * _NARROWEST:
        low, high = low / _NARROWEST**0.5, high * _NARROWEST**0.5
    return low, high


def log_time_axis(ax: Axes, low: float, high: float) -> None:
    """Make the x axis a logarithm of seconds, with marks at 1, 2 and 5 while they fit."""
    decades = np.log10(high / low)
    ax.set_xscale("log")
    ax.set_xlim(low / 10 ** (0.03 * decades), high * 10 ** (0.03 * decades))
    subs = (1.0, 2.0, 5.0) if decades < 2 else (1.0,)
    ax.xaxis.set_major_locator(LogLocator(subs=subs))
    ax.xaxis.set_major_formatter(EngFormatter(unit="s"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.fmt_xdata = duration
    ax.grid(axis="x", alpha=0.25)


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move places apart, so that labels there do not overlap, and keep their order.

    Parameters
    ----------
    places : sequence of float
        Ascending.
    gap : float
        The least distance from one to the next; less if they do not fit otherwise.
    low, high : float
        Between these.

    Examples
    --------
    >>> spread([0.0, 0.01, 0.9], 0.1, 0.0, 1.0)
    [0.0, 0.1, 0.9]
    """
    gap = min(gap, (high - low) / max(len(places) - 1, 1))
    moved = np.clip(np.asarray(places, float), low, high)
    for place in range(1, len(moved)):
        moved[place] = max(moved[place], moved[place - 1] + gap)
    if len(moved):
        moved[-1] = min(moved[-1], high)
    for place in range(len(moved) - 2, -1, -1):
        moved[place] = min(moved[place], moved[place + 1] - gap)
    return [float(place) for place in moved]
