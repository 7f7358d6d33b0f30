"""Strict: what a strict provider looks at before it takes a message.

Each check tells whether something is lacking, from what the server has `Seen`; the lab
asks no DNS.  What the domains of its own little world say about a client on loopback is a
table here: every other domain lets it send.
"""

from __future__ import annotations

from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import getaddresses
from typing import Final

from smtpbook.lab.behaviours import Seen
from smtpbook.protocol.addresses import domain_of, is_within
from smtpbook.protocol.header import split_header

SPF: Final = {"forged.example": "fail", "nospf.example": "none"}
"""What a domain's SPF record comes to for loopback, where it is not ``pass``."""

_ONCE: Final = ("From", "Date", "Message-ID")


def lacks_tls(seen: Seen) -> bool:
    """Whether the session is in clear text."""
    return not seen.is_secure


def fails_spf(seen: Seen) -> bool:
    """Whether the reverse-path's domain forbids this client to send for it."""
    return _spf(seen) == "fail"


def lacks_voucher(seen: Seen) -> bool:
    """Whether neither SPF nor a DKIM signature vouches for the message."""
    return _spf(seen) != "pass" and not _signers(_header(seen))


def is_misaligned(seen: Seen) -> bool:
    """Whether From is of another domain than those which SPF or DKIM vouch for.

    A relaxed alignment, by one domain ending in the other; DMARC proper compares
    organizational domains (RFC 7489 section 3.1).
    """
    header = _header(seen)
    senders = {domain_of(who) or "" for _, who in getaddresses(_all(header, "From"))}
    vouched = _signers(header)
    if seen.reverse_path and _spf(seen) == "pass":
        vouched.add(domain_of(seen.reverse_path) or "")
    return any(
        not any(is_within(one, other) or is_within(other, one) for other in vouched)
        for one in senders
    )


def is_malformed(seen: Seen) -> bool:
    """Whether From, Date and Message-ID are not there once each (RFC 5322 section 3.6)."""
    header = _header(seen)
    return any(len(_all(header, name)) != 1 for name in _ONCE)


def lacks_one_click(seen: Seen) -> bool:
    """Whether one click does not unsubscribe (RFC 8058 section 3.1)."""
    header = _header(seen)
    link = " ".join(_all(header, "List-Unsubscribe")).lower()
    post = [value.strip().lower() for value in _all(header, "List-Unsubscribe-Post")]
    return "<https:" not in link or post != ["list-unsubscribe=one-click"]


# 5.7.23 and 5.7.26 are RFC 7372's; the 530 is RFC 3207's (section 4).
CHECKS: Final = (
    ("MAIL", "530 5.7.0 Must issue a STARTTLS command first", lacks_tls),
    ("MAIL", "550 5.7.23 SPF: the domain does not let you send for it", fails_spf),
    ("END-OF-DATA", "550 5.7.26 Neither SPF nor DKIM vouches for it", lacks_voucher),
    ("END-OF-DATA", "554 5.6.0 From, Date and Message-ID are due once each", is_malformed),
    (
        "END-OF-DATA",
        "550 5.7.1 From is not of the domain that SPF or DKIM vouches for (DMARC)",
        is_misaligned,
    ),
    (
        "END-OF-DATA",
        "550 5.7.1 Bulk mail needs one-click List-Unsubscribe (RFC 8058)",
        lacks_one_click,
    ),
)
"""Place, reply, and the check that draws it: the first that finds something decides."""


def _header(seen: Seen) -> Message:
    return BytesHeaderParser().parsebytes(split_header(seen.data)[0])


def _all(header: Message, name: str) -> list[str]:
    return [str(value) for value in header.get_all(name, [])]


def _spf(seen: Seen) -> str:
    return SPF.get(domain_of(seen.reverse_path) or "", "pass")


def _signers(header: Message) -> set[str]:
    """Give the domains that DKIM signatures name, true or not."""
    tags = (
        tag.partition("=")
        for one in _all(header, "DKIM-Signature")
        for tag in one.split(";")
    )
    return {value.strip().lower() for name, _, value in tags if name.strip() == "d"}
