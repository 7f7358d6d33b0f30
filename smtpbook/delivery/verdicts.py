"""Verdicts: what the tries of one send came to, and who gets another.

It tells the plan, the display and the queue; whether a stop rule finds that enough is for
`delivery` to act on.
"""

from __future__ import annotations

from typing import Final

from smtpbook.delivery.plan import Plan
from smtpbook.delivery.queue import Queue
from smtpbook.errors import LocalProtocolError, TemplateError
from smtpbook.ledger.entries import Entry
from smtpbook.ledger.ledger import Ledger
from smtpbook.pacing.retry import Retry
from smtpbook.pacing.stopping import StopWhen, Tally, why_enough
from smtpbook.progress import Display
from smtpbook.protocol.transaction import RecipientResult

# What we do not send ourselves gets no better by waiting.
_OURS: Final = (TemplateError, LocalProtocolError)


class Verdicts:
    """The books of one send.

    Parameters
    ----------
    plan : Plan or Ledger
        Keeps what became of each.
    queue : Queue
        Takes back who is tried again.
    display : Display
    retry : Retry or None
    stop_when : tuple of callable
    """

    def __init__(
        self,
        plan: Plan | Ledger,
        queue: Queue,
        display: Display,
        retry: Retry | None,
        stop_when: tuple[StopWhen, ...],
    ) -> None:
        self._plan, self._queue, self._display = plan, queue, display
        self._retry, self._stop_when = retry, stop_when
        self._tally = Tally()
        self._waiting: dict[int, tuple[float, int]] = {}  # by place: first try, tries

    def waits_for_retry(self, entry: Entry) -> bool:
        """Whether a recipient has been tried and will be again."""
        return entry.place in self._waiting

    def conclude(
        self,
        entry: Entry,
        verdict: RecipientResult,
        error: Exception | None,
        now: float,
    ) -> str | None:
        """Note what a try came to; give why a stop rule finds it enough, or None."""
        first, tries = self._waiting.pop(entry.place, (now, 0))
        if tries:  # counted where the last try left it
            self._tally.add(entry.outcome or "", entry.reason, -1)
        self._plan.note(entry, verdict)
        self._tally.add(verdict.outcome, entry.reason)
        self._display.update(self._tally.tried, self._tally.outcomes)
        if self._retry is not None and not isinstance(error, _OURS):
            text = "" if verdict.reply is None else verdict.reply.text
            pause_s = self._retry.pause_s(
                verdict.outcome, entry.reason, text, tries + 1, now - first
            )
            if pause_s is not None:
                self._waiting[entry.place] = (first, tries + 1)
                self._queue.put_later(entry, now + pause_s)
        return why_enough(self._stop_when, self._tally)
