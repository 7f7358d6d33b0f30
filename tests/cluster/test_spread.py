"""A send by a cluster is the send that a campaign makes by itself, by more senders."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from distributed import Client

from smtpbook.accounts.account import Account
from smtpbook.accounts.passwords import FromEnvironment
from smtpbook.accounts.store import save_account
from smtpbook.campaign.campaign import Campaign
from smtpbook.campaign.opening import open_campaign
from smtpbook.cli.main import main
from smtpbook.errors import AuthenticationError, LedgerError, LocalProtocolError
from smtpbook.experiments.experiment import Experiment
from smtpbook.folder.folder import CampaignFolder
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pace
from smtpbook.pacing.stopping import stop_rule
from smtpbook.progress import Silent, use
from smtpbook.tables.outcomes import outcomes
from smtpbook.tables.scan import scan_log
from tests.cluster.conftest import check, got
from tests.servers.smtp_sink import open_smtp_sink, recipients_in
from tests.servers.unprivileged import make_folder

pytestmark = [pytest.mark.real_server, pytest.mark.heavy, pytest.mark.side_by_side]
Make = Callable[..., Campaign]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Show no bars."""
    use(lambda title, total: Silent())
    yield
    use(None)


def test_everybody_gets_one_message_and_the_log_holds_what_each_sender_did(
    make: Make, client: Client, lab: Lab
) -> None:
    campaign = make(80, suppress=["p3@d3.example"])
    run = campaign.send(cluster=client)
    assert check(campaign, lab, 80) == {"accepted": 79, "suppressed": 1}
    counts = {name: n for name, n in run.counts.items() if n}
    assert counts == {"accepted": 79, "suppressed": 1}
    assert set(run.log["campaign_id"].dropna()) == {campaign.id}
    status = campaign.live.status() if campaign.live is not None else None
    assert status is not None
    assert (status.state, status.done) == ("done", 79)
    assert campaign.send(cluster=client).log.empty


@pytest.mark.parametrize("is_shared", [True, False])
def test_the_log_goes_where_the_campaign_says(
    make: Make, processes: Client, lab: Lab, tmp_path: Path, *, is_shared: bool
) -> None:
    """A local file system is one to fsspec, too, as a bucket of a shared store is."""
    where = f"{'file' if is_shared else 'local'}://{tmp_path}/log"
    campaign = make(80, events=where)
    run = campaign.send(cluster=processes)
    assert check(campaign, lab, 80) == {"accepted": 80}
    assert run.counts["accepted"] == 80
    assert not list((tmp_path / "c/events").iterdir())
    scan = scan_log(where, cluster=processes)
    assert len(scan.files()) >= 2
    assert outcomes(scan)["outcome"].tolist() == ["accepted"] * 80
    assert len(outcomes(campaign.log)) == 80


def test_another_server_has_got_what_the_ledger_says(make: Make, processes: Client) -> None:
    """Debian's smtp-sink, which knows nothing of us."""
    folder = make_folder("nobody", prefix="smtpbook-sink-")
    with open_smtp_sink(folder / "taken") as port:
        account = Account(host="127.0.0.1", port=port, tls="none", is_lab=True)
        campaign = make(2000, account=account, connections=8)
        run = campaign.send(cluster=processes)
        with campaign._keeping.standings() as standings:
            senders = {one.session_id for one in standings.outcomes()}
    taken = recipients_in(folder / "taken")
    shutil.rmtree(folder)
    assert sorted(taken) == sorted(campaign.people.addresses)
    assert campaign.counts == {"accepted": 2000}
    assert run.counts["accepted"] == 2000
    assert len(senders) > 1


def test_a_send_is_for_those_who_were_asked_for(
    make: Make, client: Client, lab: Lab
) -> None:
    campaign = make(30)
    campaign.send(cluster=client, limit=7)
    assert set(got(lab)) == {f"p{n}@d{n}.example" for n in range(7)}
    campaign.send(cluster=client, only=["p20@d20.example"])
    assert got(lab)["p20@d20.example"] == 1
    assert check(campaign, lab, 30) == {"accepted": 8, "pending": 22}


