"""What RFC 8460 calls things, and where a domain wants to hear of them."""

from __future__ import annotations

import ssl

import pytest

from smtpbook.errors import TLSError
from smtpbook.routes.tls_report import (
    TlsFailure,
    report_addresses,
)
from smtpbook.routes.txt_fields import RecordError


def verification(code: int) -> TLSError:
    cause = ssl.SSLCertVerificationError("refused")
    cause.verify_code = code
    error = TLSError("the certificate was not accepted\x1b[2J")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "result_type"),
    [
        (verification(10), "certificate-expired"),
        (verification(18), "certificate-not-trusted"),
        (verification(20), "certificate-not-trusted"),
        (verification(62), "certificate-host-mismatch"),
        (verification(1), "validation-failure"),
        (TLSError("wrong version number"), "validation-failure"),
    ],
)
def test_an_error_of_ours_has_a_name_there(error: TLSError, result_type: str) -> None:
    failure = TlsFailure.of(error)
    assert failure.result_type == result_type
    assert failure.reason.isprintable()


def test_addresses_are_cut_at_commas() -> None:
    record = "v=TLSRPTv1;rua=mailto:a@example.org , https://r.example/x?a=b; ext=1"
    assert report_addresses(("other", record)) == (
        "mailto:a@example.org",
        "https://r.example/x?a=b",
    )
    assert report_addresses(()) == ()


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ("v=TLSRPTv1; x=1", "no rua="),
        ("v=TLSRPTv1; rua=http://r.example", "neither mailto: nor https:"),
        ("v=TLSRPTv1; rua=mailto:nobody", "neither mailto: nor https:"),
        ("v=TLSRPTv1; rua=https://[", "neither mailto: nor https:"),
        ("v=TLSRPTv1; rua=mailto:a@x.example,", "neither mailto: nor https:"),
        ("v=TLSRPTv1; rua", "no field and its value"),
    ],
)
def test_what_is_wrong_with_a_record_is_named(record: str, said: str) -> None:
    with pytest.raises(RecordError, match=said):
        report_addresses((record,))
