"""The sending machine's name: what its address is called, and what it calls itself.

Whether the address is on a blocklist is asked in `blocklists`.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address
from typing import Final

from smtpbook.deliverability.case import Case
from smtpbook.deliverability.said import found, not_given, quoted, unanswered
from smtpbook.escape import visible
from smtpbook.findings import Said, fails, passes, warns
from smtpbook.lookup.answer import Answer, Asker
from smtpbook.lookup.ip import IP

# "the number of PTR names … MUST be limited to 10" for SPF's ptr (RFC 7208 section 4.6.4);
# whoever checks a client's name looks at no more either.
_MAX_NAMES: Final = 10
_MAX_ADDRESSES: Final = 100  # of one name and kind; what is beyond is not looked at
# Words by which networks name the lines of their customers; our own observation.
_LINE: Final = re.compile(
    r"(?:^|[.-])(?:a?dsl|broadband|cable|client|customer|cust|dhcp|dial(?:up)?|dyn(?:amic)?"
    r"|generic|pool|ppp(?:oe)?|unassigned|unallocated|static|ip)[0-9]*(?:[.-]|$)"
)


async def reverse_dns(case: Case) -> list[Said]:
    """Ask for the address's names, and whether one of them leads back to it."""
    if case.ip is None:
        return [not_given("ip", "which address the mail is sent from")]
    pointer = await case.asker.ask(case.ip.reverse_pointer, "PTR")
    if pointer.status == "error":
        return [unanswered(pointer)]
    name = case.helo or f"mail.{case.domain}"
    if not pointer:
        remedy = f"whoever owns the address publishes {_publish(case.ip, name)}"
        return [fails(found(pointer), remedy)]
    back = [await addresses(case.asker, one) for one in pointer.values[:_MAX_NAMES]]
    for one, (ips, _) in zip(pointer.values, back, strict=False):
        if case.ip in ips:
            return [_named(case.ip, one)]
    lost = next((error for _, error in back if error is not None), None)
    if lost is not None:
        return [unanswered(lost)]
    named = quoted(pointer.values)
    return [
        fails(
            f"{case.ip} is called {named}, and no such name leads back to it",
            f"{visible(pointer.values[0])}. IN {_kind(case.ip)} {case.ip}; or let whoever "
            f"owns the address name it otherwise: {_publish(case.ip, name)}",
        )
    ]


def _named(ip: IP, name: str) -> Said:
    evidence = f"{ip} is called {quoted([name])}, which leads back to it"
    if is_generic(name, ip):
        return warns(
            f"{evidence}; it looks like one of a network's customers",
            "let whoever owns the address give it a name of your domain",
        )
    return passes(evidence)


async def helo(case: Case) -> list[Said]:
    """Ask whether the name in EHLO is a full one that exists, and is this address's."""
    if case.helo is None:
        return [not_given("helo", "what the sending machine calls itself in EHLO")]
    name = case.helo
    if name.startswith("["):
        return [
            warns(
                f"{visible(name)} is an address literal; the RFC has it for hosts without "
                f"a name, and many receivers refuse it"
            )
        ]
    if "." not in name.strip("."):
        return [fails(f"{quoted([name])} is not a full name: it has no dot")]
    ips, error = await addresses(case.asker, name)
    if error is not None and (not ips or (case.ip is not None and case.ip not in ips)):
        return [unanswered(error)]
    if not ips:
        record = f"{visible(name)}. IN {_kind(case.ip)} {case.ip or '192.0.2.1'}"
        return [fails(f"{quoted([name])} has no address", record)]
    evidence = f"{quoted([name])} is {', '.join(map(str, ips[:5]))}"
    if case.ip is not None and case.ip not in ips:
        return [warns(f"{evidence}, and the mail is sent from {case.ip}")]
    return [passes(evidence)]


async def addresses(asker: Asker, name: str) -> tuple[list[IP], Answer | None]:
    """Give the addresses of a name, and the answer that is missing, if one is."""
    ips: list[IP] = []
    missing = None
    for record in ("A", "AAAA"):
        answer = await asker.ask(name, record)
        ips += map(ip_address, answer.values[:_MAX_ADDRESSES])
        if answer.status == "error":
            missing = answer
    return ips, missing


def is_generic(name: str, ip: IP) -> bool:
    """Say whether a name looks as if a program had given it: it spells its address.

    >>> is_generic("ip-198-51-100-7.isp.example", ip_address("198.51.100.7"))
    True
    >>> is_generic("mx7.example.org", ip_address("198.51.100.7"))
    False
    """
    name = name.lower()
    if isinstance(ip, IPv6Address):
        return ip.exploded.replace(":", "")[-16:] in re.sub("[.-]", "", name)
    octets = str(ip).split(".")
    numbers = re.findall("[0-9]+", name)
    padded = "".join(octet.zfill(3) for octet in octets)
    spelled = all(numbers.count(octet) >= octets.count(octet) for octet in octets)
    is_hex = ip.packed.hex() in name
    return spelled or is_hex or padded in name or _is_line(name, octets)


def _is_line(name: str, octets: list[str]) -> bool:
    """Whether it has a word for a customer's line, and the address's last octet."""
    return bool(_LINE.search(name)) and octets[-1] in re.findall("[0-9]+", name)


def _publish(ip: IP, name: str) -> str:
    return f"{ip.reverse_pointer}. IN PTR {visible(name)}."


def _kind(ip: IP | None) -> str:
    return "AAAA" if isinstance(ip, IPv6Address) else "A"
