"""Outbox: what a session needs written down is written together with that of others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pandas as pd
import trio

from smtpbook.accounts.account import Account
from smtpbook.delivery.run import Run
from smtpbook.delivery.settings import Settings
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.ledger.entries import Entry
from smtpbook.ledger.ledger import Ledger
from smtpbook.ledger.patience import Patience
from smtpbook.ledger.writer import Promise
from smtpbook.log.frame import Recorder
from smtpbook.messages.template import Template
from tests.delivery.conftest import delivery_of


class Remembering(Ledger):
    """A ledger that shows what it has promised."""

    promises: list[Promise]

    def intend(self, entries: Entry | Sequence[Entry], message_id: str) -> Promise | None:
        promise = super().intend(entries, message_id)
        assert promise is not None
        self.promises.append(promise)
        return promise


People = Callable[[int], pd.DataFrame]
ServeHere = Callable[[Lab], Awaitable[Account]]


def open_books(folder: Path, listed: pd.DataFrame) -> Remembering:
    rows = listed.to_dict("records")
    Ledger.create(folder, listed["email"], campaign_id="x")
    books = Remembering(folder, rows=lambda positions: [rows[at] for at in positions])
    books.promises = []
    return books


async def test_a_verdict_hurries_what_its_session_needs_next(
    people: People, letter: Template, serve_here: ServeHere, tmp_path: Path
) -> None:
    account = await serve_here(Lab())
    with trio.fail_after(60), open_books(tmp_path, people(6)) as books:
        books._writer._patience = Patience(first_s=1e6)  # nothing else would end the wait
        run = Run(Recorder(), "x")
        await delivery_of(books, letter, account, Settings(connections=1), run).run()
        assert books.counts == {"accepted": 6}


async def test_what_a_busy_session_needs_next_is_in_no_hurry(
    people: People, letter: Template, serve_here: ServeHere, tmp_path: Path
) -> None:
    lab = Lab()
    lab.set(end_of_data=Behaviour(delay_s=0.2))  # in real time, as the disk's
    account = await serve_here(lab)
    with open_books(tmp_path, people(8)) as books:
        run = Run(Recorder(), "x")
        await delivery_of(books, letter, account, Settings(connections=2), run).run()
        assert books.counts == {"accepted": 8}
    hurried = [promise.is_hurried for promise in books.promises]
    assert all(promise.is_kept for promise in books.promises)
    assert any(hurried[:2])  # a session that has nothing else to do waits
    assert not all(hurried)
