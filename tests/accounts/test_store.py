"""A saved account comes back as it was; no file holds a secret, nothing is half saved."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import keyring
import pytest
import trio
from keyring.backends import fail

from smtpbook.accounts.account import Account
from smtpbook.accounts.client_certificate import ClientCertificate
from smtpbook.accounts.passwords import (
    FromEnvironment,
    FromKeyring,
    FromPrompt,
    revealed,
)
from smtpbook.accounts.proxy import Proxy
from smtpbook.accounts.secret import Secret
from smtpbook.accounts.store import (
    SavableToken,
    delete_account,
    list_accounts,
    load_account,
    save_account,
)
from smtpbook.accounts.timeouts import Timeouts
from smtpbook.errors import LocalProtocolError
from smtpbook.lab.lab import Lab
from smtpbook.session.session import open_session
from tests.accounts.keyrings import BrokenBusKeyring, LockedKeyring, MemoryKeyring

TEXT = "open sesame"
WORK = Account(host="smtp.example.org", username="ann", password=TEXT)


def file_of(home: Path, name: str) -> Path:
    return home / "accounts" / f"{name}.toml"


def everything_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def by_hand(home: Path, text: str | bytes) -> Path:
    path = file_of(home, "work")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# --- kept and found again -----------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"port": 2525, "tls": "none"},
        {"tls": "implicit", "auth": "PLAIN", "tls_version": "1.3"},
        {"helo": "client.example.org", "source_address": "192.0.2.1"},
        {"ca_file": "/etc/ssl/own.pem", "name": "my server"},
        {"timeouts": Timeouts(rcpt_s=5.5, quit_s=1)},
        {"timeouts": 7},
        {"is_lab": True},
        {"proxy": "socks5h://p.test:1080", "tls": "starttls"},
        {"client_certificate": "/etc/ssl/own.pem"},
        {"client_certificate": ("/etc/ssl/own.pem", "/etc/ssl/own.key")},
        {"pin": ["ab" * 32, "sha256//" + "A" * 43 + "="]},
        {"username": 'a"b\\c\n\u00e4'},
    ],
    ids=str,
)
def test_account_comes_back_as_it_was(
    fields: dict[str, object], vault: MemoryKeyring
) -> None:
    account = WORK.replace(**fields)
    save_account(account, "work")
    loaded = load_account("work")
    assert loaded == account.replace(password=FromKeyring("work"))
    assert loaded.secret() == Secret(TEXT)


def test_account_without_login_comes_back(vault: MemoryKeyring) -> None:
    account = Account(host="relay.example.org", port=25)
    save_account(account, "relay")
    assert load_account("relay") == account
    assert vault.kept == {}


@pytest.mark.parametrize(
    "account",
    [
        Account(host="mx.example.org", port=25, tls="opportunistic"),
        Account(host="/run/dovecot/lmtp"),
    ],
)
def test_account_for_relay_comes_back(account: Account) -> None:
    save_account(account, "relay")
    assert load_account("relay") == account


def test_every_secret_goes_into_the_keyring_and_none_into_the_file(
    home: Path, vault: MemoryKeyring
) -> None:
    own = ClientCertificate(file="/own.pem", key_file="/own.key", passphrase="knock knock")
    account = WORK.replace(
        proxy="http://ann:melon%20friend@p.test:8080", client_certificate=own
    )
    save_account(account, "work")
    assert vault.kept == {
        ("smtpbook", "work"): TEXT,
        ("smtpbook", "work/proxy"): "melon friend",
        ("smtpbook", "work/key"): "knock knock",
    }
    kept = everything_below(home)
    for secret in (b"sesame", b"melon", b"knock"):
        assert secret not in kept
    loaded = load_account("work")
    assert isinstance(loaded.proxy, Proxy)
    assert loaded.proxy_secret() == Secret("melon friend")
    assert isinstance(loaded.client_certificate, ClientCertificate)
    assert revealed(loaded.client_certificate.passphrase) == Secret("knock knock")
    save_account(loaded, "other")
    assert load_account("other").proxy_secret() == Secret("melon friend")
    delete_account("work")
    delete_account("other")
    assert vault.kept == {}


def test_where_other_secrets_come_from_is_kept_by_name() -> None:
    proxy = Proxy.from_url("http://ann@p.test:8080", password=FromEnvironment("P_1"))
    own = ClientCertificate(file="/own.pem", passphrase=FromEnvironment("K_1"))
    account = Account(host="h.example", proxy=proxy, client_certificate=own)
    save_account(account, "work")
    assert load_account("work") == account


def test_a_proxys_password_that_is_a_function_is_not_saved(home: Path) -> None:
    proxy = Proxy.from_url("http://ann@p.test:8080", password=lambda: "x")
    with pytest.raises(ValueError, match="proxy password that is a function") as info:
        save_account(Account(host="h.example", proxy=proxy), "work")
    assert "FromPrompt" not in str(info.value)
    assert list_accounts() == []


def test_if_one_secret_is_not_taken_the_others_are_as_they_were(
    home: Path, vault: MemoryKeyring
) -> None:
    class Full(MemoryKeyring):
        """Takes no key's passphrase."""

        def set_password(self, service: str, username: str, password: str) -> None:
            if username.endswith("/key"):
                raise OSError("full")
            super().set_password(service, username, password)

    full = Full()
    keyring.set_keyring(full)
    save_account(WORK, "work")
    own = ClientCertificate(file="/own.pem", passphrase="x")
    account = WORK.replace(
        password="two", proxy="http://ann:y@p.test:1", client_certificate=own
    )
    with pytest.raises(LocalProtocolError, match="work/key"):
        save_account(account, "work")
    assert full.kept == {("smtpbook", "work"): TEXT}
    assert load_account("work").proxy is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('proxy = "http://ann:sesame@p.test:1"', "line 2: .*proxy_password"),
        ('proxy = "p.test"', "line 2: proxy is a URL"),
        ('proxy_password = "sesame"', 'line 2: proxy_password is "keyring" or "env:NAME"'),
        ('client_passphrase = "prompt"', 'is "keyring" or "env:NAME", never'),
        ('pin = "ab"', "line 2: pin must be a list"),
        ('pin = ["ab"]', "line 2: pin 'ab' is neither"),
        ("client_certificate = 1", "line 2: client_certificate must be text"),
        ('client_key_file = "x"', "client_key_file goes with client_certificate"),
    ],
)
def test_settings_changed_by_hand_into_none_name_their_line_and_no_secret(
    text: str, told: str, home: Path
) -> None:
    by_hand(home, f'host = "h.example"\n{text}\n')
    with pytest.raises(ValueError, match=told) as info:
        load_account("work")
    assert "sesame" not in str(info.value)


