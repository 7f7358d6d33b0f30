"""Chart of one session as a waterfall: what took how long, and what waited for what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter, MaxNLocator

from smtpbook.charts.canvas import (
    HEAD,
    label_beside,
    label_ticks,
    legend_below,
    new_axes,
    say,
    tidy,
)
from smtpbook.charts.one_session import named, one_session, without_dialogue
from smtpbook.palette import (
    GREY,
    PLAIN,
    PURPLE,
    SEVERITY_COLORS,
    SEVERITY_HATCHES,
    SEVERITY_NAMES,
)
from smtpbook.tables.scan import Log
from smtpbook.wording import counted, duration, lasting, octets

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_USES: Final = (
    *("time", "session_id", "server", "kind", "verb", "command", "reply_code"),
    *("latency_s", "service_s", "pipelined", "bytes_sent", "error"),
)
_WORDS: Final = {
    "dns": "name looked up",
    "connect": "connected",
    "proxy": "through the proxy",
    "tls": "TLS handshake",
    "greeting": "greeting",
    "data": "mail data",
    "disconnect": "disconnected",
}
_MAX_ROWS: Final = 40
_MAX_CHARS: Final = 38  # of a command
_THICK: Final = 0.62  # of a row, which is 1 high
_WAITED: Final = 0.3  # opacity of the time a reply waited behind those before it
_LONG: Final = 0.3  # a pause is cut out if it is longer than this part of all the rest
_PAUSE: Final = 0.06  # what is left of it, likewise
_MAX_TICKS: Final = 6
_THINNEST: Final = 0.003  # of the axis: what is shorter is still seen
_COLUMNS: Final = (
    ("reply", 34.0),
    ("took", 92.0),
    ("waited", 150.0),
)  # points from the edge


def plot_waterfall(
    log: Log,
    session_id: str | None = None,
    *,
    recipient: str | None = None,
    max_rows: int = _MAX_ROWS,
    ax: Axes | None = None,
) -> Axes:
    """Waterfall of a session: a bar for each step, at the time it took.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.
    session_id : str, optional
        Which session.  Default: the first of the log.
    recipient : str, optional
        Only the transactions of this address, in the last session that wrote to it.
    max_rows : int
        Of longer sessions the first so many steps are shown, and the rest is counted.
    ax : Axes, optional
        Where to draw.  A new figure is made if omitted; the current one is never touched.

    Returns
    -------
    Axes
        From top to bottom: name lookup, connecting, proxy, TLS, greeting and each command.
        The strong part of a bar is what the server took for this step alone
        (``service_s``), coloured by severity; the faint part before it is the rest of
        ``latency_s``: the wait behind earlier replies of the group.  Commands written as
        one pipelined group stand on one band.  Where nothing was awaited for long, time is
        cut out, and the axis tells when each stretch began.

    Raises
    ------
    ColumnError
        The log lacks a column.
    SMTPBookError
        The session or the recipient is not in the log.
    """
    rows, found = one_session(
        log, session_id, recipient, columns=_USES, most=max(max_rows, 1)
    )
    ax = new_axes(9.0, 1.7 + 0.24 * max(len(rows), 4)) if ax is None else ax
    if rows["time"].isna().all():
        tidy(ax, "Waterfall of a session")
        nothing = without_dialogue(session_id, recipient)
        return say(ax, nothing if rows.empty else "It is not told when this session was.")

    start = rows["time"].min()
    steps = pd.DataFrame(
        {
            "begin": (rows["time"] - start).dt.total_seconds().to_numpy(),
            "latency": rows["latency_s"].fillna(0).to_numpy(float),
            "digit": (rows["reply_code"] // 100).fillna(0).to_numpy(int),
            "group": rows["pipelined"].fillna(-1).to_numpy(int),
            "failed": rows["error"].notna().to_numpy(),
            "reply": rows["reply_code"].notna().to_numpy(),
        }
    )
    service = rows["service_s"].to_numpy(float, na_value=float("nan"))
    steps["service"] = pd.Series(service).fillna(steps["latency"])
    since = steps["begin"].to_numpy()
    steps["begin"], stretches = _cut_idle(since, steps["latency"].to_numpy())
    length = max(float((steps["begin"] + steps["latency"]).max()), 1e-6)
    _band_groups(ax, steps)
    _draw(ax, steps, length)
    _label(ax, rows, steps)
    if len(stretches) > 1:
        _mark_cuts(ax, steps["begin"].to_numpy(), since, stretches)
    shown = "" if len(rows) == found else f"; the first {len(rows):,} are shown"
    title = f"{named(rows)}: {counted(found, 'step', 'steps')}{shown}"
    slowest = int(steps["service"].argmax())
    told = f"Slowest: {_words(rows.iloc[slowest])}, {duration(steps['service'][slowest])}."
    tidy(ax, title, "Waterfall", told, above=HEAD)
    ax.set_xlim(-0.01 * length, 1.02 * length)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    return ax


def _cut_idle(begin: Any, latency: Any) -> tuple[Any, list[int]]:
    """Move steps together where nothing was awaited for long.

    Returns
    -------
    array
        When each step begins on the axis.
    list of int
        The first step of each stretch without such a pause; the first of all is 0.
    """
    ends = np.maximum.accumulate(begin + latency)
    pauses = np.maximum(begin[1:] - ends[:-1], 0)
    busy = max(float(ends[-1]) - pauses.sum(), 1e-6)
    is_long = pauses > _LONG * busy
    cut = np.where(is_long, pauses - _PAUSE * busy, 0)
    return begin - np.append(0, np.cumsum(cut)), [0, *(np.flatnonzero(is_long) + 1)]


def _mark_cuts(ax: Axes, begin: Any, since: Any, stretches: list[int]) -> None:
    """Tell where time was cut out, and when each stretch began."""
    for step in stretches[1:]:
        ax.axvline(begin[step], color="gray", linestyle=":", linewidth=1, zorder=0.7)
    named = stretches[:: -(-len(stretches) // _MAX_TICKS)]
    ax.set_xticks(begin[named], [f"+{lasting(since[step])}" for step in named])
    ax.grid(visible=False)
    ax.set_xlabel(f"{ax.get_xlabel()}; idle time is cut out at dots", fontsize="small")


def _band_groups(ax: Axes, steps: pd.DataFrame) -> None:
    """Underlay the rows of each group of more than one, and hold them together."""
    grouped = steps[steps["group"] >= 0]
    for _, group in grouped.groupby("group"):
        if len(group) < 2:
            continue
        top, bottom = group.index[0] - 0.5, group.index[-1] + 0.5
        ax.axhspan(top + 0.04, bottom - 0.04, color=GREY, alpha=0.16, linewidth=0, zorder=0)
        written = group["begin"].iloc[0]
        ax.vlines(written, top + 0.12, bottom - 0.12, rcParams["text.color"], lw=1.0)


def _draw(ax: Axes, steps: pd.DataFrame, length: float) -> None:
    alone = steps["service"].clip(upper=steps["latency"])
    end = steps["begin"] + steps["latency"]
    waited = steps["latency"] - alone
    paper = rcParams["axes.facecolor"]
    looks = [
        (PURPLE, "------") if is_failed and not digit else _look(digit)
        for is_failed, digit in zip(steps["failed"], steps["digit"], strict=True)
    ]
    colors = [color for color, _ in looks]
    ax.barh(steps.index, waited, _THICK, steps["begin"], color=colors, alpha=_WAITED, lw=0)
    wide = alone.clip(lower=_THINNEST * length)
    ax.barh(
        steps.index,
        wide.where(steps["latency"] > 0, 0),
        _THICK,
        end - alone,
        color=colors,
        hatch=[hatch for _, hatch in looks],
        edgecolor=paper,
        linewidth=0,
    )
    moments = steps[steps["latency"] == 0]
    ax.plot(moments["begin"], moments.index, "d", color=rcParams["text.color"], ms=4)


def _label(ax: Axes, rows: pd.DataFrame, steps: pd.DataFrame) -> None:
    label_ticks(ax.yaxis, [_words(row) for _, row in rows.iterrows()], max_chars=_MAX_CHARS)
    ax.tick_params("y", length=0, labelsize="small")
    ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.xaxis.set_major_formatter(EngFormatter(unit="s"))
    ax.grid(axis="x", alpha=0.25)
    ax.set_axisbelow(True)
    begun = f"{rows['time'].min():%Y-%m-%d %H:%M:%S}"
    bands = "; on one band: written as one group" if steps["group"].max() >= 0 else ""
    ax.set_xlabel(f"since {begun} UTC{bands}", fontsize="small")
    timed = rows["latency_s"].notna().to_numpy()
    waits = steps["latency"] - steps["service"]
    cells = (
        [_reply(row) for _, row in rows.iterrows()],
        ["" if pd.isna(time) else duration(time) for time in steps["service"].where(timed)],
        [duration(wait) if wait > 1e-6 else "" for wait in waits],
    )
    for (head, points), column in zip(_COLUMNS, cells, strict=True):
        if any(column):
            label_beside(ax, head, column, points=points)
    digits = sorted({digit for digit in steps["digit"] if digit})
    keys = [
        (SEVERITY_COLORS[d], SEVERITY_HATCHES[d] * 2, SEVERITY_NAMES[d]) for d in digits
    ]
    if (~steps["reply"] & ~steps["failed"] & (steps["latency"] > 0)).any():
        keys.append((PLAIN, "", "connection"))
    if (steps["failed"] & ~steps["reply"]).any():
        keys.append((PURPLE, "------", "no reply"))
    paper = rcParams["axes.facecolor"]
    handles = [
        Patch(facecolor=color, hatch=hatch, edgecolor=paper, linewidth=0, label=word)
        for color, hatch, word in keys
    ]
    if (waits > 1e-6).any():
        handles.append(Patch(color=GREY, alpha=2 * _WAITED, lw=0, label="waited"))
    legend_below(ax, handles)


def _look(digit: int) -> tuple[str, str]:
    """Give the colour and the hatch of a reply; 0 = something else than a reply."""
    return SEVERITY_COLORS.get(digit, PLAIN), SEVERITY_HATCHES.get(digit, "")


def _words(row: Any) -> str:
    if row["kind"] == "data" and pd.notna(row["bytes_sent"]):
        return f"mail data, {octets(int(row['bytes_sent']))}"
    if row["kind"] in _WORDS:
        return _WORDS[row["kind"]]
    verb, command = (
        "" if pd.isna(row[name]) else row[name] for name in ("verb", "command")
    )
    # Of the lone dot, and of what is redacted, the verb alone tells what it was.
    return command if command.upper().startswith(verb) else f"{verb} {command}".rstrip(" .")


def _reply(row: Any) -> str:
    return "" if pd.isna(row["reply_code"]) else str(row["reply_code"])
