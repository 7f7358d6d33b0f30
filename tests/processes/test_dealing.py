"""Who gets which recipients, without any process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from smtpbook.ledger.entries import Entry
from smtpbook.processes.dealing import Dealing
from smtpbook.protocol.addresses import domain_of


class Listed:
    """Hands out a list."""

    def __init__(self, addresses: list[str]) -> None:
        found = enumerate(addresses)
        self._left = deque(Entry(one, one, position) for position, one in found)

    def __len__(self) -> int:
        return len(self._left)

    def take(self) -> Entry | None:
        return self._left.popleft() if self._left else None


def dealing(
    count: int, domains: int = 4, by: Callable[[str], str | None] | None = None
) -> Dealing[str]:
    return Dealing(Listed([f"p{n}@d{n % domains}.test" for n in range(count)]), by)


def all_of(dealing: Dealing[str], *who: str) -> dict[str, list[Entry]]:
    """Deal in turns until nobody gets any more."""
    found: dict[str, list[Entry]] = {one: [] for one in who}
    while True:
        more = {one: dealing.deal(one, 2, 0, who) for one in who}
        if not any(more.values()):
            return found
        for one, entries in more.items():
            found[one] += entries


def test_everybody_is_dealt_once_and_to_both() -> None:
    found = all_of(some := dealing(100), "a", "b")
    both = [entry.position for entries in found.values() for entry in entries]
    assert sorted(both) == list(range(100))
    assert all(len(entries) > 30 for entries in found.values())
    assert not some


def test_who_has_enough_gets_none_and_what_is_dealt_grows_less_towards_the_end() -> None:
    some = dealing(100)
    first = some.deal("a", 2, 0, "ab")
    assert len(first) == 16
    assert some.deal("a", 2, len(first), "ab") == []
    while len(more := some.deal("a", 2, 0, "ab")) == 16:
        pass
    assert 4 <= len(more) < 16


def test_where_the_pace_counts_by_domain_each_is_one_senders() -> None:
    found = all_of(dealing(100, by=domain_of), "a", "b")
    domains = [{domain_of(entry.address) for entry in found[one]} for one in "ab"]
    assert not domains[0] & domains[1]
    assert sum(map(len, found.values())) == 100


def test_a_domain_that_must_wait_holds_back_no_other() -> None:
    slow = [f"p{n}@slow.test" for n in range(200)]
    some: Dealing[str] = Dealing(Listed([*slow, "ann@b.test", "bob@c.test"]), domain_of)
    both = [some.deal(one, 2, 0, "ab") for one in "ab"]
    assert [len(entries) for entries in both] == [200, 2]


def test_what_a_sender_had_and_its_domains_are_had_by_others() -> None:
    some = dealing(40, by=domain_of)
    had = some.deal("a", 2, 0, "ab")
    some.deal("b", 2, 0, "ab")
    some.give_back("a", had)
    rest = all_of(some, "b")["b"]
    assert {entry.position for entry in had} <= {entry.position for entry in rest}
    assert not some


def test_where_messages_go_several_ways_all_is_dealt_evenly_whatever_is_untried() -> None:
    addresses = [f"p{n}@d.test" for n in range(100)]
    some: Dealing[str] = Dealing(Listed(addresses), None, has_ways=True)
    assert [len(some.deal(who, 2, 0, "ab")) for who in "ab"] == [51, 49]
    assert not some
