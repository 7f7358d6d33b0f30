"""Addresses: the IP addresses of a host name, as an asker knows them.

What is done with them is `transport`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

from smtpbook.lookup.asker import Asker


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """What a host's name stands for.

    Attributes
    ----------
    name : str
        As it was asked for.
    canonical : str
        What it is an alias of, at the end; else `name`.
    found : tuple of str
        IPv6 before IPv4; empty = none, or not known.
    is_secure : bool
        Whether DNSSEC has proved both answers.
    error : str or None
        Why they are not known; None = they are, or it is known that there are none.

    References
    ----------
    RFC 5321 section 5.2 (IPv6).
    """

    name: str
    canonical: str
    found: tuple[str, ...]
    is_secure: bool
    error: str | None


async def addresses_of(asker: Asker, name: str) -> Addresses:
    """Ask for a host's addresses.

    One of the two answers is enough to connect; where both fail it is an error.
    """
    answers = [await asker.ask(name, record) for record in ("AAAA", "A")]
    found = tuple(value for answer in answers for value in answer.values)
    failed = [answer for answer in answers if answer.status == "error"]
    aliases = next((answer.aliases for answer in answers if answer.aliases), ())
    return Addresses(
        name=name,
        canonical=aliases[-1] if aliases else name,
        found=found,
        is_secure=all(answer.is_secure for answer in answers),
        error=None if found or not failed else failed[0].error,
    )
