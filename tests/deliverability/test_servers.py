"""Servers are asked only where that was said, and never get a message."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from smtpbook.accounts.account import Account
from smtpbook.deliverability.case import Case
from smtpbook.deliverability.own_mail import own_mail
from smtpbook.deliverability.relay import relay
from smtpbook.deliverability.tls_policies import mta_sts
from smtpbook.findings import Said
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.lookup.zone import Zone
from smtpbook.runner import SENDER

HERE = Zone({"x.example": {"MX": "10 mx.x.example"}, "mx.x.example": {"A": "127.0.0.1"}})


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


def case(**fields: Any) -> Case:
    return Case(domain="x.example", given="x.example", asker=HERE, **fields)


def nobody_at() -> int:
    """Give a port where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
    return port


def asked(lab: Lab) -> Said:
    of_lab = case(probes_mx=True, mx_port=lab.port, helo="mail.x.example")
    (said,) = SENDER.run(own_mail, of_lab)
    return said


# --- the domain's own mail hosts ----------------------------------------------------------


def test_a_host_that_takes_bounces_and_both_mailboxes_is_well(lab: Lab) -> None:
    said = asked(lab)
    assert said.verdict == "pass"
    assert '"postmaster@x.example", "abuse@x.example"' in said.evidence


def test_nothing_is_said_beyond_rcpt(lab: Lab) -> None:
    asked(lab)
    verbs = lab.log.loc[lab.log["kind"] == "command", "verb"].tolist()
    assert verbs[:3] == ["EHLO", "STARTTLS", "EHLO"]
    assert verbs[3:] == ["MAIL", "RCPT", "RCPT", "RSET", "QUIT"]
    assert lab.received == []


def test_a_mailbox_that_is_refused_for_good_fails(lab: Lab) -> None:
    lab.set("abuse@*", rcpt=Behaviour(reply="550 5.1.1 no such user"))
    said = asked(lab)
    assert said.verdict == "fail"
    assert "RCPT TO:<abuse@x.example>: 550 5.1.1 no such user" in said.evidence
    assert said.remedy == "have abuse@x.example reach somebody"


def test_a_mailbox_that_is_put_off_is_a_warning(lab: Lab) -> None:
    lab.set("abuse@*", rcpt=Behaviour(reply="452 4.2.2 mailbox full"))
    assert asked(lab).verdict == "warn"


def test_a_host_that_takes_no_bounces_fails(lab: Lab) -> None:
    lab.set(mail=Behaviour(reply="550 5.7.1 no null senders"))
    said = asked(lab)
    assert said.verdict == "fail"
    assert said.remedy == "let it take bounces"


@pytest.mark.parametrize(
    "reply",
    [
        "554 5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org",
        "450 4.2.0 Greylisted, please try again in 300 seconds",
        "550 5.7.25 Client host rejected: cannot find your reverse hostname",
    ],
)
@pytest.mark.parametrize("verb", ["mail", "rcpt"])
def test_a_refusal_of_whoever_asks_says_nothing_of_the_domain(
    lab: Lab, verb: str, reply: str
) -> None:
    lab.set(**{verb: Behaviour(reply=reply)})
    of_lab = case(probes_mx=True, mx_port=lab.port, helo="mail.x.example")
    assert {one.verdict for one in SENDER.run(own_mail, of_lab)} == {"unknown"}


def test_a_host_that_cannot_be_reached_is_unknown() -> None:
    (said,) = SENDER.run(own_mail, case(probes_mx=True, mx_port=nobody_at()))
    assert said.verdict == "unknown"
    assert said.evidence.startswith("mx.x.example: ")


# --- the web server of an MTA-STS policy --------------------------------------------------


@pytest.mark.parametrize(
    ("failing", "verdict"), [((), "fail"), (("mta-sts.x.example",), "unknown")]
)
def test_a_policy_whose_server_is_not_found_from_here_is_not_known(
    failing: tuple[str, ...], verdict: str
) -> None:
    records = {"_mta-sts.x.example": {"TXT": "v=STSv1; id=1"}}
    zone = Zone(records, failing=failing)
    nobody = Case(domain="x.example", given="x.example", asker=zone, fetches=True)
    (said,) = SENDER.run(mta_sts, nobody)
    assert said.verdict == verdict
    assert said.evidence.startswith("https://mta-sts.x.example/.well-known/mta-sts.txt: ")


def test_the_policy_of_another_domain_says_nothing_of_this_one() -> None:
    zone = Zone({"_mta-sts.x.example": {"TXT": "v=STSv1; id=1"}})
    given = {"y.example": "version: STSv1"}
    other = Case(domain="x.example", given="x.example", asker=zone, policies=given)
    (said,) = SENDER.run(mta_sts, other)
    assert said.verdict == "unknown"
    assert said.remedy == "check_domain(…, policies={domain: text})"


# --- where the mail is handed in ----------------------------------------------------------


def test_a_server_with_tls_and_a_valid_certificate_is_well() -> None:
    with Lab(tls="starttls") as lab:
        (said,) = SENDER.run(relay, case(account=lab.account))
    assert said.verdict == "pass"
    assert "TLSv1.3, certificate by " in said.evidence


@pytest.mark.parametrize(("octets", "verdict"), [(1000, "pass"), (1001, "fail")])
def test_the_size_that_the_server_takes_is_compared(octets: int, verdict: str) -> None:
    with Lab(tls="starttls", max_size_bytes=1000) as lab:
        _, said = SENDER.run(relay, case(account=lab.account, mail=b"x" * octets))
    assert said.verdict == verdict
    assert f"takes 1,000 octets (SIZE), the message has {octets:,}" in said.evidence


def test_a_certificate_that_nobody_knows_fails() -> None:
    with Lab(tls="starttls") as lab:
        strange = Account(host="127.0.0.1", port=lab.port, tls="starttls")
        (said,) = SENDER.run(relay, case(account=strange))
    assert said.verdict == "fail"
    assert "self-signed authority" in said.evidence


def test_a_server_that_cannot_be_reached_says_nothing_of_its_tls() -> None:
    account = Account(host="127.0.0.1", port=nobody_at(), tls="none")
    (said,) = SENDER.run(relay, case(account=account))
    assert said.verdict == "unknown"
