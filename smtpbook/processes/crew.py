"""Crew: several processes of this computer that send, as a campaign sees them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from smtpbook.accounts.account import Account
from smtpbook.cluster.gathered import Gathered
from smtpbook.cluster.order import check_settings
from smtpbook.delivery.queues import check_connections
from smtpbook.delivery.run import Run
from smtpbook.delivery.settings import Settings
from smtpbook.errors import LedgerError
from smtpbook.folder.folder import CampaignFolder
from smtpbook.ledger.books import Books
from smtpbook.ledger.choosing import Chosen
from smtpbook.ledger.ledger import Ledger
from smtpbook.log.journal import seal_left
from smtpbook.processes.delivery import ProcessesDelivery
from smtpbook.progress import Display


class Crew:
    """One send by several processes.

    Parameters
    ----------
    processes : int
    accounts : mapping of Account to float
        With their shares.
    settings : Settings
        Its connections are those of all together.

    Raises
    ------
    ValueError
        A setting, or an account, needs one process; or the system can have only one.
    """

    def __init__(
        self, processes: int, accounts: Mapping[Account, float], settings: Settings
    ) -> None:
        if type(processes) is not int or processes < 1:
            raise ValueError(f"processes={processes!r}: at least one is needed")
        if sys.platform == "win32":
            raise ValueError("processes=: on Windows one process sends; leave it out")
        check_connections(accounts, settings)
        check_settings(settings, "processes")
        if any(account.relay is not None for account in accounts):
            raise ValueError(
                "an account of Account.direct counts its connections to each server in one "
                "process; leave processes= out"
            )
        self._processes, self._settings = processes, settings
        self._name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        self._folder: CampaignFolder

    def log(self, folder: CampaignFolder | None) -> Gathered:
        """Give what gathers the event logs of all processes.

        Raises
        ------
        LedgerError
            The campaign has no folder, or the letter is in no file.
        OSError
            The event log cannot be kept in the folder.
        """
        if folder is None:
            raise LedgerError(
                "processes=: a campaign that is kept in memory is known to one process "
                "alone; give it a folder, or leave processes= out"
            )
        self._folder = folder
        try:
            folder.letter()
        except LedgerError as exc:
            raise LedgerError(
                f"the processes read the letter from the campaign's folder: {exc}; leave "
                f"processes= out"
            ) from exc
        seal_left(folder.growing, folder.events)
        return Gathered(folder, self._name)

    def delivery(
        self,
        books: Books,
        chosen: Chosen,
        accounts: Mapping[Account, float],
        *,
        run: Run,
        display: Display,
    ) -> ProcessesDelivery:
        """Give what has the processes send, whose `log` there is."""
        assert isinstance(books, Ledger)
        return ProcessesDelivery(
            books,
            chosen,
            accounts,
            self._settings,
            processes=self._processes,
            folder=self._folder,
            log=self._name,
            run=run,
            display=display,
        )
