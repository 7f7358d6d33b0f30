"""A password comes from where it was said to be, or the ways to give one are listed."""

from __future__ import annotations

import getpass
import pickle
import subprocess
import sys
import warnings

import keyring
import pytest
from keyring.backends import null

from smtpbook.accounts import passwords
from smtpbook.accounts.account import Account
from smtpbook.accounts.passwords import FromEnvironment, FromKeyring, FromPrompt
from smtpbook.accounts.secret import Secret
from smtpbook.errors import LocalProtocolError
from tests.accounts.keyrings import (
    BrokenBusKeyring,
    InterruptedKeyring,
    LockedKeyring,
    MemoryKeyring,
)

WAYS = ("SMTPBOOK_PASSWORD_WORK", "callable", 'FromEnvironment("NAME")', "FromPrompt()")


def test_environment_is_read_at_each_login(monkeypatch: pytest.MonkeyPatch) -> None:
    password = FromEnvironment("MAIL_PASSWORD")
    for text in ("one", "two"):
        monkeypatch.setenv("MAIL_PASSWORD", text)
        assert password() == Secret(text)


@pytest.mark.parametrize("value", [None, ""])
def test_variable_that_is_not_set_is_named(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAIL_PASSWORD", raising=False)
    if value is not None:
        monkeypatch.setenv("MAIL_PASSWORD", value)
    with pytest.raises(LocalProtocolError, match="variable MAIL_PASSWORD is not set"):
        FromEnvironment("MAIL_PASSWORD")()


@pytest.mark.parametrize("name", ["", "A B", "1A", "A=1", "A\n"])
def test_variable_has_a_name(name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a variable"):
        FromEnvironment(name)


def test_keyring_is_asked_under_the_entrys_name(vault: MemoryKeyring) -> None:
    vault.set_password("smtpbook", "work", "pässwörd")
    assert FromKeyring("work")() == Secret("pässwörd")
    with pytest.raises(LocalProtocolError, match="no password for home: none is in"):
        FromKeyring("home")()


def test_variable_goes_before_the_keyring(
    vault: MemoryKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.set_password("smtpbook", "work", "kept")
    monkeypatch.setenv("SMTPBOOK_PASSWORD_WORK", "set")
    assert FromKeyring("work")() == Secret("set")


def test_variable_serves_where_there_is_no_keyring(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SMTPBOOK_PASSWORD_ANN_X_TEST", "set")
    assert FromKeyring("ann@x.test")() == Secret("set")


def test_without_a_keyring_the_other_ways_are_listed() -> None:
    with pytest.raises(LocalProtocolError, match="No recommended backend") as told:
        FromKeyring("work")()
    assert all(way in str(told.value) for way in WAYS)


@pytest.mark.parametrize(
    ("backend", "why"),
    [
        (LockedKeyring, "Failed to unlock the collection!"),
        (BrokenBusKeyring, "the bus is gone"),
        (null.Keyring, "it forgets what it is given"),
    ],
)
def test_keyring_that_keeps_nothing_is_an_error_that_lists_the_other_ways(
    backend: type[keyring.backend.KeyringBackend], why: str
) -> None:
    keyring.set_keyring(backend())  # type: ignore[no-untyped-call]
    with pytest.raises(
        LocalProtocolError, match="cannot keep the password of work"
    ) as told:
        passwords.keep("work", Secret("open sesame"))
    assert why in str(told.value)
    assert all(way in str(told.value) for way in WAYS)
    assert told.value.__context__ is None


def test_kept_secret_replaces_and_gives_back_the_one_before(vault: MemoryKeyring) -> None:
    assert passwords.keep("work", Secret("one")) is None
    assert passwords.keep("work", Secret("two")) == Secret("one")
    assert vault.kept == {("smtpbook", "work"): "two"}
    passwords.forget("work")
    passwords.forget("work")
    assert vault.kept == {}


def test_forgetting_needs_no_keyring_but_an_open_one() -> None:
    passwords.forget("work")
    keyring.set_keyring(LockedKeyring())
    with pytest.raises(LocalProtocolError, match="cannot remove the password of work"):
        passwords.forget("work")


def test_interrupt_while_the_keyring_waits_is_one() -> None:
    keyring.set_keyring(InterruptedKeyring())
    with pytest.raises(KeyboardInterrupt):
        passwords.keep("work", Secret("open sesame"))


@pytest.mark.parametrize(
    "error",
    [EOFError(), OSError("no tty"), NotImplementedError(), getpass.GetPassWarning("echo")],
    ids=repr,
)
def test_prompt_that_nobody_answers_lists_the_other_ways(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(question: str) -> str:
        raise error

    monkeypatch.setattr(getpass, "getpass", ask)
    with pytest.raises(LocalProtocolError, match="nobody can be asked") as told:
        FromPrompt()("work")
    assert all(way in str(told.value) for way in WAYS)


def test_prompt_would_rather_not_ask_than_show_what_is_typed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def ask(question: str) -> str:
        warnings.warn("it will be echoed", getpass.GetPassWarning, stacklevel=2)
        return "shown"

    monkeypatch.setattr(getpass, "getpass", ask)
    with pytest.raises(LocalProtocolError, match="nobody can be asked"):
        FromPrompt()()


def test_empty_answer_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda question: "")
    with pytest.raises(LocalProtocolError, match="nothing was typed"):
        FromPrompt()("work")


def test_prompt_without_a_terminal_ends_at_once() -> None:
    """A process of its own, as a batch job has it: no terminal, no input."""
    code = (
        "from smtpbook.accounts.passwords import FromPrompt\n"
        "from smtpbook.errors import LocalProtocolError\n"
        "try:\n    FromPrompt()('work')\n"
        "except LocalProtocolError as exc:\n    print(exc)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=30,
        check=True,
    )
    assert "nobody can be asked" in result.stdout


@pytest.mark.parametrize(
    "password", [FromEnvironment("X"), FromKeyring("work"), FromPrompt(), None], ids=repr
)
def test_account_travels_when_its_secret_stays(
    password: FromEnvironment | FromKeyring | FromPrompt | None,
) -> None:
    account = Account(host="h.example", username="ann", password=password)
    assert pickle.loads(pickle.dumps(account)) == account


def test_keyring_is_imported_only_when_it_is_asked() -> None:
    code = (
        "import sys\n"
        "from smtpbook.accounts.account import Account\n"
        "import smtpbook.accounts.store\n"
        "Account(host='h.example', username='ann', password='x').secret()\n"
        "assert 'keyring' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
