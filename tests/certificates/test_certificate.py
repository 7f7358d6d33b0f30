"""A certificate is read into plain values, and never judged."""

from __future__ import annotations

import datetime
import hashlib
import json
import ssl

import pytest
import trustme

from smtpbook.certificates.certificate import certificate_facts


def der_of(pem: trustme.Blob) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem.bytes().decode())


def test_what_a_certificate_says() -> None:
    authority = trustme.CA()
    ends = datetime.datetime(2031, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)
    issued = authority.issue_cert("mx.example.org", "*.example.org", "::1", not_after=ends)
    der = der_of(issued.cert_chain_pems[0])
    facts = certificate_facts(der)
    assert facts["names"] == ["mx.example.org", "*.example.org", "::1"]
    assert facts["not_after"] == "2031-02-03T04:05:06+00:00"
    assert facts["is_self_signed"] is False
    assert facts["sha256"] == hashlib.sha256(der).hexdigest()
    assert json.loads(json.dumps(facts)) == facts


def test_an_authority_is_self_signed_and_for_no_host() -> None:
    facts = certificate_facts(der_of(trustme.CA().cert_pem))
    assert facts["is_self_signed"] is True
    assert facts["names"] == []
    assert facts["issuer"] == facts["subject"]


@pytest.mark.parametrize("octets", [b"", b"x", b"\x30\x82\x01\x00"])
def test_what_cannot_be_read_has_a_fingerprint_only(octets: bytes) -> None:
    assert certificate_facts(octets) == {"sha256": hashlib.sha256(octets).hexdigest()}
