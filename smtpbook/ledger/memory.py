"""Memory: the books of a campaign that has no folder; they end with their process.

Nothing is waited for and no thread is started, so virtual clocks may run beside them.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any, Self, TypeVar

from smtpbook.ledger.books import Books, InDoubt, cause, listed
from smtpbook.ledger.choosing import Reader, Rows
from smtpbook.ledger.connection import Connection
from smtpbook.ledger.entries import Entry
from smtpbook.ledger.schema import fill
from smtpbook.ledger.standings import Standings
from smtpbook.ledger.writer import Promise, Work
from smtpbook.transfer.transaction import RecipientResult

T = TypeVar("T")


class MemoryBooks(Books):
    """The books of these recipients; parameters as `smtpbook.ledger.ledger.Ledger`.

    Parameters
    ----------
    addresses : iterable of str
        In the list's order.  One that comes twice counts once.
    campaign_id : str
    in_doubt : {"hold", "resend"}
    rows : callable, optional
    """

    def __init__(
        self,
        addresses: Iterable[str],
        *,
        campaign_id: str = "",
        in_doubt: InDoubt = "hold",
        rows: Rows | None = None,
    ) -> None:
        connection = _connect()
        connection.execute("BEGIN")
        fill(connection, addresses, campaign_id)
        connection.execute("COMMIT")
        self._open(connection, in_doubt, rows)

    def _open(
        self, connection: sqlite3.Connection, in_doubt: InDoubt, rows: Rows | None
    ) -> None:
        lock = threading.Lock()
        writer = _Immediate(connection, lock)
        super().__init__(Reader(connection, lock), writer, in_doubt, rows)

    @property
    def is_immediate(self) -> bool:
        """Whether nobody ever has to wait for an intent: so it is."""
        return True


class Draft(MemoryBooks):
    """Books for a rehearsal; made by `of`.

    Of what is sent by them only their entries tell; it is written down nowhere.
    """

    @classmethod
    def of(
        cls, standings: Standings, *, in_doubt: InDoubt = "hold", rows: Rows | None = None
    ) -> Self:
        """Give a copy of some books, which knows nothing of these from now on."""
        connection = _connect()
        standings.copy_to(connection)
        books = cls.__new__(cls)
        books._open(connection, in_doubt, rows)
        return books

    def intend(self, entries: Entry | Sequence[Entry], message_id: str) -> None:
        """Let the recipients' entries have the Message-ID."""
        for entry in listed(entries):
            entry.message_id = message_id

    def begin(self, entries: Entry | Sequence[Entry]) -> None:
        """Mark nothing: no crash leaves anybody in doubt."""

    def note(
        self,
        entry: Entry,
        result: RecipientResult,
        *,
        session_id: str | None = None,
        due: float | None = None,
    ) -> None:
        """Bring a recipient's entry up to date."""
        entry.bring_up(result.outcome, cause(result), due)

    def withdraw(self, entries: Entry | Sequence[Entry]) -> None:
        """Take nothing back."""


def _connect() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)


class _Immediate:
    """Writes at once, in the caller's thread."""

    def __init__(self, connection: sqlite3.Connection, lock: threading.Lock) -> None:
        self._connection, self._lock = connection, lock

    def check(self) -> None:
        """Take everything."""

    def promise(self) -> None:
        """Promise nothing: it is written when `add` returns."""

    def add(self, work: Work, waiter: Promise | Future[Any] | None = None) -> None:
        self.call(work)

    def call(self, work: Callable[[Connection], T]) -> T:
        with self._lock:
            return work(self._connection)

    def close(self) -> None:
        """Leave the connection to its reader."""
