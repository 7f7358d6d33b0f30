"""Accounts are kept and shown from a terminal, and no password is ever seen there."""

from __future__ import annotations

import getpass
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from smtpbook.accounts.account import Account
from smtpbook.accounts.oauth import from_settings
from smtpbook.accounts.passwords import FromEnvironment, FromKeyring, FromPrompt
from smtpbook.accounts.store import list_accounts, load_account, save_account
from smtpbook.cli.main import main
from smtpbook.presets.provider import PROVIDERS
from tests.accounts.keyrings import MemoryKeyring

TEXT = "open sesame"
SERVER = ("--host", "smtp.example.org", "--username", "ann")


def run(*args: str, **options: object) -> Result:
    return CliRunner().invoke(main, ["accounts", *args], **options)  # type: ignore[arg-type]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Somebody types the password; the questions asked are noted."""
    questions: list[str] = []

    def answer(question: str) -> str:
        questions.append(question)
        return TEXT

    monkeypatch.setattr(getpass, "getpass", answer)
    return questions


def test_an_account_is_saved_with_a_password_typed_unseen(
    vault: MemoryKeyring, typed: list[str], home: Path
) -> None:
    result = run("add", "work", *SERVER)
    assert result.exit_code == 0, result.output
    assert typed == ["password for work: "]
    assert load_account("work") == Account(
        host="smtp.example.org", username="ann", password=FromKeyring("work")
    )
    assert vault.kept == {("smtpbook", "work"): TEXT}
    assert TEXT not in result.output
    assert not [path for path in home.rglob("*.toml") if TEXT in path.read_text()]
    assert "smtpbook probe 'work'" in result.output


def test_no_option_takes_the_password_itself(typed: list[str]) -> None:
    assert run("add", "work", *SERVER, "--password", TEXT).exit_code == 2
    result = run("add", "work", *SERVER, "--password-from", TEXT)
    assert result.exit_code == 2
    assert "takes keyring, env:NAME or prompt" in result.output
    assert TEXT not in result.output
    assert list_accounts() == []


@pytest.mark.parametrize(
    ("origin", "kept"),
    [("env:MAIL_PASSWORD", FromEnvironment("MAIL_PASSWORD")), ("prompt", FromPrompt())],
)
def test_the_password_may_stay_elsewhere(
    origin: str, kept: object, typed: list[str]
) -> None:
    assert run("add", "work", *SERVER, "--password-from", origin).exit_code == 0
    assert load_account("work").password == kept
    assert typed == []


def test_without_a_keyring_the_options_that_do_without_are_named(typed: list[str]) -> None:
    result = run("add", "work", *SERVER)
    assert result.exit_code == 2
    assert "--password-from env:NAME" in result.output
    assert TEXT not in result.output
    assert list_accounts() == []


def test_a_preset_says_what_it_wants_before_it_asks(
    vault: MemoryKeyring, typed: list[str]
) -> None:
    result = run("add", "home", "--preset", "ann@gmail.com")
    assert result.exit_code == 0, result.output
    account = load_account("home")
    assert (account.host, account.username) == ("smtp.gmail.com", "ann@gmail.com")
    assert "app password" in result.stderr
    assert "Warning" not in result.output


def test_a_typed_password_is_not_taken_for_a_token(
    vault: MemoryKeyring, typed: list[str]
) -> None:
    assert PROVIDERS["microsoft365"].auth == "XOAUTH2"
    args = ("add", "work", "--preset", "microsoft365", "--username", "ann@x.example")
    assert run(*args).exit_code == 0
    assert load_account("work").auth == "auto"


def test_a_region_and_every_other_field_are_taken(tmp_path: Path) -> None:
    pem = tmp_path / "own.pem"
    pem.write_text("")
    result = run(
        *("add", "aws", "--preset", "ses", "--region", "eu-west-1", "--username", "AKIA"),
        *("--port", "2587", "--tls", "starttls", "--auth", "PLAIN", "--ca-file", str(pem)),
        *("--password-from", "prompt"),
    )
    assert result.exit_code == 0, result.output
    account = load_account("aws")
    assert account.host == "email-smtp.eu-west-1.amazonaws.com"
    assert (account.port, account.tls, account.auth) == (2587, "starttls", "PLAIN")
    assert account.ca_file == str(pem)


def test_a_proxys_password_is_kept_like_the_accounts_and_never_shown(
    vault: MemoryKeyring,
) -> None:
    proxy = "socks5h://ann:melon@p.test:1080"
    result = run("add", "work", "--host", "h.example", "--proxy", proxy)
    assert result.exit_code == 0, result.output
    assert "socks5h://p.test:1080" in result.output
    assert "melon" not in result.output
    assert vault.kept == {("smtpbook", "work/proxy"): "melon"}


