"""Key record: the public key a domain publishes, and what it is good for.

``selector._domainkey.domain`` holds it as a TXT record.  This module writes and reads the
text; it does not look it up.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from smtpbook.dkim.tags import TagError, base64_of, parse_tags, shown, words_of

PublicKey = RSAPublicKey | Ed25519PublicKey
Algorithm = Literal["rsa-sha256", "ed25519-sha256"]

# "Verifiers MUST NOT consider signatures using RSA keys of less than 1024 bits as valid
# signatures." "Signers MUST use RSA keys of at least 1024 bits for all keys. Signers SHOULD
# use RSA keys of at least 2048 bits." -- RFC 8301 section 3.2
MIN_RSA_BITS: Final = 1024
GOOD_RSA_BITS: Final = 2048
PADDING: Final = PKCS1v15()
DIGEST: Final = SHA256()

_STRINGS: Final = re.compile(rb'"([^"]*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """What a key record says.

    Make it with `parse`, which checks it; the constructor trusts.

    Attributes
    ----------
    key : RSAPublicKey or Ed25519PublicKey
    is_testing : bool
        ``t=y``: the domain is only trying DKIM, and a failing signature counts no more
        than a missing one.
    is_strict : bool
        ``t=s``: the domain of ``i=`` must be that of ``d=``, not one below it.

    References
    ----------
    RFC 6376 section 3.6.1, RFC 8463 section 4.
    """

    key: PublicKey
    is_testing: bool = False
    is_strict: bool = False

    @classmethod
    def parse(cls, text: str | bytes) -> KeyRecord:
        """Read the text of a TXT record.

        Parameters
        ----------
        text : str or bytes
            The record's strings joined, or as zone files write them: ``"v=DKIM1; …" "…"``.

        Raises
        ------
        TagError
            It is not a key record, is not for mail or SHA-256, has been revoked, or holds
            a key that nobody should trust.
        """
        octets = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
        if octets.lstrip().startswith(b'"'):
            octets = b"".join(_STRINGS.findall(octets))
        tags = parse_tags(octets)
        # "This tag MUST be the first tag in the record. Records beginning with a "v=" tag
        # with any other value MUST be discarded." -- RFC 6376 section 3.6.1.  The g= of RFC
        # 4871 is no longer a tag, and is read past.
        if tags.get("v", "DKIM1") != "DKIM1" or "v" in list(tags)[1:]:
            raise TagError("it does not begin with v=DKIM1")
        if not {"*", "email"} & set(words_of(tags.get("s", "*"))):
            raise TagError("the key is not for mail (s=)")
        if "sha256" not in words_of(tags.get("h", "sha256")):
            raise TagError("the key is not for SHA-256 (h=)")
        if "p" not in tags:
            raise TagError("it holds no key (p=)")
        if not tags["p"]:
            raise TagError("the key has been revoked (p= is empty)")
        flags = words_of(tags.get("t", ""))
        return cls(
            key=_public_key(tags.get("k", "rsa"), base64_of(tags, "p")),
            is_testing="y" in flags,
            is_strict="s" in flags,
        )

    @property
    def algorithm(self) -> Algorithm:
        """The one that signatures made with this key name in ``a=``."""
        return algorithm_of(self.key)

    @property
    def bits(self) -> int:
        """The size of the key; 256 for Ed25519."""
        return self.key.key_size if isinstance(self.key, RSAPublicKey) else 256

    def verifies(self, signature: bytes, octets: bytes, digest: bytes) -> bool:
        """Say whether the key's owner signed these octets, whose SHA-256 is the digest.

        Raises
        ------
        TagError
            The key cannot be used at all.
        """
        try:
            if isinstance(self.key, RSAPublicKey):
                self.key.verify(signature, octets, PADDING, DIGEST)
            else:  # Ed25519 signs the digest, not the octets (RFC 8463 section 3)
                self.key.verify(signature, digest)
        except InvalidSignature:
            return False
        except (ValueError, UnsupportedAlgorithm):
            raise TagError("the key cannot be used") from None
        return True


def algorithm_of(key: PublicKey) -> Algorithm:
    """Give what ``a=`` calls signatures by this key."""
    return "rsa-sha256" if isinstance(key, RSAPublicKey) else "ed25519-sha256"


def record_text(key: PublicKey) -> str:
    """Write the key record, as one text.

    References
    ----------
    RFC 6376 section 3.6.1 and appendix C (RSA), RFC 8463 section 4.2 (Ed25519: the 32
    octets of the key alone).
    """
    if isinstance(key, RSAPublicKey):
        octets = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        kind = "rsa"
    else:
        octets = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        kind = "ed25519"
    return f"v=DKIM1; k={kind}; p={base64.b64encode(octets).decode('ascii')}"


def _public_key(kind: str, octets: bytes) -> PublicKey:
    if kind not in ("rsa", "ed25519"):
        raise TagError(f"keys of kind {shown(kind)} are not known (k=)")
    try:
        if kind == "ed25519":
            return Ed25519PublicKey.from_public_bytes(octets)
        # SubjectPublicKeyInfo as in RFC 6376's example, or RSAPublicKey as in its text.
        key = load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm):
        raise TagError(f"p= is not a key of kind {kind}") from None
    if not isinstance(key, RSAPublicKey):
        raise TagError("p= is not a key of kind rsa")
    if key.key_size < MIN_RSA_BITS:
        raise TagError(
            f"the RSA key has {key.key_size} bits, and fewer than {MIN_RSA_BITS} prove "
            f"nothing (RFC 8301 section 3.2)"
        )
    return key
