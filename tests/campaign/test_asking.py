"""A preflight that may ask looks at the sender, at the list's domains and at the rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
import trio

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.content.checks import CHECKS as MESSAGE
from smtpbook.deliverability.checks import CHECKS as SENDER_CHECKS
from smtpbook.dkim.signer import DkimSigner
from smtpbook.lab.lab import Lab
from smtpbook.lookup.answer import Answer
from smtpbook.lookup.zone import Zone
from smtpbook.messages.template import Template
from smtpbook.unsubscribe import Unsubscribe

WORK = Account(host="smtp.work.org", username="ann@work.org", password="horse")
PEOPLE = pd.DataFrame(
    {
        "email": [
            *("a@gmail.com", "b@gmail.com", "c@yahoo.com", "d@firm.org", "e@never.org"),
            "f@nowhere.org",
        ],
        "first_name": list("ABCDEF"),
    }
)
STRANGE = "192.0.2.77"  # which SPF does not name
TEXT = """\
Dear {{ first_name }}, the doors open on Friday, and there will be tea.

Unsubscribe: {{ unsubscribe_url }}

Ann, Herrengasse 1, 8010 Graz
"""


@pytest.fixture(scope="module")
def signer() -> DkimSigner:
    return DkimSigner.generate("work.org", "s")


@pytest.fixture
def letter(signer: DkimSigner) -> Template:
    return Template(
        header_from="Ann <ann@work.org>",
        subject="The doors open",
        text=TEXT,
        sign=signer,
        unsubscribe=Unsubscribe(url="https://work.org/leave", secret=bytes(16)),
    )


@pytest.fixture
def zone(signer: DkimSigner) -> dict[str, dict[str, Any]]:
    name, record = signer.dns_record
    return {
        "work.org": {"MX": "10 mx.work.org", "TXT": "v=spf1 ip4:192.0.2.9 -all"},
        "mx.work.org": {"A": "192.0.2.8"},
        "out.work.org": {"A": "192.0.2.9"},
        "9.2.0.192.in-addr.arpa": {"PTR": "out.work.org"},
        "_dmarc.work.org": {"TXT": "v=DMARC1; p=none; rua=mailto:dmarc@work.org"},
        name: {"TXT": record},
        "gmail.com": {"MX": "5 gmail-smtp-in.l.google.com"},
        "yahoo.com": {"MX": "1 mta5.am0.yahoodns.net"},
        "firm.org": {"MX": "10 aspmx.l.google.com"},
        "never.org": {"MX": "0 ."},
    }


def looked_at(table: pd.DataFrame, check: str) -> list[tuple[str, str]]:
    some = table[table["check"] == check].astype({"verdict": "string"})
    return list(zip(some["verdict"], some["evidence"], strict=True))


def test_sender_message_list_and_rules_stand_in_one_table(
    letter: Template, zone: dict[str, dict[str, Any]]
) -> None:
    campaign = Campaign("c", WORK, PEOPLE, letter, folder=None)
    table = campaign.preflight(zone=Zone(zone, is_world=True), ip="192.0.2.9")
    missing = {one.name for one in (*SENDER_CHECKS, *MESSAGE)} - set(table["check"])
    assert missing == {"links_resolve"}
    for check in (
        "spf_result",
        "dkim_signature",
        "dmarc_result",
        "reverse_dns",
        "one_click",
    ):
        assert {verdict for verdict, _ in looked_at(table, check)} == {"pass"}, check
    ((verdict, evidence),) = looked_at(table, "mail_domain")
    assert (verdict, "nowhere.org" in evidence) == ("fail", True)
    assert looked_at(table, "null_mx")[0][0] == "fail"
    assert looked_at(table, "bulk_volume")[0][1].startswith(
        "Gmail 3 (50%), Yahoo and AOL 1"
    )
    rules = [evidence for _, evidence in looked_at(table, "requirements")]
    assert [said.partition(":")[0] for said in rules] == ["Gmail", "Yahoo and AOL"]
    assert all("not met" not in said for said in rules)
    assert table["verdict"].is_monotonic_increasing


def test_a_rule_that_is_not_met_is_named(
    letter: Template, zone: dict[str, dict[str, Any]]
) -> None:
    campaign = Campaign("c", WORK, PEOPLE, letter, folder=None)
    del zone["9.2.0.192.in-addr.arpa"]
    table = campaign.preflight(zone=Zone(zone, is_world=True), ip="192.0.2.9")
    verdicts = {verdict for verdict, _ in looked_at(table, "requirements")}
    assert verdicts == {"fail"}
    assert "not met: reverse_dns" in looked_at(table, "requirements")[0][1]


@pytest.mark.parametrize("ip", [None, "192.0.2.9", STRANGE])
def test_a_letter_that_the_server_may_sign_yet_breaks_no_rule_of_dkim(
    zone: dict[str, dict[str, Any]], ip: str | None
) -> None:
    letter = Template(header_from="Ann <ann@work.org>", subject="s", text=TEXT[:40])
    campaign = Campaign("c", WORK, PEOPLE, letter, folder=None)
    table = campaign.preflight(zone=zone, ip=ip)
    for check in ("dkim_signature", "dkim_aligned"):
        assert {verdict for verdict, _ in looked_at(table, check)} == {"unknown"}
    assert "fail" not in {verdict for verdict, _ in looked_at(table, "dmarc_result")}
    if ip != STRANGE:
        rules = [said for _, said in looked_at(table, "requirements")]
        assert not any("not met" in said for said in rules)


def test_a_direct_send_is_signed_by_nobody_else(zone: dict[str, dict[str, Any]]) -> None:
    letter = Template(header_from="Ann <ann@work.org>", subject="s", text=TEXT[:40])
    with pytest.warns(UserWarning, match="own servers"):
        account = Account.direct(helo="out.work.org")
    table = Campaign("c", account, PEOPLE, letter, folder=None).preflight(zone=zone)
    assert {verdict for verdict, _ in looked_at(table, "dkim_signature")} == {"fail"}


def test_the_next_step_is_one_of_preflight(
    letter: Template, zone: dict[str, dict[str, Any]]
) -> None:
    table = Campaign("c", WORK, PEOPLE, letter, folder=None).preflight(zone=zone)
    steps = table.set_index("check")["remedy"]
    assert steps["spf_result"] == "campaign.preflight(…, ip=…)"
    assert steps["relay"] == "campaign.preflight(…, online=True)"


def test_nobody_is_asked_unless_it_is_said(letter: Template) -> None:
    table = Campaign("c", WORK, PEOPLE, letter, folder=None).preflight()
    assert not {one.name for one in SENDER_CHECKS} & set(table["check"])
    assert not {"mail_domain", "null_mx", "requirements"} & set(table["check"])


def test_the_accounts_server_is_connected_to_only_online(
    letter: Template, zone: dict[str, dict[str, Any]], lab: Lab
) -> None:
    campaign = Campaign("c", lab.account, PEOPLE, letter, folder=None)
    campaign.preflight(zone=zone)
    assert lab._shared.sessions == 0
    table = campaign.preflight(zone=zone, online=True)
    assert lab._shared.sessions == 1
    assert looked_at(table, "relay")
    assert lab.received == []


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


def test_what_is_no_address_is_refused(letter: Template) -> None:
    campaign = Campaign("c", WORK, PEOPLE, letter, folder=None)
    with pytest.raises(ValueError, match="192"):
        campaign.preflight(zone={}, ip="192.0.2")


class Silent:
    """Name servers that never answer but for a count."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    async def ask(self, name: str, record: str) -> Answer:
        self.asked.add(name)
        await trio.lowlevel.checkpoint()
        return Answer(name=name, record=record, status="error", error="no answer")


