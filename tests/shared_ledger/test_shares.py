"""Shares: no recipient is two runners', whoever comes, goes or falls silent."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from smtpbook.errors import LedgerError
from smtpbook.ledger.connection import Connection
from smtpbook.ledger.entries import Entry
from smtpbook.shared_ledger.ledger import SharedLedger
from smtpbook.shared_ledger.schema import connect
from smtpbook.shared_ledger.shares import NOW
from tests.ledger.conftest import PEOPLE, Database, chosen, note, result

pytestmark = pytest.mark.real_server
MANY = [f"p{n}@d{n}.test" for n in range(40)]


def claimed(ledger: SharedLedger) -> frozenset[int]:
    """Claim all, as soon as some of it is free."""
    while not (taken := ledger.claim(8)):
        pass
    return taken


def run_out(one: SharedLedger, other: SharedLedger) -> None:
    """Have the lease of one run out, for itself and for the other that looks at it."""
    one._lease_s = 0
    other._writer.call(
        lambda there: there.execute("UPDATE meta SET value = '0' WHERE name = 'lease_s'")
    )


def silent(ledger: SharedLedger) -> threading.Event:
    """Let a runner fall silent in the midst of a transaction, until the event is set."""
    is_in, may_go_on = threading.Event(), threading.Event()

    def wait(connection: object) -> None:
        is_in.set()
        may_go_on.wait()

    ledger._writer.add(wait)
    is_in.wait()
    return may_go_on


def test_runners_that_claim_at_once_have_nothing_in_common(database: Database) -> None:
    database.create(MANY)
    runners = [database.open(share=0) for _ in range(4)]
    barrier = threading.Barrier(len(runners))

    def claim(ledger: SharedLedger) -> frozenset[int]:
        barrier.wait()
        return ledger.claim(3)

    with ThreadPoolExecutor(len(runners)) as threads:
        for _ in range(20):
            taken = list(threads.map(claim, runners))
            assert sum(map(len, taken)) == 8
            assert frozenset().union(*taken) == set(range(8))
            who = [address for ledger in runners for address in chosen(ledger)]
            assert sorted(who) == sorted(MANY)
            for ledger in runners:
                ledger.release(ledger.held)


def test_a_runner_without_a_share_has_nobody_to_write_to(database: Database) -> None:
    database.create(MANY)
    ledger = database.open(share=0)
    assert chosen(ledger) == []
    assert chosen(ledger, MANY[0]) == []
    with pytest.raises(LedgerError, match="not this runner's; claim it first"):
        ledger.intend(Entry(MANY[0], MANY[0], 0), "<1@x.test>")


async def test_what_is_given_back_is_anothers_but_not_while_an_attempt_is_open(
    database: Database,
) -> None:
    database.create(MANY)
    one = database.open()
    (entry, *rest) = one.select()
    await one.intend(entry, "<1@x.test>")
    freed = one.release(one.held)
    assert len(freed) == 7
    assert freed | one.held == set(range(8))
    other = database.open()
    assert other.held == freed
    assert entry.address not in chosen(other)
    with pytest.raises(LedgerError, match="claim it first"):
        one.intend(next(e for e in rest if e.address in chosen(other)), "<2@x.test>")
    one.note(entry, result(entry.address, "accepted"))
    assert len(one.release(one.held)) == 1
    assert other.claim(8)


async def test_who_ends_by_itself_leaves_in_doubt_only_what_it_had_begun(
    database: Database,
) -> None:
    database.create(PEOPLE)
    one = database.open()
    ann, bob, eve, _ = one.select()
    for entry in (ann, bob, eve):
        await one.intend(entry, f"<{entry.position}@x.test>")
    one.begin(ann)
    one.note(ann, result(ann.address, "accepted"))
    one.begin(bob)
    one.close()
    other = database.open()
    assert other.counts == {"accepted": 1, "in_doubt": 1, "pending": 2}
    assert chosen(other, "in_doubt") == ["bob@y.test"]
    assert other.recovered == {}


async def test_a_silent_runners_share_is_anothers_and_nothing_of_it_is_written(
    database: Database,
) -> None:
    """It had an intent before, whose mail data it has not begun; it cannot begin now."""
    database.create(PEOPLE)
    one, other = database.open(), database.open(share=0, in_doubt="resend")
    ann, bob, *_ = one.select()
    await one.intend(ann, "<ann@x.test>")
    may_go_on = silent(one)
    promise = one.intend(bob, "<bob@x.test>")
    run_out(one, other)
    assert claimed(other) == set(range(8))
    assert other.recovered == {"in_doubt": 1}
    with pytest.raises(LedgerError, match="confirmed nothing for"):
        one.begin(ann)
    with pytest.raises(LedgerError, match="confirmed nothing"):
        one.intend(bob, "<bob@x.test>")
    may_go_on.set()
    assert promise is not None
    with pytest.raises(LedgerError, match="nothing further is sent"):
        await promise
    one.close()
    assert other.attempts("bob@y.test") == []
    assert other.held == set(range(8))
    assert other.shares == {other.lease.owner: 8}
    again = next(iter(other.select()))
    assert (again.address, again.again_id) == ("Ann@x.test", "<ann@x.test>")


def test_a_killed_runners_share_is_anothers_when_its_lease_has_run_out_and_not_before(
    database: Database,
) -> None:
    """Its last sign of life is put back, so that a second of the thirty is left."""
    database.create(PEOPLE)
    dead, other = database.open(), database.open(share=0)
    dead._writer.close()  # killed: no sign of life, and it does not leave
    with closing(connect(database.url, database.name)) as connection:
        ((last,),) = connection.execute(
            f"UPDATE lease SET heartbeat = {NOW} - 29 WHERE owner = ? RETURNING heartbeat",
            (dead.lease.owner,),
        ).fetchall()
        assert claimed(other) == set(range(8))
        ((now,),) = connection.execute(f"SELECT {NOW}").fetchall()
    assert now - last > 30


async def test_who_comes_too_late_is_told_and_has_written_nothing(
    database: Database,
) -> None:
    """Its connection is well: only the lease is gone."""
    database.create(PEOPLE)
    one, other = database.open(), database.open()
    ann, *_ = one.select()

    def forget(connection: Connection) -> None:
        connection.execute("UPDATE lease SET heartbeat = 0 WHERE owner != ?", owner)

    owner = (other.lease.owner,)
    other._writer.call(forget)
    while not other.claim(8):  # it showed in between that it lives
        other._writer.call(forget)
    promise = one.intend(ann, "<1@x.test>")
    assert promise is not None
    with pytest.raises(LedgerError, match="its part of the list was given to another"):
        await promise
    with pytest.raises(LedgerError, match="given to another"):
        one.note(ann, result(ann.address, "accepted"))
    assert other.attempts("ann@x.test") == []
    note(other, "ann@x.test", "accepted")
