"""Senders that know nothing of each other but the ledger; here each is a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import pandas as pd
import pytest
import trio

from smtpbook.cluster import sender
from smtpbook.cluster.claims import Claims
from smtpbook.cluster.order import Order
from smtpbook.cluster.sender import BEATS, _Part, prove, serve
from smtpbook.cluster.watch import Watch
from smtpbook.delivery.delivery import Delivery
from smtpbook.delivery.ending import run_with
from smtpbook.delivery.recording import Recording
from smtpbook.delivery.settings import Settings
from smtpbook.errors import LedgerError, TransportError
from smtpbook.folder.fetching import settings_in
from smtpbook.folder.folder import CampaignFolder
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.log.campaigns import ELSEWHERE, EVENTS, SETTINGS
from smtpbook.log.frame import Recorder
from smtpbook.log.store import read_log
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pace, Pacer
from smtpbook.pacing.stopping import Tally, stop_rule
from smtpbook.recipients.read import read_recipients
from smtpbook.shared_ledger.connection import SharedConnection
from smtpbook.shared_ledger.schema import PARTITIONS, connect, part_of
from smtpbook.shared_ledger.standings import SharedStandings
from smtpbook.tables.outcomes import outcomes
from tests.cluster.conftest import got, open_together, shorten_leases

pytestmark = pytest.mark.real_server
PEOPLE = 60


@pytest.fixture
def folder(tmp_path: Path, ledger: str) -> CampaignFolder:
    """A campaign of which a send has begun."""
    frame = pd.DataFrame({"email": [f"p{n}@d{n % 30}.example" for n in range(PEOPLE)]})
    letter = Template(header_from="Ann <ann@x.test>", subject="s", text="Come.")
    people = read_recipients(frame)
    found = CampaignFolder.create(tmp_path / "c", people, letter, {}, database=ledger)
    with found.shared_ledger(sees_all=True) as desk:
        desk.begin_send("one")
    return found


@pytest.fixture
def order(folder: CampaignFolder, lab: Lab) -> Callable[..., Order]:
    def order(**settings: object) -> Order:
        told = Settings(connections=2, **settings)  # type: ignore[arg-type]
        accounts = {lab.account: 1.0}
        return Order(
            folder=folder.path, accounts=accounts, settings=told, send="one", share=1
        )

    return order


def together(order: Order, times: Callable[[SharedStandings], None]) -> list[str | None]:
    """Have two senders send, and do something meanwhile; give what they came to."""
    folder = CampaignFolder(order.folder)
    with ThreadPoolExecutor(2) as threads, folder.shared_standings() as standings:
        senders: list[Future[str | None]] = [threads.submit(serve, order) for _ in "ab"]
        try:
            times(standings)
            return [one.result(60) for one in senders]
        finally:
            standings.ask("stop")  # or one that fails to end is waited for all the same


def when_sent(count: int, do: Callable[[SharedStandings], None]) -> Callable[..., None]:
    """Do something once so many have been tried."""

    def times(standings: SharedStandings) -> None:
        while sum(standings.sent.values()) < count:
            pass
        do(standings)

    return times


def test_who_comes_when_the_send_was_replaced_takes_no_part_in_the_new_one(
    order: Callable[..., Order], lab: Lab, folder: CampaignFolder
) -> None:
    """It saw that its own was the present one, before it had a lease."""
    late = replace(order(), send="replaced")
    assert trio.run(sender._send, folder, late, folder.letter(), 1) is None
    assert lab.received == []
    with folder.shared_standings() as standings:
        assert standings.work[:3] == ("one", "go", 0)
        assert standings.work.free == standings.work.left > 0
    assert not list(folder.growing.iterdir())


def test_two_senders_send_to_everybody_once(
    order: Callable[..., Order], lab: Lab, folder: CampaignFolder
) -> None:
    assert together(order(), lambda _: None) == [None, None]
    assert set(got(lab).values()) == {1}
    with folder.shared_standings() as standings:
        assert standings.counts == {"accepted": PEOPLE}
        assert standings.work.left == 0
    log = read_log(folder.events)
    assert len(log[log["kind"] == "outcome"]) == PEOPLE


def test_each_seals_its_part_of_the_log_where_the_campaign_says(
    order: Callable[..., Order], folder: CampaignFolder, tmp_path: Path
) -> None:
    settings = folder.path / SETTINGS
    where = f"{ELSEWHERE} = 'file://{tmp_path}/log'\n"
    settings.write_text(where + settings.read_text())
    together(order(), lambda _: None)
    assert not list((folder.path / EVENTS).iterdir())
    sealed = list((tmp_path / "log").glob("*.parquet"))
    assert {path.suffix for path in sealed} == {".parquet"}
    log = read_log(tmp_path / "log")
    assert len(log[log["kind"] == "outcome"]) == PEOPLE


def test_whoever_asks_them_to_stop_stops_all(
    order: Callable[..., Order], folder: CampaignFolder
) -> None:
    slow = order(pace=Pace("20 every hour"))
    together(slow, when_sent(8, lambda standings: standings.ask("stop")))
    with folder.shared_standings() as standings:
        assert standings.work.runners == 0
        assert standings.counts["pending"] > 0


def test_a_stop_rule_ends_both_and_says_why(
    order: Callable[..., Order], folder: CampaignFolder
) -> None:
    ruled = order(stop_when=(stop_rule("accepted >= 15"),), pace=Pace("20 every hour"))
    found = together(ruled, lambda _: None)
    assert "accepted >= 15" in str(found)
    with folder.shared_standings() as standings:
        assert standings.work.runners == 0
        assert standings.counts["pending"] > 0


def test_a_stop_rule_hears_of_all_that_was_sent(order: Callable[..., Order]) -> None:
    """The pace lets each of the two send to ten, and nobody to more for an hour."""
    seen: list[int] = []

    def rule(tally: Tally) -> bool:
        seen.append(tally.tried)
        return tally.tried >= 12

    together(order(stop_when=(rule,), pace=Pace("20 every hour")), lambda _: None)
    assert seen == sorted(seen)
    assert seen[-1] >= 12


def test_a_database_that_ends_their_sessions_is_gone_back_to_however_long_they_had_sent(
    order: Callable[..., Order],
    lab: Lab,
    folder: CampaignFolder,
    ledger: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sender, "PATIENCE_S", 0.0)

    def cut(standings: SharedStandings) -> None:
        with closing(SharedConnection(ledger, "here")) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name LIKE 'smtpbook %'"
            ).fetchall()
        standings.ask("go")

    slow = order(pace=Pace("200/second"))
    assert together(slow, when_sent(8, cut)) == [None, None]
    with folder.shared_standings() as standings:
        counts = standings.counts
        assert counts.keys() <= {"accepted", "in_doubt"}
        assert counts["accepted"] <= len(got(lab)) <= PEOPLE
    assert set(got(lab).values()) == {1}


class Sending:
    """A delivery that has a message on the wire until it is asked to stop."""

    is_paused = is_whole = False

    def __init__(self, connect: Callable[[int], None] = lambda number: None) -> None:
        self.pause, self._asked = lambda: None, trio.Event()
        self.stop, self.connect = self._asked.set, connect

    async def run(self) -> None:
        await self._asked.wait()
        await trio.lowlevel.checkpoint()
        self.is_whole = True


async def test_a_ledger_that_is_lost_while_the_pace_is_dealt_cuts_nothing_off(
    order: Callable[..., Order], folder: CampaignFolder
) -> None:
    pace, sending = Pacer(Pace("5/second")), Sending()
    with folder.shared_ledger() as ledger:
        claims = Claims(ledger)
        part = _Part(order(), ledger, pace, claims)
        part._company = ledger.company + 1  # one that sent has gone
    delivery = cast(Delivery, sending)
    with pytest.raises(LedgerError):
        await run_with(delivery, partial(part.heed, delivery))
    assert sending.is_whole


async def test_connections_are_dealt_anew_while_a_stop_rule_counts(
    order: Callable[..., Order], folder: CampaignFolder
) -> None:
    begins, is_dealt, was_dealt = threading.Event(), threading.Event(), list[bool]()

    def rule(tally: Tally) -> bool:
        begins.set()
        was_dealt.append(is_dealt.wait(5))
        return True

    def connect(number: int) -> None:
        assert number == 1
        is_dealt.set()

    told, run = order(), Recording(Recorder())
    with folder.shared_ledger() as ledger:
        claims = Claims(ledger)
        part = _Part(told, ledger, Pacer(Pace()), claims)
        watch = Watch((rule,), ledger, folder.shared_standings, run)
        assert await part.begin(2) == 2
        delivery = cast(Delivery, Sending(connect))
        async with trio.open_nursery() as nursery:
            both = partial(part.heed, delivery), partial(watch.keep, delivery)
            nursery.start_soon(run_with, delivery, *both)
            await trio.to_thread.run_sync(begins.wait)
            with folder.shared_ledger():  # another comes
                ledger.claim(0)
                await trio.to_thread.run_sync(is_dealt.wait, 5)
    assert was_dealt == [True]
    assert run.stopped is not None


@pytest.mark.parametrize(
    ("age_s", "share", "connections", "waits"),
    [
        (-60, 4, 4, False),  # just now, however slow this computer is
        (-60, 12, 6, False),  # more are there than it was dealt for
        (60, 4, 6, True),  # it stood in a queue, or waited for work
        (60, 0, 6, True),
    ],
)
async def test_a_share_is_kept_by_who_begins_with_the_others_alone(
    order: Callable[..., Order],
    folder: CampaignFolder,
    autojump_clock: object,
    age_s: int,
    share: int,
    connections: int,
    *,
    waits: bool,
) -> None:
    told = replace(order(), settings=Settings(connections=12))
    with (
        folder.shared_ledger(),
        folder.shared_ledger() as ledger,
        closing(connect(folder.database or "", folder.id)) as connection,
    ):
        connection.execute("UPDATE lease SET since = since - ?", (age_s,))
        part = _Part(told, ledger, Pacer(Pace()), Claims(ledger))
        began = trio.current_time()
        assert await part.begin(share) == connections
        waited_s = BEATS * ledger.heartbeat_s if waits else 0
        assert trio.current_time() - began == pytest.approx(waited_s)


async def test_it_claims_ahead_for_its_own_connections(
    order: Callable[..., Order], folder: CampaignFolder
) -> None:
    with folder.shared_ledger() as ledger:
        claims = Claims(ledger)
        assert await _Part(order(), ledger, Pacer(Pace()), claims).begin(1) == 1
    assert claims.ahead == 2


def behind(address: str) -> str:
    """Whose server has an address: of the thirty domains of the list, one of two."""
    return f"mx{int(address.partition('@d')[2].partition('.')[0]) % 2}.test"


def test_domains_that_a_function_joins_are_one_senders_at_one_pace(
    order: Callable[..., Order], folder: CampaignFolder
) -> None:
    pace = Pace(per_domain="6 every hour", domain_of=behind)
    with folder.shared_ledger(sees_all=True) as desk:
        desk.begin_send("one", joins=pace.joins)
    paced = order(pace=pace)
    together(paced, when_sent(12, lambda standings: standings.ask("stop")))
    log = read_log(folder.events)
    done = log[log["kind"] == "outcome"]
    whose = done["recipient"].map(behind)
    assert whose.value_counts().to_dict() == {"mx0.test": 6, "mx1.test": 6}
    sessions = [set(done.loc[whose == f"mx{n}.test", "session_id"]) for n in (0, 1)]
    senders = [
        {path for path in folder.events.glob("*.parquet") if one & of(path)}
        for one in sessions
    ]
    assert [len(one) for one in senders] == [1, 1]


def of(path: Path) -> set[str]:
    """The sessions of a file of the log."""
    return set(read_log(path)["session_id"].dropna())


@pytest.mark.heavy
@pytest.mark.parametrize("comes", [True, False])
def test_connections_pass_to_who_comes_and_from_who_leaves(
    order: Callable[..., Order], lab: Lab, folder: CampaignFolder, *, comes: bool
) -> None:
    """A sender, and another that only has a lease: each has two of the four."""
    shorten_leases(folder, 6)
    lab.set(end_of_data=Behaviour(delay_s=0.4))
    share = 4 if comes else 2
    told = replace(order(), settings=Settings(connections=4), share=share)
    with (
        ThreadPoolExecutor(1) as threads,
        folder.shared_standings() as standings,
        ExitStack() as others,
    ):
        if not comes:
            others.enter_context(folder.shared_ledger())
        sending = threads.submit(serve, told)
        when_sent(8, lambda _: None)(standings)
        changed = pd.Timestamp.now("UTC")
        if comes:
            others.enter_context(folder.shared_ledger())
        else:
            others.close()
        assert sending.result(60) is None
    log = read_log(folder.events)
    assert open_together(log[log["time"] < changed]) == share
    # A beat, a look and two messages later there are as many as it then has.
    last = log.loc[log["kind"] == "outcome", "time"].nlargest(10)
    assert open_together(log[log["time"] >= last.min()]) == 6 - share
    assert set(got(lab).values()) == {1}


@pytest.mark.heavy
def test_who_begins_with_one_domain_and_takes_over_the_others_has_all_its_connections(
    order: Callable[..., Order], lab: Lab, folder: CampaignFolder
) -> None:
    shorten_leases(folder, 6)
    domains = {part_of(f"p@d{n}.example", PARTITIONS): f"d{n}.example" for n in range(30)}
    last = max(domains)
    lab.set(end_of_data=Behaviour(delay_s=0.2))
    lab.set(f"*@{domains[last]}", end_of_data=Behaviour(delay_s=3.0))
    told = replace(order(), settings=Settings(connections=8), share=8)
    with (
        ThreadPoolExecutor(1) as threads,
        folder.shared_standings() as standings,
        folder.shared_ledger() as other,
    ):
        other.claim(last)
        sending = threads.submit(serve, told)
        while not standings.is_begun:
            pass
        other.release(other.held)
        assert sending.result(60) is None
    assert open_together(read_log(folder.events)) == 4
    assert set(got(lab).values()) == {1}


def test_whom_no_connection_is_left_for_stays_pending(
    order: Callable[..., Order], lab: Lab, folder: CampaignFolder
) -> None:
    told = order()
    lab.stop()
    with pytest.raises(TransportError):
        serve(told)
    with folder.shared_standings() as standings:
        assert standings.counts == {"pending": PEOPLE}
        assert standings.work.free == standings.work.left > 0


def test_who_does_not_see_the_folder_makes_one_of_what_the_database_has(
    order: Callable[..., Order], lab: Lab, tmp_path: Path, ledger: str
) -> None:
    people = read_recipients(pd.DataFrame({"email": ["ann@x.example", "bob@y.example"]}))
    letter = Template(header_from="Ann <ann@x.test>", subject="s", text="Come.")
    where = tmp_path / "log"
    created = CampaignFolder.create(
        tmp_path / "far", people, letter, {}, database=ledger, elsewhere=str(where)
    )
    with created.shared_ledger(sees_all=True) as desk:
        desk.begin_send("one")
    told = replace(order(), folder=Path("/nowhere/far"), url=created.url)
    prove(told)
    assert serve(told) is None
    assert set(got(lab)) == {"ann@x.example", "bob@y.example"}
    assert len(outcomes(read_log(where))) == 2
    assert not list(created.growing.iterdir())


def test_without_the_folder_and_without_a_place_for_the_log_nothing_is_sent(
    order: Callable[..., Order], folder: CampaignFolder
) -> None:
    told = replace(order(), folder=Path("/nowhere/c"), url=folder.url)
    with pytest.raises(LedgerError, match="events="):
        prove(told)


def test_a_copy_of_the_folder_with_an_older_letter_is_not_sent_from(
    order: Callable[..., Order], folder: CampaignFolder
) -> None:
    told = replace(order(), url=folder.url)
    now = settings_in(folder.path)["letter_sha256"]
    prove(replace(told, letter_sha256=now))
    with pytest.raises(LedgerError, match="has another letter"):
        prove(replace(told, letter_sha256="0" * 64))


def test_it_proves_that_it_sees_folder_ledger_and_server(
    order: Callable[..., Order], lab: Lab, tmp_path: Path
) -> None:
    told = order()
    prove(told)
    assert lab.received == []
    lab.stop()
    with pytest.raises(TransportError):
        prove(told)
    (tmp_path / "c").rename(tmp_path / "d")
    with pytest.raises(LedgerError, match="no campaign 'c'"):
        prove(told)