def test_it_stops_when_asked_and_goes_on_from_its_folder(
    make: Make, client: Client, lab: Lab, tmp_path: Path
) -> None:
    campaign = make(60, pace="40 every hour")
    live = campaign.start(cluster=client, progress=False)
    while live.status().done < 20:
        assert not live.join(0.1)
    live.pause()
    assert live.status().state == "paused"
    live.resume()
    live.stop()
    live.wait(60)
    assert live.is_done
    assert check(campaign, lab, 60)["pending"] >= 20
    again = open_campaign(tmp_path / "c", lab.account, pace="1000/second")
    again.send(cluster=client)
    assert check(again, lab, 60) == {"accepted": 60}


def test_who_comes_back_joins_the_send_that_goes_on(
    make: Make, client: Client, lab: Lab, tmp_path: Path
) -> None:
    campaign = make(60, pace="30 every hour")
    live = campaign.start(cluster=client, progress=False)
    while live.status().done < 10:
        assert not live.join(0.1)
    again = open_campaign(tmp_path / "c", lab.account)
    with pytest.raises(LedgerError, match="is being sent by"):
        again.send(cluster=client, limit=3)
    with pytest.raises(LedgerError, match="is being sent by"):
        again.amend(campaign.letter)
    joined = again.start(cluster=client, progress=False)
    while joined.status().done < 10:
        assert not joined.join(0.1)
    joined.stop()
    live.wait(60)
    joined.wait(60)
    assert live.is_done
    assert joined.is_done
    assert check(again, lab, 60)["pending"] >= 30


def test_one_that_was_begun_before_the_workers_of_another_came_is_the_one_that_goes_on(
    make: Make, client: Client, lab: Lab, tmp_path: Path
) -> None:
    logins = count()

    def begin(_: object) -> bool:
        """Be another notebook, which begins one while this one's workers log in."""
        if next(logins) == 0:
            with CampaignFolder(tmp_path / "c").shared_ledger(sees_all=True) as desk:
                desk.begin_send("another")
        return False

    campaign = make(20, suppress=["p3@d3.example"])
    lab.set(ehlo=Behaviour(delay_s=0.0, when=begin))
    with pytest.raises(LedgerError, match="another send of campaign 'c' was begun"):
        campaign.send(cluster=client)
    assert set(campaign.outcomes["outcome"]) == {"pending", "suppressed"}
    assert campaign.log.empty  # who is suppressed is the other's to tell


def test_a_stop_rule_stops_all(make: Make, client: Client, lab: Lab) -> None:
    rule = stop_rule("accepted >= 10")
    campaign = make(60, stop_when=rule, connections=2, pace="20/second")
    run = campaign.send(cluster=client)
    assert run.stopped is not None
    assert check(campaign, lab, 60)["pending"] > 0


def test_an_experiment_is_sent_by_all_at_a_pace_that_learns(
    client: Client, lab: Lab, tmp_path: Path, ledger: str
) -> None:
    people = pd.DataFrame({"email": [f"p{n}@d{n % 20}.example" for n in range(60)]})
    letter = Template(header_from="Ann <ann@x.test>", subject="s", text="Come.")
    experiment = Experiment({"subject": ["this", "that"], "helo": ["a.test", "b.test"]})
    run = experiment.run(
        "trial",
        lab.account,
        people,
        letter,
        folder=tmp_path,
        ledger=ledger,
        pace="adaptive 10/second to 1000/second",
        connections=8,
        cluster=client,
    )
    drawn = experiment.assign(people).people.frame.set_index("email")["arm"]
    done = run.log[run.log["kind"] == "outcome"].set_index("recipient")
    assert done["arm"].astype(str).to_dict() == drawn.to_dict()
    assert set(done["outcome"]) == {"accepted"}
    assert set(got(lab).values()) == {1}
    helo = run.log[run.log["verb"] == "EHLO"].groupby("session_id")["command"].first()
    by_arm = done.reset_index().groupby("session_id")["arm"].first().astype(str)
    assert all(helo[one].split()[1] in arm for one, arm in by_arm.items())


