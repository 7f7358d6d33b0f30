"""Books: what a send asks about the recipients and tells of them, on disk or in memory.

Theory of operation.  Before the last octet can be written that makes a server take a
message, its *intent* (recipient, attempt, Message-ID) is written down; after the reply its
outcome is noted.  For a sender with one connection, `intend` asked for one message ahead::

    promise = books.intend(entry, message_id)      # while the message before is sent
    …                                              # MAIL, RCPT, DATA
    await promise                                  # if there is one
    books.begin(entry)                             # then the mail data and its end
    books.note(entry, result)                      # or `withdraw`, if it never began

What is durable, and who may write, is `ledger`'s; `MemoryBooks` end with their process.
Nothing here sends, or knows what a letter looks like.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import lru_cache
from itertools import count
from typing import Any, Final, Literal, Protocol, TypeVar

from smtpbook.codes.explain import reason_of
from smtpbook.errors import LedgerError, near_miss
from smtpbook.ledger.choosing import Chosen, Reader, Rows, choose
from smtpbook.ledger.connection import Connection
from smtpbook.ledger.entries import LATER, TAKEN, Entry, Later, checked_addresses, key_of
from smtpbook.ledger.standings import Standings
from smtpbook.ledger.writer import Promise, Work
from smtpbook.transfer.transaction import RecipientResult

T = TypeVar("T")
InDoubt = Literal["hold", "resend"]
# Whoever reads ahead elsewhere can tell by it that somebody was suppressed.
_SUPPRESSED_MORE: Final = (
    "INSERT INTO meta VALUES ('suppressions', '1') ON CONFLICT (name) DO UPDATE "
    "SET value = CAST(CAST(meta.value AS INTEGER) + 1 AS TEXT)"
)
_SETTLED: Final = ("accepted", "deferred", "rejected", "failed")


class Writes(Protocol):
    """What writes the books: `Writer` in a thread of its own, or one that does at once."""

    def check(self) -> None:
        """Raise when nothing more is taken."""

    def promise(self) -> Promise | None:
        """Give what is waited for until something is durable; None = that is at once."""

    def add(self, work: Work, waiter: Promise | Future[Any] | None = None) -> None:
        """Hand over something to write."""

    def call(self, work: Callable[[Connection], T]) -> T:
        """Write something and wait for it."""

    def close(self) -> None:
        """Write what is left, and end."""


class Books(Standings):
    """The books of one send; made by `MemoryBooks` and `Ledger`.

    Parameters
    ----------
    reader : Reader
    writer : Writes
    in_doubt : {"hold", "resend"}
    rows : callable or None

    Raises
    ------
    ValueError
        `in_doubt` is neither.
    """

    def __init__(
        self, reader: Reader, writer: Writes, in_doubt: InDoubt, rows: Rows | None
    ) -> None:
        if in_doubt not in ("hold", "resend"):
            raise ValueError(f"in_doubt={in_doubt!r}; it is 'hold' or 'resend'")
        super().__init__(reader)
        self._writer, self._rows = writer, rows
        self._is_resending = in_doubt == "resend"
        self._suppressions = 0
        self._tables = count()

    @property
    def is_immediate(self) -> bool:
        """Whether nobody ever has to wait for an intent."""
        return False

    @property
    def _share(self) -> str:
        """Whom of the list a send by these books may be for, in SQL; "" = all."""
        return ""

    # -- asking

    def select(
        self,
        only: str | Iterable[str] | None = None,
        limit: int | None = None,
    ) -> Chosen:
        """Give whom a send is for.

        Parameters
        ----------
        only : str or iterable of str, optional
            Outcomes (``"deferred"``), reasons (``"greylisted"``) or addresses; None = those
            never tried (with ``in_doubt="resend"``, those in doubt, too).  Nobody accepted
            is written to unless named by address; the suppressed not even then.
        limit : int, optional
            At most so many.

        Raises
        ------
        ValueError
            A word is neither an outcome to try again, a reason, nor an address of this
            campaign; or the limit is negative.
        """
        if limit is not None and (type(limit) is not int or limit < 0):
            raise ValueError(f"limit={limit!r} is no number of recipients")
        self._settle_down()
        choice = choose(
            self._reader,
            f"chosen_{next(self._tables)}",
            only,
            is_resending=self._is_resending,
            share=self._share,
        )
        return Chosen(self._reader, choice, limit, self._rows, lambda: self._suppressions)

    # -- sending; in one thread, inside trio

    def intend(self, entries: Entry | Sequence[Entry], message_id: str) -> Promise | None:
        """Write down that a message is about to be sent.

        Parameters
        ----------
        entries : Entry or sequence of Entry
            The message's recipients.
        message_id : str
            For those that have one, `Entry.again_id`.

        Returns
        -------
        Promise or None
            To be awaited before the end of the mail data is written; None = it is written
            already.

        Raises
        ------
        LedgerError
            Here or on awaiting: it cannot be written.  Nothing may be sent then, by nobody.
        """
        self._check()
        now = self._now()
        rows = [
            (e.position, e.attempts + 1, message_id, int(e.outcome == "in_doubt"), now)
            for e in listed(entries)
        ]

        def work(connection: Connection) -> None:
            connection.executemany(
                "INSERT INTO attempts(recipient, attempt, message_id, is_again, intended) "
                "VALUES (?, ?, ?, ?, ?)",
                rows,
            )

        promise = self._writer.promise()
        self._writer.add(work, promise)
        for entry in listed(entries):
            entry.message_id = message_id
        return promise

    def begin(self, entries: Entry | Sequence[Entry]) -> None:
        """Mark that the mail data begins: from here on, a crash leaves them in doubt.

        Call it after `intend` was awaited, just before the octets are written.

        Raises
        ------
        LedgerError
            It cannot be written; nothing may be sent then.
        """
        self._check()

    def note(
        self,
        entry: Entry,
        result: RecipientResult,
        *,
        session_id: str | None = None,
        due: float | None = None,
    ) -> None:
        """Keep what became of a recipient; it is durable with the next intent, or soon.

        Parameters
        ----------
        entry : Entry
            Brought up to date.
        result : RecipientResult
        session_id : str, optional
            As in the event log.
        due : float, optional
            When to try again, in seconds since 1970 UTC.

        Raises
        ------
        LedgerError
            The ledger is broken or closed; on opening again the recipient is in doubt.
        """
        self._refuse_fork()
        reply, verb, reason = result.reply, result.verb, cause(result)
        code, text = (None, None) if reply is None else (reply.code, reply.text)
        attempt, position = entry.attempts + 1, entry.position
        is_again = int(entry.outcome == "in_doubt")
        outcome, now = result.outcome, self._now()
        due_at = None if due is None else due + self._reader.ahead_s

        def work(connection: Connection) -> None:
            connection.execute(
                "INSERT INTO attempts VALUES (?, ?, '', ?, ?, ?, ?, ?, ?, ?, ?, NULL) "
                "ON CONFLICT (recipient, attempt) DO UPDATE "
                "SET outcome = excluded.outcome, verb = excluded.verb, "
                "reply_code = excluded.reply_code, reply_text = excluded.reply_text, "
                "session_id = excluded.session_id, time = excluded.time",
                (
                    *(position, attempt, is_again, now),
                    *(outcome, verb, code, text, session_id, now),
                ),
            )
            connection.execute(
                "UPDATE recipients SET outcome = ?, reason = ?, attempts = ?, due = ?, "
                "message_id = (SELECT nullif(message_id, '') FROM attempts "
                "WHERE recipient = position AND attempt = ?) WHERE position = ?",
                (outcome, reason, attempt, due_at, attempt, position),
            )

        self._writer.add(work)
        entry.bring_up(outcome, reason, due)

    def withdraw(self, entries: Entry | Sequence[Entry]) -> None:
        """Take an intent back whose mail data never began; errors as `note`.

        The recipients stand where they stood before it.  Without an intent: nothing.
        """
        self._refuse_fork()
        rows = [(e.position, e.attempts + 1) for e in listed(entries)]

        def work(connection: Connection) -> None:
            connection.executemany(
                "DELETE FROM attempts WHERE recipient = ? AND attempt = ? "
                "AND outcome IS NULL",
                rows,
            )

        self._writer.add(work)

    # -- from any thread; these wait

    def suppress(self, addresses: Iterable[str]) -> None:
        """Never write to these again; what was accepted, or may have been, stays so.

        Raises
        ------
        ValueError
            What is no address would protect nobody.
        LedgerError
            It cannot be written.
        """
        self._refuse_fork()
        keys = [(key_of(address),) for address in checked_addresses(addresses)]
        taken = ", ".join(f"'{outcome}'" for outcome in TAKEN)

        def work(connection: Connection) -> None:
            connection.executemany(
                "INSERT INTO suppressions VALUES (?) ON CONFLICT DO NOTHING", keys
            )
            connection.executemany(
                "UPDATE recipients SET outcome = 'suppressed' WHERE key = ? "  # noqa: S608
                f"AND coalesce(outcome, '') NOT IN ({taken})",
                keys,
            )
            connection.execute(_SUPPRESSED_MORE)

        if keys:
            self._writer.call(work)
            self._suppressions += 1

    def settle(self, outcomes: Mapping[str, str]) -> None:
        """Say what became of recipients in doubt, by address.

        Parameters
        ----------
        outcomes : mapping of str to str
            ``accepted``; or ``failed`` for one whom nothing reached, who can then be
            written to again (``only="failed"``); or ``deferred`` or ``rejected``.

        Raises
        ------
        ValueError
            An address is not in the list or not in doubt, or the outcome is none of these;
            nobody has been settled then.
        LedgerError
            It cannot be written.
        """
        self._refuse_fork()
        self._settle_down()
        rows = []
        for address, outcome in outcomes.items():
            if outcome not in _SETTLED:
                raise ValueError(
                    f"{address!a}: {outcome!r} is none of {', '.join(_SETTLED)}"
                    f"{near_miss(str(outcome), _SETTLED)}"
                )
            rows.append((outcome, *self._in_doubt(address)))

        def work(connection: Connection) -> None:
            connection.executemany(
                "UPDATE attempts SET settled = ? WHERE recipient = ? AND attempt = ?", rows
            )
            connection.executemany(
                "UPDATE recipients SET outcome = ? WHERE position = ? AND attempts = ?",
                rows,
            )

        self._writer.call(work)

    def hear(self, later: Iterable[Later]) -> int:
        """Keep what later mail says became of messages that were taken.

        Who was put off on the way (``deferred``) stays accepted: a server has the message
        and tries on, and nobody is to be written to twice.

        Returns
        -------
        int
            How many recipients stand elsewhere now.

        Raises
        ------
        LedgerError
            It cannot be written.
        """
        self._refuse_fork()
        self._settle_down()
        rows = [
            (one.outcome, one.reason, key_of(one.address), one.outcome, one.attempt)
            for one in later
            if one.outcome in LATER
        ]
        taken = ", ".join(f"'{outcome}'" for outcome in TAKEN)

        def work(connection: Connection) -> int:
            changed = connection.executemany(
                "UPDATE recipients SET outcome = ?, reason = ? WHERE key = ? "  # noqa: S608
                f"AND outcome IN ({taken}) AND outcome != ? "
                "AND attempts = coalesce(?, attempts)",
                rows,
            )
            return changed.rowcount

        return self._writer.call(work)

    def close(self) -> None:
        """Write what was noted, and close the file."""
        self._writer.close()
        super().close()

    # -- underneath

    def _now(self) -> float:
        """Give the time by the clock of the ledger, in seconds since 1970 UTC."""
        return time.time() + self._reader.ahead_s

    def _check(self) -> None:
        """Raise when nothing may begin any more."""
        self._refuse_fork()
        self._writer.check()

    def _refuse_fork(self) -> None:
        """Raise in a child of the process that writes the books."""

    def _settle_down(self) -> None:
        """Wait until what was noted can be read; a broken ledger tells what it has."""
        self._refuse_fork()
        with suppress(LedgerError):
            self._writer.call(_nothing)

    def _in_doubt(self, address: str) -> tuple[int, int]:
        query = "SELECT position, attempts, coalesce(outcome, 'pending') FROM recipients"
        position, attempts, outcome = self._found(query, address)
        if outcome != "in_doubt":
            raise ValueError(f"{address!a} is {outcome}, not in doubt: nothing to settle")
        return position, attempts


def cause(result: RecipientResult) -> str | None:
    """Give the reason for what became of a recipient; None = no refusal gave any."""
    reply = result.reply
    if reply is None or reply.code < 400:
        return None
    return _reason_of(result.verb, reply.code, reply.enhanced_status, reply.text)


# A server says the same again and again, and each refusal is asked about twice.
_reason_of = lru_cache(maxsize=256)(reason_of)


def listed(entries: Entry | Sequence[Entry]) -> Sequence[Entry]:
    """Give one entry as a sequence of one."""
    return [entries] if isinstance(entries, Entry) else entries


def _nothing(connection: Connection) -> None:
    """Write nothing."""
