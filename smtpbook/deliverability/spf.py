"""SPF: whether the domain lets the sending address send, and what its record costs.

Records are read and evaluated by `authentication.spf`; here it is said what to change.
"""

from __future__ import annotations

from collections.abc import Iterator

from smtpbook.authentication.spf import check_spf_async
from smtpbook.authentication.spf_result import MAX_LOOKUPS, MAX_VOIDS, SpfResult
from smtpbook.deliverability.case import Case
from smtpbook.deliverability.said import (
    Said,
    fails,
    not_given,
    passes,
    quoted,
    unknown,
    warns,
)
from smtpbook.escape import visible


async def spf_record(case: Case) -> list[Said]:
    """Look for the one record, and read it with all that it includes."""
    found = await _survey(case)
    evidence = f"{found.domain} TXT {quoted(found.texts)}{case.path_note}"
    if found.result == "temperror":
        return [unknown(found.reason)]
    if not found.texts:
        record = f'{found.domain}. IN TXT "v=spf1 {_term(case)} ~all"'
        return [fails(found.reason, record)]
    if found.result == "permerror" and not _is_too_costly(found):
        return [fails(f"{evidence}: {found.reason}", _one_record(found))]
    return [passes(evidence)]


def _one_record(found: SpfResult) -> str | None:
    if len(found.texts) < 2:
        return None
    terms = [text.split()[1:] for text in found.texts]
    merged = dict.fromkeys(term for one in terms for term in one if term[-3:] != "all")
    record = visible(" ".join(["v=spf1", *merged, "~all"]), max_chars=450)
    return f'publish one record with the terms of all: "{record}"'


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
    for _, one in found.walk():
        terms = () if one.record is None else one.record.mechanisms
        for term in terms:
            network = term.network
            is_everybody = term.name == "all" or (
                network is not None and network.prefixlen == 0
            )
            if is_everybody and term.verdict == "pass":
                yield fails(
                    f"{term} in the record of {visible(one.domain)} lets everybody send",
                    "end the record with ~all or -all",
                )
    record = found.record
    assert record is not None
    if record.all is None and record.redirect is None:
        yield warns(
            "the record does not say what becomes of other addresses",
            f'end it with ~all: "{visible(record.text, max_chars=400)} ~all"',
        )


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
