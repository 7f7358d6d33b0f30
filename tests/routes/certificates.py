"""Certificates of an authority with one below it, as a mail host would show them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from functools import cache

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from smtpbook.routes.dane import Tlsa

_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
    *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)
ROOT = trustme.CA()
BELOW = ROOT.create_child_ca()


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def loaded(pem: trustme.Blob) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.bytes())


@cache
def chain(*names: str, age_days: int = 0, authority: trustme.CA = BELOW) -> list[bytes]:
    """Give what a server of these names shows: its own, then the authority's."""
    until = datetime.now(UTC) - timedelta(days=age_days) if age_days else None
    issued = authority.issue_cert(*names, not_after=until)
    return [der(loaded(pem)) for pem in issued.cert_chain_pems]


def tlsa(usage: int, selector: int, matching: int, certificate: bytes) -> Tlsa:
    """Make the record of a certificate."""
    data = certificate
    if selector == 1:
        key = x509.load_der_x509_certificate(certificate).public_key()
        data = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if matching:
        data = hashlib.new(("sha256", "sha512")[matching - 1], data).digest()
    return Tlsa(usage=usage, selector=selector, matching=matching, data=data)


def below_another(name: str, *, is_authority: bool, may_sign: bool | None) -> list[bytes]:
    """Give a chain of three whose second is an authority, or no more than a server."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    top = serialization.load_pem_private_key(BELOW.private_key_pem.bytes(), password=None)
    assert isinstance(top, ec.EllipticCurvePrivateKey)
    issuer = loaded(BELOW.cert_pem).subject
    middle = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "middle")])
    second = _begun(middle, issuer, keys[0]).add_extension(
        x509.BasicConstraints(ca=is_authority, path_length=None), critical=True
    )
    if may_sign is not None:
        usage = dict.fromkeys(_USAGES, False) | {"key_cert_sign": may_sign}
        second = second.add_extension(x509.KeyUsage(**usage), critical=True)
    first = _begun(x509.Name([]), middle, keys[1]).add_extension(
        x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True
    )
    made = [first.sign(keys[0], hashes.SHA256()), second.sign(top, hashes.SHA256())]
    return [*map(der, made), der(loaded(BELOW.cert_pem))]


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
