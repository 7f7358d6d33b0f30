"""Sender: whether the domains that a message names can be written back to.

Spelling is `naming`'s, and who takes postmaster's mail `own_mail`'s.
"""

from __future__ import annotations

from email.errors import MessageError
from email.headerregistry import AddressHeader
from email.parser import BytesHeaderParser
from email.policy import default
from typing import Final

from smtpbook.deliverability.case import Case
from smtpbook.deliverability.reverse_dns import addresses
from smtpbook.deliverability.said import asked, found, not_given, quoted, unanswered
from smtpbook.escape import visible
from smtpbook.findings import Said, fails, passes, unknown, warns
from smtpbook.lookup.mail_hosts import MailHosts, mail_hosts
from smtpbook.protocol.addresses import domain_of

_MAX_HOSTS: Final = 10


async def from_domain(case: Case) -> list[Said]:
    """Ask whether From has one address, whose domain exists."""
    said = [] if case.mail is None else _of_header(case.mail, case.domain)
    return said or [await _exists(case, await mail_hosts(case.asker, case.domain))]


async def reverse_path(case: Case) -> list[Said]:
    """Ask whether bounces have somewhere to go."""
    if case.reverse_path is None:
        return [not_given("reverse_path", "the address that failures are reported to")]
    hosts = await mail_hosts(case.asker, case.path_domain)
    if hosts.kind == "null":
        return [fails(f"{asked(hosts.answer)} is a null MX: bounces have nowhere to go")]
    return [await _exists(case, hosts)]


async def _exists(case: Case, hosts: MailHosts) -> Said:
    if hosts.kind == "error":
        return unanswered(hosts.answer)
    if hosts.kind == "none":
        return fails(found(hosts.answer), f"{hosts.domain}. IN MX 10 mail.{hosts.domain}.")
    if hosts.kind == "mx":
        return await _reachable(case, hosts)
    return passes(found(hosts.answer))


async def _reachable(case: Case, hosts: MailHosts) -> Said:
    """Ask whether the mail hosts have addresses; what nobody says is not held against."""
    lost = []
    for host in hosts.hosts[:_MAX_HOSTS]:
        aliases = (await case.asker.ask(host.name, "A")).aliases
        if aliases:
            return warns(
                f"{found(hosts.answer)}; {quoted([host.name])} is only another name of "
                f"{quoted(aliases[-1:])} (CNAME), which some servers refuse",
                f"IN MX {host.preference} {visible(aliases[-1])}.",
            )
        ips, error = await addresses(case.asker, host.name)
        if ips or error is not None:
            return passes(found(hosts.answer))
        lost.append(host.name)
    if len(hosts.hosts) > _MAX_HOSTS:
        return unknown(f"{found(hosts.answer)}; {quoted(lost)} have no address")
    return fails(
        f"{found(hosts.answer)}, and no such host has an address",
        f"{visible(lost[0])}. IN A …; or name another host in the MX record",
    )


def _of_header(mail: bytes, domain: str) -> list[Said]:
    """Say what is wrong with From; empty = nothing."""
    try:
        fields = BytesHeaderParser(policy=default).parsebytes(mail).get_all("From", [])
        if len(fields) != 1:
            return [fails(f"the message has {len(fields)} From fields; it must have one")]
        field = fields[0]
        boxes = field.addresses if isinstance(field, AddressHeader) else ()
        specs = [box.addr_spec for box in boxes]
    except (MessageError, ValueError, IndexError) as exc:
        return [fails(f"From cannot be read ({type(exc).__name__})")]
    if len(specs) != 1:
        return [
            fails(
                f"From has {len(specs)} addresses{': ' if specs else ''}{quoted(specs)}; "
                f"DMARC wants one"
            )
        ]
    own = domain_of(specs[0])
    if own != domain:
        return [
            warns(
                f"From is at {quoted([own or '?'])}, and {domain} was to be checked",
                f"check_domain({own!a}, message=…)",
            )
        ]
    return []
