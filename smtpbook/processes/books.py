"""Books at a sender: all that it tells of its recipients goes to the process that began.

Theory of operation.  That process holds the ledger and writes all of it; a promise is kept
when it says so.  Marks are the exception: whoever sends a message writes its mark itself,
just before, so that it is there even if both processes are killed at that instant.  A
sender that is left alone begins nothing more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from smtpbook.errors import LedgerError
from smtpbook.ledger.books import Books, listed
from smtpbook.ledger.choosing import Reader
from smtpbook.ledger.connection import Connection
from smtpbook.ledger.entries import Entry
from smtpbook.ledger.marks import MARKS, Marks
from smtpbook.ledger.schema import connect
from smtpbook.ledger.standings import FILE
from smtpbook.ledger.writer import Promise, Work
from smtpbook.processes.pipe import Pipe
from smtpbook.processes.words import Intended, Noted, Withdrawn
from smtpbook.transfer.transaction import RecipientResult

T = TypeVar("T")


class ToldBooks(Books):
    """The books of one sender.

    Parameters
    ----------
    folder : Path
        The campaign's.
    pipe : Pipe
        To the process that began the send.

    Raises
    ------
    LedgerError
        The ledger cannot be read, or no marks be written.
    """

    def __init__(self, folder: Path, pipe: Pipe) -> None:
        self._pipe, self._promises = pipe, _Promises()
        self._marks = Marks(folder / MARKS, None, is_joined=True)
        super().__init__(Reader(connect(folder / FILE)), self._promises, "hold", None)

    def hear_of_intent(self, error: str | None) -> None:
        """Know that the next intent is written; with an error: that none is any more."""
        self._promises.settle(error)

    def intend(self, entries: Entry | Sequence[Entry], message_id: str) -> Promise | None:
        """Have it written down that a message is about to be sent; as `Books.intend`."""
        promise = super().intend(entries, message_id)
        self._pipe.put(Intended([e.position for e in listed(entries)], message_id))
        return promise

    def begin(self, entries: Entry | Sequence[Entry]) -> None:
        """Mark that the mail data begins; as `Ledger.begin`."""
        super().begin(entries)
        for entry in listed(entries):
            self._marks.add(entry.position, entry.attempts + 1)

    def note(
        self,
        entry: Entry,
        result: RecipientResult,
        *,
        session_id: str | None = None,
        due: float | None = None,
    ) -> None:
        """Have it kept what became of a recipient; as `Books.note`."""
        super().note(entry, result, session_id=session_id, due=due)
        word = Noted.of(entry.position, result, session_id, due)
        self._pipe.put(word, can_wait=True)  # it goes with the next intent

    def withdraw(self, entries: Entry | Sequence[Entry]) -> None:
        """Have an intent taken back; as `Books.withdraw`."""
        self._pipe.put(Withdrawn([e.position for e in listed(entries)]))

    def close(self) -> None:
        """Close what is open here."""
        super().close()
        self._marks.close()


class _Promises:
    """Stands where a ledger's writer is, and writes nothing: `Writes`."""

    def __init__(self) -> None:
        self._waiting: deque[Promise] = deque()
        self._error: LedgerError | None = None

    def check(self) -> None:
        if self._error is not None:
            raise LedgerError(str(self._error)) from self._error

    def promise(self) -> Promise:
        return Promise()

    def add(self, work: Work, waiter: Promise | Future[Any] | None = None) -> None:
        if isinstance(waiter, Promise):
            self._waiting.append(waiter)

    def call(self, work: Callable[[Connection], T]) -> T:
        raise LedgerError("only the process that began the send writes its ledger")

    def settle(self, error: str | None) -> None:
        if self._error is not None:  # nobody waits; what was on its way comes too late
            return
        if error is None:
            self._waiting.popleft().settle(None)
            return
        self._error = LedgerError(error)
        while self._waiting:
            self._waiting.popleft().settle(self._error)

    def close(self) -> None:
        """Leave it to that process."""
