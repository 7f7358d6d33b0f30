"""A campaign in a folder goes on after anything: nobody lost, nobody silently twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pandas as pd
import pytest

from smtpbook.accounts.account import Account
from smtpbook.accounts.store import load_account, save_account
from smtpbook.campaign.campaign import Campaign
from smtpbook.campaign.opening import open_campaign
from smtpbook.errors import LedgerError
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.log.store import read_log
from smtpbook.messages.template import Template
from tests.servers.process import ROOT, poll

pytestmark = pytest.mark.side_by_side
People = Callable[[int], pd.DataFrame]
ServeHere = Callable[[Lab], Awaitable[Account]]


def received(lab: Lab) -> Counter[str]:
    return Counter(who for one in lab.received for who in one.recipients)


async def test_it_goes_on_where_it_ended(
    tmp_path: Path,
    people: People,
    letter: Template,
    serve_here: ServeHere,
) -> None:
    lab = Lab("mixed-day")
    account = await serve_here(lab)
    first = Campaign("c", account, people(41), letter, folder=tmp_path)
    assert not (tmp_path / "c").exists()
    run = await first.send_async(limit=10)
    assert sum(run.counts.values()) == 10
    assert first.counts["pending"] == 31
    again = open_campaign(tmp_path / "c", account)
    assert again.counts == first.counts
    await again.send_async()
    counts = again.counts
    assert sum(counts.values()) == 41
    assert "pending" not in counts
    for outcome in ("accepted", "deferred", "rejected"):
        assert counts[outcome] == lab.counts[outcome] > 0
    assert set(received(lab).values()) == {1}
    assert dict(again.outcomes["outcome"].value_counts()) == counts
    logs = sorted((tmp_path / "c/events").iterdir())
    assert len(logs) == 2
    log = pd.concat([read_log(path) for path in logs])
    assert (log["kind"] == "outcome").sum() == 41


async def test_just_those_again_by_outcome_reason_and_address(
    tmp_path: Path,
    people: People,
    letter: Template,
    serve_here: ServeHere,
) -> None:
    lab = Lab()
    lab.set(rcpt=Behaviour(reply="450 4.2.1 later"))
    account = await serve_here(lab)
    campaign = Campaign("c", account, people(6), letter, folder=tmp_path)
    await campaign.send_async()
    assert campaign.counts == {"deferred": 6}
    lab.set(rcpt=Behaviour())
    addresses = list(campaign.outcomes["recipient"])
    await campaign.send_async(only=addresses[:2])
    assert campaign.counts == {"accepted": 2, "deferred": 4}
    await open_campaign(tmp_path / "c", account).send_async(only="deferred")
    assert campaign.counts == {"accepted": 6}
    assert list(campaign.outcomes["attempts"]) == [2] * 6
    with pytest.raises(ValueError, match="is not in this campaign's list"):
        await campaign.send_async(only="nobody@x.example")


async def test_the_suppressed_stay_suppressed(
    tmp_path: Path,
    people: People,
    letter: Template,
    serve_here: ServeHere,
) -> None:
    lab = Lab()
    account = await serve_here(lab)
    never = "p0@ordinary.example"
    run = await Campaign(
        "c", account, people(4), letter, folder=tmp_path, suppress=[never]
    ).send_async()
    assert run.counts["suppressed"] == 1
    again = open_campaign(tmp_path / "c", account)
    await again.send_async(only=[never])
    assert never not in received(lab)
    assert again.counts == {"accepted": 3, "suppressed": 1}


async def test_another_list_or_letter_is_never_taken_silently(
    tmp_path: Path,
    people: People,
    letter: Template,
    serve_here: ServeHere,
) -> None:
    account = await serve_here(Lab())
    await Campaign("c", account, people(4), letter, folder=tmp_path).send_async()
    with pytest.raises(LedgerError, match="the list is not the one"):
        Campaign("c", account, people(5), letter, folder=tmp_path)
    with pytest.raises(LedgerError, match="letter"):
        Campaign("c", account, people(4), letter.prefixed("[2]"), folder=tmp_path)
    with pytest.raises(LedgerError, match="no campaign 'd'"):
        open_campaign(tmp_path / "d", account)


async def test_nothing_is_kept_of_what_cannot_be_sent(
    tmp_path: Path,
    people: People,
    serve_here: ServeHere,
) -> None:
    account = await serve_here(Lab())
    wrong = Template(header_from="a@x.test", subject="{{ nope }}", text="t")
    campaign = Campaign("c", account, people(4), wrong, folder=tmp_path)
    with pytest.raises(Exception, match="nothing has been sent"):
        await campaign.send_async()
    campaign.send_async  # noqa: B018 - it may be mended and sent
    assert not (tmp_path / "c").exists()


def test_a_saved_account_is_found_again_and_another_must_be_given(
    tmp_path: Path, people: People, letter: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMTPBOOK_HOME", str(tmp_path / "home"))
    with Lab() as lab:
        account = lab.account.replace(name="here")
        Campaign("c", account, people(3), letter, folder=tmp_path).send(limit=1)
        with pytest.raises(LedgerError, match="here, which is no saved account; give it"):
            open_campaign(tmp_path / "c")
        save_account(account, "here")
        again = open_campaign(tmp_path / "c")
        assert again.account.port == account.port
        again.send(confirm=False)
        assert again.counts == {"accepted": 3}


@pytest.mark.parametrize("saved", ["work", "work and spare"])
def test_an_account_saved_under_another_name_than_it_has_itself_is_found_again(
    saved: str,
    tmp_path: Path,
    people: People,
    letter: Template,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SMTPBOOK_HOME", str(tmp_path / "home"))
    with Lab() as lab:
        for name in saved.split(" and "):
            save_account(lab.account, name)
        account = load_account("work")
        Campaign("c", account, people(3), letter, folder=tmp_path).send(limit=1)
        if saved != "work":
            with pytest.raises(LedgerError, match="is 2 of the saved accounts; give it"):
                open_campaign(tmp_path / "c")
            return
        again = open_campaign(tmp_path / "c")
        assert again.account == account
        again.send(confirm=False)
        assert again.counts == {"accepted": 3}


async def test_who_may_have_got_it_is_held_or_written_to_with_the_same_id(
    tmp_path: Path,
    people: People,
    letter: Template,
    serve_here: ServeHere,
) -> None:
    lab = Lab("drops-after-dot")
    account = await serve_here(lab)
    campaign = Campaign("c", account, people(2), letter, connections=1, folder=tmp_path)
    for _ in range(2):  # together, the second may have begun when the connection is lost
        await campaign.send_async(limit=1)
    doubtful = campaign.outcomes.query("outcome == 'in_doubt'")
    assert len(doubtful) == 2
    calm = Lab()
    account = await serve_here(calm)
    held = open_campaign(tmp_path / "c", account)
    await held.send_async()
    assert calm.received == []
    held.settle({doubtful["recipient"].iloc[0]: "accepted"})
    resent = open_campaign(tmp_path / "c", account, in_doubt="resend")
    await resent.send_async()
    (again,) = calm.received
    assert again.recipients == (doubtful["recipient"].iloc[1],)
    assert doubtful["message_id"].iloc[1].encode() in again.data
    assert resent.counts == {"accepted": 2}


SENDER = """
import sys
import pandas as pd
import smtpbook as sb
port, folder, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
if len(sys.argv) > 4:
    import resource
    sb.Campaign, sb.open_campaign  # compiled files are written before the limit holds
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]),) * 2)
account = sb.Account(host="127.0.0.1", port=port, tls="none", name="lab")
people = pd.DataFrame({"email": [f"p{n}@x{n % 5}.example" for n in range(count)]})
letter = sb.Template(header_from="a@x.test", subject="s", text="t")
try:
    campaign = sb.open_campaign(f"{folder}/c", account)
