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
from smtpbook.ledger.patience import Patience
from smtpbook.ledger.schema import connect
from smtpbook.ledger.standings import FILE
from smtpbook.ledger.writer import Promise, Work
from smtpbook.processes.pipe import LINGER_S, Pipe
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
        self._pipe, self._promises = pipe, _Promises(pipe)
        self._marks = Marks(folder / MARKS, None, is_joined=True)
        super().__init__(Reader(connect(folder / FILE)), self._promises, "hold", None)

    def hear_of_intents(self, count: int, error: str | None) -> None:
        """Know that the next intents are written; with an error: that none is any more."""
        if error is None:
            self._promises.keep(count)
        else:
            self._promises.break_all(error)

    def intend(self, entries: Entry | Sequence[Entry], message_id: str) -> Promise | None:
        """Have it written down that a message is about to be sent; as `Books.intend`."""
        promise = super().intend(entries, message_id)
        word = Intended([e.position for e in listed(entries)], message_id)
        self._pipe.put(word, wait_s=self._promises.patience.wait_s)
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
        self._pipe.put(word, wait_s=LINGER_S)  # it goes with the next intent

    def withdraw(self, entries: Entry | Sequence[Entry]) -> None:
        """Have an intent taken back; as `Books.withdraw`."""
        self._pipe.put(Withdrawn([e.position for e in listed(entries)]))

    def close(self) -> None:
        """Close what is open here."""
        super().close()
        self._marks.close()


class _Promises:
    """Stands where a ledger's writer is, and writes nothing: `Writes`."""

    def __init__(self, pipe: Pipe) -> None:
        self.patience = Patience()
        self._pipe = pipe
        self._waiting: deque[Promise] = deque()
        self._error: LedgerError | None = None

    def check(self) -> None:
        if self._error is not None:
            raise LedgerError(str(self._error)) from self._error

    def promise(self) -> Promise:
        return Promise(self._pipe.hurry)

    def add(self, work: Work, waiter: Promise | Future[Any] | None = None) -> None:
        if isinstance(waiter, Promise):
            self._waiting.append(waiter)

    def call(self, work: Callable[[Connection], T]) -> T:
        raise LedgerError("only the process that began the send writes its ledger")

    def keep(self, count: int) -> None:
        if self._error is not None:  # nobody waits; what was on its way comes too late
            return
        kept = [self._waiting.popleft() for _ in range(count)]
        self.patience.learn(was_late=any(promise.is_hurried for promise in kept))
        for promise in kept:
            promise.settle(None)

    def break_all(self, error: str) -> None:
        self._error = self._error or LedgerError(error)
        while self._waiting:
            self._waiting.popleft().settle(self._error)

    def close(self) -> None:
        """Leave it to that process."""
