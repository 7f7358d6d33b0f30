"""A send by processes is the send that a campaign makes by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from smtpbook.accounts.account import Account
from smtpbook.accounts.store import save_account
from smtpbook.campaign.campaign import Campaign
from smtpbook.campaign.opening import open_campaign
from smtpbook.cli.main import main
from smtpbook.delivery.arms import Arm, Arms, Way
from smtpbook.errors import AuthenticationError, LedgerError, TransportError
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.ledger.standings import FILE
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pace
from smtpbook.pacing.retry import Retry
from smtpbook.pacing.stopping import stop_rule
from tests.campaign.conftest import DOMAINS
from tests.cluster.conftest import check, got, open_together

pytestmark = pytest.mark.side_by_side
Make = Callable[..., Campaign]
PIPELINED = Arms({"on": Arm(), "off": Arm(way=Way(pipelining="off"))})


def test_everybody_gets_one_message_and_the_log_holds_what_each_process_did(
    make: Make, lab: Lab
) -> None:
    campaign = make(80, suppress=["p3@d3.example"])
    run = campaign.send(processes=2, progress=False)
    assert check(campaign, lab, 80) == {"accepted": 79, "suppressed": 1}
    assert {name: n for name, n in run.counts.items() if n} == campaign.counts
    assert set(run.log["campaign_id"].dropna()) == {campaign.id}
    assert set(campaign.outcomes["message_id"].dropna()) == set(
        run.log["message_id"].dropna()
    )
    assert campaign.live is not None
    assert (campaign.live.status().state, campaign.live.status().done) == ("done", 79)
    assert lab.received[0].data.count(b"Hello Bob") == 1


@pytest.mark.heavy
def test_outcomes_are_those_of_one_process(tmp_path: Path) -> None:
    emails = [f"p{n}@{DOMAINS[n % len(DOMAINS)]}.example" for n in range(120)]
    letter = Template(header_from="Ann <ann@x.test>", subject="s", text="Come.")
    found = []
    for processes in (1, 3):
        with Lab("mixed-day", seed=1, speed=100) as lab:
            campaign = Campaign(
                f"by-{processes}",
                lab.account,
                pd.DataFrame({"email": emails}),
                letter,
                folder=tmp_path,
                connections=6,
            )
            campaign.send(processes=processes, progress=False)
            check(campaign, lab, len(emails))
        found.append(campaign.outcomes[["recipient", "outcome", "reply_code"]])
    assert found[0].equals(found[1])
    assert found[0]["outcome"].nunique() > 2


@pytest.mark.heavy
def test_it_pauses_and_stops_when_asked_and_goes_on_from_its_folder(
    make: Make, lab: Lab, tmp_path: Path
) -> None:
    campaign = make(60, pace="40 every hour")
    live = campaign.start(processes=2, progress=False)
    while live.status().done < 20:
        assert not live.join(0.05)
    live.pause()
    assert live.status().state == "paused"
    live.resume()
    live.stop()
    run = live.wait(60)
    assert check(campaign, lab, 60)["pending"] >= 20
    assert run.counts["accepted"] == campaign.counts["accepted"]
    again = open_campaign(tmp_path / "c", lab.account, pace="1000/second")
    again.send(processes=2, progress=False)
    assert check(again, lab, 60) == {"accepted": 60}


@pytest.mark.heavy
def test_stop_rules_count_what_all_processes_hear(make: Make, lab: Lab) -> None:
    campaign = make(60, stop_when=stop_rule("accepted >= 10"), connections=2)
    run = campaign.send(processes=2, progress=False)
    assert run.stopped == "accepted >= 10: 10 of 10"
    counts = check(campaign, lab, 60)
    assert 10 <= counts["accepted"] < 20
    assert run.counts["accepted"] == counts["accepted"]


@pytest.mark.heavy
def test_the_pace_is_of_all_together(make: Make, lab: Lab) -> None:
    campaign = make(30, pace="6 every hour", stop_when=lambda tally: tally.tried >= 6)
    campaign.send(processes=3, progress=False)
    assert len(lab.received) == 6


@pytest.mark.heavy
def test_each_process_follows_the_server_at_its_part_of_an_adaptive_pace(
    make: Make, lab: Lab
) -> None:
    campaign = make(12, pace="adaptive 1/second to 4/second")
    run = campaign.send(processes=2, progress=False)
    assert check(campaign, lab, 12) == {"accepted": 12}
    begun = run.log.loc[run.log["verb"] == "MAIL", "time"].sort_values()
    # All together begin at one a second, and double every ten seconds at most.
    assert (begun.iloc[-1] - begun.iloc[0]).total_seconds() > 5


@pytest.mark.heavy
def test_domains_that_a_function_joins_are_one_processs_at_one_pace(
    make: Make, lab: Lab
) -> None:
    half = {f"d{n}.example": f"mx{n % 2}.example" for n in range(40)}

    def behind(address: str) -> str:  # in no module
        return half[address.rpartition("@")[2]]

    pace = Pace(per_domain="6 every hour", domain_of=behind)
    campaign = make(40, pace=pace, stop_when=lambda tally: tally.tried >= 12)
    run = campaign.send(processes=2, progress=False)
    done = run.log[run.log["kind"] == "outcome"]
    told = done["recipient"].map(behind)
    assert told.value_counts().to_dict() == {"mx0.example": 6, "mx1.example": 6}
    sessions = [set(done.loc[told == f"mx{n}.example", "session_id"]) for n in (0, 1)]
    assert not sessions[0] & sessions[1]


@pytest.mark.heavy
def test_two_accounts_have_no_more_connections_than_there_may_be(
    make: Make, lab: Lab
) -> None:
    lab.set(end_of_data=Behaviour(delay_s=0.05))
    both = {lab.account: 1.0, lab.account.replace(helo="other.test", name="other"): 1.0}
    campaign = make(40, account=both, connections=3)  # one process, of three
    run = campaign.send(processes=3, progress=False)
    assert check(campaign, lab, 40) == {"accepted": 40}
    assert open_together(run.log) == 3


@pytest.mark.heavy
def test_who_is_deferred_is_tried_again_and_counted_once(make: Make, lab: Lab) -> None:
    lab.set(rcpt=Behaviour(reply="450 4.7.1 greylisted", times=1))
    campaign = make(20, retry=Retry(after_s={"greylisted": [0.1]}))
    run = campaign.send(processes=2, progress=False)
    assert check(campaign, lab, 20) == {"accepted": 20}
    assert campaign.live is not None
    assert campaign.live.status().counts == {"accepted": 20, "deferred": 0}
    assert len(run.log[run.log["kind"] == "outcome"]) > 20


@pytest.mark.heavy
def test_a_password_that_is_refused_is_tried_once_and_nothing_is_sent(make: Make) -> None:
    asked: list[int] = []

    def password() -> str:
        asked.append(1)
        return "wrong horse"

    with Lab(users={"ann": "another horse"}) as lab:
        account = lab.account.replace(username="ann", password=password)
        campaign = make(20, account=account)
        with pytest.raises(AuthenticationError):
            campaign.send(processes=2, progress=False)
        assert lab.received == []
    assert campaign.counts == {"pending": 20}
    assert asked == [1]


@pytest.mark.heavy
def test_when_who_is_next_cannot_be_read_what_was_dealt_is_sent_and_kept(
    make: Make, lab: Lab, tmp_path: Path
) -> None:
    lab.set(end_of_data=Behaviour(delay_s=0.02))
    campaign = make(400)  # more than are read at a time
    live = campaign.start(processes=2, progress=False)
    while live.status().done < 20:
        assert not live.join(0.02)
    with closing(sqlite3.connect(tmp_path / "c" / FILE)) as ledger:
        ledger.execute("ALTER TABLE suppressions RENAME TO gone")
    with pytest.raises(LedgerError, match="no such table: suppressions"):
        live.wait()
    counts = check(campaign, lab, 400)
    assert counts.keys() == {"accepted", "pending"}
    assert counts["accepted"] >= 20


@pytest.mark.heavy
def test_without_a_server_nothing_is_sent_and_it_says_why(make: Make, lab: Lab) -> None:
    campaign = make(20)
    lab.stop()
    with pytest.raises(TransportError, match=r"refused|cannot"):
        campaign.send(processes=2, progress=False)
    assert campaign.counts == {"pending": 20}
    assert got(lab) == {}


@pytest.mark.heavy
def test_the_command_line_has_processes_send(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMTPBOOK_HOME", str(tmp_path / "home"))
    save_account(lab.account, "work")
    (tmp_path / "people.csv").write_text("email\na@x.test\nb@x.test\n")
    (tmp_path / "letter.txt").write_text("Come.\n")
    words = ["send", "c", "--account", "work", "--people", str(tmp_path / "people.csv")]
    words += ["--from", "Ann <ann@x.test>", "--subject", "s", "--yes", "--processes", "2"]
    words += ["--text", str(tmp_path / "letter.txt"), "--folder", str(tmp_path)]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert got(lab) == {"a@x.test": 1, "b@x.test": 1}


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"arms": Arms({"a": Arm(way=Way(pace=Pace("5/min")))})}, "hours of their own"),
        ({"connections": 1, "arms": PIPELINED}, "give connections=2"),
    ],
)
def test_what_needs_one_process_is_refused(
    make: Make, told: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        make(3, **told).start(processes=2, confirm=False)


def test_so_is_an_account_that_counts_its_connections_to_many_servers(make: Make) -> None:
    with pytest.warns(UserWarning, match="port 25"):
        account = Account.direct(helo="mail.example.org")
    with pytest.raises(ValueError, match="direct"):
        make(3, account=account).start(processes=2, confirm=False)


def test_so_is_a_campaign_that_no_other_process_can_see(make: Make, lab: Lab) -> None:
    with pytest.raises(LedgerError, match="in memory"):
        make(3, folder=None).send(processes=2, progress=False)
    secret = make(3, letter=Template(header_from="a@x.test", subject="s", text="t"))
    with pytest.raises(ValueError, match="cluster="):
        secret.send(processes=2, cluster=object())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one"):
        secret.send(processes=0)
    assert lab.received == []
