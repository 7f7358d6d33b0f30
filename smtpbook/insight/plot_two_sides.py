"""Chart of one session from both its ends: what was said, and what of it arrived when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
from matplotlib import rcParams

from smtpbook.charts.canvas import HEAD, new_axes, say, tidy
from smtpbook.errors import SMTPBookError, near_miss
from smtpbook.escape import visible
from smtpbook.log.join_sides import join_sides
from smtpbook.palette import GREY, PURPLE, SEVERITY_COLORS
from smtpbook.wording import counted, duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_STEPS: Final = 60
_MAX_CHARS: Final = 64  # of what is said in one step
_CLIENT: Final = 0.0
_SERVER: Final = 1.0
_TIP: Final = 0.007  # from a side's line to the middle of an arrow's head
_INSET: Final = 0.012  # from a side's line to what is said
_LOST: Final = 0.72  # so much of its way an arrow goes that does not arrive


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One line of the picture.

    Attributes
    ----------
    tip : float
        The side it goes to, `_CLIENT` or `_SERVER`.
    left, right : Timestamp or None
        When it was at the client and at the server, each by its own clock.
    arrives : bool
    group : int or None
        Commands of one number were written as one.
    """

    tip: float
    text: str
    left: pd.Timestamp | None
    right: pd.Timestamp | None
    arrives: bool
    color: str | None = None
    group: int | None = None


def plot_two_sides(
    ours: pd.DataFrame,
    theirs: pd.DataFrame,
    session_id: str | None = None,
    *,
    max_steps: int = _MAX_STEPS,
    ax: Axes | None = None,
) -> Axes:
    """Sequence diagram of a session from the client's log and the server's, both clocks.

    Parameters
    ----------
    ours, theirs : DataFrame
        Event logs of the client and of the server, such as ``run.log`` and ``lab.log``.
    session_id : str, optional
        Which session of ``ours``.  Default: the first that both have.
    max_steps : int
        Of longer sessions the first so many steps are shown, and the rest is counted.
    ax : Axes, optional
        Where to draw.  A new figure is made if omitted; the current one is never touched.

    Returns
    -------
    Axes
        Time runs down, a line for each step, not to scale: at the left when it was at the
        client, at the right when it was at the server, both since the first step and by
        the client's clock; by how much the server's is ahead of that, and how sure this
        is, stands below.  An arrow that ends in a cross was said and not heard: a lost
        reply leaves the client in doubt.  Replies have the colour of their severity;
        commands written as one group stand on one band, their replies below.

    Raises
    ------
    ColumnError
        A log lacks a column.
    SMTPBookError
        The session is not in ``ours``, or not in ``theirs``.

    See Also
    --------
    join_sides : the same as a table, of all sessions, with the offset of the clocks.
    plot_conversation : one side's.
    """
    sides = join_sides(ours, theirs)
    rows = _session(sides, ours, session_id)
    every = list(_steps(rows))
    steps = every[:max_steps]
    ax = new_axes(9.5, 1.2 + 0.27 * max(len(steps), 4)) if ax is None else ax
    if not steps:
        tidy(ax, "Both sides of a session")
        return say(ax, "The two logs have no session in common.")

    unheard = sum(not step.arrives for step in every)
    lost = f"{unheard} never arrived" if unheard else "all arrived"
    shown = counted(len(every), "step", "steps")
    if len(steps) < len(every):
        shown = f"the first {len(steps)} of {shown}"
    names = visible(
        f"{rows['session_id'].iloc[0]} and {rows['their_session_id'].iloc[0]}", max_chars=48
    )
    skew = _skew(rows["offset_s"].iloc[0], rows["offset_bound_s"].iloc[0])
    tidy(
        ax,
        f"Session {names}: {shown}, {lost}",
        "Sequence diagram of both sides",
        f"{skew}. " + " ".join(map(_told, steps[:12])),
        above=HEAD,
    )
    _ground(ax, steps)
    for row, step in enumerate(steps):
        _draw(ax, row, step)
    _write_times(ax, steps, rows["offset_s"].iloc[0])
    for x, who in ((_CLIENT, "client"), (_SERVER, "server")):
        ax.vlines(x, -0.9, len(steps) - 0.3, rcParams["text.color"], lw=1.2)
        place = ax.annotate(who, (x, -0.9), (0, 3), textcoords="offset points", ha="center")
        place.set(weight="bold", annotation_clip=False)
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(len(steps) - 0.3, -0.9)
    ax.set_axis_off()
    grouped = any(step.group is not None for step in steps)
    notes = f"{skew}{'; grey band: written as one group' if grouped else ''}"
    place = ax.annotate(notes, (0, 0), (0, -4), "axes fraction", "offset points")
    place.set(size="small", va="top", annotation_clip=False)
    return ax


def _session(sides: pd.DataFrame, ours: pd.DataFrame, wanted: str | None) -> pd.DataFrame:
    if wanted is None:
        return sides[sides["session_id"] == sides["session_id"].iloc[:1].squeeze()]
    rows = sides[sides["session_id"] == wanted]
    if rows.empty:
        known = ours["session_id"].dropna().unique()
        if wanted in known:
            raise SMTPBookError(
                f"session '{visible(wanted)}' is not in the server's log: no session there "
                f"says what this client heard"
            )
        hint = near_miss(wanted, known)
        raise SMTPBookError(f"no session '{visible(wanted)}' in the client's log{hint}")
    return rows


