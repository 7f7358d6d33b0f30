"""Certificate: what a server's certificate says of itself, as plain values.

It reads and does not judge: whether a certificate is trusted is decided in the handshake.
"""

from __future__ import annotations

import hashlib
from typing import Any


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
        (bool) and ``sha256`` (str, hexadecimal, of the whole).  Of a certificate that
        cannot be read, ``sha256`` alone.  All may be foreign text, and can be JSON.

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
        }
    except ValueError:  # not ASN.1, or not as RFC 5280 wants it
        return {"sha256": fingerprint}


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
