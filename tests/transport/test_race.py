"""Race: the first of several addresses to answer, each attempt a row; in virtual time."""

from __future__ import annotations

import socket
from collections import deque
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.accounts.account import Account
from smtpbook.accounts.timeouts import Timeouts
from smtpbook.errors import TransportError, TransportTimeout
from smtpbook.events import COLUMNS, Row
from smtpbook.session.record import Record
from smtpbook.transport.connect import connect
from smtpbook.transport.race import STAGGER_S, interleaved
from tests.session.scripted import Rows

V4 = [f"192.0.2.{n}" for n in range(1, 5)]
V6 = [f"2001:db8::{n}" for n in range(1, 5)]
NEVER = 10_000.0
REFUSED = ConnectionRefusedError(111, "Connection refused")
UNREACHABLE = OSError(101, "Network is unreachable")


class Network(trio.abc.HostnameResolver, trio.abc.SocketFactory):
    """In place of the system's: addresses that answer after so long, or fail.

    Attributes
    ----------
    answers : dict
        By address: seconds until it answers, or until it fails, and how.
    took_s : float
        How long a lookup takes.
    """

    def __init__(self) -> None:
        self.answers: dict[str, tuple[float, OSError | None]] = {}
        self.tried: list[tuple[str, float]] = []
        self.sockets: list[Socket] = []
        self.bound: list[str] = []
        self.took_s = 0.0

    async def getaddrinfo(
        self, host: Any, port: Any, family: int = 0, *_: Any
    ) -> list[Any]:
        await trio.sleep(self.took_s)
        return [
            (kind, socket.SOCK_STREAM, 6, "", place)
            for address in self.answers
            for kind, place in [family_and_place(address, port)]
            if family in (0, kind)
        ]

    async def getnameinfo(self, *_: Any) -> tuple[str, str]:
        raise NotImplementedError

    def socket(self, family: Any = -1, type: Any = -1, proto: Any = -1) -> Any:
        self.sockets.append(Socket(self, family))
        return self.sockets[-1]

    @property
    def left_open(self) -> int:
        return sum(not one.is_closed for one in self.sockets)


def family_and_place(address: str, port: int) -> tuple[socket.AddressFamily, Any]:
    if ":" in address:
        return socket.AF_INET6, (address, port, 0, 0)
    return socket.AF_INET, (address, port)


class Socket(trio.socket.SocketType):
    """One that connects as the network says, and is then half of a pair."""

    def __init__(self, network: Network, family: Any) -> None:
        self.network = network
        self.is_closed = False
        self.peer: socket.socket | None = None

    async def bind(self, address: Any) -> None:
        self.network.bound.append(address[0])

    async def connect(self, address: Any) -> None:
        self.network.tried.append((address[0], trio.current_time()))
        after_s, error = self.network.answers[address[0]]
        await trio.sleep(after_s)
        if error is not None:
            raise error

    def detach(self) -> int:
        ours, self.peer = socket.socketpair()
        return ours.detach()

    def close(self) -> None:
        self.is_closed = True
        if self.peer is not None:
            self.peer.close()


@pytest.fixture
async def network() -> Network:
    """The network of this test's run, and of no other."""
    made = Network()
    trio.socket.set_custom_hostname_resolver(made)
    trio.socket.set_custom_socket_factory(made)
    return made


ACCOUNT = Account(host="mx.test", port=25, timeouts=Timeouts(connect_s=30))


class Try:
    """One connection through a network, and what it came to."""

    def __init__(self, network: Network, account: Account = ACCOUNT) -> None:
        self.network, self.account = network, account
        self.rows = Rows()
        self.kept: deque[Row] = deque()
        self.record = Record(
            self.rows, self.kept, "s", account, None, 0, trio.current_time()
        )

    async def connect(self) -> str | None:
        """Connect; gives the address that is then recorded."""
        stream = await connect(self.account, self.record)
        await stream.aclose()
        for one in self.network.sockets:
            if one.peer is not None:
                one.close()
        return self.record.server_address

    @property
    def attempts(self) -> list[tuple[object, object]]:
        return [(row["server_address"], row["error"]) for row in self.rows.of("connect")]


