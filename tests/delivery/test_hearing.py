"""Hearing: what an adaptive pace learns from, and how a run shows it; in virtual time."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

import pandas as pd
import trio

from smtpbook.accounts.account import Account
from smtpbook.delivery.clock import Clock
from smtpbook.delivery.hearing import Hearing
from smtpbook.delivery.run import Run
from smtpbook.events import Event
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.log.frame import Recorder
from smtpbook.messages.template import Template
from smtpbook.pacing.adaptive import Adaptive
from tests.campaign.conftest import in_memory


async def test_replies_are_heard_and_outcomes_only_recorded(autojump_clock: object) -> None:
    """An outcome repeats a reply that has been heard."""
    run, changed = Run(Recorder(), "c"), []
    limiter = Adaptive().limiter()
    hearing = Hearing(run, limiter, Clock(), "mx.test", lambda: changed.append(True))
    hearing.begin()
    for kind, said in (
        ("outcome", "4.7.0 too many messages"),
        ("command", None),
        ("command", "4.7.0 too many\u202e messages"),
    ):
        code = None if said is None else 451
        hearing(Event(kind=kind, verb="MAIL", reply_code=code, reply_text=said).to_row())
        assert len(changed) == (1 if said and "\u202e" in said else 0)
    assert len(run.log) == 3
    assert run.pace["why"].tolist() == [
        "begun",
        r"halved: 451 4.7.0 too many\u202e messages to MAIL",
    ]
    assert set(run.pace["server"]) == {"mx.test"}
    assert run.pace["rate_per_min"].tolist() == [60, 30]


async def test_a_run_shows_how_the_pace_went(
    people: Callable[[int], pd.DataFrame],
    letter: Template,
    serve_here: Callable[[Lab], Awaitable[Account]],
    autojump_clock: object,
) -> None:
    """A server that takes four messages a second and says so."""
    lab = Lab()
    instants: deque[float] = deque(maxlen=40)

    def limit(event: Event) -> None:
        if event.verb == "MAIL":
            instants.append(trio.current_time())
            is_much = len(instants) == 40 and instants[0] > trio.current_time() - 10
            lab.set(mail=Behaviour(reply="451 4.7.1 slow down <b>" if is_much else None))

    lab._shared.record = lambda row: limit(Event.from_row(row))
    account = await serve_here(lab)
    campaign = in_memory("c", account, people(300), letter, pace="adaptive", connections=2)
    run = await campaign.send_async()
    pace = run.pace
    assert list(pace) == ["time", "server", "rate_per_min", "why"]
    assert pace["time"].is_monotonic_increasing
    assert str(pace["time"].dtype) == "datetime64[us, UTC]"
    assert pace["rate_per_min"].iloc[:4].tolist() == [60, 120, 240, 120]
    assert pace["why"].iloc[0] == "begun"
    assert pace["why"].str.startswith("halved: 451 4.7.1 slow down <b> to MAIL").any()
    assert sum(run.counts.values()) == 300
    assert 0 < run.counts["deferred"] < 30
    again = await campaign.send_async(only="deferred")  # and goes on where it was
    assert again.pace["rate_per_min"].iloc[0] == pace["rate_per_min"].iloc[-1]


async def test_another_pace_has_no_changes(
    people: Callable[[int], pd.DataFrame],
    letter: Template,
    serve_here: Callable[[Lab], Awaitable[Account]],
    autojump_clock: object,
) -> None:
    account = await serve_here(Lab())
    run = await in_memory("c", account, people(3), letter, pace="1/s").send_async()
    assert run.pace.empty
    assert str(run.pace["rate_per_min"].dtype) == "float64"
