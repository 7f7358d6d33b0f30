"""Direct sends and TLS: what domains promise is kept, or their mail stays here."""

from __future__ import annotations

import hashlib
import itertools
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.delivery.run import Run
from smtpbook.errors import DeferredError, RejectedError, TLSError
from smtpbook.lab.behaviours import Behaviour, Seen
from smtpbook.lab.lab import Lab
from smtpbook.lookup.zone import Zone
from smtpbook.messages.template import Template
from smtpbook.relaying.opening import open_session_to
from smtpbook.session.session import open_session
from tests.direct.conftest import US, people_at

POLICY = "version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 86400\n"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A server whose certificate is for ``localhost``."""
    with Lab() as lab:
        yield lab


@pytest.fixture(autouse=True)
def _nothing_received_yet(lab: Lab) -> None:
    lab.clear()


def zone_of(host: str = "localhost", **records: Any) -> dict[str, dict[str, Any]]:
    """Give the zone data of ``x.example``, whose server is the lab by some name."""
    return {
        "x.example": {"MX": f"10 {host}"},
        host: {"A": "127.0.0.1"},
    } | records


ANNOUNCED = {"_mta-sts.x.example": {"TXT": "v=STSv1; id=1"}}


def account_for(lab: Lab, zone: Any, **changes: Any) -> Account:
    """Give an account that sends to that server."""
    names = ("localhost", "mx.x.example")
    given = {"ca_file": lab.ca_file, "per_host": None, "is_lab": True}
    ports = dict.fromkeys(names, lab.port)
    return Account.direct(US, zone=zone, ports=ports, **given | changes)


def send(account: Account, letter: Template, each: int = 1) -> Run:
    campaign = Campaign(
        "c", account, people_at("x.example", each=each), letter, folder=None
    )
    return campaign.send(progress=False)


def fields(run: Run) -> list[tuple[Any, ...]]:
    """Give what the report on TLS says, in short."""
    report = run.tls_report().drop(columns=["domain", "reason", "sessions"])
    return [
        tuple(None if pd.isna(cell) else cell for cell in row)
        for row in report.itertuples(index=False)
    ]


def spki(lab: Lab) -> str:
    """Give the SHA-256 of the key of the lab's certificate."""

    async def ask() -> bytes:
        account = lab.account.replace(tls="starttls", port=lab.port, ca_file=lab.ca_file)
        async with open_session(account) as session:
            return session.certificates[0]

    key = x509.load_der_x509_certificate(trio.run(ask)).public_key()
    octets = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(octets).hexdigest()


def once() -> Callable[[Seen], bool]:
    """Give what says yes the first time only."""
    answers = itertools.chain([True], itertools.repeat(False))
    return lambda _: next(answers)


# --- nobody has promised anything ---------------------------------------------------------


def test_tls_is_spoken_where_it_is_offered_whatever_the_certificate(
    lab: Lab, letter: Template
) -> None:
    run = send(account_for(lab, zone_of("mx.x.example")), letter, each=3)
    assert run.counts["accepted"] == 3
    assert run.log[run.log["outcome"] == "accepted"]["tls_version"].notna().all()
    assert fields(run) == [("no-policy-found", "mx.x.example", None)]


def test_where_tls_does_not_work_the_mail_goes_in_clear_text(letter: Template) -> None:
    zone = zone_of("mx.x.example")
    with Lab() as lab:
        assert lab._shared.tls is not None
        lab._shared.tls.minimum_version = ssl.TLSVersion.TLSv1_3
        run = send(account_for(lab, zone, tls_version="1.2"), letter)
    assert run.counts["accepted"] == 1
    assert fields(run) == [("no-policy-found", "mx.x.example", "validation-failure")]
    assert run.log[run.log["outcome"] == "accepted"]["tls_version"].isna().all()


# --- MTA-STS ------------------------------------------------------------------------------


def test_a_policy_that_is_kept_lets_the_mail_go(lab: Lab, letter: Template) -> None:
    policies = {"x.example": POLICY.format(mode="enforce", mx="localhost")}
    run = send(account_for(lab, zone_of(**ANNOUNCED), policies=policies), letter)
    assert run.counts["accepted"] == 1
    assert fields(run) == [("sts", "localhost", None)]


@pytest.mark.parametrize(
    ("mode", "came", "reported"),
    [("enforce", "failed", 1), ("testing", "accepted", 2)],
)
def test_a_certificate_for_another_name_breaks_an_enforced_policy_only(
    mode: str, came: str, reported: int, lab: Lab, letter: Template
) -> None:
    policies = {"x.example": POLICY.format(mode=mode, mx="mx.x.example")}
    run = send(
        account_for(lab, zone_of("mx.x.example", **ANNOUNCED), policies=policies),
        letter,
        each=4,
    )
    assert run.counts[came] == 4
    assert len(lab.received) == (4 if came == "accepted" else 0)
    assert ("sts", "mx.x.example", "certificate-host-mismatch") in fields(run)
    assert len(fields(run)) == reported
    if came == "failed":
        assert set(run.log[run.log["kind"] == "outcome"]["error"]) == {
            "UnprovedError"
        } or set(run.log[run.log["kind"] == "outcome"]["error"]) == {"TLSError"}


