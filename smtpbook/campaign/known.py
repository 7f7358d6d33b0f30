"""Known: what is known of a campaign, whoever sends it: where everybody stands, and why.

It sends nothing; that is `campaign`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from smtpbook.accounts.account import Account
from smtpbook.campaign.kept import kept_log, kept_outcomes, kept_story, settled
from smtpbook.campaign.later import add_later, later_log
from smtpbook.campaign.report import DeliveryReport, campaign_report
from smtpbook.delivery.run import Run
from smtpbook.delivery.settings import Settings
from smtpbook.log.join import join_logs
from smtpbook.messages.template import Template
from smtpbook.recipients.recipients import Recipients
from smtpbook.states import counts_html, told
from smtpbook.stories.story import Story

if TYPE_CHECKING:
    from smtpbook.campaign.keeping import Keeping
    from smtpbook.campaign.live import Live
    from smtpbook.campaign.sending import Sending


class Known:
    """What `Campaign` tells of itself.

    Attributes
    ----------
    name : str
    accounts : mapping of Account to float
    letter : Template
    settings : Settings
    live : Live or None
    """

    name: str
    accounts: Mapping[Account, float]
    letter: Template
    settings: Settings
    live: Live | None
    _keeping: Keeping
    _sending: Sending

    def __repr__(self) -> str:
        return f"<Campaign {self.name!r}: {told(self.counts)}>"

    def _repr_html_(self) -> str:
        return counts_html(self.name, self.counts)

    @property
    def id(self) -> str:
        """What the log calls the campaign."""
        return self._keeping.id

    @property
    def account(self) -> Account:
        """The first of its accounts."""
        return next(iter(self.accounts))

    @property
    def people(self) -> Recipients:
        """Its list; of a campaign that was opened, the frozen one."""
        return self._keeping.people

    @property
    def counts(self) -> dict[str, int]:
        """How many recipients stand where; ``pending`` are those never tried."""
        with self._keeping.standings() as standings:
            return dict(standings.counts)

    @property
    def outcomes(self) -> pd.DataFrame:
        """Where every recipient stands, over all sends: a row each, in the list's order.

        ``recipient``, ``state`` (category; the outcome as it is shown, with its icon),
        ``outcome`` (``pending`` = never tried), ``reason``, ``attempts`` (Int64), ``verb``,
        ``reply_code`` (Int64), ``reply_text``, ``message_id``; null = unknown or none.
        """
        with self._keeping.standings() as standings:
            return kept_outcomes(standings, later_log(self._keeping))

    @property
    def log(self) -> pd.DataFrame:
        """The event log of all sends that have ended, and what later mail told of them.

        Of a campaign without a folder, that of its last send.
        """
        if self._keeping.folder is None:
            sent = kept_log(self._keeping) if self.live is None else self.live.run.log
        else:
            sent = kept_log(self._keeping)
        later = later_log(self._keeping)
        return sent if later.empty else join_logs([sent, later])

    def recipient(self, address: str) -> Story:
        """Tell the whole story of one recipient, over all sends.

        Raises
        ------
        ValueError
            The address is not in the list; the message suggests the near miss.
        """
        return kept_story(self._keeping, self.name, address)

    def report(self, run: Run | None = None) -> DeliveryReport:
        """Tell how it was sent and what came of it: setup, servers, timing, sizes, results.

        Parameters
        ----------
        run : Run, optional
            Of this send.  Default: of all that have ended; without a folder, nothing is
            known of their servers, timing and sizes.
        """
        if run is None:
            return campaign_report(self, kept_log(self._keeping), self.counts)
        return campaign_report(self, run.log, run.counts)

    def settle(self, outcomes: Mapping[str, str] | pd.DataFrame) -> None:
        """Say what became of recipients in doubt.

        Parameters
        ----------
        outcomes : mapping of str to str, or DataFrame
            Address to ``accepted``, ``deferred``, ``rejected`` or ``failed``; a DataFrame
            has them in its columns ``recipient`` and ``outcome``.

        Raises
        ------
        ValueError
            An address is not in doubt, or an outcome is none of these; nobody has been
            settled then.
        ColumnError
            The DataFrame lacks one of the columns.
        LedgerError
            Another process sends with the campaign.
        """
        with self._sending.alone(), self._keeping.books() as books:
            books.settle(settled(outcomes))

    def add_bounces(self, bounces: pd.DataFrame) -> int:
        """Keep what later mail, or a provider, says became of this campaign's messages.

        `outcomes`, `counts`, `log` and `recipient` tell it from then on.  Who was only put
        off on the way stays accepted, so that nobody is written to twice.  To take the
        same bounces twice changes nothing.

        Parameters
        ----------
        bounces : DataFrame
            Event log, such as ``read_bounces(source, campaign)``: its ``outcome`` rows that
            were joined to this campaign count.

        Returns
        -------
        int
            How many recipients stand elsewhere now.

        Raises
        ------
        ColumnError
            The log lacks a column.
        LedgerError
            Another process sends with the campaign, or it cannot be written.
        """
        with self._sending.alone(), self._keeping.books() as books:
            return add_later(self._keeping, books, bounces)
