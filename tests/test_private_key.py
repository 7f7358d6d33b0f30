"""Private keys are read from wherever they are, and what is wrong is said without them."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from smtpbook.accounts.secret import Secret
from smtpbook.errors import LocalProtocolError
from smtpbook.private_key import Hidden, hiding, load_private_key, octets_of, password_of
from tests.dkim.keys import ED25519, pem

PEM = pem(ED25519)
ENCRYPTED = ED25519.private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"sesame")
)


def load(source: Any, password: Any = None) -> Any:
    return load_private_key(Hidden(source), Hidden(password)).reveal()


def test_what_is_hidden_is_not_seen_and_does_not_travel() -> None:
    hidden = Hidden("sesame")
    assert "sesame" not in f"{hidden} {hidden!r} {[hidden]} {vars(type(hidden))}"
    assert copy.copy(hidden).reveal() == copy.deepcopy(hidden).reveal() == "sesame"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(hidden)


def test_a_function_sees_what_it_hides_as_hidden_only() -> None:
    @hiding("key")
    def see(*, key: Any = None, other: Any = None) -> tuple[Any, Any]:
        return key, other

    key, other = see(key="sesame", other="x")
    assert (key.reveal(), other) == ("sesame", "x")
    assert see(key=key)[0] is key
    assert see() == (None, None)


def test_a_function_sees_no_argument_too_many() -> None:
    @hiding("key")
    def see(cls: object, key: Any, *others: Any) -> tuple[Any, Any]:
        return key.reveal(), others

    key, others = see(None, "sesame", "open")
    assert key == "sesame"
    assert "open" not in repr(others)


@pytest.mark.parametrize(
    "password", ["sesame", b"sesame", Secret("sesame"), lambda: "sesame"]
)
def test_an_encrypted_key_is_read_with_its_passphrase(password: object) -> None:
    assert load(ENCRYPTED, password).public_key() == ED25519.public_key()


@pytest.mark.parametrize(
    ("source", "password", "said"),
    [
        (ENCRYPTED, None, "is encrypted: its passphrase is missing"),
        (ENCRYPTED, "open", "another passphrase"),
        (PEM, "sesame", "not encrypted, but a passphrase was given"),
        (PEM, 5, "password= is text or octets, not int"),
        (b"", None, "holds no private key in PEM"),
        (None, None, "not NoneType"),
        ("", None, "key= is neither PEM nor a file"),
        ("no\0file", None, "not the name of a file"),
        (Path("/nowhere/dkim.pem"), None, "'/nowhere/dkim.pem': No such file"),
        ("dkmi.pem", None, "'dkmi.pem': No such file"),
    ],
)
def test_what_is_wrong_is_said(source: object, password: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        load(source, password)


def test_text_that_is_no_pem_is_not_shown_because_it_may_be_a_key() -> None:
    bare = PEM.decode().split("\n")[1]
    with pytest.raises(ValueError, match="neither PEM nor a file") as caught:
        load(bare)
    assert bare not in str(caught.value)
    assert caught.value.__context__ is None


def test_the_error_of_a_function_that_is_asked_is_passed_on() -> None:
    def ask() -> str:
        raise LocalProtocolError("no password: the variable is not set")

    with pytest.raises(LocalProtocolError, match="the variable is not set"):
        load(ask)


def test_a_source_of_octets_may_be_text_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a.pem"
    file.write_bytes(PEM)
    for source in (PEM, PEM.decode(), file, str(file), lambda: file):
        assert octets_of(Hidden(source), "certificate") == PEM


def test_no_password_is_none() -> None:
    assert password_of(None) is password_of(Hidden(None)) is None
    assert password_of(Hidden("ü")) == "ü".encode()
