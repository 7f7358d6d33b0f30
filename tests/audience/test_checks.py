"""A list is looked over by its rows, its domains and the parts that providers have."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import pandas as pd
import pytest

from smtpbook.audience.checks import CHECKS, check_recipients, volume_findings
from smtpbook.audience.domains import (
    Kind,
    MailDomain,
    domains_frame,
    mail_domains,
    unasked,
)
from smtpbook.codes.sender_rules import BULK
from smtpbook.lookup.answer import Answer
from smtpbook.lookup.zone import Zone
from smtpbook.recipients.read import read_recipients
from smtpbook.recipients.recipients import Recipients

ZONE: dict[str, dict[str, Any]] = {
    "gmail.com": {"MX": "5 gmail-smtp-in.l.google.com"},
    "firm.org": {"MX": ["10 aspmx.l.google.com", "20 alt1.aspmx.l.google.com"]},
    "own.org": {"MX": "10 mail.own.org"},
    "implicit.org": {"A": "192.0.2.7"},
    "never.org": {"MX": "0 ."},
}


def people(*addresses: str) -> Recipients:
    return read_recipients(pd.DataFrame({"email": addresses}))


def found(*addresses: str, **options: Any) -> dict[str, tuple[str, str]]:
    zone = Zone(ZONE, is_world=True)
    table = check_recipients(people(*addresses), **({"zone": zone} | options))
    table = table.astype({"verdict": "string"})
    rows = zip(table["check"], table["verdict"], table["evidence"], strict=True)
    return {check: (verdict, evidence) for check, verdict, evidence in rows}


@cache
def found_of_good() -> dict[str, tuple[str, str]]:
    return found("c@own.org")


def test_a_good_list_passes() -> None:
    said = found("a@gmail.com", "b@firm.org", "c@own.org", "d@implicit.org")
    assert {verdict for verdict, _ in said.values()} == {"pass"}
    assert said.keys() == {"list", "mail_domain", "null_mx", "bulk_volume"}
    assert said.keys() <= {check.name for check in CHECKS}
    assert said["bulk_volume"][1].startswith("Gmail 2 (50%); rules for many begin at")


@pytest.mark.parametrize(
    ("address", "check", "verdict"),
    [
        ("no", "list", "warn"),
        ("info@own.org", "role", "warn"),
        ("a@mailinator.com", "disposable", "warn"),
        ("a@gmial.com", "typo", "warn"),
        ("é@own.org", "smtputf8", "unknown"),
        ("a@own.test", "special_domain", "warn"),
        ("a@nowhere.org", "mail_domain", "fail"),
        ("a@never.org", "null_mx", "fail"),
    ],
)
def test_each_doubt_is_told(address: str, check: str, verdict: str) -> None:
    good = found_of_good()
    said = found("c@own.org", address)
    assert said[check][0] == verdict
    assert good.get(check, ("pass", ""))[0] == "pass"


def test_a_duplicate_is_counted_and_harmless() -> None:
    assert found("c@own.org", "C@own.org")["list"] == (
        "pass",
        "2 rows read, 1 in the list; not in it: 1 duplicate",
    )


def test_domains_that_take_no_mail_are_counted_with_their_recipients() -> None:
    said = found("a@x.org", "b@x.org", "c@y.org", "d@never.org", "e@own.org")
    assert said["mail_domain"][1] == (
        "3 recipients at 2 domains (x.org, y.org): no server takes their mail"
    )
    assert said["null_mx"][1].startswith("1 recipient at 1 domain (never.org)")


def test_what_the_dns_does_not_say_is_unknown() -> None:
    zone = Zone(ZONE, failing={"own.org": "SERVFAIL"})
    verdict, evidence = found("e@own.org", zone=zone)["mail_domain"]
    assert verdict == "unknown"
    assert "SERVFAIL" in evidence


def test_only_the_largest_domains_are_asked_and_the_rest_is_told() -> None:
    said = found("a@own.org", "b@own.org", "c@gmail.com", max_domains=1)
    assert said["mail_domain"] == ("pass", "1 domain has a server that takes mail")
    table = check_recipients(
        people("a@own.org", "b@own.org", "c@gmail.com"), zone=ZONE, max_domains=1
    )
    evidence = table.loc[table["verdict"] == "unknown", "evidence"].tolist()
    assert evidence == ["1 recipient at 1 domain (gmail.com): not asked"]


class Counting:
    """An asker that counts, and is silent about some."""

    def __init__(self, zone: Mapping[str, Any]) -> None:
        self._zone = Zone(zone, is_world=True)
        self.asked: list[tuple[str, str]] = []

    async def ask(self, name: str, record: str) -> Answer:
        self.asked.append((name, record))
        return await self._zone.ask(name, record)


def test_each_domain_is_asked_once() -> None:
    asker = Counting(ZONE)
    many = people(*(f"p{n}@own.org" for n in range(500)), "a@gmail.com")
    table = mail_domains(many, zone=asker)
    assert sorted(asker.asked) == [("gmail.com", "MX"), ("own.org", "MX")]
    assert table[["domain", "recipients", "kind"]].to_numpy().tolist() == [
        ["own.org", 500, "mx"],
        ["gmail.com", 1, "mx"],
    ]


def test_nobody_is_asked_offline_and_big_providers_are_known_by_name() -> None:
    table = mail_domains(people("a@gmail.com", "b@own.org"), online=False)
    assert table["kind"].tolist() == ["unasked", "unasked"]
    assert table["provider"].astype("string").fillna("-").tolist() == ["gmail", "-"]
    assert table["server"].isna().all()
    said = found("a@absent.org", zone=None, online=False)
    assert said.keys() == {"list", "bulk_volume"}


@pytest.mark.parametrize(
    ("own", "kind", "verdict"),
    [
        (BULK, "unasked", "unknown"),
        (BULK, "error", "unknown"),
        (BULK, "mx", "pass"),
        (BULK, "none", "pass"),
        (BULK - 11, "unasked", "pass"),
        (BULK - 10, "unasked", "unknown"),
    ],
)
def test_a_volume_of_which_nobody_knows_where_it_goes_does_not_pass(
    own: int, kind: Kind, verdict: str
) -> None:
    domains = [
        *unasked({"gmail.com": 10}),
        MailDomain(domain="own.org", recipients=own, kind=kind, server="mx.own.org"),
    ]
    (finding,) = volume_findings(domains_frame(domains))
    assert finding.verdict == verdict


@pytest.mark.parametrize(
    ("gmail", "verdict"), [(BULK - 1, "pass"), (BULK, "warn"), (BULK + 1, "warn")]
)
def test_five_thousand_at_one_provider_bring_its_rules(gmail: int, verdict: str) -> None:
    own = MailDomain(domain="own.org", recipients=20_000, kind="mx", server="mx.own.org")
    domains = [*unasked({"gmail.com": gmail}), own]
    (finding,) = volume_findings(domains_frame(domains))
    assert finding.verdict == verdict
    assert f"Gmail {gmail:,} (20%)" in finding.evidence


def test_an_empty_list_is_looked_over() -> None:
    assert found()["list"][0] == "pass"
