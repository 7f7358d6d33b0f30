"""Queue: the earliest whose time has come; no domain holds back another."""

from __future__ import annotations

import math
from collections import defaultdict, deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.delivery.queue import Queue
from smtpbook.ledger.entries import Entry
from smtpbook.pacing.pace import Pace, Pacer


class Given:
    """A source of entries that stand in a list."""

    def __init__(self, entries: list[Entry]) -> None:
        self._entries = deque(entries)

    def __len__(self) -> int:
        return len(self._entries)

    def take(self) -> Entry | None:
        return self._entries.popleft() if self._entries else None


def queue_of(domains: str, pace: Pace | None = None) -> Queue:
    """Make a queue with a recipient for each letter, in the domain of that name."""
    entries = [Entry(f"p{n}@{name}", "", n) for n, name in enumerate(domains)]
    return Queue(Given(entries), Pacer(pace or Pace()))


def drained(queue: Queue, now: float = 0.0) -> list[tuple[float, str]]:
    """Take all, each as early as may be; give instants and addresses."""
    taken = []
    while len(queue):
        now = queue.next_at(now)
        entry = queue.take(now)
        assert entry is not None
        taken.append((now, entry.address))
    assert queue.next_at(now) == math.inf
    assert queue.take(now) is None
    return taken


def test_without_a_limit_the_order_is_the_lists() -> None:
    assert drained(queue_of("abca"), 7.0) == [
        (7.0, address) for address in ("p0@a", "p1@b", "p2@c", "p3@a")
    ]


def test_a_domain_that_must_wait_holds_back_no_other() -> None:
    queue = queue_of("aaabbc", Pace(per_domain="1 every 10 s"))
    assert drained(queue) == [
        *((0, "p0@a"), (0, "p3@b"), (0, "p5@c")),
        *((10, "p1@a"), (10, "p4@b")),
        (20, "p2@a"),
    ]


def test_both_limits_hold_and_the_earliest_goes_first() -> None:
    queue = queue_of("aaabb", Pace("1 every 4 s", per_domain="1 every 10 s"))
    assert drained(queue) == [
        *((0, "p0@a"), (4, "p3@b"), (10, "p1@a"), (14, "p4@b"), (20, "p2@a")),
    ]


def test_nobody_is_taken_before_the_time() -> None:
    queue = queue_of("aa", Pace("1 every 10 s"))
    assert queue.take(0.0) is not None
    assert queue.take(9.9) is None
    assert len(queue) == 1
    assert queue.next_at(3.0) == 10


def test_who_is_put_back_stands_at_the_old_place() -> None:
    queue = queue_of("abab")
    first, second = queue.take(0.0), queue.take(0.0)
    assert first is not None
    assert second is not None
    queue.put_back(second)
    queue.put_back(first)
    assert [address for _, address in drained(queue)] == ["p0@a", "p1@b", "p2@a", "p3@b"]


def test_who_comes_later_holds_back_nobody_and_then_goes_first() -> None:
    queue = queue_of("aab", Pace("1 every 4 s"))
    first = queue.take(0.0)
    assert first is not None
    queue.put_later(first, 6.0)
    assert drained(queue) == [(4, "p1@a"), (8, "p0@a"), (12, "p2@b")]


def test_when_all_come_later_the_queue_waits_for_them() -> None:
    queue = queue_of("a")
    entry = queue.take(0.0)
    assert entry is not None
    queue.put_later(entry, 50.0)
    assert queue.next_at(1.0) == 50
    assert queue.take(49.0) is None
    assert queue.take(50.0) is entry


def test_those_who_go_along_count_for_their_domain_alone() -> None:
    queue = queue_of("aaab", Pace("1 every 100 s", per_domain="2 every 10 s"))
    assert queue.take(0.0) is not None
    along = [queue.take_along(0.0, lambda entry: True) for _ in range(4)]
    assert [entry and entry.address for entry in along] == ["p1@a", "p3@b", None, None]
    assert queue.next_at(0.0) == 100
    assert queue.take_along(100.0, lambda entry: False) is None


