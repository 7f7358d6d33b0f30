"""Presets are whole, their rows have sources, and what is known to fail is said before."""

from __future__ import annotations

import datetime
import re
import warnings
from collections import Counter
from typing import get_args

import pytest

from smtpbook.accounts.account import Account
from smtpbook.accounts.passwords import FromKeyring
from smtpbook.presets.provider import (
    PROVIDERS,
    PasswordKind,
    Provider,
    find_provider,
    provider_of,
)
from smtpbook.sasl.registry import MECHANISMS

ROWS = list(PROVIDERS.values())
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)

NEEDED = {
    "icloud",
    "yahoo",
    "web.de",
    "postmark",
    "sparkpost",
    "zoho-eu",
    "mandrill",
    "gandi",
    "yandex",
    "gmail",
    "microsoft365",
    "mailjet",
    "aol",
    "sendgrid",
    "ses",
    "zoho-in",
    "brevo",
    "workspace",
    "ovh",
    "zoho",
    "outlook.com",
    "gmx",
    "proton-bridge",
    "mailgun",
    "ionos",
    "fastmail",
}


def test_those_people_have_are_there() -> None:
    assert set(PROVIDERS) >= NEEDED
    assert len(ROWS) >= 50


@each_row
def test_row_is_whole(row: Provider) -> None:
    assert row.title
    assert row.hint.endswith((".", "passwort-verwalten"))
    assert re.match(r"https://[\w.-]+/\S+$", row.source)
    assert row.limit_source is None or re.match(r"https://[\w.-]+/\S+$", row.limit_source)
    assert row.date >= datetime.date(2026, 11, 23)
    assert row.page_date is None or re.fullmatch(r"20\d\d-\d\d(-\d\d)?", row.page_date)
    assert row.password_kind in get_args(PasswordKind)
    assert row.auth == "auto" or row.auth in MECHANISMS
    assert row.password_form is None or re.compile(row.password_form)


@each_row
def test_port_and_tls_belong_together(row: Provider) -> None:
    usual = {465: "implicit", 587: "starttls", 1025: "starttls"}
    assert row.tls == usual[row.port]


@each_row
def test_limit_is_a_number_with_a_source(row: Provider) -> None:
    assert row.per_day is None or (row.per_day >= 100 and row.limit_source)
    assert row.per_connection is None or row.per_connection >= 1


def test_no_name_belongs_to_two() -> None:
    names = Counter(name for row in ROWS for name in {row.key, *row.aliases, *row.domains})
    assert {name: n for name, n in names.items() if n > 1} == {}
    assert all(name == name.lower() for name in names)