def _steps(rows: pd.DataFrame) -> Iterator[_Step]:
    """Give what was said: a group's commands, then their replies."""
    plain = rows.astype(object).where(rows.notna(), None)
    for number, group in groupby(
        plain.itertuples(index=False, name="Both"), key=lambda both: both.pipelined
    ):
        together = list(group)
        parts = [[both] for both in together] if number is None else [together]
        for part in parts:
            for both in part:
                yield from _sent(both, number if len(part) > 1 else None)
            for both in part:
                yield from _replied(both)


def _sent(both: Any, group: int | None) -> Iterator[_Step]:
    if both.verb == "GREETING":
        return
    text = both.command or both.verb or "?"
    yield _Step(
        tip=_SERVER,
        text=_short(f"{text} (end of mail data)" if text == "." else text),
        left=both.sent,
        right=both.read,
        arrives=both.read is not None or both.their_reply_code is not None,
        group=group,
    )


def _replied(both: Any) -> Iterator[_Step]:
    code, text = both.reply_code, both.reply_text
    arrives = code is not None
    if not arrives:
        code, text = both.their_reply_code, both.their_reply_text
    if code is None:
        return
    first, *more = (text or "").split("\n")
    lines = f" (+ {counted(len(more), 'line', 'lines')})" if more else ""
    yield _Step(
        tip=_CLIENT,
        text=_short(f"{code} {first}".rstrip()) + lines,
        left=both.received,
        right=both.answered,
        arrives=arrives,
        color=SEVERITY_COLORS.get(code // 100),
    )


def _skew(offset_s: float, bound_s: float) -> str:
    """Say how the two clocks differ."""
    if pd.isna(offset_s):
        return "The clocks cannot be compared: no exchange has the times of both"
    if abs(offset_s) <= bound_s:
        return f"The clocks agree within {duration(abs(offset_s) + bound_s)}"
    way = "ahead" if offset_s > 0 else "behind"
    return (
        f"The server's clock is {duration(abs(offset_s))} {way} (± {duration(bound_s)}); "
        f"its times are set to the client's"
    )


def _told(step: _Step) -> str:
    who = "Client" if step.tip == _SERVER else "Server"
    return f"{who}{'' if step.arrives else ', unheard'}: {step.text}."


def _ground(ax: Axes, steps: list[_Step]) -> None:
    """Underlay each group of commands."""
    for group, members in groupby(enumerate(steps), key=lambda numbered: numbered[1].group):
        places = [row for row, _ in members]
        if group is not None:
            top, bottom = places[0] - 0.62, places[-1] + 0.3
            ax.fill_between([0, 1], top, bottom, color=GREY, alpha=0.22, lw=0, zorder=0.5)


def _draw(ax: Axes, row: int, step: _Step) -> None:
    color = step.color or rcParams["text.color"]
    tail = 1 - step.tip
    toward = step.tip - tail
    end = step.tip if step.arrives else tail + _LOST * toward
    ax.plot([tail, end], [row, row], color, ls="-" if step.arrives else "--", lw=1.4)
    if step.arrives:
        # The marker's middle is a little before the line at which it points.
        ax.plot(end - _TIP * toward, row, ">" if toward > 0 else "<", c=color, ms=6)
    else:
        ax.plot(end, row, "x", color=PURPLE, ms=8, mew=2.2)
    inset, side = (_INSET, "left") if toward > 0 else (1 - _INSET, "right")
    place = ax.annotate(step.text, (inset, row), (0, 1.5), textcoords="offset points")
    place.set(ha=side, va="bottom", size="small", parse_math=False)


def _write_times(ax: Axes, steps: list[_Step], offset_s: float) -> None:
    """Write when each step was at either side, where that is another time."""
    offset = pd.Timedelta(seconds=0 if pd.isna(offset_s) else offset_s)
    sides: tuple[tuple[float, float, str, list[pd.Timestamp | None]], ...] = (
        (_CLIENT, -8, "right", [step.left for step in steps]),
        (
            _SERVER,
            8,
            "left",
            [None if step.right is None else step.right - offset for step in steps],
        ),
    )
    known = [time for _, _, _, times in sides for time in times if time is not None]
    for x, points, side, times in sides:
        before = ""
        for row, time in enumerate(times):
            said = (
                "" if time is None else f"+{duration((time - min(known)).total_seconds())}"
            )
            if said and said != before:
                _write(ax, said, (x, row), (points, 0), side, "center")
            before = said or before
    if known:
        start = f"+ since {min(known):%H:%M:%S.%f}"[:-3] + " UTC"
        _write(ax, start, (0.5, -0.9), (0, 3), "center", "bottom")


def _write(
    ax: Axes,
    text: str,
    at: tuple[float, float],
    points: tuple[float, float],
    side: str,
    height: str,
) -> None:
    place = ax.annotate(text, at, points, textcoords="offset points")
    place.set(ha=side, va=height, size="small", annotation_clip=False)


def _short(text: str) -> str:
    return visible(text, max_chars=_MAX_CHARS)
