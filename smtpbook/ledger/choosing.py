"""Choosing: whom a send is for, as a condition, and those chosen, handed out one by one.

It holds some hundred recipients at a time, however many it stands for.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from smtpbook.errors import LedgerError, near_miss
from smtpbook.ledger.connection import Connection, Values
from smtpbook.ledger.entries import Entry, key_of
from smtpbook.ledger.only import chosen_words

_BATCH: Final = 256
_NEIGHBOURS: Final = 500  # addresses looked at for a near miss
COLUMNS: Final = (
    "address, key, position, attempts, outcome, reason, message_id, due FROM recipients"
)

Rows: TypeAlias = "Callable[[Sequence[int]], Iterable[Mapping[str, Any]]]"
"""Gives the merge fields at some positions of the frozen list, in ascending order."""


class Reader:
    """The ledger's reading connection; any thread may ask.

    Parameters
    ----------
    connection : Connection
    lock : Lock, optional
        Held while it is used; whoever writes by the same connection holds it too.
    ahead_s : float
        How far the clock by which the ledger's times are is ahead of this computer's.
    """

    def __init__(
        self,
        connection: Connection,
        lock: threading.Lock | None = None,
        ahead_s: float = 0.0,
    ) -> None:
        self._connection, self.ahead_s = connection, ahead_s
        self._lock = lock or threading.Lock()

    def all(self, query: str, values: Values = ()) -> list[Any]:
        """Give all rows; what was handed to the writer and not committed is not there.

        Raises
        ------
        LedgerError
            The ledger's file cannot be read.
        """
        try:
            with self._lock:
                return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as exc:
            raise LedgerError(
                f"the ledger cannot be read ({exc}); set that right, then open the "
                f"campaign again: it goes on where it was"
            ) from exc

    def keep(self, table: str, words: Iterable[str]) -> None:
        """Keep words in a table of this connection's own, to choose by."""
        with self._lock:
            self._connection.execute(f"CREATE TEMP TABLE {table} (word TEXT PRIMARY KEY)")
            self._connection.execute("BEGIN")
            self._connection.executemany(
                # Our own name.
                f"INSERT INTO {table} VALUES (?) ON CONFLICT DO NOTHING",  # noqa: S608
                ((word,) for word in words),
            )
            self._connection.execute("COMMIT")

    def copy_to(self, connection: sqlite3.Connection) -> None:
        """Copy everything but this connection's own tables into another, empty database."""
        with self._lock:
            self._connection.backup(connection)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    def unknown(self, address: str) -> str:
        """Say that an address is not in the list, with one that is close to it."""
        key = key_of(address)
        near = self.all(
            "SELECT * FROM (SELECT key FROM recipients WHERE key >= :from AND key < :to "
            "LIMIT :count) AS a UNION SELECT * FROM (SELECT key FROM recipients "
            "WHERE substr(key, length(key) - length(:domain) + 1) = :domain "
            "LIMIT :count) AS b",
            {
                "from": key[:2],
                "to": key[:2] + "\U0010ffff",
                "domain": key[key.rfind("@") :],
                "count": _NEIGHBOURS,
            },
        )
        hint = near_miss(key, (found for (found,) in near))
        return f"{address!a} is not in this campaign's list{hint}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Whom a send is for.

    Attributes
    ----------
    condition : str
        SQL over ``recipients``.
    is_asked : bool
        Somebody asked for just these: they need not wait for a retry's time.
    """

    condition: str
    is_asked: bool = False


def choose(
    reader: Reader,
    table: str,
    only: str | Iterable[str] | None,
    *,
    is_resending: bool,
    share: str = "",
) -> Choice:
    """Turn `only` into a condition; `table` gets its words.  Errors as `Ledger.select`.

    `share` narrows it to a part of the list, in SQL; "" = all.
    """
    # Whatever else is asked.  PostgreSQL compares NOT IN (…) with all, where it is long.
    never = "NOT EXISTS (SELECT 1 FROM suppressions s WHERE s.key = recipients.key)"
    mine = f"{share} AND " if share else ""
    words = chosen_words(only)
    if words is None:
        # Nobody suppressed is pending; to say so would cost a look at each row.
        again = (
            "(due IS NOT NULL OR outcome = 'in_doubt')"
            if is_resending
            else "due IS NOT NULL"
        )
        return Choice(condition=f"{mine}(outcome IS NULL OR ({again} AND {never}))")
    keys = {key_of(word): word for word in words if "@" in word}
    reader.keep(table, [*keys, *(word for word in words if "@" not in word)])
    unknown = reader.all(
        f"SELECT word FROM {table} WHERE word LIKE '%@%' "  # noqa: S608
        "AND NOT EXISTS (SELECT 1 FROM recipients WHERE key = word) LIMIT 1"
    )
    if unknown:
        raise ValueError(reader.unknown(keys[unknown[0][0]]))
    named = f"EXISTS (SELECT 1 FROM {table} WHERE word IN (key, outcome, reason))"  # noqa: S608
    return Choice(condition=f"{mine}{named} AND {never}", is_asked=True)


class Chosen:
    """Recipients in the list's order, handed out once each; for one thread.

    Parameters
    ----------
    reader : Reader
    choice : Choice
    limit : int or None
    rows : callable or None
    version : callable
        Gives a number that changes when somebody is suppressed.
    """

    def __init__(
        self,
        reader: Reader,
        choice: Choice,
        limit: int | None,
        rows: Rows | None,
        version: Callable[[], int],
    ) -> None:
        self._reader, self._choice, self._rows = reader, choice, rows
        self._version, self._seen = version, version()
        query = f"SELECT count(*) FROM recipients WHERE {choice.condition}"  # noqa: S608
        ((count,),) = reader.all(query)
        self._left = int(count) if limit is None else min(limit, int(count))
        self._read: deque[Entry] = deque()
        self._last = -1

    def __len__(self) -> int:
        """How many are still to be handed out."""
        return self._left

    def __iter__(self) -> Iterator[Entry]:
        """Give those still to be handed out, without handing them out."""
        last, left = self._last, self._left
        while left and (batch := self._after(last, left)):
            yield from batch
            last, left = batch[-1].position, left - len(batch)

    def read_ahead(self) -> None:
        """Have the next ones at hand, so that `take` reads nothing for a while."""
        if not self._read and self._left:
            self._read.extend(self._after(self._last, self._left))

    def take(self) -> Entry | None:
        """Hand out the next one; None: nobody is left."""
        if self._version() != self._seen:  # somebody was suppressed: read again
            self._seen = self._version()
            self._read.clear()
        self.read_ahead()
        if not self._read:  # fewer than were counted, if some have been suppressed since
            self._left = 0
            return None
        entry = self._read.popleft()
        self._left, self._last = self._left - 1, entry.position
        return entry

    def _after(self, position: int, count: int) -> list[Entry]:
        rows = self._reader.all(
            f"SELECT {COLUMNS} WHERE {self._choice.condition} "
            "AND position > :after ORDER BY position LIMIT :count",
            {"after": position, "count": min(count, _BATCH)},
        )
        entries = [Entry(*row) for row in rows]
        for entry in entries:
            if self._choice.is_asked:
                entry.due = None
            elif entry.due is not None:
                entry.due -= self._reader.ahead_s
        if self._rows is not None:
            fields = self._rows([entry.position for entry in entries])
            for entry, row in zip(entries, fields, strict=True):
                entry.row = row
        return entries