@each_row
def test_preset_gives_the_row(row: Provider) -> None:
    region = "eu-west-1" if row.has_regions else None
    account = Account.preset(row.key, username=row.username or "ann@x.test", region=region)
    assert account.host == row.host.replace("{region}", "eu-west-1")
    assert (account.port, account.tls, account.auth) == (row.port, row.tls, row.auth)
    assert account.advice == account.provider.hint  # type: ignore[union-attr]
    assert account.provider in [other for other in ROWS if other.host == row.host]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("gmail", "gmail"),
        (" GMAIL.com ", "gmail"),
        ("googlemail.com", "gmail"),
        ("office365", "microsoft365"),
        ("hotmail", "outlook.com"),
        ("ann@hotmail.co.uk", "outlook.com"),
        ("Ann@GMX.de", "gmx"),
        ("ann@gmx.com", "gmx.com"),
        ("ann@pm.me", "proton-bridge"),
        ("1und1", "ionos"),
    ],
)
def test_provider_is_found_by_key_alias_domain_or_address(name: str, key: str) -> None:
    assert find_provider(name).key == key


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gmial", "did you mean 'gmail'"),
        ("outlok.com", "did you mean 'outlook.com'"),
        ("ann@gmial.com", "at 'gmial.com'; did you mean 'gmail.com'"),
        ("ann@example.org", "hosts the domain"),
        ("", "there are gmail, "),
        ("x\u202e\n", r"no preset 'x\\u202e\\n'"),
    ],
)
def test_unknown_preset_is_refused_with_the_near_miss(name: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as refused:
        Account.preset(name)
    assert str(refused.value).isprintable()


def test_address_is_its_own_username_unless_another_is_given() -> None:
    assert Account.preset("ann@gmx.de").username == "ann@gmx.de"
    assert Account.preset("ann@gmx.de", username="bob@gmx.de").username == "bob@gmx.de"


def test_username_is_the_providers_where_all_have_one() -> None:
    account = Account.preset("sendgrid", password="SG.x")
    assert account.username == "apikey"


def test_changes_go_before_the_preset() -> None:
    account = Account.preset("gmail", username="a@gmail.com", tls="starttls", name="work")
    assert (account.port, account.tls, account.name) == (587, "starttls", "work")
    assert Account.preset("ovh", username="a@x.test", host="ex4.mail.ovh.net").host == (
        "ex4.mail.ovh.net"
    )


def test_region_is_asked_for_where_there_are_some_only() -> None:
    with pytest.raises(ValueError, match="'ses' needs region="):
        Account.preset("ses", username="AKIA")
    with pytest.raises(ValueError, match="'gmail' has none"):
        Account.preset("gmail", region="eu-west-1")


@pytest.mark.parametrize(
    ("host", "port", "username", "key"),
    [
        ("smtp.gmail.com", 587, "ann@gmail.com", "gmail"),
        ("SMTP.gmail.com", 465, "ann@company.test", "workspace"),
        ("email-smtp.eu-central-1.amazonaws.com", 587, None, "ses"),
        ("127.0.0.1", 1025, "ann@proton.me", "proton-bridge"),
        ("127.0.0.1", 2525, None, None),
        ("smtp.gmail.com.evil.test", 465, None, None),
        ("smtp.example.org", 587, "ann@gmail.com", None),
    ],
)
def test_provider_of_a_server(
    host: str, port: int, username: str | None, key: str | None
) -> None:
    provider = provider_of(host, port, username)
    assert (provider and provider.key) == key


# --- said before the first failed login ---------------------------------------------------


@pytest.mark.parametrize(
    ("name", "password", "told"),
    [
        ("ann@outlook.com", "anything", "by OAuth"),
        ("ann@gmail.com", "my dog's name", "make an app password at https://"),
        ("ann@icloud.com", "hunter2", "app-specific password"),
        ("ann@yahoo.com", "hunter2", "app password"),
    ],
)
def test_password_that_will_be_refused_is_warned_about_where_it_was_given(
    name: str, password: str, told: str
) -> None:
    with pytest.warns(UserWarning, match=told) as said:
        Account.preset(name, password=password)
    assert said[0].filename == __file__
    assert password not in str(said[0].message)


def test_the_warning_does_not_depend_on_the_preset() -> None:
    with pytest.warns(UserWarning, match="by OAuth") as said:
        Account(host="smtp-mail.outlook.com", username="ann@outlook.com", password="x")
    assert said[0].filename == __file__
    with pytest.warns(UserWarning, match="the word apikey") as said:
        Account(host="smtp.sendgrid.net", username="ann@x.test", password="SG.x")
    account = Account(host="smtp.gmail.com", username="ann@gmail.com")
    with pytest.warns(UserWarning, match="app password") as said:
        account.replace(password="hunter2")
    assert said[0].filename == __file__


def test_password_that_may_do_is_not_warned_about() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Account.preset("ann@gmail.com", password="abcd efgh ijkl mnop")
        Account.preset("ann@icloud.com", password="abcd-efgh-ijkl-mnop")
        Account.preset("ann@outlook.com")
        Account.preset("ann@outlook.com", password=lambda: "a token")
        Account.preset("ann@outlook.com", password=FromKeyring("work"))
        Account.preset("ann@gmx.de", password="hunter2")
        Account(host="smtp.example.org", username="ann", password="hunter2")


def test_plain_password_is_tried_as_one_where_a_token_is_wanted() -> None:
    """Facts age, and an administrator may allow what a provider has ended."""
    with pytest.warns(UserWarning, match="end of 2026"):
        account = Account.preset("office365", username="a@x.test", password="hunter2")
    assert account.auth == "auto"
    assert Account.preset("office365", username="a@x.test").auth == "XOAUTH2"


def test_advice_is_silent_where_nothing_is_known() -> None:
    assert Account(host="smtp.example.org", username="ann").advice is None
    assert Account(host="smtp-relay.gmail.com", port=587).advice is None
