"""Routes: several accounts with shares, servers that ask for a rest or state limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import count

import pandas as pd
import pytest
import trio

from smtpbook.accounts.account import Account
from smtpbook.delivery.clock import Clock, Times
from smtpbook.delivery.delivery import Delivery
from smtpbook.delivery.losses import MAX_FAILURES
from smtpbook.delivery.queue import Queue
from smtpbook.delivery.queues import check_connections
from smtpbook.delivery.routes import Route, Routes, shared_out, shares_of
from smtpbook.delivery.run import Run
from smtpbook.delivery.settings import Settings, Together
from smtpbook.errors import AuthenticationError
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.ledger.memory import MemoryBooks
from smtpbook.log.frame import Recorder
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pace, Pacer
from smtpbook.pacing.retry import Retry
from smtpbook.progress import Silent
from tests.delivery.conftest import books_of, delivery_of

People = Callable[[int], pd.DataFrame]
NO = "535 5.7.8 no"
ServeHere = Callable[[Lab], Awaitable[Account]]


class Send:
    """One delivery, ready to run; its books and its log."""

    def __init__(
        self,
        people: pd.DataFrame,
        letter: Template,
        accounts: dict[Account, float],
        clock: Clock | None = None,
        **settings: object,
    ) -> None:
        self.books = books_of(people)
        self._run = Run(Recorder(), "c")
        chosen = Settings(**settings)  # type: ignore[arg-type]
        self.delivery = Delivery(
            self.books,
            self.books.select(),
            letter,
            accounts,
            chosen,
            pacer=Pacer(chosen.pace),
            clock=clock or Clock(),
            campaign_id="c",
            run=self._run,
            display=Silent(),
        )

    @property
    def log(self) -> pd.DataFrame:
        return self._run.log

    def said(self, verb: str) -> pd.DataFrame:
        return self.log[(self.log["verb"] == verb) & (self.log["kind"] != "outcome")]


# --- shares -------------------------------------------------------------------------------


@pytest.mark.parametrize("pace", [Pace(), Pace("10/s")])
async def test_messages_go_by_each_account_as_its_share_says_however_fast_it_is(
    autojump_clock: object,
    people: People,
    letter: Template,
    serve_here: ServeHere,
    pace: Pace,
) -> None:
    slow, fast = Lab(), Lab()
    slow.set(end_of_data=Behaviour(delay_s=0.7))
    accounts = {await serve_here(slow): 7.0, await serve_here(fast): 3.0}
    send = Send(people(100), letter, accounts, pace=pace, connections=6)
    await send.delivery.run()
    assert send.books.counts == {"accepted": 100}
    assert abs(len(slow.received) - 70) <= 1
    assert abs(len(fast.received) - 30) <= 1
    everybody = Counter(
        who for lab in (slow, fast) for one in lab.received for who in one.recipients
    )
    assert set(everybody.values()) == {1}


async def test_an_account_that_cannot_log_in_is_named_and_the_others_take_its_share(
    autojump_clock: object, people: People, letter: Template, serve_here: ServeHere
) -> None:
    good, picky = Lab(), Lab(users={"ann": "horse"})
    # By PLAIN: while SCRAM computes in a thread, virtual time would run on.
    wrong = (await serve_here(picky)).replace(
        username="ann", password="cow", name="work", auth="PLAIN"
    )
    send = Send(people(20), letter, {wrong: 1, await serve_here(good): 1})
    with pytest.warns(UserWarning, match=r"account work could not be used \(.*535"):
        await send.delivery.run()
    assert send.books.counts == {"accepted": 20}
    assert (send.said("AUTH")["reply_code"] == 535).sum() == 1


async def test_when_no_account_can_be_used_nothing_is_sent(
    autojump_clock: object, people: People, letter: Template, serve_here: ServeHere
) -> None:
    picky = Lab(users={"ann": "horse"})
    account = await serve_here(picky)
    accounts = {
        account.replace(username=name, password="cow", name=name, auth="PLAIN"): 1.0
        for name in ("ann", "bob")
    }
    send = Send(people(20), letter, accounts)
    with pytest.raises(AuthenticationError, match="535"):
        await send.delivery.run()
    assert send.books.counts == {"pending": 20}


@pytest.mark.parametrize("retry", [None, Retry()])
async def test_an_account_whose_server_goes_away_leaves_nobody_behind(
    autojump_clock: object,
    people: People,
    letter: Template,
    serve_here: ServeHere,
    retry: Retry | None,
) -> None:
    stays, goes = Lab(), Lab()
    goes.set(mail=Behaviour(drop=True))
    accounts = {await serve_here(goes): 1.0, await serve_here(stays): 1.0}
    send = Send(people(60), letter, accounts, retry=retry, connections=2)
    await send.delivery.run()
    counts = send.books.counts
    assert counts["accepted"] + counts["failed"] == 60
    assert counts["failed"] <= (0 if retry else MAX_FAILURES)
    assert len(stays.received) == counts["accepted"]


def test_a_share_is_of_those_that_can_take_and_what_was_missed_is_not_made_up_for() -> None:
    books = MemoryBooks(["p@x.test"])
    queue = Queue(books.select(), Pacer(Pace()))
    one, other = (
        Route(Account(host=f"{name}.example"), 1.0, lambda row: None, 1, queue)
        for name in "ab"
    )
    routes = Routes([one, other], lambda route, now: now)
    taken: list[str] = []

    def take(now: float) -> None:
        for route in routes:
            if route.may_take(now) and routes.is_turn(route, now):
                routes.take(route, now)
                taken.append(route.account.host[0])

    for _ in range(4):
        take(0.0)
    one.hear("MAIL", 451, "4.3.0 try again in 60 s", 0.0)
    for _ in range(4):
        take(30.0)
    for _ in range(4):
        take(61.0)
    assert "".join(taken) == "abababab" + "bbbb" + "abababab"


@pytest.mark.parametrize(
    ("connections", "shares", "expected"),
    [
        (4, [3, 1], [3, 1]),
        (1, [1, 1, 1], [1, 1, 1]),
        (10, [1, 1], [5, 5]),
        (5, [1, 1, 1], [2, 2, 1]),
        (7, [0.1, 0.1, 5], [1, 1, 5]),
    ],
)
def test_connections_are_shared_out_and_everybody_gets_one(
    connections: int, shares: list[float], expected: list[int]
) -> None:
    assert shared_out(connections, shares) == expected
    assert sum(expected) == max(connections, len(shares))


def test_fewer_connections_than_accounts_are_refused() -> None:
    two = {Account(host="a.example"): 1.0, Account(host="b.example"): 1.0}
    check_connections(two, Settings(connections=2))
    with pytest.raises(ValueError, match="give connections=2 or more"):
        check_connections(two, Settings(connections=1))


async def test_connections_are_as_many_as_it_is_told_while_it_sends(
    autojump_clock: object,
    people: Callable[[int], pd.DataFrame],
    letter: Template,
    serve_here: Callable[[Lab], Awaitable[Account]],
) -> None:
    lab = Lab()
    lab.set(end_of_data=Behaviour(delay_s=1.0))
    books = books_of(people(100))
    run = Run(Recorder(), "x")
    settings = Settings(connections=2)
    delivery = delivery_of(books, letter, await serve_here(lab), settings, run)
    begun: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(delivery.run)
        for connections in (2, 5, 1, 3):
            delivery.connect(connections)
            await trio.sleep(3)  # what has begun comes to its verdict
            before = books.counts["accepted"]
            await trio.sleep(4)
            begun.append(books.counts["accepted"] - before)
    assert begun == [8, 20, 4, 12]
    assert [route.seats for route in delivery._routes] == [set()]
    assert books.counts == {"accepted": 100}
    assert run.log["session_id"].nunique() == 2 + 3 + 2


async def test_a_connection_whose_login_was_refused_is_not_tried_again_for_more(
    autojump_clock: object,
    people: Callable[[int], pd.DataFrame],
    letter: Template,
    serve_here: Callable[[Lab], Awaitable[Account]],
) -> None:
    lab = Lab(users={"ann": "horse"})
    # All logins but the first one in an hour.
    lab.set(end_of_data=Behaviour(delay_s=1.0), auth=Behaviour(reply=NO, over=(1, 3600.0)))
    account = await serve_here(lab)
    account = account.replace(username="ann", password="horse", auth="PLAIN")
    books = books_of(people(30))
    settings, run = Settings(connections=2), Run(Recorder(), "x")
    delivery = delivery_of(books, letter, account, settings, run)
    tries: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(delivery.run)
        for connections in (2, 3, 4, 2, 4):
            delivery.connect(connections)
            await trio.sleep(5)
            tries.append(int((run.log["verb"] == "AUTH").sum()))
    assert tries == [2, 3, 4, 4, 4]
    assert books.counts == {"accepted": 30}


async def test_one_that_was_given_up_takes_no_working_connection_with_it(
    autojump_clock: object,
    people: Callable[[int], pd.DataFrame],
    letter: Template,
    serve_here: Callable[[Lab], Awaitable[Account]],
) -> None:
    """The first of three is closed behind its first message, and may not log in again."""
    lab, logins = Lab(users={"ann": "horse"}), count(1)
    late, first = Behaviour(delay_s=1.0), people(1)["email"][0]
    lab.set(end_of_data=late, auth=Behaviour(reply=NO, when=lambda _: next(logins) == 4))
    lab.set(first, end_of_data=replace(late, close=True))
    account = await serve_here(lab)
    account = account.replace(username="ann", password="horse", auth="PLAIN")
    books = books_of(people(60))
    settings, run = Settings(connections=3), Run(Recorder(), "x")
    delivery = delivery_of(books, letter, account, settings, run)
    begun: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(delivery.run)
        for connections in (3, 1, 3, 4):
            delivery.connect(connections)
            await trio.sleep(3)
            before = books.counts["accepted"]
            await trio.sleep(4)
            begun.append(books.counts["accepted"] - before)
    assert begun == [8, 4, 8, 12]
    # Who was pipelined behind the first message is lost with its connection.
    assert books.counts == {"accepted": 59, "failed": 1}
    assert next(logins) == 7  # three, the one refused, and two that came back


async def test_one_that_is_away_is_given_up_before_one_that_works(
    autojump_clock: object,
    people: Callable[[int], pd.DataFrame],
    letter: Template,
    serve_here: Callable[[Lab], Awaitable[Account]],
) -> None:
    """The first of two is closed behind its first message, and stays away for a while."""
    lab, late = Lab(), Behaviour(delay_s=1.0)
    lab.set(end_of_data=late)
    lab.set(people(1)["email"][0], end_of_data=replace(late, close=True))
    books = books_of(people(20))
    settings, run = Settings(connections=2), Run(Recorder(), "x")
    delivery = delivery_of(books, letter, await serve_here(lab), settings, run)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(delivery.run)
        await trio.sleep(1.2)
        (route,) = delivery._routes
        assert set(route.away) == {0}
        delivery.connect(1)
        await trio.sleep(3)
        assert (route.seats, route.away) == ({1}, {})
    assert run.log["session_id"].nunique() == 2


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "at least one"),
        ({Account(host="a.example"): 0}, "account a.example: a share of 0 is none"),
        ({Account(host="a.example"): float("nan")}, "a share of nan"),
        ("a.example", "an Account, or several with their shares"),
    ],
)
def test_what_are_no_shares_is_refused(given: object, told: str) -> None:
    with pytest.raises((TypeError, ValueError), match=told):
        shares_of(given)  # type: ignore[arg-type]


# --- a server that asks for a rest --------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "rests_s"),  # the second of a pipelined pair answers what had begun before
    [("421 4.3.2 overloaded", [1, 2, 4, 8, 16, 32, 64]), ("451 4.3.0 no", [1, 2, 4])],
)
async def test_a_server_that_turns_transactions_away_gets_growing_rests(
    autojump_clock: object,
    people: People,
    letter: Template,
    serve_here: ServeHere,
    reply: str,
    rests_s: list[int],
) -> None:
    lab = Lab()
    lab.set(mail=Behaviour(reply=reply, close=reply.startswith("421")))
    send = Send(people(8), letter, {await serve_here(lab): 1}, connections=1)
    started = trio.current_time()
    await send.delivery.run()
    assert send.books.counts == {"deferred": 8}
    assert trio.current_time() - started == pytest.approx(sum(rests_s))


async def test_the_rest_is_as_long_as_the_reply_asks_and_for_all_connections(
    autojump_clock: object, people: People, letter: Template, serve_here: ServeHere
) -> None:
    lab = Lab()
    lab.set(mail=Behaviour(reply="451 4.7.0 try again in 5 minutes"))
    account = await serve_here(lab)
    send = Send(people(30), letter, {account: 1}, connections=3, retry=Retry())
    started = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send.delivery.run)
        await trio.sleep(200)
        lab.set(mail=Behaviour())
    assert send.books.counts == {"accepted": 30}
    assert trio.current_time() - started == pytest.approx(300, abs=1)
    assert (send.said("MAIL")["reply_code"] == 451).sum() <= 2 * 3


# --- limits ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "stated", "most"),
    [(5, None, 5), (None, "MAILMAX=4", 4), (3, "MAILMAX=4 RCPTMAX=9", 3)],
)
async def test_a_connection_carries_no_more_messages_than_it_may(
    autojump_clock: object,
    people: People,
    letter: Template,
    serve_here: ServeHere,
    own: int | None,
    stated: str | None,
    most: int,
) -> None:
    lab = Lab()
    if stated is not None:
        lab.set(ehlo=Behaviour(reply=f"250-lab\n250-PIPELINING\n250 LIMITS {stated}"))
    send = Send(
        people(20),
        letter,
        {await serve_here(lab): 1},
        connections=2,
        messages_per_connection=own,
    )
    await send.delivery.run()
    assert send.books.counts == {"accepted": 20}
    in_each = send.said("MAIL").groupby("session_id").size()
    assert in_each.max() == most
    assert len(send.said("QUIT")) == len(in_each)


@pytest.mark.parametrize(
    ("stated", "recipients", "domains"),
    [
        ("RCPTMAX=4", 4, 4),
        ("RCPTDOMAINMAX=1 RCPTMAX=50", 50, 1),
        ("RCPTDOMAINMAX=2", 50, 2),
    ],
)
async def test_a_message_has_no_more_recipients_than_the_server_states(
    autojump_clock: object,
    people: People,
    serve_here: ServeHere,
    stated: str,
    recipients: int,
    domains: int,
) -> None:
    lab = Lab()
    lab.set(ehlo=Behaviour(reply=f"250-lab\n250-PIPELINING\n250 LIMITS {stated}"))
    letter = Template(header_from="a@x.test", subject="s", text="t")
    send = Send(people(30), letter, {await serve_here(lab): 1}, together=Together())
    await send.delivery.run()
    assert send.books.counts == {"accepted": 30}
    for one in lab.received:
        assert len(one.recipients) <= recipients
        assert len({who.partition("@")[2] for who in one.recipients}) <= domains


# --- a connection that has waited ---------------------------------------------------------


async def test_a_connection_that_has_waited_is_asked_before_it_is_used_again(
    autojump_clock: object, people: People, letter: Template, serve_here: ServeHere
) -> None:
    send = Send(
        people(4), letter, {await serve_here(Lab()): 1}, pace=Pace("1/min"), connections=1
    )
    await send.delivery.run()
    assert send.books.counts == {"accepted": 4}
    assert len(send.said("EHLO")) == 1
    assert len(send.said("NOOP")) == 3


@pytest.mark.parametrize(
    "silence", [Behaviour(delay_s=3600), Behaviour(drop=True), Behaviour(reply="421 bye")]
)
async def test_one_that_is_not_there_any_more_costs_nobody_a_try(
    autojump_clock: object,
    people: People,
    letter: Template,
    serve_here: ServeHere,
    silence: Behaviour,
) -> None:
    lab = Lab()
    lab.set(noop=silence)
    send = Send(
        people(4), letter, {await serve_here(lab): 1}, pace=Pace("1/min"), connections=1
    )
    await send.delivery.run()
    assert send.books.counts == {"accepted": 4}
    assert send.log["session_id"].nunique() == 4
    assert (send.log["outcome"] == "accepted").sum() == 4


# --- sleep --------------------------------------------------------------------------------


class Computer:
    """A computer whose clocks the test sets; virtual time alone moves none of them."""

    def __init__(self, *, tells_sleep: bool = True) -> None:
        self._slept_s = self._set_s = 0.0
        self._tells_sleep = tells_sleep

    def sleep(self, seconds: float) -> None:
        self._slept_s += seconds

    def set(self, seconds: float) -> None:
        self._set_s += seconds

    def __call__(self) -> Times:
        awake = 100 + self._slept_s if self._tells_sleep else None
        return Times(100.0, awake, 1e9 + self._slept_s + self._set_s)


async def test_after_the_computer_slept_connections_are_left_and_the_pace_goes_on(
    autojump_clock: object, people: People, letter: Template, serve_here: ServeHere
) -> None:
    computer = Computer()
    send = Send(
        people(4),
        letter,
        {await serve_here(Lab()): 1},
        Clock(computer),
        pace=Pace("2 every hour"),
        connections=1,
    )
    started = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send.delivery.run)
        await trio.sleep(60)
        assert send.books.counts == {"accepted": 2, "pending": 2}
        computer.sleep(7200)
    assert send.books.counts == {"accepted": 4}
    assert trio.current_time() - started < 120  # of the hour's pause the rest was slept


@pytest.mark.parametrize("tells_sleep", [True, False])
async def test_what_was_slept_has_passed_and_what_was_set_has_not(
    autojump_clock: object, *, tells_sleep: bool
) -> None:
    computer = Computer(tells_sleep=tells_sleep)
    clock = Clock(computer)
    now = clock.now()
    wall = clock.wall(now)
    assert not clock.has_jumped()
    computer.sleep(3600)
    assert clock.has_jumped()
    assert not clock.has_jumped()
    assert clock.now() == now + 3600
    assert (clock.wall(clock.now()) - wall).total_seconds() == 3600
    assert clock.deadline(clock.now()) == trio.current_time()
    computer.set(-1800)
    assert clock.has_jumped()
    assert clock.now() == now + 3600
    assert (clock.wall(clock.now()) - wall).total_seconds() == 1800
    computer.set(1.0)
    assert not clock.has_jumped()
