"""Addresses: the IP addresses of a host's name, as an asker knows them.

What is done with them is `transport`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

from smtpbook.lookup.answer import Asker


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """What a host's name stands for.

    Attributes
    ----------
    name : str
        As it was asked for.
    found : tuple of str
        IPv6 before IPv4; empty = none, or not known.
    aliases : tuple of str
        The names that CNAME records led to, in order.
    is_secure : bool
        DNSSEC vouches for both answers.
    error : str or None
        Why they are not known; None = they are, or it is known that there are none.

    References
    ----------
    RFC 5321 section 5.2 (IPv6).
    """

    name: str
    found: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    is_secure: bool = False
    error: str | None = None


async def addresses_of(asker: Asker, name: str) -> Addresses:
    """Ask for a host's addresses.

    One of the two answers is enough to connect; it is an error where there is none and one
    has failed.
    """
    answers = [await asker.ask(name, record) for record in ("AAAA", "A")]
    found = tuple(value for answer in answers for value in answer.values)
    errors = [answer.error for answer in answers if answer.status == "error"]
    return Addresses(
        name=answers[0].name,
        found=found,
        aliases=max((answer.aliases for answer in answers), key=len),
        is_secure=all(answer.is_secure for answer in answers),
        error=errors[0] if errors and not found else None,
    )
