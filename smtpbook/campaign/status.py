"""Status: how far a send has come, as a record that shows itself.

A snapshot: `Live.status` makes one whenever somebody asks.  What it is made of is kept
while the send goes on, a few numbers and a few rows, however long the log grows.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from smtpbook.codes.explain import explain
from smtpbook.codes.explanation import Explanation
from smtpbook.escape import to_html, visible
from smtpbook.events import COLUMNS, Row, Sink
from smtpbook.progress import Display, Silent
from smtpbook.protocol.replies import Reply
from smtpbook.states import INK, state, told
from smtpbook.wording import lasting

SendState = Literal["preparing", "running", "paused", "stopping", "done", "failed"]

_SAMPLES: Final = 11  # a second apart: "now" is the last ten seconds
_KINDS: Final = 4  # of replies: as many as one looks at
_SOON: Final = timedelta(seconds=3)  # an even pace is no waiting
_SHOWN: Final = 200  # characters of one reply
_OUTCOME, _VERB, _CODE, _ENHANCED, _TEXT, _SERVER = map(
    COLUMNS.index,
    ("outcome", "verb", "reply_code", "enhanced_status", "reply_text", "server"),
)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Status:
    """How far a send has come.

    Printed it is a few lines of text; in a notebook it is a table.

    Attributes
    ----------
    campaign : str
        Its name.
    state : {"preparing", "running", "paused", "stopping", "done", "failed"}
        Preparing: every row is tried before the first connection.  Stopping: nothing new
        begins, what has begun comes to its verdict.
    counts : dict of str to int
        Recipients by outcome.
    done : int
        Recipients tried.
    total : int or None
        Recipients this send is for; None = not yet known.
    rate_per_s : float
        Recipients a second: in about the last ten seconds; at the end, in the whole send.
    started : datetime
        UTC.
    ended : datetime or None
        UTC; None = it has not.
    eta : datetime or None
        When everybody will have been tried, at this rate; UTC; None = cannot be told.
    waits_until : datetime or None
        When the next message begins, where that is some seconds away: the pace, quiet
        hours, a retry or the server ask for it; UTC.
    replies : tuple of Explanation
        The last replies that decided, the newest first, one of each kind.
    why : str or None
        Why it is paused, stopping, stopped or failed; None = it is none of these.
    """

    campaign: str
    state: SendState
    counts: Mapping[str, int]
    done: int
    total: int | None
    rate_per_s: float
    started: datetime
    ended: datetime | None
    eta: datetime | None
    waits_until: datetime | None
    replies: tuple[Explanation, ...]
    why: str | None

    @property
    def share(self) -> float:
        """The part that is done, 0 to 1."""
        if self.total is None:
            return 0.0
        return min(1.0, self.done / self.total) if self.total else 1.0

    @property
    def headline(self) -> str:
        """State, progress and speed in a line, safe to print."""
        parts = [self.state if self.why is None else f"{self.state}: {self.why}"]
        if self.total is not None:
            parts.append(f"{self.done:,} of {self.total:,} ({int(100 * self.share)} %)")
        if self.waits_until is not None:
            parts.append(f"waits until {_clock(self.waits_until)}")
        elif self.rate_per_s:
            parts.append(f"{self.rate_per_s:,.3g} a second")
        if self.eta is not None:
            parts.append(f"done at about {_clock(self.eta)}")
        if self.ended is not None:
            parts.append(f"in {lasting((self.ended - self.started).total_seconds())}")
        return visible(", ".join(parts))

    def __str__(self) -> str:
        lines = [f"{visible(self.campaign)}: {self.headline}", told(self.counts)]
        for one in self.replies:
            said = visible(f"{one.verb}: {one.text}", max_chars=_SHOWN)
            lines.append(f"{said} ({visible(one.meaning)})")
        return "\n  ".join(filter(None, lines))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        counts = " ".join(
            f'<span style="margin-right: 1.5em">{state(name).to_html()} <b>{n:,}</b></span>'
            for name, n in self.counts.items()
            if n
        )
        rows = "".join(_row(one) for one in self.replies)
        return (
            f'<div style="{INK}"><b>{to_html(self.campaign)}</b>: {to_html(self.headline)}'
            f'<div style="line-height: 2">{counts}</div>'
            f'<table style="color: inherit; line-height: 1.4"><tbody>{rows}</tbody></table>'
            "</div>"
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Give both forms to a notebook."""
        return {"text/plain": str(self), "text/html": self._repr_html_()}


