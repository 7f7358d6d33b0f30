"""A merge end to end: rendered, sent on ten connections, recorded.

Beside it Jinja2, EmailMessage and aiosmtplib do the same, and record nothing.  The letters
are those of `tests.benchmarks.merge`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

import aiosmtplib
import trio

from smtpbook.accounts.account import Account
from smtpbook.log.frame import Recorder
from smtpbook.messages.template import Template
from smtpbook.session.session import open_session
from tests.benchmarks.merge import (
    Person,
    make_html,
    make_letter,
    make_people,
    make_text,
    with_jinja,
)
from tests.benchmarks.output import Row
from tests.benchmarks.peers import HELO, HOST
from tests.benchmarks.races import Cost, Finding, Limits, cost_of, typical
from tests.benchmarks.servers import open_near

CONNECTIONS: Final = 10
MESSAGES: Final = 3000
GOAL: Final = 30.0
# The other takes some milliseconds for each.
_SHARE: Final = 0.1
OURS: Final = "smtpbook"
REVERSE_PATH: Final = "ann@x.example"
THEIRS: Final = "Jinja2 + EmailMessage + aiosmtplib"


def run(name: str, limits: Limits) -> tuple[list[Row], list[Finding]]:
    """Send by both, round by round; give a row for each, and the ratio."""
    rng = random.Random(1)
    text, html = make_text(rng), make_html(rng)
    people = make_people(max(2 * CONNECTIONS, round(MESSAGES * limits.scale)), rng)
    few = people[: max(2 * CONNECTIONS, round(len(people) * _SHARE))]
    letter, make = make_letter(text, html), with_jinja(text, html)
    with open_near("smtp-sink") as target:

        def hold() -> dict[str, Cost]:
            return {
                OURS: cost_of(lambda: _ours(target.port, letter, people), len(people)),
                THEIRS: cost_of(lambda: _theirs(target.port, make, few), len(few)),
            }

        _ours(target.port, letter, people[:CONNECTIONS])
        _theirs(target.port, make, people[:CONNECTIONS])
        rounds = limits.hold(hold)
    ratio = median(costs[THEIRS].elapsed_s / costs[OURS].elapsed_s for costs in rounds)
    rows: list[Row] = [
        {
            "row": name,
            "server": "smtp-sink",
            "sender": sender,
            "messages/s": round(1 / cost.elapsed_s),
            "CPU µs/message": round(cost.cpu_s * 1e6),
            "round trips/message": "",
        }
        for sender, cost in typical(rounds).items()
    ]
    what = f"messages/s, {OURS} to {THEIRS}"
    return rows, [Finding(row=name, what=what, measured=ratio, goal=GOAL)]


def _ours(port: int, letter: Template, people: Sequence[Person]) -> None:
    recorder = Recorder()
    account = Account(host=HOST, port=port, tls="none", helo=HELO)
    messages = (letter.render(person) for person in people)  # whoever is free takes one

    async def send() -> None:
        async with open_session(account, sink=recorder.append) as session:
            async for result in session.send_many(messages):
                result.raise_for_outcome()

    async def send_all() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(CONNECTIONS):
                nursery.start_soon(send)

    trio.run(send_all)
    assert (recorder.frame()["outcome"] == "accepted").sum() == len(people)


def _theirs(port: int, make: Callable[[Person], bytes], people: Sequence[Person]) -> None:
    waiting = iter(people)

    async def send() -> None:
        async with aiosmtplib.SMTP(
            hostname=HOST, port=port, local_hostname=HELO, start_tls=False
        ) as client:
            for person in waiting:
                await client.sendmail(REVERSE_PATH, [person["email"]], make(person))

    async def send_all() -> None:
        await asyncio.gather(*(send() for _ in range(CONNECTIONS)))

    asyncio.run(send_all())
