"""Drawing: a chart as part of a page, in the colours of the page's own theme.

It draws nothing itself: charts do, and `smtpbook.svg` makes them part of a page.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smtpbook.charts.canvas import alt_text, colored
from smtpbook.charts.plot_waterfall import plot_waterfall
from smtpbook.escape import to_html
from smtpbook.svg import INK, PAPER, to_svg
from smtpbook.tables.engine import PLACE

_INK_OF_PAGE: Final = "var(--jp-content-font-color1, CanvasText)"
_PAPER_OF_PAGE: Final = "var(--jp-layout-color0, Canvas)"
_STEPS: Final = 12  # of a session, around the chosen one
_numbers: Final = itertools.count()


def draw_inline(plot: Callable[[Axes], object], *, width: float, height: float) -> str:
    """Draw a chart as HTML that stands in a page of any theme.

    Parameters
    ----------
    plot : callable
        Draws into the Axes that it is given.
    width, height : float
        Of the figure, in inches; on the page it is at most as wide as there is room.

    Returns
    -------
    str
        A ``figure`` that tells in words what it shows, to those who do not see it.
    """
    with colored(INK, PAPER):
        figure = Figure(figsize=(width, height), layout="constrained")
        ax = figure.subplots()
        plot(ax)
    name = f"drawing {next(_numbers)}"
    drawn = to_svg(figure, ink=_INK_OF_PAGE, paper=_PAPER_OF_PAGE, name=name)
    return (
        f'<figure role="img" aria-label="{to_html(alt_text(ax))}" '
        f'style="margin: 0; max-width: {width:g}in">{drawn}</figure>'
    )


def draw_waterfall(rows: pd.DataFrame, place: int) -> str:
    """Draw the steps of a session around one of them, whose name is bold.

    Parameters
    ----------
    rows : DataFrame
        Rows of one session in their order, with their ``place`` in the log.
    place : int
        That of the step.

    Returns
    -------
    str
        HTML; empty if there is no dialogue with times to draw.
    """
    is_step = (rows["kind"] != "outcome").to_numpy(bool)
    before = int((is_step & (rows[PLACE] < place).to_numpy(bool)).sum())
    steps = rows[is_step]
    first = max(0, min(before - _STEPS // 2, len(steps) - _STEPS))
    steps = steps.iloc[first : first + _STEPS]
    if steps["time"].isna().all():
        return ""
    is_chosen = (steps[PLACE] == place).to_numpy(bool)

    def plot(ax: Axes) -> None:
        plot_waterfall(steps, ax=ax)
        for label, is_bold in zip(ax.get_yticklabels(), is_chosen, strict=True):
            label.set_fontweight("bold" if is_bold else "normal")

    return draw_inline(plot, width=9.0, height=1.7 + 0.24 * max(len(steps), 4))
