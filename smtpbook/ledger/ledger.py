"""Ledger: the books of a campaign on disk, so that no crash loses what they say.

Theory of operation.  An intent is durable before the last octet can be written that makes a
server take a message; an outcome goes to the disk with the next intent.  So a crash leaves
at most a few intents without an outcome.  Whether their message left, nobody can know, but
for one case: the mail data had not begun.  `begin` marks that it does, and where the
computer has not been started again since, a missing mark proves that it had not: then the
recipient is simply pending again.  Every other open intent is in doubt.
"""

from __future__ import annotations

import atexit
import os
import sqlite3
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from smtpbook.errors import LedgerError
from smtpbook.ledger import machine, schema
from smtpbook.ledger.age import check_age, note_opening
from smtpbook.ledger.books import Books, InDoubt, listed
from smtpbook.ledger.choosing import Reader, Rows
from smtpbook.ledger.connection import Connection
from smtpbook.ledger.entries import Entry
from smtpbook.ledger.lock import Lease, RunnerLock, refusal, refuse_fork
from smtpbook.ledger.marks import MARKS, Marks, read_marks
from smtpbook.ledger.recovery import OPEN, check_place, close_intents
from smtpbook.ledger.standings import FILE, Standings
from smtpbook.ledger.writer import Work, Writer

_LOCK: Final = "ledger.lock"
_THIS_BOOT: Final = "this"


class Ledger(Books):
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
        machine.refuse_unsafe(folder)
        self._folder = folder
        self._boot = boot = machine.boot_id() if boot == _THIS_BOOT else boot
        self._pid = os.getpid()
        self._refusal: LedgerError | None = None
        self._is_closed = False
        self._lease = Lease.ours(uuid.uuid4().hex, time.time())
        with ExitStack() as undo:
            self._lock = _lock(folder)
            undo.callback(self._lock.release)
            reader = Reader(schema.connect(folder / FILE))
            undo.callback(reader.close)
            connection = schema.connect(folder / FILE)
            undo.callback(connection.close)
            self.recovered = self._take_over(connection, boot, adopt=adopt)
            self._marks = Marks(folder / MARKS, boot)
            undo.callback(self._marks.close)
            writer = Writer(
                connection, repr(str(folder / FILE)), partial(self._transact, connection)
            )
            undo.callback(writer.close)
            super().__init__(reader, writer, in_doubt, rows)
            undo.pop_all()
        # What was noted last is not lost when a script forgets to close.
        atexit.register(self.close)

    @staticmethod
    def create(folder: Path, addresses: Iterable[str], *, campaign_id: str) -> int:
        """Make a ledger for these recipients; memory does not grow with their number.

        Parameters
        ----------
        folder : Path
            It exists.
        addresses : iterable of str
            In the frozen list's order.  One that comes twice counts once.
        campaign_id : str

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
        return schema.create(folder / FILE, addresses, campaign_id)

    def begin(self, entries: Entry | Sequence[Entry]) -> None:
        """Mark that the mail data begins: from here on, a crash leaves them in doubt.

        Raises
        ------
        LedgerError
            It cannot be written; nothing may be sent then.
        """
        super().begin(entries)
        try:
            for entry in listed(entries):
                self._marks.add(entry.position, entry.attempts + 1)
        except LedgerError as exc:
            self._refusal = exc
            raise

    def close(self) -> None:
        """Write what was noted, and let the next runner in."""
        if self._is_closed or os.getpid() != self._pid:
            return
        atexit.unregister(self.close)
        try:
            super().close()
        finally:  # who is interrupted here keeps nobody out
            self._is_closed = True
            self._marks.close()
            self._lock.release()

    # -- for other processes that send by it, and write nothing but marks

    @property
    def lock(self) -> int | None:
        """The file whose lock keeps others out for as long as a process has it open."""
        return self._lock.file

    def marked(self, entries: Iterable[Entry]) -> list[Entry]:
        """Give those of open attempts whose mail data may have begun, whoever sends it."""
        marks = read_marks(self._folder / MARKS, self._boot)
        return [
            e for e in entries if marks is None or (e.position, e.attempts + 1) in marks
        ]

    # -- underneath

    def _take_over(
        self, connection: sqlite3.Connection, boot: str | None, *, adopt: bool
    ) -> Counter[str]:
        """Write the lease, and close what an earlier run left open."""
        with _transaction(connection, self._folder):
            is_copy = check_place(connection, self._folder / FILE, adopt=adopt)
            is_copy = check_age(connection, self._folder, adopt=adopt) or is_copy
            marks = None if is_copy else read_marks(self._folder / MARKS, boot)
            opened = connection.execute(OPEN).fetchall()
            recovered = close_intents(connection, opened, marks, time.time())
            self._lease.write(connection)
        note_opening(connection)
        return recovered

    def _transact(self, connection: Connection, works: Sequence[Work]) -> list[Any]:
        connection.execute("BEGIN IMMEDIATE")
        self._lease.beat(connection, time.time())
        results = [work(connection) for work in works]
        connection.execute("COMMIT")
        return results

    def _check(self) -> None:
        super()._check()
        if self._refusal is not None:
            raise LedgerError(str(self._refusal)) from self._refusal

    def _refuse_fork(self) -> None:
        refuse_fork(self._pid)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a campaign's folder to oneself without opening its ledger.

    Raises
    ------
    LedgerError
        Another runs the campaign (the message says who), or the folder cannot be written.
    """
    lock = _lock(folder)
    try:
        yield
    finally:
        lock.release()


def _lock(folder: Path) -> RunnerLock:
    try:
        return RunnerLock(folder / _LOCK)
    except BlockingIOError:
        lease = None
        with suppress(LedgerError), Standings.open(folder) as standings:
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