# --- the order ----------------------------------------------------------------------------


def of(*addresses: str) -> list[Any]:
    return [family_and_place(address, 25) for address in addresses]


@pytest.mark.parametrize(
    ("found", "tried"),
    [
        ([], []),
        (V4[:3], V4[:3]),
        ([*V6[:3], *V4[:2]], [V6[0], V4[0], V6[1], V4[1], V6[2]]),
        ([V4[0], *V6[:3]], [V4[0], V6[0], V6[1], V6[2]]),
        ([V4[0], V4[0], V6[0]], [V4[0], V6[0]]),
    ],
)
def test_families_take_turns_and_the_first_stays_first(
    found: list[str], tried: list[str]
) -> None:
    assert interleaved(of(*found)) == of(*tried)


@given(st.lists(st.sampled_from([*V4, *V6])))
def test_every_address_is_tried_once_and_each_family_in_its_order(found: list[str]) -> None:
    order = interleaved(of(*found))
    assert sorted(order) == sorted(set(of(*found)))
    for family in (socket.AF_INET, socket.AF_INET6):
        own = [one for one in dict.fromkeys(of(*found)) if one[0] == family]
        assert [one for one in order if one[0] == family] == own


# --- the race -----------------------------------------------------------------------------


async def test_a_quick_address_is_the_only_one_tried(
    network: Network, autojump_clock: object
) -> None:
    network.answers = {V6[0]: (0.2, None), V4[0]: (0.0, None)}
    one = Try(network)
    assert await one.connect() == V6[0]
    assert network.tried == [(V6[0], 0.0)]
    (row,) = one.rows.of("connect")
    assert row["latency_s"] == pytest.approx(0.2)


async def test_a_family_that_leads_nowhere_costs_a_quarter_of_a_second(
    network: Network, autojump_clock: object
) -> None:
    network.answers = {V6[0]: (NEVER, None), V6[1]: (NEVER, None), V4[0]: (0.05, None)}
    one = Try(network)
    assert await one.connect() == V4[0]
    assert network.tried == [(V6[0], 0.0), (V4[0], STAGGER_S)]
    assert trio.current_time() == pytest.approx(STAGGER_S + 0.05)
    assert one.attempts == [(V6[0], "Cancelled"), (V4[0], None)]
    assert network.left_open == 0


async def test_after_a_failure_the_next_is_tried_at_once(
    network: Network, autojump_clock: object
) -> None:
    network.answers = {
        V6[0]: (0.01, UNREACHABLE),
        V4[0]: (0.02, REFUSED),
        V4[1]: (0.01, None),
    }
    one = Try(network)
    assert await one.connect() == V4[1]
    times = [when for _, when in network.tried]
    assert times == pytest.approx([0, 0.01, 0.03])
    assert one.attempts == [
        (V6[0], "TransportError"),
        (V4[0], "TransportError"),
        (V4[1], None),
    ]


async def test_a_slow_first_address_wins_if_it_is_first_to_answer(
    network: Network, autojump_clock: object
) -> None:
    network.answers = {V6[0]: (0.4, None), V4[0]: (1, None), V4[1]: (1, None)}
    one = Try(network)
    assert await one.connect() == V6[0]
    assert one.attempts == [(V4[0], "Cancelled"), (V6[0], None)]
    assert one.record.server_address == V6[0]
    assert one.rows.of("connect")[-1]["latency_s"] == pytest.approx(0.4)


async def test_of_two_that_answer_at_once_one_is_taken_and_the_other_closed(
    network: Network, autojump_clock: object
) -> None:
    network.answers = {V6[0]: (1.25, None), V4[0]: (1.0, None)}
    one = Try(network)
    winner = await one.connect()
    assert {address for address, _ in one.attempts} == {V6[0], V4[0]}
    assert one.attempts[-1] == (winner, None)
    assert network.left_open == 0


async def test_all_that_fail_are_named(network: Network, autojump_clock: object) -> None:
    network.answers = {V6[0]: (0.1, UNREACHABLE), V4[0]: (0.1, REFUSED)}
    one = Try(network)
    with pytest.raises(TransportError, match=r"unreachable; .*refused") as info:
        await one.connect()
    assert not isinstance(info.value, TransportTimeout)
    for address in (V6[0], V4[0]):
        assert f"connecting to mx.test:25 ({address})" in str(info.value)
    assert network.left_open == 0