except sb.errors.LedgerError:
    campaign = sb.Campaign("c", account, people, letter, connections=3, folder=folder)
campaign.send(confirm=False, progress=False)
"""


def sender(lab: Lab, folder: Path, *numbers: int) -> subprocess.Popen[str]:
    given = [str(lab.account.port), str(folder), *map(str, numbers)]
    return subprocess.Popen(
        [sys.executable, "-c", SENDER, *given],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process: subprocess.Popen[str], lab: Lab, count: int) -> None:
    poll(
        lambda: len(lab.received) >= count or None,
        process,
        what=f"message {count}",
        timeout_s=60,
    )


@pytest.mark.heavy
def test_killed_at_any_moment_nobody_is_lost_and_nobody_gets_it_silently_twice(
    tmp_path: Path,
) -> None:
    count, kills = 150, 0
    lab = Lab()
    lab.set(end_of_data=Behaviour(delay_s=0.02))
    with lab:
        for after in (20, 60, 100):
            process = sender(lab, tmp_path, count)
            wait_for(process, lab, after)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
        process = sender(lab, tmp_path, count)
        assert process.wait() == 0, process.communicate()
        process.communicate()
        got = received(lab)
        campaign = open_campaign(tmp_path / "c", lab.account)
        outcomes = campaign.outcomes.set_index("recipient")["outcome"]
    assert sum(campaign.counts.values()) == count
    # On each of three connections: two answered whose outcomes are not on the disk yet,
    # and one on the wire.
    assert campaign.counts.get("in_doubt", 0) <= 3 * 3 * kills
    assert set(got.values()) == {1}
    assert set(outcomes) <= {"accepted", "in_doubt"}
    assert set(outcomes.index[outcomes == "accepted"]) <= set(got)
    assert set(got) <= set(outcomes.index)


@pytest.mark.heavy
@pytest.mark.skipif(sys.platform == "win32", reason="sets a limit on files' size")
def test_a_disk_that_is_full_ends_the_send_and_nobody_is_lost_or_twice(
    tmp_path: Path,
) -> None:
    count = 400
    with Lab() as lab:
        process = sender(lab, tmp_path, count, 250_000)
        _, said = process.communicate(timeout=120)
        assert process.returncode == 1, said
        assert "LedgerError" in said
        assert "then open the campaign again" in said.replace("\n", " ")
        sent = len(lab.received)
        assert 0 < sent < count
        process = sender(lab, tmp_path, count)
        assert process.wait() == 0, process.communicate()
        process.communicate()
        campaign = open_campaign(tmp_path / "c", lab.account)
        got = received(lab)
        outcomes = campaign.outcomes.set_index("recipient")["outcome"]
    assert set(got.values()) == {1}
    assert set(outcomes) <= {"accepted", "in_doubt"}
    assert len(got) == count == len(outcomes)
    # On each of three connections: two answered whose outcomes are not on the disk yet,
    # and one on the wire.
    assert (outcomes == "in_doubt").sum() <= 3 * 3


def test_a_second_sender_is_told_who_is_first(tmp_path: Path) -> None:
    lab = Lab()
    lab.set(end_of_data=Behaviour(delay_s=0.2))
    with lab:
        first = sender(lab, tmp_path, 400)  # which it has not done until it is looked at
        wait_for(first, lab, 5)
        campaign = open_campaign(tmp_path / "c", lab.account)
        with pytest.raises(LedgerError, match=f"{first.pid}"):
            campaign.send(confirm=False)
        first.terminate()
        first.communicate()
    assert os.path.exists(tmp_path / "c")
