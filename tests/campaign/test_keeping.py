"""Keeping: the folder that a campaign gets by itself, and what goes on from it."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pandas as pd
import pytest
import trio

from smtpbook.accounts.account import Account
from smtpbook.accounts.store import save_account
from smtpbook.campaign.campaign import Campaign
from smtpbook.campaign.opening import open_campaign
from smtpbook.delivery.settings import Together
from smtpbook.errors import ColumnError, LedgerError, TemplateError
from smtpbook.folder.folder import CampaignFolder
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pace
from smtpbook.pacing.retry import Retry
from smtpbook.pacing.stopping import Tally, stop_rule
from smtpbook.recipients.suppression import SuppressionList

People = Callable[[int], pd.DataFrame]
ServeHere = Callable[[Lab], Awaitable[Account]]


def is_kept(name: str) -> bool:
    return (Path("campaigns") / name / "ledger.sqlite").exists()


def received(lab: Lab) -> list[str]:
    return [who for one in lab.received for who in one.recipients]


async def test_the_first_send_makes_a_folder_and_the_same_campaign_goes_on_from_it(
    people: People, letter: Template, serve_here: ServeHere
) -> None:
    account = await serve_here(lab := Lab())
    campaign = Campaign("november", account, people(6), letter)
    assert campaign.counts == {"pending": 6}
    assert not is_kept("november")
    await campaign.send_async(limit=2)
    assert is_kept("november")
    for again in (
        Campaign("november", account, people(6), letter),
        open_campaign("november", account),
    ):
        await again.send_async(limit=2)
        assert again.id == campaign.id
    assert campaign.counts == {"accepted": 6}
    assert sorted(received(lab)) == sorted(people(6)["email"])
    await Campaign("november", account, people(6), letter).send_async()
    assert len(received(lab)) == 6


async def test_for_another_lab_it_begins_anew_and_the_old_one_stays_to_be_read(
    people: People, letter: Template, serve_here: ServeHere
) -> None:
    first = Campaign("lesson", await serve_here(Lab()), people(3), letter)
    await first.send_async()
    account = await serve_here(lab := Lab())
    again = Campaign("lesson", account, people(4), letter.prefixed("[2]"))
    await again.send_async()
    assert len(received(lab)) == 4
    assert open_campaign(Path("campaigns") / first.id, account).counts == {"accepted": 3}


async def test_what_was_sent_to_real_people_is_never_put_aside(
    people: People, letter: Template, serve_here: ServeHere
) -> None:
    for _ in range(2):
        account = (await serve_here(lab := Lab())).replace(is_lab=False)
        await Campaign("real", account, people(3), letter).send_async(confirm=False)
    assert received(lab) == []


async def test_of_what_nothing_was_sent_the_list_and_the_letter_may_change(
    people: People, letter: Template, serve_here: ServeHere
) -> None:
    lab = Lab()
    account = await serve_here(lab)
    lab.set(greeting=Behaviour(reply="554 5.3.2 not today"))
    with pytest.raises(Exception, match="554"):
        await Campaign("c", account, people(3), letter).send_async()
    lab.set(greeting=Behaviour())
    changed = Campaign("c", account, people(4), letter.prefixed("[2]"))
    await changed.send_async()
    assert changed.counts == {"accepted": 4}
    with pytest.raises(LedgerError, match="the list is not the one this campaign began"):
        Campaign("c", account, people(5), letter.prefixed("[2]"))


async def test_a_retry_that_was_still_to_come_comes_after_a_restart(
    people: People, letter: Template, serve_here: ServeHere
) -> None:
    lab = Lab()
    lab.set(rcpt=Behaviour(reply="450 4.7.1 greylisted, come back", times=1))
    account = await serve_here(lab)
    retry = Retry(after_s={"greylisted": [1.0]})
    campaign = Campaign("c", account, people(5), letter, retry=retry)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(campaign.send_async)
            while campaign.counts != {"deferred": 5}:  # noqa: ASYNC110
                await trio.sleep(0.01)
            scope.cancel()
    assert campaign.counts == {"deferred": 5}
    again = open_campaign("c", account)
    await again.send_async()
    assert again.counts == {"accepted": 5}
    assert list(again.outcomes["attempts"]) == [2] * 5


async def test_what_began_before_a_restart_counts_for_the_pace(
    people: People, letter: Template, serve_here: ServeHere
) -> None:
    account = await serve_here(lab := Lab())
    pace = Pace("3 every day", per_domain="2 every day")
    await Campaign("c", account, people(9), letter, pace=pace).send_async(limit=2)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(open_campaign("c", account).send_async)
        with trio.fail_after(60):
            while len(received(lab)) < 3:  # noqa: ASYNC110
                await trio.sleep(0.01)
        await trio.testing.wait_all_tasks_blocked(0.2)  # a fourth would come by then
        nursery.cancel_scope.cancel()
    assert len(received(lab)) == 3


async def test_all_settings_are_kept(
    people: People, letter: Template, serve_here: ServeHere
) -> None:
    account = await serve_here(Lab())
    campaign = Campaign(
        "c",
        account,
        people(3),
        Template(header_from="a@x.test", subject="s", text="t"),
        pace=Pace("60/min", per_domain="20/min", quiet="22:00-22:01"),
        connections=2,
        messages_per_connection=7,
        retry=Retry(after_s={"greylisted": [300, 600]}, give_up_s=3600, max_attempts=4),
        stop_when=[stop_rule("rejected > 10 %", after=50)],
        together=Together(show="to", size=2),
        in_doubt="resend",
    )
    await campaign.send_async(limit=1)
    kept = open_campaign("c", account).settings
    assert kept == campaign.settings
    changed = open_campaign("c", account, pace=5, connections=1)
    await changed.send_async(limit=1)
    kept = open_campaign("c", account).settings
    assert (kept.pace, kept.connections, kept.retry) == (
        Pace(5),
        1,
        campaign.settings.retry,
    )


async def test_several_accounts_share_a_campaign_and_are_found_again(
    people: People,
    letter: Template,
    serve_here: ServeHere,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SMTPBOOK_HOME", "home")
    labs = [Lab(), Lab()]
    shares = {
        (await serve_here(lab)).replace(name=name): share
        for lab, name, share in zip(labs, ("work", "spare"), (3, 1), strict=True)
    }
    await Campaign("c", shares, people(8), letter).send_async()
    assert [len(lab.received) for lab in labs] == [6, 2]
    with pytest.raises(LedgerError, match="sent by work, which is no saved account"):
        open_campaign("c")
    for account in shares:
        save_account(account, str(account.name))
    again = open_campaign("c")
    assert [one.name for one in again.accounts] == ["work", "spare"]
    assert list(again.accounts.values()) == [3, 1]


def too_many(tally: Tally) -> bool:
    return tally["rejected"] > 100


async def test_a_rule_that_no_file_keeps_has_to_be_given_again(
    people: People, letter: Template, serve_here: ServeHere
) -> None:
    account = await serve_here(Lab())
    campaign = Campaign("c", account, people(3), letter, stop_when=too_many)
    await campaign.send_async(limit=1)
    with pytest.raises(LedgerError, match="stop_when= was given as a function"):
        open_campaign("c", account)
    assert open_campaign("c", account, stop_when=too_many).counts["accepted"] == 1


async def test_the_suppression_list_is_asked_again_after_a_restart(
    people: People, letter: Template, serve_here: ServeHere
) -> None:
    account = await serve_here(lab := Lab())
    stop = SuppressionList.open("never.csv")
    await Campaign("c", account, people(4), letter, suppress=stop).send_async(limit=1)
    left = people(4)["email"].iloc[2]
    stop.add(left, reason="unsubscribed")
    again = open_campaign("c", account)
    await again.send_async()
    assert again.counts == {"accepted": 3, "suppressed": 1}
    assert left not in received(lab)


@pytest.mark.parametrize("folder", ["campaigns", None])
async def test_those_in_doubt_are_settled_by_a_table(
    folder: str | None, people: People, letter: Template, serve_here: ServeHere
) -> None:
    account = await serve_here(Lab("drops-after-dot"))
    campaign = Campaign("c", account, people(1), letter, folder=folder)
    await campaign.send_async()
    doubtful = campaign.outcomes.query("outcome == 'in_doubt'")
    with pytest.raises(ColumnError, match="'outcome' not found"):
        campaign.settle(doubtful[["recipient"]])
    campaign.settle(doubtful.assign(outcome="failed"))
    assert campaign.counts == {"failed": 1}


@pytest.mark.parametrize("folder", ["campaigns", None])
async def test_an_amended_letter_goes_to_those_still_to_be_written_to(
    folder: str | None, people: People, letter: Template, serve_here: ServeHere
) -> None:
    account = await serve_here(lab := Lab())
    campaign = Campaign("c", account, people(2), letter, folder=folder)
    await campaign.send_async(limit=1)
    campaign.amend(letter.prefixed("[mended]"))
    await campaign.send_async()
    assert [b"[mended]" in one.data for one in lab.received] == [False, True]
    if folder is not None:
        again = open_campaign("c", account)
        assert again.letter.subject.startswith("[mended]")


async def test_a_copy_is_recognised_and_can_be_adopted(
    people: People, letter: Template, serve_here: ServeHere
) -> None:
    account = await serve_here(Lab())
    await Campaign("c", account, people(2), letter).send_async(limit=1)
    shutil.copytree("campaigns/c", "campaigns/d")
    with pytest.raises(LedgerError, match="is a copy"):
        await open_campaign("campaigns/d", account).send_async()
    copy = open_campaign("campaigns/d", account, adopt=True)
    await copy.send_async()
    assert copy.counts == {"accepted": 2}


async def test_a_letter_counts_as_checked_only_when_it_suits_the_whole_list(
    people: People, letter: Template, serve_here: ServeHere
) -> None:
    account = await serve_here(lab := Lab())
    lab.set(data=Behaviour(reply="450 4.2.1 later"))
    campaign = Campaign("november", account, people(3), letter)
    await campaign.send_async()
    campaign.amend(letter.replace(text="{{ nickname }}"))
    await campaign.send_async()  # nobody is pending: it was filled in for nobody
    with pytest.raises(TemplateError, match="nickname"):
        await campaign.send_async(only="deferred")
    assert campaign.counts == {"deferred": 3}


@pytest.mark.parametrize("name", ["", ".", "..", "../evil", "a/b", "CON", "a:b", 7])
def test_a_name_that_is_none_for_a_folder_is_refused_at_once(
    name: str, people: People, letter: Template
) -> None:
    with pytest.raises(LedgerError, match="is no name for a campaign"):
        Campaign(name, Account(host="x.example"), people(1), letter)


async def test_who_shares_a_message_in_doubt_gets_it_again_with_the_same_id(
    people: People, serve_here: ServeHere
) -> None:
    lab = Lab()
    account = await serve_here(lab)
    letter = Template(header_from="a@x.test", subject="s", text="t")
    campaign = Campaign(
        "c",
        account,
        people(6),
        letter,
        together=Together(size=2),
        in_doubt="resend",
        connections=1,
    )
    lab.set("p0@*", end_of_data=Behaviour(drop=True, times=1))
    lab.set("p3@*", rcpt=Behaviour(reply="450 4.2.1 later", times=1))
    # Together, the next may have begun when the connection is lost.
    await campaign.send_async(limit=2)
    before = campaign.outcomes.set_index("recipient")
    doubtful = before.index[before["outcome"] == "in_doubt"]
    assert len(doubtful) == 2
    await campaign.send_async(only=["in_doubt"])
    await campaign.send_async()
    await campaign.send_async(only=["deferred"])
    after = campaign.outcomes.set_index("recipient")
    assert campaign.counts == {"accepted": 6}
    for who in doubtful:
        assert after["message_id"][who] == before["message_id"][who]
    assert after["message_id"].nunique() == 4  # the deferred one got a message of its own


async def test_a_folder_of_which_something_was_sent_is_never_taken_away(
    people: People, letter: Template, serve_here: ServeHere
) -> None:
    account = await serve_here(lab := Lab())
    await Campaign("c", account, people(3), letter).send_async(limit=1)
    folder = CampaignFolder(Path("campaigns/c"))
    assert not folder.remove()
    assert open_campaign("c", account).counts == {"accepted": 1, "pending": 2}
    assert len(lab.received) == 1


async def test_who_is_asked_for_by_hand_need_not_wait_for_a_retrys_time(
    people: People, letter: Template, serve_here: ServeHere
) -> None:
    lab = Lab()
    lab.set(rcpt=Behaviour(reply="452 4.2.2 Mailbox full", times=1))
    account = await serve_here(lab)
    campaign = Campaign("c", account, people(2), letter, retry=Retry())
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(campaign.send_async)
            while campaign.counts != {"deferred": 2}:  # noqa: ASYNC110
                await trio.sleep(0.01)
            scope.cancel()
    with trio.fail_after(30):
        await campaign.send_async(only="deferred")
    assert campaign.counts == {"accepted": 2}


@pytest.mark.parametrize("limit", [2.5, "5", True, -1])
async def test_a_limit_that_is_no_number_is_refused(
    limit: int, people: People, letter: Template, serve_here: ServeHere
) -> None:
    campaign = Campaign("c", await serve_here(Lab()), people(3), letter)
    with pytest.raises(ValueError, match="is no number of recipients"):
        await campaign.send_async(limit=limit)


@pytest.mark.parametrize("outcomes", [None, "abc", [("a@x.test", "accepted")]])
def test_what_settles_nothing_is_refused(
    outcomes: object, people: People, letter: Template
) -> None:
    campaign = Campaign("c", Account(host="x.example"), people(1), letter)
    with pytest.raises(TypeError, match="settle\\(\\) takes"):
        campaign.settle(outcomes)  # type: ignore[arg-type]
