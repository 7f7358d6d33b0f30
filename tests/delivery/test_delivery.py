"""Delivery: several connections, lost ones, stopped ones; in virtual time."""

from __future__ import annotations

import email
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.policy import default
from typing import Any

import pandas as pd
import pytest
import trio

from smtpbook.accounts.account import Account
from smtpbook.delivery.losses import MAX_FAILURES
from smtpbook.delivery.run import Run
from smtpbook.delivery.settings import Settings, Together
from smtpbook.errors import (
    AuthenticationError,
    DeferredError,
    LedgerError,
    RecipientsError,
    TemplateError,
    TransportError,
)
from smtpbook.events import Event
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.lab.scenarios import SCENARIOS
from smtpbook.log.frame import Recorder
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pace
from tests.campaign.conftest import in_memory
from tests.delivery.conftest import UpTo, books_of, delivery_of

People = Callable[[int], pd.DataFrame]
ServeHere = Callable[[Lab], Awaitable[Account]]


def check_sums(run: Run, lab: Lab, total: int) -> dict[str, int]:
    """Assert that nobody is missing or twice, that the server counted the same; give it."""
    counts, told = run.counts, lab.counts  # each counts a log anew
    assert sum(counts.values()) == total == len(run.outcomes)
    outcomes = run.log[run.log["kind"] == "outcome"]
    assert not outcomes.duplicated(["recipient", "attempt"]).any()
    for outcome in ("accepted", "deferred", "rejected"):
        assert counts[outcome] == told[outcome], outcome
    received = Counter(who for one in lab.received for who in one.recipients)
    assert set(received.values()) <= {1}
    assert len(received) == counts["accepted"]
    whole = run.log[run.log["session_id"].notna()]
    numbers = whole.groupby("session_id", observed=True).cumcount()
    assert whole["seq"].tolist() == numbers.tolist()
    last = whole.drop_duplicates("session_id", keep="last")["kind"]
    assert last.isin(["disconnect", "connect"]).all()
    return counts


# --- sums ---------------------------------------------------------------------------------


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_the_sums_are_those_of_the_server(
    scenario: str,
    connections: int,
    people: People,
    letter: Template,
    serve_here: ServeHere,
    autojump_clock: object,
) -> None:
    lab = Lab(scenario)
    account = await serve_here(lab)
    campaign = in_memory("c", account, people(41), letter, connections=connections)
    run = await campaign.send_async()
    counts = check_sums(run, lab, 41)
    assert {name: n for name, n in counts.items() if n} == campaign.counts
    if scenario == "drops-after-dot":
        assert 1 <= counts["in_doubt"] <= MAX_FAILURES * connections
        assert counts["in_doubt"] + counts["failed"] == 41
    sessions = run.log["session_id"].nunique()
    if scenario in ("ordinary", "mixed-day", "tarpit"):
        assert sessions == connections


