"""Our SPF verdicts are pyspf's, on generated zones; where not, RFC 7208 is on our side."""

from __future__ import annotations

import random
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import dns.rdata
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.authentication.spf import check_spf_async
from smtpbook.authentication.spf_result import SpfResult
from smtpbook.lookup.zone import Zone
from tests.authentication import pyspf
from tests.servers.process import ServerMissing

SENDER, HELO = "strong-bad@x.example", "a.x.example"
EXAMPLES = 40
NAMES = [
    "x.example",
    "y.example",
    "a.x.example",
    "b.y.example",
    "z.example",
    "gone.example",
]
IPS = ["192.0.2.1", "192.0.2.129", "198.51.100.1", "2001:db8::1", "2001:db8:1::1"]


@pytest.fixture(scope="module")
def spf() -> ModuleType:
    try:
        return pyspf.module()
    except ServerMissing as exc:
        pytest.skip(str(exc))


def lookups(zone: Zone) -> Any:
    """Give what pyspf asks the DNS with."""

    def ask(name: str, kind: str, *_: object) -> Iterator[tuple[tuple[str, str], Any]]:
        answer = zone.look_up(name, kind)
        for value in answer.values:
            if kind == "TXT":
                yield (name, kind), (value.encode("utf-8", "surrogateescape"),)
            elif kind == "MX":
                preference, _, host = value.partition(" ")
                yield (name, kind), (int(preference), host)
            elif kind == "AAAA":
                yield (name, kind), dns.rdata.from_text("IN", kind, value).to_wire()
            else:
                yield (name, kind), value

    return ask


TERMS = [
    *("a", "mx", "ptr", "a/25", "mx/24", "a//48", "all", "exists:%{d}", "a:%{h}"),
    *("exists:%{ir}.%{v}.x.example", "exists:%{l1r-}.%{d2}", "include:%{d2}"),
    *("ip4:192.0.2.0/25", "ip4:198.51.100.1", "ip6:2001:db8::/48", "ip6:2001:db8::1"),
    *(
        f"{kind}:{name}"
        for kind in ("a", "mx", "ptr", "exists", "include")
        for name in NAMES
    ),
]
MODIFIERS = [*(f"redirect={name}" for name in NAMES), "exp=z.example", "foo=%{d}"]
BROKEN = ["moo", "a:", "ip4:1.2.3", "include", "exists:%{x}.example", "a/33"]
POINTERS = {
    "1.2.0.192.in-addr.arpa": {"PTR": ["a.x.example", "b.y.example"]},
    "1.100.51.198.in-addr.arpa": {"PTR": ["y.example", "gone.example"]},
    "strong.x.example": {"A": "127.0.0.2"},
}


def a_record(lot: random.Random, owner: str) -> str:
    words = [lot.choice(["", "", "-", "~", "?"]) + lot.choice(TERMS) for _ in range(4)]
    # pyspf calls an include of the record's own domain an error of syntax, even where
    # another mechanism matches before; RFC 7208 section 5.2 does not.
    itself = {f"include:{owner}", "include:%{d2}"}
    words = [one for one in words[: lot.randrange(5)] if one.lstrip("-~?") not in itself]
    # Each once: "Unrecognized modifiers MUST be ignored no matter where, or how often, they
    # appear in a record." -- RFC 7208 section 6; pyspf calls the second an error.
    words += lot.sample(MODIFIERS, lot.choice([0, 0, 1, 2]))
    words += lot.sample(BROKEN, lot.random() < 0.05)
    lot.shuffle(words)
    return " ".join(["v=spf1", *words, *lot.choice([[], [], ["-all"]])])


def a_host(lot: random.Random, owner: str) -> dict[str, list[str]]:
    texts = lot.choice([["v=other"], []])
    texts += [a_record(lot, owner)] * (lot.random() < 0.9)
    host = {
        "TXT": lot.choice([texts] * 12 + [["v=spf10 -all"], ["v=spf1 a", "v=spf1 -all"]]),
        "A": lot.sample(IPS[:3], lot.randrange(3)),
        "AAAA": lot.sample(IPS[3:], lot.randrange(2)),
        "MX": [f"10 {name}" for name in lot.sample(NAMES, lot.randrange(3))],
    }
    return {kind: values for kind, values in host.items() if values}


def a_world(lot: random.Random) -> Zone:
    hosts = {name: a_host(lot, name) for name in NAMES[:5]}
    return Zone(POINTERS | hosts, is_world=True)  # type: ignore[arg-type]


async def checked(zone: Zone, ip: str) -> SpfResult:
    return await check_spf_async(
        "x.example", ip=ip, reverse_path=SENDER, helo=HELO, zone=zone
    )


def test_our_verdicts_are_pyspf_s(spf: ModuleType) -> None:
    @settings(max_examples=EXAMPLES)
    @given(st.integers(0, 2**64))
    def check(seed: int) -> None:
        lot = random.Random(seed)
        zone = a_world(lot)
        spf.DNSLookup = lookups(zone)
        for ip in lot.sample(IPS, 2):
            theirs, _, _ = spf.query(i=ip, s=SENDER, h=HELO, strict=True).check()
            ours = trio.run(checked, zone, ip)
            assert ours.result == theirs, f"{ours}\npyspf: {theirs}"

    check()
