"""Kept: what was said in all sends of a campaign, from its folder."""

from __future__ import annotations

import pandas as pd

from smtpbook.events import SCHEMA
from smtpbook.folder.folder import CampaignFolder
from smtpbook.log.frame import to_frame
from smtpbook.log.store import read_log


def kept_log(folder: CampaignFolder) -> pd.DataFrame:
    """Give the event log of all sends so far, in their order; empty if there was none.

    Raises
    ------
    SMTPBookError
        A file of it is damaged; the message names it.
    """
    # Named by the time at which they were written.
    logs = [read_log(path) for path in sorted(folder.events.glob("*.parquet"))]
    if len(logs) < 2:
        return logs[0] if logs else to_frame([])
    # Where the files' categories differ, pandas makes objects of them.
    joined = pd.concat([log.astype(object) for log in logs], ignore_index=True)
    return joined.astype({column.name: column.dtype for column in SCHEMA})