def test_protocol_comes_back_and_smtp_is_not_written(
    vault: MemoryKeyring, home: Path
) -> None:
    save_account(Account(host="store.test", protocol="lmtp"), "store")
    save_account(Account(host="mx.test"), "relay")
    assert load_account("store").protocol == "lmtp"
    assert load_account("store").port == 24
    assert load_account("relay").protocol == "smtp"
    assert "protocol" not in file_of(home, "relay").read_text("utf-8")


@pytest.mark.parametrize("password", [FromEnvironment("X_1"), FromPrompt()], ids=repr)
def test_where_a_password_comes_from_is_kept_by_name_and_needs_no_keyring(
    password: FromEnvironment | FromPrompt,
) -> None:
    account = WORK.replace(password=password)
    save_account(account, "work")
    assert load_account("work") == account


def test_without_a_password_the_one_in_the_keyring_stays(vault: MemoryKeyring) -> None:
    save_account(WORK, "work")
    save_account(WORK.replace(password=None, port=2525), "work")
    assert load_account("work").port == 2525
    assert load_account("work").secret() == Secret(TEXT)
    save_account(load_account("work").replace(port=25), "work")
    assert load_account("work").secret() == Secret(TEXT)


def test_account_saved_under_another_name_takes_its_password_along(
    vault: MemoryKeyring,
) -> None:
    save_account(WORK, "work")
    save_account(load_account("work"), "home")
    delete_account("work")
    assert load_account("home").secret() == Secret(TEXT)
    assert vault.kept == {("smtpbook", "home"): TEXT}


def test_later_one_replaces_the_earlier(vault: MemoryKeyring) -> None:
    save_account(WORK, "work")
    save_account(WORK.replace(host="other.example", password="two"), "work")
    assert load_account("work").host == "other.example"
    assert load_account("work").secret() == Secret("two")
    assert list_accounts() == ["work"]


def test_relative_certificate_is_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_account(Account(host="h.example", ca_file="ca.pem"), "work")
    monkeypatch.chdir("/")
    assert load_account("work").ca_file == str(tmp_path / "ca.pem")


