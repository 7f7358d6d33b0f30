"""Said: what a check says, before it is filed under the check's name.

Everything that was found comes from strangers; what is quoted here is made safe and short.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from smtpbook.escape import visible
from smtpbook.findings import Verdict
from smtpbook.lookup.answer import Answer

_MAX_QUOTED: Final = 300  # characters of one record
_MAX_RECORDS: Final = 5
ASK_AGAIN: Final = "ask again later; or, where zone= was given, add it there"
"""The next step where nobody could say."""


class Said(NamedTuple):
    """One thing a check has to say.

    Attributes
    ----------
    verdict : {"fail", "warn", "unknown", "pass"}
    evidence : str
        What was found; safe to show.
    remedy : str or None
        The next step; None = what fits the verdict: the check's own, or to ask again.
    """

    verdict: Verdict
    evidence: str
    remedy: str | None = None


def passes(evidence: str) -> Said:
    """Say that all is well."""
    return Said("pass", evidence)


def warns(evidence: str, remedy: str | None = None) -> Said:
    """Say that something might be better."""
    return Said("warn", evidence, remedy)


def fails(evidence: str, remedy: str | None = None) -> Said:
    """Say that something is wrong."""
    return Said("fail", evidence, remedy)


def unknown(evidence: str, remedy: str | None = None) -> Said:
    """Say that it cannot be told."""
    return Said("unknown", evidence, remedy)


def not_given(argument: str, what: str) -> Said:
    """Say which argument of `check_domain` it would take.

    >>> not_given("ip", "which address the mail is sent from").remedy
    'check_domain(…, ip=…)'
    """
    return unknown(f"not said: {what}", f"check_domain(…, {argument}=…)")


def unanswered(answer: Answer) -> Said:
    """Say that the DNS gave no answer, and why."""
    return unknown(f"{asked(answer)}: {visible(answer.error or '')}")


def asked(answer: Answer) -> str:
    """Name a question: ``example.org TXT``."""
    return f"{visible(answer.name, max_chars=_MAX_QUOTED)} {answer.record}"


def found(answer: Answer) -> str:
    """Give an answer as evidence: the records, or that there are none."""
    match answer.status:
        case "found":
            return f"{asked(answer)} {quoted(answer.values)}"
        case "no_name" if answer.error:
            return visible(answer.error)
        case "no_name":
            return f"the name {visible(answer.name, max_chars=_MAX_QUOTED)} does not exist"
        case "no_data":
            return f"{asked(answer)}: no such record"
        case _:
            return f"{asked(answer)}: {visible(answer.error or '')}"


def quoted(records: Sequence[str]) -> str:
    """Quote records, the first of many.

    >>> quoted(["10 mx1.example", "20 mx2.example"])
    '"10 mx1.example", "20 mx2.example"'
    """
    text = ", ".join(
        f'"{visible(record, max_chars=_MAX_QUOTED)}"' for record in records[:_MAX_RECORDS]
    )
    more = len(records) - _MAX_RECORDS
    return text if more <= 0 else f"{text} and {more:,} more"
