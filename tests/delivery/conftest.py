"""The lists, letters and labs of whole campaigns; deliveries without one."""

from __future__ import annotations

import pandas as pd

from smtpbook.accounts.account import Account
from smtpbook.delivery.clock import Clock
from smtpbook.delivery.delivery import Delivery
from smtpbook.delivery.queue import Source
from smtpbook.delivery.run import Run
from smtpbook.delivery.settings import Settings
from smtpbook.ledger.books import Books
from smtpbook.ledger.entries import Entry
from smtpbook.ledger.memory import MemoryBooks
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pacer
from smtpbook.progress import Silent
from smtpbook.recipients.read import read_recipients
from tests.campaign.conftest import letter, people, serve_here

__all__ = ["UpTo", "books_of", "delivery_of", "letter", "people", "serve_here"]


def books_of(listed: pd.DataFrame) -> MemoryBooks:
    who = read_recipients(listed)
    return MemoryBooks(who.addresses, rows=who.rows)


def delivery_of(
    books: Books,
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


class UpTo:
    """A source that cannot be read any more after so many."""

    def __init__(self, chosen: Source, count: int, error: Exception) -> None:
        self._chosen, self._left, self._error = chosen, count, error

    def __len__(self) -> int:
        return len(self._chosen)

    def take(self) -> Entry | None:
        if not self._left:
            raise self._error
        self._left -= 1
        return self._chosen.take()
