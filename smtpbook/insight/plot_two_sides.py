"""Chart of one session from both its ends: what was said, and what of it arrived when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from smtpbook.charts import ladder
from smtpbook.charts.canvas import HEAD, new_axes, say, tidy
from smtpbook.errors import SMTPBookError, near_miss
from smtpbook.escape import visible
from smtpbook.log.join_sides import join_sides
from smtpbook.palette import SEVERITY_COLORS
from smtpbook.wording import counted, duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One line of the picture.

    Attributes
    ----------
    tip : float
        The side it goes to, `ladder.CLIENT` or `ladder.SERVER`.
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
    max_steps: int = ladder.MAX_STEPS,
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
    groups = list(ladder.places(step.group for step in steps))
    for group in groups:
        ladder.shade(ax, group)
    for row, step in enumerate(steps):
        ladder.arrow(ax, row, step.tip, step.text, step.color, arrives=step.arrives)
    _write_times(ax, steps, rows["offset_s"].iloc[0])
    notes = f"{skew}{'; grey band: written as one group' if groups else ''}"
    ladder.draw_sides(ax, len(steps), notes)
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
    for part, group in ladder.parts(rows):
        for both in part:
            yield from _sent(both, group)
        for both in part:
            yield from _replied(both)


def _sent(both: Any, group: int | None) -> Iterator[_Step]:
    if both.verb == "GREETING":
        return
    text = both.command or both.verb or "?"
    yield _Step(
        tip=ladder.SERVER,
        text=ladder.short(f"{text} (end of mail data)" if text == "." else text),
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
    yield _Step(
        tip=ladder.CLIENT,
        text=ladder.short_reply(code, text),
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
    who = "Client" if step.tip == ladder.SERVER else "Server"
    return f"{who}{'' if step.arrives else ', unheard'}: {step.text}."


def _write_times(ax: Axes, steps: list[_Step], offset_s: float) -> None:
    """Write when each step was at either side, where that is another time."""
    offset = pd.Timedelta(seconds=0 if pd.isna(offset_s) else offset_s)
    sides: tuple[tuple[float, float, str, list[pd.Timestamp | None]], ...] = (
        (ladder.CLIENT, -8, "right", [step.left for step in steps]),
        (
            ladder.SERVER,
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
