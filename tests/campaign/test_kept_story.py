"""One recipient's story over all sends of a campaign, and whom a table's rows name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pandas as pd
import pytest

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.campaign.opening import open_campaign
from smtpbook.errors import ColumnError
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.messages.template import Template
from smtpbook.recipients.suppression import SuppressionList

People = Callable[[int], pd.DataFrame]
ServeHere = Callable[[Lab], Awaitable[Account]]
ANN = "p0@ordinary.example"


@pytest.mark.parametrize("is_kept", [True, False])
async def test_every_attempt_of_all_sends_is_told(
    is_kept: bool, tmp_path: Path, people: People, letter: Template, serve_here: ServeHere
) -> None:
    account = await serve_here(Lab("greylisting", speed=1e9))
    folder = tmp_path if is_kept else None
    campaign = Campaign("c", account, people(3), letter, folder=folder)
    await campaign.send_async()
    first = campaign.recipient(ANN)
    assert first.outcome == "deferred"
    assert ("RCPT TO" in first.dialogue) is is_kept
    await campaign.send_async(only=[ANN])
    if is_kept:
        campaign = open_campaign(tmp_path / "c", account)
    story = campaign.recipient(ANN.upper())
    assert story.address == ANN
    assert [one.outcome for one in story.tries] == ["deferred", "accepted"]
    assert story.outcome == "accepted"
    # What was said is kept in the folder alone.
    assert (f"RCPT TO:<{ANN}>" in story.dialogue) is is_kept
    assert bool(story.tries[-1].queue_id) is is_kept
    assert campaign.recipient("p1@patience.example").outcome == "deferred"


async def test_pending_suppressed_and_settled_are_told(
    tmp_path: Path, people: People, letter: Template, serve_here: ServeHere
) -> None:
    stop = SuppressionList.open(tmp_path / "never.csv")
    stop.add("@patience.example", reason="unsubscribed")
    account = await serve_here(Lab("drops-after-dot"))
    campaign = Campaign(
        "c", account, people(3), letter, connections=1, folder=tmp_path, suppress=stop
    )
    assert campaign.recipient(ANN).outcome == "pending"
    await campaign.send_async(limit=1)
    assert campaign.recipient(ANN).outcome == "in_doubt"
    campaign.settle({ANN: "accepted"})
    story = campaign.recipient(ANN)
    assert story.outcome == "accepted"
    assert story.tries[-1].settled == "accepted"
    suppressed = campaign.recipient("p1@patience.example")
    assert suppressed.outcome == "suppressed"
    assert "unsubscribed on " in " ".join(str(suppressed).split())
    assert "(@patience.example)" in suppressed.why


async def test_an_address_that_is_not_in_the_list_gets_the_near_miss(
    people: People, letter: Template, serve_here: ServeHere
) -> None:
    account = await serve_here(Lab())
    campaign = Campaign("c", account, people(3), letter, folder=None)
    with pytest.raises(ValueError, match="did you mean 'p0@ordinary"):
        campaign.recipient("p9@ordinary.example")


async def test_the_rows_of_a_table_are_sent_to_again(
    people: People, letter: Template, serve_here: ServeHere
) -> None:
    lab = Lab()
    lab.set(rcpt=Behaviour(reply="450 4.2.1 later"))
    account = await serve_here(lab)
    campaign = Campaign("c", account, people(6), letter, folder=None)
    run = await campaign.send_async()
    lab.set(rcpt=Behaviour())
    ordinary = run.outcomes.query("recipient_domain == 'ordinary.example'")
    assert (await campaign.send_async(only=ordinary)).counts["accepted"] == 1
    table = campaign.outcomes.query("outcome == 'deferred'")
    assert set(table["state"]) == {"▲ deferred"}
    assert (await campaign.send_async(only=table[:2])).counts["accepted"] == 2
    assert sum((await campaign.send_async(only=table[:0])).counts.values()) == 0
    few = campaign.people.where("email == 'p5@strictgate.example'")
    assert (await campaign.send_async(only=few)).counts["accepted"] == 1
    with pytest.raises(ColumnError, match="'recipient' or 'email' not found"):
        await campaign.send_async(only=table[["state"]])
    assert campaign.counts == {"accepted": 4, "deferred": 2}


async def test_a_campaign_shows_itself_with_its_counts(
    people: People, letter: Template, serve_here: ServeHere
) -> None:
    account = await serve_here(Lab())
    campaign = Campaign("<b>c</b>", account, people(3), letter, folder=None)
    await campaign.send_async(limit=1)
    assert repr(campaign) == "<Campaign '<b>c</b>': ○ 2 pending, ✓ 1 accepted>"
    html = campaign._repr_html_()
    assert "&lt;b&gt;c&lt;/b&gt;" in html
    assert 'aria-label="sent: the server took it"' in html
