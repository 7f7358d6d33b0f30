"""Kept: what is known of a campaign over all its sends, from its books and its log."""

from __future__ import annotations

import pandas as pd

from smtpbook.campaign.keeping import Keeping
from smtpbook.delivery.story import Story, story_of
from smtpbook.events import SCHEMA
from smtpbook.log.frame import to_frame
from smtpbook.log.store import read_log


def kept_log(keeping: Keeping) -> pd.DataFrame:
    """Give the event log of all sends that have ended, in their order.

    It is empty if there was none, and for a campaign that is kept in memory.

    Raises
    ------
    SMTPBookError
        A file of it is damaged; the message names it.
    """
    folder = keeping.folder
    # Named by the time at which they were written.
    paths = [] if folder is None else sorted(folder.events.glob("*.parquet"))
    logs = [read_log(path) for path in paths]
    if len(logs) < 2:
        return logs[0] if logs else to_frame([])
    # Where the files' categories differ, pandas makes objects of them.
    joined = pd.concat([log.astype(object) for log in logs], ignore_index=True)
    return joined.astype({column.name: column.dtype for column in SCHEMA})


def kept_story(keeping: Keeping, campaign: str, address: str) -> Story:
    """Tell the whole story of one recipient, over all sends.

    Raises
    ------
    ValueError
        The address is not in the list; the message suggests the near miss.
    SMTPBookError
        A file of the log is damaged.
    """
    with keeping.standings() as standings:
        standing = standings.standing(address)
        attempts = standings.attempts(address)
    is_suppressed = standing.outcome == "suppressed"
    return story_of(
        kept_log(keeping),
        standing.address,
        campaign,
        attempts=attempts,
        outcome=standing.outcome,
        why=keeping.why_suppressed(standing.address) if is_suppressed else "",
    )