def test_accounts_are_listed_and_deleted(vault: MemoryKeyring) -> None:
    assert list_accounts() == []
    for name in ("work", "Home", "a b@c.test"):
        save_account(WORK, name)
    assert list_accounts() == ["a b@c.test", "Home", "work"]
    delete_account("work")
    assert list_accounts() == ["a b@c.test", "Home"]
    assert ("smtpbook", "work") not in vault.kept
    with pytest.raises(ValueError, match="no saved account 'work'"):
        delete_account("work")


def test_account_that_is_not_there_is_named_with_the_near_miss(
    vault: MemoryKeyring,
) -> None:
    with pytest.raises(ValueError, match="'wrok'; there is none yet"):
        load_account("wrok")
    save_account(WORK, "work")
    with pytest.raises(ValueError, match=r"did you mean 'work'\?; there are 'work'"):
        load_account("wrok")


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../work",
        "a/b",
        "a\\b",
        "/etc/passwd",
        ".hidden",
        "nul\0",
        "line\n",
        "end.",
        "end ",
        "x" * 65,
        "a:b",
        "CON",
        "nul",
        "com1.x",
        None,
    ],
)
def test_name_that_could_be_a_path_is_refused(name: str, home: Path) -> None:
    with pytest.raises(ValueError, match="cannot be an account's name"):
        save_account(Account(host="h.example"), name)
    assert list(home.iterdir()) == []
    with pytest.raises((ValueError, TypeError)):
        load_account(name)


def test_names_that_differ_in_capitals_only_are_too_like(vault: MemoryKeyring) -> None:
    save_account(WORK, "Work")
    with pytest.raises(ValueError, match="'Work'; 'work' is too like it"):
        save_account(WORK, "work")


def test_name_is_the_same_however_its_letters_are_composed(vault: MemoryKeyring) -> None:
    save_account(WORK, "bu\u0308ro")
    assert list_accounts() == ["b\u00fcro"]
    assert load_account("bu\u0308ro") == load_account("b\u00fcro")


def test_file_whose_name_was_decomposed_is_found_and_replaced(
    vault: MemoryKeyring, home: Path
) -> None:
    save_account(WORK, "b\u00fcro")
    (home / "accounts" / "b\u00fcro.toml").rename(home / "accounts" / "bu\u0308ro.toml")
    assert list_accounts() == ["b\u00fcro"]
    assert load_account("b\u00fcro").secret() == WORK.secret()
    save_account(WORK.replace(port=2525), "b\u00fcro")
    assert load_account("b\u00fcro").port == 2525
    assert len(list((home / "accounts").iterdir())) == 1
    delete_account("b\u00fcro")
    assert vault.kept == {}


def test_saved_account_logs_in(vault: MemoryKeyring) -> None:
    async def log_in(account: Account) -> str:
        async with open_session(account) as session:
            return session.transcript()

    with Lab(users={"ann": TEXT}) as lab:
        save_account(lab.account, "lab")
        said = trio.run(log_in, load_account("lab"))
    assert "235 2.7.0" in said
    assert TEXT not in said


# --- no secret in any file ----------------------------------------------------------------


def test_file_holds_no_secret_and_is_its_owners_alone(
    vault: MemoryKeyring, home: Path
) -> None:
    save_account(WORK, "work")
    assert TEXT.encode() not in everything_below(home)
    assert tomllib.loads(file_of(home, "work").read_text()) == {
        "host": "smtp.example.org",
        "port": 587,
        "tls": "starttls",
        "username": "ann",
        "password": "keyring",
    }
    assert file_of(home, "work").stat().st_mode & 0o777 == 0o600
    assert file_of(home, "work").parent.stat().st_mode & 0o777 == 0o700
    assert vault.kept == {("smtpbook", "work"): TEXT}


def test_function_cannot_be_saved_and_the_ways_that_can_are_named(home: Path) -> None:
    account = WORK.replace(password=lambda: TEXT)
    with pytest.raises(ValueError, match=r"cannot be saved.*FromEnvironment"):
        save_account(account, "work")
    assert list(home.iterdir()) == []


# --- whole or not at all ------------------------------------------------------------------


