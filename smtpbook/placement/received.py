"""Received: the way a message came, as each server on it has written.

What lower lines say was written by others and may be made up.

References
----------
RFC 5321 section 4.4 (the field), RFC 3848 and 6531 (``with``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from smtpbook.mailboxes.mime import Fields, micros

_MAX_HOPS: Final = 60
_MAX_CHARS: Final = 4000
_BY: Final = re.compile(r"\bby\s{1,9}([^\s;()]{1,255})", re.I)
_FROM: Final = re.compile(r"^\s{0,9}from\s{1,9}([^\s;()]{1,255})", re.I)
_WITH: Final = re.compile(r"\bwith\s{1,9}(Microsoft SMTP Server|[A-Za-z0-9]{1,20})", re.I)
_ID: Final = re.compile(r"\bid\s{1,9}<?([^\s;<>()]{1,255})", re.I)
# "TLS1_3" of Google and Microsoft, "TLSv1.3" of Postfix, "TLS1.3" of Exim.
_VERSION: Final = re.compile(r"\bTLS ?v?([0-9])[._]([0-9])\b", re.I)
# "ESMTPS", "LMTPSA", "UTF8SMTPS": S = TLS, A = a login -- RFC 3848
_PROTOCOL: Final = re.compile(r"(?:UTF8)?(E?SMTP|LMTP)(S?)(A?)", re.I)
_ADDRESS: Final = re.compile(r"[\d.]+|\[.*")
_ITSELF: Final = re.compile(r"localhost(?:\..*)?|127\..*|\[(?:127\.|ipv6:::1\]).*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """What one server wrote of taking a message.

    Attributes
    ----------
    sender, by : str
        Who handed it over, as it named itself, and who took it; "" = it does not say.
    queue_id : str
        What the server called it; "" = it does not say.
    tls : str or None
        Such as ``TLSv1.3``; ``TLS`` = of which version is not told; ``none``; None = it
        does not say whether there was any.
    time : int or None
        Microseconds since 1970 UTC.
    is_smtp : bool
        It came by SMTP, and not from another program or a store.
    """

    sender: str
    by: str
    queue_id: str
    tls: str | None
    time: int | None
    is_smtp: bool

    @classmethod
    def parse(cls, value: str) -> Hop:
        """Read a field.

        >>> hop = Hop.parse(
        ...     "from out.x.example (out.x.example [192.0.2.1]) by mx.y.example with ESMTPS"
        ...     " id q7 (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256);"
        ...     " Sat, 28 Nov 2026 12:00:00 +0000"
        ... )
        >>> hop.sender, hop.by, hop.queue_id, hop.tls
        ('out.x.example', 'mx.y.example', 'q7', 'TLSv1.3')
        """
        said, _, date = value[:_MAX_CHARS].rpartition(";")
        said = said or value[:_MAX_CHARS]
        spoken = _first(_WITH, said)
        protocol = _PROTOCOL.fullmatch(spoken)
        version = _VERSION.search(said)
        is_smtp = (protocol is not None and protocol[1].upper() != "LMTP") or " " in spoken
        tls = None
        if version:
            tls = f"TLSv{version[1]}.{version[2]}"
        elif protocol:
            tls = "TLS" if protocol[2] else "none"
        return cls(
            sender=_first(_FROM, said).lower(),
            by=_first(_BY, said).lower(),
            queue_id=_first(_ID, said),
            tls=tls,
            time=micros(date.strip()),
            is_smtp=is_smtp,
        )


def hops_of(header: Fields) -> list[Hop]:
    """Give the way of a message, the last server first."""
    return [Hop.parse(value) for value in header.all("received")[:_MAX_HOPS]]


def last_hop(hops: list[Hop]) -> Hop | None:
    """Give the hop on which a message came to its receiver; None = no line tells it.

    Receivers pass a message on among their own servers, so this is the latest hop by SMTP
    from a server of another domain.
    """
    for hop in hops:
        is_within = _ITSELF.fullmatch(hop.sender) or _house(hop.sender) == _house(hop.by)
        if hop.is_smtp and hop.sender and not is_within:
            return hop
    return None


def _house(name: str) -> str:
    """Give the end of a name that servers of one house share; an address has none."""
    return "" if _ADDRESS.fullmatch(name) else ".".join(name.strip(".").split(".")[-2:])


def _first(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[1] if match else ""
