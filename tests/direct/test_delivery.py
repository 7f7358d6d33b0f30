"""Direct sends: to each domain's own servers, in their order; in virtual time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pandas as pd
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.delivery.clock import Clock
from smtpbook.delivery.queue import Source
from smtpbook.delivery.run import Run
from smtpbook.delivery.settings import Settings, Together
from smtpbook.direct.delivery import DirectDelivery
from smtpbook.errors import LedgerError, RecipientsError
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.lab.scenarios import SCENARIOS
from smtpbook.ledger.memory import MemoryBooks
from smtpbook.log.frame import Recorder
from smtpbook.lookup.answer import Answer
from smtpbook.lookup.zone import Zone
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pace, Pacer
from smtpbook.pacing.retry import Retry
from smtpbook.progress import Silent
from tests.delivery.conftest import UpTo, books_of
from tests.direct.conftest import US, World, people_at

pytestmark = pytest.mark.side_by_side


def check_sums(run: Run, labs: Iterable[Lab], total: int) -> None:
    """Assert that nobody is missing or twice, and that the servers counted the same."""
    assert sum(run.counts.values()) == total == len(run.outcomes)
    outcomes = run.log[run.log["kind"] == "outcome"]
    assert not outcomes.duplicated(["recipient", "attempt"]).any()
    received = Counter(
        who for lab in labs for one in lab.received for who in one.recipients
    )
    assert set(received.values()) <= {1}
    accepted = set(run.outcomes.query("outcome == 'accepted'")["recipient"])
    in_doubt = set(run.outcomes.query("outcome == 'in_doubt'")["recipient"])
    assert accepted <= set(received) <= accepted | in_doubt


def outcome(run: Run, address: str) -> pd.Series:
    """Give the row of somebody's last outcome."""
    rows = run.log[(run.log["kind"] == "outcome") & (run.log["recipient"] == address)]
    return rows.iloc[-1]


# --- which servers ------------------------------------------------------------------------


async def test_each_domain_gets_its_mail_at_its_preferred_server(
    world: World, autojump_clock: object
) -> None:
    first, second, other = [await world.host(f"mx{n}.example") for n in (1, 2, 3)]
    world.domain("one.example", "20 mx2.example", "10 mx1.example")
    world.domain("two.example", "10 mx3.example")
    run = await world.campaign(people_at("one.example", "two.example", each=3)).send_async()
    check_sums(run, (first, second, other), 6)
    assert (len(first.received), len(second.received), len(other.received)) == (3, 0, 3)
    row = outcome(run, "p0@one.example")
    assert (row["server"], row["server_address"]) == ("mx1.example", "127.0.0.1")
    assert row["account"] == "direct"


async def test_a_domain_without_mx_records_is_its_own_server(
    world: World, autojump_clock: object
) -> None:
    lab = await world.host("bare.example")
    run = await world.campaign(people_at("bare.example")).send_async()
    check_sums(run, [lab], 1)
    assert len(lab.received) == 1


async def test_a_server_is_reached_by_ipv6_where_that_is_the_address_that_answers(
    world: World, autojump_clock: object
) -> None:
    lab = await world.host("mx.example", Lab(host="::1"))
    world.zone["mx.example"] = {"A": "127.0.0.1", "AAAA": "::1"}
    world.domain("x.example", "10 mx.example")
    run = await world.campaign(people_at("x.example")).send_async()
    check_sums(run, [lab], 1)
    assert outcome(run, "p0@x.example")["server_address"] == "::1"


@pytest.mark.parametrize(
    ("mx", "code", "status"),
    [("0 .", 556, "5.1.10"), (None, 550, "5.1.2"), (f"10 {US}", 554, "5.4.6")],
    ids=["null MX", "no such domain", "we come first"],
)
async def test_a_domain_that_no_server_can_take_mail_for_is_rejected_and_not_retried(
    mx: str | None, code: int, status: str, world: World, autojump_clock: object
) -> None:
    if mx is not None:
        world.domain("x.example", mx)
    zone = Zone(world.zone, is_world=True)
    campaign = world.campaign(
        people_at("x.example", each=2), world.account(zone), retry=Retry()
    )
    run = await campaign.send_async()
    assert run.counts["rejected"] == 2 == len(run.log[run.log["kind"] == "outcome"])
    row = outcome(run, "p1@x.example")
    assert (row["reply_code"], row["enhanced_status"]) == (code, status)
    assert not (run.log["kind"] == "connect").any()
    assert pd.isna(row["server"])