def test_username_that_is_the_password_is_not_written(
    vault: MemoryKeyring, home: Path
) -> None:
    account = Account(host="smtp.postmarkapp.com", username=TEXT, password=TEXT)
    with pytest.raises(ValueError, match=r"user name is the password.*SMTP token") as error:
        save_account(account, "work")
    assert TEXT not in str(error.value)
    assert vault.kept == {}
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("backend", [fail.Keyring, LockedKeyring, BrokenBusKeyring])
def test_password_the_keyring_does_not_take_leaves_nothing_saved(
    backend: type[keyring.backend.KeyringBackend], home: Path
) -> None:
    keyring.set_keyring(backend())  # type: ignore[no-untyped-call]
    with pytest.raises(LocalProtocolError, match="cannot keep the password of work"):
        save_account(WORK, "work")
    assert list_accounts() == []
    assert list(home.iterdir()) == []


def test_file_that_cannot_be_written_leaves_the_keyring_as_it_was(
    vault: MemoryKeyring, home: Path
) -> None:
    file_of(home, "work").mkdir(parents=True)
    with pytest.raises(OSError, match="irectory"):
        save_account(WORK, "work")
    assert vault.kept == {}
    vault.set_password("smtpbook", "work", "before")
    with pytest.raises(OSError, match="irectory"):
        save_account(WORK, "work")
    assert vault.kept == {("smtpbook", "work"): "before"}
    assert [path.name for path in file_of(home, "work").parent.iterdir()] == ["work.toml"]


def test_secret_that_cannot_be_removed_keeps_its_account(vault: MemoryKeyring) -> None:
    save_account(WORK, "work")
    keyring.set_keyring(LockedKeyring())
    with pytest.raises(LocalProtocolError, match="cannot remove"):
        delete_account("work")
    assert list_accounts() == ["work"]


def test_processes_that_save_at_once_lose_nothing(home: Path) -> None:
    code = (
        "import sys\n"
        "from smtpbook.accounts.account import Account\n"
        "from smtpbook.accounts.store import save_account\n"
        "for n in range(40):\n"
        "    account = Account(host=f'{sys.argv[1]}{n}.example')\n"
        "    save_account(account, f'{sys.argv[1]}{n}')\n"
        "    save_account(account, 'shared')\n"
    )
    save_account(Account(host="first.example"), "shared")
    workers = [subprocess.Popen([sys.executable, "-c", code, who]) for who in ("a", "b")]
    while any(worker.poll() is None for worker in workers):
        assert load_account("shared").host.endswith(".example")
    assert [worker.returncode for worker in workers] == [0, 0]
    assert len(list_accounts()) == 81
    assert {load_account(name).host for name in list_accounts()} >= {"a0.example"}
    assert not list(home.rglob("*.new"))


# --- changed by hand ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("host = 'h.example'\nport 5\n", "work.toml is not TOML: .*line 2"),
        ("host = 'h.example", "work.toml is not TOML: .*end of document"),
        ("a = " + "[" * 20_000, "work.toml is not TOML: .*recursion"),
        (b"host = '\xff\xfe'\n", "line 1: host '.*' is not a host name"),
        ("", "names no host"),
        ("# mine\nhots = 'h.example'\n", "line 2: no setting 'hots'; did you mean 'host'"),
        ("host = 'h.example'\n\nport = '587'\n", "line 3: port must be a number"),
        ("host = 'h.example'\nport = true\n", "line 2: port must be a number"),
        ("host = 'h.example'\nport = 99999\n", "line 2: port 99999 is not a number from 1"),
        ("host = 'h.example'\ntls = 'startls'\n", "line 2: .*did you mean 'starttls'"),
        ("host = 'a b'\n", "line 1: host 'a b' is not"),
        ("host = 'h.example'\nhelo = 'a b'\n", "line 2: not a domain name"),
        ("host = 'h.example'\nis_lab = 'no'\n", "line 2: is_lab must be true or false"),
        ("host = 'h.example'\ntimeouts = 5\n", "line 2: timeouts must be a table"),
        (
            "host = 'h.example'\n[timeouts]\nrcpt = 5\n",
            "line 3: no setting 'rcpt'; did you mean 'rcpt_s'",
        ),
        ("host = 'h.example'\n[timeouts]\nrcpt_s = 0\n", "line 3: timeout rcpt_s must be"),
        ("host = 'h.example'\n[timeoust]\nrcpt_s = 1\n", "line 2: .*'timeouts'"),
        (
            "host = 'h.example'\nusername = 'a'\npassword = 'env:A B'\n",
            "line 3: 'A B' is not the name of a variable",
        ),
        (
            "host = 'h.example'\npassword = 'prompt'\n",
            "line 2: a password needs a username",
        ),
    ],
)
def test_file_that_is_no_account_is_an_error_with_its_place(
    text: str | bytes, told: str, home: Path
) -> None:
    path = by_hand(home, text)
    with pytest.raises(ValueError, match=told) as error:
        load_account("work")
    assert str(path) in str(error.value)
    assert str(error.value).isprintable()


