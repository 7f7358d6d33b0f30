"""What a worker may be told, and what many senders cannot do."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from smtpbook.accounts.account import Account
from smtpbook.accounts.client_certificate import ClientCertificate
from smtpbook.accounts.passwords import FromEnvironment, FromPrompt
from smtpbook.cluster.order import Order, check_order, dealt
from smtpbook.cluster.workers import check_told
from smtpbook.delivery.arms import Arm, Arms, Way
from smtpbook.delivery.settings import Settings
from smtpbook.errors import LocalProtocolError
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pace
from smtpbook.unsubscribe import Unsubscribe


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


def arms(**way: Any) -> Arms:
    return Arms({"one": Arm(), "other": Arm(way=Way(**way))})


@pytest.mark.parametrize(
    ("told", "named"),
    [
        (Settings(arms=arms(pace=Pace("5/min"))), "paces or hours of their own"),
        (Settings(connections=1, arms=arms(pipelining="off")), "give connections=2"),
    ],
)
def test_what_needs_one_sender_is_refused(told: Settings, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        check_order({account(None): 1.0}, told)


def test_a_secret_in_an_experiments_letter_is_refused_and_not_shown() -> None:
    leaving = Unsubscribe(url="https://x.example/u", secret=b"correct horse battery")
    letter = Template(
        header_from="Ann <ann@x.test>", subject="s", text="Come.", unsubscribe=leaving
    )
    told = Settings(arms=Arms({"one": Arm(), "other": Arm(letter={"letter": letter})}))
    with pytest.raises(LocalProtocolError, match="unsubscribe is given as") as caught:
        check_told(told)
    assert "correct" not in str(caught.value)


def test_each_sender_has_a_connection_for_each_account_by_each_way() -> None:
    two = {account(None): 1.0, Account(host="other.example"): 1.0}
    told = Settings(connections=7, arms=arms(pipelining="off"))
    order = Order(folder=Path("/c"), accounts=two, settings=told, send="1")
    assert order.least == 4
    assert dealt(7, 3, order.least) == [7]