def test_a_server_that_offers_no_tls_breaks_an_enforced_policy(letter: Template) -> None:
    policies = {"x.example": POLICY.format(mode="enforce", mx="localhost")}
    with Lab("stripped-starttls") as lab:
        run = send(account_for(lab, zone_of(**ANNOUNCED), policies=policies), letter)
        assert run.counts["failed"] == 1
        assert not lab.received
    assert fields(run) == [("sts", "localhost", "starttls-not-supported")]
    assert "MAIL" not in set(run.log["verb"].dropna())


def test_a_server_that_the_policy_does_not_name_is_not_connected_to(
    lab: Lab, letter: Template
) -> None:
    policies = {"x.example": POLICY.format(mode="enforce", mx="other.example")}
    run = send(account_for(lab, zone_of(**ANNOUNCED), policies=policies), letter)
    assert run.counts["failed"] == 1
    assert not (run.log["kind"] == "connect").any()
    assert fields(run) == [("sts", "localhost", "validation-failure")]


def test_a_policy_that_cannot_be_had_is_reported_and_keeps_no_mail_back(
    lab: Lab, letter: Template
) -> None:
    run = send(account_for(lab, zone_of(**ANNOUNCED)), letter)
    assert run.counts["accepted"] == 1
    assert fields(run) == [
        ("no-policy-found", "localhost", None),
        ("sts", None, "sts-policy-fetch-error"),
    ]


# --- DANE ---------------------------------------------------------------------------------


@pytest.mark.parametrize("is_right", [True, False])
def test_the_servers_key_has_to_be_the_one_its_records_name(
    is_right: bool, lab: Lab, letter: Template
) -> None:
    record = {"TLSA": f"3 1 1 {spki(lab) if is_right else 'ab' * 32}"}
    zone = Zone(zone_of("mx.x.example", **{"_25._tcp.mx.x.example": record}), secure=True)
    run = send(account_for(lab, zone), letter, each=3)
    assert run.counts["accepted" if is_right else "failed"] == 3
    assert len(lab.received) == (3 if is_right else 0)
    failure = None if is_right else "certificate-not-trusted"
    assert fields(run) == [("tlsa", "mx.x.example", failure)]
    if not is_right:
        assert "MAIL" not in set(run.log["verb"].dropna())


def test_where_records_promise_tls_nothing_goes_in_clear_text(letter: Template) -> None:
    with Lab("stripped-starttls") as lab:
        record = {"TLSA": f"3 1 1 {'ab' * 32}"}
        data = zone_of("mx.x.example", **{"_25._tcp.mx.x.example": record})
        run = send(account_for(lab, Zone(data, secure=True)), letter)
        assert run.counts["failed"] == 1
        assert not lab.received
    assert fields(run) == [("tlsa", "mx.x.example", "starttls-not-supported")]


# --- a session by hand --------------------------------------------------------------------


async def test_a_session_is_opened_with_the_server_that_lets_us_in(lab: Lab) -> None:
    zone = zone_of() | {"x.example": {"MX": ["5 gone.example", "10 localhost"]}}
    zone["gone.example"] = {"A": "127.0.0.1"}
    account = account_for(lab, zone).replace(port=lab.port)
    lab.set(greeting=Behaviour(drop=True, when=once()))
    async with open_session_to("x.example", account) as session:
        assert session.account.host == "localhost"
        assert session.is_secure


async def test_what_no_server_is_for_is_said_by_an_error(lab: Lab) -> None:
    account = account_for(lab, Zone({"x.example": {"MX": "0 ."}}))
    with pytest.raises(RejectedError, match="takes no mail"):
        async with open_session_to("x.example", account):
            pass
    lab.set(greeting=Behaviour(reply="421 4.3.2 Not now", close=True))
    with pytest.raises(DeferredError):
        async with open_session_to("x.example", account_for(lab, zone_of())):
            pass
    lab.set(greeting=None)
    policies = {"x.example": POLICY.format(mode="enforce", mx="mx.x.example")}
    with pytest.raises(TLSError):
        async with open_session_to(
            "x.example",
            account_for(lab, zone_of("mx.x.example", **ANNOUNCED), policies=policies),
        ):
            pass
    with pytest.raises(ValueError, match="open_session"):
        async with open_session_to("x.example", lab.account):
            pass
    await trio.lowlevel.checkpoint()
