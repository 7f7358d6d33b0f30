"""Direct campaigns as a notebook has them: kept in a folder, looked over, rehearsed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from smtpbook.accounts.account import Account
from smtpbook.accounts.store import save_account
from smtpbook.campaign.campaign import Campaign
from smtpbook.campaign.opening import open_campaign
from smtpbook.errors import LedgerError
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.messages.template import Template
from tests.direct.conftest import US, people_at
from tests.servers.name_server import name_server
from tests.servers.process import poll

pytestmark = pytest.mark.side_by_side
ROOT = Path(__file__).parents[2]
ZONE = {f"x{n}.example": {"MX": f"10 mx{n % 2}.example"} for n in range(5)}
ZONE |= {f"mx{n}.example": {"A": "127.0.0.1"} for n in range(2)}


RECORDS = """
x.example.    IN MX 10 mx.x.example.
mx.x.example. IN A 127.0.0.1
null.example. IN MX 0 .
"""


def account_for(*labs: Lab, **changes: Any) -> Account:
    """Give an account by which these labs are the servers of all domains, in turn."""
    ports = {f"mx{n}.example": lab.port for n, lab in enumerate(labs)}
    given = {"zone": ZONE, "is_lab": True, "per_host": None} | changes
    return Account.direct(US, ports=ports, **given)


def test_a_campaign_in_a_folder_goes_on_where_it_was(letter: Template) -> None:
    people = people_at(*[f"x{n}.example" for n in range(5)], each=3)
    with Lab() as one, Lab() as two:
        account = account_for(one, two)
        Campaign("november", account, people, letter).send(limit=6, progress=False)
        with pytest.raises(LedgerError, match="direct"):
            open_campaign("november")
        again = open_campaign("november", account)
        again.send(progress=False)
        assert again.counts == {"accepted": 15}
        got = Counter(
            who for lab in (one, two) for m in lab.received for who in m.recipients
        )
    assert set(got.values()) == {1}
    assert len(got) == 15


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore:sending to recipients")
def test_a_saved_account_is_found_again_with_its_campaign(letter: Template) -> None:
    # Asked is a server that is not there: the port is closed, and the send is not begun.
    account = Account.direct(US, nameservers=["127.0.0.1:1"])
    save_account(account, "direct")
    campaign = Campaign("november", account, people_at("x.example"), letter)
    assert campaign.send(dry_run=True, progress=False).counts["accepted"] == 0
    account = account_for()
    Campaign("october", account, people_at("x.example"), letter).send(progress=False)
    (own,) = open_campaign("october").accounts
    assert own.relay is not None
    assert own.relay.nameservers == ("127.0.0.1:1",)


def test_name_servers_are_asked_where_there_is_no_zone(letter: Template) -> None:
    with name_server(RECORDS) as names, Lab() as lab:
        names.failing.add("broken.example")
        with pytest.warns(UserWarning, match="port 25"):
            account = Account.direct(
                US,
                nameservers=[names.place],
                ports={"mx.x.example": lab.port},
                policies={},
                tls="none",
            )
        people = people_at("x.example", "null.example", "broken.example", "gone.example")
        campaign = Campaign("c", account, people, letter, folder=None)
        run = campaign.send(confirm=False, progress=False)
    outcomes = run.outcomes.set_index("recipient")["outcome"].to_dict()
    assert outcomes == {
        "p0@x.example": "accepted",
        "p0@null.example": "rejected",
        "p0@broken.example": "failed",
        "p0@gone.example": "rejected",
    }


def test_preflight_says_who_should_send_so(letter: Template) -> None:
    with pytest.warns(UserWarning, match="port 25"):
        account = Account.direct(US, nameservers=["127.0.0.1:1"])
    campaign = Campaign("c", account, people_at("x.example"), letter, folder=None)
    found = campaign.preflight(progress=False).set_index("check")
    assert found.loc["direct", "verdict"] == "warn"
    assert "20/min" in found.loc["direct", "evidence"]
    assert "PTR" in found.loc["direct", "remedy"]
    assert "SPF" in found.loc["sender", "evidence"]
    assert "tls" not in found.index
    assert "each domain's own servers" in campaign.describe()


def test_a_rehearsal_asks_nobody_and_keeps_the_pace_at_each_domain(
    letter: Template,
) -> None:
    account = account_for(per_host="20/min")
    people = people_at("one.example", "two.example", each=11)
    campaign = Campaign("c", account, people, letter, folder=None)
    rehearsal = campaign.rehearse("ordinary", progress=False)
    assert rehearsal.counts["accepted"] == 22
    assert 30 <= rehearsal.took_s < 40
    assert set(rehearsal.log["source"]) == {"rehearsal"}


SENDER = """
import sys
import pandas as pd
import smtpbook as sb
ports, folder, count = sys.argv[1:3], sys.argv[3], int(sys.argv[4])
zone = {f"x{n}.example": {"MX": f"10 mx{n % 2}.example"} for n in range(5)}
zone |= {f"mx{n}.example": {"A": "127.0.0.1"} for n in range(2)}
account = sb.Account.direct(
    "mail.sender.example", zone=zone, is_lab=True, per_host=None, tls="none",
    ports={f"mx{n}.example": int(port) for n, port in enumerate(ports)},
)
people = pd.DataFrame({"email": [f"p{n}@x{n % 5}.example" for n in range(count)]})
letter = sb.Template(header_from="a@x.test", subject="s", text="t")
try:
    campaign = sb.open_campaign(f"{folder}/c", account)
