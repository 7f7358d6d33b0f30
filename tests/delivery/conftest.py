"""The lists, letters and labs of whole campaigns; deliveries without one."""

from __future__ import annotations

from smtpbook.accounts.account import Account
from smtpbook.delivery.clock import Clock
from smtpbook.delivery.delivery import Delivery
from smtpbook.delivery.queue import Source
from smtpbook.delivery.run import Run
from smtpbook.delivery.settings import Settings
from smtpbook.ledger.memory import MemoryBooks
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pacer
from smtpbook.progress import Silent
from tests.campaign.conftest import letter, people, serve_here

__all__ = ["delivery_of", "letter", "people", "serve_here"]


def delivery_of(
    books: MemoryBooks,
    letter: Template,
    account: Account,
    settings: Settings,
    run: Run,
    chosen: Source | None = None,
) -> Delivery:
    return Delivery(
        books,
        books.select() if chosen is None else chosen,
        letter,
        {account: 1},
        settings,
        pacer=Pacer(settings.pace),
        clock=Clock(),
        campaign_id="x",
        run=run,
        display=Silent(),
    )
