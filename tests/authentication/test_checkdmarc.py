"""Whose DMARC record applies, and what it says: checkdmarc and we agree."""

from __future__ import annotations

import random
from typing import Any

import dns.rdata
import dns.resolver
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.authentication.dmarc_record import DmarcRecord
from smtpbook.authentication.tree_walk import TreeWalk
from smtpbook.lookup.zone import Zone

# Its import alone takes a second of CPU.
pytestmark = [pytest.mark.heavy, pytest.mark.side_by_side]

LABELS = [*"abcdefgh", "example", "com"]
TAGS = {
    **dict.fromkeys(("p", "sp", "np"), ("none", "quarantine", "Reject")),
    "psd": ("y", "n", "u"),
    "t": ("y", "n"),
    **dict.fromkeys(("adkim", "aspf"), ("r", "S")),
}
DEFAULTS = {"psd": "u", "t": "n", "adkim": "r", "aspf": "r"}


class TheirResolver:
    """Answers checkdmarc out of our zone."""

    lifetime = 1.0

    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    def resolve(self, name: str, record: str, **_: object) -> list[Any]:
        answer = self._zone.look_up(name, record)
        if answer.status == "no_name":
            raise dns.resolver.NXDOMAIN
        if answer.status == "no_data":
            raise dns.resolver.NoAnswer(response=dns.message.make_query(name, record))
        values = [f'"{one}"' if record == "TXT" else one for one in answer.values]
        return [dns.rdata.from_text("IN", record, value) for value in values]


def a_record(lot: random.Random) -> str:
    tags = lot.sample([*TAGS], lot.randrange(len(TAGS) + 1))
    equals, semicolon = lot.choice(["=", " = "]), lot.choice([";", " ; "])
    said = [f"{tag}{equals}{lot.choice(TAGS[tag])}" for tag in tags]
    return semicolon.join(["v=DMARC1", *said])


@settings(max_examples=300)
@given(st.integers(0, 2**64))
async def test_whose_record_applies(seed: int) -> None:
    from checkdmarc.dmarc import DMARCRecordNotFound, query_dmarc_record
    from checkdmarc.utils import DNS_CACHE

    lot = random.Random(seed)
    domain = ".".join(LABELS[lot.randrange(9) :])
    labels = domain.split(".")
    names = [".".join(labels[nth:]) for nth in range(len(labels))]
    data = {f"_dmarc.{one}": {"TXT": a_record(lot)} for one in names if lot.random() < 0.3}
    # A domain that does not exist has no record to checkdmarc; RFC 9989 section 4.7 has np=
    # for it.
    zone = Zone(data | {domain: {"A": "192.0.2.1"}}, is_world=True)
    DNS_CACHE.clear()
    try:
        theirs = query_dmarc_record(domain, resolver=TheirResolver(zone))
        location, text = theirs["location"], theirs["record"]
    except DMARCRecordNotFound:
        location, text = "", None
    ours = await TreeWalk(zone).find(domain)
    assert (ours.domain, ours.record and ours.record.text) == (location, text)


@settings(max_examples=300)
@given(st.integers(0, 2**64))
def test_what_a_record_says(seed: int) -> None:
    from checkdmarc.dmarc import parse_dmarc_record

    text = a_record(random.Random(seed))
    theirs = {
        tag: told["value"]
        for tag, told in parse_dmarc_record(text, "x.example")["tags"].items()
    }
    ours = DmarcRecord.parse(text)
    assert ours.problems == ()
    for tag, default in DEFAULTS.items():
        value = (
            {True: "y", False: "n"}[ours.is_testing] if tag == "t" else getattr(ours, tag)
        )
        assert value == theirs.get(tag, default)
    assert ours.policy(is_below=False, exists=True)[0] == theirs["p"]
    assert ours.policy(is_below=True, exists=True)[0] == theirs["sp"]
    assert ours.policy(is_below=True, exists=False)[0] == theirs["np"]