def test_what_joins_domains_goes_to_the_workers_from_wherever_it_is_written(
    make: Make, processes: Client, lab: Lab
) -> None:
    def behind(address: str) -> str:  # in no module
        return f"mx{int(address.partition('@d')[2].partition('.')[0]) % 2}.test"

    pace = Pace(per_domain="6 every hour", domain_of=behind)
    campaign = make(60, pace=pace)
    live = campaign.start(cluster=processes, progress=False)
    while live.status().done < 12:
        assert not live.join(0.1)
    live.stop()
    run = live.wait(60)
    whose = run.log.loc[run.log["kind"] == "outcome", "recipient"].map(behind)
    assert whose.value_counts().to_dict() == {"mx0.test": 6, "mx1.test": 6}
    assert check(campaign, lab, 60) == {"accepted": 12, "pending": 48}


def test_what_no_worker_can_be_told_is_refused(
    make: Make, processes: Client, lab: Lab
) -> None:
    lock = threading.Lock()
    pace = Pace(per_domain="6 every hour", domain_of=lambda _: str(lock))
    with pytest.raises(LocalProtocolError, match="cannot be told to a worker"):
        make(6, pace=pace).send(cluster=processes)
    assert lab.received == []


def test_a_login_that_fails_anywhere_fails_before_anything_is_sent(
    make: Make, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Lab("ordinary", users={"ann": "right"}, tls="none") as lab:
        account = lab.account.replace(password=FromEnvironment("LAB_PASSWORD"))
        campaign = make(10, account=account)
        monkeypatch.setenv("LAB_PASSWORD", "wrong")
        with pytest.raises(AuthenticationError) as caught:
            campaign.send(cluster=client)
        assert "nothing was sent" in caught.value.__notes__[0]
        monkeypatch.setenv("LAB_PASSWORD", "right")
        campaign.send(cluster=client)
        assert check(campaign, lab, 10) == {"accepted": 10}


def test_what_cannot_be_done_says_what_to_do(
    make: Make, client: Client, lab: Lab, tmp_path: Path, ledger: str
) -> None:
    secret = Account(host="h.example", username="ann", password="correct horse")
    with pytest.raises(LocalProtocolError, match="FromEnvironment"):
        make(3, account=secret).send(cluster=client, confirm=False)
    with pytest.raises(LocalProtocolError, match="Client"):
        make(3).send(cluster="tcp://x")
    with pytest.raises(LedgerError, match="cluster="):
        make(3).send()
    people = pd.DataFrame({"email": ["a@x.example"]})
    letter = Template(header_from="Ann <ann@x.test>", subject="s", text="Come.")
    alone = Campaign("alone", lab.account, people, letter, folder=tmp_path)
    with pytest.raises(LedgerError, match="ledger='postgresql"):
        alone.send(cluster=client)
    with pytest.raises(LedgerError, match="PGPASSWORD") as caught:
        Campaign("a", lab.account, people, letter, ledger="postgresql://u:pass@h/d")
    assert "pass@" not in str(caught.value)
    table = Template(
        header_from="a@x.test", subject="s", text="{{ t }}", values={"t": people}
    )
    with pytest.raises(LedgerError, match="read the letter"):
        Campaign("t", lab.account, people, table, folder=tmp_path, ledger=ledger).send(
            cluster=client
        )
    assert not (tmp_path / "c").exists()
    assert lab.received == []


def test_the_command_line_sends_by_a_cluster_and_resumes_by_it(
    client: Client, lab: Lab, tmp_path: Path, ledger: str
) -> None:
    save_account(lab.account, "work")
    (tmp_path / "people.csv").write_text("email\na@x.example\nb@y.example\n")
    (tmp_path / "letter.txt").write_text("Come.")
    cluster = ("--cluster", client.scheduler.address, "--json")
    told = CliRunner().invoke(
        main,
        [
            *("send", "c", "--account", "work", "--people", str(tmp_path / "people.csv")),
            *("--from", "Ann <ann@x.test>", "--subject", "s", "--limit", "1"),
            *("--text", str(tmp_path / "letter.txt"), "--ledger", ledger, *cluster),
        ],
    )
    assert told.exit_code == 1, told.output
    assert json.loads(told.stdout)["campaign"] == {"accepted": 1, "pending": 1}
    told = CliRunner().invoke(main, ["resume", "c", *cluster])
    assert told.exit_code == 0, told.output
    assert len(lab.received) == 2