@given(
    st.text("abcd", min_size=1, max_size=60),
    st.integers(1, 3),
    st.integers(1, 9),
    st.lists(st.tuples(st.integers(0, 59), st.floats(0, 50)), max_size=12),
)
def test_every_one_is_taken_once_in_order_and_at_the_pace(
    domains: str, count: int, total: int, retries: list[tuple[int, float]]
) -> None:
    pace = Pace(f"{total} every 10 s", per_domain=f"{count} every 30 s")
    queue, now, again = queue_of(domains, pace), 0.0, dict(retries)
    firsts, instants = [], defaultdict(list)
    while len(queue):
        assert queue.next_at(now) >= now
        now = queue.next_at(now)
        entry = queue.take(now)
        if entry is None:  # the time of a retry, but not its domain's
            assert queue.next_at(now) > now
            continue
        domain = entry.address[-1]
        instants[domain].append(now)
        instants["all"].append(now)
        if entry.attempts == 0:
            firsts.append(entry.place)
        entry.attempts += 1
        if entry.place in again:
            queue.put_later(entry, now + again.pop(entry.place))
    assert sorted(firsts) == list(range(len(domains)))
    for name in "abcd":
        own = [place for place in firsts if domains[place] == name]
        assert own == sorted(own)
    for name, limit, seconds in (("all", total, 10), *((d, count, 30) for d in "abcd")):
        taken = instants[name]
        for n in range(len(taken) - limit):
            assert taken[n + limit] >= taken[n] + seconds


def test_earlier_sends_count_for_a_domain() -> None:
    pacer = Pacer(Pace(per_domain="1 every 100 s"))
    pacer.recall([(0.0, "x@a", "<1@x>")])
    queue = Queue(Given([Entry("p0@a", "", 0), Entry("p1@b", "", 1)]), pacer)
    assert drained(queue, 5.0) == [(5, "p1@b"), (100, "p0@a")]


@pytest.mark.parametrize("pace", [Pace(), Pace(per_domain="1/hour")])
def test_nobody_needs_no_time(pace: Pace) -> None:
    assert drained(queue_of("", pace)) == []


class Held(Pacer):
    """A pacer by which some lanes may not go on before somebody says so."""

    def __init__(self, *lanes: str) -> None:
        super().__init__(Pace(per_domain="1000/s"))
        self.held = set(lanes)
        self.names: dict[str, str] = {}

    def domain(self, address: str) -> str:
        name = super().domain(address)
        return self.names.get(name, name)

    def next_of(self, domain: str, now: float) -> float:
        return math.inf if domain in self.held else now


def held_queue(domains: str, *lanes: str) -> tuple[Queue, Held]:
    entries = [Entry(f"p{n}@{name}", "", n) for n, name in enumerate(domains)]
    pacer = Held(*lanes)
    return Queue(Given(entries), pacer), pacer


def taken(queue: Queue) -> list[str]:
    found = []
    while (entry := queue.take(0.0)) is not None:
        found.append(entry.address)
    return found


def test_a_lane_that_nobody_knows_the_instant_of_waits_to_be_called() -> None:
    queue, pacer = held_queue("abab", "a")
    assert taken(queue) == ["p1@b", "p3@b"]
    assert queue.next_at(0.0) == math.inf
    assert len(queue) == 2
    queue.reopen("a", 0.0)
    assert taken(queue) == []
    pacer.held.clear()
    queue.reopen("a", 0.0)
    assert taken(queue) == ["p0@a", "p2@a"]


def test_some_take_from_their_own_lanes_whatever_the_others_may() -> None:
    queue, _ = held_queue("abcabc", "a", "b")
    assert taken(queue) == ["p2@c", "p5@c"]
    own = []
    while (entry := queue.take_from(["a", "b", "z"], 0.0)) is not None:
        own.append(entry.address)
    assert own == ["p0@a", "p1@b", "p3@a", "p4@b"]
    assert len(queue) == 0
    assert not queue.waits_in("a")


def test_those_of_a_lane_stand_in_the_lanes_that_are_theirs_now() -> None:
    queue, pacer = held_queue("aba", "a")
    assert taken(queue) == ["p1@b"]
    pacer.names["a"] = "z"
    queue.enter_anew("a")
    assert not queue.waits_in("a")
    assert taken(queue) == ["p0@a", "p2@a"]


@given(st.text("abc", max_size=12), st.lists(st.sampled_from("abcABC"), max_size=30))
def test_every_one_is_taken_once_whoever_takes(domains: str, steps: list[str]) -> None:
    queue, pacer = held_queue(domains, "a", "b")
    found = []
    for step in steps:
        name = step.lower()
        entry = queue.take_from([name], 0.0) if step.isupper() else queue.take(0.0)
        if entry is not None:
            found.append(entry)
            if len(found) % 3 == 0:
                queue.put_back(found.pop())
    pacer.held.clear()
    for lane in "abc":
        queue.reopen(lane, 0.0)
    while (entry := queue.take(0.0)) is not None:
        found.append(entry)
    assert len(queue) == 0
    assert sorted(one.position for one in found) == list(range(len(domains)))
