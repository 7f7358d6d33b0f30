"""A cluster of processes, a database, and a server that counts what it got."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from smtpbook.campaign.campaign import Campaign
from smtpbook.folder.folder import CampaignFolder
from smtpbook.lab.lab import Lab
from smtpbook.messages.template import Template
from smtpbook.shared_ledger.schema import connect
from tests.servers.postgresql import PASSWORD, USER, PostgreSQL

if TYPE_CHECKING:
    from distributed import Client


@pytest.fixture(scope="session")
def ledger(postgresql: PostgreSQL) -> Iterator[str]:
    """The URL for ledgers; the password is in the environment, as a cluster's would be."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGPASSWORD", PASSWORD)
        yield f"postgresql://{USER}@127.0.0.1:{postgresql.port}/postgres"


@pytest.fixture(scope="module")
def client(ledger: str) -> Iterator[Client]:
    """A cluster of two workers that are threads: quick to start, and none can be killed."""
    yield from _client(processes=False)


@pytest.fixture(scope="module")
def processes(ledger: str) -> Iterator[Client]:
    """A cluster of two processes."""
    yield from _client(processes=True)


def _client(*, processes: bool) -> Iterator[Client]:
    from distributed import Client, LocalCluster  # three seconds, for those who need it

    settings = {"threads_per_worker": 1, "dashboard_address": ":0", "processes": processes}
    with LocalCluster(n_workers=2, **settings) as cluster, Client(cluster) as client:
        yield client


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab("ordinary", seed=1) as lab:
        yield lab


@pytest.fixture
def make(tmp_path: Path, ledger: str, lab: Lab) -> Callable[..., Campaign]:
    """Make a campaign to so many people."""

    def make(count: int, **more: Any) -> Campaign:
        people = pd.DataFrame({"email": [f"p{n}@d{n % 40}.example" for n in range(count)]})
        letter = Template(header_from="Ann <ann@x.test>", subject="s", text="Come.")
        told: dict[str, Any] = {"account": lab.account, "letter": letter, **more}
        return Campaign("c", people=people, folder=tmp_path, ledger=ledger, **told)

    return make


def shorten_leases(folder: CampaignFolder, lease_s: int) -> None:
    """Have runners that are still to come be given up sooner than after half a minute."""
    with closing(connect(folder.database or "", folder.id)) as connection:
        update = "UPDATE meta SET value = ? WHERE name = 'lease_s'"
        connection.execute(update, (str(lease_s),))


def got(lab: Lab) -> Counter[str]:
    """How often the server got a message for each recipient."""
    return Counter(one for message in lab.received for one in message.recipients)


def open_together(log: pd.DataFrame) -> int:
    """How many sessions there were at a time, at most."""
    about = log.dropna(subset="session_id").groupby("session_id")["time"]
    first, last = about.min(), about.max()
    return max(int(((first <= at) & (last >= at)).sum()) for at in first)


def check(campaign: Campaign, lab: Lab, count: int) -> Counter[str]:
    """Compare ledger and server: nobody lost, nobody silently twice; give the outcomes."""
    there, times = campaign.outcomes, got(lab)
    assert len(there) == count
    outcomes = dict(zip(there["recipient"], there["outcome"], strict=True))
    assert {who for who, n in times.items() if n > 1} == set()
    accepted = {who for who, outcome in outcomes.items() if outcome == "accepted"}
    assert accepted <= times.keys()
    doubtful = {who for who, outcome in outcomes.items() if outcome == "in_doubt"}
    assert times.keys() <= accepted | doubtful
    return Counter(outcomes.values())
