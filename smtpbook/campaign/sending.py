"""Sending: how a campaign's sends begin and end, one at a time.

A send holds the campaign, opens its books, chooses whom it is for, looks it over, and has
it agreed to; then a delivery runs, whose log goes into the campaign's folder while it
grows; at the end the suppressed are named.  In which thread, and what is shown of it, is
for `campaign` and `live`.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from smtpbook.campaign import confirm as confirmation
from smtpbook.campaign.keeping import Keeping
from smtpbook.delivery.clock import Clock
from smtpbook.delivery.ending import Steered
from smtpbook.delivery.outbox import outcome_row
from smtpbook.delivery.queues import check_connections
from smtpbook.delivery.run import Run
from smtpbook.direct.delivery import delivery_by
from smtpbook.errors import LedgerError, LogWarning
from smtpbook.folder.accounts import plain_accounts
from smtpbook.ledger.books import Books
from smtpbook.ledger.choosing import Chosen
from smtpbook.log.journal import Journal, seal_left
from smtpbook.pacing.pace import Pacer
from smtpbook.preflight.about import About, look_over
from smtpbook.progress import Display

if TYPE_CHECKING:
    from distributed import Client

    from smtpbook.campaign.campaign import Campaign
    from smtpbook.campaign.live import Live
    from smtpbook.cluster.spread import Spread
    from smtpbook.processes.crew import Crew

Words = frozenset[str] | None
"""Whom a send is narrowed to; None = those never tried."""

Agree = Callable[[int, Callable[[], About]], bool]
"""Given how many it is for, and what tells what it is about to do: whether to go on."""


Others: TypeAlias = "tuple[Spread | None, Crew | None]"
"""By whom a send is, if not by this process."""


def unasked(number: int, look: Callable[[], About]) -> bool:
    """Go on without asking: an `Agree`."""
    return True


class Begun(NamedTuple):
    """A send that was agreed to.

    Attributes
    ----------
    books : Books
    chosen : Chosen
    is_whole : bool
        It is not narrowed to anybody.
    """

    books: Books
    chosen: Chosen
    is_whole: bool


class Sending:
    """The sends of one campaign.

    Parameters
    ----------
    campaign : Campaign
    keeping : Keeping
    """

    def __init__(self, campaign: Campaign, keeping: Keeping) -> None:
        self._campaign, self._keeping = campaign, keeping
        self._pacer, self._clock = Pacer(campaign.settings.pace), Clock()
        self._is_sending = threading.Lock()

    @property
    def is_lab(self) -> bool:
        """Whether all of it goes to labs, where it reaches nobody."""
        return all(account.is_lab for account in self._campaign.accounts)

    def refuse_unasked(self, name: str, confirm: bool | None) -> None:
        """Raise in a method that never asks, unless it was told not to."""
        if confirm is not False and not self.is_lab:
            raise RuntimeError(f"{name}() never asks; say confirm=False")

    def asking(self, confirm: bool | None, *, dry_run: bool, progress: bool) -> Agree:
        """Give an `Agree` that shows what is about to be sent, and asks."""

        def agree(number: int, look: Callable[[], About]) -> bool:
            how = {"dry_run": dry_run, "progress": progress}
            is_agreed = confirmation.ask(look, number, self.is_lab, confirm, **how)
            if is_agreed and number:
                self.ask_passwords()
            return is_agreed

        return agree

    def by_others(self, cluster: Client | None, processes: int) -> Others:
        """Give by whom to send, if not by this process; errors as theirs."""
        campaign = self._campaign
        if processes == 1:
            if cluster is None:
                return None, None
            from smtpbook.cluster.spread import Spread  # with it comes Dask

            return Spread(cluster, campaign.accounts, campaign.settings), None
        if cluster is not None:
            raise ValueError("cluster= has its own processes; leave processes= out")
        from smtpbook.processes.crew import Crew

        return None, Crew(processes, campaign.accounts, campaign.settings)

    def ask_passwords(self) -> None:
        """Ask here, where somebody can answer, and once for all connections."""
        accounts = self._campaign.accounts.items()
        self._campaign.accounts = {one.ask(): share for one, share in accounts}

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the campaign; a second send gets an answer instead of a wait."""
        if not self._is_sending.acquire(blocking=False):
            raise RuntimeError(f"campaign {self._campaign.name!r} is already sending")
        try:
            yield
        finally:
            self._is_sending.release()

    @contextmanager
    def begun(
        self, only: Words, limit: int | None, agree: Agree, *, progress: bool
    ) -> Iterator[Begun | None]:
        """Hold the campaign and choose whom to write to; None = it was not agreed to.

        The folder that is made for it goes again then.
        """
        keeping, kept = self._keeping, self._kept()
        with (
            self.alone(),
            keeping.prepared(self._campaign.letter, kept),
            keeping.books() as books,
        ):
            if keeping.folder is not None and keeping.folder.database is not None:
                raise LedgerError(
                    f"campaign {self._campaign.name!r} has a ledger for many runners: send "
                    f"with cluster=, a Client of dask.distributed"
                )
            chosen = self._agreed(books, only, limit, agree, progress=progress)
            yield None if chosen is None else Begun(books, chosen, only is None)

    @contextmanager
    def spread(
        self, spread: Spread, only: Words, limit: int | None, agree: Agree, live: Live
    ) -> Iterator[Steered | None]:
        """Begin a send by a cluster, or join one; as `begun`, and then `delivery`."""
        keeping = self._keeping
        with self.alone(), keeping.prepared(self._campaign.letter, self._kept()):
            total = spread.join(keeping.folder, only, limit)
            if total is None:
                with keeping.books() as books:
                    chosen = self._agreed(books, only, limit, agree, progress=live.is_shown)
                    if not chosen:
                        yield None
                        return
                    total = len(chosen)
                    spread.begin(books, only, limit)
            live.expect(total)
            with spread.delivery(live.run, live.watch) as delivery:
                yield delivery

    def _agreed(
        self, books: Books, only: Words, limit: int | None, agree: Agree, *, progress: bool
    ) -> Chosen | None:
        """Choose whom to write to; None = it was not agreed to."""
        check_connections(self._campaign.accounts, self._campaign.settings)
        keeping = self._keeping
        chosen = books.select(only, limit)
        look = cache(partial(self.look_over, books, chosen, progress=progress, strict=True))
        if not keeping.is_checked:  # nothing surprises later
            look()
        if not agree(len(chosen), look):
            return None
        never = books.counts["suppressed"]
        keeping.keep(self._kept(), is_checked=len(chosen) + never == len(books))
        return chosen

    @contextmanager
    def delivery(
        self, begun: Begun, run: Run, display: Display, crew: Crew | None = None
    ) -> Iterator[Steered]:
        """Give the delivery; its log is kept while it grows, and then the suppressed."""
        campaign, keeping = self._campaign, self._keeping
        journal = self._journal() if crew is None else crew.log(keeping.folder)
        if journal is not None:
            run.keep_in(journal)
        try:
            if crew is not None:
                accounts = campaign.accounts
                yield crew.delivery(
                    begun.books, begun.chosen, accounts, run=run, display=display
                )
                return
            yield delivery_by(campaign.accounts)(
                begun.books,
                begun.chosen,
                campaign.settings.letters(campaign.letter),
                campaign.accounts,
                campaign.settings,
                pacer=self._pacer,
                clock=self._clock,
                campaign_id=keeping.id,
                run=run,
                display=display,
            )
        finally:
            for entry in begun.books.suppressed() if begun.is_whole else ():
                run.note(outcome_row(entry, "suppressed", keeping.id, campaign.account))
            if journal is not None:
                journal.close()

    def _journal(self) -> Journal | None:
        """Open the log on disk; None = it is in memory, which may be said."""
        folder = self._keeping.folder
        if folder is None:
            return None
        try:
            seal_left(folder.growing, folder.events)
            stem = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
            return Journal(folder.growing, stem, sealed_to=folder.events)
        except OSError as exc:
            warnings.warn(
                f"the event log cannot be kept in {str(folder.events)!r} ({exc.strerror}); "
                f"it is in memory only: write_log(run.log, …) keeps it",
                LogWarning,
                stacklevel=2,
            )
            return None

    def look_over(
        self, books: Books, chosen: Chosen, *, progress: bool, strict: bool = False
    ) -> About:
        """Fill the letter in for everybody it is for, and count."""
        return look_over(
            self._campaign,
            chosen,
            books,
            self._pacer,
            self._clock,
            progress=progress,
            strict=strict,
        )

    def _kept(self) -> dict[str, Any]:
        """Give what a folder keeps besides list and letter."""
        campaign = self._campaign
        return {**plain_accounts(campaign.accounts), **campaign.settings.to_plain()}
