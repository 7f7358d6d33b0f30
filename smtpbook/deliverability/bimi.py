"""BIMI: whether a logo is published that some mailboxes show beside the domain's mail.

It is optional and still a draft, so nothing fails here.  The logo itself is not fetched.
"""

from __future__ import annotations

from smtpbook.authentication.dmarc_record import Policy
from smtpbook.authentication.tree_walk import NoAnswer, TreeWalk
from smtpbook.content.page import host_of
from smtpbook.deliverability.case import Case
from smtpbook.deliverability.said import asked, found, unanswered
from smtpbook.dkim.tags import TagError, parse_tags
from smtpbook.escape import visible
from smtpbook.findings import Said, passes, unknown, warns


async def bimi(case: Case) -> list[Said]:
    """Look for the record at the usual selector, and at what it needs."""
    answer = await case.asker.ask(f"default._bimi.{case.domain}", "TXT")
    if answer.status == "error":
        return [unanswered(answer)]
    records = [one for one in answer.values if one.lstrip().lower().startswith("v=bimi1")]
    if not records:
        return [passes(f"{asked(answer)}: no logo is published; it is optional")]
    if len(records) > 1:
        return [warns(f"{found(answer)}: several records, so none counts", "keep one")]
    try:
        tags = parse_tags(records[0].encode("utf-8", "surrogateescape"))
    except TagError as exc:
        return [warns(f"{found(answer)}: {exc}")]
    logo = tags.get("l", "")
    if not logo and not tags.get("a"):
        return [passes(f"{found(answer)}: it says that there is no logo")]
    if not (logo.startswith("https://") and host_of(logo)):
        return [warns(f"{found(answer)}: l= is no https address")]
    policy = await _policy(case)
    if policy is None:
        why = f"{found(answer)}; whether DMARC allows it: see dmarc_record"
        return [unknown(why, "correct the DMARC record first")]
    if policy == "none":
        return [
            warns(
                f"{found(answer)}: shown only where DMARC asks for quarantine or reject",
                f"_dmarc.{case.domain}: p=quarantine or p=reject",
            )
        ]
    proof = "" if tags.get("a") else "; without a certificate (a=) few mailboxes show it"
    return [passes(f"{found(answer)}{visible(proof)}")]


async def _policy(case: Case) -> Policy | None:
    """Give what DMARC asks for; None = no record says it, or nobody could."""
    try:
        known = await TreeWalk(case.asker).find(case.domain)
    except NoAnswer:
        return None
    if known.record is None or not known.record.applies:
        return None
    return known.record.policy(is_below=known.domain != case.domain, exists=True)[0]
