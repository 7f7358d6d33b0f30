"""An account says where and as whom; what it cannot be, it is not."""

from __future__ import annotations

import dataclasses
import getpass
import inspect
import socket
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from smtpbook.accounts.account import Account
from smtpbook.accounts.client_certificate import ClientCertificate
from smtpbook.accounts.helo import own_name
from smtpbook.accounts.passwords import FromPrompt
from smtpbook.accounts.proxy import Proxy
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
        ({"port": True}, "port True"),
        ({"username": 5}, "username is a text, not int"),
        ({"helo": 5}, "helo is a text"),
        ({"source_address": 5}, "source_address is a text"),
        ({"name": "a\nb"}, "holds a control character"),
        ({"is_lab": "no"}, "neither True nor False"),
        ({"timeouts": "x"}, "number of seconds, not 'x'"),
        ({"timeouts": None}, "number of seconds, not None"),
        ({"tls": "ssl"}, "tls='ssl' is not one of"),
        ({"tls": "start_tls"}, "did you mean 'starttls'"),
        ({"tls": True}, "tls=True"),
        ({"tls_version": "1.1"}, "tls_version='1.1' is not"),
        ({"password": "x"}, "needs a username"),
        ({"timeouts": 0}, "must be positive"),
        ({"source_address": "mx.test"}, "source_address 'mx.test' is not an IP address"),
        ({"proxy": "sock5://p.test:1"}, "did you mean 'socks5'"),
        ({"proxy": "https://p.test:1"}, r"https.* is not one of"),
        ({"proxy": "p.test:1080"}, "proxy is a URL"),
        ({"proxy": "http://p.test"}, "a URL with a port"),
        ({"proxy": "http://p.test:0"}, "port 0"),
        ({"proxy": "http://p.test:99999"}, "port 99999"),
        ({"proxy": "http://:1080"}, "proxy is a URL"),
        ({"proxy": "http://a b.test:1080"}, "not a host name"),
        ({"proxy": "http://:x@p.test:1080"}, "a password needs a username"),
        (
            {"proxy": "socks4://ann:x@p.test:1080"},
            "SOCKS4 knows a username and no password",
        ),
        ({"proxy": 1080}, "proxy is a URL or a Proxy"),
        ({"proxy": ("p.test", 1080)}, "proxy is a URL or a Proxy"),
        ({"pin": "sha256//abc"}, "pin 'sha256//abc' is neither"),
        ({"pin": ["ab" * 31]}, "64 of hexadecimal"),
        ({"pin": [1]}, "pin 1 is neither"),
        ({"pin": "ab" * 32, "tls": "none"}, "pin goes with tls="),
        ({"pin": "ab" * 32, "tls": "opportunistic"}, "pin goes with tls="),
        ({"client_certificate": "own.pem", "tls": "none"}, "goes with TLS"),
        ({"auth": "plian"}, "auth='plian' is not .* did you mean 'PLAIN'"),
        ({"auth": "SCRAM-SHA256"}, "did you mean 'SCRAM-SHA-256'"),
        ({"auth": None}, "auth=None is not"),
        ({"ca_file": 1}, "ca_file 1 is not a path"),
        ({"pin": 1}, "pin 1 is neither"),
        ({"client_certificate": 1}, "client_certificate is a PEM file"),
        ({"client_certificate": (1, 2)}, "client_certificate is a PEM file"),
        ({"client_certificate": ()}, "client_certificate is a PEM file"),
        ({"client_certificate": ("a", "b", "c")}, "client_certificate is a PEM file"),
        ({"tls": "opportunistic", "username": "ann"}, 'use "starttls"'),
        ({"tls": "opportunistic", "auth": "GSSAPI"}, "auth='GSSAPI' goes with"),
        ({"tls": "opportunistic", "auth": "external"}, "auth='external' goes with"),
        ({"host": "unix:/run/lmtp"}, "host='/run/lmtp'"),
        ({"host": "/run/l\x07mtp"}, "host"),
        ({"host": "/run/lmtp", "port": 25}, "a Unix socket has no port"),
        ({"host": "/run/lmtp", "tls": "starttls"}, "leave tls='starttls' out"),
        ({"host": "/run/lmtp", "proxy": "http://p.test:1"}, "a Unix socket has no proxy"),
        (
            {"host": "/run/lmtp", "source_address": "::1"},
            "a Unix socket has no source_address",
        ),
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


