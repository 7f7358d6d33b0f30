"""What a worker may be told, and what many senders cannot do."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from smtpbook.accounts.account import Account
from smtpbook.accounts.client_certificate import ClientCertificate
from smtpbook.accounts.passwords import FromEnvironment, FromPrompt
from smtpbook.cluster.order import Order, check_order
from smtpbook.delivery.settings import Settings
from smtpbook.errors import LocalProtocolError
from smtpbook.pacing.pace import Pace


def account(password: object) -> Account:
    return Account(host="h.example", username="ann", password=password)  # type: ignore[arg-type]


@pytest.mark.parametrize("password", ["correct horse", FromPrompt()])
def test_a_password_that_only_this_process_knows_is_refused_with_the_way_out(
    password: object,
) -> None:
    with pytest.raises(LocalProtocolError, match="FromEnvironment") as caught:
        check_order({account(password): 1.0}, Settings())
    assert "correct horse" not in str(caught.value)


@pytest.mark.parametrize(
    ("named", "more"),
    [
        ("proxy's password", {"proxy": "socks5h://ann:correct-horse@proxy.example:1080"}),
        (
            "certificate's passphrase",
            {
                "client_certificate": ClientCertificate(
                    file="a.pem", passphrase="correct-horse"
                )
            },
        ),
    ],
)
def test_so_is_any_other_secret_of_an_account(named: str, more: dict[str, Any]) -> None:
    one = Account(host="h.example", **more)
    with pytest.raises(LocalProtocolError, match=named) as caught:
        check_order({one: 1.0}, Settings())
    assert "correct-horse" not in str(caught.value)


@pytest.mark.parametrize("password", [None, FromEnvironment("MAIL_PASSWORD")])
def test_an_order_travels_with_what_finds_the_password_and_without_the_password(
    password: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", "correct horse")
    accounts = {account(password): 1.0}
    check_order(accounts, Settings())
    order = Order(folder=Path("/c"), accounts=accounts, settings=Settings(), send="1")
    octets = pickle.dumps(order)
    assert b"correct horse" not in octets
    assert pickle.loads(octets) == order


@pytest.mark.parametrize(
    ("pace", "named"),
    [
        (Pace("adaptive"), "one sender"),
        (Pace(per_domain="5/min", domain_of=lambda _: "mx"), "domain_of"),
    ],
)
def test_a_pace_that_needs_one_sender_is_refused(pace: Pace, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        check_order({account(None): 1.0}, Settings(pace=pace))
