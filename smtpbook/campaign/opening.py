"""Opening: a campaign that is kept in a folder goes on, after anything."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.campaign.keeping import Keeping
from smtpbook.delivery.routes import shares_of
from smtpbook.delivery.settings import Settings, Together, rules_of
from smtpbook.folder.accounts import saved_accounts
from smtpbook.folder.folder import CampaignFolder
from smtpbook.folder.people import suppression_of
from smtpbook.ledger.books import InDoubt
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pace
from smtpbook.pacing.retry import Retry
from smtpbook.pacing.stopping import StopWhen
from smtpbook.recipients.suppression import SuppressionList


def open_campaign(
    name: str | os.PathLike[str],
    account: Account | Mapping[Account, float] | None = None,
    *,
    letter: Template | None = None,
    pace: str | float | Pace | None = None,
    connections: int | None = None,
    messages_per_connection: int | None = None,
    suppress: SuppressionList | Iterable[str] | None = None,
    together: Together | None = None,
    retry: Retry | None = None,
    stop_when: StopWhen | Iterable[StopWhen] | None = None,
    in_doubt: InDoubt | None = None,
    adopt: bool = False,
) -> Campaign:
    """Go on with a campaign that is kept in a folder, after anything.

    Parameters
    ----------
    name : str or path
        A name is looked for in ``campaigns/``.  Or of one with a shared ledger the URL, as
        ``"postgresql://user@host/database#november"``, without a name where the database
        has one campaign: its list, letter and settings come from there into a folder below
        ``campaigns/``, or bring it up to date; its event log stays where it is.
    account : Account, or mapping of Account to float, optional
        As for `Campaign`; needed where an account was not saved.
    letter : Template, optional
        Needed where the letter holds what no file keeps: DataFrames, figures, secrets.
    pace, connections, messages_per_connection, together, retry, stop_when, in_doubt
        As for `Campaign`.  Default: as it began.
    suppress : SuppressionList or iterable of str, optional
        As for `Campaign`.  Default: the suppression list it began with, as it is now.  Who
        was suppressed stays so.
    adopt : bool
        Go on with a copy of the folder.  What the original has sent since it was copied is
        not known here: use one of them only.

    Returns
    -------
    Campaign
        ``.send()`` writes to those never tried, ``.send(only="deferred")`` to those again.

    Raises
    ------
    LedgerError
        There is no such campaign (the near miss is suggested), or something of it was
        changed, or must be given.
    ValueError, TypeError
        What was given is not what `Campaign` takes.
    """
    folder = CampaignFolder.find(name)
    kept = folder.settings
    accounts = saved_accounts(folder.name, kept) if account is None else shares_of(account)
    if suppress is None and "suppress" in kept:
        is_shared = folder.database is not None
        suppress = suppression_of(kept["suppress"], may_be_elsewhere=is_shared)
    settings = Settings.from_plain(
        kept,
        pace=None if pace is None else Pace.of(pace),
        connections=connections,
        messages_per_connection=messages_per_connection,
        together=together,
        retry=retry,
        stop_when=None if stop_when is None else rules_of(stop_when),
        in_doubt=in_doubt,
    )
    keeping = Keeping(
        folder.name,
        () if suppress is None else suppress,
        settings.in_doubt,
        path=folder.path,
        folder=folder,
        adopt=adopt,
    )
    return Campaign.of(folder.name, accounts, folder.letter(letter), settings, keeping)
