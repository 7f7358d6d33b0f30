"""What a sender is told before it begins, and how it comes by secrets."""

from __future__ import annotations

import sys
import threading
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


def test_a_function_is_told_by_its_name_or_whole() -> None:
    account, told = Account(host="h.example"), {"x.example": "mx.example"}
    for domain_of in (told.get, lambda address: told[address]):
        pace = Pace(per_domain="5/min", domain_of=domain_of)
        secrets, octets, _ = packed(order(account, pace=pace))
        there = unpacked(secrets, octets, never).settings.pace
        assert there.domain_of("x.example") == "mx.example"


def test_what_no_other_process_can_be_told_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account, lock = Account(host="h.example"), threading.Lock()
    held = order(account, pace=Pace("5/min", domain_of=lambda _: str(lock)))
    with pytest.raises(LocalProtocolError, match="leave processes= out"):
        packed(held)
    secret = Secret("correct horse")
    held = order(account, pace=Pace("5/min", domain_of=lambda _: secret.reveal()))
    with pytest.raises(LocalProtocolError, match="is not pickled") as caught:
        packed(held)
    assert "correct" not in str(caught.value)
    monkeypatch.setitem(sys.modules, "cloudpickle", None)  # it is not installed
    with pytest.raises(LocalProtocolError, match="put it into a file of its own"):
        packed(order(account, pace=Pace("5/min", domain_of=lambda _: "mx.example")))
