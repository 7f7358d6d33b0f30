"""Chart of one session as a sequence diagram: who said what to whom, in which order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from smtpbook.charts import ladder
from smtpbook.charts.canvas import HEAD, new_axes, say, tidy
from smtpbook.charts.one_session import named, one_session, without_dialogue
from smtpbook.events import CLEAR_TEXT
from smtpbook.palette import PLAIN, PURPLE, SEVERITY_COLORS, SKY
from smtpbook.tables.scan import Log
from smtpbook.wording import counted, duration, octets

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_USES: Final = (
    *("time", "session_id", "server", "kind", "verb", "command", "reply_code"),
    *("reply_text", "latency_s", "service_s", "pipelined", "bytes_sent"),
    *("tls_version", "tls_cipher", "error"),
)
_SAYS: Final = {"server": "Client:", "client": "Server:", "both": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One line of the picture.

    Attributes
    ----------
    to : {"server", "client", "both"}
        Whom it reaches; both = what happened to the connection.
    time : Timestamp
        When it was complete.
    took_s : float or None
        What the server took for it.
    group : int or None
        Commands of one number were written as one.
    encrypted : bool
        TLS begins here.
    """

    to: str
    text: str
    time: pd.Timestamp
    color: str | None = None
    took_s: float | None = None
    group: int | None = None
    encrypted: bool = False


def plot_conversation(
    log: Log,
    session_id: str | None = None,
    *,
    recipient: str | None = None,
    max_steps: int = ladder.MAX_STEPS,
    ax: Axes | None = None,
) -> Axes:
    """Sequence diagram of a session: commands to the right, replies to the left.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.
    session_id : str, optional
        Which session.  Default: the first of the log.
    recipient : str, optional
        Only the transactions of this address, in the last session that wrote to it.
    max_steps : int
        Of longer sessions the first so many steps are shown, and the rest is counted.
    ax : Axes, optional
        Where to draw.  A new figure is made if omitted; the current one is never touched.

    Returns
    -------
    Axes
        Time runs down, a line for each step, not to scale: at the left how long after the
        beginning it was, at the right what the server took for the reply.  Replies have
        the colour of their severity.  Commands written as one pipelined group stand on one
        band, their replies below.  What is said under TLS stands on a tinted ground.

    Raises
    ------
    ColumnError
        The log lacks a column.
    SMTPBookError
        The session or the recipient is not in the log.
    """
    # Nearly every row makes one step or two; a group's commands come before its replies.
    most = 2 * max(max_steps, 1)
    rows, found = one_session(log, session_id, recipient, columns=_USES, most=most)
    every = list(_steps(rows))
    steps = every[:max_steps]
    ax = new_axes(9.0, 1.1 + 0.27 * max(len(steps), 4)) if ax is None else ax
    if not steps:
        tidy(ax, "Conversation of a session")
        return say(ax, without_dialogue(session_id, recipient))

    whole = len(steps) == len(every) and len(rows) == found
    number = counted(len(steps), "step", "steps")
    shown = number if whole else f"the first {number}"
    told = " ".join(f"{_SAYS[step.to]} {step.text}." for step in steps[:12])
    tidy(ax, f"{named(rows)}: {shown}", "Sequence diagram", told, above=HEAD)
    _ground(ax, steps)
    for row, step in enumerate(steps):
        _draw(ax, row, step)
    _write_times(ax, steps)
    grouped = any(step.group is not None for step in steps)
    notes = ["grey band: written as one group"] if grouped else []
    notes += ["tinted: under TLS"] if any(step.encrypted for step in steps) else []
    ladder.draw_sides(ax, len(steps), "; ".join(notes))
    return ax


def _steps(rows: pd.DataFrame) -> Iterator[_Step]:
    """Give what was said and what happened: a group's commands, then their replies."""
    for part, group in ladder.parts(rows):
        for event in part:
            yield from _sent(event, group)
        for event in part:
            yield from _received(event)


