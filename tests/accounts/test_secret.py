"""A secret is seen by whoever asks for it by name, and by nobody else."""

from __future__ import annotations

import base64
import copy
import dataclasses
import getpass
import html
import io
import json
import logging
import pickle
import pprint
import traceback
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import keyring
import pytest
import trio
from IPython.core.ultratb import VerboseTB
from rich.console import Console
from rich.traceback import Traceback

from smtpbook import places
from smtpbook.accounts import passwords
from smtpbook.accounts.account import Account
from smtpbook.accounts.client_certificate import ClientCertificate
from smtpbook.accounts.passwords import FromEnvironment, FromKeyring, FromPrompt
from smtpbook.accounts.proxy import Proxy
from smtpbook.accounts.secret import MASK, Redactor, Secret
from smtpbook.accounts.store import load_account, save_account
from smtpbook.errors import AuthenticationError
from smtpbook.lab.lab import Lab
from smtpbook.session.session import open_session
from tests.accounts.keyrings import (
    BrokenBusKeyring,
    InterruptedKeyring,
    LockedKeyring,
    MemoryKeyring,
)

TEXT = "open sesame"


def logged(value: object) -> str:
    stream = io.StringIO()
    logger = logging.Logger("test")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s %(login)s"))
    logger.addHandler(handler)
    logger.error("%s %r", value, value, extra={"login": value})
    return stream.getvalue()


def raised(value: object) -> Exception:
    """An error with the value among the locals of its frames."""

    def fail(password: object, kept: dict[str, object]) -> None:
        raise ValueError("no")

    try:
        fail(value, {"password": value})
    except ValueError as exc:
        return exc
    raise AssertionError


def standard(error: BaseException) -> str:
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(shown.format())


def verbose(error: BaseException) -> str:
    return VerboseTB().text(type(error), error, error.__traceback__)


def rich(error: BaseException) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(
        Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True)
    )
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def concatenated(value: object) -> str:
    try:
        return "password: " + value  # type: ignore[operator, no-any-return]
    except TypeError as exc:
        return standard(exc) + MASK  # what a reader sees of it


SHOWN: dict[str, Callable[[object], str]] = {
    "repr": repr,
    "str": str,
    "format": format,
    "f-string": lambda value: f"{value} {value!r} {value!s}",
    "percent": lambda value: "%s %r" % (value, value),  # noqa: UP031
    "list": lambda value: str([value, {"password": value}]),
    "json": lambda value: json.dumps({"password": value}, default=str),
    "pprint": lambda value: pprint.pformat({"a": value}, width=10),
    "logging": logged,
    "concatenation": concatenated,
    "traceback with locals": lambda value: standard(raised(value)),
    "IPython's Verbose mode": lambda value: verbose(raised(value)),
    "rich's traceback": lambda value: rich(raised(value)),
    "attributes": lambda value: str([getattr(value, name) for name in dir(value)]),
}


@pytest.mark.parametrize("way", SHOWN)
def test_secret_is_masked(way: str) -> None:
    shown = SHOWN[way](Secret(TEXT))
    assert TEXT not in shown
    assert way == "json" or MASK in shown


@pytest.mark.parametrize("way", SHOWN)
def test_secret_of_an_account_is_masked(way: str) -> None:
    account = Account(host="smtp.example.org", username="ann", password=TEXT)
    assert TEXT not in SHOWN[way](account)


def test_secret_of_an_account_is_masked_in_its_fields() -> None:
    account = Account(host="smtp.example.org", username="ann", password=TEXT)
    assert TEXT not in str(dataclasses.asdict(account))
    assert TEXT not in str(dataclasses.astuple(account))


def test_replaced_account_is_masked_in_its_fields() -> None:
    account = Account(host="smtp.example.org", username="ann", password=TEXT)
    changed = dataclasses.replace(account, port=25)
    assert changed.password == Secret(TEXT)
    assert TEXT not in str(dataclasses.asdict(changed))


def test_secret_in_a_dataclass_is_masked() -> None:
    @dataclasses.dataclass
    class Login:
        password: Secret

    assert repr(Login(Secret(TEXT))).endswith("Login(password=Secret(••••••))")


def test_secret_is_padded_like_any_text() -> None:
    assert f"{Secret(TEXT):>8}" == "  ••••••"


