"""Memory: the books of a campaign that has no folder; they end with their process.

Nothing is waited for and no thread is started, so virtual clocks may run beside them.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any, Self, TypeVar

from smtpbook.ledger.books import Books, InDoubt
from smtpbook.ledger.choosing import Reader, Rows
from smtpbook.ledger.connection import Connection
from smtpbook.ledger.schema import fill
from smtpbook.ledger.standings import Standings
from smtpbook.ledger.writer import Promise, Work

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
        self,
        connection: sqlite3.Connection,
        in_doubt: InDoubt,
        rows: Rows | None,
        writes: type[_Immediate] | None = None,
    ) -> None:
        lock = threading.Lock()
        writer = (writes or _Immediate)(connection, lock)
        super().__init__(Reader(connection, lock), writer, in_doubt, rows)

    @classmethod
    def draft_of(
        cls, standings: Standings, *, in_doubt: InDoubt = "hold", rows: Rows | None = None
    ) -> Self:
        """Give books for a rehearsal: a copy, which knows nothing of these from now on.

        Of what is sent by it only its entries tell; it is written down nowhere.
        """
        connection = _connect()
        standings.copy_to(connection)
        books = cls.__new__(cls)
        books._open(connection, in_doubt, rows, _Draft)
        return books

    @property
    def is_immediate(self) -> bool:
        """Whether nobody ever has to wait for an intent: so it is."""
        return True


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


class _Draft(_Immediate):
    """Writes what was asked for to be written now, and not what a send tells of."""

    def add(self, work: Work, waiter: Promise | Future[Any] | None = None) -> None:
        """Drop it."""
