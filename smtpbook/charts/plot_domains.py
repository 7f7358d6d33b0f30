"""Chart of the domains: how each took the mail, and why it was refused there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.colors import to_rgba
from matplotlib.patches import Patch

from smtpbook.charts.canvas import (
    HEAD,
    label_beside,
    label_ticks,
    legend_above,
    new_axes,
    say,
    tidy,
)
from smtpbook.escape import visible
from smtpbook.events import OUTCOMES
from smtpbook.palette import OUTCOME_HATCHES, PLAIN
from smtpbook.states import state
from smtpbook.tables.engine import query
from smtpbook.tables.last import NEEDS, ended, last_outcomes
from smtpbook.tables.outcomes import by_domain
from smtpbook.tables.scan import Log
from smtpbook.wording import counted, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_DOMAINS: Final = 20
_MAX_REASONS: Final = 10
_MAX_CHARS: Final = 26  # of a domain
_SHARES: Final = 4.0  # width of the bars of shares; a reason's column is 1 wide
_GAP: Final = 0.5  # between both
_SLANT: Final = 35  # degrees, of a reason
_FAINTEST: Final = 0.22  # the smallest count is still seen
_STRONG: Final = 0.6  # from here on a white number is easier to read


# Why recipients were not accepted, as their last row has it.
_REASONS: Final = f"""
WITH {ended("ended")}
SELECT recipient_domain, reason, count(*) AS recipients FROM ended
WHERE reason IS NOT NULL AND outcome NOT IN ('accepted', 'delivered')
GROUP BY recipient_domain, reason ORDER BY recipients DESC, recipient_domain, reason
"""


def plot_domains(log: Log, *, ax: Axes | None = None) -> Axes:
    """Domains by outcome and reason: bars of shares, and a heat map beside them.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.  Counted are recipients, each by its last ``outcome`` row.
    ax : Axes, optional
        Where to draw.  A new figure is made if omitted; the current one is never touched.

    Returns
    -------
    Axes
        A row for each recipient domain, the largest on top (of more than twenty the last
        is all others), with its provider where that is known, and its recipients at the
        right: the shares of their outcomes, then how many were not accepted for which
        reason, the most frequent reason first.  Counted is what was so in the end, not
        what each attempt came to.

    Raises
    ------
    ColumnError
        The log lacks a column.
    """
    table = by_domain(log)
    reasons = _reasons(log)
    sizes = pd.Series(table["recipients"].to_numpy(), _named(table["recipient_domain"]))
    names = _most(sizes, _MAX_DOMAINS, "domains")
    width = 6.2 + 0.55 * min(reasons["reason"].nunique(), _MAX_REASONS)
    ax = new_axes(width, 2.3 + 0.28 * max(len(names), 3)) if ax is None else ax
    if table.empty:
        tidy(ax, "Outcomes by domain")
        return say(ax, "No recipient has an outcome in this log.")

    shares = table[[name for name in OUTCOMES if name in table]]
    shares = shares.groupby(_places(table["recipient_domain"], names)).sum()
    _draw_shares(ax, shares)
    totals = reasons.groupby("reason")["recipients"].sum().sort_values(ascending=False)
    columns = _most(totals, _MAX_REASONS, "reasons")
    if columns:
        cells = np.zeros((len(names), len(columns)), int)
        rows = _places(reasons["recipient_domain"], names)
        column = _places(reasons["reason"], columns)
        np.add.at(cells, (rows, column), reasons["recipients"].to_numpy())
        _draw_cells(ax, cells)
    known = table.dropna(subset=["recipient_domain", "provider"])
    providers = dict(zip(known["recipient_domain"], known["provider"], strict=True))
    notes = [f" ({providers[name]})" if name in providers else "" for name in names]
    _label(ax, list(names), notes, list(columns))
    label_beside(ax, "recipients", [f"{n:,}" for n in shares.sum(axis=1)], points=52)
    legend_above(ax, _keys([str(name) for name in shares]))
    people = int(sizes.sum())
    bad = shares.drop(columns=["accepted", "delivered"], errors="ignore").sum(axis=1)
    name = visible(list(names)[int(bad.argmax())], max_chars=_MAX_CHARS)
    told = (
        f"Most that were not accepted: {int(bad.max()):,}, at {name}." if bad.max() else ""
    )
    of = counted(len(sizes), "domain", "domains")
    title = f"{counted(people, 'recipient', 'recipients')} at {of}"
    accepted = percent(1 - int(bad.sum()) / people)
    tidy(ax, f"{title}: {accepted} accepted", "Bars and heat map", told, above=HEAD)
    return ax


def _reasons(log: Log) -> pd.DataFrame:
    return query(
        _REASONS,
        {"recipient_domain": "string", "reason": "string", "recipients": "int64"},
        needs=(*NEEDS, "recipient_domain", "outcome", "reason"),
        parts={"last": last_outcomes("recipient_domain", "outcome", "reason")},
        log=log,
    )


def _named(domains: pd.Series[Any]) -> pd.Series[Any]:
    return domains.fillna("no domain")


def _places(words: pd.Series[Any], numbered: dict[Any, int]) -> Any:
    """Give the number of each; what has none is among all others."""
    return _named(words).map(numbered).fillna(len(numbered) - 1).to_numpy(int)


def _most(sizes: pd.Series[Any], most: int, what: str) -> dict[Any, int]:
    """Number the most frequent; of more the last is all others."""
    sizes = sizes[sizes > 0]
    if len(sizes) <= most:
        return {name: place for place, name in enumerate(sizes.index)}
    shown = {name: place for place, name in enumerate(sizes.index[: most - 1])}
    return {**shown, f"{len(sizes) - most + 1:,} other {what}": most - 1}


def _draw_shares(ax: Axes, shares: pd.DataFrame) -> None:
    base = np.zeros(len(shares))
    for name in shares:
        part = (shares[name] / shares.sum(axis=1)).to_numpy() * _SHARES
        ax.barh(
            shares.index,
            part,
            0.72,
            base,
            color=state(str(name)).color,
            hatch=OUTCOME_HATCHES.get(str(name), ""),
            edgecolor=rcParams["axes.facecolor"],
            linewidth=0.5,
        )
        base = base + part


def _draw_cells(ax: Axes, cells: Any) -> None:
    rows, columns = cells.shape
    left = _SHARES + _GAP
    strength = np.log1p(cells) / np.log1p(cells.max())
    picture = np.empty((rows, columns, 4))
    picture[:] = to_rgba(PLAIN)
    picture[:, :, 3] = np.where(cells > 0, _FAINTEST + (1 - _FAINTEST) * strength, 0.04)
    ax.imshow(
        picture,
        aspect="auto",
        interpolation="nearest",
        extent=(left, left + columns, rows - 0.5, -0.5),
    )
    for row, column in np.argwhere(cells):
        strong = picture[row, column, 3] > _STRONG
        ink = "white" if strong else rcParams["text.color"]
        place = ax.text(left + column + 0.5, row, f"{cells[row, column]:,}", color=ink)
        place.set(ha="center", va="center", size="small")
    # Thin lines of the background between the cells.
    paper = ax.get_facecolor()
    ax.hlines(np.arange(rows - 1) + 0.5, left, left + columns, paper, lw=1.5)
    ax.vlines(left + np.arange(1, columns), -0.5, rows - 0.5, paper, lw=1.5)


def _label(ax: Axes, names: list[str], notes: list[str], reasons: list[str]) -> None:
    label_ticks(ax.yaxis, names, notes, max_chars=_MAX_CHARS)
    ax.tick_params("y", length=0, labelsize="small")
    left = _SHARES + _GAP
    ticks = [(share * _SHARES, f"{share:.0%}") for share in (0, 0.5, 1)]
    ticks += [
        (left + n + 0.5, visible(name, max_chars=_MAX_CHARS))
        for n, name in enumerate(reasons)
    ]
    ax.set_xticks([x for x, _ in ticks], [word for _, word in ticks], fontsize="small")
    for number, label in enumerate(ax.get_xticklabels()):
        label.set_parse_math(False)
        if number > 2:
            label.set(rotation=_SLANT, ha="right", rotation_mode="anchor")
    ax.tick_params("x", length=0)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.set_xlim(-0.05, left + max(len(reasons), 1))
    ax.set_ylim(len(names) - 0.5, -0.5)


def _keys(outcomes: list[str]) -> list[Patch]:
    return [
        Patch(
            facecolor=state(name).color,
            hatch=OUTCOME_HATCHES.get(name, ""),
            edgecolor=rcParams["axes.facecolor"],
            linewidth=0,
            label=str(state(name)),
        )
        for name in outcomes
    ]
