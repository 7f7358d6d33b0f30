"""DMARC: pass by alignment, and which policy applies otherwise (RFC 9989 section 5.3)."""

from __future__ import annotations

import pytest

from smtpbook.authentication.dmarc import DmarcResult, check_dmarc
from smtpbook.lookup.zone import Zone

REJECT = "v=DMARC1; p=reject; sp=quarantine; np=none"


def world(failing: tuple[str, ...] = (), **records: str) -> Zone:
    names = {"x.example": {"A": "192.0.2.1"}, "mail.x.example": {"A": "192.0.2.1"}}
    found = {
        f"_dmarc.{name.replace('_', '.')}": {"TXT": text} for name, text in records.items()
    }
    return Zone(names | found, is_world=True, failing=failing)


async def judged(
    zone: Zone, domain: str = "x.example", spf: str | None = None, *dkim: str
) -> DmarcResult:
    return await check_dmarc(zone, [domain], spf=spf, dkim=dkim)


@pytest.mark.parametrize(
    ("tags", "spf", "dkim", "result"),
    [
        ("", "x.example", "", "pass"),
        ("", "mail.x.example", "", "pass"),
        ("", "", "news.x.example", "pass"),
        ("", "X.Example", "", "pass"),
        ("", "other.example", "", "fail"),
        ("", "notx.example", "", "fail"),
        ("", "other.example", "x.example", "pass"),
        ("", "", "", "fail"),
        ("aspf=s", "mail.x.example", "", "fail"),
        ("aspf=s", "x.example", "", "pass"),
        ("aspf=s", "", "mail.x.example", "pass"),
        ("adkim=s", "", "mail.x.example", "fail"),
        ("adkim=s", "mail.x.example", "", "pass"),
        ("adkim=s", "", "x.example", "pass"),
    ],
)
async def test_alignment(tags: str, spf: str, dkim: str, result: str) -> None:
    zone = world(x_example=f"v=DMARC1; p=reject; {tags}")
    found = await judged(zone, "x.example", spf or None, *filter(None, [dkim]))
    assert found.result == result
    assert found.disposition == ("none" if result == "pass" else "reject")


async def test_identifiers_tell_how_they_were_judged() -> None:
    zone = world(x_example="v=DMARC1; p=none; aspf=s")
    found = await judged(zone, "x.example", "mail.x.example", "x.example", "y.example")
    told = [(o.method, o.domain, o.is_strict, o.is_aligned) for o in found.identifiers]
    assert told == [
        ("dkim", "x.example", False, True),
        ("dkim", "y.example", False, False),
        ("spf", "mail.x.example", True, False),
    ]
    assert found.reason == "DKIM vouches for x.example"


@pytest.mark.parametrize(
    ("domain", "tag", "policy"),
    [
        ("x.example", "p", "reject"),
        ("mail.x.example", "sp", "quarantine"),
        ("gone.x.example", "np", "none"),
    ],
)
async def test_the_policy_of_a_domain_and_of_those_below(
    domain: str, tag: str, policy: str
) -> None:
    found = await judged(world(x_example=REJECT), domain)
    assert (found.result, found.policy_tag, found.policy) == ("fail", tag, policy)
    assert (found.record_domain, found.disposition) == ("x.example", policy)


async def test_testing_asks_for_less() -> None:
    found = await judged(world(x_example="v=DMARC1; p=reject; t=y"))
    assert (found.policy, found.disposition) == ("reject", "quarantine")


async def test_a_public_suffix_s_policy_applies_where_there_is_no_other() -> None:
    found = await judged(world(example="v=DMARC1; p=reject; np=none; psd=y"))
    assert (found.record_domain, found.policy_tag, found.policy) == (
        "example",
        "p",
        "reject",
    )


async def test_domains_of_one_suffix_are_not_of_one_organization() -> None:
    zone = world(example="v=DMARC1; p=reject; psd=y")
    assert (await judged(zone, "x.example", "y.example")).result == "fail"
    assert (await judged(zone, "x.example", "mail.x.example")).result == "pass"


async def test_without_a_record_dmarc_says_nothing() -> None:
    found = await judged(world(), "x.example", "x.example")
    assert (found.result, found.policy, found.reason) == (
        "none",
        None,
        "there is no DMARC record",
    )
    zone = Zone({"_dmarc.x.example": {"TXT": [REJECT, REJECT + ";"]}}, is_world=True)
    assert "2 DMARC records" in (await judged(zone)).reason


async def test_a_policy_that_cannot_be_read_is_a_permanent_error() -> None:
    found = await judged(world(x_example="v=DMARC1; p=rejct"))
    assert found.result == "permerror"
    assert "p='rejct' is none of" in found.reason


@pytest.mark.parametrize("domains", [[], ["x.example", "y.example"], ["a..b"], [""]])
async def test_from_must_name_one_domain(domains: list[str]) -> None:
    found = await check_dmarc(world(), domains, spf=None, dkim=())
    assert (found.result, found.domain) == ("permerror", "")
    assert found.reason.startswith("From")


async def test_a_domain_is_the_same_in_both_spellings() -> None:
    zone = Zone({"_dmarc.xn--bcher-kva.example": {"TXT": REJECT}}, is_world=True)
    for vouched in "xn--bcher-kva.example", "bücher.Example", "BÜCHER.example.":
        found = await judged(zone, "Bücher.example", vouched)
        assert (found.result, found.domain) == ("pass", "xn--bcher-kva.example")


async def test_without_an_answer_the_verdict_waits() -> None:
    found = await judged(world(failing=("_dmarc.x.example",)))
    assert (found.result, found.reason) == (
        "temperror",
        "TXT of _dmarc.x.example: SERVFAIL",
    )
    # Whether the author's domain exists is asked only where it matters.
    failing = world(failing=("mail.x.example",), x_example=REJECT)
    assert (await judged(failing, "mail.x.example")).result == "temperror"
    failing = world(failing=("mail.x.example",), x_example="v=DMARC1; p=reject")
    assert (await judged(failing, "mail.x.example")).result == "fail"


async def test_what_is_aligned_beyond_doubt_passes_without_the_other_answers() -> None:
    zone = world(failing=("_dmarc.y.example", "_dmarc.example"), x_example=REJECT)
    found = await judged(zone, "x.example", "y.example", "x.example")
    assert found.result == "pass"
    assert (await judged(zone, "x.example", "y.example")).result == "temperror"


async def test_a_failure_is_not_certain_while_spf_or_dkim_is_not() -> None:
    zone = world(x_example=REJECT)
    found = await check_dmarc(zone, ["x.example"], spf=None, dkim=(), is_unsure=True)
    assert (found.result, found.disposition) == ("temperror", "none")
