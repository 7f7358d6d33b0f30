"""Which servers take a domain's mail."""

from __future__ import annotations

import random

import pytest

from smtpbook.lookup.mail_hosts import MailHost, mail_hosts
from smtpbook.lookup.zone import Zone

ZONE = Zone(
    {
        "two.example": {"MX": ["20 b.two.example", "10 a.two.example", "10 c.two.example"]},
        "bare.example": {"A": "192.0.2.1"},
        "six.example": {"AAAA": "2001:db8::1"},
        "null.example": {"MX": "0 ."},
        "both.example": {"MX": ["0 .", "10 mx.both.example"]},
        "empty.example": {"TXT": "nothing for mail"},
    },
    failing=["ill.example"],
)


@pytest.mark.parametrize(
    ("domain", "kind", "hosts"),
    [
        ("two.example", "mx", ["a.two.example", "c.two.example", "b.two.example"]),
        ("bare.example", "implicit", ["bare.example"]),
        ("six.example", "implicit", ["six.example"]),
        ("null.example", "null", []),
        ("both.example", "mx", ["mx.both.example"]),
        ("empty.example", "none", []),
        ("x.two.example", "none", []),
        ("ill.example", "error", []),
        ("elsewhere.example", "error", []),
        ("no name", "none", []),
    ],
)
async def test_a_domain_says_where_its_mail_goes(
    domain: str, kind: str, hosts: list[str]
) -> None:
    found = await mail_hosts(ZONE, domain)
    assert (found.kind, [host.name for host in found.hosts]) == (kind, hosts)


async def test_equals_are_shuffled_and_never_pass_a_better_one() -> None:
    found = await mail_hosts(ZONE, "two.example")
    orders = {found.ordered(random.Random(seed)) for seed in range(20)}
    assert len(orders) == 2
    assert {order[-1] for order in orders} == {
        MailHost(preference=20, name="b.two.example")
    }
