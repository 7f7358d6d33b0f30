"""S/MIME: a message signed with a certificate, readable by everybody (RFC 8551).

The form is ``multipart/signed``: the message as it was, and a detached signature beside it.
Nothing here encrypts, verifies, or asks whether a certificate is trusted or still valid.
"""

from __future__ import annotations

from base64 import encodebytes
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    pkcs7,
    pkcs12,
)

from smtpbook.errors import LocalProtocolError
from smtpbook.private_key import (
    Hidden,
    Source,
    hiding,
    load_private_key,
    octets_of,
    password_of,
)
from smtpbook.protocol.header import check_line_ends, fields_of, name_of, split_header

Key = RSAPrivateKey | EllipticCurvePrivateKey

# Binary: the entity's octets are signed as they are; its lines end in CRLF already.
_OPTIONS: Final = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SmimeSigner:
    """A certificate with its private key.

    Make it with `from_pem` or `from_pkcs12`, which check it; the constructor trusts.

    Attributes
    ----------
    certificate : cryptography.x509.Certificate
        Of the address in From.
    key : Hidden
        Of its private key, RSA or elliptic curve; never shown, never pickled.
    chain : tuple of cryptography.x509.Certificate
        Those between it and one that readers trust; sent along.

    References
    ----------
    RFC 8551 section 3.5.3 (multipart/signed), RFC 1847 section 2.1.
    """

    certificate: x509.Certificate
    key: Hidden[Key]
    chain: tuple[x509.Certificate, ...] = ()

    def __repr__(self) -> str:
        subject = self.certificate.subject.rfc4514_string()
        return f"SmimeSigner({subject!r}, +{len(self.chain)} certificates)"

    @classmethod
    @hiding("certificate", "key", "chain", "password")
    def from_pem(
        cls,
        *,
        certificate: Source,
        key: Source | Key,
        chain: Source | None = None,
        password: Source | None = None,
    ) -> SmimeSigner:
        """Read PEM.

        Parameters
        ----------
        certificate : str, bytes, path or callable
            PEM or the path of a PEM file.  Further certificates in it join the chain.
        key : str, bytes, path, private key, secret or callable
            The certificate's.
        chain : str, bytes, path or callable, optional
            Like `certificate`.
        password : str, bytes, secret or callable, optional
            The key's passphrase; None = not encrypted.

        Raises
        ------
        ValueError
            Something cannot be read, the key is not the certificate's, or is of a kind
            that S/MIME does not sign with here.  The message shows nothing of a key.
        """
        own, *others = _certificates(certificate, "certificate")
        others += _certificates(chain, "chain")
        return cls._checked(own, load_private_key(key, password), others)

    @classmethod
    @hiding("source", "password")
    def from_pkcs12(cls, source: Source, *, password: Source | None = None) -> SmimeSigner:
        """Read a file of certificate, key and chain (``.p12``, ``.pfx``).

        Parameters
        ----------
        source : bytes, path or callable
            What the file holds, or its path.
        password : str, bytes, secret or callable, optional
            What it is encrypted with.

        Raises
        ------
        ValueError
            It cannot be read with this password, holds no key or no certificate, or as
            for `from_pem`.
        """
        bundle = _opened(octets_of(source, "source"), password_of(password))
        if bundle is None:
            raise ValueError("source= is not PKCS #12, or the password is another")
        if bundle.cert is None or bundle.key is None:
            raise ValueError("source= holds no certificate with its private key")
        others = [extra.certificate for extra in bundle.additional_certs]
        return cls._checked(bundle.cert.certificate, Hidden(bundle.key), others)

    @classmethod
    def _checked(
        cls,
        certificate: x509.Certificate,
        key: Hidden[Any],
        chain: Iterable[x509.Certificate],
    ) -> SmimeSigner:
        if not isinstance(key.reveal(), Key):
            kind = type(key.reveal()).__name__.strip("_")
            raise ValueError(f"S/MIME signs with RSA or elliptic curve keys, not {kind}")
        ours, theirs = (
            public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            for public in (key.reveal().public_key(), certificate.public_key())
        )
        if ours != theirs:
            raise ValueError(
                f"key= is not the key of the certificate for "
                f"{certificate.subject.rfc4514_string()!a}"
            )
        return cls(certificate=certificate, key=key, chain=tuple(chain))

    def sign_entity(self, entity: bytes) -> bytes:
        """Sign a MIME entity.

        Parameters
        ----------
        entity : bytes
            Its Content-* fields, an empty line, its body; lines ending in CRLF, seven-bit.

        Returns
        -------
        bytes
            Another entity, ``multipart/signed``, with the first unaltered inside it.  It
            holds the time of signing: CMS takes this machine's clock.

        Raises
        ------
        LocalProtocolError
            A line does not end in CRLF, or an octet is above 127: it might be changed on
            the way (RFC 1847 section 2.1).
        """
        check_line_ends(entity)
        if not entity.isascii():
            raise LocalProtocolError(
                "S/MIME signs seven-bit parts (RFC 1847 section 2.1); encode those that "
                "are not as quoted-printable or base64"
            )
        builder = (
            pkcs7.PKCS7SignatureBuilder()
            .set_data(entity)
            .add_signer(self.certificate, self.key.reveal(), SHA256())
        )
        for certificate in self.chain:
            builder = builder.add_certificate(certificate)
        signature = builder.sign(Encoding.DER, _OPTIONS)
        # A digest of the entity cannot stand in the entity.
        boundary = b"=_" + sha256(entity).hexdigest()[:32].encode()
        return (
            b"Content-Type: multipart/signed;\r\n"
            b' protocol="application/pkcs7-signature"; micalg=sha-256;\r\n'
            b' boundary="%(boundary)s"\r\n'
            b"\r\n"
            b"--%(boundary)s\r\n"
            b"%(entity)s\r\n"
            b"--%(boundary)s\r\n"
            b'Content-Type: application/pkcs7-signature; name="smime.p7s"\r\n'
            b"Content-Transfer-Encoding: base64\r\n"
            b'Content-Disposition: attachment; filename="smime.p7s"\r\n'
            b"\r\n"
            b"%(signature)s"
            b"--%(boundary)s--\r\n"
        ) % {
            b"boundary": boundary,
            b"entity": entity,
            b"signature": encodebytes(signature).replace(b"\n", b"\r\n"),
        }

    def sign(self, data: bytes, *, date: datetime | None = None) -> bytes:
        """Sign a whole message: what its Content-* fields describe goes into the part.

        The other fields stay, unsigned: From and Subject can be changed by anybody.  Sign
        with DKIM afterwards.

        Parameters
        ----------
        data : bytes
            Mail data: header and body, lines ending in CRLF, seven-bit.
        date : datetime, optional
            Not used: CMS takes this machine's clock.

        Raises
        ------
        LocalProtocolError
            As for `sign_entity`.
        """
        check_line_ends(data)
        header, body = split_header(data)
        inner: list[bytes] = []
        outer: list[bytes] = []
        for field in fields_of(header):
            (inner if name_of(field).startswith(b"content-") else outer).append(field)
        if not any(name_of(field) == b"mime-version" for field in outer):
            outer.append(b"MIME-Version: 1.0")
        entity = b"".join(field + b"\r\n" for field in inner) + b"\r\n" + body
        return b"".join(field + b"\r\n" for field in outer) + self.sign_entity(entity)


def _certificates(source: Any, field: str) -> list[x509.Certificate]:
    if source is None:
        return []
    found = _in_pem(octets_of(source, field))
    if not found:
        raise ValueError(
            f"{field}= holds no certificate in PEM (-----BEGIN CERTIFICATE-----)"
        )
    return found


def _in_pem(octets: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(octets)
    except (TypeError, ValueError):
        return []  # raised from here, a traceback would hold a key beside it


def _opened(
    octets: bytes, password: bytes | None
) -> pkcs12.PKCS12KeyAndCertificates | None:
    try:
        return pkcs12.load_pkcs12(octets, password)
    except (TypeError, ValueError):
        return None  # raised from here, a traceback would hold the password
