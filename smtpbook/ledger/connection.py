"""Connection: what the ledger asks of a database, SQLite or another.

Its SQL is what both SQLite and PostgreSQL understand, with SQLite's placeholders: ``?`` in
order, or ``:name``.  Which database it is, and where, is known elsewhere.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

Values: TypeAlias = "Sequence[Any] | Mapping[str, Any]"


class Cursor(Protocol):
    """What a statement came to."""

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""

    def fetchone(self) -> Any:
        """Give the next row; None: there is none."""

    def fetchall(self) -> list[Any]:
        """Give the rows that are left."""

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A connection on which every statement stands alone until ``BEGIN``."""

    def execute(self, query: str, values: Values = ..., /) -> Cursor:
        """Do one statement."""

    def executemany(self, query: str, rows: Iterable[Sequence[Any]], /) -> Cursor:
        """Do one statement for each row."""

    def backup(self, target: sqlite3.Connection, /) -> None:
        """Copy everything into another database, which is empty."""

    def rollback(self) -> None:
        """Undo everything since ``BEGIN``."""

    def close(self) -> None:
        """End it."""
