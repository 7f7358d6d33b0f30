"""Ledgers in folders of their own, and what a server may say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from smtpbook.ledger.ledger import Ledger
from smtpbook.protocol.replies import Reply
from smtpbook.transfer.transaction import Outcome, RecipientResult

PEOPLE = ["Ann@x.test", "bob@y.test", "eve@xn--bcher-kva.example", "stra\u00dfe@z.test"]
_REPLIES = {
    "accepted": "250 2.0.0 ok",
    "deferred": "450 4.2.2 mailbox full",
    "rejected": "550 5.1.1 no such user",
}


def result(address: str, outcome: Outcome) -> RecipientResult:
    """What a session would say of one recipient."""
    said = _REPLIES.get(outcome)
    return RecipientResult(
        recipient=address,
        outcome=outcome,
        reply=None if said is None else Reply.parse(said),
        verb="END-OF-DATA",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A campaign's folder with a ledger for PEOPLE."""
    Ledger.create(tmp_path, PEOPLE, campaign_id="november-1")
    return tmp_path


@pytest.fixture
def open_ledger(folder: Path) -> Iterator[Callable[..., Ledger]]:
    """Open the folder's ledger; whatever is open at the end is closed."""
    opened: list[Ledger] = []

    def open_it(**settings: Any) -> Ledger:
        opened.append(Ledger(folder, **settings))
        return opened[-1]

    yield open_it
    for ledger in opened:
        ledger.close()
