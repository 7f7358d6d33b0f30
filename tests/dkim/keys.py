"""Keys for tests: made once for all of them, because making RSA keys takes a while."""

from __future__ import annotations

from base64 import b64encode
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from smtpbook.dkim.signer import DkimSigner

DOMAIN = "x.example"
SEED = bytes(range(32))
ED25519 = Ed25519PrivateKey.from_private_bytes(SEED)
# 512 bits: worth nothing, and not made by new releases of cryptography.
SHORT_RSA_PEM = b"""\
-----BEGIN RSA PRIVATE KEY-----
MIIBOwIBAAJBAMY/d5dpasqt/ssX4ZDLDXU99q/Z+nRsc0DbuRZmY4UsD9SKbEjF
R9E2ZODGuB67V4fDrFfEvFvCfXMkp8XbBZUCAwEAAQJABNDV3t+4sGO5pMVXvWSx
Vv/CVlM9OkbIJfMwc9LY6As3BSOVHQv6wwUT7fMe5EQSNCYGTOKk85BE2y5icQrv
AQIhAOOy09cAlvtSQTmDSIF/5D5t8FrFI57lhqBhVsk6Gu25AiEA3uOLxMdcpCJc
QL9qI2wxZPcOGcnLRaEiEUIq3+ynpL0CIQCFPq2mwIqZ0X2nuUKhvYSEX/NqOrjo
kCpjCfMuWFlPyQIgZVohT1y8YqKBQqwH7o2fNGMnVVCujz4DSMfGyUZKwR0CIQDJ
Rz+vR5li0ZVA4oJOIUEt+9bhnVyxdRcscWB3pyz3lg==
-----END RSA PRIVATE KEY-----
"""
SEED_BASE64 = b64encode(SEED)


@cache
def rsa(bits: int = 2048) -> RSAPrivateKey:
    return generate_private_key(65537, bits)


def pem(key: RSAPrivateKey | Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def signer(kind: str = "ed25519", **changes: object) -> DkimSigner:
    key = ED25519 if kind == "ed25519" else rsa()
    return DkimSigner(**{"domain": DOMAIN, "selector": kind, "key": key} | changes)


def records(*signers: DkimSigner) -> dict[str, str]:
    return dict(one.dns_record for one in signers)
