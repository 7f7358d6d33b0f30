"""Shared ledger: a campaign's books in PostgreSQL, with many runners at a time.

Theory of operation.  As on one computer, an intent is durable before the last octet can be
written that makes a server take a message.  Beyond that, each runner sends to its own part
of the list, by destination domain, and everything it writes proves in the same transaction
that the part is still its own: see `shares`.

A runner that is killed, paused or cut off leaves at most a few intents open; whoever takes
over finds them in doubt: across computers nothing proves that mail data had not begun.  A
runner that ends by itself knows, and leaves only those in doubt whose mail data had.

A transaction that fails, or a connection that is lost, ends the runner: everybody who
waits is told and nothing further is sent.  To go on is to open the ledger again, with a new
lease.
"""

from __future__ import annotations

import atexit
import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing, suppress
from functools import partial
from typing import Any, Final

from smtpbook.errors import LedgerError
from smtpbook.ledger.books import Books, InDoubt, listed
from smtpbook.ledger.choosing import Chosen, Reader, Rows
from smtpbook.ledger.connection import Connection
from smtpbook.ledger.entries import Entry
from smtpbook.ledger.lock import Lease, refuse_fork
from smtpbook.ledger.writer import Promise, Work, Writer
from smtpbook.shared_ledger import parts, schema, sends, shares
from smtpbook.shared_ledger.connection import Conflict, SharedConnection
from smtpbook.shared_ledger.shares import Asked
from smtpbook.shared_ledger.standings import SharedStandings
from smtpbook.transfer.transaction import RecipientResult

_MAX_TRIES: Final = 5


