"""Shared ledger: several runners write at once, and what one loses with its database."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing

import pytest
import trio

from smtpbook.errors import LedgerError
from smtpbook.ledger.connection import Connection
from smtpbook.ledger.memory import Draft
from smtpbook.shared_ledger.ledger import SharedLedger
from smtpbook.shared_ledger.schema import connect
from tests.ledger.conftest import PEOPLE, Database, chosen, note, result
from tests.servers.postgresql import PostgreSQL

pytestmark = pytest.mark.real_server


def cut_off(ledger: SharedLedger) -> None:
    """End its sessions, as a database does that is shut down."""
    with closing(connect(ledger._url, ledger.campaign_id)) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
            "WHERE application_name = ?",
            (f"smtpbook {ledger.lease.owner}",),
        )


def test_whom_another_runner_suppresses_is_not_handed_out_any_more(
    database: Database,
) -> None:
    database.create(PEOPLE)
    ledger, other = database.open(), database.open(share=0)
    queue = ledger.select()
    first = queue.take()  # the others have been read with it
    assert first is not None
    other.suppress(["bob@y.test"])
    ledger.note(first, result(first.address, "accepted"))
    assert ledger.counts["suppressed"] == 1  # it wrote, and so heard
    left = [entry.address for _ in range(3) if (entry := queue.take())]
    assert left == PEOPLE[2:]


def until_it_closes(ledger: SharedLedger) -> None:
    while ledger.held:
        time.sleep(0.01)


async def test_while_a_runner_leaves_nothing_begins_that_it_would_not_tell_of(
    database: Database,
) -> None:
    """At the end of a process it is closed by one thread while another still sends."""
    database.create(PEOPLE)
    ledger = database.open()
    first, second, *_ = ledger.select()
    for entry in (first, second):
        promise = ledger.intend(entry, "<m@x.test>")
        assert promise is not None
        await promise
    ledger.begin(first)
    with closing(connect(ledger._url, ledger.campaign_id)) as other:
        other.execute("BEGIN")
        other.execute(
            "SELECT 1 FROM lease WHERE owner = ? FOR UPDATE", (ledger.lease.owner,)
        ).fetchall()
        leaving = threading.Thread(target=ledger.close)
        leaving.start()  # … and waits for the lease's row
        await trio.to_thread.run_sync(until_it_closes, ledger)
        with pytest.raises(LedgerError, match="closed"):
            ledger.begin(second)
        other.execute("COMMIT")
    await trio.to_thread.run_sync(leaving.join)
    assert [one.outcome for one in database.open().outcomes()][:2] == [
        "in_doubt",
        "pending",
    ]


def test_a_transaction_that_is_given_up_in_favour_of_another_is_done_again(
    database: Database,
) -> None:
    """Two that change the same recipients in different orders wait for each other."""
    database.create(PEOPLE)
    runners = [database.open(share=0), database.open(share=0)]
    meet = threading.Barrier(2)
    tries = []

    def change(first: int, second: int) -> Callable[[Connection], None]:
        def work(connection: Connection) -> None:
            tries.append(first)
            sql = "UPDATE recipients SET attempts = attempts + 1 WHERE position = ?"
            assert connection.execute(sql, (first,)).rowcount == 1
            if len(tries) <= 2:
                meet.wait()
            connection.execute(sql, (second,))

        return work

    threads = [
        threading.Thread(target=ledger._writer.call, args=[change(*order)])
        for ledger, order in zip(runners, [(0, 1), (1, 0)], strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tries) >= 3
    assert [one.attempts for one in runners[0].outcomes()] == [2, 2, 0, 0]


async def test_a_lost_connection_is_told_to_all_who_wait_and_nothing_more_is_taken(
    database: Database,
) -> None:
    database.create(PEOPLE)
    ledger = database.open()
    entries = list(ledger.select())
    cut_off(ledger)
    told = []

    async def send(number: int) -> None:
        try:
            promise = ledger.intend(entries[number], f"<{number}@x.test>")
            assert promise is not None
            await promise
        except LedgerError as exc:
            told.append(str(exc))

    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(send, number)
    assert len(told) == 4
    assert all("nothing further is sent" in one for one in told)
    with pytest.raises(LedgerError, match="nothing further is sent"):
        ledger.begin(entries[0])


async def test_who_closes_after_its_connection_was_lost_keeps_nobody_waiting(
    database: Database,
) -> None:
    """It leaves by a new connection, and knows what it had begun."""
    database.create(PEOPLE)
    ledger = database.open()
    ann, bob, *_ = ledger.select()
    await ledger.intend([ann, bob], "<1@x.test>")
    ledger.begin(ann)
    cut_off(ledger)
    with pytest.raises(LedgerError):
        ledger.finish()
    ledger.close()
    again = database.open()
    assert again.held == set(range(8))
    assert again.counts == {"in_doubt": 1, "pending": 3}
    assert chosen(again, "in_doubt") == ["Ann@x.test"]


async def test_an_outcome_that_is_lost_on_its_way_leaves_its_recipient_in_doubt(
    database: Database,
) -> None:
    """The server has the message; to take it for one that never began sends it again."""
    database.create(PEOPLE)
    ledger = database.open()
    entry = ledger.select().take()
    assert entry is not None
    promise = ledger.intend(entry, "<1@x.test>")
    assert promise is not None
    await promise
    ledger.begin(entry)
    cut_off(ledger)
    ledger.note(entry, result(entry.address, "accepted"))
    with pytest.raises(LedgerError):
        ledger.claim(1)
    ledger.close()
    with database.look() as standings:
        assert standings.counts == {"in_doubt": 1, "pending": 3}


@pytest.mark.parametrize("crash", [False, True])
async def test_after_the_database_was_started_again_a_new_runner_goes_on(
    database: Database, postgresql: PostgreSQL, crash: bool
) -> None:
    """What was awaited is there, though this database confirms before it has written."""
    database.create(PEOPLE)
    ledger = database.open()
    note(ledger, "Ann@x.test", "accepted")
    (bob,) = ledger.select("bob@y.test")
    await ledger.intend(bob, "<bob@x.test>")
    ledger.begin(bob)
    postgresql.restart(crash=crash)
    with pytest.raises(LedgerError, match="nothing further is sent"):
        ledger.finish()
    with pytest.raises(LedgerError, match="nothing further is sent"):
        ledger.note(bob, result(bob.address, "accepted"))
    ledger.close()
    again = database.open()
    assert chosen(again) == PEOPLE[2:]
    assert again.counts == {"accepted": 1, "in_doubt": 1, "pending": 2}
    assert again.attempts("bob@y.test")[0].message_id == "<bob@x.test>"


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_is_refused(database: Database) -> None:
    database.create(PEOPLE)
    ledger = database.open()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # whatever becomes of the parent
        try:
            ledger.claim(1)
        except LedgerError as exc:
            os.write(writing, str(exc).encode())
        finally:
            ledger.close()
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 1000).startswith(b"process %d runs this" % os.getpid())
    note(ledger, "bob@y.test", "accepted")
    assert ledger.counts["accepted"] == 1
    os.close(writing)
    os.close(reading)


def test_a_rehearsal_has_a_draft_of_its_own(database: Database) -> None:
    database.create(PEOPLE)
    ledger = database.open()
    note(ledger, "bob@y.test", "deferred")
    ledger.suppress(["ann@x.test"])
    draft = Draft.of(ledger)
    assert chosen(draft, "deferred") == ["bob@y.test"]
    assert draft.counts == ledger.counts
    draft.suppress([PEOPLE[2]])
    assert ledger.counts["suppressed"] == 1
    draft.close()
