"""Blocklists: whether the address or the domain stands on a public DNS blocklist.

A list that refuses to answer is told apart from one that does not name the sender: before a
list is believed, its test entries must be answered as RFC 5782 section 5 has it.  What a
refusal means that names a list is `codes.blocklists`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, ip_address
from typing import Final

import trio

from smtpbook.codes.provider_tables import blocklists as known_lists
from smtpbook.deliverability.case import Case
from smtpbook.deliverability.said import not_given, quoted
from smtpbook.escape import visible
from smtpbook.findings import Said, fails, passes, unknown, warns
from smtpbook.lookup.answer import Answer, Asker
from smtpbook.lookup.ip import IP

# "The A record contents conventionally have the value 127.0.0.2 but MAY have other values
# … SHOULD be in the 127.0.0.0/8 range" -- RFC 5782 section 2.1
_LISTED: Final = IPv4Network("127.0.0.0/8")
# Answers that are none (Spamhaus, "DNSBL return codes: technical update", 30 September
# 2019; Validity uses the same range).  127.0.1.255: the DBL was asked for an address.
_ERRORS: Final = IPv4Network("127.255.255.0/24")
_ERRORS_ELSE: Final = {
    # RFC 5782 section 5 forbids an entry for it; URIBL and SURBL refuse queries so.
    IPv4Address("127.0.0.1"): "the query was refused",
    IPv4Address("127.0.1.255"): "it lists domains, and was asked for an address",
}
_WHY: Final = {
    IPv4Address("127.255.255.252"): "the list's name is mistyped",
    IPv4Address("127.255.255.254"): "it does not answer public resolvers",
    IPv4Address("127.255.255.255"): "too many queries came from this resolver",
}
# What ZEN's answers mean (docs.spamhaus.com, "Available zones", known, 2026-11-28).
_OF_ZEN: Final = {
    **{IPv4Address(f"127.0.0.{last}"): "spamhaus-sbl" for last in (2, 9)},
    IPv4Address("127.0.0.3"): "spamhaus-css",
    **{IPv4Address(f"127.0.0.{last}"): "spamhaus-xbl" for last in (4, 5, 6, 7)},
    **{IPv4Address(f"127.0.0.{last}"): "spamhaus-pbl" for last in (10, 11)},
}
_MAX_PARENTS: Final = 3
_MAX_ANSWERS: Final = 20
_OWN_RESOLVER: Final = (
    'ask through a resolver of your own, zone=sb.Resolver(["127.0.0.1"]): public ones are '
    "refused; or look up on the lists' pages"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicList:
    """A blocklist that answers everybody, within limits.

    Attributes
    ----------
    name : str
        As in the table of `codes.provider_tables.blocklists`.
    zone : str
        Below which it is asked.
    test : str
        What must be listed where the list answers: reversed, if it is an address.
    empty : str or None
        What must not be.
    has_ipv6 : bool
        It answers for IPv6 addresses, too.
    """

    name: str
    zone: str
    test: str
    empty: str | None = "1.0.0.127"
    has_ipv6: bool = False

    @property
    def title(self) -> str:
        """What people call it."""
        return known_lists()[self.name].title

    @property
    def url(self) -> str:
        """Where to look up by hand, and to ask for removal."""
        return known_lists()[self.name].url or ""


_ZEN: Final = "spamhaus-zen"
# Not those that want a registration (Barracuda, Abusix, Validity) or list whole networks
# (UCEPROTECT 2 and 3).  Domain lists: INVALID is RFC 5782's; the test points are their own.
BY_ADDRESS: Final = (
    PublicList(name=_ZEN, zone="zen.spamhaus.org", test="2.0.0.127", has_ipv6=True),
    PublicList(name="spamcop", zone="bl.spamcop.net", test="2.0.0.127"),
    PublicList(name="psbl", zone="psbl.surriel.com", test="2.0.0.127"),
    PublicList(name="mailspike", zone="bl.mailspike.net", test="2.0.0.127"),
)
BY_DOMAIN: Final = (
    PublicList(
        name="spamhaus-dbl", zone="dbl.spamhaus.org", test="dbltest.com", empty="invalid"
    ),
    PublicList(
        name="surbl", zone="multi.surbl.org", test="test.surbl.org", empty="invalid"
    ),
    PublicList(
        name="uribl", zone="multi.uribl.com", test="test.uribl.com", empty="invalid"
    ),
)


async def blocklists(case: Case) -> list[Said]:
    """Ask every list for the address and the domain; a row for each that has one."""
    said: dict[str, Said | str | None] = {}

    async def ask(one: PublicList, names: Sequence[str]) -> None:
        said[one.name] = await _asked(case.asker, one, names)

    domains = _with_parents(case.domain)
    async with trio.open_nursery() as nursery:
        for one in BY_DOMAIN:
            nursery.start_soon(ask, one, domains)
        if case.ip is not None:
            for one in BY_ADDRESS:
                if one.has_ipv6 or case.ip.version == 4:
                    nursery.start_soon(ask, one, [_reversed(case.ip)])
    order = [one for one in (*BY_ADDRESS, *BY_DOMAIN) if one.name in said]
    rows = [answer for one in order if isinstance(answer := said[one.name], Said)]
    if clean := [one.title for one in order if said[one.name] is None]:
        asked = case.domain if case.ip is None else f"{case.domain} and {case.ip}"
        rows.append(passes(f"{asked}: not on {', '.join(clean)}"))
    silent: dict[str, list[str]] = {}
    for one in order:
        if isinstance(why := said[one.name], str):
            silent.setdefault(why, []).append(one.title)
    if silent:
        told = "; ".join(f"{', '.join(titles)}: {why}" for why, titles in silent.items())
        rows.append(unknown(told, _OWN_RESOLVER))
    if case.ip is None:
        why = "which address the mail is sent from; lists of addresses were not asked"
        rows.append(not_given("ip", why))
    return rows


async def _asked(asker: Asker, one: PublicList, names: Sequence[str]) -> Said | str | None:
    """Ask one list; None = it does not list them, a text: why that is not known."""
    doubt = await _doubt(asker, one)
    if doubt is not None:
        return doubt
    for name in names:
        answer = await asker.ask(f"{name}.{one.zone}", "A")
        if answer.status == "error":
            return _why(answer)
        if answer:
            return await _listed(asker, one, answer)
    return None


async def _listed(asker: Asker, one: PublicList, answer: Answer) -> Said | str:
    """Say what an entry means; a text: it is none, and why."""
    codes = _codes(answer)
    wrong = next((why for code in codes if (why := _error(code))), None)
    if wrong is not None or not codes:
        return wrong or f"it answers {quoted(answer.values)}, which no list does"
    reason = await asker.ask(answer.name, "TXT")
    evidence = f"{one.title} lists it: {answer.name} A {quoted(answer.values)}"
    if reason:
        evidence += f"; {quoted(reason.values)}"
    names = [
        _OF_ZEN.get(code, one.name) if one.name == _ZEN else one.name for code in codes
    ]
    meant = [known_lists()[name] for name in dict.fromkeys(names)]
    told = " ".join(f"{entry.title}: {entry.meaning}" for entry in meant)
    # Nearly everybody asks those of Spamhaus; our own judgement.
    says = fails if one.name.startswith("spamhaus") else warns
    return says(f"{evidence}. {told}", f"put the cause right, then ask there: {one.url}")


async def _doubt(asker: Asker, one: PublicList) -> str | None:
    """Say why a list cannot be believed from here; None = it can."""
    test = await asker.ask(f"{one.test}.{one.zone}", "A")
    if test.status == "error":
        return _why(test)
    codes = _codes(test)
    if not codes:
        return "it does not answer from here: its test entry is not listed"
    wrong = next((why for code in codes if (why := _error(code))), None)
    if wrong is not None or one.empty is None:
        return wrong
    nothing = await asker.ask(f"{one.empty}.{one.zone}", "A")
    return "it lists everything: it may be closed" if nothing else None


def _why(answer: Answer) -> str:
    """Say why there is no answer, in the same words for every list."""
    return visible((answer.error or "").replace(answer.name, "it"))


def _codes(answer: Answer) -> list[IPv4Address]:
    """Give what a list may answer: addresses of 127.0.0.0/8."""
    ips = [ip_address(value) for value in answer.values[:_MAX_ANSWERS]]
    return [ip for ip in ips if isinstance(ip, IPv4Address) and ip in _LISTED]


def _error(code: IPv4Address) -> str | None:
    if code in _ERRORS:
        return f"{_WHY.get(code, 'an error')} ({code})"
    why = _ERRORS_ELSE.get(code)
    return None if why is None else f"{why} ({code})"


def _reversed(ip: IP) -> str:
    """Give an address as lists are asked for it (RFC 5782 sections 2.1 and 2.4)."""
    return ip.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")


def _with_parents(domain: str) -> list[str]:
    """Give a domain and those above it: lists hold the registered one."""
    labels = domain.split(".")
    return [".".join(labels[start:]) for start in range(len(labels) - 1)][-_MAX_PARENTS:]
