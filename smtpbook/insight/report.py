"""Report: one HTML file that tells what became of a campaign.

The file needs nothing but itself: charts are pictures inside it, one set for light pages
and one for dark; there are no scripts, and no address in it is fetched.  Everything from
servers and lists passes `smtpbook.escape`.
"""

from __future__ import annotations

import base64
import io
import os
import platform
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from smtpbook.charts.canvas import alt_text
from smtpbook.charts.plot_domains import plot_domains
from smtpbook.charts.plot_latency import plot_latency
from smtpbook.charts.plot_outcomes import plot_outcomes
from smtpbook.charts.plot_reply_codes import plot_reply_codes
from smtpbook.charts.plot_timeline import plot_timeline
from smtpbook.codes.explain import explain
from smtpbook.escape import to_html, visible
from smtpbook.events import COLUMNS
from smtpbook.insight.reasons import reasons
from smtpbook.insight.summaries import refusals, replies
from smtpbook.log.frame import require_columns
from smtpbook.protocol.replies import Reply
from smtpbook.states import STATES, state
from smtpbook.tables.latency import latency_by_command
from smtpbook.tables.outcomes import by_domain, count_outcomes
from smtpbook.tables.replies import reply_codes
from smtpbook.wording import counted, duration

_MAX_ROWS: Final = 25  # of a table; what is left out is counted below it
_MAX_REFUSALS: Final = 5
_MAX_CHARS: Final = 300  # of one foreign text
_OF_REASONS: Final = ("reason", "reply_code", "wording", "count", "share", "domains")
# What is drawn, and how many inches high.
_CHARTS: Final[tuple[tuple[Callable[..., Axes], float], ...]] = (
    (plot_outcomes, 4.0),
    (plot_domains, 5.4),
    (plot_reply_codes, 3.6),
    (plot_latency, 5.2),
    (plot_timeline, 4.4),
)
_INK: Final = {"light": "#1b1b1b", "dark": "#e6e6e6"}
_PAPER: Final = {"light": "#ffffff", "dark": "#16181b"}

