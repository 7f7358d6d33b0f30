"""A simulated cluster: nobody lost, no pace broken, and the times of a real send."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.cluster import sender
from smtpbook.fleet.fleet import Fleet
from smtpbook.fleet.lots import pace_in_lots
from smtpbook.fleet.register import Register
from smtpbook.fleet.simulate import simulate_cluster
from smtpbook.fleet.simulation import ClusterSimulation
from smtpbook.fleet.times import MessageTimes
from smtpbook.pacing.limits import Window
from smtpbook.pacing.pace import Pace
from smtpbook.rehearsal.model import ServerModel
from smtpbook.shared_ledger.schema import LEASE_S, part_of
from smtpbook.shared_ledger.shares import heartbeat_of
from tests.benchmarks.cluster_simulation import CASES, CONTENT, Case, compare, zipf

pytestmark = pytest.mark.side_by_side

EVEN = ServerModel(name="half a second", round_trip_s=(0.5,), tls_s=(0.0,))


def send(domains: dict[str, int], pace: Pace, workers: int, lot: int = 1) -> Fleet:
    """Run a fleet of which what began can be asked."""
    chance = np.random.default_rng(1)
    fleet = Fleet(
        Register(domains, 16, lot, chance),
        [3] * workers,
        pace,
        lot,
        times=MessageTimes(CONTENT, chance),
        cpu_s=0.0,
        lease_s=LEASE_S,
    )
    fleet.run({1: 7.0} if workers > 1 else {})
    return fleet


def is_kept(instants: list[float], count: int, seconds: float) -> bool:
    """Whether no more than so many begin in any stretch of so long."""
    after = [bisect_left(instants, at + seconds - 1e-6) for at in instants]
    return all(end - begin <= count for begin, end in enumerate(after))


# --- against a real send ------------------------------------------------------------------


def test_one_worker_needs_as_long_as_a_rehearsal_with_the_code_that_sends() -> None:
    case = Case(8, Pace("8/s", per_domain="1/s"))
    real, simulated = compare(zipf(300, 30), case, lots=(1,))
    assert simulated == pytest.approx(real, rel=0.02)


@pytest.mark.heavy
def test_a_hundred_thousand_need_as_long_as_a_rehearsal() -> None:
    real, single, tens = compare(zipf(100_000, 300), CASES[0], lots=(1, 10))
    assert single == pytest.approx(real, rel=0.01)
    assert tens == pytest.approx(real, rel=0.03)


def test_larger_lots_tell_nearly_the_same_as_single_recipients() -> None:
    # A lot waits once for a connection, where each of its messages would have.
    fine, coarse = (
        simulate_cluster(
            zipf(4000, 60),
            workers=10,
            pace=Pace("60/s", per_domain="5/s"),
            killed={2: 60.0},
            lot=lot,
        )
        for lot in (1, 10)
    )
    assert coarse.took_s == pytest.approx(fine.took_s, rel=0.04)


# --- nobody lost --------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    domains=st.dictionaries(
        st.sampled_from([f"d{n}.example" for n in range(12)]),
        st.integers(1, 60),
        min_size=1,
    ),
    deaths=st.dictionaries(st.integers(1, 4), st.floats(0, 90), max_size=4),
    pace=st.sampled_from([None, "20/s", "7 every 3 s", "20/s and 60 every 10 s"]),
    per_domain=st.sampled_from([None, "2/s", "5 every 4 s"]),
    lot=st.sampled_from([1, 3, 10]),
)
def test_nobody_is_lost_as_long_as_one_worker_lives(
    domains: dict[str, int],
    deaths: dict[int, float],
    pace: str | None,
    per_domain: str | None,
    lot: int,
) -> None:
    told = simulate_cluster(
        domains,
        workers=5,
        pace=Pace(pace, per_domain=per_domain),
        killed=deaths,
        partitions=16,
        lot=lot,
    )
    assert told.pending == 0
    assert told.accepted + told.in_doubt == sum(domains.values()) == told.recipients
    assert told.in_doubt <= 4 * len(deaths)
    assert dict(zip(told.domains["domain"], told.domains["recipients"], strict=True)) == (
        domains
    )


def test_who_is_left_when_all_workers_are_dead_is_pending() -> None:
    told = simulate_cluster({"a.example": 100}, workers=2, killed={0: 5.0, 1: 5.0})
    assert told.pending == 100 - told.accepted - told.in_doubt > 0


# --- the pace -----------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(
    pace=st.sampled_from(["10/s", "30 every 5 s", "6/s and 40 every 10 s"]),
    per_domain=st.sampled_from(["1/s", "4 every 5 s"]),
    workers=st.integers(1, 5),
)
def test_no_more_begin_for_all_or_in_a_domain_than_the_pace_allows(
    pace: str, per_domain: str, workers: int
) -> None:
    asked = Pace(pace, per_domain=per_domain)
    sent = send(zipf(100, 8), asked, workers)
    begun = list(sent.begun)
    for limit in asked.limits:
        assert isinstance(limit, Window)
        for times in (1, 5, 20):
            # "… but for as many as they are": `Pacer.share_with`.
            most = times * limit.count + (workers if workers > 1 else 0)
            assert is_kept(begun, most, times * limit.seconds)
    for domain in set(sent.domains):
        own = [at for at, one in zip(begun, sent.domains, strict=True) if one == domain]
        for limit in asked.domain_limits:
            assert isinstance(limit, Window)
            assert is_kept(own, limit.count, limit.seconds)


def test_who_takes_a_domain_over_knows_what_was_begun_in_it() -> None:
    names = [f"d{k}.example" for k in range(200)]
    first = next(name for name in names if part_of(name, 16) == 0)
    hot = next(name for name in names if part_of(name, 16) == 3)  # the second worker's
    sent = send({first: 3, hot: 10}, Pace(per_domain="4 every 1000 s"), workers=2)
    (takeover,) = sent.register.takeovers
    assert takeover.taken_s < 100
    own = [at for at, d in zip(sent.begun, sent.domains, strict=True) if d == 1]
    assert len(own) >= 9
    assert is_kept(own, 4, 1000.0)


@pytest.mark.parametrize(
    ("pace", "told"),
    [
        ("5/s", Window(1, 2.0)),
        ("1000 every day", Window(100, 86_400.0)),
        ("55 every min", Window(1, 600 / 55)),
    ],
)
def test_a_pace_in_lots_has_the_same_rate(pace: str, told: Window) -> None:
    of_all, of_domains = pace_in_lots(Pace(pace, per_domain=pace), 10)
    for (limit,) in (of_all.limits, of_domains.domain_limits):
        assert isinstance(limit, Window)
        assert (limit.count, limit.seconds) == pytest.approx((told.count, told.seconds))


def test_a_warm_up_is_counted_in_lots() -> None:
    told = simulate_cluster(
        {"a.example": 300}, workers=1, pace="warm-up 100, 200", lot=10, server=EVEN
    )
    assert 86_400 < told.took_s < 90_000


# --- hot domains and takeovers ------------------------------------------------------------


def test_a_domain_is_one_workers_and_its_pace_alone_decides_when_it_ends() -> None:
    counts = {"hot.example": 3000} | {f"d{k}.example": 10 for k in range(100)}
    told = simulate_cluster(counts, workers=20, pace=Pace(per_domain="2/s"))
    hot = told.domains.iloc[0]
    assert hot["domain"] == "hot.example"
    assert hot["last_s"] - hot["first_s"] == pytest.approx(1500, rel=0.01)
    assert hot["share_of_time"] > 0.95
    assert hot["per_s"] == pytest.approx(2, rel=0.01)


def test_a_partition_passes_on_when_the_lease_is_over_and_somebody_looks_for_work() -> None:
    first = next(f"d{n}.example" for n in range(99) if part_of(f"d{n}.example", 2) == 0)
    other = next(f"d{n}.example" for n in range(99) if part_of(f"d{n}.example", 2) == 1)
    told = simulate_cluster(
        {first: 400, other: 4},
        workers=2,
        connections=2,
        partitions=2,
        server=EVEN,
        killed={0: 20.2},
    )
    (row,) = told.takeovers.itertuples()
    assert (row.worker, row.part, row.by) == (0, 0, 1)
    assert row.free_s == pytest.approx(20.2 + LEASE_S)
    assert row.free_s <= row.taken_s <= row.free_s + sender.LOOK_S
    # The other had left, and its connection had passed to this one.
    assert told.in_doubt == 2
    assert told.accepted == 402


def test_who_waits_for_the_pace_of_domains_takes_over_meanwhile() -> None:
    names = [f"d{k}.example" for k in range(99)]
    first, other = (next(n for n in names if part_of(n, 2) == part) for part in (0, 1))
    told = simulate_cluster(
        {first: 400, other: 400},
        workers=2,
        partitions=2,
        pace=Pace(per_domain="1/s"),
        server=EVEN,
        killed={0: 20.2},
    )
    (row,) = told.takeovers.itertuples()
    assert row.free_s <= row.taken_s <= row.free_s + heartbeat_of(LEASE_S)
    assert told.took_s < 500  # the two domains one beside the other


def test_who_has_much_to_do_takes_over_as_soon_as_who_has_nothing() -> None:
    """What was left waits already; what is claimed may last for long."""
    told = simulate_cluster(
        zipf(20_000, 4_000), workers=3, pace="20/s", server=EVEN, killed={0: 60.2}
    )
    assert len(told.takeovers) > 1
    assert told.took_s > 900
    beats = -(-len(told.takeovers) // 2)  # two are left, and take one at each
    assert told.takeovers["after_s"].max() <= LEASE_S + beats * heartbeat_of(LEASE_S)


def test_the_table_of_pace_adds_up_and_tells_how_many_run() -> None:
    told = simulate_cluster(zipf(3000, 400), workers=4, connections=80, pace="50/s")
    step_s = told.throughput["start_s"].iloc[1]
    assert (told.throughput["per_s"] * step_s).sum() == pytest.approx(told.accepted)
    assert told.throughput["runners"].iloc[2] == pytest.approx(4)
    assert told.throughput["per_s"].iloc[20:40].mean() == pytest.approx(50, rel=0.1)


# --- the same each time, and what is refused ----------------------------------------------


def test_the_same_seed_is_the_same_simulation() -> None:
    def run(seed: int) -> ClusterSimulation:
        return simulate_cluster(zipf(500, 10), workers=3, pace="40/s", seed=seed)

    one, same, other = run(1), run(1), run(2)
    assert repr(one) == repr(same)
    pd.testing.assert_frame_equal(one.domains, same.domains)
    assert one.took_s != other.took_s


def test_it_shows_itself_and_a_hostile_domain_does_nothing() -> None:
    told = simulate_cluster({"<b>\x1b[1m": 9}, workers=1)
    assert "<b>\x1b" not in told._repr_html_()
    assert "\x1b" not in repr(told)
    assert "recipients 9; workers 1" in repr(told)


def test_workers_that_die_before_they_begin_send_nothing() -> None:
    told = simulate_cluster({"a.example": 5}, workers=1, killed={0: 0.0})
    assert (told.pending, told.took_s) == (5, 0.0)
    assert "5: no worker was left" in repr(told)


def test_workers_that_get_no_connection_do_not_send() -> None:
    told = simulate_cluster(zipf(100, 10), workers=10, connections=4)
    assert told.throughput["runners"].max() == pytest.approx(4)


def test_nobody_to_write_to_takes_no_time() -> None:
    told = simulate_cluster({}, workers=3)
    assert (told.took_s, told.accepted, len(told.domains)) == (0.0, 0, 0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"workers": 0}, "workers=0"),
        ({"killed": {2: 1.0}}, "from 0 to 1"),
        ({"killed": {0: -1.0}}, "dies at 0 seconds"),
        ({"lot": 0}, "lot=0"),
        ({"connections": 0}, "connections=0"),
        ({"pace": "adaptive"}, "adaptive"),
        ({"pace": Pace(quiet="22:00-07:00 UTC")}, "no time of the day"),
        ({"lease_s": 0}, "lease_s=0"),
        ({"domains": {"a.example": -1}}, "-1 recipients"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object], message: str) -> None:
    given: dict[str, object] = {"domains": {"a.example": 1}, "workers": 2, **wrong}
    with pytest.raises(ValueError, match=message):
        simulate_cluster(given.pop("domains"), **given)  # type: ignore[arg-type]
