"""An account's fields follow each other, and what is wrong stands beside them."""

from __future__ import annotations

from collections.abc import Iterator

import keyring
import pytest

from smtpbook.accounts.account import Account
from smtpbook.accounts.passwords import FromPrompt
from smtpbook.accounts.store import load_account, save_account
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.presets.provider import PROVIDERS
from smtpbook.sasl.registry import MECHANISMS
from smtpbook.widgets.account_form import AccountForm, account_form
from tests.accounts.keyrings import MemoryKeyring
from tests.servers.process import free_ports
from tests.widgets.browser import run, state_of_all, typed

PASSWORD = "correct-horse-battery"


@pytest.fixture(autouse=True)
def vault() -> Iterator[MemoryKeyring]:
    before, memory = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


def filled(**values: object) -> AccountForm:
    form = account_form()
    given: dict[str, object] = {"host": "mx.example.org", "username": "ann@example.org"}
    for name, value in (given | values).items():
        form.fields[name].value = value
    return form


def notes(form: AccountForm) -> dict[str, str]:
    return {name: field.note.text for name, field in form.fields.items() if field.note.text}


# -- what follows what


@pytest.mark.parametrize("key", PROVIDERS)
def test_fields_follow_the_provider_and_its_advice_is_shown(key: str) -> None:
    form = account_form()
    form.fields["provider"].value = key
    form.fields["region"].value = "eu-west-1"
    if not form.fields["username"].value:
        form.fields["username"].value = "ann@example.org"
    region = "eu-west-1" if PROVIDERS[key].has_regions else None
    preset = Account.preset(key, username=form.fields["username"].value, region=region)
    assert form.account == preset
    assert PROVIDERS[key].hint in form.provider_note.text


def test_a_region_is_asked_for_where_there_are_some() -> None:
    form = filled(provider="ses")
    assert form.fields["region"].layout.display == ""
    with pytest.raises(ValueError, match="region is missing"):
        _ = form.account
    form.fields["provider"].value = "gmail"
    assert form.fields["region"].layout.display == "none"


def test_a_providers_own_username_goes_with_the_provider() -> None:
    form = account_form()
    form.fields["provider"].value = "sendgrid"
    assert form.account.username == "apikey"
    form.fields["provider"].value = "gmail"
    assert form.account.username is None


def test_a_login_by_each_mechanism_can_be_chosen() -> None:
    for name in MECHANISMS:
        assert filled(auth=name).account.auth == name


def test_the_port_follows_the_encryption_unless_it_was_chosen() -> None:
    form = filled(tls="implicit")
    assert form.account.port == 465
    form.fields["tls"].value = "starttls"
    assert form.account.port == 587
    form.fields["port"].value = 2525
    form.fields["tls"].value = "implicit"
    assert form.account.port == 2525


# -- what is wrong


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        ({"host": ""}, "host", "is not a host name"),
        ({"host": "mx <b>"}, "host", "is not a host name"),
        ({"helo": "a b"}, "helo", ""),
        ({"timeouts": "soon"}, "timeouts", "not a number of seconds"),
        ({"timeouts": "-1"}, "timeouts", "must be positive"),
    ],
)
def test_a_complaint_stands_beside_its_field(
    values: dict[str, str], field: str, said: str
) -> None:
    form = filled(**values)
    form.test.test_button.click()
    assert list(notes(form)) == [field]
    assert said in notes(form)[field]
    assert not form.test.is_running


def test_a_password_without_a_username_asks_for_the_username() -> None:
    form = filled(username="")
    typed(form.password, PASSWORD)
    form.save_button.click()
    assert notes(form) == {"username": "a password needs a username"}


def test_a_complaint_goes_when_the_field_is_changed() -> None:
    form = filled(host="")
    form.test.test_button.click()
    form.fields["host"].value = "mx.example.org"
    assert notes(form) == {}


def test_hostile_text_is_shown_as_text() -> None:
    form = filled(host="<img src=x onerror=alert(1)>")
    form.code_button.value = True
    form.test.test_button.click()
    assert "<img" not in form.fields["host"].note.value
    assert "<img" not in form._repr_mimebundle_()["text/html"]


