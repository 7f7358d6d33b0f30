"""What comes back after a send changes where a recipient stands, and is told everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from smtpbook.bounces.read import read_bounces
from smtpbook.bounces.suppress import suppress_bounces
from smtpbook.campaign.campaign import Campaign
from smtpbook.campaign.opening import open_campaign
from smtpbook.lab.lab import Lab
from smtpbook.messages.template import Template
from smtpbook.recipients.suppression import SuppressionList
from smtpbook.tables.outcomes import outcomes

PEOPLE = [f"p{n}@ordinary.example" for n in range(5)]


@pytest.fixture
def campaign(request: pytest.FixtureRequest, letter: Template, tmp_path: Path) -> Campaign:
    """Give a campaign that was sent to five people."""
    folder = tmp_path if getattr(request, "param", "memory") == "folder" else None
    with Lab() as lab:
        frame = pd.DataFrame({"email": PEOPLE, "first_name": "Ann"})
        campaign = Campaign("november", lab.account, frame, letter, folder=folder)
        campaign.send(progress=False)
    return campaign


@pytest.fixture
def bounced(campaign: Campaign, tmp_path: Path) -> Callable[..., pd.DataFrame]:
    """Write a report on somebody, and read it for the campaign."""

    def make(to: str, action: str, status: str, said: str) -> pd.DataFrame:
        sent = campaign.outcomes.set_index("recipient")["message_id"]
        (tmp_path / "report.eml").write_text(
            "From: mailer-daemon@mx.example\nDate: Sat, 28 Nov 2026 12:00:00 +0000\n"
            'Content-Type: multipart/report; boundary="b"\n\n--b\n'
            "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n"
            f"Final-Recipient: rfc822; {to}\nAction: {action}\nStatus: {status}\n"
            f"Diagnostic-Code: smtp; {said}\n\n--b\nContent-Type: message/rfc822\n\n"
            f"Message-ID: {sent[to]}\n\n--b--\n"
        )
        return read_bounces(tmp_path / "report.eml", campaign)

    return make


GONE = ("failed", "5.1.1", "550 5.1.1 gone")


def test_a_bounce_is_told_wherever_the_campaign_tells_of_its_recipients(
    campaign: Campaign, bounced: Callable[..., pd.DataFrame]
) -> None:
    assert campaign.add_bounces(bounced(PEOPLE[1], *GONE)) == 1
    assert campaign.counts == {"accepted": 4, "bounced": 1}
    row = campaign.outcomes.set_index("recipient").loc[PEOPLE[1]]
    assert (row["outcome"], row["reason"], row["reply_code"]) == (
        "bounced",
        "user_unknown",
        550,
    )
    assert row["reply_text"] == "5.1.1 gone"
    last = outcomes(campaign.log).set_index("recipient")
    assert last.loc[PEOPLE[1], "outcome"] == "bounced"
    said = str(campaign.recipient(PEOPLE[1]))
    assert "reported as undeliverable" in said
    assert "add it to the suppression list" in said
    assert campaign.report().counts["bounced"] == 1


@pytest.mark.parametrize("campaign", ["folder"], indirect=True)
def test_the_same_bounces_again_change_nothing(
    campaign: Campaign, bounced: Callable[..., pd.DataFrame]
) -> None:
    log = bounced(PEOPLE[1], *GONE)
    campaign.add_bounces(log)
    rows = len(campaign.log)
    assert campaign.add_bounces(log) == 0
    assert len(campaign.log) == rows


def test_who_is_only_put_off_is_not_written_to_twice(
    campaign: Campaign, bounced: Callable[..., pd.DataFrame]
) -> None:
    delayed = bounced(PEOPLE[2], "delayed", "4.2.0", "450 4.2.0 later")
    assert delayed["outcome"].tolist() == ["deferred"]
    assert campaign.add_bounces(delayed) == 0
    assert campaign.counts == {"accepted": 5}
    assert (
        outcomes(campaign.log).set_index("recipient").loc[PEOPLE[2], "outcome"]
        == "deferred"
    )


def test_what_is_of_another_campaign_is_left_out(
    campaign: Campaign, bounced: Callable[..., pd.DataFrame]
) -> None:
    log = bounced(PEOPLE[1], *GONE)
    log["campaign_id"] = "another"
    assert campaign.add_bounces(log) == 0
    assert campaign.counts == {"accepted": 5}


def test_a_complaint_after_a_delivery_is_what_remains(
    campaign: Campaign, bounced: Callable[..., pd.DataFrame]
) -> None:
    log = bounced(PEOPLE[0], "delivered", "2.0.0", "250 2.0.0 OK")
    campaign.add_bounces(log)
    assert campaign.counts["delivered"] == 1
    later = log.assign(outcome="complaint", time=log["time"] + pd.Timedelta("1h"))
    assert campaign.add_bounces(later) == 1
    assert campaign.counts == {"accepted": 4, "complaint": 1}


def test_it_is_there_after_opening_and_a_suppression_leaves_it(
    letter: Template, tmp_path: Path
) -> None:
    stop = SuppressionList.open(tmp_path / "never.csv")
    with Lab() as lab:
        frame = pd.DataFrame({"email": PEOPLE, "first_name": "Ann"})
        campaign = Campaign(
            "november", lab.account, frame, letter, folder=tmp_path, suppress=stop
        )
        run = campaign.send(progress=False)
        bounce = run.outcomes.iloc[[1]].assign(outcome="bounced", reply_code=550)
        log = run.log[(run.log["kind"] == "outcome").to_numpy(bool)].iloc[[1]].copy()
        log["outcome"], log["reason"], log["source"] = "bounced", "user_unknown", "dsn"
        log["reply_code"] = 550
        assert bounce["recipient"].tolist() == log["recipient"].tolist()
        campaign.add_bounces(log)
        suppress_bounces(campaign.log, stop)
        again = open_campaign(tmp_path / "november", lab.account)
        again.send(progress=False)
    assert again.counts == {"accepted": 4, "bounced": 1}
    assert outcomes(again.log)["outcome"].value_counts()["bounced"] == 1


def test_the_story_tells_what_came_back_and_what_to_do(
    campaign: Campaign, bounced: Callable[..., pd.DataFrame]
) -> None:
    campaign.add_bounces(bounced(PEOPLE[3], "failed", "5.2.2", "552 5.2.2 <b>full</b>"))
    story = campaign.recipient(PEOPLE[3])
    assert [one.outcome for one in story.tries] == ["accepted"]
    assert [one.reply for one in story.heard] == ["552 5.2.2 <b>full</b>"]
    assert story.summary.endswith("552 5.2.2 <b>full</b>")
    said = str(story)
    assert "Later mail: ← bounced 2026-11-28 12:00:00 UTC" in said
    assert "Reported by     mx.example" in said
    assert "write again when the mailbox has room" in " ".join(said.split())
    assert "&lt;b&gt;full" in story._repr_html_()