@pytest.mark.parametrize(
    "make", [Account, Account(host="smtp.example.org").replace], ids=["new", "replaced"]
)
def test_field_that_is_none_of_an_accounts_is_refused_with_the_near_miss(
    make: Callable[..., Account],
) -> None:
    with pytest.raises(TypeError, match=r"no field 'protcol'; did you mean 'protocol'"):
        make(host="smtp.example.org", protcol="lmtp")


def test_a_traceback_shows_a_client_certificate_that_was_refused() -> None:
    with pytest.raises(TypeError, match="did you mean 'passphrase'") as info:
        ClientCertificate(file="own.pem", pasphrase="open sesame")  # type: ignore[call-arg]
    shown = traceback.TracebackException.from_exception(info.value, capture_locals=True)
    told = [dict(frame.locals or {}) for frame in shown.stack]
    assert told[-1]["self"] == "ClientCertificate(...)"
    assert "sesame" not in str(told)


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


# --- ways to the server -------------------------------------------------------------------


def test_a_unix_socket_is_its_path_and_this_machine() -> None:
    account = Account(host="/run/dovecot/lmtp")
    assert (account.port, account.tls, account.name) == (0, "none", "/run/dovecot/lmtp")
    assert account.is_unix
    assert account.is_loopback
    assert account.place == "/run/dovecot/lmtp"
    assert repr(account) == "Account('/run/dovecot/lmtp', port=0, tls='none')"


def test_what_is_replaced_by_a_unix_socket_loses_its_port_and_gets_it_back() -> None:
    account = Account(host="h.example", tls="starttls")
    local = account.replace(host="/run/lmtp")
    assert (local.port, local.tls) == (0, "none")
    back = local.replace(host="h.example", tls="implicit")
    assert (back.port, back.tls) == (465, "implicit")
    assert local.replace(host="/run/other").host == "/run/other"


@pytest.mark.parametrize(
    ("host", "place"),
    [("h.example", "h.example:25"), ("192.0.2.1", "192.0.2.1:25"), ("::1", "[::1]:25")],
)
def test_place_is_host_and_port(host: str, place: str) -> None:
    assert Account(host=host, port=25).place == place


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_what_a_proxy_calls_loopback_is_not_this_machine(host: str) -> None:
    assert Account(host=host).is_loopback
    assert not Account(host=host, proxy="socks5h://127.0.0.1:1080").is_loopback


def test_opportunistic_tls_is_relays_and_for_that_port() -> None:
    account = Account(host="h.example", tls="opportunistic")
    assert (account.port, account.tls) == (25, "opportunistic")


def test_pins_are_spelled_in_one_way() -> None:
    colons = ":".join(["AB"] * 32)
    key = "sha256//" + "A" * 43 + "="
    assert Account(host="h.example", pin=colons).pin == ("ab" * 32,)
    assert Account(host="h.example", pin=[key, f" {colons} "]).pin == (key, "ab" * 32)
    assert Account(host="h.example").pin == ()
    assert hash(Account(host="h.example", pin=[key])) == hash(
        Account(host="h.example", pin=key)
    )


def test_a_client_certificate_is_a_file_a_pair_or_one_with_a_passphrase() -> None:
    one = Account(host="h.example", client_certificate="own.pem").client_certificate
    assert one == ClientCertificate(file="own.pem")
    two = Account(host="h.example", client_certificate=("own.pem", "own.key"))
    assert two.client_certificate == ClientCertificate(file="own.pem", key_file="own.key")
    own = ClientCertificate(file="own.pem", passphrase="pw")
    assert own.passphrase == Secret("pw")
    assert "pw" not in repr(own)
    assert two.replace(client_certificate=own).client_certificate is own
    assert two.replace(port=1).client_certificate == two.client_certificate


def test_nobody_is_asked_to_type_while_sending() -> None:
    with pytest.raises(ValueError, match=r"getpass\.getpass\(\)"):
        ClientCertificate(file="own.pem", passphrase=FromPrompt())
    with pytest.raises(ValueError, match=r"getpass\.getpass\(\)"):
        Proxy.from_url("http://ann@p.test:1", password=FromPrompt())