def test_of_many_domains_a_thousand_are_asked() -> None:
    people = pd.DataFrame({"email": [f"p{n}@d{n}.org" for n in range(1100)]})
    letter = Template(header_from="a@work.org", subject="s", text="t")
    asker = Silent()
    campaign = Campaign("c", WORK, people, letter, folder=None)
    table = campaign.preflight(zone=asker, progress=False)
    assert sum(bool(re.fullmatch(r"d\d+[.]org", name)) for name in asker.asked) == 1000
    said = dict(reversed(looked_at(table, "mail_domain")))
    assert said.keys() == {"unknown"}
    evidence = " ".join(text for _, text in looked_at(table, "mail_domain"))
    assert "1,000 recipients at 1,000 domains" in evidence
    assert "100 recipients at 100 domains" in evidence
    assert "not asked" in evidence


def test_a_letter_that_cannot_be_made_still_has_its_list_asked(
    zone: dict[str, dict[str, Any]],
) -> None:
    letter = Template(header_from="a@work.org", subject="{{ nope }}", text="t")
    table = Campaign("c", WORK, PEOPLE, letter, folder=None).preflight(zone=zone)
    assert looked_at(table, "letters")[0][0] == "fail"
    assert looked_at(table, "null_mx")[0][0] == "fail"
    assert not looked_at(table, "spf_result")
