"""Extensions: what a server says it can do, in its reply to EHLO (RFC 5321 section 2.2).

A value made from one EHLO reply.  It holds for that reply only: after STARTTLS the client
must forget it and ask again (RFC 3207 section 4.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from smtpbook.protocol.replies import Reply

_OLD_AUTH: Final = re.compile(r"^AUTH=", re.I)
_LIMIT: Final = re.compile(r"([A-Za-z0-9-]+)=([0-9]{1,6})")
_HAS: Final = {
    "has_pipelining": "PIPELINING",
    "has_chunking": "CHUNKING",
    "has_8bitmime": "8BITMIME",
    "has_smtputf8": "SMTPUTF8",
    "has_starttls": "STARTTLS",
    "has_size": "SIZE",
    "has_prdr": "PRDR",
}
_NO_KEYWORDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Extensions:
    """The service extensions in force.

    Attributes
    ----------
    keywords : mapping of str to tuple of str
        EHLO keyword in capitals to its parameters as given.
    has_pipelining : bool
        PIPELINING, RFC 2920.
    has_chunking : bool
        CHUNKING, RFC 3030.
    has_8bitmime : bool
        8BITMIME, RFC 6152.
    has_smtputf8 : bool
        SMTPUTF8, RFC 6531.
    has_starttls : bool
        STARTTLS, RFC 3207.
    has_size : bool
        SIZE, RFC 1870.
    has_prdr : bool
        PRDR, draft-hall-prdr-00.
    max_size_bytes : int or None
        The largest message the server takes, in octets; None = no limit stated.
    min_deliver_by_s : int or None
        The shortest time in which DELIVERBY may have a message returned, in seconds.
    max_hold_s : int or None
        For how long FUTURERELEASE may hold a message, in seconds.
    max_hold_until : datetime or None
        And until when, UTC.
    priority_profile : str or None
        What MT-PRIORITY's numbers mean there, such as ``"MIXER"``, in capitals.
    xclient_names : tuple of str
        The attributes XCLIENT may set, in capitals.
    mechanisms : tuple of str
        SASL mechanisms of AUTH (RFC 4954) in the server's order, capitals.
    max_messages, max_recipients, max_domains : int or None
        LIMITS (RFC 9422): MAILMAX, messages in a session; RCPTMAX, recipients to a message;
        RCPTDOMAINMAX, their different domains.  None = not stated.
    """

    keywords: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NO_KEYWORDS)
    has_pipelining: bool = False
    has_chunking: bool = False
    has_8bitmime: bool = False
    has_smtputf8: bool = False
    has_starttls: bool = False
    has_size: bool = False
    has_prdr: bool = False
    max_size_bytes: int | None = None
    min_deliver_by_s: int | None = None
    max_hold_s: int | None = None
    max_hold_until: datetime | None = None
    priority_profile: str | None = None
    xclient_names: tuple[str, ...] = ()
    mechanisms: tuple[str, ...] = ()
    max_messages: int | None = None
    max_recipients: int | None = None
    max_domains: int | None = None

    @classmethod
    def from_reply(cls, reply: Reply) -> Extensions:
        r"""Read the 250 of EHLO: a greeting, then a keyword a line.

        >>> ehlo = Reply.parse("250-mx\n250-SIZE 1000\n250 AUTH=LOGIN")
        >>> Extensions.from_reply(ehlo).max_size_bytes
        1000
        """
        keywords: dict[str, tuple[str, ...]] = {}
        for line in reply.lines[1:]:
            # Servers from before RFC 2554 wrote "AUTH=LOGIN"; some write both forms.
            words = _OLD_AUTH.sub("AUTH ", line).split()
            if words:
                keyword = words[0].upper()
                keywords[keyword] = (*keywords.get(keyword, ()), *words[1:])
        return cls._from_keywords(keywords)

    @classmethod
    def _from_keywords(cls, keywords: dict[str, tuple[str, ...]]) -> Extensions:
        stated = _limits(keywords.get("LIMITS", ()))
        hold_s, hold_until = _longest_hold(keywords.get("FUTURERELEASE", ()))
        profile = keywords.get("MT-PRIORITY", ())
        return cls(
            keywords=MappingProxyType(keywords),
            **{name: keyword in keywords for name, keyword in _HAS.items()},
            # "A value of 0 (zero) indicates that no fixed maximum message size is in
            # force." -- RFC 1870 section 4
            max_size_bytes=_number(keywords.get("SIZE", ())),
            min_deliver_by_s=_number(keywords.get("DELIVERBY", ())),
            max_hold_s=hold_s,
            max_hold_until=hold_until,
            priority_profile=profile[0].upper() if profile else None,
            xclient_names=_capitals(keywords.get("XCLIENT", ())),
            mechanisms=_capitals(keywords.get("AUTH", ())),
            max_messages=stated.get("MAILMAX"),
            max_recipients=stated.get("RCPTMAX"),
            max_domains=stated.get("RCPTDOMAINMAX"),
        )


def _capitals(words: Iterable[str]) -> tuple[str, ...]:
    """Give each word once, in the server's order."""
    return tuple(dict.fromkeys(word.upper() for word in words))


def _number(words: tuple[str, ...]) -> int | None:
    """Read the number a parameter begins with; None = there is none, or it is 0.

    What follows a comma is of a later version of the extension (RFC 2852).
    """
    word = words[0].partition(",")[0] if words else ""
    return int(word) or None if word.isascii() and word.isdigit() else None


def _longest_hold(words: tuple[str, ...]) -> tuple[int | None, datetime | None]:
    """Read FUTURERELEASE's limits: seconds, and a point in time (RFC 4865 section 3)."""
    until = None
    with suppress(IndexError, ValueError, OverflowError):
        given = datetime.fromisoformat(words[1])
        until = given.astimezone(UTC) if given.tzinfo is not None else None
    return _number(words), until


def _limits(words: Iterable[str]) -> dict[str, int]:
    """Read LIMITS' parameters: a name, "=" and six digits at most.

    What is none of that is ignored, and so is a 0, which would let nothing through (RFC
    9422 section 3).
    """
    found = (_LIMIT.fullmatch(word) for word in words)
    limits = {one[1].upper(): int(one[2]) for one in found if one}
    return {name: limit for name, limit in limits.items() if limit}


NO_EXTENSIONS: Final = Extensions()
"""What HELO brings, and what is in force before EHLO."""


def ehlo_reply(name: str, keywords: Iterable[str]) -> Reply:
    """Give the 250 with which a server of this name offers these keywords."""
    return Reply(code=250, lines=(f"{name} greets you", *keywords))
