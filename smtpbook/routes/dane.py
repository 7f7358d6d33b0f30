"""DANE: what a mail host's TLSA records say about its certificate (RFC 7672).

Which records there are and which can be used, and whether the chain a server has shown is
what they ask for.  They count only where DNSSEC vouches for them; that is for a resolver to
know.  What a sender does about it is `route`'s.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from smtpbook.escape import visible
from smtpbook.lookup.answer import Asker
from smtpbook.routes.addresses import Addresses
from smtpbook.routes.tls_report import ResultType, TlsFailure

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.x509.verification import ExtensionPolicy

PKIX_TA, PKIX_EE, DANE_TA, DANE_EE = range(4)  # the usages, as RFC 7218 calls them
_RECORD: Final = re.compile(r"([0-9]{1,3}) ([0-9]{1,3}) ([0-9]{1,3}) ([0-9A-Fa-f ]+)")
_SELECTORS: Final = ("the certificate", "the public key")
_HASHES: Final = {1: "sha256", 2: "sha512"}
_MAX_RECORDS: Final = 100  # of a host; what is beyond is not looked at
_MAX_CHAIN: Final = 20  # certificates of a chain, likewise


@dataclass(frozen=True, slots=True, kw_only=True)
class Tlsa:
    """One TLSA record.

    Attributes
    ----------
    usage : int
        2: it is about an authority (DANE-TA).  3: about the server itself (DANE-EE).
    selector : int
        0: of the certificate.  1: of its public key.
    matching : int
        0: as it is.  1: SHA-256.  2: SHA-512.
    data : bytes

    References
    ----------
    RFC 6698 section 2.1, RFC 7218 (names).
    """

    usage: int
    selector: int
    matching: int
    data: bytes

    def __str__(self) -> str:
        return f"{self.usage} {self.selector} {self.matching} {self.data.hex()}"

    @classmethod
    def parse(cls, text: str) -> Tlsa:
        """Read a record as zone files have it.

        >>> Tlsa.parse("3 1 1 " + "ab" * 32).usage
        3

        Raises
        ------
        ValueError
            It is none.
        """
        found = _RECORD.fullmatch(text)
        if found is None:
            raise ValueError("a TLSA record is three numbers and hexadecimal")
        usage, selector, matching = map(int, found.groups()[:3])
        data = bytes.fromhex(found[4])
        return cls(usage=usage, selector=selector, matching=matching, data=data)

    @property
    def problem(self) -> str | None:
        """Why it cannot be used; None = it can.

        References
        ----------
        RFC 7672 section 3.1.3 (usages 0 and 1), RFC 7671 section 10.1 (what else cannot).
        """
        if self.usage in (PKIX_TA, PKIX_EE):
            return f"usage {self.usage} rests on public authorities, which SMTP has none of"
        if self.usage not in (DANE_TA, DANE_EE):
            return f"usage {self.usage} is not known"
        if self.selector >= len(_SELECTORS):
            return f"selector {self.selector} is not known"
        if self.matching == 0:
            return None if self.data else "it holds nothing"
        if self.matching not in _HASHES:
            return f"matching type {self.matching} is not known"
        size = hashlib.new(_HASHES[self.matching]).digest_size
        if len(self.data) != size:
            return f"{len(self.data)} octets are no {_HASHES[self.matching].upper()}"
        return None

    def is_of(self, certificate: x509.Certificate) -> bool:
        """Say whether it is about this certificate."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        if self.selector == 0:
            octets = certificate.public_bytes(Encoding.DER)
        else:
            octets = certificate.public_key().public_bytes(
                Encoding.DER, PublicFormat.SubjectPublicKeyInfo
            )
        if self.matching:
            octets = hashlib.new(_HASHES[self.matching], octets).digest()
        return octets == self.data


@dataclass(frozen=True, slots=True, kw_only=True)
class Dane:
    """What a mail host's TLSA records come to.

    Attributes
    ----------
    state : {"absent", "insecure", "usable", "unusable", "error"}
        ``insecure``: DNSSEC does not vouch for the host's addresses or records, so they
        count for nothing.  ``unusable``: there are records, of which none can be used; TLS
        is a must then, and proves nothing.  ``error``: it is not known, and the host is not
        to be connected to.
    records : tuple of Tlsa
        Those that can be used.
    unusable : tuple of (str, str)
        The others, and why.
    error : str or None
        Why it is not known.

    References
    ----------
    RFC 7672 sections 2.1 and 2.2.
    """

    state: Literal["absent", "insecure", "usable", "unusable", "error"]
    records: tuple[Tlsa, ...] = ()
    unusable: tuple[tuple[str, str], ...] = ()
    error: str | None = None


NO_DANE: Final = Dane(state="insecure")


async def dane_of(asker: Asker, addresses: Addresses, *, port: int = 25) -> Dane:
    """Ask for the TLSA records of a mail host.

    Where its addresses are not secure, nothing is asked: some name servers of zones without
    DNSSEC do not answer questions for TLSA at all (RFC 7672 section 2.1.2).

    Parameters
    ----------
    asker : Asker
    addresses : Addresses
        The host's.
    port : int

    References
    ----------
    RFC 7672 section 2.2.3 (an alias's records are its target's, if that has any).
    """
    if not addresses.is_secure:
        return NO_DANE
    found: Dane | None = None
    for host in dict.fromkeys((*addresses.aliases[-1:], addresses.name)):
        answer = await asker.ask(f"_{port}._tcp.{host}", "TLSA")
        if answer.status == "error":
            return Dane(state="error", error=answer.error)
        if answer.values and answer.is_secure:
            return _dane_from(answer.values)
        found = found or Dane(state="absent" if answer.is_secure else "insecure")
    assert found is not None  # there is at least the name
    return found


