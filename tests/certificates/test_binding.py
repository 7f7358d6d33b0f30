"""A login is bound to the certificate of the server it goes to."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from smtpbook.certificates.binding import tls_server_end_point

# sha256WithRSAEncryption and its older and longer sisters (RFC 8017 appendix A.2.4)
PKCS1 = bytes.fromhex("2a864886f70d0101")


def signed(hash_name: str) -> bytes:
    """A certificate that says to be signed by this hash; nobody checks here that it is."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    der = certificate(key, hashes.SHA256())
    last = {"md5": 4, "sha1": 5, "sha256": 11, "sha384": 12, "sha512": 13}[hash_name]
    return der.replace(PKCS1 + bytes([11]), PKCS1 + bytes([last]))


def certificate(key: Any, algorithm: Any) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mx.test")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
    )
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize(
    ("signed_by", "used"),
    [
        ("md5", "sha256"),
        ("sha1", "sha256"),
        ("sha256", "sha256"),
        ("sha384", "sha384"),
        ("sha512", "sha512"),
    ],
)
def test_a_login_is_bound_by_the_hash_of_the_certificates_signature(
    signed_by: str, used: str
) -> None:
    """RFC 5929 section 4.1: but for MD5 and SHA-1, in whose place SHA-256 stands."""
    der = signed(signed_by)
    assert tls_server_end_point(der) == hashlib.new(used, der).digest()


def test_an_elliptic_signature_has_its_hash_too() -> None:
    der = certificate(ec.generate_private_key(ec.SECP384R1()), hashes.SHA384())
    assert tls_server_end_point(der) == hashlib.sha384(der).digest()


def test_a_signature_without_a_hash_of_its_own_binds_nothing() -> None:
    """RFC 5929 section 4.1: then it is undefined; so it is for Ed25519 (RFC 8410)."""
    der = certificate(ed25519.Ed25519PrivateKey.generate(), None)
    assert tls_server_end_point(der) is None


@pytest.mark.parametrize("octets", [b"", b"0", b"\x30\x82\xff\xff", b"not a certificate"])
def test_nothing_is_bound_to_what_cannot_be_read(octets: bytes) -> None:
    assert tls_server_end_point(octets) is None