_CSS: Final = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #ffffff; --line: #d5d5d5; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --paper: #16181b; --line: #44484d; }
}
body { color: var(--ink); background: var(--paper); font: 15px/1.5 system-ui, sans-serif;
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th.number, td.number { text-align: right; white-space: nowrap; }
.scroll { overflow-x: auto; }
.scroll td { overflow-wrap: break-word; max-width: 24rem; }
.refusal th { white-space: nowrap; }
.tiles { display: flex; flex-wrap: wrap; gap: .8rem; padding: 0; list-style: none; }
.tiles li { border: 1px solid var(--line); border-left: .4rem solid; padding: .3rem .9rem; }
.tiles b { display: block; font-size: 1.4rem; }
.tiles small { display: block; max-width: 12rem; opacity: .75; }
img { max-width: 100%; height: auto; }
figure, .refusal { margin: 1rem 0; }
footer, .note { opacity: .75; font-size: .9rem; }
"""


def report(
    log: pd.DataFrame, path: str | os.PathLike[str], *, title: str | None = None
) -> Path:
    """Write a self-contained HTML report of an event log.

    Parameters
    ----------
    log : DataFrame
        Event log; an empty one gives a report that says so.
    path : str or path
        The file to write; one that is there is replaced.
    title : str, optional
        The heading; the campaign's name if omitted and the log has one.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ColumnError
        The log lacks a column of the event log.
    """
    require_columns(log, *COLUMNS)
    if title is None:
        names = log["campaign_id"].dropna().unique()
        title = f"Campaign {names[0]}" if len(names) == 1 else "Event log"
    heading = to_html(visible(title, max_chars=_MAX_CHARS))
    body = "\n".join(_sections(log, heading))
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # Even if something foreign slipped through: nothing is run, nothing is fetched.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "img-src data:; style-src 'unsafe-inline'\">\n"
        f"<title>{heading}</title>\n<style>{_CSS}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )
    path = Path(path)
    path.write_text(page, encoding="utf-8")
    return path


def _sections(log: pd.DataFrame, heading: str) -> Iterator[str]:
    yield f"<h1>{heading}</h1>\n{_when(log)}"
    yield f"<h2>Outcomes</h2>\n{_tiles(log)}"
    yield "<h2>Charts</h2>"
    if replies(log).empty:
        yield "<p>No replies in this log.</p>"
    else:
        yield from (_figure(log, *chart) for chart in _CHARTS)
    yield "<h2>Most frequent refusals</h2>"
    yield from _refusals(log)
    yield "<h2>Refusals by reason</h2>"
    yield _table(reasons(log)[list(_OF_REASONS)])
    yield "<h2>Outcomes by domain</h2>"
    yield _table(by_domain(log))
    yield "<h2>Latency by command</h2>"
    yield "<p class=note>What the server took for each command alone (service_s).</p>"
    yield _table(latency_by_command(log))
    yield "<h2>Reply codes by command</h2>"
    yield _table(reply_codes(log, "verb"))
    yield f"<footer><p>{to_html(_versions())}</p></footer>"


def _when(log: pd.DataFrame) -> str:
    if log.empty:
        return "<p>The log is empty.</p>"
    start, end = log["time"].min(), log["time"].max()
    sessions = counted(log["session_id"].nunique(), "session", "sessions")
    servers = [visible(name, max_chars=60) for name in log["server"].dropna().unique()[:3]]
    with_whom = f" with {', '.join(servers)}" if servers else ""
    if pd.isna(start):
        text = f"{sessions}{with_whom}; when it was, the log does not tell."
    else:
        length = duration((end - start).total_seconds())
        text = f"{start:%Y-%m-%d %H:%M:%S} UTC, {length}, {sessions}{with_whom}."
    return f"<p>{to_html(text)}</p>"


def _tiles(log: pd.DataFrame) -> str:
    counts = {name: n for name, n in count_outcomes(log).items() if n}
    if not counts:
        return "<p>No recipient has an outcome in this log.</p>"
    tiles = "".join(
        f'<li style="border-left-color: {one.color}"><b>{n:,}</b>'
        f'<span title="{one.meaning}"><span aria-hidden="true">{one.icon}</span> '
        f"{one.word}</span><small>{one.meaning}</small></li>"
        for one, n in ((state(name), n) for name, n in counts.items())
    )
    whole = counted(sum(counts.values()), "recipient", "recipients")
    return f'<ul class="tiles">{tiles}</ul>\n<p>{whole} in all.</p>'


def _refusals(log: pd.DataFrame) -> Iterator[str]:
    table = refusals(log)
    if table.empty:
        yield "<p>Nothing was refused.</p>"
    for row in table.head(_MAX_REFUSALS).to_dict("records"):
        text = "" if pd.isna(row["reply_text"]) else row["reply_text"]
        reply = Reply.of(row["reply_code"], text)
        verb = None if pd.isna(row["verb"]) else row["verb"]
        after = f" after {visible(verb, max_chars=40)}" if verb else ""
        times = counted(row["times"], "time", "times")
        others = f", in {row['texts']:,} wordings" if row["texts"] > 1 else ""
        heading = to_html(f"{reply.code}{after}: {times}{others}")
        explanation = explain(reply, verb=verb)._repr_html_()
        yield f'<div class="refusal"><h3>{heading}</h3>\n{explanation}</div>'
    if len(table) > _MAX_REFUSALS:
        yield _note(f"{len(table) - _MAX_REFUSALS:,} rarer kinds of refusal are not shown.")


def _figure(log: pd.DataFrame, plot: Callable[..., Axes], height: float) -> str:
    light, ax = _picture(log, plot, height, "light")
    dark, _ = _picture(log, plot, height, "dark", place=ax.get_position())
    return (
        f'<figure><picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{to_html(alt_text(ax))}"></picture></figure>'
    )


def _picture(
    log: pd.DataFrame,
    plot: Callable[..., Axes],
    height: float,
    theme: str,
    *,
    place: Bbox | None = None,
) -> tuple[str, Axes]:
    """Draw a chart for a light or dark page: a PNG as data URL, and the chart's Axes.

    To find the Axes' place takes as long as drawing; another theme's is the same.
    """
    ink, paper = _INK[theme], _PAPER[theme]
    inked = (
        "text.color",
        "axes.edgecolor",
        "axes.labelcolor",
        "xtick.color",
        "ytick.color",
    )
    papered = ("axes.facecolor", "figure.facecolor", "savefig.facecolor")
    colors: Any = dict.fromkeys(inked, ink) | dict.fromkeys(papered, paper)
    png = io.BytesIO()
    with mpl.rc_context(colors):
        figure = Figure(
            figsize=(9, height), layout="constrained" if place is None else None
        )
        ax = plot(log, ax=figure.subplots())
        if place is not None:
            ax.set_position(place)
        figure.savefig(png, format="png", dpi=110)
    encoded = base64.b64encode(png.getvalue()).decode("ascii")
    return f"data:image/png;base64,{encoded}", ax


def _table(table: pd.DataFrame) -> str:
    if table.empty:
        return "<p>Nothing to count.</p>"
    number = [pd.api.types.is_numeric_dtype(dtype) for dtype in table.dtypes]
    classes = [' class="number"' if flag else "" for flag in number]
    names = [str(name) for name in table.columns]
    heads = zip(classes, names, strict=True)
    head = "".join(f"<th{c}>{to_html(_heading(name))}</th>" for c, name in heads)
    rows = "".join(
        f"<tr>{_cells(names, classes, row)}</tr>\n"
        for row in table.head(_MAX_ROWS).itertuples(index=False, name=None)
    )
    left_out = len(table) - _MAX_ROWS
    note = _note(f"{left_out:,} more rows are not shown.") if left_out > 0 else ""
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{rows}</tbody></table></div>{note}"
    )


def _heading(column: str) -> str:
    """Give a column's name in words; its cells name their unit."""
    if column in STATES:
        return str(STATES[column])
    return column.removesuffix("_s").replace("_", " ")


def _cells(names: list[str], classes: list[str], row: tuple[Any, ...]) -> str:
    cells = zip(names, classes, row, strict=True)
    return "".join(f"<td{class_}>{_cell(name, cell)}</td>" for name, class_, cell in cells)


def _cell(name: str, value: Any) -> str:
    if pd.isna(value):
        return "-"
    if name == "share":
        return f"{value:.1%}"
    if name.endswith("_s"):
        return duration(value)
    if name == "reply_code" or isinstance(value, str):
        return to_html(visible(str(value), max_chars=_MAX_CHARS))
    return f"{value:,}"


def _note(text: str) -> str:
    return f'<p class="note">{to_html(text)}</p>'


def _versions() -> str:
    try:
        own = version("smtpbook")
    except PackageNotFoundError:  # a checkout that was not installed
        own = "(not installed)"
    return (
        f"smtpbook {own}, Python {platform.python_version()}, pandas {pd.__version__}, "
        f"matplotlib {mpl.__version__}"
    )
