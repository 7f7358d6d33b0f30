"""Extensions: what a server says it can do, in its reply to EHLO (RFC 5321 section 2.2).

A value made from one EHLO reply.  It holds for that reply only: after STARTTLS the client
must forget it and ask again (RFC 3207 section 4.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from smtpbook.protocol.replies import Reply

_OLD_AUTH: Final = re.compile(r"^AUTH=", re.I)
_LIMIT: Final = re.compile(r"([A-Za-z0-9-]+)=([0-9]{1,6})")
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
    max_size_bytes : int or None
        The largest message the server takes, in octets; None = no limit stated.
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
    max_size_bytes: int | None = None
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
        size = keywords.get("SIZE", ())
        stated = _limits(keywords.get("LIMITS", ()))
        limit = int(size[0]) if size and size[0].isascii() and size[0].isdigit() else 0
        return cls(
            keywords=MappingProxyType(keywords),
            has_pipelining="PIPELINING" in keywords,
            has_chunking="CHUNKING" in keywords,
            has_8bitmime="8BITMIME" in keywords,
            has_smtputf8="SMTPUTF8" in keywords,
            has_starttls="STARTTLS" in keywords,
            has_size="SIZE" in keywords,
            # "A value of 0 (zero) indicates that no fixed maximum message size is in
            # force." -- RFC 1870 section 4
            max_size_bytes=limit or None,
            mechanisms=tuple(
                dict.fromkeys(name.upper() for name in keywords.get("AUTH", ()))
            ),
            max_messages=stated.get("MAILMAX"),
            max_recipients=stated.get("RCPTMAX"),
            max_domains=stated.get("RCPTDOMAINMAX"),
        )


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
