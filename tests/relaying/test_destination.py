"""Destinations: which servers, in which order, on whose terms."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
import trio

from smtpbook.accounts.account import Account
from smtpbook.errors import (
    DeferredError,
    RejectedError,
    SMTPBookError,
    TLSError,
    TransportError,
    TransportTimeout,
)
from smtpbook.lookup.answer import Answer
from smtpbook.lookup.zone import Zone
from smtpbook.protocol.replies import Reply
from smtpbook.relaying.destination import Destination, Finder

US = "mail.sender.example"
HOSTS = {f"mx{n}.example": {"A": "127.0.0.1"} for n in range(6)}
POLICY = "version: STSv1\nmode: enforce\nmx: *.example\nmax_age: 60\n"


def account_of(zone: Any, **changes: Any) -> Account:
    return Account.direct(US, zone=zone, is_lab=True, **changes)


async def found(finder: Finder, domain: str) -> Destination:
    destination, _ = await finder.find(domain)
    assert isinstance(destination, Destination)
    return destination


def order(destination: Destination, account: Account, lot: random.Random) -> list[str]:
    """Give the servers in the order in which they would be tried."""
    tour, names = destination.tour(account, lot), []
    while tour.now is not None:
        names.append(tour.now.host.name)
        tour.turned_away(TransportError("refused"))
    return names


async def test_servers_come_by_preference_and_equals_by_a_lot_that_a_seed_decides() -> None:
    zone = HOSTS | {
        "x.example": {"MX": ["20 mx3.example"] + [f"10 mx{n}.example" for n in range(3)]}
    }
    account = account_of(zone)
    destination = await found(Finder(account), "x.example")
    orders = [order(destination, account, random.Random(n)) for n in range(60)]
    assert all(one[3] == "mx3.example" for one in orders)
    firsts = Counter(one[0] for one in orders)
    assert set(firsts) == {"mx0.example", "mx1.example", "mx2.example"}
    assert order(destination, account, random.Random(7)) == orders[7]


async def test_domains_with_the_same_servers_are_one_destination_unless_terms_differ() -> (
    None
):
    mx = {"MX": ["10 mx1.example", "20 mx2.example"]}
    zone = HOSTS | dict.fromkeys(("a.example", "b.example", "safe.example"), mx)
    zone |= {"c.example": {"MX": ["10 mx2.example", "20 mx1.example"]}}
    zone |= {"_mta-sts.safe.example": {"TXT": "v=STSv1; id=1"}}
    finder = Finder(account_of(zone, policies={"safe.example": POLICY}))
    a, b, c, safe = [await found(finder, f"{n}.example") for n in ("a", "b", "c", "safe")]
    assert a is b
    assert len({a.number, c.number, safe.number}) == 3


async def test_no_more_than_some_servers_are_tried() -> None:
    zone = {f"mx{n}.many.example": {"A": "127.0.0.1"} for n in range(15)}
    zone |= {"many.example": {"MX": [f"{n} mx{n}.many.example" for n in range(15)]}}  # type: ignore[dict-item]
    account = account_of(zone)
    destination = await found(Finder(account), "many.example")
    assert order(destination, account, random.Random(1)) == [
        f"mx{n}.many.example" for n in range(5)
    ]


class Silent:
    """An asker that never answers."""

    async def ask(self, name: str, record: str) -> Answer:
        await trio.sleep_forever()
        raise AssertionError


async def test_a_dns_that_never_answers_ends_in_bounded_time(
    autojump_clock: object,
) -> None:
    error, route = await Finder(account_of(Silent())).find("x.example")
    assert isinstance(error, TransportTimeout)
    assert route is None
    assert trio.current_time() == 60


@pytest.mark.parametrize(
    "domain", ["x\r\ny.example", "a..example", "x" * 70 + ".example", "?"]
)
async def test_a_domain_that_can_be_none_is_rejected(domain: str) -> None:
    error, _ = await Finder(account_of(Zone({}, is_world=True))).find(domain)
    assert isinstance(error, RejectedError)
    assert error.reply.code == 550
    assert error.reply.text.isprintable()


@pytest.mark.parametrize("name", [US, US.upper(), f"{US}."])
async def test_this_machines_name_is_known_however_it_is_spelt(name: str) -> None:
    zone = HOSTS | {"x.example": {"MX": ["10 mx1.example", f"20 {name}", "30 mx2.example"]}}
    zone |= {US: {"A": "127.0.0.1"}}
    destination = await found(Finder(account_of(zone)), "x.example")
    assert [host.name for host in destination.hosts] == ["mx1.example"]


LATER = DeferredError(Reply.of(421, "4.3.2 Not now"), "GREETING")
NEVER = RejectedError(Reply.of(554, "5.3.2 No"), "GREETING")
SILENCE = TransportError("refused")


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ([NEVER, SILENCE, LATER], LATER),
        ([NEVER, SILENCE], SILENCE),
        ([NEVER, NEVER], NEVER),
        ([SILENCE, TLSError("no")], SILENCE),
    ],
)
async def test_the_verdict_is_the_most_hopeful_of_what_servers_said(
    said: list[SMTPBookError], verdict: SMTPBookError
) -> None:
    zone = HOSTS | {"x.example": {"MX": [f"{n} mx{n}.example" for n in range(len(said))]}}
    account = account_of(zone, tls="none")
    destination = await found(Finder(account), "x.example")
    tour = destination.tour(account, random.Random(1))
    for error in said:
        tour.turned_away(error)
    assert tour.now is None
    assert tour.verdict[0] is verdict


@pytest.mark.parametrize(
    ("tls", "modes"),
    [
        ("opportunistic", ["opportunistic", "none"]),
        ("starttls", ["starttls"]),
        ("none", ["none"]),
    ],
)
async def test_less_tls_is_tried_only_where_nobody_promised_any(
    tls: str, modes: list[str]
) -> None:
    account = account_of(HOSTS | {"x.example": {"MX": "10 mx1.example"}}, tls=tls)
    tour = (await found(Finder(account), "x.example")).tour(account, random.Random(1))
    tried = []
    while tour.now is not None:
        tried.append(tour.now.account.tls)
        tour.turned_away(TLSError("the handshake failed"))
    assert tried == modes
