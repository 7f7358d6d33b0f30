"""A campaign's tables: made wholly or not at all, many in one database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.errors import LedgerError
from smtpbook.ledger.entries import key_of
from smtpbook.shared_ledger.files import open_files
from smtpbook.shared_ledger.ledger import SharedLedger
from smtpbook.shared_ledger.schema import campaigns, connect, part_of
from smtpbook.shared_ledger.standings import SharedStandings
from tests.ledger.conftest import PEOPLE, Database, chosen, note


@given(st.text(), st.text(), st.sampled_from(["x.test", "xn--bcher-kva.example", "y"]))
def test_all_of_one_domain_are_in_one_part(one: str, other: str, domain: str) -> None:
    parts = {part_of(key_of(f"{who}@{domain}"), 256) for who in (one, other)}
    assert len(parts) == 1
    assert parts <= set(range(256))


def test_domains_are_dealt_evenly() -> None:
    parts = [part_of(f"ann@d{n}.test", 16) for n in range(16_000)]
    assert all(800 < parts.count(part) < 1200 for part in range(16))


@pytest.mark.real_server
def test_a_list_that_breaks_off_leaves_nothing(database: Database) -> None:
    def people() -> Iterator[str]:
        yield "ann@x.test"
        raise OSError("the list's disk is gone")

    with pytest.raises(OSError, match="disk is gone"):
        database.create(people())
    assert database.name not in campaigns(database.url)
    assert database.create(PEOPLE) == 4
    assert database.name in campaigns(database.url)


@pytest.mark.real_server
def test_what_is_there_is_not_made_again(database: Database) -> None:
    database.create(PEOPLE)
    with pytest.raises(LedgerError, match="there is a ledger already"):
        database.create(["bob@y.test"])
    with database.look() as standings:
        assert len(standings) == 4


@pytest.mark.real_server
def test_campaigns_in_one_database_know_nothing_of_each_other(database: Database) -> None:
    """However they are called."""
    names = [f'{database.name} "; DROP', f"{database.name} ü%s?"]
    for name in names:
        SharedLedger.create(database.url, PEOPLE, campaign_id=name)
    with SharedLedger(database.url, names[0]) as ledger:
        ledger.claim(256)
        note(ledger, "bob@y.test", "accepted")
        assert ledger.campaign_id == names[0]
    with SharedLedger(database.url, names[1]) as ledger:
        ledger.claim(256)
        assert chosen(ledger) == PEOPLE
    assert set(names) < set(campaigns(database.url))


@pytest.mark.real_server
def test_a_campaign_that_is_not_there_is_told_with_the_near_miss(
    database: Database,
) -> None:
    database.create(PEOPLE)
    with pytest.raises(LedgerError, match=f"no ledger .* did you mean '{database.name}'"):
        SharedStandings.at(database.url, f"{database.name}x")


@pytest.mark.real_server
def test_a_newer_programs_ledger_is_left_alone(database: Database) -> None:
    database.create(PEOPLE)
    with closing(connect(database.url, database.name)) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE name = 'version'")
    with pytest.raises(LedgerError, match="newer smtpbook"):
        database.look()


@pytest.mark.real_server
def test_an_older_programs_ledger_goes_on(database: Database) -> None:
    database.create(PEOPLE)
    with closing(connect(database.url, database.name)) as connection:
        connection.execute("DROP TABLE files")
        connection.execute("ALTER TABLE partitions DROP COLUMN is_orphan")
        connection.execute("UPDATE meta SET value = '1' WHERE name = 'version'")
    ledger = database.open()
    assert chosen(ledger) == PEOPLE
    assert ledger.work.orphans == 0
    with open_files(database.url, database.name) as kept:
        assert kept.names() == []


@pytest.mark.parametrize("name", ["x" * 55, "ü" * 28, "a\0b", "a\nb"])
def test_a_name_that_no_schema_can_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="names no shared ledger"):
        SharedLedger.create("postgresql://h/d", PEOPLE, campaign_id=name)


@pytest.mark.parametrize("wrong", [{"partitions": 0}, {"lease_s": 0}])
def test_a_number_that_is_none_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="not above 0"):
        SharedLedger.create(
            "postgresql://h/d",
            PEOPLE,
            campaign_id="c",
            **wrong,  # type: ignore[arg-type]
        )
