"""Compacting: what campaigns have said, in few files, while nobody sends.

It finds the folder and keeps it to itself; how files become few is `log.compact`'s affair.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path

from smtpbook.folder.folder import CampaignFolder, campaign_path
from smtpbook.ledger.ledger import locked
from smtpbook.ledger.standings import FILE
from smtpbook.log.campaigns import EVENTS, SETTINGS, events_of
from smtpbook.log.compact import Compacted, compact_folder
from smtpbook.log.where import is_here, path_of


def compact(name: str | os.PathLike[str], *, progress: bool = True) -> Compacted:
    """Put a campaign's event log into few, well compressed files.

    Parameters
    ----------
    name : str or path
        A campaign; a bare name is looked for in ``campaigns/``.  Or another folder of event
        logs, to which nobody may write meanwhile, also behind a URL of fsspec's.
    progress : bool
        Whether to show how far it is, where it takes long.

    Returns
    -------
    Compacted
        How many files and octets there were, and are.  The log is the same, row for row;
        tables, charts and ``read_log`` go on meanwhile.  Killed at any moment, nothing is
        lost and nothing is there twice; what was begun is finished the next time.

    Raises
    ------
    LedgerError
        There is no such campaign, or it is being sent.
    SMTPBookError
        A file of the log is damaged.
    OSError
        A file cannot be written: the disk is full, say.  The log is as it was.
    """
    path = path_of(name)
    if not is_here(path):
        return compact_folder(path, progress=progress)
    home = path.parent if path.name == EVENTS else campaign_path(name)
    is_campaign = (home / FILE).exists() or (home / SETTINGS).exists()
    if not is_campaign and path.is_dir():
        return compact_folder(path, progress=progress)
    if not is_campaign:
        CampaignFolder(home)  # which tells what is amiss
    with _alone(home):
        return compact_folder(events_of(home), home / EVENTS, progress=progress)


def _alone(home: Path) -> AbstractContextManager[object]:
    """Keep a campaign to oneself; one with its ledger here needs not be whole."""
    return locked(home) if (home / FILE).exists() else CampaignFolder(home).alone()
