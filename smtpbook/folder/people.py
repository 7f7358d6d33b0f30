"""People: whether a list is the one a campaign began with, and whom it never writes to."""

from __future__ import annotations

from pathlib import Path

from smtpbook.errors import LedgerError
from smtpbook.recipients.recipients import Recipients
from smtpbook.recipients.suppression import SuppressionList


def compare_lists(campaign: str, frozen: Recipients, people: Recipients) -> None:
    """Refuse a list that is not the frozen one of a campaign.

    Raises
    ------
    LedgerError
        The message says what differs.
    """
    old, new = set(frozen.addresses), set(people.addresses)
    if frozen.addresses != people.addresses or not _same_cells(frozen, people):
        raise LedgerError(
            f"the list is not the one this campaign began with ({len(new - old):,} "
            f"addresses came, {len(old - new):,} went, others may have other fields or "
            f"another order). open_campaign({campaign!r}) goes on with its own list; "
            f"a new list is a campaign of its own, with another name"
        )


def suppression_of(path: str, *, may_be_elsewhere: bool) -> SuppressionList:
    """Give the suppression list a campaign began with, as it is now.

    Raises
    ------
    LedgerError
        It may be on another computer, and is not here.
    """
    if may_be_elsewhere and not Path(path).exists():
        raise LedgerError(
            f"the campaign's suppression list {path!r} is not there, or on another "
            f"computer; give it: open_campaign(…, suppress=…)"
        )
    return SuppressionList.open(path)


def _same_cells(one: Recipients, other: Recipients) -> bool:
    if one.fields != other.fields:
        return False
    left, right = one.frame[one.fields], other.frame[other.fields]
    return all(
        left[name].astype(object).where(left[name].notna(), None).tolist()
        == right[name].astype(object).where(right[name].notna(), None).tolist()
        for name in one.fields
    )
