"""Workers, database and scheduler go and come back: nobody lost, nobody silently twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from distributed import Client

from smtpbook.campaign.campaign import Campaign
from smtpbook.campaign.live import Live
from smtpbook.campaign.opening import open_campaign
from smtpbook.errors import TransportError
from smtpbook.folder.folder import CampaignFolder
from smtpbook.lab.lab import Lab
from tests.cluster.conftest import check, shorten_leases
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import ROOT, free_ports, poll, stop

pytestmark = [
    pytest.mark.real_server,
    pytest.mark.heavy,
    pytest.mark.skipif(sys.platform != "linux", reason="kills processes"),
]
Make = Callable[..., Campaign]
PEOPLE = 300
_NO_PORT = ("--dashboard-address", "127.0.0.1:0")
PACE = "40/second"  # or they would be done before anything happens to them
LEASE_S = 8  # which is waited for; a busy computer's pauses are shorter


def folder_of(campaign: Campaign) -> CampaignFolder:
    folder = campaign._keeping.folder
    assert folder is not None
    return folder


def shorten(campaign: Campaign, client: Client) -> None:
    """Have it send with leases that are not waited for as long."""
    campaign.send(cluster=client, limit=1)  # which makes its ledger
    shorten_leases(folder_of(campaign), LEASE_S)


def begun(campaign: Campaign, client: Client, done: int = 60) -> Live:
    """Send until some are done."""
    live = campaign.start(cluster=client, progress=False)
    while live.status().done < done:
        assert not live.join(0.1)
    return live


def a_sender(campaign: Campaign) -> int:
    """The process of a worker that sends."""
    with folder_of(campaign).shared_standings() as standings:
        shares = standings.shares
        return next(one.pid for one in standings.runners if shares.get(one.owner))


def test_what_a_killed_worker_had_is_taken_over(
    make: Make, processes: Client, lab: Lab
) -> None:
    campaign = make(PEOPLE, pace=PACE)
    shorten(campaign, processes)
    live = begun(campaign, processes)
    os.kill(a_sender(campaign), signal.SIGKILL)
    run = live.wait()
    counts = check(campaign, lab, PEOPLE)
    assert counts.keys() <= {"accepted", "in_doubt"}
    # It had half of the connections; on each two answered whose outcomes are not on the
    # disk yet, and one on the wire.
    assert counts["in_doubt"] <= 3 * campaign.settings.connections // 2
    # Of what was said in its last half second, the log may lack some.
    assert run.counts["in_doubt"] == counts["in_doubt"]
    assert run.counts["accepted"] <= counts["accepted"]


def test_a_worker_that_stood_still_sends_nothing_that_another_has(
    make: Make, processes: Client, lab: Lab
) -> None:
    campaign = make(PEOPLE, pace=PACE)
    shorten(campaign, processes)
    live = begun(campaign, processes)
    victim = a_sender(campaign)
    os.kill(victim, signal.SIGSTOP)
    try:
        while campaign.counts.get("pending"):
            assert not live.join(0.5)
    finally:
        os.kill(victim, signal.SIGCONT)
    live.wait()
    assert check(campaign, lab, PEOPLE).keys() <= {"accepted", "in_doubt"}


@pytest.mark.parametrize("is_crash", [False, True])
def test_a_database_that_is_started_again_is_waited_for(
    make: Make, processes: Client, lab: Lab, postgresql: PostgreSQL, *, is_crash: bool
) -> None:
    campaign = make(PEOPLE, pace=PACE)
    shorten(campaign, processes)
    live = begun(campaign, processes)
    postgresql.restart(crash=is_crash)
    assert campaign.counts["pending"] > 0
    live.wait()
    assert check(campaign, lab, PEOPLE).keys() <= {"accepted", "in_doubt"}


# --- a cluster of programs, as an administrator starts it ---------------------------------


class Programs:
    """``dask scheduler`` and its workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        (self.port,) = free_ports(1)
        self._folder = folder
        self._started: list[subprocess.Popen[str]] = []
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", *_NO_PORT)

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def start_worker(self) -> None:
        self._start("worker", self.address, "--nthreads", "1", *_NO_PORT)

    def restart_scheduler(self) -> None:
        """Kill it and start it again; its workers end, and others are started."""
        self.scheduler.kill()
        self.scheduler.wait(20)
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", *_NO_PORT)
        for _ in range(2):
            self.start_worker()

    def close(self) -> None:
        for process in reversed(self._started):
            if process.poll() is None:
                stop(process)

    def _start(self, what: str, *options: str) -> subprocess.Popen[str]:
        port = ("--port", str(self.port)) if what == "scheduler" else ()
        with (self._folder / f"{what}.log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", what, *options, *port],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.DEVNULL,
                stderr=log,
                text=True,
            )
        self._started.append(process)
        return process


@pytest.fixture
def programs(tmp_path: Path, ledger: str) -> Iterator[Programs]:
    found = Programs(tmp_path)
    for _ in range(2):
        found.start_worker()
    yield found
    found.close()


def test_a_scheduler_that_is_started_again_loses_nobody(
    make: Make, programs: Programs, lab: Lab
) -> None:
    campaign = make(PEOPLE, pace=PACE)
    with Client(programs.address, timeout=120) as client:
        client.wait_for_workers(2)
        shorten(campaign, client)
        live = begun(campaign, client)
        programs.restart_scheduler()
        assert campaign.counts["pending"] > 0
        with suppress(TransportError):  # it took longer than a client waits for it
            live.wait()
    with Client(programs.address, timeout=120) as client:
        client.wait_for_workers(1)
        campaign.send(cluster=client)
    assert check(campaign, lab, PEOPLE).keys() <= {"accepted", "in_doubt"}


_NOTEBOOK = """\
import sys
from distributed import Client
from smtpbook.accounts.account import Account
from smtpbook.campaign.opening import open_campaign
folder, port, address = sys.argv[1:]
account = Account(host="127.0.0.1", port=int(port), tls="none", is_lab=True)
open_campaign(folder, account).send(cluster=Client(address), progress=False)
"""


def test_a_notebook_that_is_killed_leaves_the_workers_sending_and_comes_back(
    make: Make, programs: Programs, lab: Lab, tmp_path: Path
) -> None:
    campaign = make(2 * PEOPLE, pace=PACE)
    with Client(programs.address, timeout=120) as client:
        client.wait_for_workers(2)
        campaign.send(cluster=client, limit=1)
    told = (str(tmp_path / "c"), str(lab.port), programs.address)
    notebook = subprocess.Popen([sys.executable, "-c", _NOTEBOOK, *told], cwd=ROOT)
    poll(
        lambda: campaign.counts["accepted"] > 60 or None,
        notebook,
        what="the send",
        timeout_s=120,
    )
    notebook.kill()
    notebook.wait()
    before = campaign.counts["accepted"]
    poll(
        lambda: campaign.counts["accepted"] > before + 40 or None,
        programs.scheduler,
        what="the workers",
        timeout_s=120,
    )
    with Client(programs.address, timeout=120) as client:
        again = open_campaign(tmp_path / "c", lab.account)
        again.send(cluster=client)
    assert check(again, lab, 2 * PEOPLE) == {"accepted": 2 * PEOPLE}
