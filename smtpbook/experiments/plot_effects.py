"""Chart of an experiment: what difference each factor made, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from smtpbook.charts.canvas import (
    HEAD,
    label_beside,
    label_ticks,
    new_axes,
    say,
    tidy,
)
from smtpbook.errors import ColumnError, near_miss
from smtpbook.escape import visible
from smtpbook.palette import BLUE, GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from smtpbook.experiments.effects import Effects

_MAX_BLOCKS: Final = 6  # of a comparison
_MAX_ROWS: Final = 30
_MAX_CHARS: Final = 34
_NEEDS: Final = ("factor", "level", "versus", "block", "recipients", "recipients_versus")
_FIGURES: Final = ("difference", "low", "high", "p_adjusted", "method")
_SURE: Final = 0.05


def plot_effects(effects: Effects, *, blocks: bool = True, ax: Axes | None = None) -> Axes:
    """Forest plot: the difference of each comparison with its interval, and by block.

    Parameters
    ----------
    effects : Effects
        Of `Experiment.effects`.
    blocks : bool
        The largest blocks below each comparison.
    ax : Axes, optional
        Where to draw.  A new figure is made if omitted; the current one is never touched.

    Returns
    -------
    Axes
        In points of per cent; what reaches across the line at 0 may be chance.  Beside it
        stand the number of recipients of both levels, and the p-value of each comparison,
        adjusted for all of them; what is below 0.05 is filled.

    Raises
    ------
    ColumnError
        The table lacks a column.
    """
    table = effects.table
    for name in (*_NEEDS, *_FIGURES):
        if name not in table.columns:
            hint = near_miss(name, table.columns)
            raise ColumnError(f"effects: column {name!r} not found{hint}")
    rows = _chosen(table, blocks)
    if ax is None:
        ax = new_axes(8.0, 1.5 + 0.3 * max(len(rows), 2))
    what = " or ".join(name.replace("_", " ") for name in effects.outcomes)
    title = f"Effect on the share {what}"
    pooled = rows[rows["block"].isna()]
    tidy(ax, title, "Forest plot", _told(pooled), above=HEAD)
    if rows.empty or pooled["difference"].isna().all():
        return say(ax, "There is nobody to compare.")
    _draw(ax, rows)
    methods = " / ".join(dict.fromkeys(pooled["method"]))
    note = f"; {_MAX_BLOCKS} largest blocks" if blocks and len(table) > len(rows) else ""
    ax.set_xlabel(
        f"difference in points, {effects.confidence * 100:g} % interval: {methods}{note}",
        size="small",
    )
    return ax


def _chosen(table: pd.DataFrame, blocks: bool) -> pd.DataFrame:
    """Give the rows to draw: each comparison, then its largest blocks."""
    parts = []
    for _, own in table.groupby(["factor", "level"], sort=False):
        is_pooled = own["block"].isna().to_numpy(bool)
        parts.append(own[is_pooled])
        if blocks:
            size = own["recipients"] + own["recipients_versus"]
            largest = size[~is_pooled].sort_values(ascending=False, kind="stable").index
            parts.append(own.loc[largest[:_MAX_BLOCKS]])
    return pd.concat(parts).head(_MAX_ROWS) if parts else table


def _draw(ax: Axes, rows: pd.DataFrame) -> None:
    is_pooled = rows["block"].isna().to_numpy(bool)
    places = np.arange(len(rows))
    figures = rows[["difference", "low", "high"]].to_numpy(float) * 100
    sure = (rows["p_adjusted"] < _SURE).to_numpy(bool)
    ax.axvline(0, color="gray", lw=1, zorder=0)
    for place, (change, low, high) in zip(places, figures, strict=True):
        color, width = (BLUE, 2.2) if is_pooled[place] else (GREY, 1.2)
        ax.hlines(place, low, high, color=color, lw=width)
        face = color if sure[place] or not is_pooled[place] else ax.get_facecolor()
        ax.plot(
            [change],
            [place],
            "D" if is_pooled[place] else "o",
            ms=7 if is_pooled[place] else 4,
            mfc=face,
            mec=color,
            mew=1.6 if is_pooled[place] else 0,
        )
    label_ticks(ax.yaxis, [_label(row) for _, row in rows.iterrows()], max_chars=_MAX_CHARS)
    for label, bold in zip(ax.get_yticklabels(), is_pooled, strict=True):
        label.set_alpha(1.0 if bold else 0.75)
    ends = np.append(figures[np.isfinite(figures)], [-1.0, 1.0])
    ax.set_xlim(ends.min() * 1.08, ends.max() * 1.08)
    ax.set_ylim(max(len(rows), 2) - 0.5, -0.5)
    ax.tick_params("y", length=0, labelsize="small")
    ax.grid(axis="x", alpha=0.25)
    ax.set_axisbelow(True)
    ax.spines["left"].set_visible(False)
    sizes = [
        f"{a:,} : {b:,}"
        for a, b in zip(rows["recipients"], rows["recipients_versus"], strict=True)
    ]
    label_beside(ax, "recipients", sizes, points=92.0)
    cells = ["" if pd.isna(p) else _p_value(float(p)) for p in rows["p_adjusted"]]
    label_beside(ax, "p, adjusted", cells, points=160.0)


def _label(row: Any) -> str:
    if pd.isna(row["block"]):
        return f"{row['factor']}: {row['level']} against {row['versus']}"
    return str(row["block"])


def _p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _told(pooled: pd.DataFrame) -> str:
    told = []
    for _, row in pooled.head(3).iterrows():
        words = visible(_label(row), max_chars=80)
        told.append(
            f"{words}: {100 * row['difference']:+.1f} points ({100 * row['low']:+.1f} to "
            f"{100 * row['high']:+.1f})."
        )
    return " ".join(told)
