"""Chart of the reasons: why mail was refused, by domain or over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.colors import to_rgba

from smtpbook.charts.canvas import new_axes, say, tidy
from smtpbook.errors import near_miss
from smtpbook.escape import visible
from smtpbook.palette import PLAIN
from smtpbook.tables.refusals import refusals_by
from smtpbook.tables.scan import Log
from smtpbook.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BY: Final = ("domain", "hour")
_MAX_CHARS: Final = 24  # of a reason or a domain
_MAX_DOMAINS: Final = 12
_MAX_TIMES: Final = 24  # columns; in longer logs each is more than an hour
_STEPS_H: Final = (1, 2, 3, 4, 6, 8, 12, 24, 48, 96, 168, 336, 720)
_NAMED: Final = 6  # times that have room below the picture
_SIZES: Final = ((12, "small"), (16, "x-small"), (_MAX_TIMES, "xx-small"))  # by columns
_FEWEST: Final = 5  # columns that fill the picture: fewer leave room, or cells were bars
_TOTALS: Final = 0.2  # of the columns' width: the room of the totals beside them
_SLANT: Final = 35  # degrees, of a domain
_FAINTEST: Final = 0.25  # the smallest count is still seen
_STRONG: Final = 0.6  # from here on a white number is easier to read


def plot_reasons(log: Log, *, by: str = "domain", ax: Axes | None = None) -> Axes:
    """Heat map: for which reasons mail was refused, by domain or over time.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.  Counted are recipients that were refused, by their ``outcome`` rows, at
        each attempt; in a session without those, 4yz and 5yz replies are.
    by : {"domain", "hour"}
        What the columns are: the recipients' domains, or the time.
    ax : Axes, optional
        Where to draw.  A new figure is made if omitted; the current one is never touched.

    Returns
    -------
    Axes
        A row for each reason, the most frequent on top, with its total at the right; a
        column for each domain (of more than twelve the last is all others), or for each
        hour (of longer logs: for as many hours or days as make 24 columns at most).  Each
        cell has its count; the stronger its colour, the more.

    Raises
    ------
    ColumnError
        The log lacks a column.
    ValueError
        ``by`` is neither of the two.
    """
    if by not in _BY:
        raise ValueError(f'by is "domain" or "hour", not {by!r}{near_miss(by, _BY)}')
    rows = refusals_by(log, ["reason", by])
    if by == "hour":
        rows = rows[rows["hour"].notna()]
    times = rows["times"].to_numpy()
    total = counted(int(times.sum()), "refusal", "refusals")
    row, reasons = pd.factorize(rows["reason"].astype("string").fillna("unknown"))
    order = np.argsort(-np.bincount(row, times, minlength=len(reasons)), kind="stable")
    height = 1.9 + 0.33 * max(len(reasons), 2)
    ax = new_axes(8.0, height) if ax is None else ax
    if rows.empty:
        tidy(ax, f"{total} by reason")
        return say(ax, "No refusals in this log.")

    row = np.argsort(order)[row]
    names = [visible(reasons[place], max_chars=_MAX_CHARS) for place in order]
    column, labels, caption = _domains(rows) if by == "domain" else _times(rows["hour"])
    counts = np.zeros((len(names), len(labels)), int)
    np.add.at(counts, (row, column), times)
    tidy(ax, f"{total} by reason and {by}: {counts[0].sum() / times.sum():.0%} {names[0]}")
    _draw(ax, counts)
    _label(ax, names, labels, slanted=by == "domain")
    ax.set_xlabel(caption, loc="left")
    return ax


def _domains(rows: pd.DataFrame) -> tuple[Any, list[str], str]:
    """Give each row's column, the columns' labels and what they are."""
    number, domains = pd.factorize(rows["recipient_domain"].astype("string"))
    number = np.where(number < 0, len(domains), number)
    sizes = np.bincount(number, rows["times"].to_numpy(), minlength=len(domains) + 1)
    order = np.argsort(-sizes, kind="stable")[: np.count_nonzero(sizes)]
    shown = order if len(order) <= _MAX_DOMAINS else order[: _MAX_DOMAINS - 1]
    names = [*domains, "no domain"]
    labels = [visible(names[place], max_chars=_MAX_CHARS) for place in shown]
    if len(shown) < len(order):
        labels.append(f"{len(order) - len(shown):,} others")
    place = np.full(len(names), len(shown))
    place[shown] = np.arange(len(shown))
    return place[number], labels, "domain of the recipient"


def _times(time: pd.Series[Any]) -> tuple[Any, list[str], str]:
    """Give each row's column, the columns' labels (most are empty) and what they are."""
    hours = (time - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(hours=1)
    low, high = int(hours.min()), int(hours.max())
    days = (high - low) // (_MAX_TIMES - 1) // 24 + 1
    step = next(s for s in (*_STEPS_H, days * 24) if high // s - low // s < _MAX_TIMES)
    number = high // step - low // step + 1
    starts = [
        pd.Timestamp((low // step + place) * step * 3600, unit="s", tz="UTC")
        for place in range(number)
    ]
    every = -(-number // _NAMED)
    labels, day = [], ""
    for place, start in enumerate(starts):
        label = f"{start:%Y-%m-%d}" if step % 24 == 0 else f"{start:%H:%M}"
        if step % 24 and place % every == 0 and f"{start:%d %b}" != day:
            day = f"{start:%d %b}"
            label += f"\n{day}"
        labels.append(label if place % every == 0 else "")
    wide = f"{step // 24} days" if step % 24 == 0 else f"{step} hours"
    each = {1: "an hour", 24: "a day"}.get(step, wide)
    caption = f"time (UTC), from {starts[0]:%Y-%m-%d}; a column is {each}"
    return (hours // step - low // step).to_numpy(int), labels, caption


def _draw(ax: Axes, counts: Any) -> None:
    """Draw the cells with their numbers, and each row's total beside them."""
    rows, columns = counts.shape
    strength = np.log1p(counts) / np.log1p(counts.max())
    alpha = np.where(counts > 0, _FAINTEST + (1 - _FAINTEST) * strength, 0)
    picture = np.empty((rows, columns, 4))
    picture[:] = to_rgba(PLAIN)
    picture[:, :, 3] = alpha
    ax.imshow(picture, aspect="auto", interpolation="nearest")
    size = next(size for most, size in _SIZES if columns <= most)
    for row, column in np.argwhere(counts):
        ink = "white" if alpha[row, column] > _STRONG else rcParams["text.color"]
        number = _short(counts[row, column])
        ax.text(column, row, number, ha="center", va="center", size=size, color=ink)
    for row, total in enumerate(counts.sum(axis=1)):
        share = f"{total:,} ({_percent(total / counts.sum())})"
        place = ax.annotate(share, (columns - 0.5, row), (6, 0), textcoords="offset points")
        place.set(va="center", size="small")
    # Thin lines of the background between the cells.
    ax.hlines(np.arange(rows - 1) + 0.5, -0.5, columns - 0.5, ax.get_facecolor(), lw=1.5)
    ax.vlines(np.arange(columns - 1) + 0.5, -0.5, rows - 0.5, ax.get_facecolor(), lw=1.5)
    ax.set_xlim(-0.5, max(columns, _FEWEST) * (1 + _TOTALS) - 0.5)
    ax.set_ylim(rows - 0.5, -0.5)


def _percent(share: float) -> str:
    return "<1%" if share < 0.005 else f"{share:.0%}"


def _short(number: int) -> str:
    """Say a count in four characters at most.

    >>> _short(999), _short(1234), _short(56_789), _short(3_400_000)
    ('999', '1.2k', '57k', '3.4M')
    """
    for size, unit in ((10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.{1 if number < 9.95 * size else 0}f}{unit}"
    return str(number)


def _label(ax: Axes, names: list[str], labels: list[str], *, slanted: bool) -> None:
    ax.set_yticks(range(len(names)), names, fontsize="small")
    shown = [place for place, label in enumerate(labels) if label]
    ax.set_xticks(shown, [labels[place] for place in shown], fontsize="small")
    if slanted:
        ax.tick_params("x", rotation=_SLANT)
        for label in ax.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    for label in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        label.set_parse_math(False)
    ax.tick_params(length=0)
    ax.spines[["left", "bottom"]].set_visible(False)
