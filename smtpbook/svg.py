"""SVG: a figure as part of a page, in the page's own ink and paper.

A chart that is drawn in `INK` on `PAPER` is legible wherever it is shown; here these two
become what the page says, so that one drawing serves light and dark themes alike.  What is
drawn, and in which words it is told to those who do not see it, is for `charts`.
"""

from __future__ import annotations

import io
import re
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import Patch

# Shades that nothing else in a chart has, by which they are known in what is drawn.
INK: Final = "#1b1b1c"
"""The colour of text and lines."""
PAPER: Final = "#fefefe"
"""The colour of what is behind them."""

_NO_METADATA: Final = dict.fromkeys(("Creator", "Date", "Format", "Type"))
# A page's SVG needs no names of its languages, which are addresses ...
_LANGUAGES: Final = re.compile(r' (?:xmlns(?::xlink)?|version)="[^"]*"')
# ... and nobody asks for groups by name: "figure_1" would be there once for each chart.
_NEEDLESS: Final = re.compile(r'(?<=<g) id="[^"]*"|\s*<defs>\s*<style.*?</defs>', re.DOTALL)
# What the style that is left out says, which would hold for every drawing of the page.
_STYLE: Final = 'style="stroke-linejoin: round; stroke-linecap: butt"'
# Pixels an inch of the few things that are not lines: clouds of points, maps of heat.
_DPI: Final = 160


def to_svg(figure: Figure, *, ink: str, paper: str, name: str) -> str:
    """Write a figure as SVG that stands in an HTML page.

    Parameters
    ----------
    figure : Figure
        Drawn in `INK` on `PAPER` (`smtpbook.charts.canvas.colored`), and for this only:
        its hatches of dots become wider.
    ink, paper : str
        What stands for these on the page: colours of CSS, or variables of it.
    name : str
        One that no other drawing of the page has: its parts refer to each other.

    Returns
    -------
    str
        An ``svg`` element.  Its text is text, which can be found and selected, and in
        which nothing foreign acts; nothing is fetched, and nothing runs.
    """
    for patch in figure.findobj(Patch):
        if "." in (patch.get_hatch() or ""):  # a dot weighs as much as a hundred lines
            patch.set_hatch(".")
    settings: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": name}
    file = io.StringIO()
    with mpl.rc_context(settings):
        figure.savefig(file, format="svg", dpi=_DPI, metadata=_NO_METADATA)
    drawn = file.getvalue()
    head, _, parts = drawn[drawn.index("<svg") :].strip().partition(">")
    drawn = f"{_LANGUAGES.sub('', head)} {_STYLE}>{_NEEDLESS.sub('', parts)}"
    # As in `smtpbook.escape.to_html`: not even a renderer of mathematics acts.
    drawn = drawn.replace("$", "&#36;").replace("\\", "&#92;")
    return drawn.replace(INK, ink).replace(PAPER, paper)
