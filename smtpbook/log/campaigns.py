"""Campaigns: where the event log of one is that is kept in a folder.

What still grows is in its folder.  What is sealed is there as well, or where the campaign's
settings say; of these nothing else is known here.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

from smtpbook.log.files import log_files
from smtpbook.log.where import path_of

EVENTS: Final = "events"
"""In a campaign's folder, where its event log is; elsewhere, what of it still grows."""
SETTINGS: Final = "campaign.toml"
"""In a campaign's folder, what makes it one."""
ELSEWHERE: Final = "events"
"""In the settings, where the event log is if not in the folder."""


def events_of(folder: Path) -> Path:
    """Give where the sealed files of a campaign's event log are.

    Settings that cannot be read name no other place: who needs them tells what is amiss.
    """
    try:
        where = tomllib.loads((folder / SETTINGS).read_text("utf-8")).get(ELSEWHERE)
    except (OSError, ValueError, RecursionError):
        where = None
    return path_of(where) if isinstance(where, str) else folder / EVENTS


def event_files(folder: Path) -> list[Path]:
    """Give the files of a campaign's event log in their order, those that count."""
    return log_files(events_of(folder), folder / EVENTS)