def test_an_account_for_relay_and_one_at_a_unix_socket_are_shown() -> None:
    relay = ("add", "relay", "--host", "mx.example.org", "--tls", "opportunistic")
    assert run(*relay).exit_code == 0
    assert "opportunistic" in run("show", "relay").output
    assert run("add", "local", "--host", "/run/dovecot/lmtp").exit_code == 0
    shown = run("show", "local").output
    assert "/run/dovecot/lmtp\n" in shown


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("--preset", "gmail", "--host", "smtp.example.org"),
        ("--host", "smtp.example.org", "--region", "eu-west-1"),
        ("--host", "smtp.example.org", "--password-from", "prompt"),
        ("--preset", "gmial"),
        ("--host", "not a host"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_an_account_is_wrong_usage(args: tuple[str, ...]) -> None:
    assert run("add", "work", *args).exit_code == 2
    assert list_accounts() == []


def test_an_account_for_lmtp_is_added_and_shown() -> None:
    assert run("add", "store", "--host", "mx.test", "--protocol", "lmtp").exit_code == 0
    assert load_account("store") == Account(host="mx.test", protocol="lmtp")
    shown = run("show", "store").output
    assert re.search(r"server +mx\.test:24\nprotocol +lmtp\n", shown)


def test_an_account_that_logs_in_without_a_username_says_how() -> None:
    account = Account(host="mx.test", auth="EXTERNAL", client_certificate="own.pem")
    save_account(account, "own")
    shown = run("show", "own").output
    assert re.search(r"auth +EXTERNAL\n", shown)
    assert "no login" not in shown


def test_an_account_is_replaced_only_when_told() -> None:
    assert run("add", "work", "--host", "a.example").exit_code == 0
    result = run("add", "work", "--host", "b.example")
    assert result.exit_code == 2
    assert "--replace" in result.output
    assert load_account("work").host == "a.example"
    assert run("add", "work", "--host", "b.example", "--replace").exit_code == 0
    assert load_account("work").host == "b.example"


def test_the_list_names_every_account_and_where_its_password_is(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no account is saved yet" in run().output
    monkeypatch.delenv("MAIL_PASSWORD", raising=False)
    work = Account(host="smtp.example.org", username="ann")
    save_account(work, "work")
    save_account(work.replace(password=FromEnvironment("MAIL_PASSWORD")), "variable")
    save_account(Account(host="relay.example"), "relay")
    (home / "accounts" / "broken.toml").write_text("host = ")
    result = run()
    assert result.exit_code == 0
    assert "$MAIL_PASSWORD (not set)" in result.stdout
    assert "in the keyring" in result.stdout
    assert "broken.toml is not TOML" in result.stderr
    rows = json.loads(run("--json").stdout)
    assert [row["name"] for row in rows] == ["broken", "relay", "variable", "work"]
    assert rows[3]["server"] == "smtp.example.org"
    assert rows[1]["password"] is None


def test_show_tells_what_is_known_and_fits_the_screen() -> None:
    save_account(Account.preset("ann@gmail.com"), "home")
    shown = run("show", "home").output
    assert "smtp.gmail.com:465" in shown
    assert "app password" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_name_that_is_not_there_gets_the_near_miss() -> None:
    save_account(Account(host="a.example"), "work")
    for command in ("show", "remove", "password"):
        result = run(command, "wrok")
        assert result.exit_code == 2
        assert "did you mean 'work'?" in result.output


def test_remove_asks_first(vault: MemoryKeyring, typed: list[str]) -> None:
    run("add", "work", *SERVER)
    assert run("remove", "work", input="n\n").exit_code == 1
    assert list_accounts() == ["work"]
    assert run("remove", "work", input="y\n").exit_code == 0
    assert list_accounts() == []
    assert vault.kept == {}


def test_a_password_is_given_again(vault: MemoryKeyring, typed: list[str]) -> None:
    account = Account(host="smtp.example.org", port=2525, username="ann")
    save_account(account, "work")
    assert run("password", "work").exit_code == 0
    assert vault.kept == {("smtpbook", "work"): TEXT}
    assert load_account("work").port == 2525


def test_an_account_without_login_or_with_a_token_takes_none() -> None:
    save_account(Account(host="relay.example"), "relay")
    token = from_settings(
        {"token_url": "https://oauth.example/token", "client_id": "c", "scope": "s"},
        lambda: None,
        lambda _: None,
    )
    save_account(
        Account(host="h.example", username="ann", auth="XOAUTH2", password=token), "token"
    )
    assert "needs no password" in run("password", "relay").output
    assert "authorize" in run("password", "token").output
    assert "OAuth token" in run("show", "token").output


def test_providers_are_listed_within_the_screen() -> None:
    output = run("providers").output
    assert all(key in output for key in PROVIDERS)
    assert max(map(len, output.splitlines())) <= 80


def test_a_providers_hint_and_source_are_told() -> None:
    output = run("providers", "icloud").output
    provider = PROVIDERS["icloud"]
    assert provider.source in output
    assert str(provider.date) in output
    assert provider.hint.split()[0] in output
    found = json.loads(run("providers", "icloud", "--json").output)
    assert found[0]["key"] == "icloud"


def test_a_provider_is_found_by_an_address_or_the_near_miss_is_named() -> None:
    assert "smtp.gmail.com" in run("providers", "ann@gmail.com").output
    result = run("providers", "gmial")
    assert result.exit_code == 2
    assert "did you mean 'gmail'?" in result.output


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of Unix")
def test_in_a_terminal_what_is_typed_is_not_shown(home: Path) -> None:
    """A process of its own, its screen a pseudo-terminal that would echo."""
    screen, terminal = os.openpty()
    environment = os.environ | {
        "PYTHON_KEYRING_BACKEND": "tests.accounts.keyrings.MemoryKeyring",
        "PYTHONPATH": str(Path(__file__).parent.parent.parent),
        "TERM": "dumb",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "smtpbook", "accounts", "add", "work", *SERVER],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment,
        start_new_session=True,
    ) as process:
        os.close(terminal)
        shown = b""
        while b"password for work: " not in shown:
            shown += os.read(screen, 1000)
        os.write(screen, f"{TEXT}\n".encode())
        try:
            while more := os.read(screen, 1000):
                shown += more
        except OSError:  # how Linux says that the other side is closed
            pass
    os.close(screen)
    assert process.returncode == 0, shown
    assert b"saved 'work'" in shown
    assert TEXT.encode() not in shown
    assert (home / "accounts" / "work.toml").exists()