def test_secret_is_revealed_to_whoever_asks() -> None:
    assert Secret(TEXT).reveal() == TEXT


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_secret_does_not_travel(protocol: int) -> None:
    account = Account(host="smtp.example.org", username="ann", password=TEXT)
    for value in (Secret(TEXT), account):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(value, protocol)


def test_copies_share_the_secret() -> None:
    secret = Secret(TEXT)
    assert copy.copy(secret) is secret
    assert copy.deepcopy({"a": [secret]})["a"][0] is secret


def test_secrets_compare_by_their_text() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert not Secret("")
    assert Secret("a")


@pytest.mark.parametrize("text", [b"open sesame", None, 1])
def test_only_a_string_is_a_secret_and_anything_else_is_not_shown(text: object) -> None:
    with pytest.raises(TypeError, match="a secret is a string, not") as info:
        Secret(text)  # type: ignore[arg-type]
    frame = info.traceback[-1].locals
    assert "text" not in frame


# --- who repeats it -----------------------------------------------------------------------

ODD = 'pass/word+ "ü%20'


SPELLINGS: list[Callable[[str], str]] = [
    str,
    lambda text: quote(text, safe=""),
    lambda text: quote(text).lower(),
    quote_plus,
    json.dumps,
    lambda text: json.dumps(text, ensure_ascii=False),
    lambda text: "".join(f"\\u{ord(char):04X}" for char in text),
    html.escape,
    lambda text: "".join(f"={octet:02X}" for octet in text.encode()),
    lambda text: "".join(f"+{octet:02X}" for octet in text.encode()),
]


@pytest.mark.parametrize("begins", range(4))
@pytest.mark.parametrize("spell", SPELLINGS)
def test_a_secret_is_taken_out_however_it_is_spelled(
    spell: Callable[[str], str], begins: int
) -> None:
    for secret in (TEXT, ODD):
        redactor = Redactor(MASK)
        assert not redactor
        redactor.hide(b"", secret.encode(), b"another")
        assert redactor
        spelled = spell(secret)
        told = redactor.redacted("x" * begins + spelled + " is wrong")
        assert MASK in told
        assert spelled not in told
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            inside = encode(("x" * begins + secret + " is wrong").encode()).decode()
            assert redactor.redacted(f"got {inside.rstrip('=')}") == MASK


@pytest.mark.parametrize("spell", [SPELLINGS[i] for i in (0, 1, 4, 5, 7)])
def test_a_secret_within_an_answer_that_is_base64_is_taken_out(
    spell: Callable[[str], str],
) -> None:
    redactor = Redactor(MASK)
    redactor.hide(ODD.encode())
    for begins in range(3):
        inside = "x" * begins + spell(ODD) + " is wrong"
        assert redactor.redacted(base64.b64encode(inside.encode()).decode()) == MASK


def test_what_does_not_repeat_a_secret_is_left_as_it_is() -> None:
    redactor = Redactor(MASK)
    redactor.hide(TEXT.encode(), b"abcd")
    # "abcd" is too short to be looked for inside base64.
    for text in ("535 no, % \\u00 &; \\ =A +4", "eGFiY2Q= YWJj", ""):
        assert redactor.redacted(text) == text


# --- what is on its way to become a secret ------------------------------------------------
# `typed` makes the text at run time: what stands in a source line is shown with that line.


def typed() -> str:
    return "".join(reversed("emases nepo"))


def bad_account() -> None:
    Account(host="not a host", username="ann", password=typed())


def bad_preset() -> None:
    Account.preset("gmial", username="ann", password=typed())


def bad_change() -> None:
    account = Account(host="smtp.example.org", username="ann")
    account.replace(tls="maybe", password=typed())


def password_of_another_type() -> None:
    Account(host="h.example", username="ann", password=typed().encode())  # type: ignore[arg-type]


def preset_with_another_type() -> None:
    Account.preset("gmail", username="ann", password=[typed()])  # type: ignore[arg-type]


def change_to_another_type() -> None:
    Account(host="h.example", username="ann").replace(password=[typed()])


def field_that_is_not_there() -> None:
    Account(hots="smtp.example.org", username="ann", password=typed())  # type: ignore[call-arg]


def warned_account() -> None:
    """Warnings are errors in these tests."""
    Account(host="smtp-mail.outlook.com", username="ann@outlook.com", password=typed())


def bad_account_with_a_proxy() -> None:
    Account(host="not a host", proxy=f"http://ann:{typed()}@p.test:1")


def bad_proxy() -> None:
    Account(host="h.example", proxy=f"htp://ann:{typed()}@p.test:1")


