"""The goals of a benchmark as a picture, for a light page and for a dark one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure
from matplotlib.style import context

from smtpbook.palette import GREEN, VERMILLION
from tests.benchmarks.races import Finding

_STYLES: Final = {"": "default", "-dark": "dark_background"}


def draw(findings: Sequence[Finding], path: Path) -> None:
    """Write ``path`` and, with ``-dark`` in its name, the same for a dark page.

    Each bar is how far beyond its goal a figure is: 1 is the goal, 2 twice as good.
    """
    for suffix, style in _STYLES.items():
        with context(style):
            figure = _figure(findings)
            figure.savefig(path.with_stem(path.stem + suffix), dpi=120)


def _figure(findings: Sequence[Finding]) -> Figure:
    figure = Figure(figsize=(10, 1.2 + 0.32 * len(findings)), layout="constrained")
    ax = figure.subplots()
    names = [f"{one.row}: {one.what}" for one in findings]
    good = [
        one.measured / one.goal if one.is_least else one.goal / max(one.measured, 1e-9)
        for one in findings
    ]
    colors = [GREEN if one.is_met else VERMILLION for one in findings]
    bars = ax.barh(range(len(findings)), good, color=colors)
    labels = [
        f" {one.measured:.3g} (goal {'≥' if one.is_least else '≤'} {one.goal:g})"
        for one in findings
    ]
    ax.bar_label(bars, labels, fontsize="small")
    ax.axvline(1, color="0.5", linewidth=1.5)
    ax.set_xscale("log")
    ax.set_xlim(min(0.3, *good) / 1.2, max(4.0, *good) * 2.5)
    ax.set_yticks(range(len(findings)), names, fontsize="small")
    ax.invert_yaxis()
    ax.margins(y=0.01)
    ax.set_xlabel("beside the goal: 1 = reached, 2 = twice as good")
    ax.spines[["top", "right"]].set_visible(False)
    return figure
