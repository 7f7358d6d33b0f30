"""Ledgers in folders and databases of their own, and what a server may say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import pytest

from smtpbook.ledger.books import Books
from smtpbook.ledger.ledger import Ledger
from smtpbook.ledger.standings import Standings
from smtpbook.protocol.replies import Reply
from smtpbook.shared_ledger.ledger import SharedLedger
from smtpbook.shared_ledger.standings import SharedStandings
from smtpbook.transfer.transaction import Outcome, RecipientResult
from tests.servers.postgresql import PostgreSQL

PEOPLE = ["Ann@x.test", "bob@y.test", "eve@xn--bcher-kva.example", "stra\u00dfe@z.test"]
_REPLIES = {
    "accepted": "250 2.0.0 ok",
    "deferred": "450 4.2.2 mailbox full",
    "rejected": "550 5.1.1 no such user",
}
_names = (f"campaign-{n}" for n in count(1))


def result(address: str, outcome: Outcome) -> RecipientResult:
    """What a session would say of one recipient."""
    said = _REPLIES.get(outcome)
    return RecipientResult(
        recipient=address,
        outcome=outcome,
        reply=None if said is None else Reply.parse(said),
        verb="END-OF-DATA",
    )


def chosen(books: Books, *asked: Any) -> list[str]:
    """The addresses that a send would be for."""
    return [entry.address for entry in books.select(*asked)]


def note(books: Books, address: str, outcome: Outcome) -> None:
    """Let a recipient come to an outcome."""
    (entry,) = books.select(address)
    books.note(entry, result(address, outcome))


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


# --- wherever books are kept --------------------------------------------------------------


class Place(Protocol):
    """Where the books of one campaign are, or will be."""

    def create(self, people: Iterable[str]) -> int:
        """Make them."""

    def open(self, **settings: Any) -> Books:
        """Open them, to send to everybody."""

    def look(self) -> Standings:
        """Open them for reading."""

    def close(self) -> None:
        """Close what is open."""


class Folder:
    """A folder on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: list[Books] = []

    def create(self, people: Iterable[str]) -> int:
        return Ledger.create(self._path, people, campaign_id="november-1")

    def open(self, **settings: Any) -> Books:
        self._opened.append(Ledger(self._path, **settings))
        return self._opened[-1]

    def look(self) -> Standings:
        return Standings.open(self._path)

    def close(self) -> None:
        for books in self._opened:
            books.close()


class Database:
    """A campaign in PostgreSQL, with few partitions."""

    def __init__(self, url: str) -> None:
        self.url, self.name = url, next(_names)
        self._opened: list[Books] = []

    def create(self, people: Iterable[str], *, lease_s: float = 30) -> int:
        return SharedLedger.create(
            self.url, people, campaign_id=self.name, partitions=8, lease_s=lease_s
        )

    def open(self, *, share: int = 8, **settings: Any) -> SharedLedger:
        ledger = SharedLedger(self.url, self.name, **settings)
        self._opened.append(ledger)
        if share:
            ledger.claim(share)
        return ledger

    def look(self) -> SharedStandings:
        return SharedStandings.at(self.url, self.name)

    def close(self) -> None:
        for books in self._opened:
            books.close()


@pytest.fixture
def database(postgresql: PostgreSQL) -> Iterator[Database]:
    """Where a campaign of its own may be made."""
    place = Database(postgresql.url())
    yield place
    place.close()


@pytest.fixture(params=["folder", pytest.param("database", marks=pytest.mark.real_server)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where books may be kept: on disk, then in a database."""
    if request.param == "database":
        yield request.getfixturevalue("database")
        return
    here = Folder(tmp_path)
    yield here
    here.close()


@pytest.fixture
def open_books(place: Place) -> Callable[..., Books]:
    """Open books for PEOPLE."""
    place.create(PEOPLE)
    return place.open
