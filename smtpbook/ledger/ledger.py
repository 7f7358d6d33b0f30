"""Ledger: who is to be written to, what has become of each, and what is on the way.

Theory of operation.  Before the last octet can be written that makes a server take a
message, its *intent* (recipient, attempt, Message-ID) is durable; after the reply its
outcome is noted, and goes to the disk with the next intent.  So a crash leaves at most a
few intents without an outcome.  Whether their message left, nobody can know, but for one
case: the mail data had not begun.  `begin` marks that it does, and where the computer has
not been started again since, a missing mark proves that it had not: then the recipient is
simply pending again.  Every other open intent is in doubt.

For a sender with one connection, `intend` asked for one message ahead::

    promise = ledger.intend(entry, message_id)     # while the message before is sent
    …                                              # MAIL, RCPT, DATA
    await promise
    ledger.begin(entry)                            # then the mail data and its end
    ledger.note(entry, result)                     # or `withdraw`, if it never began

Nothing here sends, or knows what a letter looks like.
"""

from __future__ import annotations

import atexit
import os
import sqlite3
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final, Literal

from smtpbook.codes.explain import reason_of
from smtpbook.errors import LedgerError, near_miss
from smtpbook.ledger import machine, schema
from smtpbook.ledger.choosing import Queue, Rows, choose
from smtpbook.ledger.entries import TAKEN, Entry, checked_addresses, key_of
from smtpbook.ledger.lock import Lease, RunnerLock, refusal
from smtpbook.ledger.marks import Marks, read_marks
from smtpbook.ledger.recovery import check_place, close_intents
from smtpbook.ledger.standings import FILE, Standings
from smtpbook.ledger.writer import Promise, Writer
from smtpbook.progress import Display
from smtpbook.protocol.transaction import RecipientResult

InDoubt = Literal["hold", "resend"]

_LOCK: Final = "ledger.lock"
_MARKS: Final = "ledger.begun"
_SETTLED: Final = ("accepted", "deferred", "rejected", "failed")
_THIS_BOOT: Final = "this"


