"""Processes are killed, one of those that send or the one that began: nobody lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from smtpbook.campaign.campaign import Campaign
from smtpbook.campaign.live import Live
from smtpbook.campaign.opening import open_campaign
from smtpbook.errors import LedgerError, TransportError
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from tests.cluster.conftest import check, open_together
from tests.servers.process import ROOT, poll

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"),
]
Make = Callable[..., Campaign]
PEOPLE = 400


def senders(parent: int) -> list[int]:
    """The processes that send for another."""
    tasks = Path(f"/proc/{parent}/task").iterdir()
    children = [one for task in tasks for one in (task / "children").read_text().split()]
    return [
        int(one)
        for one in children
        if b"smtpbook.processes.sender" in Path(f"/proc/{one}/cmdline").read_bytes()
    ]


def begun(campaign: Campaign) -> Live:
    """Send until some are done."""
    live = campaign.start(processes=2, progress=False)
    while live.status().done < 60:
        assert not live.join(0.02)
    return live


def test_what_a_killed_process_had_is_sent_by_the_other(make: Make, lab: Lab) -> None:
    lab.set(end_of_data=Behaviour(delay_s=0.02))
    campaign = make(PEOPLE)
    live = begun(campaign)
    os.kill(senders(os.getpid())[-1], signal.SIGKILL)
    killed = pd.Timestamp.now("UTC") + pd.Timedelta(seconds=0.2)
    with pytest.warns(UserWarning, match="has ended with status -9; the others send its"):
        live.join()
    run = live.wait()
    counts = check(campaign, lab, PEOPLE)
    assert counts.keys() <= {"accepted", "in_doubt"}
    # It had half of the connections; on each two answered whose outcomes are not on the
    # disk yet, and one on the wire.
    assert counts["in_doubt"] <= 3 * campaign.settings.connections // 2
    assert run.counts["in_doubt"] == counts["in_doubt"]
    # Its connections have passed to the other.
    assert open_together(run.log[run.log["time"] > killed]) == campaign.settings.connections


def test_when_all_are_killed_it_says_so_and_goes_on_later(
    make: Make, lab: Lab, tmp_path: Path
) -> None:
    lab.set(end_of_data=Behaviour(delay_s=0.02))
    campaign = make(PEOPLE)
    live = begun(campaign)
    for one in senders(os.getpid()):
        os.kill(one, signal.SIGKILL)
    with pytest.warns(UserWarning, match="the others send its share"):
        live.join()
    with pytest.raises(TransportError, match="status -9; open the campaign again"):
        live.wait()
    assert check(campaign, lab, PEOPLE)["pending"] > 0
    open_campaign(tmp_path / "c", lab.account).send(processes=2, progress=False)
    assert check(campaign, lab, PEOPLE).keys() <= {"accepted", "in_doubt"}


_BEGIN = """\
import sys
from smtpbook.accounts.account import Account
from smtpbook.campaign.live import Live
from smtpbook.campaign.opening import open_campaign
folder, port = sys.argv[1:]
account = Account(host="127.0.0.1", port=int(port), tls="none", is_lab=True)
open_campaign(folder, account).send(processes=2, progress=False)
"""


def test_when_the_process_that_began_is_killed_another_goes_on(
    make: Make, lab: Lab, tmp_path: Path
) -> None:
    campaign = make(PEOPLE)
    campaign.send(limit=1, progress=False)
    lab.set(end_of_data=Behaviour(delay_s=0.02))
    told = (str(tmp_path / "c"), str(lab.port))
    began = subprocess.Popen([sys.executable, "-c", _BEGIN, *told], cwd=ROOT)
    poll(lambda: campaign.counts["accepted"] > 60 or None, began, what="it", timeout_s=100)
    left = senders(began.pid)
    assert len(left) == 2
    began.kill()
    began.wait()

    def go_on() -> Campaign | None:
        try:
            again = open_campaign(tmp_path / "c", lab.account)
            again.send(processes=2, progress=False)
        except LedgerError:  # those that it had are still there
            return None
        return again

    again = None
    while again is None:
        is_there = any(Path(f"/proc/{one}").exists() for one in left)
        again = go_on()
        assert again is not None or is_there
    counts = check(again, lab, PEOPLE)
    assert counts.keys() <= {"accepted", "in_doubt"}
    # On each connection one on the wire, and two whose outcomes were on their way to the
    # disk, where they are with the next intent but one.
    assert counts["in_doubt"] <= 3 * again.settings.connections
