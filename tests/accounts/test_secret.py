"""A secret is seen by whoever asks for it by name, and by nobody else."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import logging
import pickle
import pprint
import traceback
from collections.abc import Callable

import pytest
from IPython.core.ultratb import VerboseTB

from smtpbook.accounts.account import Account
from smtpbook.accounts.secret import MASK, Secret

TEXT = "open sesame"


def logged(value: object) -> str:
    stream = io.StringIO()
    logger = logging.Logger("test")
    logger.addHandler(logging.StreamHandler(stream))
    logger.error("%s %r", value, value)
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


def traced(value: object) -> str:
    shown = traceback.TracebackException.from_exception(raised(value), capture_locals=True)
    return "".join(shown.format())


def in_ipython(value: object) -> str:
    error = raised(value)
    return VerboseTB().text(type(error), error, error.__traceback__)


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
    "traceback with locals": traced,
    "IPython's Verbose mode": in_ipython,
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
