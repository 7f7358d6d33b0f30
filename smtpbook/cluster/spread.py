"""Spread: a campaign's send by a cluster, as the campaign sees it.

It begins the send in the shared ledger, or joins one that goes on, as after a notebook was
restarted; whether it is agreed to is the campaign's.  What was sent, and where everybody
stands, are told by ledger and event log whether or not anybody watched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from smtpbook.accounts.account import Account
from smtpbook.cluster.delivery import ClusterDelivery
from smtpbook.cluster.gathered import Gathered
from smtpbook.cluster.order import Order, check_order
from smtpbook.cluster.workers import Workers, check_told
from smtpbook.delivery.outbox import outcome_row
from smtpbook.delivery.run import Run
from smtpbook.delivery.settings import Settings
from smtpbook.errors import LedgerError
from smtpbook.folder.fetching import settings_in
from smtpbook.folder.folder import CampaignFolder
from smtpbook.ledger.books import Books
from smtpbook.log.journal import seal_left
from smtpbook.progress import Display
from smtpbook.shared_ledger.ledger import SharedLedger

if TYPE_CHECKING:
    from distributed import Client

Words = frozenset[str] | None
"""Whom a send is narrowed to; None = those never tried."""


class Spread:
    """One send by the workers of a cluster.

    Parameters
    ----------
    client : distributed.Client
    accounts : mapping of Account to float
        With their shares.
    settings : Settings
        The connections are those of all workers together.

    Raises
    ------
    LocalProtocolError
        It is no client, a password would have to travel, or something cannot.
    ValueError
        A setting needs one sender.
    """

    def __init__(
        self, client: Client, accounts: Mapping[Account, float], settings: Settings
    ) -> None:
        check_order(accounts, settings)
        check_told((dict(accounts), settings))
        self._workers = Workers(client)
        self._accounts, self._settings = accounts, settings
        self._folder: CampaignFolder
        self._send = ""
        self._is_whole = True

    def join(
        self, folder: CampaignFolder | None, only: Words, limit: int | None
    ) -> int | None:
        """Take part in a send that goes on; give how many it is for, None: none does.

        Raises
        ------
        LedgerError
            One goes on, and another was asked for; or the ledger is none that many can use,
            or the letter is in no file.
        """
        if folder is None or folder.database is None:
            raise LedgerError(
                "the campaign's ledger is where one process alone can use it; for a "
                "cluster begin one with Campaign(…, "
                "ledger='postgresql://user@host/database'), in a folder that all workers "
                "see, or with events=, a URL"
            )
        self._folder = folder
        folder.refuse_stale()
        try:
            folder.letter()
        except LedgerError as exc:
            raise LedgerError(
                f"a cluster's workers read the letter from the campaign's folder: {exc}"
            ) from exc
        with folder.shared_standings() as standings:
            work = standings.work
            if not work.runners:
                return None
            if only is not None or limit is not None:
                raise LedgerError(
                    f"campaign {folder.name!r} is being sent by {work.runners} runners; "
                    f"wait for their end, or send without only= and limit= to join them"
                )
            self._send = work.send
            return sum(standings.sent.values()) + standings.counts["pending"]

    def begin(self, books: Books, only: Words, limit: int | None) -> None:
        """Begin the send in the ledger; errors as `SharedLedger.begin_send`."""
        assert isinstance(books, SharedLedger)
        # Nobody writes there: no runner is there.
        seal_left(self._folder.growing, self._folder.events)
        self._send, self._is_whole = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}", only is None
        books.begin_send(self._send, only, limit, joins=self._settings.pace.joins)

    @contextmanager
    def delivery(self, run: Run, display: Display) -> Iterator[ClusterDelivery]:
        """Give what has the workers send; its log is theirs, and then the suppressed.

        Raises
        ------
        OSError
            The event log cannot be kept in the folder.
        """
        folder = self._folder
        order = Order(
            folder=folder.path.absolute(),
            accounts=dict(self._accounts),
            settings=self._settings,
            send=self._send,
            url=folder.url,
            letter_sha256=settings_in(folder.path).get("letter_sha256"),
        )
        with Gathered(folder, self._send) as log:
            run.keep_in(log)
            try:
                yield ClusterDelivery(
                    self._workers, folder, order, run=run, display=display
                )
            finally:
                self._name_the_silent(run)

    def _name_the_silent(self, run: Run) -> None:
        """Note those of whom no sender has told: suppressed, or left by one that died.

        While another send is the present one, that is its own to note.
        """
        account, folder = next(iter(self._accounts)), self._folder
        more: dict[str, Any] = {}
        with folder.shared_standings() as standings:
            if standings.work.send != self._send:
                return
            if self._is_whole:
                more["suppressed"] = standings.suppressed()
            more["in_doubt"] = standings.untold()
            for outcome, entries in more.items():
                for entry in entries:
                    run.note(outcome_row(entry, outcome, folder.id, account))
