"""Direct accounts: what they say, what does not go with them, what a file keeps of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from smtpbook.accounts.account import Account
from smtpbook.accounts.store import load_account, save_account
from smtpbook.errors import LocalProtocolError
from smtpbook.session.session import open_session

US = "mail.sender.example"
LAB = Account.direct(US, zone={}, is_lab=True)


def test_it_warns_who_should_do_it_and_a_lab_does_not() -> None:
    with pytest.warns(UserWarning, match="port 25") as told:
        account = Account.direct(US)
    assert told[0].filename == __file__
    assert (account.host, account.port, account.tls) == ("", 25, "opportunistic")
    assert account.place == "each domain's own servers, port 25"
    assert account.relay is not None
    assert account.relay.per_host == "20/min"
    assert repr(LAB) == "Account('direct', port=25, tls='opportunistic')"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"username": "ann", "tls": "starttls"}, "username"),
        ({"proxy": "socks5h://proxy.example:1080"}, "proxy"),
        ({"host": "mx.example"}, "host"),
        ({"tls": "implicit"}, "tls"),
        ({"protocol": "lmtp", "port": 0}, "tls and protocol"),
        ({"helo": None}, "helo"),
    ],
)
def test_what_needs_one_server_does_not_go_with_it(
    changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        LAB.replace(**changes)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"nameservers": ["127.0.0.1"], "zone": {}}, "zone"),
        ({"connections_per_host": 0}, "connections_per_host"),
        ({"is_lab": True}, "zone"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        Account.direct(US, **changes)


def test_a_server_of_it_is_an_account_like_any_other() -> None:
    account = Account.direct(US, zone={}, ports={"mx.example": 2525}, is_lab=True)
    one = account.at("mx.example", tls="starttls")
    assert (one.place, one.tls, one.helo) == ("mx.example:2525", "starttls", US)
    assert (one.name, one.is_lab, one.relay) == ("direct", True, None)
    assert account.at("other.example").port == 25


def test_a_session_with_no_server_says_what_opens_one() -> None:
    async def main() -> None:
        async with open_session(LAB):
            pass

    with pytest.raises(LocalProtocolError, match="open_session_to"):
        trio.run(main)


@pytest.mark.filterwarnings("ignore:sending to recipients")
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"nameservers": ["127.0.0.1:5353"], "trusts_resolver": True, "per_host": None},
        {"per_host": "5/min", "connections_per_host": 1, "seed": 3, "name": "own"},
    ],
)
def test_what_is_saved_comes_back(changes: dict[str, Any], home: Path) -> None:
    account = Account.direct(US, **changes)
    save_account(account, "relay")
    again = load_account("relay")
    assert again.relay is not None
    assert account.relay is not None
    assert again.replace(relay=account.relay) == account
    assert again.relay.to_settings() == account.relay.to_settings()
    assert again.relay.nameservers == account.relay.nameservers


def test_what_stands_in_for_the_internet_is_not_saved(home: Path) -> None:
    zone = {"x.example": {"MX": "0 ."}}
    with pytest.raises(ValueError, match="zone is for tests"):
        save_account(Account.direct(US, zone=zone, is_lab=True), "relay")


@pytest.mark.filterwarnings("ignore:sending to recipients")
def test_a_setting_that_somebody_misspelt_is_named(home: Path) -> None:
    save_account(Account.direct(US), "relay")
    path = home / "accounts" / "relay.toml"
    path.write_text(path.read_text("utf-8").replace("per_host", "per_hots"), "utf-8")
    with pytest.raises(ValueError, match="per_hots"):
        load_account("relay")
