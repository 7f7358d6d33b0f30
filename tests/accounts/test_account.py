"""An account says where and as whom; what it cannot be, it is not."""

from __future__ import annotations

import dataclasses
import getpass
import inspect
import socket
import threading

import pytest

from smtpbook.accounts.account import Account, own_name
from smtpbook.accounts.passwords import FromPrompt
from smtpbook.accounts.secret import Secret
from smtpbook.accounts.timeouts import Timeouts
from smtpbook.errors import LocalProtocolError
from tests.accounts.keyrings import MemoryKeyring


@pytest.mark.parametrize(
    ("port", "tls", "expected"),
    [
        (None, None, (587, "starttls")),
        (None, "starttls", (587, "starttls")),
        (None, "implicit", (465, "implicit")),
        (None, "none", (25, "none")),
        (465, None, (465, "implicit")),
        (25, None, (25, "none")),
        (587, None, (587, "starttls")),
        (2525, None, (2525, "starttls")),
        (2525, "none", (2525, "none")),
        (587, "implicit", (587, "implicit")),
        (465, "starttls", (465, "starttls")),
    ],
)
def test_port_and_tls_follow_each_other_unless_given(
    port: int | None, tls: str | None, expected: tuple[int, str]
) -> None:
    fields = {"port": port, "tls": tls}
    given = {name: value for name, value in fields.items() if value is not None}
    account = Account(host="smtp.example.org", **given)  # type: ignore[arg-type]
    assert (account.port, account.tls) == expected


def test_defaults() -> None:
    account = Account(host="smtp.example.org")
    assert (account.auth, account.username, account.password) == ("auto", None, None)
    assert account.limits == Timeouts()
    assert (account.name, account.is_lab) == ("smtp.example.org", False)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"host": ""}, "host"),
        ({"host": " "}, "host"),
        ({"host": "."}, "host"),
        ({"host": None}, "host"),
        ({"host": "a b"}, "host"),
        ({"host": "ann@smtp.example.org"}, "host"),
        ({"host": "smtp.example.org/x"}, "host"),
        ({"host": "smtp\r\n.example.org"}, "host"),
        ({"host": "smtp\u202e.example.org"}, "host"),
        ({"port": -1}, "port"),
        ({"port": 65536}, "port"),
        ({"port": "587"}, "port"),
        ({"tls": "ssl"}, "tls='ssl' is not one of"),
        ({"tls": "start_tls"}, "did you mean 'starttls'"),
        ({"tls": True}, "tls=True"),
        ({"password": "x"}, "needs a username"),
        ({"timeouts": 0}, "must be positive"),
        ({"timeouts": float("nan")}, "must be positive"),
    ],
    ids=str,
)
def test_field_that_cannot_be_is_refused_by_name(
    fields: dict[str, object], why: str
) -> None:
    with pytest.raises(ValueError, match=why) as info:
        Account(**{"host": "smtp.example.org", **fields})  # type: ignore[arg-type]
    assert str(info.value).isprintable()


@pytest.mark.parametrize("helo", ["", "a b", "client\r\nRSET", "a\u2028b.example", "[x]"])
def test_helo_name_that_is_none_is_refused(helo: str) -> None:
    with pytest.raises(LocalProtocolError):
        Account(host="smtp.example.org", helo=helo)


def test_host_is_trimmed() -> None:
    assert Account(host=" smtp.example.org. ").host == "smtp.example.org"


def test_password_becomes_a_secret_at_once_or_stays_a_callable() -> None:
    account = Account(host="h.example", username="ann", password="pw")
    assert account.password == Secret("pw")
    secret = Secret("pw")
    assert Account(host="h.example", username="ann", password=secret).password is secret
    given = account.secret()
    assert given is not None
    assert given.reveal() == "pw"


def test_callable_is_asked_each_time_and_may_give_text_or_a_secret() -> None:
    answers = iter(["one", Secret("two")])
    account = Account(host="h.example", username="ann", password=lambda: next(answers))
    assert [account.secret(), account.secret()] == [Secret("one"), Secret("two")]


def test_account_without_login_has_no_secret() -> None:
    assert Account(host="h.example").secret() is None


def test_account_without_password_asks_the_keyring_under_its_name(
    vault: MemoryKeyring,
) -> None:
    vault.set_password("smtpbook", "ann@h.example", "one")
    vault.set_password("smtpbook", "work", "two")
    account = Account(host="h.example", username="ann")
    assert account.secret() == Secret("one")
    assert account.replace(name="work").secret() == Secret("two")


def test_account_whose_password_is_nowhere_says_how_to_give_it() -> None:
    account = Account(host="h.example", username="ann")
    with pytest.raises(LocalProtocolError, match="no password for ann@h") as told:
        account.secret()
    for way in ("SMTPBOOK_PASSWORD_ANN_H_EXAMPLE", "callable", "FromPrompt()"):
        assert way in str(told.value)


