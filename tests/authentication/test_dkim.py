"""DKIM with keys from the DNS: what may go wrong on the way to a key is told apart."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from smtpbook.authentication.dkim import verify_dkim
from smtpbook.lookup.zone import Zone
from tests.dkim.keys import records, signer

MESSAGE = b"From: Ann <ann@x.example>\r\nTo: bob@y.example\r\n\r\nhi\r\n"
NAME = "ed25519._domainkey.x.example"
KEY = records(signer())[NAME].strip('"')
SIGNED = signer().sign(MESSAGE)


def zone(*values: str, failing: tuple[str, ...] = ()) -> Zone:
    data = {NAME: {"TXT": list(values)}, "x.example": {"A": "192.0.2.1"}}
    return Zone(data, is_world=True, failing=failing)


async def test_a_message_that_is_not_signed_asks_nothing() -> None:
    assert await verify_dkim(MESSAGE, zone()) == ()


@pytest.mark.parametrize(
    ("values", "result", "said"),
    [
        ([KEY], "pass", "the signature is right"),
        (["v=spf1 -all", KEY], "pass", "the signature is right"),
        ([], "permerror", "there is no record"),
        (["v=spf1 -all"], "permerror", "begin with v=DKIM1"),
        ([KEY, KEY + ";"], "permerror", "there are 2 records"),
        (["v=DKIM1; p="], "permerror", "revoked"),
        (["v=DKIM1; k=ed25519; p=\udcff"], "permerror", "p="),
    ],
)
async def test_keys(values: list[str], result: str, said: str) -> None:
    (found,) = await verify_dkim(SIGNED, zone(*values))
    assert (found.result, found.domain) == (result, "x.example")
    assert said in found.reason


async def test_a_key_for_which_there_is_no_answer_may_be_had_later() -> None:
    (found,) = await verify_dkim(SIGNED, zone(failing=(NAME,)))
    assert found.result == "temperror"
    assert found.reason == f"the key at {NAME} could not be had: SERVFAIL"


async def test_each_signature_has_its_own_result() -> None:
    rsa = signer("rsa")
    data = rsa.sign(SIGNED)
    known = Zone({NAME: {"TXT": KEY}}, failing=["rsa._domainkey.x.example"])
    found = await verify_dkim(data, known)
    assert [(one.selector, one.result) for one in found] == [
        ("rsa", "temperror"),
        ("ed25519", "pass"),
    ]


async def test_a_signature_that_cannot_be_read_asks_nothing() -> None:
    data = b"DKIM-Signature: v=1; nonsense\r\n" + MESSAGE
    (found,) = await verify_dkim(data, Zone({}, failing=["x.example"]))
    assert found.result == "permerror"


async def test_an_expired_signature() -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    data = signer(expire_s=60).sign(MESSAGE, date=long_ago)
    assert (await verify_dkim(data, zone(KEY), date=long_ago))[0].result == "pass"
    assert (await verify_dkim(data, zone(KEY)))[0].result == "fail"
