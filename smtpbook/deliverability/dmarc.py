"""DMARC: what the domain asks receivers to do, and whether its own mail would pass.

Records, alignment and results are `authentication.dmarc`'s; here it is said what to change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from smtpbook.authentication.dkim import verify_dkim
from smtpbook.authentication.dmarc import DmarcResult, check_dmarc
from smtpbook.authentication.report_targets import ReportTarget, report_targets
from smtpbook.authentication.spf import check_spf_async
from smtpbook.authentication.tree_walk import Found, NoAnswer, TreeWalk, walk_of
from smtpbook.deliverability.case import Case
from smtpbook.deliverability.said import not_given, quoted
from smtpbook.dkim.verify import signatures_of
from smtpbook.escape import visible
from smtpbook.findings import Said, fails, passes, unknown, warns

_OF_ALL: Final = re.compile(r";[ \t]*pct[ \t]*=[ \t]*100[ \t]*(?:;|\Z)", re.IGNORECASE)
_NOT_NOW = "the DNS gave no answer on which it hangs"


async def dmarc_record(case: Case) -> list[Said]:
    """Look for the record that applies, and at what it asks for."""
    walk = TreeWalk(case.asker)
    try:
        found = await walk.find(case.domain)
        several = [one for one in walk_of(case.domain) if len(await walk.texts(one)) > 1]
    except NoAnswer as exc:
        return [unknown(str(exc))]
    name = f"_dmarc.{case.domain}"
    record = f'{name}. IN TXT "v=DMARC1; p=none; rua=mailto:dmarc-reports@{case.domain}"'
    if len(found.texts) > 1:
        return [fails(f"{name} TXT {quoted(found.texts)}: so none counts", "keep one")]
    if found.record is None and several:
        above = f"_dmarc.{several[0]}"
        why = f"{name}: there is no DMARC record, and several at {above}, so none counts"
        return [fails(why, f"keep one at {above}")]
    if found.record is None:
        return [fails(await _nothing_at(case, name), record)]
    evidence = f"_dmarc.{visible(found.domain)} TXT {quoted([found.record.text])}"
    targets = await report_targets(case.asker, found.record, found.domain)
    said = [*_faults(found, evidence, case.domain), *_strangers(targets)]
    return said or [passes(evidence)]


async def _nothing_at(case: Case, name: str) -> str:
    """Say that there is no record, and what stands there in its place."""
    above = " nor above" if case.domain.count(".") > 1 else ""
    texts = (await case.asker.ask(name, "TXT")).values
    instead = f"; {quoted(texts)} is none: it begins with v=DMARC1" if texts else ""
    return f"{name}{above}: there is no DMARC record{instead}"


def _faults(found: Found, evidence: str, domain: str) -> Iterator[Said]:
    record = found.record
    assert record is not None
    if not record.applies:
        yield fails(f"{evidence}: {'; '.join(record.problems)}; so it does not count")
        return
    for problem in record.problems:
        yield warns(f"{evidence}: {problem}")
    # pct=100, rf= and ri= stand in most records, and change nothing for anybody.
    if "pct" in record.removed and not _OF_ALL.search(record.text):
        yield warns(
            f"{evidence}: RFC 9989 has removed pct=, so some receivers apply the policy to "
            f"a part of the mail and others to all of it",
            "take pct= out; t=y says that the policy is only tried",
        )
    policy, tag = record.policy(is_below=found.domain != domain, exists=True)
    if policy == "none":
        yield warns(
            f"{evidence}: {tag}=none lets everybody use the domain",
            f"once reports show that all your mail passes: {tag}=quarantine, then "
            f"{tag}=reject",
        )
    elif record.is_testing:
        yield warns(f"{evidence}: t=y: the policy is only tried", "take t=y out")
    if not record.rua:
        yield warns(f"{evidence}: no reports", f"add rua=mailto:dmarc-reports@{domain}")


def _strangers(targets: Sequence[ReportTarget]) -> Iterator[Said]:
    for one in targets:
        if one.is_authorized is None:
            yield unknown(f"whether {one.uri} agrees to get reports: {one.evidence}")
        elif not one.is_authorized:
            yield warns(
                f"{one.uri} does not agree to get reports: {one.evidence}",
                f'who has it publishes {visible(one.name)}. IN TXT "v=DMARC1"',
            )


async def spf_aligned(case: Case) -> list[Said]:
    """Compare the reverse-path's domain with From's."""
    if case.reverse_path is None:
        return [not_given("reverse_path", "the address that failures are reported to")]
    found = await check_dmarc(case.asker, [case.domain], spf=case.reverse_path, dkim=())
    said = f"reverse-path at {case.reverse_path}, From at {case.domain}"
    return [_aligned(found, said, case.domain)]


async def dkim_aligned(case: Case) -> list[Said]:
    """Compare the domains that signed with From's."""
    if case.mail is None:
        return [not_given("message", "a message as it is sent, signed")]
    domains = [one.domain for one in signatures_of(case.mail)]
    if not domains:
        return [unknown("the message is not signed; see dkim_signature", "sign it first")]
    found = await check_dmarc(case.asker, [case.domain], spf=None, dkim=domains)
    said = f"signed by {quoted(domains)}, From at {case.domain}"
    return [_aligned(found, said, case.domain)]


