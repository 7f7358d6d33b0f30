"""DMARC: is the message from the domain that its From names, and what if not.

A message passes when SPF or DKIM vouches for a domain of the same organization as From's.
What a receiver then does is its own affair; here stands what the domain asks for.

References
----------
RFC 9989 sections 4.4 (alignment), 4.10 (whose record), 5.3 (what receivers do).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from smtpbook.authentication.dmarc_record import DmarcRecord, Policy
from smtpbook.authentication.tree_walk import Found, NoAnswer, TreeWalk
from smtpbook.escape import visible
from smtpbook.lookup.answer import Asker, NotAName, dns_name

DmarcVerdict = Literal["pass", "fail", "none", "temperror", "permerror"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """A domain that SPF or DKIM vouches for.

    Attributes
    ----------
    method : {"spf", "dkim"}
    domain : str
    is_strict : bool
        The record wants From's domain itself, not one of its organization.
    is_aligned : bool or None
        It is what the record wants; None = the DNS gave no answer just now.
    organization : str
        Its organizational domain; "" = it was not needed.
    """

    method: Literal["spf", "dkim"]
    domain: str
    is_strict: bool = False
    is_aligned: bool | None = None
    organization: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DmarcResult:
    """What DMARC came to.

    Attributes
    ----------
    result : {"pass", "fail", "none", "temperror", "permerror"}
        ``none``: no record applies.  ``permerror``: From does not name one domain, or the
        record's policy cannot be read.
    reason : str
        Why, as a sentence; foreign text in it is escaped.
    domain : str
        From's; "" = there is not exactly one.
    record : DmarcRecord or None
        None = no record applies.
    record_domain : str
        Whose record it is; "" = there is none.
    policy : {"none", "quarantine", "reject"} or None
        What the record asks for in case of failure; None = no record applies.
    policy_tag : str
        The tag that asks: ``p``, ``sp`` or ``np``; "" = none.
    disposition : {"none", "quarantine", "reject"}
        What the record asks for with this message: nothing unless it fails; with ``t=y``
        one step milder than `policy`.
    identifiers : tuple of Identifier
        What DKIM and SPF vouched for.
    """

    result: DmarcVerdict
    reason: str
    domain: str = ""
    record: DmarcRecord | None = None
    record_domain: str = ""
    policy: Policy | None = None
    policy_tag: str = ""
    disposition: Policy = "none"
    identifiers: tuple[Identifier, ...] = ()

    @property
    def summary(self) -> str:
        """The result in a line."""
        whose = f" of {visible(self.domain)}" if self.domain else ""
        return f"DMARC{whose}: {self.result}, {self.reason}"

    def __str__(self) -> str:
        return self.summary


async def check_dmarc(
    asker: Asker,
    domains: Sequence[str],
    *,
    spf: str | None,
    dkim: Iterable[str],
    is_unsure: bool = False,
) -> DmarcResult:
    """Judge a message.

    Parameters
    ----------
    asker : Asker
    domains : sequence of str
        Those of the addresses in From.
    spf : str or None
        The domain SPF vouches for; None = SPF did not pass.
    dkim : iterable of str
        The domains that DKIM vouches for.
    is_unsure : bool
        SPF or a signature could not be judged just now, so a failure is not certain.

    Returns
    -------
    DmarcResult

    Raises
    ------
    NotAName
        What is vouched for is no name in the DNS.

    References
    ----------
    RFC 9989 section 5.3.
    """
    # "If zero or more than one domain is extracted from the RFC5322.From header field, then
    # DMARC validation is not possible" (5.3.1)
    names = set(domains)
    if len(names) != 1:
        told = "no domain" if not names else f"{len(names)} domains"
        return DmarcResult(
            result="permerror", reason=f"From names {told}, where it must name one"
        )
    try:
        domain = dns_name(names.pop())
    except NotAName as exc:
        return DmarcResult(result="permerror", reason=f"From: {exc}")
    walk = TreeWalk(asker)
    try:
        found = await walk.find(domain)
        if found.record is None or not found.record.applies:
            return _without_policy(domain, found)
        policy, tag = await _policy(asker, domain, found.domain, found.record)
    except NoAnswer as exc:
        return DmarcResult(result="temperror", reason=str(exc), domain=domain)
    record = found.record
    identifiers = [
        Identifier(method="dkim", domain=dns_name(name), is_strict=record.adkim == "s")
        for name in dict.fromkeys(dkim)
    ]
    if spf is not None:
        identifiers.append(
            Identifier(method="spf", domain=dns_name(spf), is_strict=record.aspf == "s")
        )
    judged = [await _judged(walk, one, domain) for one in identifiers]
    result, reason = _verdict(domain, judged, is_unsure)
    return DmarcResult(
        result=result,
        reason=reason,
        domain=domain,
        record=record,
        record_domain=found.domain,
        policy=policy,
        policy_tag=tag,
        disposition=record.applied(policy) if result == "fail" else "none",
        identifiers=tuple(judged),
    )


def _without_policy(domain: str, found: Found) -> DmarcResult:
    """Give the result where no policy applies."""
    if found.record is not None:
        return DmarcResult(
            result="permerror",
            reason=f"the policy cannot be read: {'; '.join(found.record.problems)}",
            domain=domain,
            record=found.record,
            record_domain=found.domain,
        )
    reason = "there is no DMARC record"
    if len(found.texts) > 1:
        reason = f"there are {len(found.texts)} DMARC records, so none counts"
    return DmarcResult(result="none", reason=reason, domain=domain)


async def _policy(
    asker: Asker, domain: str, owner: str, record: DmarcRecord
) -> tuple[Policy, str]:
    """Give what the record asks for; whether the domain exists is asked only for np=."""
    is_below = owner != domain
    exists = True
    if is_below and record.np is not None:
        # "if the response code received for a query for a domain name is NXDOMAIN, then
        # the domain name and any possible subdomains do not exist" -- RFC 9989 section 3.2
        answer = await asker.ask(domain, "A")
        if answer.status == "error":
            raise NoAnswer.to(answer)
        exists = answer.status != "no_name"
    return record.policy(is_below=is_below, exists=exists)


async def _judged(walk: TreeWalk, one: Identifier, domain: str) -> Identifier:
    """Say whether an identifier is aligned (RFC 9989 sections 4.4, 4.10.2)."""
    if one.domain == domain or one.is_strict:
        return replace(one, is_aligned=one.domain == domain)
    try:
        organization = await walk.organization(one.domain)
        is_aligned = organization == await walk.organization(domain)
    except NoAnswer:
        return one
    return replace(one, is_aligned=is_aligned, organization=organization)


def _verdict(
    domain: str, identifiers: Sequence[Identifier], is_unsure: bool
) -> tuple[DmarcVerdict, str]:
    """Judge by what is aligned (RFC 9989 sections 5.3.5, 5.3.6)."""
    for one in identifiers:
        if one.is_aligned:
            return "pass", f"{one.method.upper()} vouches for {visible(one.domain)}"
    if is_unsure or any(one.is_aligned is None for one in identifiers):
        return "temperror", "the DNS gave no answer on which it hangs"
    if not identifiers:
        return "fail", "neither SPF nor DKIM vouches for any domain"
    wanted = visible(domain)
    names = ", ".join(f"{visible(o.domain)} ({o.method.upper()})" for o in identifiers)
    return "fail", f"what SPF and DKIM vouch for is not aligned with {wanted}: {names}"