def test_prompt_is_answered_once_and_on_this_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, str]] = []

    def typed(question: str) -> str:
        asked.append((question, threading.current_thread().name))
        return "typed"

    monkeypatch.setattr(getpass, "getpass", typed)
    account = Account(host="h.example", username="ann", password=FromPrompt())
    answered = account.ask()
    assert [answered.secret(), answered.secret()] == [Secret("typed")] * 2
    assert asked == [("password for ann@h.example: ", threading.current_thread().name)]
    assert answered.ask() is answered
    plain = Account(host="h.example", username="ann", password="pw")
    assert plain.ask() is plain


def test_callable_that_gives_nothing_gives_no_secret() -> None:
    account = Account(host="h.example", username="ann", password=lambda: None)  # type: ignore[arg-type,return-value]
    assert account.secret() is None


def test_fields_can_be_read_off_the_signature() -> None:
    names = list(inspect.signature(Account).parameters)
    assert names == [field.name for field in dataclasses.fields(Account)]


def test_repr_says_where_and_how() -> None:
    account = Account(host="h.example", username="ann", password="not shown")
    assert repr(account) == "Account('ann@h.example', port=587, tls='starttls')"


def test_account_is_a_value() -> None:
    one, same = (Account(host="h.example", username="a", password="b") for _ in range(2))
    assert one == same
    assert hash(one) == hash(same)
    assert one != Account(host="h.example", username="a", password="c")
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.host = "x"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "port", "tls"),
    [
        ({}, 2525, "starttls"),
        ({"tls": "implicit"}, 465, "implicit"),
        ({"tls": "implicit", "port": 1}, 1, "implicit"),
        ({"port": 25}, 25, "starttls"),
    ],
)
def test_replaced_port_follows_tls_unless_given(
    changes: dict[str, object], port: int, tls: str
) -> None:
    account = Account(host="h.example", port=2525, tls="starttls").replace(**changes)
    assert (account.port, account.tls) == (port, tls)


def test_replaced_name_follows_the_login_unless_chosen() -> None:
    account = Account(host="h.example", username="ann")
    assert account.replace(username="bob").name == "bob@h.example"
    assert account.replace(host="i.example").name == "ann@i.example"
    assert account.replace(username=None).name == "h.example"
    assert account.replace(port=25).name == "ann@h.example"
    assert account.replace(username="bob", name="work").name == "work"
    assert account.replace(name="work").replace(username="bob").name == "work"


def test_replaced_account_keeps_its_secret_and_is_checked() -> None:
    account = Account(host="h.example", username="ann", password="pw")
    assert account.replace(port=25).password == Secret("pw")
    with pytest.raises(ValueError, match="tls"):
        account.replace(tls="maybe")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("smtp.example.org", False),
        ("localhost.example.org", False),
        ("192.0.2.1", False),
        ("0.0.0.0", False),
    ],
)
def test_loopback_is_this_machine_and_no_other(host: str, expected: bool) -> None:
    assert Account(host=host).is_loopback is expected


@pytest.mark.parametrize(
    ("machine", "address", "name"),
    [
        ("client.example.org", "192.0.2.1", "client.example.org"),
        ("client", "192.0.2.1", "[192.0.2.1]"),
        ("client", "2001:db8::1", "[IPv6:2001:db8::1]"),
        ("client", "fe80::1%eth0", "[IPv6:fe80::1]"),
        ("client", "/run/socket", "[127.0.0.1]"),
        ("client.local", "192.0.2.1", "[192.0.2.1]"),
        ("localhost.localdomain", "192.0.2.1", "[192.0.2.1]"),
        ("my.machine name", "192.0.2.1", "[192.0.2.1]"),
        ("bad..name", "192.0.2.1", "[192.0.2.1]"),
        ("my_pc.example.org", "192.0.2.1", "my_pc.example.org"),
    ],
)
def test_own_name_is_a_full_host_name_or_an_address(
    machine: str, address: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: machine)
    assert own_name(address) == name


@pytest.mark.parametrize(
    "password", [b"open sesame", 12345678, ["open sesame"], FromPrompt]
)
def test_what_cannot_be_a_password_is_refused_by_its_type(password: object) -> None:
    with pytest.raises(
        TypeError, match="a password is a string, a Secret or a function"
    ) as e:
        Account(host="h.example", username="ann", password=password)  # type: ignore[arg-type]
    assert "sesame" not in str(e.value)
    assert "1234" not in str(e.value)


def test_a_username_that_is_the_password_too_is_in_no_name() -> None:
    """So it is with the API tokens of Postmark."""
    account = Account(host="smtp.postmarkapp.com", username="a-token", password="a-token")
    assert account.name == "smtp.postmarkapp.com"
    assert "a-token" not in repr(account)
    assert account.replace(username="key").name == "key@smtp.postmarkapp.com"


def test_a_port_does_not_belong_to_the_host() -> None:
    with pytest.raises(ValueError, match=r"host='smtp\.x\.test', port=465$"):
        Account(host="smtp.x.test:465")
    assert Account(host="::1").host == "::1"
