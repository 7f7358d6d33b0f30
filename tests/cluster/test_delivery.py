"""The driver of a cluster's send tells what became of it, whatever ends it."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pandas as pd
import pytest

from smtpbook.accounts.account import Account
from smtpbook.cluster.delivery import ClusterDelivery
from smtpbook.cluster.order import Order
from smtpbook.cluster.workers import Ended, Workers
from smtpbook.delivery.run import Run
from smtpbook.delivery.settings import Settings
from smtpbook.errors import LedgerError
from smtpbook.folder.folder import CampaignFolder
from smtpbook.log.frame import Recorder
from smtpbook.messages.template import Template
from smtpbook.progress import Silent
from smtpbook.recipients.read import read_recipients

pytestmark = pytest.mark.real_server


class Through:
    """Workers whose only sender was ended by a stop rule."""

    running = 0

    def prove(self, order: Order) -> None:
        pass

    def ended(self) -> list[Ended]:
        return [Ended(worker="w", stopped="it is enough")]


async def test_one_that_is_replaced_before_its_senders_last_words_came_hears_them(
    tmp_path: Path, ledger: str
) -> None:
    letter = Template(header_from="Ann <ann@x.test>", subject="s", text="Come.")
    people = read_recipients(pd.DataFrame({"email": ["ann@x.example"]}))
    folder = CampaignFolder.create(tmp_path / "c", people, letter, {}, database=ledger)
    with folder.shared_ledger(sees_all=True) as desk:
        desk.begin_send("two")
    order = Order(
        folder=folder.path,
        accounts={Account(host="x.test", port=25, tls="none"): 1.0},
        settings=Settings(),
        send="one",
    )
    workers, run = cast(Workers, Through()), Run(Recorder(), "c")
    delivery = ClusterDelivery(workers, folder, order, run=run, display=Silent())
    with pytest.raises(LedgerError, match="another send of campaign 'c' was begun"):
        await delivery.run()
    assert run.stopped == "it is enough"
