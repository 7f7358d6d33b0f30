"""Standing: how far one student of a classroom is, counted as it happens.

A dashboard that read every log anew would cost more the longer the class lasts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from smtpbook.events import Event
from smtpbook.grading.exercise import Exercise


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeSeen:
    """A reply code that a student got.

    Attributes
    ----------
    code : int
    replies : int
        How often.
    command : str or None
        The last one that got it, secrets redacted; None = the greeting.
    """

    code: int
    replies: int
    command: str | None


class Standing:
    """How far a student is.

    Parameters
    ----------
    exercises : sequence of Exercise
        Of the lesson, in order.
    solved : iterable of str
        The names of those solved before.

    Attributes
    ----------
    sessions : int
        Begun so far.
    last_command : str or None
        Secrets redacted; None = nothing was said yet.
    last_code : int or None
        Of its reply; None = there was none.
    last_seen : datetime or None
        When the last command came, or the last check, UTC.
    """

    def __init__(self, exercises: Sequence[Exercise], solved: Iterable[str] = ()) -> None:
        self._exercises = tuple(exercises)
        self._solved = set(solved)
        self._tries = 0
        self._codes: Counter[int] = Counter()
        self._command_of: dict[int, str | None] = {}
        self._lock = Lock()  # a Counter cannot be read while another thread adds to it
        self.sessions = 0
        self.last_command: str | None = None
        self.last_code: int | None = None
        self.last_seen: datetime | None = None

    def hear(self, event: Event) -> None:
        """Count what a lab server heard and said."""
        with self._lock:
            self.last_seen = event.time
            if event.kind == "greeting":
                self.sessions += 1
            elif event.kind == "command":
                self.last_command = event.command or event.verb
                self.last_code = event.reply_code
            if event.reply_code is not None:
                self._codes[event.reply_code] += 1
                self._command_of[event.reply_code] = event.command or (
                    None if event.kind == "greeting" else event.verb
                )

    def check(self, exercise: str, when: datetime, *, is_solved: bool) -> None:
        """Count what a check came to; what was solved once stays so."""
        with self._lock:
            self._tries += 1
            self.last_seen = max(when, self.last_seen or when)
            if is_solved:
                self._solved.add(exercise)

    @property
    def tries(self) -> int:
        """How many checks there were."""
        return self._tries

    @property
    def solved(self) -> int:
        """How many exercises are solved."""
        return len(self._solved)

    @property
    def points(self) -> int:
        """What they are worth."""
        return sum(one.points for one in self._exercises if one.name in self._solved)

    @property
    def works_at(self) -> str | None:
        """The first exercise that is not solved; None = all are."""
        open_ones = (one.name for one in self._exercises if one.name not in self._solved)
        return next(open_ones, None)

    @property
    def codes(self) -> list[CodeSeen]:
        """The reply codes so far, ascending."""
        with self._lock:
            return [
                CodeSeen(code=code, replies=count, command=self._command_of[code])
                for code, count in sorted(self._codes.items())
            ]
