"""Save: the standard charts of an event log as picture files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pandas as pd
from matplotlib.figure import Figure

from smtpbook.charts.plot_latency import plot_latency
from smtpbook.charts.plot_reply_codes import plot_reply_codes
from smtpbook.charts.plot_timeline import plot_timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# File name, chart, height in inches.
_CHARTS: Final[tuple[tuple[str, Callable[..., Axes], float], ...]] = (
    ("reply_codes.png", plot_reply_codes, 4.0),
    ("latency.png", plot_latency, 4.5),
    ("timeline.png", plot_timeline, 4.5),
)


def save_charts(log: pd.DataFrame, folder: Path) -> list[Path]:
    """Draw reply codes, latencies and the timeline into PNG files.

    Parameters
    ----------
    log : DataFrame
        Event log.
    folder : Path
        Must be there; files of the same names are replaced.

    Returns
    -------
    list of Path
        The files written.
    """
    written = []
    for name, plot, height in _CHARTS:
        # Not pyplot's: nothing is shown, no window system is needed.
        figure = Figure(figsize=(9, height), layout="constrained")
        plot(log, ax=figure.subplots())
        figure.savefig(folder / name, dpi=130)
        written.append(folder / name)
    return written