def bad_proxy_of_a_url() -> None:
    Proxy.from_url(f"http://ann:{typed()}@p.test")


def bad_proxy_with_a_password() -> None:
    Proxy.from_url("http://p.test", password=typed())


def bad_proxy_of_fields() -> None:
    Proxy(scheme="http", host="", port=1, username="ann", password=typed())


def bad_change_of_a_proxy() -> None:
    account = Account(host="h.example")
    account.replace(tls="maybe", proxy=f"http://ann:{typed()}@p.test:1")


def bad_preset_with_a_proxy() -> None:
    Account.preset("gmial", proxy=f"http://ann:{typed()}@p.test:1")


def passphrase_of_another_type() -> None:
    ClientCertificate(file="own.pem", passphrase=typed().encode())  # type: ignore[arg-type]


def callable_password() -> None:
    def give() -> object:
        return typed().encode()

    account = Account(host="h.example", username="ann", password=give)  # type: ignore[arg-type]
    assert account.secret() is not None


def locked_keyring() -> None:
    keyring.set_keyring(LockedKeyring())
    save_account(Account(host="h.example", username="ann", password=typed()), "work")


def broken_bus() -> None:
    keyring.set_keyring(BrokenBusKeyring())
    save_account(Account(host="h.example", username="ann", password=typed()), "work")


def interrupt() -> None:
    keyring.set_keyring(InterruptedKeyring())
    save_account(Account(host="h.example", username="ann", password=typed()), "work")


def keyring_that_loses_it() -> None:
    memory = MemoryKeyring()
    keyring.set_keyring(memory)
    passwords.keep("work", Secret(typed()))
    load_account("work")


def unwritable_file() -> None:
    keyring.set_keyring(MemoryKeyring())
    (places.config_folder() / "accounts" / "work.toml").mkdir(parents=True)
    save_account(Account(host="h.example", username="ann", password=typed()), "work")


def unsettled_environment() -> None:
    Account(host="h.example", username="ann", password=FromEnvironment("NOT_SET")).secret()


def unanswered_prompt() -> None:
    Account(host="h.example", username="ann", password=FromPrompt()).ask()


FAILURES = [
    bad_account,
    bad_preset,
    bad_change,
    password_of_another_type,
    preset_with_another_type,
    change_to_another_type,
    field_that_is_not_there,
    warned_account,
    bad_account_with_a_proxy,
    bad_proxy,
    bad_proxy_of_a_url,
    bad_proxy_with_a_password,
    bad_proxy_of_fields,
    bad_change_of_a_proxy,
    bad_preset_with_a_proxy,
    passphrase_of_another_type,
    callable_password,
    locked_keyring,
    broken_bus,
    interrupt,
    keyring_that_loses_it,
    unwritable_file,
    unsettled_environment,
    unanswered_prompt,
]


@pytest.mark.parametrize("show", [standard, verbose, rich])
@pytest.mark.parametrize("fail", FAILURES)
def test_whatever_fails_its_traceback_shows_no_secret(
    fail: Callable[[], None],
    show: Callable[[BaseException], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda question: typed()[:0])
    with pytest.raises(BaseException) as raised:  # noqa: PT011
        fail()
    shown = show(raised.value)
    assert "test_secret.py" in shown
    assert TEXT not in shown


@pytest.mark.parametrize("show", [standard, verbose, rich])
def test_refused_login_shows_no_secret(
    show: Callable[[BaseException], str], vault: MemoryKeyring
) -> None:
    async def log_in(account: Account) -> None:
        async with open_session(account):
            raise AssertionError("it was opened")

    vault.set_password("smtpbook", "work", typed())
    with Lab(users={"ann": "another"}) as lab:
        account = lab.account.replace(password=FromKeyring("work"))
        with pytest.raises(AuthenticationError) as refused:
            trio.run(log_in, account)
    shown = show(refused.value)
    assert "login.py" in shown
    assert TEXT not in shown


def test_no_frame_keeps_it_either() -> None:
    """Debuggers look at more than tracebacks print: every frame, every error before."""
    for fail in FAILURES:
        with pytest.raises(BaseException) as raised:  # noqa: PT011
            fail()
        error: BaseException | None = raised.value
        while error is not None:
            for frame, _ in traceback.walk_tb(error.__traceback__):
                assert TEXT not in frame.f_locals.values(), (fail, frame)
            error = error.__context__