def _dane_from(values: Sequence[str]) -> Dane:
    records: list[Tlsa] = []
    unusable: list[tuple[str, str]] = []
    for text in values[:_MAX_RECORDS]:
        try:
            record = Tlsa.parse(text)
            problem = record.problem
        except ValueError as exc:
            problem = str(exc)
        if problem is None:
            records.append(record)
        else:
            unusable.append((text, problem))
    return Dane(
        state="usable" if records else "unusable",
        records=tuple(records),
        unusable=tuple(unusable),
    )


def chain_failure(
    records: Sequence[Tlsa],
    chain: Sequence[bytes],
    names: Sequence[str],
    *,
    at: datetime | None = None,
) -> TlsFailure | None:
    """Say why a server's certificates are not what its usable records ask for.

    Parameters
    ----------
    records : sequence of Tlsa
        One of them has to fit.
    chain : sequence of bytes
        As the server showed it, DER, its own certificate first.
    names : sequence of str
        One of which a certificate below a DANE-TA has to have.
    at : datetime, optional
        When; default: now.

    Returns
    -------
    TlsFailure or None
        None = it is.

    References
    ----------
    RFC 7672 sections 3.1.1 (DANE-EE: neither its names nor its dates matter), 3.1.2 and
    3.2.3 (DANE-TA: the names, and a valid chain up to the authority).
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        shown = [x509.load_der_x509_certificate(one) for one in chain[:_MAX_CHAIN]]
        if not shown:
            return _failure("the server has shown no certificate")
        if any(one.usage == DANE_EE and one.is_of(shown[0]) for one in records):
            return None
        anchors = list(_anchors(records, shown[1:]))
    except (ValueError, UnsupportedAlgorithm) as exc:
        return _failure(f"a certificate cannot be read: {exc}")
    if not anchors:
        return _failure("the certificate is none that the host's TLSA records name")
    return _below(anchors, shown, names, at or datetime.now(UTC))


def _failure(reason: str, kind: ResultType = "certificate-not-trusted") -> TlsFailure:
    return TlsFailure(result_type=kind, reason=reason)


def _anchors(
    records: Sequence[Tlsa], authorities: Sequence[x509.Certificate]
) -> Iterator[x509.Certificate]:
    """Give the authorities that records are about: shown, or whole in the record itself."""
    from cryptography import x509

    for record in records:
        if record.usage != DANE_TA:
            continue
        yield from (one for one in authorities if record.is_of(one))
        if record.matching == record.selector == 0:
            with suppress(ValueError):  # what holds no certificate is about none
                yield x509.load_der_x509_certificate(record.data)


def _below(
    anchors: Sequence[x509.Certificate],
    shown: Sequence[x509.Certificate],
    names: Sequence[str],
    at: datetime,
) -> TlsFailure | None:
    """Say why no chain leads from the server's certificate to one of the authorities."""
    from cryptography import x509
    from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

    leaf = shown[0]
    if not leaf.not_valid_before_utc <= at <= leaf.not_valid_after_utc:
        return _failure("the certificate's dates do not fit", "certificate-expired")
    authority, server = _what_counts()
    builder = PolicyBuilder().store(Store(list(anchors))).time(at)
    builder = builder.extension_policies(ca_policy=authority, ee_policy=server)

    def refused(name: str) -> str | None:
        try:
            verifier = builder.build_server_verifier(x509.DNSName(name))
            verifier.verify(leaf, list(shown[1:]))
        except (VerificationError, ValueError) as exc:
            return visible(str(exc))
        return None

    said = [refused(name) for name in names]
    if None in said:
        return None
    own = _dns_names(leaf)
    if own and refused(own[0].replace("*", "any")) is None:
        asked = " or ".join(names)
        return _failure(f"the certificate is not for {asked}", "certificate-host-mismatch")
    return _failure(f"no valid chain leads to an authority of its TLSA records: {said[0]}")


def _what_counts() -> tuple[ExtensionPolicy, ExtensionPolicy]:
    """Give what a chain has to say of authorities, and of the server.

    The authority may be anybody's own, whom the rules of the public ones (the default) do
    not bind: what counts is that it is one, that its key may sign (RFC 5280 section 6.1.4,
    k and n), and the server's names.
    """
    from cryptography import x509
    from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy

    def may_sign(
        policy: Policy, certificate: x509.Certificate, usage: x509.KeyUsage | None
    ) -> None:
        if usage is not None and not usage.key_cert_sign:
            raise ValueError("an authority's key is not for certificates")

    either = Criticality.AGNOSTIC
    whatever = ExtensionPolicy.permit_all()
    authority = whatever.require_present(x509.BasicConstraints, either, None)
    return (
        authority.may_be_present(x509.KeyUsage, either, may_sign),
        whatever.require_present(x509.SubjectAlternativeName, either, None),
    )


def _dns_names(certificate: x509.Certificate) -> list[str]:
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return names.value.get_values_for_type(x509.DNSName)
