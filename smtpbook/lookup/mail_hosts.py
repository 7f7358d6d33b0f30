"""Mail hosts: which servers take a domain's mail, and in which order.

The order is by preference; among equals it is by lot, whenever it is asked for.  Nothing is
connected to.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, Protocol, TypeVar

from smtpbook.lookup.answer import Answer, Asker


class _Preferred(Protocol):
    @property
    def preference(self) -> int: ...


PreferredT = TypeVar("PreferredT", bound=_Preferred)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailHost:
    """One server that takes a domain's mail.

    Attributes
    ----------
    preference : int
        The lowest is tried first.
    name : str
    """

    preference: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailHosts:
    """The servers that take a domain's mail.

    Attributes
    ----------
    domain : str
    kind : {"mx", "implicit", "null", "none", "error"}
        ``implicit``: there is no MX record, and the domain is its own host.  ``null``: it
        says that it takes no mail.  ``none``: there is no such domain, or nothing at it.
        ``error``: nobody could say.
    hosts : tuple of MailHost
        By preference, then by name.
    answer : Answer
        What the DNS said, last.

    References
    ----------
    RFC 5321 section 5.1, RFC 7505 (null MX).
    """

    domain: str
    kind: Literal["mx", "implicit", "null", "none", "error"]
    hosts: tuple[MailHost, ...] = ()
    answer: Answer

    def ordered(self, lot: random.Random) -> tuple[MailHost, ...]:
        """Give the order in which to try them, equals shuffled."""
        return tuple(equals_shuffled(self.hosts, lot))


def equals_shuffled(hosts: Iterable[PreferredT], lot: random.Random) -> list[PreferredT]:
    """Give hosts, which are by preference, in the order in which to try them.

    "the sender-SMTP MUST randomize them to spread the load across multiple mail exchangers"
    -- RFC 5321 section 5.1, of equal preferences
    """
    order: list[PreferredT] = []
    for _, equals in groupby(hosts, key=lambda one: one.preference):
        tied = list(equals)
        lot.shuffle(tied)
        order += tied
    return order


async def mail_hosts(asker: Asker, domain: str) -> MailHosts:
    """Ask which servers take a domain's mail.

    Parameters
    ----------
    asker : Asker
    domain : str

    Returns
    -------
    MailHosts
    """
    answer = await asker.ask(domain, "MX")
    if answer.status == "found":
        found = sorted(set(map(_host_of, answer.values)), key=_rank)
        named = tuple(host for host in found if host.name != ".")
        # "A domain that advertises a null MX MUST NOT advertise any other MX RR."
        # -- RFC 7505 section 3; where it does, the others are what it means.
        kind: Literal["mx", "null"] = "mx" if named else "null"
        return MailHosts(domain=answer.name, kind=kind, hosts=named, answer=answer)
    if answer.status != "no_data":
        is_known = answer.status == "no_name"
        return MailHosts(
            domain=answer.name, kind="none" if is_known else "error", answer=answer
        )
    # "If an empty list of MXs is returned, the address is treated as if it was associated
    # with an implicit MX RR, with a preference of 0, pointing to that host." -- RFC 5321
    # section 5.1
    for record in ("A", "AAAA"):
        address = await asker.ask(domain, record)
        if address.status == "error":
            return MailHosts(domain=answer.name, kind="error", answer=address)
        if address:
            host = MailHost(preference=0, name=answer.name)
            return MailHosts(
                domain=answer.name, kind="implicit", hosts=(host,), answer=address
            )
    return MailHosts(domain=answer.name, kind="none", answer=answer)


def _host_of(value: str) -> MailHost:
    preference, _, name = value.partition(" ")
    return MailHost(preference=int(preference), name=name)


def _rank(host: MailHost) -> tuple[int, str]:
    return host.preference, host.name