async def test_this_machine_and_what_comes_after_it_are_left_out(
    world: World, autojump_clock: object
) -> None:
    before, after = await world.host("mx1.example"), await world.host("mx3.example")
    before.set(greeting=Behaviour(drop=True))
    world.domain("x.example", "10 mx1.example", f"20 {US}", "20 mx3.example")
    world.zone[US] = {"A": "127.0.0.1"}
    run = await world.campaign(people_at("x.example")).send_async()
    assert run.counts["failed"] == 1
    assert not after.received


@pytest.mark.parametrize(
    "trouble",
    [
        "silent",
        "421 4.3.2 Not now",
        pytest.param("554 5.3.2 No mail here", marks=pytest.mark.heavy),
    ],
)
async def test_a_server_that_does_not_let_us_in_leaves_the_next_one(
    trouble: str, world: World, autojump_clock: object
) -> None:
    if trouble == "silent":
        world.silent_host("mx1.example")
    else:
        first = await world.host("mx1.example")
        first.set(greeting=Behaviour(reply=trouble, close=True))
    second = await world.host("mx2.example")
    world.domain("x.example", "10 mx1.example", "20 mx2.example")
    run = await world.campaign(people_at("x.example", each=3)).send_async()
    check_sums(run, [second], 3)
    assert run.counts["accepted"] == 3
    assert outcome(run, "p0@x.example")["server"] == "mx2.example"


@pytest.mark.parametrize(
    ("greeting", "expected"),
    [("421 4.3.2 Not now", "deferred"), ("554 5.3.2 No mail here", "rejected")],
)
async def test_what_the_only_server_greets_with_is_everybodys_verdict(
    greeting: str, expected: str, world: World, autojump_clock: object
) -> None:
    lab = await world.host("mx.example")
    lab.set(greeting=Behaviour(reply=greeting, close=True))
    world.domain("x.example", "10 mx.example")
    run = await world.campaign(people_at("x.example", each=20)).send_async()
    assert run.counts[expected] == 20
    row = outcome(run, "p19@x.example")
    assert f"{row['reply_code']} {row['enhanced_status']}" == greeting[:9]
    assert (row["verb"], row["server"]) == ("GREETING", "mx.example")
    assert lab._shared.sessions <= 8


async def test_servers_that_cannot_be_reached_are_tried_once_for_all_who_wait(
    world: World, autojump_clock: object
) -> None:
    world.silent_host("mx1.example")
    world.silent_host("mx2.example")
    world.domain("x.example", "10 mx1.example", "20 mx2.example")
    run = await world.campaign(
        people_at("x.example", each=50), world.account(connections_per_host=1)
    ).send_async()
    assert run.counts["failed"] == 50
    tried = run.log[run.log["kind"] == "connect"]["server"].tolist()
    assert tried == ["mx1.example", "mx2.example"]


async def test_they_are_tried_again_for_who_is_due_for_a_retry(
    world: World, autojump_clock: object
) -> None:
    lab = await world.host("mx.example")
    lab.set(greeting=Behaviour(drop=True, when=lambda seen: trio.current_time() < 30))
    world.domain("x.example", "10 mx.example")
    run = await world.campaign(people_at("x.example", each=5), retry=Retry()).send_async()
    check_sums(run, [lab], 5)
    assert run.counts["accepted"] == 5
    attempts = run.log[run.log["outcome"] == "accepted"]["attempt"]
    assert set(attempts) == {2}


class Faltering:
    """An asker that knows nothing of MX records the first so many times."""

    def __init__(self, zone: Zone, times: int) -> None:
        self._zone, self._left = zone, times

    async def ask(self, name: str, record: str) -> Answer:
        if record == "MX" and self._left > 0:
            self._left -= 1
            return Answer(name=name, record=record, status="error", error="SERVFAIL")
        return self._zone.look_up(name, record)


async def test_trouble_with_the_dns_has_failed_and_a_retry_asks_anew(
    world: World, autojump_clock: object
) -> None:
    lab = await world.host("mx.example")
    world.domain("x.example", "10 mx.example")
    account = world.account(Faltering(Zone(world.zone), 2))
    people = people_at("x.example", each=4)
    run = await world.campaign(people, account, retry=Retry()).send_async()
    check_sums(run, [lab], 4)
    outcomes = run.log[run.log["kind"] == "outcome"]
    assert outcomes.groupby("attempt")["outcome"].unique().map(list).to_dict() == {
        1: ["failed"],
        2: ["failed"],
        3: ["accepted"],
    }
    assert (run.log["verb"] == "MX").sum() == 3


# --- sessions -----------------------------------------------------------------------------