def test_password_somebody_wrote_into_the_file_is_not_repeated(home: Path) -> None:
    by_hand(home, f"host = 'h.example'\nusername = 'a'\npassword = '{TEXT}'\n")
    with pytest.raises(ValueError, match=r"line 3: password is .* never the password") as e:
        load_account("work")
    assert TEXT not in str(e.value)


def test_file_as_editors_write_it_is_read(home: Path) -> None:
    by_hand(home, "\ufeffhost = 'h.example'\r\n[timeouts]\r\nrcpt_s = 5\r\n")
    assert load_account("work").limits.rcpt_s == 5


def test_broken_file_leaves_the_others_alone(vault: MemoryKeyring, home: Path) -> None:
    save_account(WORK, "good")
    by_hand(home, "broken")
    assert list_accounts() == ["good", "work"]
    assert load_account("good").host == WORK.host
    delete_account("work")
    assert list_accounts() == ["good"]


# --- OAuth tokens -------------------------------------------------------------------------


SETTINGS = {
    "token_url": "https://login.example.org/token",
    "client_id": "x",
    "scope": "mail offline",
}


class Token:
    """What a token must have to be saved."""

    def __init__(self, refresh: Secret | None) -> None:
        self._refresh = refresh

    def __call__(self) -> str:
        return "access"

    def to_settings(self) -> dict[str, str | int]:
        return dict(SETTINGS)

    def refresh_secret(self) -> Secret | None:
        return self._refresh

    def keep_in(
        self, read: Callable[[], Secret | None], keep: Callable[[Secret], None]
    ) -> None:
        self.keep = keep


def test_token_in_use_keeps_its_next_secret_where_it_was_saved(
    vault: MemoryKeyring,
) -> None:
    token = Token(Secret(TEXT))
    save_account(WORK.replace(password=token), "work")
    token.keep(Secret("the next one"))
    assert vault.kept == {("smtpbook", "work"): "the next one"}


def test_tokens_settings_are_in_the_file_and_its_secret_in_the_keyring(
    vault: MemoryKeyring, home: Path
) -> None:
    save_account(WORK.replace(password=Token(Secret(TEXT))), "work")
    kept = tomllib.loads(file_of(home, "work").read_text())
    assert kept["oauth"] == SETTINGS
    assert "password" not in kept
    assert TEXT.encode() not in everything_below(home)
    assert vault.kept == {("smtpbook", "work"): TEXT}


def test_token_comes_back_with_its_secret_and_keeps_a_new_one(
    vault: MemoryKeyring,
) -> None:
    save_account(WORK.replace(password=Token(Secret(TEXT)), auth="XOAUTH2"), "work")
    loaded = load_account("work")
    assert isinstance(loaded.password, SavableToken)
    assert loaded.password.to_settings() == SETTINGS
    assert loaded.password.refresh_secret() == Secret(TEXT)
    save_account(loaded, "home")
    assert vault.kept == {("smtpbook", "work"): TEXT, ("smtpbook", "home"): TEXT}


def test_tokens_secret_is_never_taken_for_a_password(vault: MemoryKeyring) -> None:
    save_account(WORK.replace(password=Token(Secret("refresh-1"))), "work")
    save_account(WORK.replace(password=None), "work")
    assert vault.kept == {}
    with pytest.raises(LocalProtocolError, match="no password for work"):
        load_account("work").secret()


def test_token_without_a_secret_needs_no_keyring() -> None:
    save_account(WORK.replace(password=Token(None)), "work")
    assert list_accounts() == ["work"]


def test_tokens_setting_that_is_none_has_its_place(home: Path) -> None:
    by_hand(home, "host = 'h.example'\nusername = 'a'\n[oauth]\nclient_id = 'x'\n")
    with pytest.raises(ValueError, match=r"work.toml, line 3: .*token_url"):
        load_account("work")