class Ledger(Standings):
    """A campaign's ledger, open for its one runner.

    `create` makes the file, once.  One thread sends with it; the others may ask it.

    Parameters
    ----------
    folder : Path
        The campaign's.
    in_doubt : {"hold", "resend"}
        Whether those in doubt are left alone or written to again, with the same Message-ID.
    adopt : bool
        Go on with a copy of the folder.  What the original has sent since it was copied is
        not known here: use one of them only.
    rows : callable, optional
        Gives the merge fields at some positions of the list, for `Entry.row`.
    boot : str or None
        The boot id, for tests.  Default: this computer's.

    Attributes
    ----------
    recovered : Counter
        What became of the attempts that an earlier run left open: how many are
        ``in_doubt``, how many ``pending`` again.

    Raises
    ------
    LedgerError
        Another runs the campaign (the message says who), the folder is a copy, or lies
        where no ledger can be kept, or cannot be written.
    ValueError
        `in_doubt` is neither.
    """

    def __init__(
        self,
        folder: Path,
        *,
        in_doubt: InDoubt = "hold",
        adopt: bool = False,
        rows: Rows | None = None,
        boot: str | None = _THIS_BOOT,
    ) -> None:
        if in_doubt not in ("hold", "resend"):
            raise ValueError(f"in_doubt={in_doubt!r}; it is 'hold' or 'resend'")
        machine.refuse_unsafe(folder)
        self._folder, self._rows = folder, rows
        self._is_resending = in_doubt == "resend"
        boot = machine.boot_id() if boot == _THIS_BOOT else boot
        self._pid = os.getpid()
        self._refusal: LedgerError | None = None
        self._is_closed = False
        self._suppressions = 0
        self._tables = count()
        self._lease = Lease.ours(uuid.uuid4().hex, time.time())
        with ExitStack() as undo:
            self._lock = _locked(folder)
            undo.callback(self._lock.release)
            super().__init__(folder)
            undo.callback(self._reader.close)
            connection = schema.connect(folder / FILE)
            undo.callback(connection.close)
            self.recovered = self._take_over(connection, boot, adopt=adopt)
            self._marks = Marks(folder / _MARKS, boot)
            undo.pop_all()
        self._writer = Writer(connection, repr(str(folder / FILE)), self._beat)
        # What was noted last is not lost when a script forgets to close.
        atexit.register(self.close)

    @staticmethod
    def create(
        folder: Path,
        addresses: Iterable[str],
        *,
        campaign_id: str,
        display: Display | None = None,
    ) -> int:
        """Make a ledger for these recipients; memory does not grow with their number.

        Parameters
        ----------
        folder : Path
            It exists.
        addresses : iterable of str
            In the frozen list's order.  One that comes twice counts once.
        campaign_id : str
        display : Display, optional
            Told how many there are so far.

        Returns
        -------
        int
            How many recipients there are.

        Raises
        ------
        LedgerError
            There is a ledger already, it cannot be written, or not be kept there.
        """
        machine.refuse_unsafe(folder)
        return schema.create(folder / FILE, addresses, campaign_id, display)

    # -- asking

    def select(
        self,
        only: str | Iterable[str] | None = None,
        limit: int | None = None,
        *,
        due_by: float | None = None,
    ) -> Queue:
        """Give whom a send is for.

        Parameters
        ----------
        only : str or iterable of str, optional
            Outcomes (``"deferred"``), reasons (``"greylisted"``) or addresses; None = those
            never tried (with ``in_doubt="resend"``, those in doubt, too).  Nobody accepted
            is written to unless named by address; the suppressed not even then.
        limit : int, optional
            At most so many.
        due_by : float, optional
            Only those that may be tried again by then, in seconds since 1970 UTC.

        Raises
        ------
        ValueError
            A word is neither an outcome to try again, a reason, nor an address of this
            campaign; or the limit is negative.
        """
        if limit is not None and limit < 0:
            raise ValueError(f"limit={limit!r} is negative")
        self._settle_down()
        choice = choose(
            self._reader,
            f"chosen_{next(self._tables)}",
            only,
            is_resending=self._is_resending,
            due_by=due_by,
        )
        return Queue(self._reader, choice, limit, self._rows, lambda: self._suppressions)

    # -- sending; in one thread, inside trio

    def intend(self, entries: Entry | Sequence[Entry], message_id: str) -> Promise:
        """Write down that a message is about to be sent.

        Parameters
        ----------
        entries : Entry or sequence of Entry
            The message's recipients.
        message_id : str
            For those that have one, `Entry.again_id`.

        Returns
        -------
        Promise
            To be awaited before the end of the mail data is written.

        Raises
        ------
        LedgerError
            Here or on awaiting: it cannot be written.  Nothing may be sent then, by nobody.
        """
        self._check()
        now = time.time()
        rows = [
            (e.position, e.attempts + 1, message_id, e.outcome == "in_doubt", now)
            for e in _listed(entries)
        ]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT INTO attempts(recipient, attempt, message_id, is_again, intended) "
                "VALUES (?, ?, ?, ?, ?)",
                rows,
            )

        promise = Promise()
        self._writer.add(work, promise)
        for entry in _listed(entries):
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
        try:
            for entry in _listed(entries):
                self._marks.add(entry.position, entry.attempts + 1)
        except LedgerError as exc:
            self._refusal = exc
            raise

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
        reply, verb = result.reply, result.verb
        reason = code = text = None
        if reply is not None:
            code, text = reply.code, reply.text
            reason = reason_of(verb, reply.code, reply.enhanced_status, reply.text)
        attempt, position = entry.attempts + 1, entry.position
        is_again = entry.outcome == "in_doubt"
        outcome, now = result.outcome, time.time()

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO attempts VALUES (?, ?, '', ?, ?, ?, ?, ?, ?, ?, ?, NULL) "
                "ON CONFLICT DO UPDATE SET outcome = excluded.outcome, "
                "verb = excluded.verb, reply_code = excluded.reply_code, "
                "reply_text = excluded.reply_text, session_id = excluded.session_id, "
                "time = excluded.time",
                (
                    *(position, attempt, is_again, now),
                    *(outcome, verb, code, text, session_id, now),
                ),
            )
            connection.execute(
                "UPDATE recipients SET outcome = ?, reason = ?, attempts = ?, due = ?, "
                "message_id = (SELECT nullif(message_id, '') FROM attempts "
                "WHERE recipient = position AND attempt = ?) WHERE position = ?",
                (outcome, reason, attempt, due, attempt, position),
            )

        self._writer.add(work)
        entry.attempts, entry.outcome, entry.reason = attempt, outcome, reason
        entry.due = due

    def withdraw(self, entries: Entry | Sequence[Entry]) -> None:
        """Take an intent back whose mail data never began; errors as `note`.

        The recipients stand where they stood before it.  Without an intent: nothing.
        """
        self._refuse_fork()
        rows = [(e.position, e.attempts + 1) for e in _listed(entries)]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "DELETE FROM attempts WHERE recipient = ? AND attempt = ? "
                "AND outcome IS NULL",
                rows,
            )

        self._writer.add(work)

    def flush(self) -> Promise:
        """Give a promise that everything noted so far is durable."""
        self._refuse_fork()
        promise = Promise()
        self._writer.add(_nothing, promise)
        return promise

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

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR IGNORE INTO suppressions VALUES (?)", keys)
            connection.executemany(
                "UPDATE recipients SET outcome = 'suppressed' WHERE key = ? "  # noqa: S608
                f"AND coalesce(outcome, '') NOT IN ({taken})",
                keys,
            )

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

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "UPDATE attempts SET settled = ? WHERE recipient = ? AND attempt = ?", rows
            )
            connection.executemany(
                "UPDATE recipients SET outcome = ? WHERE position = ? AND attempts = ?",
                rows,
            )

        self._writer.call(work)

    def close(self) -> None:
        """Write what was noted, and let the next runner in."""
        if self._is_closed or os.getpid() != self._pid:
            return
        self._is_closed = True
        atexit.unregister(self.close)
        self._writer.close()
        self._marks.close()
        super().close()
        self._lock.release()

    # -- underneath

    def _take_over(
        self, connection: sqlite3.Connection, boot: str | None, *, adopt: bool
    ) -> Counter[str]:
        """Write the lease, and close what an earlier run left open."""
        with _transaction(connection, self._folder):
            is_copy = check_place(connection, self._folder / FILE, adopt=adopt)
            marks = None if is_copy else read_marks(self._folder / _MARKS, boot)
            recovered = close_intents(connection, marks, time.time())
            self._lease.write(connection)
        return recovered

    def _beat(self, connection: sqlite3.Connection) -> None:
        self._lease.beat(connection, time.time())

    def _check(self) -> None:
        self._refuse_fork()
        if self._refusal is not None:
            raise LedgerError(str(self._refusal)) from self._refusal

    def _refuse_fork(self) -> None:
        if os.getpid() != self._pid:
            raise LedgerError(
                f"process {self._pid} runs this campaign, and this is a child of it "
                f"({os.getpid()}); send from the parent, or close the campaign there and "
                f"open it here"
            )

    def _settle_down(self) -> None:
        """Wait until what was noted can be read; a broken ledger tells what it has."""
        self._refuse_fork()
        with suppress(LedgerError):
            self._writer.call(_nothing)

    def _in_doubt(self, address: str) -> tuple[int, int]:
        rows = self._reader.all(
            "SELECT position, attempts, coalesce(outcome, 'pending') FROM recipients "
            "WHERE key = ?",
            (key_of(address),),
        )
        if not rows:
            raise ValueError(self._reader.unknown(address))
        position, attempts, outcome = rows[0]
        if outcome != "in_doubt":
            raise ValueError(f"{address!a} is {outcome}, not in doubt: nothing to settle")
        return position, attempts


def _locked(folder: Path) -> RunnerLock:
    try:
        return RunnerLock(folder / _LOCK)
    except BlockingIOError:
        lease = None
        with suppress(LedgerError), Standings(folder) as standings:
            lease = standings.runner
        raise refusal(folder, lease) from None
    except OSError as exc:
        raise LedgerError(
            f"cannot lock the campaign in {str(folder)!r}: {exc.strerror or exc}"
        ) from exc


@contextmanager
def _transaction(connection: sqlite3.Connection, folder: Path) -> Iterator[None]:
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except sqlite3.Error as exc:
        with suppress(sqlite3.Error):
            connection.rollback()
        raise LedgerError(
            f"the ledger in {str(folder)!r} cannot be written ({exc}); set that right "
            f"(room on the disk, the right to write), then open it again"
        ) from exc


def _listed(entries: Entry | Sequence[Entry]) -> Sequence[Entry]:
    return [entries] if isinstance(entries, Entry) else entries


def _nothing(connection: sqlite3.Connection) -> None:
    """Write nothing."""
