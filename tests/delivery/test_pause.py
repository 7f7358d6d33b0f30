"""Pausing a send, and waiting: nothing new begins, what has begun comes to its verdict."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pandas as pd
import pytest
import trio

from smtpbook.accounts.account import Account
from smtpbook.delivery.run import Run
from smtpbook.delivery.settings import Settings
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.log.frame import Recorder
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pace
from smtpbook.pacing.retry import Retry
from tests.delivery.conftest import books_of, delivery_of


@pytest.mark.parametrize("pace", [None, "10/second"])
async def test_paused_nothing_begins_and_resumed_everybody_is_written_to(
    autojump_clock: object,
    people: Callable[[int], pd.DataFrame],
    letter: Template,
    serve_here: Callable[[Lab], Awaitable[Account]],
    pace: str | None,
) -> None:
    lab = Lab()
    lab.set(end_of_data=Behaviour(delay_s=0.1))
    books = books_of(people(40))
    settings = Settings(pace=Pace.of(pace), connections=2)
    run = Run(Recorder(), "x")
    delivery = delivery_of(books, letter, await serve_here(lab), settings, run)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(delivery.run)
        await trio.sleep(0.95)
        delivery.pause()
        await trio.sleep(5)
        reached = books.counts["accepted"]
        await trio.sleep(1000)

        assert 0 < reached < 40
        assert books.counts["accepted"] == reached
        delivery.resume()

    assert books.counts == {"accepted": 40}


async def test_it_knows_until_when_it_waits_and_the_books_by_which_session(
    autojump_clock: object,
    people: Callable[[int], pd.DataFrame],
    letter: Template,
    serve_here: Callable[[Lab], Awaitable[Account]],
) -> None:
    lab = Lab()
    lab.set(rcpt=Behaviour(reply="450 4.7.1 Greylisted, please try again later", times=1))
    listed = people(3)
    books = books_of(listed)
    settings = Settings(connections=2, retry=Retry(after_s={"greylisted": [900.0]}))
    run = Run(Recorder(), "x")
    delivery = delivery_of(books, letter, await serve_here(lab), settings, run)
    assert delivery.waits_until is None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(delivery.run)
        began = datetime.now(UTC)
        await trio.sleep(100)
        assert books.counts == {"deferred": 3}
        (attempt,) = books.attempts(listed["email"].iloc[0])
        assert attempt.session_id in set(run.log["session_id"])
        assert delivery.waits_until is not None
        assert 890 < (delivery.waits_until - began).total_seconds() < 910
        delivery.pause()
        await trio.sleep(1)
        assert delivery.waits_until is None
        delivery.resume()
    assert books.counts == {"accepted": 3}
    assert delivery.waits_until is None
