"""DKIM: whether the keys that were published are good, and the message's signature right.

Records and signatures are read by `dkim`; what is counted for DMARC is `dmarc`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from smtpbook.authentication.dkim import verify_dkim
from smtpbook.deliverability.case import Case
from smtpbook.deliverability.said import asked, found, not_given, quoted, unanswered
from smtpbook.dkim.key_record import GOOD_RSA_BITS, KeyRecord
from smtpbook.dkim.signature import Signature
from smtpbook.dkim.tags import TagError
from smtpbook.dkim.verify import Verification, signatures_of
from smtpbook.escape import visible
from smtpbook.findings import Said, fails, passes, unknown, warns
from smtpbook.lookup.answer import Answer
from smtpbook.lookup.asker import ask_all
from smtpbook.protocol.header import fields_of, name_of, split_header

# Selectors that providers give their customers, and that programs propose; known to those
# who send mail, 28 November 2026.
USUAL: Final = (
    *("default", "google", "selector1", "selector2", "s1", "s2", "k1", "k2", "k3"),
    *("mail", "dkim", "fm1", "pm", "zoho", "mandrill", "smtp"),
)
# RFC 6376 section 5.4.1 names what should be signed; RFC 8058 section 4 what must be.
_SHOULD: Final = ("subject", "date", "to", "reply-to", "message-id", "mime-version")
_MUST: Final = ("from", "list-unsubscribe", "list-unsubscribe-post")

_SEE: Final = (
    "send a test to yourself and look for DKIM-Signature in what arrives; if there is "
    "none, sign with a DkimSigner"
)


async def dkim_key(case: Case) -> list[Said]:
    """Look at each key: is it there, in use, for mail, and strong."""
    names = [f"{one}._domainkey.{case.domain}" for one in map(_bare, case.selectors) if one]
    if case.mail is not None:
        names += [one.key_name for one in signatures_of(case.mail)]
    if not names:
        return [await _guessed(case)]
    answers = await ask_all(case.asker, names, "TXT")
    return [_of_key(answer) for answer in answers.values()]


def _bare(selector: str) -> str:
    """Give a selector of which more was copied than it: ``s1._domainkey.example.org``."""
    return selector.strip().lower().partition("._domainkey")[0]


async def _guessed(case: Case) -> Said:
    """Tell which usual selectors have a key; that proves nothing, as any may be used."""
    names = [f"{selector}._domainkey.{case.domain}" for selector in USUAL]
    known = await ask_all(case.asker, names, "TXT")
    answers = dict(zip(USUAL, known.values(), strict=True))
    there = [
        selector
        for selector, answer in answers.items()
        if any("p=" in value for value in answer.values[:5])
    ]
    keys = f"keys are at {quoted(there)}" if there else "no key at any usual selector"
    if lost := [one for one, answer in answers.items() if answer.status == "error"]:
        keys += f", as far as there was an answer (there was none for {quoted(lost)})"
    return not_given("selector", f"which key is signed with; {keys}")


def _of_key(answer: Answer) -> Said:
    if answer.status == "error":
        return unanswered(answer)
    if answer.error:
        return fails(found(answer), "give the selector that stands in s= of a signature")
    if not answer:
        return fails(found(answer), f'{answer.name}. IN TXT "v=DKIM1; k=…; p=…"')
    if len(answer.values) > 1:
        # "the results are undefined" -- RFC 6376 section 3.6.2.2
        return fails(f"{found(answer)}: several records, of which one may be", "keep one")
    try:
        record = KeyRecord.parse(answer.values[0])
    except TagError as exc:
        return fails(f"{found(answer)}: {exc}")
    kind = "Ed25519" if record.algorithm.startswith("ed") else f"RSA, {record.bits} bits"
    said = f"{asked(answer)}: {kind}"
    if record.is_testing:
        return warns(f"{said}; t=y says that it is only tried", "publish it without t=y")
    if "RSA" in kind and record.bits < GOOD_RSA_BITS:
        return warns(f"{said}; {GOOD_RSA_BITS} are advised")
    return passes(said)


async def dkim_signature(case: Case) -> list[Said]:
    """Verify the message's signatures, with the keys as they are published."""
    if case.mail is None:
        return [not_given("message", "a message as it is sent, signed")]
    signatures = signatures_of(case.mail)
    results = await verify_dkim(case.mail, case.asker)
    if not results and case.is_handed_in:
        why = "the letter is not signed here; the server that takes it may sign it"
        return [unknown(why, _SEE)]
    if not results:
        return [fails("the message is not signed")]
    good = [one for one in results if one.result == "pass"]
    if not good:
        return [_not_verified(one) for one in results]
    right = {(one.domain, one.selector) for one in good}
    own = [one for one in signatures if (one.domain, one.selector) in right]
    said = [fault for one in own for fault in _faults(one, case.mail)]
    return said or [
        passes(f"s={visible(one.selector)} d={visible(one.domain)}: {visible(one.reason)}")
        for one in good[:1]
    ]


def _not_verified(one: Verification) -> Said:
    said = f"s={visible(one.selector)} d={visible(one.domain)}: {visible(one.reason)}"
    if one.result == "temperror":
        return unknown(said)
    return fails(said)


def _faults(signature: Signature, mail: bytes) -> Iterator[Said]:
    """Say what a right signature leaves open."""
    if signature.body_length is not None:
        yield fails(
            f"l={signature.body_length}: anybody may add to the body what readers see",
            "sign without l=",
        )
    header, _ = split_header(mail)
    there = {name_of(field).decode("ascii", "replace") for field in fields_of(header)}
    signed = {name.lower() for name in signature.names}
    for names, says in ((_MUST, fails), (_SHOULD, warns)):
        missing = [name for name in names if name in there and name not in signed]
        if missing:
            yield says(f"h= leaves out {quoted(missing)}: anybody may change them")
