"""A sender claims as it goes, and what it cannot have others have."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
import trio.testing

from smtpbook.cluster.claims import Claims
from smtpbook.errors import RecipientsError
from smtpbook.shared_ledger.ledger import SharedLedger
from smtpbook.shared_ledger.schema import part_of
from tests.ledger.conftest import Database, database

__all__ = ["database"]

pytestmark = pytest.mark.real_server
MANY = [f"p{n}@d{n}.test" for n in range(40)]


@pytest.fixture
def place(database: Database) -> Database:
    """A campaign of which a send has begun."""
    SharedLedger.create(
        database.url, MANY, campaign_id=database.name, partitions=32, lease_s=30
    )
    with SharedLedger(database.url, database.name, sees_all=True) as desk:
        desk.begin_send("one")
    return database


def all_of(claims: Claims) -> list[str]:
    """Take whom a sender can have, as one does that claims whenever it is time to."""
    found = []
    while len(claims):
        claims.claim()
        while (entry := claims.take()) is not None:
            found.append(entry.address)
    return found


def test_it_claims_a_part_at_a_time_until_nothing_is_left(place: Database) -> None:
    ledger = place.open(share=0)
    claims = Claims(ledger, 1)
    claims.claim()
    assert len(claims) > 0
    assert len(ledger.held) < 32
    assert sorted(all_of(claims)) == sorted(MANY)
    assert len(claims) == 0
    assert len(ledger.held) == 32


def test_two_have_the_whole_list_between_them(place: Database) -> None:
    both = [Claims(place.open(share=0), 1) for _ in range(2)]
    found: list[list[str]] = [[], []]
    for turn in range(200):
        claims = both[turn % 2]
        claims.claim()
        entry = claims.take()
        found[turn % 2] += [] if entry is None else [entry.address]
    assert sorted(found[0] + found[1]) == sorted(MANY)
    assert all(found)


async def test_the_next_are_claimed_while_there_is_somebody_to_write_to(
    place: Database, nursery: trio.Nursery
) -> None:
    ledger, more = place.open(share=0), trio.Event()
    ledger.heartbeat_s = 3600.0  # or it would look again by itself
    claims = Claims(ledger, 1)
    claims.claim()
    nursery.start_soon(claims.keep, lambda: more.set())
    found = []
    with trio.fail_after(30):
        while len(claims):
            if (entry := claims.take()) is not None:
                found.append(entry.address)
                continue
            await more.wait()
            more = trio.Event()
    nursery.cancel_scope.cancel()
    assert sorted(found) == sorted(MANY)


def test_what_becomes_free_later_is_had_by_looking_again(place: Database) -> None:
    other = place.open(share=0)
    other.claim(32)
    claims = Claims(place.open(share=0), 1)
    claims.claim()
    assert len(claims) == 0
    assert not claims.look_again()
    other.close()
    assert claims.look_again()
    assert claims.take() is not None


def test_what_the_database_frees_is_claimed_where_nothing_was_free(
    place: Database,
) -> None:
    other = place.open(share=0)
    held = other.claim(32)
    claims = Claims(place.open(share=0), 1)
    claims.claim()
    other.release(held)
    assert claims.look_again()
    claims.claim()
    assert claims.take() is not None


def test_who_is_busy_takes_what_another_has_left_and_that_first(
    place: Database,
) -> None:
    other = place.open(share=0)
    left = other.claim(4)
    claims = Claims(ledger := place.open(share=0), 1)
    claims.claim()
    assert claims.take() is not None
    assert len(claims) > 0
    assert not claims.look_again()
    other.close()
    assert ledger.work.orphans == 4
    found = set()
    while claims.look_again():
        entry = claims.take()
        assert entry is not None
        found.add(part_of(entry.key, 32))
    assert found == {part_of(who, 32) for who in MANY} & left
    assert ledger.work.orphans == 0


def test_who_is_asked_to_stop_claims_nothing(place: Database) -> None:
    ledger = place.open(share=0)
    ledger.ask("stop")
    ledger.claim(0)
    claims = Claims(ledger, 1)
    claims.claim()
    assert len(claims) == 0


def test_a_ledger_that_is_lost_is_told_and_not_raised_in_the_midst_of_sending(
    place: Database,
) -> None:
    ledger = place.open(share=0)
    claims = Claims(ledger, 1)
    ledger.close()
    claims.claim()
    assert claims.take() is None
    assert len(claims) == 0
    assert claims.error is not None


async def test_where_nothing_more_is_to_be_had_nobody_is_told_to_look_again(
    place: Database, nursery: trio.Nursery
) -> None:
    ledger, told = place.open(share=0), 0
    ledger.heartbeat_s = 3600.0  # or it would look again by itself
    claims = Claims(ledger, len(MANY) + 1)
    claims.claim()

    def look() -> None:
        nonlocal told
        told += 1
        claims.take()

    nursery.start_soon(claims.keep, look)
    claims.take()
    with trio.move_on_after(5):
        await trio.testing.wait_all_tasks_blocked()
    nursery.cancel_scope.cancel()
    assert told == 0
    assert len(claims) == len(MANY) - 1


def test_a_list_that_is_damaged_is_told_and_not_raised_in_the_midst_of_sending(
    place: Database,
) -> None:
    def rows(positions: Sequence[int]) -> list[dict[str, str]]:
        raise RecipientsError("the list is damaged")

    claims = Claims(place.open(share=0, rows=rows))
    claims.claim()
    assert len(claims) == 0
    with pytest.raises(RecipientsError):
        claims.finish()


def test_who_was_claimed_in_the_last_moment_is_left_to_others(
    place: Database,
) -> None:
    ledger = place.open(share=0)
    claims = Claims(ledger)
    claims.claim()
    claims.finish()
    ledger.close()
    assert place.open(share=0).work.free == 32
