"""Answer: what the DNS says to one question, and that it may be asked.

An answer never is an exception: a name that does not exist, a record that is not there and
a server that is silent are three different things, and each is one of the statuses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from smtpbook.errors import LocalProtocolError
from smtpbook.escape import visible
from smtpbook.protocol.addresses import MAX_LABEL, to_a_labels

Status = Literal["found", "no_data", "no_name", "error"]

# "The total length of a domain name (i.e., label octets and label length octets) is
# restricted to 255 octets or less" -- RFC 1035 section 3.1; that is 253 characters.
MAX_NAME: Final = 253
_NAME: Final = re.compile("[!-~]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the DNS says to one question.

    Attributes
    ----------
    name : str
        Whom it was asked for: lower case, A-labels, no dot at the end.
    record : str
        The kind of record: ``TXT``, ``MX``, ``A`` …
    status : {"found", "no_data", "no_name", "error"}
        ``no_data``: the name is there, and has no such record.  ``no_name``: there is no
        such name (NXDOMAIN), nor can one be.  ``error``: nobody could say; to ask again
        later may help.
    values : tuple of str
        The records as zone files write them, names without the dot at their end:
        ``10 mx.example.org``.  TXT: the strings of each record joined, without quotes;
        octets that are not UTF-8 are surrogate escapes.  Empty unless ``found``.
    aliases : tuple of str
        The names that CNAME records led to, in order.
    is_secure : bool
        DNSSEC vouches for it, and a resolver that is trusted said so.
    error : str or None
        Why nobody could say, or why no such name can be, in words.

    References
    ----------
    RFC 2308 section 2 (which "not there" is which), RFC 4035 section 3.2.3 (AD).
    """

    name: str
    record: str
    status: Status
    values: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    is_secure: bool = False
    error: str | None = None

    def __bool__(self) -> bool:
        """Whether there are records."""
        return bool(self.values)


class Asker(Protocol):
    """Whoever can be asked: zone data, name servers."""

    async def ask(self, name: str, record: str) -> Answer:
        """Ask one question; whatever comes of it is an answer.

        Parameters
        ----------
        name : str
            In any case, with or without a dot at the end, U-labels or A-labels.
        record : str
            The kind of record.
        """


class NotAName(ValueError):
    """A text that no name in the DNS can be; the message says why."""


def dns_name(text: str) -> str:
    """Give a name as it is asked for: lower case, A-labels, no dot at the end.

    Underscores and any printable ASCII are let through: the DNS holds more than hosts.

    >>> dns_name("_DMARC.Bücher.example.")
    '_dmarc.xn--bcher-kva.example'

    Raises
    ------
    NotAName
        A label is empty or too long, the name is too long, or it holds what cannot be
        printed.
    """
    name = text.removesuffix(".")
    shown = visible(text if len(text) <= 80 else f"{text[:79]}…")
    if not name:
        raise NotAName("an empty name")
    try:
        labels = [
            label if label.isascii() else to_a_labels(label)
            for label in (name.split(".") if len(name) <= MAX_NAME else [name])
        ]
    except LocalProtocolError as exc:
        raise NotAName(str(exc)) from None
    name = ".".join(labels).lower()
    if not _NAME.fullmatch(name):
        raise NotAName(f"no name in the DNS: {shown}")
    if len(name) > MAX_NAME or any(not 0 < len(one) <= MAX_LABEL for one in labels):
        raise NotAName(
            f"a name of more than {MAX_NAME} characters, or a label that is empty or has "
            f"more than {MAX_LABEL}: {shown}"
        )
    return name


def no_such(text: str, record: str, why: NotAName) -> Answer:
    """Give the answer for a text that cannot be a name."""
    return Answer(name=text, record=record, status="no_name", error=str(why))