def _clock(moment: datetime) -> str:
    """Say when it is by this machine's clock; with the day where that is not today."""
    local = moment.astimezone()
    is_today = local.date() == datetime.now().astimezone().date()
    return f"{local:%H:%M:%S}" if is_today else f"{local:%Y-%m-%d %H:%M}"


def _row(one: Explanation) -> str:
    said = visible(f"{one.verb}: {one.text}", max_chars=_SHOWN)
    left = 'style="text-align: left; vertical-align: top; white-space: normal"'
    remedy = "" if one.permanence == "success" else f" <i>{to_html(one.remedy)}</i>"
    return (
        f'<tr><td {left}><code style="color: inherit; background: none">{to_html(said)}'
        f"</code></td><td {left}>{to_html(one.meaning)}{remedy}</td></tr>"
    )


class Speed:
    """How fast something goes: over the last ten seconds or so.

    Parameters
    ----------
    now : float
        Seconds of any clock that never goes back.
    done : int
        How much is done by then.
    """

    __slots__ = ("_seen",)

    def __init__(self, now: float, done: int = 0) -> None:
        self._seen = deque([(now, done)], maxlen=_SAMPLES)

    def note(self, now: float, done: int) -> None:
        """Take how much is done by now; cheap."""
        if now - self._seen[-1][0] >= 1:
            self._seen.append((now, done))

    def per_s(self, now: float, done: int) -> float:
        """Give how much was done a second; 0 within the first."""
        since, then = self._seen[0]
        return (done - then) / (now - since) if now - since >= 1 else 0.0


class Watch:
    """What is kept of a send while it goes on, so that to ask how far it is costs little.

    It stands where a display does: what it is told it passes on to the one that is shown.

    Parameters
    ----------
    campaign : str
        Its name.
    sink : callable
        Where the rows of the log go.

    Attributes
    ----------
    total : int or None
        Recipients this send is for; None = not yet known.
    shown : Display
    ended : datetime or None
    """

    def __init__(self, campaign: str, sink: Sink) -> None:
        self._campaign, self._sink = campaign, sink
        self.total: int | None = None
        self.shown: Display = Silent()
        self.ended: datetime | None = None
        self._started = datetime.now(UTC)
        self._done = 0
        self._counts: Mapping[str, int] = {}
        self._replies: dict[tuple[Any, ...], Row] = {}
        self.restart()

    def restart(self) -> None:
        """Measure the speed anew: before this instant nothing was to be done."""
        self._speed = Speed(time.monotonic(), self._done)

    def record(self, row: Row) -> None:
        """Take a row on its way to the log; remember the last reply of each kind."""
        self._sink(row)
        if row[_OUTCOME] is not None and row[_CODE] is not None:
            kind = (row[_VERB], row[_CODE], row[_ENHANCED])
            self._replies.pop(kind, None)
            self._replies[kind] = row  # behind all others
            if len(self._replies) > _KINDS:
                del self._replies[next(iter(self._replies))]

    def update(self, done: int, counts: Mapping[str, int]) -> None:
        """Take how far it is, and pass it on."""
        self._done, self._counts = done, counts
        self._speed.note(time.monotonic(), done)
        self.shown.update(done, counts)

    def close(self) -> None:
        """Have the display leave the final state behind."""
        self.shown.close()

    def status(self, state: SendState, why: str | None, next_at: datetime | None) -> Status:
        """Put it together; from any thread.

        Parameters
        ----------
        state : str
        why : str or None
        next_at : datetime or None
            When the next message begins, if none is on its way; UTC.
        """
        now, done, total, ended = datetime.now(UTC), self._done, self.total, self.ended
        waits_until = None
        if state == "running" and next_at is not None and next_at - now > _SOON:
            waits_until = next_at
        rate, eta = self._speed.per_s(time.monotonic(), done), None
        if ended is not None:
            rate = done / max((ended - self._started).total_seconds(), 1e-3)
        elif state == "paused" or waits_until is not None:
            rate = 0.0
        elif rate > 0 and total is not None:
            eta = now + timedelta(seconds=(total - done) / rate)
        return Status(
            campaign=self._campaign,
            state=state,
            counts=dict(self._counts),
            done=done,
            total=total,
            rate_per_s=rate,
            started=self._started,
            ended=ended,
            eta=eta,
            waits_until=waits_until,
            replies=tuple(map(_explained, reversed(list(self._replies.values())))),
            why=why,
        )


def _explained(row: Row) -> Explanation:
    reply = Reply.of(row[_CODE], row[_TEXT] or "")
    return explain(reply, verb=row[_VERB], host=row[_SERVER])
