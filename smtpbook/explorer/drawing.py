"""Drawing: a chart as part of a page, in the colours of the page's own theme.

It draws nothing itself.  The chart becomes SVG whose ink and paper are CSS variables of the
page, so that it is legible in every theme and changes with it.
"""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Callable
from typing import Any, Final

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from smtpbook.charts.canvas import alt_text, colored
from smtpbook.charts.plot_waterfall import plot_waterfall
from smtpbook.escape import to_html
from smtpbook.tables.engine import PLACE

# Colours that no chart has, by which ink and paper are known in what is drawn.
_INK: Final = "#010203"
_PAPER: Final = "#fdfeff"
_INK_OF_PAGE: Final = "var(--jp-content-font-color1, CanvasText)"
_PAPER_OF_PAGE: Final = "var(--jp-layout-color0, Canvas)"
_METADATA: Final = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
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
    # Names of parts must not be those of another drawing on the page.
    salted: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": str(next(_numbers))}
    svg = io.StringIO()
    with colored(_INK, _PAPER), mpl.rc_context(salted):
        figure = Figure(figsize=(width, height), layout="constrained")
        ax = figure.subplots()
        plot(ax)
        for patch in figure.findobj(Patch):
            hatch = patch.get_hatch() or ""
            if "." in hatch:  # a dot weighs as much as a hundred lines
                patch.set_hatch(".")
        figure.savefig(svg, format="svg", metadata={"Date": None})
    drawn = _METADATA.sub("", svg.getvalue())
    drawn = drawn[drawn.index("<svg") :].strip()
    drawn = drawn.replace(_INK, _INK_OF_PAGE).replace(_PAPER, _PAPER_OF_PAGE)
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