def test_a_password_that_will_be_refused_is_doubted_beside_it() -> None:
    form = filled(provider="gmail", username="ann@gmail.com")
    typed(form.password, "everyday")
    form._checked()
    assert "app password" in notes(form)["password"]


def test_clear_text_to_another_machine_is_warned_of() -> None:
    form = filled(tls="none")
    form._checked()
    assert "clear text" in notes(form)["tls"]


# -- the test of the connection


def test_a_login_that_works_is_told_word_for_word() -> None:
    with Lab(users={"ann": PASSWORD}, tls="starttls") as lab:
        form = filled(
            host="127.0.0.1", port=lab.port, username="ann", ca_file=str(lab.ca_file)
        )
        typed(form.password, PASSWORD)
        form.test.test_button.click()
        form.test.wait()
    said = form.test.conversation.text
    assert [word for word in ("EHLO", "STARTTLS", "AUTH", "QUIT") if word not in said] == []
    assert said.count("\n") > 10
    assert "it works" in form.test.note.text
    assert "235" in form.test.steps.value
    assert not form.test.test_button.disabled
    assert PASSWORD not in said + state_of_all() + form.code


def test_a_refused_login_says_so_and_can_be_tried_again() -> None:
    with Lab(users={"ann": PASSWORD}) as lab:
        form = filled(host="127.0.0.1", port=lab.port, username="ann", tls="none")
        form.fields["port"].value = lab.port
        typed(form.password, "wrong")
        form.test.test_button.click()
        form.test.wait()
        assert "535 5.7.8" in form.test.conversation.text
        assert "it works" not in form.test.note.text
        typed(form.password, PASSWORD)
        form.test.test_button.click()
        form.test.wait()
    assert "535 5.7.8" not in form.test.conversation.text
    assert "it works" in form.test.note.text


def test_a_server_that_stays_silent_is_stopped_by_the_button() -> None:
    with Lab() as lab:
        lab.set(greeting=Behaviour(delay_s=(60.0, 60.0)))
        form = filled(host="127.0.0.1", port=lab.port, username="", tls="none")
        form.fields["port"].value = lab.port
        form.test.test_button.click()
        assert form.test.is_running
        form.test.test_button.click()  # a second one is not begun
        form.test.stop_button.click()
        form.test.wait()
    assert form.test.note.text == "stopped"
    assert form.test.stop_button.disabled


def test_a_server_that_is_not_there_is_said() -> None:
    form = filled(host="127.0.0.1", tls="none", username="")
    (form.fields["port"].value,) = free_ports(1)
    form.test.test_button.click()
    form.test.wait()
    assert "127.0.0.1" in form.test.note.text
    assert "it works" not in form.test.note.text


def test_hostile_words_of_a_server_are_shown_as_text() -> None:
    with Lab() as lab:
        lab.set(greeting=Behaviour(reply="554 <script>alert(1)</script> \x1b[31m"))
        form = filled(host="127.0.0.1", port=lab.port, username="", tls="none")
        form.fields["port"].value = lab.port
        form.test.test_button.click()
        form.test.wait()
    assert "<script>" not in form.test.note.value + form.test.steps.value
    assert "\x1b" not in form.test.conversation.text


def test_a_password_to_be_asked_for_is_not_asked_for_by_a_button() -> None:
    save_account(
        Account(host="mx.example.org", username="ann", password=FromPrompt()), "work"
    )
    form = account_form("work")
    form.test.test_button.click()
    assert "needed here" in notes(form)["password"]


# -- saving and loading


def test_what_is_saved_is_what_is_loaded(vault: MemoryKeyring) -> None:
    form = filled(helo="client.example.org", timeouts="20")
    typed(form.password, PASSWORD)
    form.name_field.value = "work"
    form.save_button.click()
    assert "saved" in form.save_note.text
    assert list(vault.kept.values()) == [PASSWORD]
    again = account_form("work")
    assert again.account == load_account("work")
    assert (again.account.helo, again.account.limits.rcpt_s) == ("client.example.org", 20)
    assert PASSWORD not in state_of_all()


