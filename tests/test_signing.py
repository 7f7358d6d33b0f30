"""Signing keys: what they sign, where they come from, and that they do not show."""

from __future__ import annotations

import copy
import hmac
import pickle
import traceback
from base64 import urlsafe_b64encode
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.accounts.passwords import FromEnvironment
from smtpbook.accounts.secret import Secret
from smtpbook.signing import SigningKey, new_secret

SECRET = "correct horse battery"
KEY = SigningKey(SECRET, "tests")
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@given(st.binary(min_size=16, max_size=100), st.binary(max_size=300))
def test_the_signature_is_hmac_sha256_cut_to_128_bits(secret: bytes, body: bytes) -> None:
    """Against the standard library's, with secrets longer than a block, too."""
    signature = hmac.digest(secret, b"tests\0" + body, "sha256")[:16]
    expected = urlsafe_b64encode(body + signature).rstrip(b"=").decode()
    assert SigningKey(secret, "tests").seal(body) == expected


@given(st.binary(max_size=300))
def test_what_is_sealed_is_opened_and_by_nobody_else(body: bytes) -> None:
    sealed = KEY.seal(body)
    assert KEY.open(sealed) == body
    assert SigningKey(SECRET, "others").open(sealed) is None
    assert SigningKey(f"{SECRET}!", "tests").open(sealed) is None


@given(st.binary(max_size=60), st.data())
def test_a_seal_with_any_single_change_is_refused(body: bytes, data: st.DataObject) -> None:
    sealed = KEY.seal(body)
    place = data.draw(st.integers(0, len(sealed)))
    char = data.draw(st.one_of(st.sampled_from(ALPHABET), st.characters()))
    changes = {
        sealed[:place] + sealed[place + 1 :],
        sealed[:place] + char + sealed[place:],
        sealed[:place] + char + sealed[place + 1 :],
        sealed[:place],
        sealed[:place] + sealed[place:].swapcase(),
    }
    for changed in changes - {sealed}:
        assert KEY.open(changed) is None


def test_every_last_character_but_one_is_refused() -> None:
    """Base64 leaves bits of it unused: several texts are the same octets."""
    for body in (b"", b"a", b"ab", b"abc"):
        sealed = KEY.seal(body)
        opened = [char for char in ALPHABET if KEY.open(sealed[:-1] + char) is not None]
        assert opened == [sealed[-1]]
        assert KEY.open(f"{sealed}=") is None
        assert KEY.open(f"{sealed}\n") is None


def test_secrets_come_from_where_they_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNING", SECRET)
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    for given_ in (SECRET.encode(), path, FromEnvironment("SIGNING"), Secret(SECRET)):
        assert SigningKey(given_, "tests") == KEY
    assert hash(SigningKey(path, "tests")) == hash(KEY)
    assert SigningKey(path, "others") != KEY
    assert KEY != SECRET


def test_a_new_secret_is_a_file_for_its_owner_and_never_replaced(tmp_path: Path) -> None:
    path = new_secret(tmp_path / "secret")
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(path.read_text().strip()) == 43  # 32 octets
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"there is a file .* already"):
        new_secret(path)
    assert path.read_bytes() == before
    assert new_secret(tmp_path / "other").read_bytes() != before


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        (b"fifteen octets!", "shorter than 16 octets"),
        ("", "shorter than 16"),
        (42, "not int"),
        (lambda: None, "not NoneType"),
        (Path("none"), "there is no file 'none'; new_secret"),
        ("~/settings/secret.txt", "looks like the name of a file"),
        ("./unsubscribe-secret", "looks like the name of a file"),
    ],
)
def test_what_is_no_secret_is_refused(given_: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SigningKey(given_, "tests")


def test_a_file_that_is_no_secret_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"x" * 5000)
    with pytest.raises(ValueError, match="too long for a file made by new_secret"):
        SigningKey(path, "tests")
    path.write_bytes(b" \n" * 20)
    with pytest.raises(ValueError, match="shorter than 16"):
        SigningKey(path, "tests")


@pytest.mark.parametrize("secret", [b"hunter2", "hunter2", "hunter2/hunter2.key"])
def test_no_error_shows_a_secret(secret: str | bytes) -> None:
    with pytest.raises(ValueError, match="secret") as caught:
        SigningKey(secret, "tests")
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_a_key_shows_no_secret_and_does_not_travel() -> None:
    assert SECRET not in f"{KEY} {KEY!r} {KEY.__reduce_ex__} {KEY.seal}"
    assert copy.deepcopy(KEY) is KEY
    with pytest.raises(TypeError, match="not pickled; give it as a Path"):
        pickle.dumps(KEY)


def test_a_path_or_a_callable_travels_and_is_asked_again(tmp_path: Path) -> None:
    path = new_secret(tmp_path / "secret")
    for given_ in (path, partial(Path.read_bytes, path)):
        pickled = pickle.dumps(SigningKey(given_, "tests"))
        assert path.read_bytes().strip() not in pickled
        assert pickle.loads(pickled) == SigningKey(given_, "tests")
