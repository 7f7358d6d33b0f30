"""Pictures: the charts a report shows, each drawn once.

A chart that has nothing to show is left out.  The user's own figures and settings of
matplotlib are not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from smtpbook.charts.canvas import alt_text, colored
from smtpbook.charts.plot_domains import plot_domains
from smtpbook.charts.plot_latency import plot_latency
from smtpbook.charts.plot_outcomes import plot_outcomes
from smtpbook.charts.plot_reply_codes import plot_reply_codes
from smtpbook.charts.plot_retry_curve import plot_retry_curve
from smtpbook.charts.plot_sessions import plot_sessions
from smtpbook.charts.plot_throughput import plot_throughput
from smtpbook.charts.plot_timeline import plot_timeline
from smtpbook.charts.plot_waterfall import plot_waterfall
from smtpbook.insight.plot_reasons import plot_reasons
from smtpbook.reports.content import Content, Picture
from smtpbook.svg import INK, PAPER
from smtpbook.tables.engine import query
from smtpbook.tables.replies import HOUR_US
from smtpbook.tables.scan import Log

DPI: Final = 110
_WIDTH: Final = 9.0  # inches
_PAD: Final = 0.12
_STEPS: Final = 20  # of a waterfall
_HOURS: Final = "SELECT (max(time) - min(time)) / $hour FROM log"
_Plot = Callable[..., Axes]
# Name, chart, and how many inches high.
_CHARTS: Final[tuple[tuple[str, _Plot, float], ...]] = (
    ("outcomes", plot_outcomes, 4.0),
    ("domains", plot_domains, 5.4),
    ("reasons", partial(plot_reasons, by="hour"), 4.0),
    ("retry_curve", plot_retry_curve, 4.0),
    ("reply_codes", plot_reply_codes, 3.6),
    ("latency", plot_latency, 5.2),
    ("throughput", plot_throughput, 3.8),
    ("sessions", plot_sessions, 4.4),
    ("timeline", plot_timeline, 4.4),
)


def pictures(log: Log) -> Iterator[Picture]:
    """Draw every chart that has something to show of this log, each when it is asked for.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.
    """
    for name, plot, height in _CHARTS:
        if name == "reasons" and not _lasts_hours(log):
            continue
        picture = _picture(name, height, plot, log)
        if picture is not None:
            yield picture


def _lasts_hours(log: Log) -> bool:
    """Tell whether hours can be compared; without them reasons stand beside the domains."""
    table = query(
        _HOURS,
        {"hours": "float64"},
        needs=("time",),
        parameters={"hour": HOUR_US},
        log=log,
    )
    return bool(table["hours"].iloc[0] >= 2)


def save_pictures(content: Content, folder: Path) -> None:
    """Save the charts of a report as PNG files, its single sessions left out.

    Parameters
    ----------
    content : Content
        Of which nothing has been written yet.
    folder : Path
        Must be there; files of the same names are replaced.
    """
    names = {name for name, _, _ in _CHARTS}
    for section in content.sections:
        for block in section.blocks:
            if isinstance(block, Picture) and block.name in names:
                block.figure.savefig(folder / f"{block.name}.png", dpi=DPI)


def waterfall(
    log: Log, session_id: str, recipient: str | None, *, steps: int, name: str
) -> Picture | None:
    """Draw where the time of one session went; None = its times are not known.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.
    session_id : str
    recipient : str or None
        Only the transactions of this address; None = the session's first steps.
    steps : int
        How many there are.
    name : str
        The picture's.
    """
    plot = partial(plot_waterfall, recipient=recipient, max_rows=_STEPS)
    height = 1.9 + 0.22 * max(min(steps, _STEPS), 4)
    return _picture(name, height, plot, log, session_id)


def _picture(name: str, height: float, plot: _Plot, *about: Any) -> Picture | None:
    with colored(INK, PAPER):
        figure = Figure(figsize=(_WIDTH, height))
        ax = plot(*about, ax=figure.subplots())
        if not ax.axison:  # a sentence stands there instead
            return None
        # As the figure's own engine it would work again at each drawing.  A PDF's letters,
        # and a page's, are a little wider than those that are measured here.
        untyped: Any = ConstrainedLayoutEngine(h_pad=_PAD, w_pad=_PAD)
        untyped.execute(figure)
    return Picture(name=name, alt=alt_text(ax), figure=figure)
