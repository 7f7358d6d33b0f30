"""Kept: what is known of a campaign over all its sends, from its books and its log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pandas as pd

from smtpbook.campaign.keeping import Keeping
from smtpbook.campaign.later import later_log, with_replies
from smtpbook.ledger.standings import Standings
from smtpbook.log.files import log_files
from smtpbook.log.frame import require_columns, to_frame
from smtpbook.log.store import read_log
from smtpbook.stories.story import Story, story_of
from smtpbook.tables.outcomes import shown

_OUTCOMES: Final[dict[str, str]] = {
    **dict.fromkeys(("recipient", "outcome", "reason"), "string"),
    **{"attempts": "Int64", "verb": "string", "reply_code": "Int64"},
    **dict.fromkeys(("reply_text", "message_id"), "string"),
}


def kept_outcomes(standings: Standings, later: pd.DataFrame) -> pd.DataFrame:
    """Give where every recipient stands, as `Campaign.outcomes` describes it.

    Parameters
    ----------
    standings : Standings
    later : DataFrame
        What later mail told.
    """
    found = [one[: len(_OUTCOMES)] for one in standings.outcomes()]
    columns = list(zip(*found, strict=True)) or [()] * len(_OUTCOMES)
    table = pd.DataFrame(
        {
            name: pd.Series(list(cells), dtype=dtype)
            for (name, dtype), cells in zip(_OUTCOMES.items(), columns, strict=True)
        }
    )
    table = with_replies(table, later)
    table.insert(1, "state", shown(table["outcome"]))
    return table


def kept_log(keeping: Keeping) -> pd.DataFrame:
    """Give the event log of all sends that have ended, in their order.

    It is empty if there was none, and for a campaign that is kept in memory.

    Raises
    ------
    SMTPBookError
        A file of it is damaged; the message names it.
    """
    folder = keeping.folder
    if folder is None or not log_files(folder.events, folder.growing):
        return to_frame([])
    return read_log(folder.events, growing=folder.growing)


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
        later=later_log(keeping),
    )


def settled(outcomes: Mapping[str, str] | pd.DataFrame) -> Mapping[str, str]:
    """Give what somebody says became of recipients, by address.

    Raises
    ------
    TypeError
        It is neither.
    ColumnError
        A table has no column ``recipient`` or ``outcome``.
    """
    if isinstance(outcomes, Mapping):
        return {str(address): outcome for address, outcome in outcomes.items()}
    if not isinstance(outcomes, pd.DataFrame):
        raise TypeError(
            'settle() takes {address: "accepted"}, or a table with recipient and outcome'
        )
    require_columns(outcomes, "recipient", "outcome")
    return dict(zip(outcomes["recipient"], outcomes["outcome"], strict=True))
