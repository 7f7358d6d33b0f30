"""SPF: whether the domain lets the sending address send, and what its record costs.

Records are read and evaluated by `authentication.spf`; here it is said what to change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from smtpbook.authentication.spf import check_spf_async
from smtpbook.authentication.spf_record import MECHANISMS, Term
from smtpbook.authentication.spf_result import MAX_LOOKUPS, MAX_VOIDS, SpfResult
from smtpbook.deliverability.case import Case
from smtpbook.deliverability.said import not_given, quoted
from smtpbook.escape import visible
from smtpbook.findings import Said, fails, passes, unknown, warns

_MAX_RECORD: Final = 450  # what receivers are sure to get (RFC 7208 section 3.4)


async def spf_record(case: Case) -> list[Said]:
    """Look for the one record, and read it with all that it includes."""
    found = await _survey(case)
    evidence = f"{found.domain} TXT {quoted(found.texts)}{case.path_note}"
    if found.result == "temperror":
        return [unknown(found.reason)]
    if not found.texts:
        record = f'{found.domain}. IN TXT "v=spf1 {_term(case)} ~all"'
        return [
            fails(
                f"{found.domain}: {found.reason}{case.path_note}",
                f"{record}, and in it what whoever sends for you names, such as include:…",
            )
        ]
    if found.result == "permerror" and not _is_too_costly(found):
        return [fails(f"{evidence}: {found.reason}", _one_record(found))]
    return [*_strange(found)] or [passes(evidence)]


def _one_record(found: SpfResult) -> str | None:
    if len(found.texts) < 2:
        return None
    terms = [term for text in found.texts for term in text.split()[1:]]
    # Beside the terms of another record a redirect= would count no longer, include: does.
    merged = dict.fromkeys(
        re.sub("^redirect=", "include:", term, flags=re.IGNORECASE)
        for term in terms
        if term.lstrip("+-~?").lower() != "all"
    )
    record = " ".join(["v=spf1", *merged, "~all"])
    shown = f': "{visible(record)}"' if len(record) <= _MAX_RECORD else ""
    return f"publish one record with the terms of all{shown}"


def _strange(found: SpfResult) -> Iterator[Said]:
    """Tell what receivers pass over, and was hardly meant so: ``ip4=192.0.2.1``."""
    for term in () if found.record is None else found.record.unknown:
        if term.name in MECHANISMS:  # others have a meaning somewhere, as in RFC 6652
            yield warns(
                f"{term} in the record of {visible(found.domain)} says nothing: receivers "
                f"pass over it",
                visible(f"write {term.text.replace('=', ':', 1)}"),
            )


async def spf_lookups(case: Case) -> list[Said]:
    """Count what receivers have to ask, and look for what lets everybody send."""
    found = await _survey(case)
    if found.result == "temperror":
        return [unknown(found.reason)]
    if found.record is None:
        return [unknown(f"{found.reason}; see spf_record", "correct the record first")]
    said = [*_open_to_all(found), *_slow(found)]
    if _is_too_costly(found):
        costly = [str(step.term) for step in found.steps if step.inner is not None]
        includes = f": {', '.join(costly)}" if costly else ""
        said.insert(0, fails(f"{found.cost}{includes}"))
    return said or [passes(found.cost)]


def _open_to_all(found: SpfResult) -> Iterator[Said]:
    for depth, one in found.walk():
        terms = () if one.record is None else one.record.mechanisms
        for term in terms:
            if term.verdict == "pass" and _is_everybody(term):
                remedy = "take it out"
                if depth:
                    remedy = "include it no longer, until whoever has it puts it right"
                elif term.name == "all":
                    remedy = "end the record with ~all or -all"
                yield fails(
                    f"{term} in the record of {visible(one.domain)} lets everybody send",
                    remedy,
                )
    record = found.record
    assert record is not None
    if record.all is None and record.redirect is None:
        whole = f"{record.text} ~all"
        shown = f': "{visible(whole)}"' if len(whole) <= _MAX_RECORD else ""
        yield warns(
            "the record does not say what becomes of other addresses",
            f"end it with ~all{shown}",
        )


def _is_everybody(term: Term) -> bool:
    """Whether a mechanism matches every address: ``all``, ``ip4:0.0.0.0/0``, ``a/0``."""
    if term.network is not None:
        return term.network.prefixlen == 0
    return term.name == "all" or 0 in (term.length_4, term.length_6)


def _slow(found: SpfResult) -> Iterator[Said]:
    for _, one in found.walk():
        terms = () if one.record is None else one.record.mechanisms
        if any(term.name == "ptr" for term in terms):
            # "This mechanism SHOULD NOT be published." -- RFC 7208 section 5.5
            yield warns(
                f"ptr in the record of {visible(one.domain)}: slow, and many receivers "
                f"pass over it",
                "name the networks: ip4:, ip6:",
            )


async def spf_result(case: Case) -> list[Said]:
    """Evaluate the record for the sending address, as a receiver does."""
    if case.ip is None:
        return [not_given("ip", "which address the mail is sent from")]
    found = await check_spf_async(
        case.path_domain, ip=str(case.ip), helo=case.helo, zone=case.asker
    )
    evidence = f"{found.summary}{case.path_note}"
    match found.result:
        case "pass":
            return [passes(evidence)]
        case "temperror":
            return [unknown(evidence)]
        case "none" | "permerror":
            return [fails(f"{found.summary}; see spf_record", "correct the record first")]
        case _:
            return [fails(evidence, f"add {_term(case)} to the SPF record, before all")]


async def _survey(case: Case) -> SpfResult:
    return await check_spf_async(case.path_domain, zone=case.asker)


def _is_too_costly(found: SpfResult) -> bool:
    return found.lookups > MAX_LOOKUPS or found.voids > MAX_VOIDS


def _term(case: Case) -> str:
    """Give the mechanism that lets the sending address send."""
    return "mx" if case.ip is None else f"ip{case.ip.version}:{case.ip}"
