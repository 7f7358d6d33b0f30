"""Binding: what ties a login to the TLS connection it is made on.

Who stands between client and server shows a certificate of his own, so a proof that covers
the server's is of no use to him.  The mechanisms that prove it are `sasl`'s.
"""

from __future__ import annotations


def tls_server_end_point(der: bytes) -> bytes | None:
    """Give the hash by which a login can be bound to a server's certificate.

    Parameters
    ----------
    der : bytes
        The server's own certificate, as TLS gives it.

    Returns
    -------
    bytes or None
        By the hash function of the certificate's signature; None = it has none (Ed25519),
        or cannot be read.

    References
    ----------
    RFC 5929 section 4.1: "if the certificate's signatureAlgorithm uses [...] MD5 [...] or
    SHA-1 [...], then use SHA-256"; without one hash function, it is undefined.
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes

    try:
        certificate = x509.load_der_x509_certificate(der)
        used = certificate.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return None
    if used is None:
        return None
    is_weak = isinstance(used, hashes.MD5 | hashes.SHA1)
    return certificate.fingerprint(hashes.SHA256() if is_weak else used)
