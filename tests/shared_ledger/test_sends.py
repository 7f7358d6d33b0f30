"""A send of several runners: for whom it is, and when it is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager

import pytest

from smtpbook.errors import LedgerError
from smtpbook.shared_ledger import sends
from smtpbook.shared_ledger.ledger import SharedLedger
from smtpbook.shared_ledger.standings import SharedStandings
from tests.ledger.conftest import PEOPLE, Database, note, result

pytestmark = pytest.mark.real_server


def share(ledger: SharedLedger, count: int = 8) -> list[str]:
    """The addresses of a runner's next share."""
    chosen = ledger.next_share(count)
    return [] if chosen is None else [entry.address for entry in chosen]


def begin(database: Database, *asked: object, send: str = "one") -> None:
    """Begin a send, as whoever starts the runners does."""
    with SharedLedger(database.url, database.name, sees_all=True) as desk:
        desk.begin_send(send, *asked)  # type: ignore[arg-type]


def test_the_shares_of_all_runners_are_the_list_and_each_is_done_once(
    database: Database,
) -> None:
    database.create(PEOPLE)
    begin(database)
    one, other = database.open(share=0), database.open(share=0)
    found = share(one, 4) + share(other, 4)
    assert sorted(found) == sorted(PEOPLE)
    assert (one.work.left, one.work.free, one.work.runners) == (8, 0, 2)
    one.finish()
    one.close()
    assert (other.work.left, other.work.free, other.work.runners) == (4, 0, 1)
    assert other.next_share(8) is None
    other.finish()
    assert other.work.left == 0


def test_what_a_runner_leaves_unfinished_is_free_again(database: Database) -> None:
    database.create(PEOPLE)
    begin(database)
    one = database.open(share=0)
    assert share(one)
    one.close()
    with database.look() as standings:
        assert (standings.work.left, standings.work.free) == (8, 8)


def test_a_limit_is_the_first_of_the_list_whoever_has_them(database: Database) -> None:
    database.create(PEOPLE)
    begin(database, None, 2)
    assert sorted(share(database.open(share=0))) == sorted(PEOPLE[:2])


def test_nobody_is_tried_twice_in_one_send_though_they_are_deferred_again(
    database: Database,
) -> None:
    database.create(PEOPLE)
    with database.open() as ledger:
        for address in PEOPLE[:2]:
            note(ledger, address, "deferred")
    begin(database, "deferred")
    ledger = database.open(share=0)
    chosen = ledger.next_share(8)
    assert chosen is not None
    first = chosen.take()
    assert first is not None
    ledger.note(first, result(first.address, "deferred"))
    assert ledger.sent == {"deferred": 1}
    ledger.close()
    other = database.open(share=0)
    assert share(other) == [one for one in PEOPLE[:2] if one != first.address]


def test_who_was_suppressed_meanwhile_is_not_written_to(database: Database) -> None:
    database.create(PEOPLE)
    begin(database, PEOPLE[:2])
    ledger = database.open(share=0)
    ledger.suppress([PEOPLE[0]])
    assert share(ledger) == [PEOPLE[1]]


def test_what_was_sent_is_told_of_this_send_alone(database: Database) -> None:
    database.create(PEOPLE)
    with database.open() as ledger:
        note(ledger, PEOPLE[0], "accepted")
    begin(database)
    with database.open() as ledger:
        note(ledger, PEOPLE[1], "rejected")
        assert ledger.sent == {"rejected": 1}


def test_every_runner_can_count_what_all_have_sent_and_one_is_the_eldest(
    database: Database,
) -> None:
    database.create(PEOPLE)
    with database.open() as before:
        note(before, PEOPLE[3], "accepted")
    begin(database)
    one, other = database.open(share=4), database.open(share=4)
    assert (one.elders, other.elders) == (0, 1)
    for ledger in (one, other):
        for entry in ledger.select():
            ledger.note(entry, result(entry.address, "rejected"))
        assert ledger.tally["rejected"] > 0  # its own are written now
    for ledger in (one, other):
        assert ledger.tally.outcomes == {"rejected": 3}
        assert ledger.tally["user_unknown"] == 3
    one.close()
    assert other.elders == 0


