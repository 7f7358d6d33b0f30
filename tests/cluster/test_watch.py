"""The eldest runner of a send asks its stop rules, whatever becomes of one count."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
import trio

from smtpbook.cluster.watch import Watch
from smtpbook.delivery.delivery import Delivery
from smtpbook.delivery.recording import Recording
from smtpbook.errors import LedgerError
from smtpbook.log.frame import Recorder
from smtpbook.pacing.stopping import Tally
from smtpbook.shared_ledger.standings import SharedStandings
from tests.ledger.conftest import PEOPLE, Database, database

__all__ = ["database"]

pytestmark = pytest.mark.real_server


class Sending:
    """A delivery that can be stopped."""

    is_stopped = False

    def stop(self) -> None:
        self.is_stopped = True


class Looks:
    """Opens a ledger for reading, but for the first times, when the database refuses."""

    def __init__(self, database: Database, refusals: int = 0) -> None:
        self._database, self._refusals, self.count = database, refusals, 0
        self.opened: list[SharedStandings] = []

    def __call__(self) -> SharedStandings:
        self.count += 1
        if self.count <= self._refusals:
            raise LedgerError("sorry, too many clients already")
        self.opened.append(self._database.look())
        return self.opened[-1]


@pytest.fixture
def watch(database: Database) -> Callable[..., tuple[Watch, Recording]]:
    """Watch a send, as its eldest runner or as one that came later."""
    database.create(PEOPLE)

    def watch(
        look: Looks, *rules: Callable[[Tally], bool], elders: int = 0
    ) -> tuple[Watch, Recording]:
        for _ in range(elders):
            database.open(share=0)
        run = Recording(Recorder())
        return Watch(rules, database.open(share=0), look, run), run

    return watch


async def test_a_count_that_fails_is_made_again_and_stops_nothing(
    watch: Callable[..., tuple[Watch, Recording]],
    database: Database,
    autojump_clock: object,
) -> None:
    asked: list[bool] = []

    def rule(tally: Tally) -> bool:
        asked.append(sending.is_stopped)
        return True

    sending, looks = Sending(), Looks(database, refusals=2)
    watcher, run = watch(looks, rule)
    await watcher.keep(cast(Delivery, sending))
    assert (looks.count, asked) == (3, [False])
    assert sending.is_stopped
    assert run.stopped == "the stop rule rule held"


async def test_a_session_that_the_database_ends_between_two_counts_is_had_anew(
    watch: Callable[..., tuple[Watch, Recording]],
    database: Database,
    autojump_clock: object,
) -> None:
    counts: list[int] = []

    def rule(tally: Tally) -> bool:
        counts.append(len(looks.opened))
        if len(counts) == 2:
            ((pid,),) = looks.opened[0]._reader.all("SELECT pg_backend_pid()")
            with database.look() as other:
                other._reader.all("SELECT pg_terminate_backend(?, 10000)", (pid,))
        return len(counts) == 3

    looks, sending = Looks(database), Sending()
    watcher, run = watch(looks, rule)
    await watcher.keep(cast(Delivery, sending))
    assert counts == [1, 1, 2]
    assert run.stopped == "the stop rule rule held"


async def test_who_is_not_the_eldest_has_no_session_for_it(
    watch: Callable[..., tuple[Watch, Recording]],
    database: Database,
    autojump_clock: object,
) -> None:
    looks, sending = Looks(database), Sending()
    watcher, run = watch(looks, lambda tally: True, elders=1)
    with trio.move_on_after(60):
        await watcher.keep(cast(Delivery, sending))
    assert (looks.count, sending.is_stopped, run.stopped) == (0, False, None)


async def test_a_rule_that_finds_it_enough_while_the_delivery_ends_is_heard(
    watch: Callable[..., tuple[Watch, Recording]],
    database: Database,
    autojump_clock: object,
) -> None:
    def rule(tally: Tally) -> bool:
        trio.from_thread.run_sync(scope.cancel)
        return True

    sending = Sending()
    watcher, run = watch(Looks(database), rule)
    with trio.CancelScope() as scope:
        await watcher.keep(cast(Delivery, sending))
    assert sending.is_stopped
    assert run.stopped == "the stop rule rule held"