async def test_domains_with_the_same_servers_share_a_session(
    world: World, autojump_clock: object
) -> None:
    lab = await world.host("mx.example")
    domains = [f"d{n}.example" for n in range(20)]
    for domain in domains:
        world.domain(domain, "10 mx.example")
    run = await world.campaign(people_at(*domains), connections=1).send_async()
    check_sums(run, [lab], 20)
    assert set(run.log["session_id"].dropna()) == set(run.log["session_id"].iloc[-1:])
    assert (run.log["kind"] == "greeting").sum() == 1


@pytest.mark.parametrize("most", [pytest.param(1, marks=pytest.mark.heavy), 2])
async def test_no_server_gets_more_connections_than_it_may(
    most: int, world: World, autojump_clock: object
) -> None:
    lab = Lab()
    lab.set(end_of_data=Behaviour(delay_s=5))
    await world.host("mx.example", lab)
    world.domain("x.example", "10 mx.example")
    account = world.account(connections_per_host=most)
    run = await world.campaign(
        people_at("x.example", each=12), account, connections=6
    ).send_async()
    check_sums(run, [lab], 12)
    assert run.log["session_id"].nunique() == most


async def test_the_pace_at_a_server_holds_and_holds_back_no_other(
    world: World, autojump_clock: object
) -> None:
    slow, quick = await world.host("mx1.example"), await world.host("mx2.example")
    world.domain("slow.example", "10 mx1.example")
    world.domain("slow2.example", "10 mx1.example")
    world.domain("quick.example", "10 mx2.example")
    people = pd.concat(
        [people_at("slow.example", "slow2.example", each=5), people_at("quick.example")]
    )
    account = world.account(per_host="20/min", connections_per_host=1)
    run = await world.campaign(people, account).send_async()
    check_sums(run, (slow, quick), 11)
    times = run.log[run.log["verb"] == "MAIL"].query("kind == 'command'")
    at_slow = times[times["server"] == "mx1.example"]["time"].sort_values()
    assert at_slow.diff().dropna().dt.total_seconds().min() == pytest.approx(3, abs=0.01)
    order = run.log[run.log["kind"] == "outcome"]["recipient"].tolist()
    assert order.index("p0@quick.example") <= 1


async def test_the_campaigns_pace_for_each_domain_holds_at_servers_they_share(
    world: World, autojump_clock: object
) -> None:
    lab = await world.host("mx.example")
    for name in ("one.example", "two.example"):
        world.domain(name, "10 mx.example")
    run = await world.campaign(
        people_at("one.example", "two.example", each=3),
        world.account(connections_per_host=1),
        pace=Pace(per_domain="1/min"),
    ).send_async()
    check_sums(run, [lab], 6)
    mails = run.log[run.log["verb"] == "MAIL"].query("kind == 'command'")
    gaps = mails.groupby("recipient_domain")["time"].diff().dropna().dt.total_seconds()
    assert gaps.tolist() == pytest.approx([60] * 4, abs=0.01)
    assert (mails["time"].max() - mails["time"].min()).total_seconds() < 125


async def test_a_connection_that_has_to_wait_makes_room_for_others(
    world: World, autojump_clock: object
) -> None:
    slow, quick = await world.host("mx1.example"), await world.host("mx2.example")
    world.domain("slow.example", "10 mx1.example")
    world.domain("quick.example", "10 mx2.example")
    people = pd.concat([people_at("slow.example", each=3), people_at("quick.example")])
    run = await world.campaign(
        people, world.account(per_host="6/min"), connections=1
    ).send_async()
    check_sums(run, (slow, quick), 4)
    order = run.log[run.log["kind"] == "outcome"]["recipient"].tolist()
    assert order.index("p0@quick.example") == 1


def delivery_of(
    world: World, account: Account, books: MemoryBooks, chosen: Source, run: Run
) -> DirectDelivery:
    settings = Settings(connections=2)
    return DirectDelivery(
        books,
        chosen,
        world.letter,
        {account: 1},
        settings,
        pacer=Pacer(settings.pace),
        clock=Clock(),
        campaign_id="x",
        run=run,
        display=Silent(),
    )


async def test_one_too_many_that_waits_at_a_server_leaves_at_once(
    world: World, autojump_clock: object
) -> None:
    await world.host("mx.example")
    world.domain("x.example", "10 mx.example")
    books, run = books_of(people_at("x.example", each=6)), Run(Recorder(), "x")
    account = world.account(per_host="2 every minute")
    delivery = delivery_of(world, account, books, books.select(), run)

    def ended() -> int:
        return int((run.log["verb"] == "QUIT").sum())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(delivery.run)
        await trio.sleep(5)
        assert (books.counts["accepted"], ended()) == (2, 0)
        delivery.connect(1)
        await trio.sleep(1)
        assert ended() == 1
    assert books.counts == {"accepted": 6}


