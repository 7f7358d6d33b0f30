"""Said: what checks of a sender say of arguments and of the DNS's answers.

Everything that was found comes from strangers; what is quoted here is made safe and short.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from smtpbook.escape import visible
from smtpbook.findings import Said, unknown
from smtpbook.lookup.answer import Answer

_MAX_QUOTED: Final = 300  # characters of one record
_MAX_RECORDS: Final = 5
ASK_AGAIN: Final = "ask again later; or, where zone= was given, add it there"
"""The next step where nobody could say."""


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
