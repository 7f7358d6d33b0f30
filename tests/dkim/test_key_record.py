"""A key record is read as RFC 6376 section 3.6.1 and RFC 8463 section 4 say."""

from __future__ import annotations

import contextlib
from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import (
    generate_private_key as generate_ec_key,
)
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.dkim.key_record import KeyRecord, record_text
from smtpbook.dkim.tags import TagError
from tests.dkim.keys import ED25519, SHORT_RSA_PEM, rsa

TEXT = record_text(ED25519.public_key())
P = TEXT.rpartition("p=")[2]
SPKI = PublicFormat.SubjectPublicKeyInfo


def base64(octets: bytes) -> str:
    return b64encode(octets).decode()


@pytest.mark.parametrize("key", [ED25519, rsa()], ids=["ed25519", "rsa"])
def test_a_record_is_read_as_it_was_written(key: object) -> None:
    public = key.public_key()  # type: ignore[attr-defined]
    record = KeyRecord.parse(record_text(public))
    assert record.key == public
    assert (record.is_testing, record.is_strict) == (False, False)


def test_an_rsa_key_may_be_in_pkcs_1() -> None:
    """The RFC's text asks for RSAPublicKey, its example is a SubjectPublicKeyInfo."""
    public = rsa().public_key()
    octets = public.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    record = KeyRecord.parse(f"p={base64(octets)}")
    assert record.key == public
    assert (record.algorithm, record.bits) == ("rsa-sha256", 2048)


@pytest.mark.parametrize(
    "text",
    [
        f"k=ed25519; p={P}",
        f"k=ed25519;p={P};",
        f" v = DKIM1 ; k = ed25519 ; p = {P[:9]} {P[9:]} ",
        f"v=DKIM1; h=sha1:sha256; k=ed25519; p={P}",
        f"v=DKIM1; s=email; k=ed25519; p={P}",
        f"v=DKIM1; s=other : *; k=ed25519; p={P}",
        f"v=DKIM1; g=ann; n=a note; xyz=1; k=ed25519; p={P}",
        f'"v=DKIM1; k=ed25519; p={P[:9]}" "{P[9:]}"',
    ],
)
def test_these_hold_the_key(text: str) -> None:
    assert KeyRecord.parse(text).key == ED25519.public_key()
    assert KeyRecord.parse(text.encode()).bits == 256


def test_flags_stand_among_others() -> None:
    record = KeyRecord.parse(f"{TEXT}; t=y:other: s")
    assert (record.is_testing, record.is_strict) == (True, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no key"),
        ("v=DKIM1; k=ed25519", "no key"),
        ("v=spf1 -all", "begin with v=DKIM1"),
        (f"v=DKIM2; k=ed25519; p={P}", "begin with v=DKIM1"),
        (f"k=ed25519; v=DKIM1; p={P}", "begin with v=DKIM1"),
        ("v=DKIM1; p=", "revoked"),
        (f"v=DKIM1; s=tlsrpt; k=ed25519; p={P}", "not for mail"),
        (f"v=DKIM1; h=sha1; k=ed25519; p={P}", "not for SHA-256"),
        (f"v=DKIM1; k=dsa; p={P}", "'dsa' are not known"),
        (f"v=DKIM1; p={P}", "not a key of kind rsa"),
        ("v=DKIM1; k=ed25519; p=AAAA", "not a key of kind ed25519"),
        ("v=DKIM1; k=ed25519; p=AAA", "not base64"),
        ("v=DKIM1; p=x; p=y", "twice"),
        ("v=DKIM1; p=\ud800", "p= is not base64"),
    ],
)
def test_these_hold_no_key_to_use(text: str, said: str) -> None:
    with pytest.raises(TagError, match=said):
        KeyRecord.parse(text)


def test_a_key_of_another_kind_is_refused() -> None:
    other = generate_ec_key(SECP256R1()).public_key().public_bytes(Encoding.DER, SPKI)
    with pytest.raises(TagError, match="not a key of kind rsa"):
        KeyRecord.parse(f"p={base64(other)}")


def test_a_short_rsa_key_proves_nothing() -> None:
    """RFC 8301 section 3.2."""
    key = load_pem_private_key(SHORT_RSA_PEM, None)
    assert isinstance(key, RSAPrivateKey)
    text = record_text(key.public_key())
    with pytest.raises(TagError, match="has 512 bits"):
        KeyRecord.parse(text)


@given(st.binary(max_size=200))
def test_any_octets_are_a_record_or_refused(octets: bytes) -> None:
    for text in (octets, b"p=" + b64encode(octets), b"k=ed25519;p=" + b64encode(octets)):
        with contextlib.suppress(TagError):
            assert KeyRecord.parse(text).bits >= 256