def _sent(event: Any, group: int | None) -> Iterator[_Step]:
    text = None
    if event.kind == "data":
        text = f"[{octets(event.bytes_sent or 0)} of mail data]"
    elif event.kind == "command" and event.command is not None:
        text = f"{event.command}" + (" (end of mail data)" if event.command == "." else "")
    if text is not None:
        yield _Step(to="server", text=ladder.short(text), time=event.time, group=group)


def _received(event: Any) -> Iterator[_Step]:
    took_s = event.latency_s if event.service_s is None else event.service_s
    time = event.time + pd.Timedelta(seconds=event.latency_s or 0)
    if event.reply_code is not None:
        yield _Step(
            to="client",
            text=ladder.short_reply(event.reply_code, event.reply_text),
            time=time,
            color=SEVERITY_COLORS.get(event.reply_code // 100),
            took_s=took_s,
        )
        return
    failed = event.error is not None
    note = _note(event)
    if note is None and not failed:
        return
    text = f"{note or event.verb or event.kind}: {event.error}" if failed else str(note)
    yield _Step(
        to="both",
        text=ladder.short(text),
        time=time,
        color=PURPLE if failed else PLAIN,
        took_s=took_s,
        encrypted=event.kind == "tls" and not failed and event.command != CLEAR_TEXT,
    )


def _note(event: Any) -> str | None:
    """Say what happened to the connection; None = this row is no such thing."""
    if event.kind == "tls" and event.command == CLEAR_TEXT:
        return "not encrypted: the server takes no STARTTLS"
    if event.kind == "tls":
        return f"{event.tls_version or 'TLS'} {event.tls_cipher or ''}".rstrip()
    proxy = f" {event.command}" if event.command else ""
    if event.kind in ("command", "greeting") and event.error is not None:
        return f"no reply to {event.verb or 'the connection'}"
    return {
        "dns": f"{event.server or 'name'} looked up",
        "connect": f"connected{' to the proxy' if proxy else ''}{proxy}",
        "proxy": f"through the proxy{proxy}",
        "disconnect": "disconnected",
    }.get(event.kind)


def _ground(ax: Axes, steps: list[_Step]) -> None:
    """Tint what is said under TLS, and underlay each group of commands."""
    tls = next((row for row, step in enumerate(steps) if step.encrypted), None)
    if tls is not None:
        ax.fill_between(
            [0, 1], tls, len(steps) - 0.3, color=SKY, alpha=0.12, lw=0, zorder=0
        )
    for group in ladder.places(step.group for step in steps):
        if len(group) > 1:
            ladder.shade(ax, group)


def _draw(ax: Axes, row: int, step: _Step) -> None:
    if step.to == "both":
        around = {"boxstyle": "round,pad=0.25", "fc": ax.get_facecolor(), "ec": step.color}
        ax.text(
            0.5,
            row,
            step.text,
            ha="center",
            va="center",
            size="small",
            bbox=around,
            parse_math=False,
        )
        return
    tip = ladder.SERVER if step.to == "server" else ladder.CLIENT
    ladder.arrow(ax, row, tip, step.text, step.color)


def _moment(time: Any, first: Any) -> str:
    """Say when something was; nothing in a log without times."""
    if pd.isna(time) or pd.isna(first):
        return ""
    since = (time - first).total_seconds()
    return f"+{duration(since)}" if since > 0 else f"{time:%H:%M:%S}"


def _write_times(ax: Axes, steps: list[_Step]) -> None:
    """Write when each step was, where that is another time, and what replies took."""
    before = ""
    for row, step in enumerate(steps):
        said = _moment(step.time, steps[0].time)
        took = "" if step.took_s is None else duration(step.took_s)
        for text, x, points, side in (
            ("" if said == before else said, 0, -8, "right"),
            (took, 1, 56, "right"),
        ):
            if text:
                place = ax.annotate(text, (x, row), (points, 0), textcoords="offset points")
                place.set(ha=side, va="center", size="small", annotation_clip=False)
        before = said
    for text, x, points in (("UTC", 0, -24), ("took", 1, 56)):
        place = ax.annotate(text, (x, -0.9), (points, 3), textcoords="offset points")
        place.set(ha="right", size="small", annotation_clip=False)
