"""Verdicts: what the tries of one send came to, and who gets another.

It tells the books, the display and the queue; whether a stop rule finds that enough is for
`delivery` to act on.
"""

from __future__ import annotations

from typing import Final

from smtpbook.delivery.clock import Clock
from smtpbook.delivery.queue import QueueOf
from smtpbook.errors import LocalProtocolError, TemplateError
from smtpbook.ledger.books import Books, cause
from smtpbook.ledger.entries import Entry
from smtpbook.pacing.retry import Retry
from smtpbook.pacing.stopping import StopWhen, Tally, why_enough
from smtpbook.progress import Display
from smtpbook.transfer.transaction import RecipientResult

# What we do not send ourselves gets no better by waiting.
_OURS: Final = (TemplateError, LocalProtocolError)


class Verdicts:
    """Takes what the tries of one send came to.

    Parameters
    ----------
    books : Books
        Keep what became of each.
    queue_of : callable
        Gives the queue that takes back who is tried again.
    clock : Clock
    display : Display
    retry : Retry or None
    stop_when : tuple of callable
    """

    def __init__(
        self,
        books: Books,
        queue_of: QueueOf,
        clock: Clock,
        display: Display,
        retry: Retry | None,
        stop_when: tuple[StopWhen, ...],
    ) -> None:
        self._books, self._queue_of, self._clock = books, queue_of, clock
        self._display, self._retry, self._stop_when = display, retry, stop_when
        self._tally = Tally()
        self._waiting: dict[int, tuple[float, int]] = {}  # by position: first try, tries

    def conclude(
        self,
        entry: Entry,
        verdict: RecipientResult,
        error: Exception | None,
        session_id: str | None,
    ) -> str | None:
        """Note what a try came to; give why a stop rule finds it enough, or None."""
        now = self._clock.now()
        first, tries = self._waiting.pop(entry.position, (now, 0))
        if tries:  # counted where the last try left it
            self._tally.add(entry.outcome or "", entry.reason, -1)
        pause_s = None
        if self._retry is not None and not isinstance(error, _OURS):
            text = "" if verdict.reply is None else verdict.reply.text
            pause_s = self._retry.pause_s(
                verdict.outcome, cause(verdict), text, tries + 1, now - first
            )
        due = None if pause_s is None else self._clock.wall(now + pause_s).timestamp()
        self._books.note(entry, verdict, session_id=session_id, due=due)
        self._tally.add(verdict.outcome, entry.reason)
        self._display.update(self._tally.tried, self._tally.outcomes)
        if pause_s is not None:
            self._waiting[entry.position] = (first, tries + 1)
            self._queue_of(entry).put_later(entry, now + pause_s)
        return why_enough(self._stop_when, self._tally)