@pytest.mark.parametrize("took_s", [0.0, 20.0, 29.9])
async def test_the_whole_stays_within_its_limit(
    took_s: float, network: Network, autojump_clock: object
) -> None:
    network.took_s = took_s
    network.answers = dict.fromkeys((*V6, *V4), (NEVER, None))
    one = Try(network)
    with pytest.raises(TransportTimeout, match="nothing within 30 s"):
        await one.connect()
    assert trio.current_time() == pytest.approx(30)
    assert {error for _, error in one.attempts} == {"TransportTimeout"}
    assert len(one.attempts) == len(network.tried) == (1 if took_s > 29 else 8)
    assert network.left_open == 0


async def test_a_lookup_that_takes_too_long_is_a_timeout(
    network: Network, autojump_clock: object
) -> None:
    network.took_s = NEVER
    one = Try(network)
    with pytest.raises(TransportTimeout, match=r"looking up mx\.test: nothing within 30 s"):
        await one.connect()
    assert [row["kind"] for row in one.rows.all] == ["dns"]


async def test_silence_and_refusal_together_are_no_mere_timeout(
    network: Network, autojump_clock: object
) -> None:
    network.answers = {V6[0]: (NEVER, None), V4[0]: (0.1, REFUSED)}
    one = Try(network)
    with pytest.raises(TransportError) as info:
        await one.connect()
    assert not isinstance(info.value, TransportTimeout)
    assert one.attempts == [(V4[0], "TransportError"), (V6[0], "TransportTimeout")]


async def test_a_cancelled_race_closes_and_records_every_attempt(
    network: Network, autojump_clock: object
) -> None:
    network.answers = {V6[0]: (NEVER, None), V4[0]: (NEVER, None)}
    one = Try(network)
    with trio.move_on_after(1) as scope:
        await one.connect()
    assert scope.cancelled_caught
    assert one.attempts == [(V6[0], "Cancelled"), (V4[0], "Cancelled")]
    assert network.left_open == 0


@pytest.mark.parametrize("at", [1, 2, 3])
async def test_a_record_that_cannot_be_kept_ends_the_race_and_leaves_nothing_open(
    at: int, network: Network, autojump_clock: object
) -> None:
    network.answers = {
        V6[0]: (0.1, REFUSED),
        V4[0]: (NEVER, None),
        V6[1]: (0.5, None),
    }
    connects = []

    def sink(row: Row) -> None:
        if row[COLUMNS.index("kind")] == "connect":
            connects.append(row)
            if len(connects) == at:
                raise ZeroDivisionError

    one = Try(network)
    one.record._sink = sink
    with pytest.raises(ZeroDivisionError):
        await one.connect()
    assert network.left_open == 0
    addresses = [row[COLUMNS.index("server_address")] for row in one.kept][1:]
    assert len(addresses) == len(set(addresses)) == (1 if at == 1 else 3)


# --- the source address -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "tried"), [("192.0.2.77", V4[:2]), ("2001:db8::77", V6[:2])]
)
async def test_only_addresses_of_the_sources_family_are_tried(
    source: str, tried: list[str], network: Network, autojump_clock: object
) -> None:
    network.answers = dict.fromkeys((*V6[:2], *V4[:2]), (0.1, REFUSED))
    one = Try(network, ACCOUNT.replace(source_address=source))
    with pytest.raises(TransportError, match="refused"):
        await one.connect()
    assert [address for address, _ in network.tried] == tried
    assert network.bound == [source] * 2


async def test_a_source_that_fits_no_address_is_named(
    network: Network, autojump_clock: object
) -> None:
    network.answers = {V6[0]: (0, None)}
    one = Try(network, ACCOUNT.replace(source_address="192.0.2.77"))
    with pytest.raises(
        TransportError, match=r"mx\.test:25 has no IPv4 address, and source_address='192"
    ):
        await one.connect()
    assert network.tried == []
