"""Queues: the ways of an experiment read one list, none too far ahead of the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

import pandas as pd
import pytest
import trio

from smtpbook.accounts.account import Account
from smtpbook.delivery.arms import Arm, Arms, Way
from smtpbook.delivery.clock import Clock, Waiter
from smtpbook.delivery.queues import Queues
from smtpbook.delivery.run import Run
from smtpbook.delivery.settings import Settings
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.ledger.entries import Entry
from smtpbook.log.frame import Recorder
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pace, Pacer
from smtpbook.pacing.retry import Retry
from tests.delivery.conftest import books_of, delivery_of


class Given:
    """A source of entries that stand in a list."""

    def __init__(self, arms: str) -> None:
        self._entries = deque(
            Entry(f"p{n}@x.test", "", n, row={"arm": arm}) for n, arm in enumerate(arms)
        )

    def __len__(self) -> int:
        return len(self._entries)

    def take(self) -> Entry | None:
        return self._entries.popleft() if self._entries else None


def test_a_way_waits_for_one_that_is_far_behind_as_long_as_that_has_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("smtpbook.delivery.queues.MAX_HELD", 3)
    arms = Arms({"a": Arm(), "b": Arm(way=Way(pipelining="off"))})
    queues = Queues(source := Given("bbbbba"), arms, Pacer(Pace()), Clock(), lambda p: p)
    account = Account(host="x.test", port=25, tls="none")
    queues.travel({account: 1.0}, 2, lambda account, queue: lambda row: None)
    first, second = queues.routes
    assert first.queue.take(0.0) is None
    assert len(source) == 3
    second.seats.clear()
    entry = first.queue.take(0.0)
    assert entry is not None
    assert entry.address == "p5@x.test"


class Claimed:
    """A source that has one of some entries, and may have the others later."""

    def __init__(self, entries: list[Entry], *, are_more: bool) -> None:
        self._here, self._later = deque(entries[:1]), entries[1:]
        self._are_more = are_more

    def __len__(self) -> int:
        return len(self._here) + self._are_more

    def take(self) -> Entry | None:
        return self._here.popleft() if self._here else None

    def claim(self) -> None:
        self._here.extend(self._later)
        self._are_more = False


@pytest.mark.parametrize("are_more", [True, False])
async def test_those_who_come_later_go_by_all_connections_though_one_was_enough_at_first(
    autojump_clock: object,
    people: Callable[[int], pd.DataFrame],
    letter: Template,
    serve_here: Callable[[Lab], Awaitable[Account]],
    *,
    are_more: bool,
) -> None:
    lab = Lab()
    lab.set(end_of_data=Behaviour(delay_s=1.0))
    books = books_of(people(41))
    chosen = Claimed(list(books.select()), are_more=are_more)
    settings, run = Settings(connections=4), Run(Recorder(), "x")
    account = await serve_here(lab)
    delivery = delivery_of(books, letter, account, settings, run, chosen)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(delivery.run)
        await trio.sleep(0.5)
        chosen.claim()
        delivery.look_again()
        began = trio.current_time()
    assert trio.current_time() - began == pytest.approx(10.5, abs=0.6)
    assert books.counts == {"accepted": 41}
    assert run.log["session_id"].nunique() == 4


async def test_who_is_tried_again_and_again_gets_no_further_connection(
    autojump_clock: object,
    people: Callable[[int], pd.DataFrame],
    letter: Template,
    serve_here: Callable[[Lab], Awaitable[Account]],
) -> None:
    lab = Lab()
    lab.set(rcpt=Behaviour(reply="450 4.2.0 Try again in 60 seconds", times=6))
    books = books_of(people(2))
    settings, run = Settings(connections=9, retry=Retry()), Run(Recorder(), "x")
    await delivery_of(books, letter, await serve_here(lab), settings, run).run()
    assert books.counts == {"accepted": 2}
    assert run.log["session_id"].nunique() <= 2


@pytest.mark.parametrize("connections", [1, 4])
async def test_one_who_waits_for_a_retry_gets_no_further_connection_by_looking_again(
    autojump_clock: object,
    people: Callable[[int], pd.DataFrame],
    letter: Template,
    serve_here: Callable[[Lab], Awaitable[Account]],
    nursery: trio.Nursery,
    connections: int,
) -> None:
    """As one of several senders does when others may have left something."""
    lab = Lab()
    lab.set(rcpt=Behaviour(reply="450 4.2.0 Try again in 60 seconds", times=4))
    books = books_of(people(1))
    settings, run = Settings(connections=connections, retry=Retry()), Run(Recorder(), "x")
    delivery = delivery_of(books, letter, await serve_here(lab), settings, run)

    async def look() -> None:
        while True:
            await trio.sleep(2.0)
            delivery.look_again()

    nursery.start_soon(look)
    await delivery.run()
    nursery.cancel_scope.cancel()
    assert books.counts == {"accepted": 1}
    assert len(run.log["session_id"].dropna().unique()) == 1


@pytest.mark.parametrize(("waiting", "away", "new"), [(0, 0, 3), (2, 0, 1), (1, 2, 0)])
def test_a_connection_that_waits_or_comes_back_is_one_for_those_who_wait(
    waiting: int, away: int, new: int
) -> None:
    queues = Queues(Given("aaa"), None, Pacer(Pace()), Clock(), lambda p: p)
    account = Account(host="x.test", port=25, tls="none")
    queues.travel({account: 1.0}, 9, lambda account, queue: lambda row: None)
    (route,) = queues.routes
    route.seats |= set(range(1 + waiting + away))
    route.line.extend(Waiter(Clock(), 0.0) for _ in range(waiting))
    route.away |= {number: Waiter(Clock(), 0.0) for number in range(away)}
    assert len(route.fill()) == new