@pytest.mark.parametrize(
    "account",
    [
        Account(host="/run/dovecot/lmtp"),
        Account(host="mx.example.org", tls="opportunistic"),
        Account(
            host="mx.example.org",
            proxy="socks5h://p.test:1080",
            client_certificate="/own.pem",
            pin="ab" * 32,
        ),
    ],
    ids=repr,
)
def test_what_the_form_has_no_field_for_stays_as_it_was(account: Account) -> None:
    save_account(account, "work")
    form = account_form("work")
    assert form.account == account
    assert form.code.endswith('account = sb.load_account("work")')
    form.save_button.click()
    assert load_account("work") == account


def test_opportunistic_encryption_with_a_login_is_refused_beside_it() -> None:
    form = filled(tls="opportunistic")
    form.save_button.click()
    assert 'use "starttls"' in form.fields["tls"].note.text


def test_an_account_is_replaced_only_when_asked_twice() -> None:
    save_account(Account(host="old.example.org"), "work")
    form = filled()
    form.name_field.value = "work"
    form.save_button.click()
    assert "press Save again" in form.name_field.note.text
    assert load_account("work").host == "old.example.org"
    form.save_button.click()
    assert load_account("work").host == "mx.example.org"


@pytest.mark.parametrize("name", ["", "../work", "a/b"])
def test_a_name_that_cannot_be_one_is_said_beside_it(name: str) -> None:
    form = filled()
    form.name_field.value = name
    form.save_button.click()
    assert "cannot be an account's name" in form.name_field.note.text


def test_a_password_that_is_to_be_asked_for_is_kept_nowhere(vault: MemoryKeyring) -> None:
    form = filled()
    typed(form.password, PASSWORD)
    form.keep_field.value, form.name_field.value = "prompt", "work"
    form.save_button.click()
    assert vault.kept == {}
    assert load_account("work").password == FromPrompt()
    assert form.account.password is not None  # here it is still known


def test_without_a_keyring_the_other_ways_are_told() -> None:
    keyring.set_keyring(keyring.backends.fail.Keyring())
    form = filled()
    typed(form.password, PASSWORD)
    form.name_field.value = "work"
    form.save_button.click()
    assert "environment variable" in form.save_note.text


# -- code


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (
            {},
            'account = sb.Account(\n    host="mx.example.org",\n    port=587,\n'
            '    tls="starttls",\n    username="ann@example.org",\n)',
        ),
        (
            {"provider": "gmail", "username": "ann@gmail.com"},
            'account = sb.Account.preset("gmail", username="ann@gmail.com")',
        ),
        (
            {"provider": "ses", "region": "eu-west-1", "username": "AKIA"},
            'account = sb.Account.preset("ses", region="eu-west-1", username="AKIA")',
        ),
        (
            {"provider": "fastmail", "username": "ann", "tls": "starttls"},
            'account = sb.Account.preset(\n    "fastmail",\n    port=587,\n'
            '    tls="starttls",\n    username="ann",\n)',
        ),
    ],
)
def test_the_code_is_short_and_gives_the_same_account(
    values: dict[str, object], code: str
) -> None:
    form = filled(**values)
    assert form.code == f"import smtpbook as sb\n\n{code}"
    assert run(form.code)["account"] == form.account


def test_the_code_asks_for_the_password_that_was_typed() -> None:
    form = filled()
    typed(form.password, PASSWORD)
    account = run(form.code)["account"]
    assert account == form.account.replace(password=FromPrompt())
    assert PASSWORD not in form.code + repr(form) + str(form._repr_mimebundle_())


def test_the_code_of_a_saved_account_loads_it_and_says_what_was_changed() -> None:
    save_account(Account(host="mx.example.org", username="ann"), "work")
    form = account_form("work")
    assert form.code.endswith('account = sb.load_account("work")')
    form.fields["tls"].value = "implicit"
    assert form.code.endswith(
        'account = sb.load_account("work").replace(port=465, tls="implicit")'
    )
    assert run(form.code)["account"] == form.account


def test_the_code_of_an_incomplete_form_says_what_is_missing() -> None:
    assert account_form().code.startswith("# not complete: host")


def test_the_code_shown_follows_the_fields() -> None:
    form = filled()
    form.code_button.value = True
    form.fields["host"].value = "other.example.org"
    assert "other.example.org" in form._shown_code.value
    form.code_button.value = False
    assert form._shown_code.value == ""


def test_no_saved_account_of_that_name_is_an_error() -> None:
    with pytest.raises(ValueError, match="no saved account 'wrk'"):
        account_form("wrk")
