"""Standings: where every recipient of a campaign stands, read from its ledger.

Reading needs no lock and disturbs nobody: it goes on while another process sends.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from smtpbook.ledger.choosing import COLUMNS, Reader
from smtpbook.ledger.entries import Entry, Standing, key_of
from smtpbook.ledger.lock import Lease
from smtpbook.ledger.schema import connect

FILE: Final = "ledger.sqlite"
"""What the ledger is called in its campaign's folder."""

_BATCH: Final = 5_000
_LEASE: Final = ("owner", "host", "pid", "boot", "since", "heartbeat")
_STANDING: Final = (
    "SELECT position, address, coalesce(r.outcome, 'pending'), reason, attempts, "
    "verb, reply_code, reply_text, a.message_id, session_id, time, "
    "settled IS NOT NULL, coalesce(is_again, 0) "
    "FROM recipients r LEFT JOIN attempts a "
    "ON a.recipient = r.position AND a.attempt = r.attempts"
)


class Attempt(NamedTuple):
    """One try for one recipient.

    Attributes
    ----------
    attempt : int
        1 = the first.
    message_id : str
    is_again : bool
        It sent a message that may have arrived before.
    intended : float
        When it was decided on, in seconds since 1970 UTC.
    outcome : str or None
        None = not known yet.
    verb, reply_text, session_id : str or None
    reply_code : int or None
    time : float or None
        Of the outcome.
    settled : str or None
        What somebody said became of it.
    """

    attempt: int
    message_id: str
    is_again: bool
    intended: float
    outcome: str | None
    verb: str | None
    reply_code: int | None
    reply_text: str | None
    session_id: str | None
    time: float | None
    settled: str | None


class Standings:
    """A ledger, open for reading.

    Parameters
    ----------
    reader : Reader

    Attributes
    ----------
    campaign_id : str

    Raises
    ------
    LedgerError
        It cannot be read.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        query = "SELECT value FROM meta WHERE name = 'campaign_id'"
        ((self.campaign_id,),) = self._reader.all(query)

    @classmethod
    def open(cls, folder: Path) -> Standings:
        """Open the ledger in a campaign's folder, whoever runs the campaign.

        Raises
        ------
        LedgerError
            There is none, or it cannot be read.
        """
        return Standings(Reader(connect(folder / FILE)))

    def __len__(self) -> int:
        ((count,),) = self._reader.all("SELECT count(*) FROM recipients")
        return int(count)

    @property
    def counts(self) -> Counter[str]:
        """How many recipients stand where; ``pending`` are those never tried.

        They add up to the list.
        """
        self._settle_down()
        rows = self._reader.all("SELECT outcome, count(*) FROM recipients GROUP BY outcome")
        return Counter({outcome or "pending": number for outcome, number in rows})

    @property
    def is_begun(self) -> bool:
        """Whether anything was sent, or was about to be."""
        ((some,),) = self._reader.all("SELECT EXISTS (SELECT 1 FROM attempts)")
        return bool(some)

    def begun(self, since: float) -> Iterator[tuple[float, str, str]]:
        """Tell what was about to be sent from a time on, the first one first.

        Gives the time in seconds since 1970 UTC, the address and the Message-ID.
        """
        ahead_s = self._reader.ahead_s
        yield from self._reader.all(
            "SELECT intended - ?, address, a.message_id FROM attempts a "
            "JOIN recipients ON position = recipient WHERE intended >= ? "
            "ORDER BY intended, a.message_id",
            (ahead_s, since + ahead_s),
        )

    @property
    def runners(self) -> list[Lease]:
        """Who run the campaign, the first one first; on disk, the last one who did."""
        rows = self._reader.all(
            "SELECT owner, host, pid, boot, since, heartbeat FROM lease ORDER BY since"
        )
        return [Lease(**dict(zip(_LEASE, row, strict=True))) for row in rows]

    @property
    def runner(self) -> Lease | None:
        """Who runs the campaign, or ran it last; None = nobody has yet."""
        return next(iter(self.runners), None)

    def outcomes(self) -> Iterator[Standing]:
        """Tell where each recipient stands, in the list's order."""
        self._settle_down()
        last = -1
        while rows := self._reader.all(
            f"{_STANDING} WHERE position > ? ORDER BY position LIMIT ?", (last, _BATCH)
        ):
            last = rows[-1][0]
            yield from map(_standing, rows)

    def standing(self, address: str) -> Standing:
        """Tell where one recipient stands.

        Raises
        ------
        ValueError
            The address is not in the list; the message suggests the near miss.
        """
        self._settle_down()
        return _standing(self._found(_STANDING, address))

    def suppressed(self) -> Iterator[Entry]:
        """Give those who are never written to, without their fields."""
        self._settle_down()
        query = f"SELECT {COLUMNS} WHERE outcome = 'suppressed' ORDER BY position"
        yield from (Entry(*row) for row in self._reader.all(query))

    def attempts(self, address: str) -> list[Attempt]:
        """Tell every try for one recipient, the first one first.

        Raises
        ------
        ValueError
            The address is not in the list; the message suggests the near miss.
        """
        self._settle_down()
        found = self._found("SELECT position FROM recipients", address)
        rows = self._reader.all(
            "SELECT attempt, message_id, is_again, intended, outcome, verb, reply_code, "
            "reply_text, session_id, time, settled FROM attempts WHERE recipient = ? "
            "ORDER BY attempt",
            found,
        )
        return [Attempt(n, name, bool(again), *rest) for n, name, again, *rest in rows]

    def _found(self, query: str, address: str) -> tuple[Any, ...]:
        """Give the query's row for one recipient; errors as `standing`."""
        rows = self._reader.all(f"{query} WHERE key = ?", (key_of(address),))
        if not rows:
            raise ValueError(self._reader.unknown(address))
        found: tuple[Any, ...] = rows[0]
        return found

    def copy_to(self, connection: sqlite3.Connection) -> None:
        """Copy everything into another database, which is empty."""
        self._settle_down()
        self._reader.copy_to(connection)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def _settle_down(self) -> None:
        """Wait for what was noted and is not written: whoever only reads notes nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _standing(row: tuple[Any, ...]) -> Standing:
    _, *cells, is_settled, is_again = row
    return Standing._make([*cells, bool(is_settled), bool(is_again)])
