"""Chart of the retries: after what time recipients that were deferred are accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from matplotlib.ticker import FixedLocator, PercentFormatter

from smtpbook.charts.canvas import new_axes, say, tidy
from smtpbook.palette import GREEN, ORANGE
from smtpbook.tables.over_time import retry_curve
from smtpbook.tables.scan import Log
from smtpbook.wording import counted, lasting, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_STEPS: Final = 1000  # a curve of more is drawn through so many of its steps
_MAX_TICKS: Final = 7
# Spaces between the marks of a clock, in seconds.
_EVERY_S: Final = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600),
    *(7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800),
)
_ROOM: Final = 1.05  # the axis goes on behind the last step by so much of its length


def plot_retry_curve(log: Log, *, ax: Axes | None = None) -> Axes:
    """Curve of the retries: the share accepted so long after the first 4yz.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.  Counted are recipients whose first attempt was deferred.
    ax : Axes, optional
        Where to draw.  A new figure is made if omitted; the current one is never touched.

    Returns
    -------
    Axes
        Steps of the table `retry_curve`, Kaplan and Meier's estimate, with its band of
        95 %.  Where somebody is no longer observed, the curve has a tick.

    Raises
    ------
    ColumnError
        The log lacks a column.
    """
    curve = retry_curve(log)
    ax = new_axes(7.0, 3.8) if ax is None else ax
    title = "How long until deferred recipients are accepted"
    if curve.empty:
        tidy(ax, title)
        return say(ax, "No recipient was deferred at first in this log.")

    people = int(curve["at_risk"].iloc[0])
    deferred = counted(people, "deferred recipient", "deferred recipients")
    if not curve["waited_s"].iloc[-1] > 0:
        tidy(ax, f"{deferred}, none tried again")
        return say(ax, "No deferred recipient was tried again in this log.")

    accepted, last = int(curve["accepted"].sum()), curve.iloc[-1]
    half = curve.loc[(curve["estimate"] >= 0.5).to_numpy(bool), "waited_s"]
    told = f"{percent(float(last['estimate']))} within {lasting(float(last['waited_s']))}."
    if len(half):
        told += f" Half of them within {lasting(float(half.iloc[0]))}."
    tidy(ax, f"{deferred}, {accepted:,} accepted at a retry", "Curve", told)
    _draw(ax, curve)
    end = max(float(last["waited_s"]), 1e-3) * _ROOM
    every = next((s for s in _EVERY_S if end / s < _MAX_TICKS), _EVERY_S[-1])
    every = every * max(1, int(np.ceil(end / every / _MAX_TICKS)))
    ax.xaxis.set_major_locator(FixedLocator(np.arange(0, end + every, every).tolist()))
    ax.xaxis.set_major_formatter(
        lambda seconds, _: "0" if seconds <= 0 else lasting(seconds)
    )
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set_xlim(-0.01 * end, end)
    ax.set_ylim(0, 1.02)
    ax.set_xlabel("since the first attempt was deferred")
    ax.set_ylabel("accepted until then")
    ax.grid(alpha=0.25)
    return ax


def _draw(ax: Axes, curve: pd.DataFrame) -> None:
    place = np.unique(np.linspace(0, len(curve) - 1, _MAX_STEPS).astype(int))
    steps = curve.iloc[place]
    times, shares = steps["waited_s"].to_numpy(), steps["estimate"].to_numpy()
    end = max(float(times[-1]), 1e-3) * _ROOM
    ax.step(
        np.append(times, end),
        np.append(shares, shares[-1]),
        where="post",
        color=GREEN,
        linewidth=1.8,
    )
    ax.fill_between(
        np.append(times, end),
        np.append(steps["low"], steps["low"].iloc[-1]),
        np.append(steps["high"], steps["high"].iloc[-1]),
        step="post",
        color=GREEN,
        alpha=0.18,
        linewidth=0,
        label="95 % band, pointwise (log-log)",
    )
    lost = steps[(steps["censored"] > 0).to_numpy(bool)]
    if not lost.empty:
        still = counted(int(curve["censored"].sum()), "recipient", "recipients")
        ax.plot(
            lost["waited_s"],
            lost["estimate"],
            "|",
            color=ORANGE,
            markersize=11,
            markeredgewidth=2,
            label=f"no longer observed: {still}",
        )
    ax.legend(loc="best", frameon=False, fontsize="small")
