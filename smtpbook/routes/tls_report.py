"""TLS report: what RFC 8460 calls things, and where a domain wants to hear of them.

The kinds of policy and of failure, what an error of ours is among them, and the TXT record
at ``_smtp._tls``.  Nothing is reported to anybody; a table of what happened is
`tls_results`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from smtpbook.escape import visible
from smtpbook.routes.txt_fields import RecordError, single_record, txt_fields
from smtpbook.transport.stream import certificate_error

PolicyType = Literal["tlsa", "sts", "no-policy-found"]
"""What a session went by: RFC 8460 section 4.4, ``policy-type``."""

ResultType = Literal[
    "starttls-not-supported",
    "certificate-host-mismatch",
    "certificate-expired",
    "certificate-not-trusted",
    "validation-failure",
    "tlsa-invalid",
    "dnssec-invalid",
    "dane-required",
    "sts-policy-fetch-error",
    "sts-policy-invalid",
    "sts-webpki-invalid",
]
"""What went wrong: RFC 8460 section 4.3."""

# What OpenSSL calls them: X509_V_ERR_… of x509_vfy.h.
_BY_VERIFY_CODE: Final[dict[int, ResultType]] = {
    10: "certificate-expired",
    18: "certificate-not-trusted",
    19: "certificate-not-trusted",
    20: "certificate-not-trusted",
    21: "certificate-not-trusted",
    62: "certificate-host-mismatch",
    64: "certificate-host-mismatch",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFailure:
    """Why a connection is not as safe as it was to be.

    Attributes
    ----------
    result_type : str
        A name of RFC 8460 section 4.3.
    reason : str
        In words; foreign text in it is escaped.
    """

    result_type: ResultType
    reason: str

    @classmethod
    def of(cls, error: BaseException) -> TlsFailure:
        """Say what an error in beginning TLS is.

        >>> TlsFailure.of(ConnectionResetError("reset")).result_type
        'validation-failure'
        """
        kind: ResultType = "validation-failure"
        if (cause := certificate_error(error)) is not None:
            kind = _BY_VERIFY_CODE.get(cause.verify_code, kind)
        return cls(result_type=kind, reason=visible(str(error)))


NO_STARTTLS: Final = TlsFailure(
    result_type="starttls-not-supported", reason="the server does not offer STARTTLS"
)


def report_addresses(records: tuple[str, ...]) -> tuple[str, ...]:
    """Read the TXT records at ``_smtp._tls``; empty = reports are not wanted.

    >>> report_addresses(("v=TLSRPTv1; rua=mailto:tls@example.org,https://r.example/x",))
    ('mailto:tls@example.org', 'https://r.example/x')

    Raises
    ------
    RecordError
        There are several records, or the one is not as RFC 8460 section 3 wants it.
    """
    record = single_record(records, "TLSRPTv1")
    if record is None:
        return ()
    rua = txt_fields(record).get("rua")
    if rua is None:
        raise RecordError("the record has no rua=")
    addresses = tuple(one.strip(" \t") for one in rua.split(","))
    for one in addresses:
        if not _is_address(one):
            raise RecordError(
                f"rua={visible(one, max_chars=60)!r} is neither mailto: nor https:"
            )
    return addresses


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    if parts.scheme == "mailto":
        return "@" in parts.path
    return parts.scheme == "https" and bool(parts.hostname)