def _aligned(found: DmarcResult, said: str, domain: str) -> Said:
    if found.result == "temperror":
        return unknown(_NOT_NOW)
    if not found.identifiers:
        return unknown(f"{found.reason}; see dmarc_record", "correct the record first")
    if any(one.is_aligned for one in found.identifiers):
        return passes(said)
    is_strict = any(one.is_strict for one in found.identifiers)
    whose = f"{domain} itself" if is_strict else f"the organization of {domain}"
    return warns(f"{said}: not of {whose}, so it does not count for DMARC")


async def dmarc_result(case: Case) -> list[Said]:
    """Judge the message as a receiver does, by what SPF and DKIM vouch for."""
    if case.ip is None and case.mail is None:
        what = "which address the mail is sent from, nor a message (message=)"
        return [not_given("ip", what)]
    spf, is_unsure = await _vouched_by_spf(case)
    signatures = () if case.mail is None else await verify_dkim(case.mail, case.asker)
    dkim = [one.domain for one in signatures if one.result == "pass"]
    is_unsure |= any(one.result == "temperror" for one in signatures)
    found = await check_dmarc(
        case.asker, [case.domain], spf=spf, dkim=dkim, is_unsure=is_unsure
    )
    if found.result == "pass":
        return [passes(found.summary)]
    if found.result in ("none", "permerror"):
        return [fails(f"{found.summary}; see dmarc_record", "correct the record first")]
    if found.result == "temperror":
        return [unknown(found.summary)]
    if case.mail is None:
        return [unknown(f"{found.summary}; DKIM might", "check_domain(…, message=…)")]
    if case.is_handed_in and not signatures:
        return [
            unknown(f"{found.summary}; DKIM might; see dkim_signature", "sign it first")
        ]
    if case.ip is None:
        return [unknown(f"{found.summary}; SPF might", "check_domain(…, ip=…)")]
    return [fails(f"{found.summary}; receivers are asked to {_asked_to(found)}")]


async def _vouched_by_spf(case: Case) -> tuple[str | None, bool]:
    """Give the domain that SPF vouches for, and whether that is unsure."""
    if case.ip is None:
        return None, False
    found = await check_spf_async(
        case.path_domain, ip=str(case.ip), helo=case.helo, zone=case.asker
    )
    is_right = found.result == "pass"
    return case.path_domain if is_right else None, found.result == "temperror"


def _asked_to(found: DmarcResult) -> str:
    return {
        "none": "do nothing",
        "quarantine": "put it with the spam",
        "reject": "refuse it",
    }[found.disposition]
