"""A list is dealt anew where a send's pace joins domains, and again where it does not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest

from smtpbook.errors import LedgerError
from smtpbook.shared_ledger.ledger import SharedLedger
from smtpbook.shared_ledger.schema import connect
from tests.ledger.conftest import Database, result

pytestmark = pytest.mark.real_server
PEOPLE = [f"p{n}@d{n % 20}.test" for n in range(60)]


def behind(address: str) -> str | None:
    """Whose server it is: three have all domains, and some nobody knows."""
    number = int(address.partition("@d")[2].removesuffix(".test"))
    return None if number == 7 else f"mx{number % 3}.test"


def begin(database: Database, send: str, joins: Callable[[str], str | None] | None) -> None:
    with SharedLedger(database.url, database.name, sees_all=True) as desk:
        desk.begin_send(send, joins=joins)


def parts(database: Database) -> list[set[str]]:
    """Who is in each part, as a runner claims one after the other."""
    found = []
    with database.open(share=0) as ledger:
        while (chosen := ledger.next_share(1)) is not None:
            found.append({entry.address for entry in chosen})
    return [part for part in found if part]


def by(joins: Callable[[str], str | None]) -> set[frozenset[str]]:
    names = {joins(address) for address in PEOPLE}
    return {frozenset(one for one in PEOPLE if joins(one) == name) for name in names}


def test_all_that_a_function_joins_are_in_one_part_until_a_send_is_without_it(
    database: Database,
) -> None:
    database.create(PEOPLE)
    begin(database, "one", None)
    before = parts(database)
    begin(database, "two", behind)
    joined = parts(database)
    assert sorted(who for part in joined for who in part) == sorted(PEOPLE)
    for group in by(behind):
        assert [part >= group for part in joined].count(True) == 1
    begin(database, "three", None)
    assert parts(database) == before


def test_a_send_that_has_begun_while_the_list_was_dealt_is_left_alone(
    database: Database,
) -> None:
    database.create(PEOPLE)

    def slow(address: str) -> str | None:
        if address == PEOPLE[0]:
            database.open()
        return behind(address)

    with pytest.raises(LedgerError, match="a send goes on"):
        begin(database, "one", slow)


def test_who_begins_while_another_does_is_refused_and_may_later(database: Database) -> None:
    database.create(PEOPLE)
    begin(database, "before", None)
    plain = parts(database)

    def slow(address: str) -> str | None:
        if address == PEOPLE[0]:
            # A runner of the send before that comes back now has nothing to do.
            assert other.work.send == ""
            with pytest.raises(LedgerError, match="wait until its workers send"):
                other.begin_send("two")
        return behind(address)

    with (
        SharedLedger(database.url, database.name, sees_all=True) as one,
        SharedLedger(database.url, database.name, sees_all=True) as other,
    ):
        with pytest.raises(ValueError, match="is not in this campaign's list"):
            one.begin_send("one", "who@else.test", joins=behind)
        one.begin_send("one", joins=slow)
        assert other.work.send == "one"
        other.begin_send("two")
    assert parts(database) == plain


async def test_what_a_runner_that_died_left_is_in_doubt_before_the_list_is_dealt_anew(
    database: Database,
) -> None:
    database.create(PEOPLE)
    dead = database.open()
    entry = next(iter(dead.select()))
    promise = dead.intend(entry, "<it@x.test>")
    assert promise is not None
    await promise
    dead._writer.close()  # killed: no sign of life, and it does not leave
    with closing(connect(database.url, database.name)) as connection:
        connection.execute("UPDATE lease SET heartbeat = 0")  # long ago
    with database.look() as standings:
        assert standings.work.runners == 0
    begin(database, "two", behind)
    with database.open() as ledger:
        assert ledger.counts == {"pending": len(PEOPLE) - 1, "in_doubt": 1}


async def test_a_runner_of_such_a_send_writes_to_all_that_it_claimed(
    database: Database,
) -> None:
    database.create(PEOPLE)
    begin(database, "one", behind)
    with database.open(share=0) as ledger:
        chosen = ledger.next_share(8)
        assert chosen is not None
        for entry in list(chosen):
            promise = ledger.intend(entry, "<it@x.test>")
            assert promise is not None
            await promise
            ledger.note(entry, result(entry.address, "accepted"))
        assert ledger.tally.tried == len(PEOPLE)
