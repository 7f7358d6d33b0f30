"""What a sender is told before it begins, and how it comes by secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtpbook.accounts.account import Account
from smtpbook.accounts.client_certificate import ClientCertificate
from smtpbook.accounts.passwords import revealed
from smtpbook.accounts.secret import Secret
from smtpbook.delivery.settings import Settings
from smtpbook.errors import LocalProtocolError
from smtpbook.pacing.pace import Pace
from smtpbook.processes.order import Order, packed, unpacked


def order(account: Account, **more: object) -> Order:
    settings = Settings(**more)  # type: ignore[arg-type]
    return Order(
        folder=Path("/c"),
        accounts={account: 1.0},
        settings=settings,
        log="1",
        company=2,
        began=0.0,
    )


def never(number: int) -> Secret:
    raise AssertionError


def test_secrets_are_told_aside_and_are_secrets_again() -> None:
    account = Account(
        host="h.example",
        username="ann",
        password="correct horse",
        proxy="socks5h://ann:battery@proxy.example:1080",
        client_certificate=ClientCertificate(file="a.pem", passphrase="staple"),
    )
    told = order(account)
    secrets, octets, _ = packed(told)
    for text in ("correct horse", "battery", "staple"):
        assert text in secrets.reveal()
        assert text.encode() not in octets
    assert unpacked(secrets, octets, never) == told


def test_a_callable_stays_here_and_is_asked_from_there() -> None:
    def token() -> str:  # no pickle could hold it
        return "correct horse"

    token.mechanisms = ("XOAUTH2",)  # type: ignore[attr-defined]
    account = Account(host="h.example", username="ann", password=token)
    secrets, octets, places = packed(order(account))
    assert "correct horse" not in secrets.reveal()
    assert b"correct horse" not in octets
    asked: list[int] = []

    def ask(number: int) -> Secret:
        asked.append(number)
        found = revealed(places[number])
        assert found is not None
        return found

    (there,) = unpacked(secrets, octets, ask).accounts
    assert asked == []
    assert there.secret() == Secret("correct horse")
    assert getattr(there.password, "mechanisms", None) == ("XOAUTH2",)


def test_what_no_other_process_can_be_told_is_refused() -> None:
    told = order(
        Account(host="h.example"), pace=Pace("5/min", domain_of=lambda _: "mx.example")
    )
    with pytest.raises(LocalProtocolError, match="leave processes= out"):
        packed(told)