def test_a_proxys_password_leaves_its_url_at_once() -> None:
    account = Account(host="h.example", proxy="http://ann:p%40%2F@p.test:8080")
    proxy = account.proxy
    assert isinstance(proxy, Proxy)
    assert (proxy.scheme, proxy.host, proxy.port) == ("http", "p.test", 8080)
    assert (proxy.username, proxy.password) == ("ann", Secret("p@/"))
    assert (str(proxy), proxy.url) == ("http://p.test:8080", "http://ann@p.test:8080")
    assert account.proxy_secret() == Secret("p@/")
    assert account.replace(port=25).proxy == proxy
    assert Account.preset("gmail", username="a@gmail.com", proxy=proxy.url).proxy == (
        proxy.replace(password=None)
    )


@pytest.mark.parametrize(
    ("url", "username", "password", "host"),
    [
        ("socks5://[2001:db8::1]:1080", None, None, "2001:db8::1"),
        ("socks5h://p.test:1080/", None, None, "p.test"),
        ("socks5h://a@b.test:c:d@e@p.test:1", "a@b.test", "c:d@e", "p.test"),
        ("socks5h://ann:@p.test:1", "ann", "", "p.test"),
        ("socks4a://ann@p.test:1", "ann", None, "p.test"),
        ("socks5h://@p.test:1", None, None, "p.test"),
    ],
)
def test_a_proxys_url_is_taken_apart(
    url: str, username: str | None, password: str | None, host: str
) -> None:
    proxy = Proxy.from_url(url)
    assert (proxy.username, proxy.host) == (username, host)
    assert proxy.password == (None if password is None else Secret(password))
    assert Proxy.from_url(proxy.url, password=proxy.password) == proxy


@given(st.text(), st.text())
def test_every_login_survives_a_proxys_url(username: str, password: str) -> None:
    assume(username)
    login = f"{quote(username, safe='')}:{quote(password, safe='')}"
    proxy = Proxy.from_url(f"http://{login}@p.test:8080")
    assert (proxy.username, proxy.password) == (username, Secret(password))
    assert Proxy.from_url(proxy.url).username == username


@given(st.text())
def test_no_url_of_a_proxy_raises_anything_but_what_it_says(url: str) -> None:
    with suppress(ValueError):
        Proxy.from_url(url)


def test_a_proxy_without_a_password_asks_the_keyring_beside_the_accounts(
    vault: MemoryKeyring,
) -> None:
    vault.set_password("smtpbook", "work/proxy", "one")
    account = Account(host="h.example", name="work", proxy="http://ann@p.test:8080")
    assert account.proxy_secret() == Secret("one")
    without = Account(host="h.example", name="work", proxy="http://p.test:8080")
    assert without.proxy_secret() is None


# --- LMTP ---------------------------------------------------------------------------------


def test_lmtp_has_a_port_of_its_own_and_no_tls_unless_asked_for() -> None:
    account = Account(host="store.test", protocol="lmtp")
    assert (account.port, account.tls) == (24, "none")
    assert Account(host="store.test", protocol="lmtp", port=2424).tls == "none"
    secure = Account(host="store.test", protocol="lmtp", tls="starttls")
    assert (secure.port, secure.tls) == (24, "starttls")


def test_port_and_tls_follow_the_protocol() -> None:
    smtp = Account(host="store.test")
    lmtp = smtp.replace(protocol="lmtp")
    assert (lmtp.port, lmtp.tls) == (24, "none")
    assert lmtp.replace(protocol="smtp") == smtp
    assert lmtp.replace(helo="me.test").port == 24


def test_lmtp_is_not_where_smtp_is() -> None:
    """RFC 2033 section 5."""
    with pytest.raises(ValueError, match="port 25 is SMTP's"):
        Account(host="store.test", protocol="lmtp", port=25)


def test_protocol_that_is_none_is_named_with_the_near_miss() -> None:
    with pytest.raises(ValueError, match=r"'smtp', 'lmtp'; did you mean 'lmtp'"):
        Account(host="store.test", protocol="lmpt")  # type: ignore[arg-type]


def test_lmtp_by_a_unix_socket_has_no_port() -> None:
    account = Account(host="/run/dovecot/lmtp", protocol="lmtp")
    assert (account.port, account.tls) == (0, "none")
    assert account.replace(host="store.test").port == 24
