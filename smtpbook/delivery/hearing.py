"""Hearing: rows of the event log, listened to for what they say about the pace.

What is made of a reply is `adaptive`'s; here are the columns, the clock, and the record.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from smtpbook.delivery.clock import Clock
from smtpbook.delivery.recording import Recording
from smtpbook.events import COLUMNS, Row
from smtpbook.pacing.adaptive import AdaptiveLimiter, Heard, PaceChange

_KIND, _VERB, _CODE, _STATUS, _TEXT, _SERVICE_S = map(
    COLUMNS.index,
    ("kind", "verb", "reply_code", "enhanced_status", "reply_text", "service_s"),
)
_BEGUN: Final = "begun"  # why the first rate of a send is what it is


class Hearing:
    """A `Sink` that passes every row on and lets an adaptive pace learn from it.

    Parameters
    ----------
    run : Recording
        Takes the rows, and the changes of the pace.
    limiter : AdaptiveLimiter
    clock : Clock
    server : str
        Whose replies they are.
    on_change : callable
        Called when the rate has changed, or the next message may begin later.
    """

    def __init__(
        self,
        run: Recording,
        limiter: AdaptiveLimiter,
        clock: Clock,
        server: str,
        on_change: Callable[[], None],
    ) -> None:
        self._run, self._limiter, self._clock = run, limiter, clock
        self._server, self._on_change = server, on_change

    def begin(self) -> None:
        """Record at what rate the send begins."""
        self._note(PaceChange(self._clock.now(), self._limiter.rate_per_s, _BEGUN))

    def __call__(self, row: Row) -> None:
        """Take a row."""
        self._run.record(row)
        if row[_CODE] is None or row[_KIND] == "outcome":
            return
        heard = Heard(
            verb=row[_VERB],
            code=row[_CODE],
            enhanced_status=row[_STATUS],
            text=row[_TEXT] or "",
            service_s=row[_SERVICE_S],
        )
        change = self._limiter.hear(self._clock.now(), heard)
        if change is not None:
            self._note(change)
            self._on_change()

    def _note(self, change: PaceChange) -> None:
        self._run.note_pace(
            time=self._clock.wall(change.at),
            server=self._server,
            rate_per_s=change.rate_per_s,
            why=change.why,
        )