class SharedLedger(Books, SharedStandings):
    """A campaign's shared ledger, open for one of its runners.

    `create` makes it, once.  Until it claims some of the list, a runner has nobody to
    write to; it can still suppress, settle and hear of later mail.  One thread sends with
    it; the others may ask it.

    Parameters
    ----------
    url : str
        ``postgresql://user@host:5432/database``, with one user for all runners.  Sessions
        must be PostgreSQL's own, not shared out by a proxy for single transactions.
    campaign_id : str
    in_doubt : {"hold", "resend"}
        Whether those in doubt are left alone or written to again, with the same Message-ID.
    rows : callable, optional
        Gives the merge fields at some positions of the list, for `Entry.row`.
    sees_all : bool
        `select` gives those of the whole list, to look at: it is no runner, and sends
        nothing.

    Attributes
    ----------
    recovered : Counter
        What became of the attempts that silent runners left open, of those whose part was
        free to claim here: how many are ``in_doubt``.
    lease : Lease
        This runner's; its times are this computer's.
    heartbeat_s : float
        So often at least a runner hears what it is asked, and how many there are.

    Raises
    ------
    LedgerError
        There is no such ledger, or the database is not reached.
    ValueError
        `in_doubt` is neither.

    Notes
    -----
    A standby of the database that is not synchronous may lack the last commits: after it
    took over, those recipients could be written to twice.
    """

    def __init__(
        self,
        url: str,
        campaign_id: str,
        *,
        in_doubt: InDoubt = "hold",
        rows: Rows | None = None,
        sees_all: bool = False,
    ) -> None:
        self._url, self._pid, self._sees_all = url, os.getpid(), sees_all
        self._name = schema.name_of(url, campaign_id)
        self.recovered: Counter[str] = Counter()
        self.lease = Lease.ours(uuid.uuid4().hex, time.time())
        self._held: frozenset[int] = frozenset()
        self._begun: set[tuple[int, int]] = set()
        self._decided: list[tuple[int, int]] = []  # by the transaction under way
        self._refusal: LedgerError | None = None
        self._is_closed = False
        self._asked: Asked
        with ExitStack() as undo:
            connection = schema.connect(url, campaign_id)
            undo.callback(connection.close)
            ahead_s = shares.clock_ahead_s(connection)
            # Here already: the writer's thread brings up to date what it is ahead by.
            self._reader = reader = Reader(
                schema.connect(url, campaign_id), ahead_s=ahead_s
            )
            undo.callback(reader.close)
            about = dict(reader.all("SELECT name, value FROM meta"))
            self._partitions = int(about["partitions"])
            self._lease_s = float(about["lease_s"])
            self._asked = about["asked"]
            self._is_by_domain = parts.are_by_domain(reader)
            self._proved_at = _clock()
            shares.take_lease(connection, self.lease, sends=not sees_all)
            self._runners = sends.work(reader).runners
            self.heartbeat_s = shares.heartbeat_of(self._lease_s)
            writer = Writer(
                connection,
                self._name,
                partial(self._transact, connection),
                heartbeat_s=self.heartbeat_s,
            )
            undo.callback(writer.close)
            super().__init__(reader, writer, in_doubt, rows)
            undo.pop_all()
        # What was noted last is not lost when a script forgets to close.
        atexit.register(self.close)

    @staticmethod
    def create(
        url: str,
        addresses: Iterable[str],
        *,
        campaign_id: str,
        partitions: int = schema.PARTITIONS,
        lease_s: float = schema.LEASE_S,
    ) -> int:
        """Make a ledger for these recipients; memory does not grow with their number.

        Parameters
        ----------
        url : str
        addresses : iterable of str
            In the frozen list's order.  One that comes twice counts once.
        campaign_id : str
            At most 54 octets.
        partitions : int
            How many parts the list is dealt in, each domain wholly in one: some times the
            number of runners.
        lease_s : float
            How long a runner may be silent, in seconds, before its part is given away.

        Returns
        -------
        int
            How many recipients there are.

        Raises
        ------
        LedgerError
            There is such a ledger already, or the database refuses; nothing was kept.
        ValueError
            The campaign's name does not fit, or a number is not above 0.
        """
        return schema.create(
            url, addresses, campaign_id, partitions=partitions, lease_s=lease_s
        )

    # -- this runner's part of the list

    @property
    def held(self) -> frozenset[int]:
        """The partitions that are this runner's."""
        return self._held

    def claim(self, count: int) -> frozenset[int]:
        """Take partitions that are nobody's, or whose runner was silent for too long.

        What such a runner left open is in doubt from now on.  `select` gives the
        recipients of all that are held; one made before does not know of these.

        Parameters
        ----------
        count : int
            At most so many.

        Returns
        -------
        frozenset of int
            Those that are new here; empty: none is free.

        Raises
        ------
        LedgerError
            It cannot be written.
        """
        self._refuse_fork()

        def work(connection: Connection) -> tuple[frozenset[int], Counter[str]]:
            return shares.claim(connection, self.lease.owner, count, self._now())

        taken, recovered = self._writer.call(work)
        self._held |= taken
        self.recovered += recovered
        return taken

    def release(self, parts: Iterable[int]) -> frozenset[int]:
        """Give partitions back, so that another runner may claim them.

        Nothing new is begun in them here.  Those with an open attempt stay.

        Returns
        -------
        frozenset of int
            Those that were given back.

        Raises
        ------
        LedgerError
            It cannot be written.
        """
        self._refuse_fork()
        asked = self._held & frozenset(parts)
        self._held -= asked

        def work(connection: Connection) -> frozenset[int]:
            return shares.release(connection, self.lease.owner, asked)

        freed = self._writer.call(work)
        self._held |= asked - freed
        return freed

    @property
    def asked(self) -> Asked:
        """What all runners are asked to do, as of this one's last sign of life."""
        return self._asked

    @property
    def company(self) -> int:
        """How many runners send, with this one, as of its last sign of life."""
        return self._runners

    @property
    def elders(self) -> int:
        """How many of the runners that send were there before this one."""
        return sends.elders(self._reader, self.lease.owner)

    @property
    def eldest_s(self) -> float:
        """For how long the eldest of the runners that send has been there, in seconds."""
        return sends.eldest_s(self._reader)

    # -- a send of all runners

    def begin_send(
        self,
        send: str,
        only: str | Iterable[str] | None = None,
        limit: int | None = None,
        joins: Callable[[str], str | None] | None = None,
    ) -> None:
        """Begin a send, of which each runner then takes its part by `next_share`.

        Parameters
        ----------
        send : str
            What it is called; each has a name of its own.
        only, limit
            As for `select`, of the whole list.
        joins : callable, optional
            Given an address, gives what is to be one runner's.  Default: its domain.

        Raises
        ------
        LedgerError
            There are other runners: a send goes on.  Or somebody else begins one.
        ValueError
            As from `select`.
        """
        with sends.alone(self._reader, self._name):
            self._refuse_company()
            self._is_by_domain = parts.are_by_domain(self._reader)
            if joins is not None or not self._is_by_domain:
                self.claim(0)  # what silent runners left is known by its part
                parts.deal(self._reader, self._partitions, joins)
                self._is_by_domain = joins is None
                self._refuse_company()  # to deal may take long, and one may have come
            before = self.counts
            is_resending = self._is_resending
            sends.begin(self._reader, send, only, limit, before, is_resending=is_resending)

    def is_present(self, send: str) -> bool:
        """Whether a send is the present one: as long as this runner is there, it stays so.

        Somebody who begins another, and saw no runner before this one came, is waited for.
        """
        return sends.is_present(self._reader, send)

    def _refuse_company(self) -> None:
        self._settle_down()
        if self._runners - (not self._sees_all):
            raise LedgerError(
                f"the ledger {self._name} has runners: a send goes on. Wait for its end, "
                f"or stop it"
            )

    def next_share(self, count: int) -> Chosen | None:
        """Claim some of the list, and give whom the present send is for in it.

        Those are read here who come first, so that whoever has another thread claim hands
        them out without waiting.

        Parameters
        ----------
        count : int
            At most so many partitions.

        Returns
        -------
        Chosen or None
            None: none is free now.

        Raises
        ------
        LedgerError
            It cannot be written.
        """
        taken = self.claim(count)
        if not taken:
            return None
        choice = sends.share_of(self._reader, taken, is_resending=self._is_resending)
        share = Chosen(self._reader, choice, None, self._rows, lambda: self._suppressions)
        share.read_ahead()
        return share

    def finish(self) -> None:
        """Say that the present send is through with all that this runner holds.

        Raises
        ------
        LedgerError
            It cannot be written.
        """
        self._refuse_fork()

        def work(connection: Connection) -> None:
            connection.execute(
                "UPDATE partitions SET is_done = 1 WHERE owner = ?", (self.lease.owner,)
            )

        self._writer.call(work)

    # -- sending

    def intend(self, entries: Entry | Sequence[Entry], message_id: str) -> Promise | None:
        """Write down that a message is about to be sent; as `Books.intend`.

        Raises
        ------
        LedgerError
            Here or on awaiting: it cannot be written, or the recipient is in another
            runner's part of the list, where parts go by domain.  Nothing may be sent then.
        """
        for entry in listed(entries) if self._is_by_domain else ():
            part = schema.part_of(entry.key, self._partitions)
            if part not in self._held:
                raise LedgerError(
                    f"{entry.address!a} is in part {part} of the list, which is not this "
                    f"runner's; claim it first"
                )
        return super().intend(entries, message_id)

    def begin(self, entries: Entry | Sequence[Entry]) -> None:
        """Note that the mail data begins.

        Raises
        ------
        LedgerError
            Nothing may be sent: this runner was silent for so long that its part of the
            list may have been given to another, or it leaves.
        """
        begun = {(e.position, e.attempts + 1) for e in listed(entries)}
        # First: at the end of a process another thread closes the ledger meanwhile, which
        # refuses what begins later, and then tells what has begun.
        self._begun |= begun
        try:
            super().begin(entries)
            self._check_lease()
        except LedgerError:
            self._begun -= begun
            raise

    def note(
        self,
        entry: Entry,
        result: RecipientResult,
        *,
        session_id: str | None = None,
        due: float | None = None,
    ) -> None:
        """Keep what became of a recipient; as `Books.note`."""
        attempt = (entry.position, entry.attempts + 1)
        super().note(entry, result, session_id=session_id, due=due)
        # An outcome that is lost on its way to the disk leaves a message that was sent.
        self._writer.add(lambda _: self._decided.append(attempt))

    def close(self) -> None:
        """Write what was noted, and let others have this runner's part of the list."""
        if self._is_closed or os.getpid() != self._pid:
            return
        atexit.unregister(self.close)
        self._refusal = LedgerError(
            f"the ledger {self._name} is closed; open the campaign again"
        )
        self._held = frozenset()
        try:
            self._writer.call(self._leave)
        except LedgerError:
            self._leave_anew()
        finally:
            self._is_closed = True
            super().close()

    # -- underneath

    @property
    def _share(self) -> str:
        if self._sees_all:
            return ""
        held = ", ".join(map(str, sorted(self._held)))
        return f"part IN ({held})" if held else "FALSE"

    def _transact(self, connection: SharedConnection, works: Sequence[Work]) -> list[Any]:
        """Do pieces of work in one transaction, again if others were in its way."""
        for _ in range(_MAX_TRIES - 1):
            with suppress(Conflict):
                return self._transact_once(connection, works)
            connection.rollback()
        return self._transact_once(connection, works)

    def _transact_once(
        self, connection: SharedConnection, works: Sequence[Work]
    ) -> list[Any]:
        begun_at, asked_at = _clock(), time.time()
        self._decided.clear()
        # Two round trips, however much there is to write.
        with connection.pipelined():
            connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
            renewed = shares.renew(connection, self.lease.owner)
            results = [work(connection) for work in works]
            news = shares.news_of(renewed, self._name)
            ended = connection.execute("COMMIT")
        if ended.status != "COMMIT":  # the server's word for a transaction that failed
            raise LedgerError(f"the ledger {self._name} answered {ended.status} to COMMIT")
        self._proved_at = begun_at
        self._begun.difference_update(self._decided)
        self._asked, self._suppressions, self._runners, clock = news
        self._reader.ahead_s = shares.still_ahead_s(
            self._reader.ahead_s, clock, asked_at, time.time()
        )
        return results

    def _leave(self, connection: Connection) -> None:
        shares.leave(connection, self.lease.owner, frozenset(self._begun), self._now())

    def _leave_anew(self) -> None:
        """Leave by another connection; where that fails, the lease runs out."""
        with (
            suppress(LedgerError),
            closing(schema.connect(self._url, self.campaign_id)) as connection,
        ):
            # What the lost connection had under way ends before this has the lease's row.
            self._transact_once(connection, [self._leave])

    def _check_lease(self) -> None:
        """Raise when the database has been silent for as long as the lease lasts."""
        if _clock() - self._proved_at > self._lease_s:
            self._refusal = LedgerError(
                f"the ledger {self._name} has confirmed nothing for {self._lease_s:g} s: "
                f"this runner's part of the list may be another's; nothing further is "
                f"sent. Open the campaign again: it goes on where it was"
            )
            raise self._refusal

    def _check(self) -> None:
        super()._check()
        if self._refusal is not None:
            raise LedgerError(str(self._refusal)) from self._refusal

    def _refuse_fork(self) -> None:
        refuse_fork(self._pid)


def _clock() -> float:
    """Give an instant of a clock that, where there is such a one, runs in sleep."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
