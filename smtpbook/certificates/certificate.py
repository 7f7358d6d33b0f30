"""Certificate: what a server's certificate says of itself, and by what it is recognised.

It reads and does not judge: whether a certificate is trusted is decided in the handshake.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

_OF_KEY: Final = re.compile(r"sha256//([A-Za-z0-9+/]{43}=)")
_OF_WHOLE: Final = re.compile(r"(?:[0-9a-f]{2}:?){31}[0-9a-f]{2}")


def certificate_facts(der: bytes) -> dict[str, Any]:
    """Read a certificate.

    Parameters
    ----------
    der : bytes
        As TLS gives it.

    Returns
    -------
    dict
        ``names`` (list of str: what it is for), ``subject``, ``issuer`` (str,
        RFC 4514), ``not_before``, ``not_after`` (str, ISO 8601, UTC), ``is_self_signed``
        (bool), ``sha256`` (str, hexadecimal, of the whole) and ``pin`` (str, of the key;
        see `fingerprints`).  Of a certificate that cannot be read, ``sha256`` alone.  All
        may be foreign text, and can be JSON.

    References
    ----------
    RFC 5280 section 4.1 (fields), RFC 6125 (names: the subject's is not one of them).
    """
    from cryptography import x509

    fingerprint = hashlib.sha256(der).hexdigest()
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = _names(certificate)
        return {
            "names": names,
            "subject": certificate.subject.rfc4514_string(),
            "issuer": certificate.issuer.rfc4514_string(),
            "not_before": certificate.not_valid_before_utc.isoformat(),
            "not_after": certificate.not_valid_after_utc.isoformat(),
            "is_self_signed": certificate.subject == certificate.issuer,
            "sha256": fingerprint,
            "pin": fingerprints(der).key,
        }
    except ValueError:  # not ASN.1, or not as RFC 5280 wants it
        return {"sha256": fingerprint}


class Fingerprints(NamedTuple):
    """What a certificate is recognised by; both as `pins` gives them.

    Attributes
    ----------
    key : str
        SHA-256 of its public key, which outlives the certificate: ``sha256//`` and base64.
    whole : str
        SHA-256 of the certificate, in hexadecimal.
    """

    key: str
    whole: str


def fingerprints(der: bytes) -> Fingerprints:
    """Compute what a certificate is recognised by.

    Raises
    ------
    ValueError
        It cannot be read, or its key is of a kind nobody here knows.

    References
    ----------
    RFC 7469 section 2.4 (the hash of the SubjectPublicKeyInfo).
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        key = x509.load_der_x509_certificate(der).public_key()
        info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except UnsupportedAlgorithm as exc:
        raise ValueError(str(exc)) from exc
    digest = base64.b64encode(hashlib.sha256(info).digest()).decode()
    return Fingerprints(f"sha256//{digest}", hashlib.sha256(der).hexdigest())


def pins(given: str | Sequence[str]) -> tuple[str, ...]:
    """Check fingerprints that somebody gives, and spell them as `fingerprints` does.

    Parameters
    ----------
    given : str or sequence of str
        ``sha256//`` and the base64 of a key's SHA-256, or a certificate's SHA-256 in
        hexadecimal, with or without colons.

    Raises
    ------
    ValueError
        One is neither.

    Examples
    --------
    >>> pins("AB:" * 31 + "AB") == ("ab" * 32,)
    True
    """
    spelled = []
    is_one = isinstance(given, str) or not isinstance(given, Iterable)
    for pin in [given] if is_one else given:
        text = pin.strip() if isinstance(pin, str) else ""
        if _OF_KEY.fullmatch(text):
            spelled.append(text)
        elif _OF_WHOLE.fullmatch(text.lower()):
            spelled.append(text.lower().replace(":", ""))
        else:
            raise ValueError(
                f'pin {pin!a} is neither "sha256//" and 44 characters of base64 (of the '
                "key) nor 64 of hexadecimal (of the certificate); a server's are in "
                'sb.probe(account).attrs["certificate"]'
            )
    return tuple(spelled)


def _names(certificate: Any) -> list[str]:
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value
    except x509.ExtensionNotFound:
        return []
    hosts = names.get_values_for_type(x509.DNSName)
    addresses = names.get_values_for_type(x509.IPAddress)
    return [*hosts, *map(str, addresses)]