def test_a_send_is_not_begun_while_another_goes_on(database: Database) -> None:
    database.create(PEOPLE)
    begin(database)
    database.open(share=1)
    with pytest.raises(LedgerError, match="a send goes on"):
        begin(database, send="two")


def test_who_comes_while_a_send_is_begun_hears_which_one_it_is_then(
    database: Database,
) -> None:
    """Whoever begins it has looked for runners already."""
    database.create(PEOPLE)
    begin(database)
    late = database.open(share=0)
    assert late.is_present("one")
    with ThreadPoolExecutor(1) as threads, database.look() as other:
        with sends.alone(other._reader, database.name):
            asked = threads.submit(late.is_present, "one")
            while not (asked.done() or waiting(other)):
                pass
            sends.begin(other._reader, "two", None, None, {}, is_resending=False)
        assert not asked.result(10)
    assert late.is_present("two")


def waiting(standings: SharedStandings) -> int:
    """How many sessions wait for what one alone may do."""
    ((number,),) = standings._reader.all(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    )
    return int(number)


def test_each_send_has_the_whole_list_to_do_anew(database: Database) -> None:
    database.create(PEOPLE)
    begin(database)
    with database.open(share=8) as ledger:
        ledger.finish()
    begin(database, send="two")
    with database.look() as standings:
        assert standings.work[:4] == ("two", "go", 0, 8)


def test_a_runner_knows_how_many_there_are(database: Database) -> None:
    database.create(PEOPLE)
    one = database.open(share=0)
    database.open(share=0)
    with SharedLedger(database.url, database.name, sees_all=True) as desk:
        one.claim(0)
        assert one.company == desk.company == 2  # who only looks is none


@pytest.fixture(params=[-3600.0, 3600.0])
def wrong_clock(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], AbstractContextManager[float]]:
    """Have this computer's clock be an hour slow, or fast; gives what it says then."""
    right = time.time

    @contextmanager
    def wrong() -> Iterator[float]:
        with monkeypatch.context() as here:
            here.setattr(time, "time", lambda: right() + request.param)
            yield time.time()

    return wrong


def test_what_a_send_counts_does_not_hang_on_the_clock_of_who_began_it(
    database: Database, wrong_clock: Callable[[], AbstractContextManager[float]]
) -> None:
    database.create(PEOPLE)
    with database.open() as before:
        note(before, PEOPLE[0], "accepted")
    with wrong_clock():
        begin(database)
    ledger = database.open()
    note(ledger, PEOPLE[1], "rejected")
    assert ledger.tally.outcomes == {"rejected": 1}


@pytest.mark.parametrize("is_open", [False, True])
async def test_nor_on_the_clock_of_who_sends_though_it_is_set_meanwhile(
    database: Database,
    wrong_clock: Callable[[], AbstractContextManager[float]],
    *,
    is_open: bool,
) -> None:
    database.create(PEOPLE)
    begin(database)
    right = time.time()
    ledger = database.open() if is_open else None
    with wrong_clock() as now:
        ledger = ledger or database.open()
        ledger.claim(0)  # a sign of life
        (first, second, *_) = ledger.select()
        ledger.note(first, result(first.address, "deferred"), due=now + 60)
        promise = ledger.intend(second, "<it@x.test>")
        assert promise is not None
        await promise
        assert ledger.tally.outcomes == {"deferred": 1}
        (_, (at, _, message_id)) = ledger.begun(now - 30)  # by its own clock
        assert (at, message_id) == (pytest.approx(now, abs=30), "<it@x.test>")
        assert list(ledger.begun(now + 30)) == []
        ledger.close()
    other = database.open()
    (again,) = [one for one in other.select() if one.address == first.address]
    assert again.due == pytest.approx(right + 60, abs=30)
    assert all(abs(at - right) < 30 for at, _, _ in other.begun(0))