async def test_connections_work_side_by_side(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    lab = Lab()
    lab.set(end_of_data=Behaviour(delay_s=10))
    account = await serve_here(lab)
    took = []
    for connections in (1, 4):
        started = trio.current_time()
        await in_memory(
            "c", account, people(8), letter, connections=connections
        ).send_async()
        took.append(trio.current_time() - started)
    assert took == [80, 20]


async def test_no_more_connections_than_people(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    lab = Lab()
    account = await serve_here(lab)
    run = await in_memory("c", account, people(2), letter, connections=9).send_async()
    assert run.counts["accepted"] == 2
    assert lab._shared.sessions <= 2


async def test_nobody_needs_no_connection(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    lab = Lab()
    account = await serve_here(lab)
    campaign = in_memory("c", account, people(3), letter)
    await campaign.send_async()
    again = await campaign.send_async()
    assert len(again.log) == 0
    assert sum(again.counts.values()) == 0
    assert len(lab.received) == 3


# --- several recipients to a message ----------------------------------------------------


@pytest.mark.parametrize(("show", "field"), [("to", "To"), ("cc", "Cc"), ("bcc", None)])
async def test_together_one_message_goes_to_many_and_each_keeps_its_own_reply(
    show: Any,
    field: str | None,
    people: People,
    serve_here: ServeHere,
    autojump_clock: object,
) -> None:
    lab = Lab("mixed-day")
    account = await serve_here(lab)
    letter = Template(header_from="Ann <ann@x.test>", subject="Hello", text="Come.")
    together = Together(show=show, size=10)
    run = await in_memory(
        "c", account, people(41), letter, connections=2, together=together
    ).send_async()
    assert sum(run.counts.values()) == 41 == len(run.outcomes)
    for outcome in ("accepted", "deferred", "rejected"):
        assert run.counts[outcome] == lab.counts[outcome] > 0, outcome
    assert len(run.log[run.log["verb"] == "MAIL"].query("kind == 'command'")) == 5
    for received in lab.received:
        mail = email.message_from_bytes(received.data, policy=default)
        shown = [] if field is None else [a.addr_spec for a in mail[field].addresses]
        assert set(received.recipients) <= set(shown) or field is None
        assert "Bcc" not in mail
        if field is None:
            assert mail["To"] == "undisclosed-recipients:;"


async def test_together_nothing_of_a_row_can_be_in_the_letter(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    lab = Lab()
    campaign = in_memory(
        "c", await serve_here(lab), people(3), letter, together=Together(show="bcc")
    )
    with pytest.raises(TemplateError, match="each reader's own: first_name; send one"):
        await campaign.send_async()
    assert lab.received == []


def test_a_group_has_at_least_one_and_a_known_place() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Together(size=0)
    with pytest.raises(ValueError, match="'to', 'cc' or 'bcc'"):
        Together(show="hidden")  # type: ignore[arg-type]


# --- pace ---------------------------------------------------------------------------------


def lab_with_a_clock() -> tuple[Lab, list[float]]:
    """Give a lab, and a list that it fills with the instants of MAIL."""
    instants: list[float] = []

    def note(event: Event) -> None:
        if event.verb == "MAIL":
            instants.append(trio.current_time())

    return Lab(record=note), instants


@pytest.mark.parametrize("connections", [1, 3])
async def test_a_pace_is_kept_by_all_connections_together(
    connections: int,
    people: People,
    letter: Template,
    serve_here: ServeHere,
    autojump_clock: object,
) -> None:
    lab, instants = lab_with_a_clock()
    account = await serve_here(lab)
    await trio.sleep(1000)
    campaign = in_memory(
        "c", account, people(7), letter, pace="2/min", connections=connections
    )
    run = await campaign.send_async()
    assert instants == [1000 + 30 * n for n in range(7)]
    assert trio.current_time() == instants[-1]  # and nobody waits for more
    assert run.log["session_id"].nunique() == connections
    check_sums(run, lab, 7)


@pytest.mark.parametrize("connections", [1, 3])
async def test_a_slow_pace_holds_no_connection_open(
    connections: int,
    people: People,
    letter: Template,
    serve_here: ServeHere,
    autojump_clock: object,
) -> None:
    """The server would hang up meanwhile; each message gets a session of its own."""
    said: list[tuple[str | None, float]] = []
    lab = Lab(record=lambda event: said.append((event.verb, trio.current_time())))
    account = await serve_here(lab)
    await trio.sleep(1000)
    campaign = in_memory(
        "c", account, people(6), letter, pace="1/hour", connections=connections
    )
    run = await campaign.send_async()
    instants = [at for verb, at in said if verb == "MAIL"]
    assert instants == [1000 + 3600 * n for n in range(6)]
    assert instants == [at for verb, at in said if verb == "QUIT"]
    assert trio.current_time() == instants[-1]
    assert run.log["session_id"].nunique() == 6
    assert run.counts["accepted"] == 6


async def test_groups_go_at_once_and_a_domain_waits_alone(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    """Six domains in turn: the pace of one leaves the pace of all to the others."""
    lab, instants = lab_with_a_clock()
    account = await serve_here(lab)
    await trio.sleep(1000)
    pace = Pace("4 every 10 s", per_domain="1 every 60 s")
    campaign = in_memory("c", account, people(13), letter, pace=pace, connections=2)
    run = await campaign.send_async()
    assert instants == [*[1000] * 4, *[1010] * 2, *[1060] * 4, *[1070] * 2, 1120]
    check_sums(run, lab, 13)


async def test_a_pace_counts_over_all_sends(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    lab, instants = lab_with_a_clock()
    account = await serve_here(lab)
    campaign = in_memory("c", account, people(5), letter, pace="2 every day")
    await trio.sleep(1000)
    await campaign.send_async(limit=1)
    await trio.sleep(500)
    run = await campaign.send_async()
    day = 86_400
    assert instants == [1000, 1500, 1000 + day, 1500 + day, 1000 + 2 * day]
    assert run.log["session_id"].nunique() == 4  # nobody holds a connection overnight


async def test_a_stop_ends_the_wait_for_tomorrow(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    account = await serve_here(Lab())
    campaign = in_memory("c", account, people(9), letter, pace="3 every day")
    with trio.move_on_after(5000):
        await campaign.send_async()
    assert trio.current_time() == 5000
    assert campaign.counts == {"accepted": 3, "pending": 6}


async def test_nothing_begins_before_its_time(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    lab, instants = lab_with_a_clock()
    account = await serve_here(lab)
    begin = datetime.now(UTC) + timedelta(days=2)
    pace = Pace(
        not_before=begin, quiet=f"{begin:%H:%M}-{begin + timedelta(hours=2):%H:%M} UTC"
    )
    await in_memory("c", account, people(3), letter, pace=pace).send_async()
    opens = (begin + timedelta(hours=2)).replace(second=0, microsecond=0)
    assert lab._shared.sessions == 3
    assert len(instants) == 3
    expected_s = (opens - begin + timedelta(days=2)).total_seconds()
    assert instants == pytest.approx([expected_s] * 3, abs=120)


# --- lost connections ---------------------------------------------------------------------


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("place", ["rcpt", "end_of_data"])
async def test_a_lost_connection_costs_only_those_that_had_begun(
    place: str,
    connections: int,
    people: People,
    letter: Template,
    serve_here: ServeHere,
    autojump_clock: object,
) -> None:
    """The others are written to in another session, and nobody twice."""
    lab = Lab()
    lab.set("p*3@*", **{place: Behaviour(drop=True, times=1)})
    account = await serve_here(lab)
    campaign = in_memory("c", account, people(40), letter, connections=connections)
    run = await campaign.send_async()
    check_sums(run, lab, 40)
    lost = run.counts["failed"] + run.counts["in_doubt"]
    assert 4 <= lost <= 8  # at most two had begun on each of four connections
    assert run.counts["in_doubt"] == (4 if place == "end_of_data" else 0)
    assert run.log["session_id"].nunique() > connections
    again = await campaign.send_async(only="failed")
    assert again.counts["accepted"] == run.counts["failed"]
    received = [who for one in lab.received for who in one.recipients]
    assert len(set(received)) == len(received) == 40 - run.counts["in_doubt"]
    # In doubt is never repeated, unless somebody says so.
    assert sum((await campaign.send_async()).counts.values()) == 0
    assert campaign.counts.get("in_doubt", 0) == run.counts["in_doubt"]


async def test_a_server_that_is_gone_for_good_fails_the_rest_with_rows(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    lab = Lab()
    lab.set("p5@*", end_of_data=Behaviour(close=True))
    lab.set("p5@*", rcpt=Behaviour())
    account = await serve_here(lab)

    def hang_up_on_everybody() -> None:
        lab.set(greeting=Behaviour(drop=True))

    campaign = in_memory("c", account, people(30), letter, connections=2)
    lab._shared.record = lambda row: hang_up_on_everybody()
    lab.set("p7@*", rcpt=Behaviour(drop=True))
    started = trio.current_time()
    run = await campaign.send_async()
    check_sums(run, lab, 30)
    assert run.counts["failed"] >= 20
    failed = run.outcomes[run.outcomes["outcome"] == "failed"]
    assert failed["error"].notna().all()
    assert campaign.counts == {name: n for name, n in run.counts.items() if n}
    assert trio.current_time() - started < 10  # it gives up in time


async def test_a_server_that_drops_everybody_is_given_up(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    """Not one recipient after the other until the list is through."""
    lab = Lab()
    lab.set(mail=Behaviour(drop=True))
    account = await serve_here(lab)
    run = await in_memory("c", account, people(500), letter, connections=1).send_async()
    assert run.counts["failed"] == 500
    assert run.log["session_id"].nunique() == MAX_FAILURES


async def test_a_deferring_server_is_not_given_up(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    """It decides on somebody each time, and then hangs up."""
    lab = Lab()
    lab.set(rcpt=Behaviour(reply="421 4.7.0 slow down"))
    account = await serve_here(lab)
    run = await in_memory("c", account, people(20), letter, connections=1).send_async()
    assert run.counts["deferred"] == 20


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ({"greeting": Behaviour(reply="421 4.3.2 busy")}, DeferredError),
        ({"greeting": Behaviour(drop=True)}, TransportError),
        ({"ehlo": Behaviour(reply="421 no")}, DeferredError),
    ],
)
async def test_a_first_connection_that_does_not_open_raises_why(
    behaviour: dict[str, Behaviour],
    error: type[Exception],
    people: People,
    letter: Template,
    serve_here: ServeHere,
    autojump_clock: object,
) -> None:
    lab = Lab()
    lab.set(**behaviour)
    account = await serve_here(lab)
    campaign = in_memory("c", account, people(9), letter)
    with pytest.raises(error):
        await campaign.send_async()
    assert campaign.counts == {"pending": 9}
    assert lab._shared.sessions == 1


async def test_later_connections_may_be_too_many(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    """A server that allows one connection at a time gets everything over that one."""
    lab = Lab()
    lab.set(end_of_data=Behaviour(delay_s=1))
    account = await serve_here(lab)
    campaign = in_memory("c", account, people(12), letter, connections=4)
    rows = []

    def refuse_the_others(row: object) -> None:
        if not rows:
            rows.append(row)
            lab.set(greeting=Behaviour(reply="421 4.7.0 too many connections"))

    lab._shared.record = refuse_the_others
    run = await campaign.send_async()
    assert run.counts["accepted"] == 12
    assert len({one.session_id for one in lab.received}) == 1


# --- stops --------------------------------------------------------------------------------


async def test_a_cancelled_send_lets_what_has_begun_come_to_its_verdict(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    lab = Lab()
    lab.set(end_of_data=Behaviour(delay_s=10))
    account = await serve_here(lab)
    campaign = in_memory("c", account, people(40), letter, connections=2)
    with trio.move_on_after(25) as scope:
        await campaign.send_async()
    assert scope.cancelled_caught
    assert 30 <= trio.current_time() <= 41
    counts = campaign.counts
    assert set(counts) == {"accepted", "pending"}
    assert counts["accepted"] == lab.counts["accepted"] == len(lab.received)
    run = await campaign.send_async()
    assert run.counts["accepted"] == counts["pending"]
    assert lab.counts["accepted"] == len(lab.received) == 40


async def test_a_cancelled_send_does_not_wait_for_a_connection(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    lab = Lab()
    lab.set(greeting=Behaviour(delay_s=200))
    account = await serve_here(lab)
    campaign = in_memory("c", account, people(4), letter)
    with trio.move_on_after(5) as scope:
        await campaign.send_async()
    assert scope.cancelled_caught
    assert trio.current_time() == 5
    assert campaign.counts == {"pending": 4}


async def test_what_takes_too_long_after_a_stop_is_cut_off_and_in_doubt(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    lab = Lab()
    lab.set("p3@*", end_of_data=Behaviour(delay_s=250, times=1))
    account = await serve_here(lab)
    campaign = in_memory("c", account, people(9), letter, connections=1)
    with trio.move_on_after(5):
        await campaign.send_async()
    assert trio.current_time() == 65  # a minute of grace
    # The one behind it had its envelope on the wire.
    assert campaign.counts == {"accepted": 3, "in_doubt": 1, "failed": 1, "pending": 4}
    run = await campaign.send_async()
    assert run.counts["accepted"] == 4
    assert campaign.counts == {"accepted": 7, "in_doubt": 1, "failed": 1}


# --- errors -------------------------------------------------------------------------------


def test_a_password_that_stops_working_is_not_tried_again(
    people: People, letter: Template
) -> None:
    """One attempt by each connection that had to be made anew."""
    passwords = iter(["horse", *["changed"] * 20])
    with Lab(users={"ann": "horse"}) as lab:
        lab.set("p3@*", end_of_data=Behaviour(close=True))
        account = lab.account.replace(password=lambda: next(passwords))
        campaign = in_memory("c", account, people(9), letter, connections=1)
        run = campaign.send(progress=False)
        log = lab.log
    assert run.counts["accepted"] == 4
    assert run.counts["failed"] == 5
    begun = log["command"].str.startswith("AUTH ").fillna(False)
    assert begun.sum() == 2


def test_a_wrong_password_is_tried_once_and_nothing_is_sent(
    people: People, letter: Template
) -> None:
    with Lab(users={"ann": "horse"}) as lab:
        campaign = in_memory("c", lab.account.replace(password="cow"), people(9), letter)
        with pytest.raises(AuthenticationError, match="535"):
            campaign.send(progress=False)
        log = lab.log
    assert campaign.counts == {"pending": 9}
    assert log["command"].str.startswith("AUTH ").fillna(False).sum() == 1
    assert "MAIL" not in set(log["verb"])


async def test_an_error_of_send_async_comes_alone(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    """Not in a group, although it crossed nurseries."""
    lab = Lab()
    lab.set(greeting=Behaviour(reply="554 5.7.1 not you"))
    account = await serve_here(lab)
    with pytest.raises(Exception, match="554 5.7.1 not you") as caught:  # noqa: RUF043
        await in_memory("c", account, people(2), letter).send_async()
    assert not isinstance(caught.value, BaseExceptionGroup)


@pytest.mark.parametrize("pace", [None, "10/second"])
@pytest.mark.parametrize("count", [0, 1, 7])
@pytest.mark.parametrize("error", [LedgerError, RecipientsError])
async def test_a_list_that_cannot_be_read_further_ends_the_send_and_says_so(
    error: type[Exception],
    count: int,
    pace: str | None,
    autojump_clock: object,
    people: People,
    letter: Template,
    serve_here: ServeHere,
) -> None:
    lab = Lab()
    lab.set(end_of_data=Behaviour(delay_s=1.0))
    books = books_of(people(20))
    settings, run = Settings(pace=Pace.of(pace), connections=3), Run(Recorder(), "x")
    chosen = UpTo(books.select(), count, error("it cannot be read"))
    delivery = delivery_of(books, letter, await serve_here(lab), settings, run, chosen)
    with pytest.raises(error, match="cannot be read"):
        await delivery.run()
    # Who was taken and not begun with stays as he was, and what had begun was not cut off.
    accepted = lab.counts["accepted"]
    assert count - 3 < accepted <= count or not count
    assert books.counts == Counter(accepted=accepted, pending=20 - accepted)
