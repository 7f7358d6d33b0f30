"""Looking: what a campaign's next send is about to do, as it is asked before one."""

from __future__ import annotations

from smtpbook.campaign.campaign import Campaign
from smtpbook.preflight.about import About


def look_at(campaign: Campaign) -> About:
    """Look a campaign over as `send` does, but for letters that cannot be made."""
    with campaign._keeping.books() as books:
        chosen = books.select(None, None)
        return campaign._sending.look_over(books, chosen, progress=False)
