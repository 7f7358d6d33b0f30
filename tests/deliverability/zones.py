"""A domain that has everything right, and the ways to get one thing wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smtpbook.dkim.signer import DkimSigner
from smtpbook.lookup.zone import Zone

Records = Mapping[str, str | list[str]]

DOMAIN = "example.org"
IP = "198.51.100.7"
SIGNER = DkimSigner.generate(DOMAIN, "s1", "ed25519")
LETTER = (
    b"From: Ann <ann@example.org>\r\nTo: bob@example.com\r\nSubject: hi\r\n"
    b"Date: Sat, 28 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n"
    b"MIME-Version: 1.0\r\n\r\nhello\r\n"
)
POLICY = "version: STSv1\nmode: enforce\nmx: mail.example.org\nmax_age: 1209600\n"
GIVEN: dict[str, Any] = {
    "ip": IP,
    "selector": "s1",
    "helo": "mail.example.org",
    "reverse_path": "bounce@bounce.example.org",
    "message": SIGNER.sign(LETTER),
    "policies": {DOMAIN: POLICY},
}
LISTED = {"A": "127.0.0.2"}
# Every blocklist lists its test entry and nothing else.
LISTS: dict[str, Records] = {
    f"{test}.{zone}": LISTED
    for test, zone in (
        ("2.0.0.127", "zen.spamhaus.org"),
        ("2.0.0.127", "bl.spamcop.net"),
        ("2.0.0.127", "psbl.surriel.com"),
        ("2.0.0.127", "bl.mailspike.net"),
        ("dbltest.com", "dbl.spamhaus.org"),
        ("test.surbl.org", "multi.surbl.org"),
        ("test.uribl.com", "multi.uribl.com"),
    )
}
GOOD: dict[str, Records] = {
    "example.org": {"MX": "10 mail.example.org", "A": "198.51.100.80"},
    "bounce.example.org": {
        "MX": "10 mail.example.org",
        "TXT": "v=spf1 include:_spf.example.org -all",
    },
    "_spf.example.org": {"TXT": "v=spf1 ip4:198.51.100.0/24 ~all"},
    "mail.example.org": {"A": IP},
    "_25._tcp.mail.example.org": {"TLSA": f"3 1 1 {'ab' * 32}"},
    SIGNER.dns_record[0]: {"TXT": SIGNER.dns_record[1]},
    "_dmarc.example.org": {"TXT": "v=DMARC1; p=reject; rua=mailto:d@example.org"},
    "default._bimi.example.org": {
        "TXT": "v=BIMI1; l=https://example.org/logo.svg; a=https://example.org/vmc.pem"
    },
    "_mta-sts.example.org": {"TXT": "v=STSv1; id=20261128"},
    "_smtp._tls.example.org": {"TXT": "v=TLSRPTv1; rua=mailto:tls@example.org"},
    "7.100.51.198.in-addr.arpa": {"PTR": "mail.example.org"},
    **LISTS,
}


def bounce(*texts: str, mx: str = "10 mail.example.org") -> dict[str, Records]:
    """Give the reverse-path's domain these TXT records."""
    return {"bounce.example.org": {"MX": mx, "TXT": list(texts)}}


def world(
    changes: Mapping[str, Records | None] | None = None, failing: tuple[str, ...] = ()
) -> Zone:
    """Give all of the DNS: the good zone, changed; a name that is None is taken away."""
    data = {**GOOD, **(changes or {})}
    return Zone(
        {name: records for name, records in data.items() if records is not None},
        is_world=True,
        failing=failing,
        secure=True,
    )