@pytest.mark.parametrize("count", [0, 1, 3, 6])
@pytest.mark.parametrize("error", [LedgerError, RecipientsError])
async def test_a_list_that_cannot_be_read_further_cuts_nothing_off(
    error: type[Exception],
    count: int,
    world: World,
    autojump_clock: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("smtpbook.delivery.queue.MAX_HELD", 2)  # or it is read at once
    lab = await world.host("mx.example")
    lab.set(end_of_data=Behaviour(delay_s=1.0))
    for domain in ("x.example", "y.example"):
        world.domain(domain, "10 mx.example")
    books, run = books_of(people_at("x.example", "y.example", each=4)), Run(Recorder(), "x")
    chosen = UpTo(books.select(), count, error("it cannot be read"))
    delivery = delivery_of(world, world.account(), books, chosen, run)
    with pytest.raises(error, match="cannot be read"):
        await delivery.run()
    accepted = lab.counts["accepted"]
    assert count - 3 < accepted <= count
    assert books.counts == Counter(accepted=accepted, pending=8 - accepted)
    assert len(lab.received) == accepted


@pytest.mark.heavy
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_the_sums_are_those_of_the_servers(
    scenario: str, world: World, autojump_clock: object
) -> None:
    labs = [await world.host(f"mx{n}.example", Lab(scenario)) for n in range(3)]
    for n in range(6):
        world.domain(
            f"d{n}.example", f"10 mx{n % 3}.example", f"20 mx{(n + 1) % 3}.example"
        )
    domains = [f"d{n}.example" for n in range(6)]
    run = await world.campaign(people_at(*domains, each=7), retry=Retry()).send_async()
    check_sums(run, labs, 42)


@pytest.mark.heavy
@settings(max_examples=60)
@given(st.data())
def test_whatever_servers_do_nobody_is_lost_and_nobody_gets_two(
    data: st.DataObject,
) -> None:
    replies = ["421 4.3.2 Not now", "554 5.3.2 No", "450 4.2.0 Later", "550 5.1.1 Who?"]
    place = st.sampled_from(["greeting", "ehlo", "mail", "rcpt", "data", "end_of_data"])
    behaviour = st.builds(
        Behaviour,
        reply=st.sampled_from([*replies, None]),
        drop=st.booleans(),
        times=st.sampled_from([1, 3, None]),
        probability=st.sampled_from([0.3, 1.0]),
    )
    deeds = data.draw(st.lists(st.tuples(st.integers(0, 2), place, behaviour), max_size=5))
    routes = data.draw(
        st.lists(
            st.lists(
                st.tuples(st.integers(0, 1), st.integers(0, 2)), min_size=1, max_size=3
            ),
            min_size=1,
            max_size=4,
        )
    )
    connections, has_retry = data.draw(st.integers(1, 5)), data.draw(st.booleans())

    async def main() -> None:
        letter = Template(header_from="Ann <ann@x.test>", subject="Hello", text="Come.")
        async with trio.open_nursery() as nursery:
            world = World(nursery, letter)
            labs = [await world.host(f"mx{n}.example", Lab(seed=n)) for n in range(3)]
            for number, where, deed in deeds:
                labs[number].set(**{where: deed})
            for n, hosts in enumerate(routes):
                world.domain(f"d{n}.example", *[f"{p} mx{h}.example" for p, h in hosts])
            domains = [f"d{n}.example" for n in range(len(routes))]
            retry = Retry(max_attempts=3) if has_retry else None
            run = await world.campaign(
                people_at(*domains, each=6), connections=connections, retry=retry
            ).send_async()
            check_sums(run, labs, 6 * len(routes))
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


# --- what does not go with it -------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"together": Together()}, "together"), ({"pace": "adaptive"}, "adaptive")],
)
def test_what_needs_one_server_is_refused_before_anything_is_sent(
    changes: dict[str, object], named: str, letter: Template
) -> None:
    account = Account.direct(US, zone={}, is_lab=True)
    with pytest.raises(ValueError, match=named):
        Campaign("c", account, people_at("x.example"), letter, folder=None, **changes)  # type: ignore[arg-type]


def test_it_goes_with_no_other_account(letter: Template) -> None:
    account = Account.direct(US, zone={}, is_lab=True)
    both = {account: 1.0, Account(host="smtp.example.org"): 1.0}
    with pytest.raises(ValueError, match="another account"):
        Campaign("c", both, people_at("x.example"), letter, folder=None)