except sb.errors.LedgerError:
    campaign = sb.Campaign("c", account, people, letter, connections=4, folder=folder)
campaign.send(progress=False)
"""


@pytest.mark.heavy
def test_killed_at_any_moment_nobody_is_lost_and_nobody_gets_it_silently_twice(
    tmp_path: Path,
) -> None:
    count, kills = 150, (20, 60, 100)
    labs = Lab(), Lab()
    for lab in labs:
        lab.set(end_of_data=Behaviour(delay_s=0.02))

    def begin() -> subprocess.Popen[str]:
        given = [*(str(lab.port) for lab in labs), str(tmp_path), str(count)]
        return subprocess.Popen(
            [sys.executable, "-c", SENDER, *given],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )

    def received() -> list[str]:
        return [who for lab in labs for one in lab.received for who in one.recipients]

    with labs[0], labs[1]:
        for after in kills:
            process = begin()
            poll(
                lambda after=after: len(received()) >= after or None,
                process,
                what=f"message {after}",
                timeout_s=60,
            )
            process.send_signal(signal.SIGKILL)
            process.communicate()
        process = begin()
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
        campaign = open_campaign(tmp_path / "c", account_for(*labs))
        outcomes = campaign.outcomes.set_index("recipient")["outcome"]
    got = Counter(received())
    assert sum(campaign.counts.values()) == count
    assert campaign.counts.get("in_doubt", 0) <= 2 * 4 * len(kills)
    assert set(got.values()) == {1}
    assert set(outcomes) <= {"accepted", "in_doubt"}
    assert set(outcomes.index[outcomes == "accepted"]) <= set(got)


@pytest.mark.heavy
def test_a_pause_and_a_stop_are_heard(letter: Template) -> None:
    with Lab() as one, Lab() as two:
        account = account_for(one, two, per_host="2/s")
        people = people_at(*[f"x{n}.example" for n in range(5)], each=40)
        live = Campaign("c", account, people, letter, folder=None).start(progress=False)
        while not one.received:
            live.wait(0.02)
        live.pause()
        assert live.status().state == "paused"
        live.resume()
        live.stop()
        run = live.wait()
    assert isinstance(run.log, pd.DataFrame)
    assert 0 < sum(run.counts.values()) < 200
    assert run.counts["accepted"] == len(one.received) + len(two.received)
