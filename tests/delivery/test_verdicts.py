"""Verdicts: sends that come back to the deferred, and sends that a rule ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pandas as pd
import pytest
import trio

from smtpbook.accounts.account import Account
from smtpbook.delivery.losses import MAX_FAILURES
from smtpbook.delivery.run import Run
from smtpbook.delivery.settings import Together
from smtpbook.events import Event
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.lab.scenarios import SCENARIOS
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pace
from smtpbook.pacing.retry import Retry
from smtpbook.pacing.stopping import Tally, stop_rule
from tests.campaign.conftest import in_memory

pytestmark = pytest.mark.side_by_side

People = Callable[[int], pd.DataFrame]
ServeHere = Callable[[Lab], Awaitable[Account]]
HOUR = 3600
# In clear text, as here, those about TLS are the ordinary one.
ABOUT_TLS = ("no-starttls", "stripped-starttls", "expired-certificate")
IN_CLEAR_TEXT = [name for name in SCENARIOS if name not in ABOUT_TLS]
PACE = Pace("9 every 10 s", per_domain="1 every 9 s")
UNKNOWN = Behaviour(reply="550 5.1.1 user unknown")


def check_attempts(run: Run, lab: Lab, total: int) -> dict[str, int]:
    """Assert that each attempt ended once, numbers rise, the server agrees; give counts."""
    counts, told = run.counts, lab.counts  # each counts a log anew
    rows = run.log[run.log["kind"] == "outcome"]
    tries = rows.groupby("recipient", observed=True).cumcount() + 1
    assert rows["attempt"].tolist() == tries.tolist()
    is_again = rows.duplicated("recipient", keep="last")
    assert rows.loc[is_again, "outcome"].isin(["deferred", "failed"]).all()
    assert sum(counts.values()) == total == len(run.outcomes)
    for outcome in ("accepted", "deferred", "rejected"):
        assert counts[outcome] == told[outcome], outcome
    received = Counter(who for one in lab.received for who in one.recipients)
    assert set(received.values()) <= {1}
    assert len(received) == counts["accepted"]
    return counts


# --- retry --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("connections", "pace"),
    [
        (1, None),
        pytest.param(1, PACE, marks=pytest.mark.heavy),
        pytest.param(4, None, marks=pytest.mark.heavy),
        (4, PACE),
    ],
)
@pytest.mark.parametrize("scenario", IN_CLEAR_TEXT)
async def test_the_sums_are_those_of_the_server(
    scenario: str,
    connections: int,
    pace: Pace | None,
    people: People,
    letter: Template,
    serve_here: ServeHere,
    autojump_clock: object,
) -> None:
    lab = Lab(scenario)
    account = await serve_here(lab)
    retry = Retry(give_up_s=9 * HOUR)
    campaign = in_memory(
        "c", account, people(41), letter, pace=pace, connections=connections, retry=retry
    )
    run = await campaign.send_async()
    counts = check_attempts(run, lab, 41)
    assert {name: n for name, n in counts.items() if n} == campaign.counts


@pytest.mark.parametrize("pace", [None, "1/s", "adaptive"])
async def test_the_greylisted_are_accepted_when_they_come_back(
    pace: str | None,
    people: People,
    letter: Template,
    serve_here: ServeHere,
    autojump_clock: object,
) -> None:
    """The reply says five minutes, and five minutes it is; nobody idles on the line."""
    instants: dict[str | None, list[float]] = {}

    def note(event: Event) -> None:
        if event.verb == "RCPT":
            instants.setdefault(event.recipient, []).append(trio.current_time())

    lab = Lab(record=note)
    greylisting = Behaviour(reply="450 4.7.1 Greylisted, try again in 5 minutes", times=1)
    lab.set("*@patience.example", rcpt=greylisting)
    account = await serve_here(lab)
    campaign = in_memory("c", account, people(24), letter, pace=pace, retry=Retry())
    run = await campaign.send_async()
    check_attempts(run, lab, 24)
    assert run.counts["accepted"] == 24
    again = [at for at in instants.values() if len(at) == 2]
    assert len(again) == 4
    assert all(300 <= second - first < 310 for first, second in again)
    assert trio.current_time() < 400


async def test_who_stays_deferred_is_given_up_in_time(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    lab = Lab()
    lab.set(rcpt=Behaviour(reply="452 4.2.2 full"))
    account = await serve_here(lab)
    retry = Retry(after_s={"mailbox_full": [HOUR, 2 * HOUR]}, give_up_s=6 * HOUR)
    campaign = in_memory("c", account, people(3), letter, retry=retry)
    run = await campaign.send_async()
    check_attempts(run, lab, 3)
    assert run.counts["deferred"] == 3
    assert run.outcomes["attempt"].tolist() == [4] * 3  # after 0, 1, 3 and 5 hours
    assert trio.current_time() == pytest.approx(5 * HOUR, abs=60)
    again = await campaign.send_async(only="deferred")
    assert again.outcomes["attempt"].tolist() == [8] * 3


async def test_a_server_that_was_gone_costs_nobody_an_attempt(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    """It hangs up on everybody for half an hour, in the middle of the send."""
    lab = Lab()
    account = await serve_here(lab)

    def hang_up(row: Any) -> None:
        if len(lab.received) == 5 and trio.current_time() < 1800:
            lab.set(greeting=Behaviour(drop=True), mail=Behaviour(drop=True))

    async def come_back() -> None:
        await trio.sleep(1800)
        lab.set(greeting=Behaviour(), mail=Behaviour())

    lab._shared.record = hang_up
    campaign = in_memory("c", account, people(30), letter, connections=2, retry=Retry())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(come_back)
        run = await campaign.send_async()
    assert run.counts["accepted"] == 30
    assert run.log["session_id"].nunique() > MAX_FAILURES
    assert trio.current_time() < 2 * HOUR
    assert run.outcomes["attempt"].max() <= 1 + MAX_FAILURES


async def test_lost_messages_are_tried_again_and_those_in_doubt_never(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    lab = Lab()
    lab.set("p*3@*", rcpt=Behaviour(drop=True, times=1))
    lab.set("p*7@*", end_of_data=Behaviour(drop=True, times=1))
    account = await serve_here(lab)
    campaign = in_memory("c", account, people(40), letter, connections=3, retry=Retry())
    run = await campaign.send_async()
    check_attempts(run, lab, 40)
    assert run.counts["in_doubt"] == 4
    assert run.counts["accepted"] == 36


async def test_a_stop_does_not_wait_for_a_retry(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    lab = Lab()
    lab.set("*@fullbox.example", rcpt=Behaviour(reply="452 4.2.2 full"))
    account = await serve_here(lab)
    campaign = in_memory("c", account, people(12), letter, retry=Retry())
    with trio.move_on_after(100):
        await campaign.send_async()
    assert trio.current_time() == 100
    assert campaign.counts == {"accepted": 10, "deferred": 2}


async def test_connections_that_may_not_open_do_not_hold_up_the_end(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    lab = Lab()
    lab.set(end_of_data=Behaviour(delay_s=30))
    account = await serve_here(lab)

    def refuse_the_others(row: Any) -> None:
        if Event.from_row(row).verb == "EHLO":
            lab.set(greeting=Behaviour(reply="421 4.7.0 too many connections"))

    lab._shared.record = refuse_the_others
    campaign = in_memory("c", account, people(12), letter, retry=Retry())
    run = await campaign.send_async()
    assert run.counts["accepted"] == 12
    assert trio.current_time() == 12 * 30


async def test_a_connection_without_work_stays_while_somebody_may_come_back(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    """Two that are deferred by one connection are tried again by two."""
    lab = Lab()
    greylisted = Behaviour(
        reply="450 4.7.1 greylisted, try again in 100 seconds", delay_s=20, times=1
    )
    lab.set("p[01]@*", rcpt=greylisted, end_of_data=Behaviour(delay_s=50))
    account = await serve_here(lab)
    campaign = in_memory("c", account, people(3), letter, connections=2, retry=Retry())
    run = await campaign.send_async()
    check_attempts(run, lab, 3)
    assert run.counts["accepted"] == 3
    assert trio.current_time() == 20 + 20 + 100 + 50


async def test_failures_of_long_ago_do_not_count(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    """Every other hour nobody can connect; no two failures are in a row."""
    lab = Lab()
    account = await serve_here(lab)

    async def alternate() -> None:
        await trio.sleep(HOUR / 2)
        for hour in range(1, 18):
            lab.set(greeting=Behaviour(drop=hour % 2 == 1))
            await trio.sleep(HOUR)

    campaign = in_memory("c", account, people(9), letter, pace="1/hour", connections=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(alternate)
        run = await campaign.send_async()
        nursery.cancel_scope.cancel()
    assert run.counts["accepted"] == 9
    assert run.log["session_id"].nunique() == 17


async def test_who_is_given_back_does_not_wait_for_those_who_gave_up(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    """One connection waits for what may come back; the other cannot be opened again."""
    lab = Lab()
    account = await serve_here(lab)

    def refuse_the_others(row: Any) -> None:
        if Event.from_row(row).verb == "EHLO":
            lab.set(greeting=Behaviour(delay_s=20, drop=True))

    lab._shared.record = refuse_the_others
    campaign = in_memory(
        "c", account, people(3), letter, connections=2, retry=Retry(give_up_s=1)
    )
    with trio.fail_after(3600):
        run = await campaign.send_async()
    assert run.counts["accepted"] + run.counts["failed"] == 3
    assert run.counts["failed"] >= 1


async def test_when_the_server_is_gone_for_good_the_deferred_stay_deferred(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    lab = Lab()
    lab.set(rcpt=Behaviour(reply="450 4.7.1 greylisted, try again in 500 seconds"))
    account = await serve_here(lab)

    async def go_away() -> None:
        await trio.sleep(300)
        lab.set(greeting=Behaviour(drop=True))

    campaign = in_memory("c", account, people(6), letter, retry=Retry(give_up_s=600))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(go_away)
        run = await campaign.send_async()
    check_attempts(run, lab, 6)
    assert run.counts["deferred"] == 6
    assert run.outcomes["attempt"].tolist() == [1] * 6
    assert trio.current_time() < 500 + 600 + 60


async def test_what_we_refuse_ourselves_is_not_tried_again(
    people: People, serve_here: ServeHere, autojump_clock: object
) -> None:
    lab = Lab(max_size_bytes=1000)
    account = await serve_here(lab)
    long = Template(header_from="ann@x.test", subject="Hello", text="Come. " * 1000)
    run = await in_memory("c", account, people(3), long, retry=Retry()).send_async()
    assert run.counts["failed"] == 3
    assert run.outcomes["attempt"].tolist() == [1] * 3
    assert trio.current_time() == 0


async def test_together_the_deferred_share_their_next_message(
    people: People, serve_here: ServeHere, autojump_clock: object
) -> None:
    lab = Lab("mixed-day")
    account = await serve_here(lab)
    letter = Template(header_from="Ann <ann@x.test>", subject="Hello", text="Come.")
    campaign = in_memory(
        "c",
        account,
        people(41),
        letter,
        together=Together(size=10),
        retry=Retry(max_attempts=2),
    )
    run = await campaign.send_async()
    check_attempts(run, lab, 41)
    assert run.outcomes["attempt"].max() == 2


async def test_progress_counts_each_recipient_once(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    lab = Lab()
    lab.set(rcpt=Behaviour(reply="450 4.7.1 Greylisted, try again in 60 s", times=1))
    account = await serve_here(lab)
    seen = []

    def watch(tally: Any) -> bool:
        seen.append((tally.tried, dict(tally.outcomes)))
        return False

    campaign = in_memory("c", account, people(6), letter, retry=Retry(), stop_when=watch)
    run = await campaign.send_async()
    assert run.stopped is None
    assert len(seen) == 12
    assert seen[5] == (6, {"deferred": 6})
    assert seen[-1] == (6, {"deferred": 0, "accepted": 6})


# --- stop rules ---------------------------------------------------------------------------


@pytest.mark.parametrize("pace", [None, "10/s"])
@pytest.mark.parametrize("connections", [1, 3])
async def test_a_rule_ends_the_send_and_leaves_the_rest_pending(
    connections: int,
    pace: str | None,
    people: People,
    letter: Template,
    serve_here: ServeHere,
    autojump_clock: object,
) -> None:
    lab = Lab()
    lab.set(rcpt=UNKNOWN)
    account = await serve_here(lab)
    campaign = in_memory(
        "c",
        account,
        people(200),
        letter,
        pace=pace,
        connections=connections,
        stop_when=stop_rule("rejected > 10 %", after=20),
    )
    run = await campaign.send_async()
    assert run.stopped == "rejected > 10 %: 20 of 20"
    assert repr(run).endswith("; stopped: rejected > 10 %: 20 of 20>")
    assert "Stopped: rejected &gt; 10 %: 20 of 20" in run._repr_html_()
    assert 20 <= run.counts["rejected"] <= 20 + 2 * connections
    assert campaign.counts == {
        "rejected": run.counts["rejected"],
        "pending": 200 - run.counts["rejected"],
    }
    assert lab.counts["rejected"] == run.counts["rejected"]
    lab.set(rcpt=Behaviour())
    again = await campaign.send_async()
    assert again.stopped is None
    assert again.counts["accepted"] == 200 - run.counts["rejected"]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (lambda tally: tally["user_unknown"] > 4, "the stop rule <lambda> held"),
        (lambda tally: "enough" * (tally.tried > 4), "enough"),
        (
            lambda tally: 1 / (5 - tally.tried) < 0,
            "raised ZeroDivisionError: division by zero",
        ),
    ],
)
async def test_any_function_of_the_counts_is_a_rule(
    rule: Callable[[Tally], bool | str],
    said: str,
    people: People,
    letter: Template,
    serve_here: ServeHere,
    autojump_clock: object,
) -> None:
    lab = Lab()
    lab.set(rcpt=UNKNOWN)
    account = await serve_here(lab)
    rules = [stop_rule("spam > 1"), rule]
    campaign = in_memory("c", account, people(30), letter, connections=1, stop_when=rules)
    run = await campaign.send_async()
    assert run.stopped is not None
    assert said in run.stopped
    assert run.counts["rejected"] < 10


async def test_a_rule_may_watch_for_a_server_that_is_gone(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    lab = Lab()
    lab.set(mail=Behaviour(drop=True))
    account = await serve_here(lab)
    rule = stop_rule("failed >= 8")
    campaign = in_memory("c", account, people(50), letter, connections=1, stop_when=rule)
    run = await campaign.send_async()
    assert run.stopped == f"failed >= 8: {run.counts['failed']} of {run.counts['failed']}"
    assert campaign.counts["pending"] == 50 - run.counts["failed"] > 30
