"""Chart of a letter's coverage: which messages take which way through the template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgba
from matplotlib.patches import Patch

from smtpbook.charts.canvas import new_axes, say, tidy
from smtpbook.escape import visible
from smtpbook.log.frame import require_columns
from smtpbook.palette import BLUE, ORANGE, PURPLE, SKY, VERMILLION
from smtpbook.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLORS: Final = {
    "missing": VERMILLION,
    "empty": PURPLE,
    "fallback": ORANGE,
    "branch": BLUE,
    "loop": SKY,
}
_MAX_PLACES: Final = 24
_MAX_CLUSTERS: Final = 12
_MAX_CHARS: Final = 44  # of a place's name beside the picture
# The smallest cluster is still seen.
_FAINTEST: Final = 0.35


def plot_coverage(coverage: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Heat map: which clusters of messages come past which places of the template.

    Parameters
    ----------
    coverage : DataFrame
        What ``letter.coverage(people)`` gave.
    ax : Axes, optional
        Where to draw.  A new figure is made if omitted; the current one is never touched.

    Returns
    -------
    Axes
        A row for each place that somebody reaches, named in the template's words, a column
        for each cluster, the largest first; the stronger the colour, the more recipients.

    Raises
    ------
    ColumnError
        The table is another one.
    """
    require_columns(coverage, "kind", "part", "what", "recipients", "clusters")
    clusters = coverage[coverage["kind"] == "cluster"]
    kinds = coverage["kind"].astype(str)
    places = coverage[kinds.isin(_COLORS) & (coverage["recipients"] > 0)]
    height = 1.6 + 0.28 * min(len(places), _MAX_PLACES)
    ax = new_axes(8.0, max(height, 2.6)) if ax is None else ax
    total = int(clusters["recipients"].sum())
    kinds_of = counted(len(clusters), "kind", "kinds")
    failed = int(coverage.loc[kinds == "error", "recipients"].sum())
    rest = f"; {failed:,} cannot be made" if failed else ""
    tidy(ax, f"{counted(total, 'message', 'messages')} in {kinds_of}{rest}", "Heat map")
    if not total:
        return say(ax, "No recipients.")
    if places.empty:
        return say(ax, "No message comes past a branch or a fallback.")

    ax.set_xlabel("recipients of each kind" + _not_all(_MAX_CLUSTERS, len(clusters)))
    ax.set_ylabel("place in the template" + _not_all(_MAX_PLACES, len(places)))
    places, clusters = places.head(_MAX_PLACES), clusters.head(_MAX_CLUSTERS)
    sizes = clusters["recipients"].to_numpy()
    picture = np.zeros((len(places), len(clusters), 4))
    for row, (kind, taken) in enumerate(
        zip(places["kind"], places["clusters"], strict=True)
    ):
        for number in taken:
            if number <= len(clusters):
                share = np.log1p(sizes[number - 1]) / np.log1p(sizes.max())
                picture[row, number - 1] = to_rgba(
                    _COLORS[kind], _FAINTEST + (1 - _FAINTEST) * share
                )
    ax.imshow(picture, aspect="auto", interpolation="nearest")
    _label(ax, places, clusters)
    ax.legend(
        handles=[
            Patch(facecolor=_COLORS[kind], label=kind)
            for kind in _COLORS
            if (places["kind"] == kind).any()
        ],
        loc="lower right",
        bbox_to_anchor=(1, 1),
        borderaxespad=0.2,
        ncols=len(_COLORS),
        frameon=False,
        fontsize="small",
        columnspacing=1.2,
    )
    return ax


def _not_all(shown: int, found: int) -> str:
    return "" if found <= shown else f" ({shown:,} of {found:,} shown)"


def _label(ax: Axes, places: pd.DataFrame, clusters: pd.DataFrame) -> None:
    names = [
        visible(
            f"{part}: {what}" if what != f"{part} comes out empty" else what,
            max_chars=_MAX_CHARS,
        )
        for part, what in zip(places["part"], places["what"], strict=True)
    ]
    ax.set_yticks(range(len(names)), names, fontsize="small")
    for label in ax.get_yticklabels():
        label.set_parse_math(False)
    ax.set_xticks(range(len(clusters)), [f"{n:,}" for n in clusters["recipients"]])
    right = ax.secondary_yaxis("right")
    right.set_yticks(
        range(len(places)), [f"{n:,}" for n in places["recipients"]], fontsize="small"
    )
    right.tick_params(length=0)
    right.spines["right"].set_visible(False)
    ax.tick_params(length=0)
    # Thin lines of the background between the cells.
    ax.set_xticks(np.arange(len(clusters) - 1) + 0.5, minor=True)
    ax.set_yticks(np.arange(len(places) - 1) + 0.5, minor=True)
    ax.grid(which="minor", color=ax.get_facecolor(), linewidth=1.5)
    ax.tick_params(which="minor", length=0)
    ax.spines[["left", "bottom"]].set_visible(False)
