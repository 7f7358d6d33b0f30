"""Signature: what one DKIM-Signature field says, read and checked before any arithmetic.

The checks are those that need the field alone; the key and the message are `verify`'s.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from smtpbook.dkim.canonical import Canonicalization
from smtpbook.dkim.tags import TagError, base64_of, parse_tags, shown, words_of
from smtpbook.errors import LocalProtocolError
from smtpbook.protocol.addresses import is_within, to_a_labels

# Everything from the "=" of b= up to the next ";": "the value of the "b=" tag (including
# all surrounding whitespace) deleted" -- RFC 6376 section 3.7
_B_VALUE: Final = re.compile(rb"((?:^|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")
_NUMBER: Final = re.compile(r"[0-9]{1,76}")  # l= may have 76 digits, section 3.5
_HEADER_NAME: Final = re.compile(r"[!-9;-~]+")  # ftext, RFC 5322 section 3.6.8
_LABELS: Final = re.compile(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*")
_REQUIRED: Final = ("v", "a", "b", "bh", "d", "h", "s")
_ALGORITHMS: Final = frozenset({"rsa-sha256", "ed25519-sha256"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One DKIM-Signature field.

    Make it with `parse`, which checks it; the constructor trusts.

    Attributes
    ----------
    algorithm : str
        ``a=``: ``"rsa-sha256"`` or ``"ed25519-sha256"``.
    domain, selector : str
        ``d=`` and ``s=``, lower case and A-labels: where the key is.
    identity : str
        ``i=``: on whose behalf; ``@domain`` where it is not said.
    canonicalization : Canonicalization
    names : tuple of str
        ``h=``: the header fields signed.
    body_hash, octets : bytes
        ``bh=`` and ``b=``, decoded.
    body_length : int or None
        ``l=``: octets of the canonical body signed; None = all.
    time_s, expires_s : int or None
        ``t=`` and ``x=``: seconds since 1970, UTC; None = not said.
    unsigned : bytes
        The field as it was hashed: as it is, ``b=`` empty.

    References
    ----------
    RFC 6376 sections 3.5 (tags), 6.1.1 (what makes a signature invalid).
    """

    algorithm: str
    domain: str
    selector: str
    identity: str
    canonicalization: Canonicalization
    names: tuple[str, ...]
    body_hash: bytes
    octets: bytes
    body_length: int | None
    time_s: int | None
    expires_s: int | None
    unsigned: bytes = field(repr=False)

    @classmethod
    def parse(cls, octets: bytes) -> Signature:
        """Read a field, name and all, without its last CRLF.

        Raises
        ------
        TagError
            It is not a DKIM signature of RFC 6376, or one that nobody may trust.
        """
        name, _, value = octets.partition(b":")
        tags = parse_tags(value)
        _check_what_it_needs(tags)
        domain = _domain(tags["d"], "d")
        time_s, expires_s = _number(tags, "t"), _number(tags, "x")
        if time_s is not None and expires_s is not None and expires_s <= time_s:
            raise TagError("x= is not later than t=")
        return cls(
            algorithm=tags["a"],
            domain=domain,
            selector=_domain(tags["s"], "s"),
            identity=_identity(tags, domain),
            canonicalization=_canonicalization(tags),
            names=_names(tags["h"]),
            body_hash=base64_of(tags, "bh"),
            octets=base64_of(tags, "b"),
            body_length=_number(tags, "l"),
            time_s=time_s,
            expires_s=expires_s,
            unsigned=name + b":" + _B_VALUE.sub(rb"\1", value, count=1),
        )

    @property
    def key_name(self) -> str:
        """Where the key record is."""
        return f"{self.selector}._domainkey.{self.domain}"


def seconds_of(date: datetime | None) -> int:
    """Give seconds since 1970, UTC; now for None.

    Raises
    ------
    ValueError
        It has no time zone, so nobody knows when it is.
    """
    if date is None:
        date = datetime.now(UTC)
    if date.tzinfo is None:
        raise ValueError(f"date={date!r} has no time zone; datetime.now(UTC) has one")
    return int(date.timestamp())


def _check_what_it_needs(tags: dict[str, str]) -> None:
    if missing := [f"{name}=" for name in _REQUIRED if name not in tags]:
        raise TagError(f"{', '.join(missing)} missing")
    if tags["v"] != "1":
        raise TagError(f"version {shown(tags['v'])} is not known (v=)")
    # "DKIM signatures identified as having been signed with historic algorithms (currently,
    # rsa-sha1) have permanently failed evaluation" -- RFC 8301 section 3.1
    if tags["a"] == "rsa-sha1":
        raise TagError("rsa-sha1 proves nothing any more (RFC 8301 section 3.1)")
    if tags["a"] not in _ALGORITHMS:
        raise TagError(f"the algorithm {shown(tags['a'])} is not known (a=)")
    if "q" in tags and "dns/txt" not in words_of(tags["q"]):
        raise TagError(f"keys are not found by {shown(tags['q'])} (q=)")


def _domain(text: str, tag: str) -> str:
    try:
        domain = text.lower() if text.isascii() else to_a_labels(text)
    except LocalProtocolError:
        domain = ""
    if not _LABELS.fullmatch(domain) or len(domain) > 255:
        raise TagError(f"{tag}= is not a name of the DNS: {shown(text)}")
    return domain


def _identity(tags: dict[str, str], domain: str) -> str:
    identity = tags.get("i", f"@{domain}")
    _, at, its_domain = identity.rpartition("@")
    if not at:
        raise TagError(f"i= has no @: {shown(identity)}")
    its_domain = _domain(its_domain, "i")
    if not is_within(its_domain, domain):
        raise TagError(f"i= is not within d=: {shown(identity)}")
    return identity


def _canonicalization(tags: dict[str, str]) -> Canonicalization:
    try:
        return Canonicalization.parse(tags.get("c", "simple/simple"))
    except ValueError as exc:
        raise TagError(f"c=: {exc}") from None


def _names(value: str) -> tuple[str, ...]:
    names = words_of(value)
    for name in names:
        if not _HEADER_NAME.fullmatch(name):
            raise TagError(f"h= lists {shown(name)}, which names no header field")
    if "from" not in (name.lower() for name in names):
        raise TagError("h= does not list From, so anybody may be named there")
    return names


def _number(tags: dict[str, str], name: str) -> int | None:
    if name not in tags:
        return None
    if not _NUMBER.fullmatch(tags[name]):
        raise TagError(f"{name}= is not a number: {shown(tags[name])}")
    return int(tags[name])
