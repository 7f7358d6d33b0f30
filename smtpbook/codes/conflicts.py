"""Where a reply contradicts itself: code, enhanced status and text say different things.

The code decides what may be done (RFC 5321 section 4.2.1), the text mostly what is meant;
that they disagree is said, not settled.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from smtpbook.codes.rules import SURE, Finding, Said
from smtpbook.codes.tables import reasons

# X.7.0 and X.7.1 are said of every refusal on purpose, whatever the purpose is.
_ON_PURPOSE: Final = frozenset(
    {"policy", "reputation", "authentication", "content", "setup", "unknown"}
)
_PASSES: Final = {"greylisted": "greylisting", "rate_limited": "a rate limit"}
_STAYS: Final = frozenset({"user_unknown", "bad_address"})


def conflicts(said: Said, finding: Finding, status: Finding | None) -> Iterator[str]:
    """Say where code, status and what was found disagree, a sentence each.

    Parameters
    ----------
    said : Said
        A reply.
    finding : Finding
        What it was found to mean.
    status : Finding or None
        What is registered for its enhanced status; None = nothing.
    """
    reason = finding.entry.reason
    if reason is None or said.code < 400:
        return
    if status is not None and status.entry.reason is not None:
        meant, group = reasons()[status.entry.reason], reasons()[reason].group
        agrees = group in (_ON_PURPOSE if meant.name == "policy" else {meant.group})
        is_firm = status.entry.confidence >= SURE or (
            meant.name == "policy" and said.code >= 500
        )
        if not agrees and is_firm:
            yield (
                f"enhanced status {said.enhanced_status} is for {meant.name}, "
                f"the text speaks of {reason}"
            )
    if said.code >= 500 and reason in _PASSES:
        yield (
            f"reply code {said.code} is permanent, the text speaks of {_PASSES[reason]}, "
            f"which passes"
        )
    if said.code < 500 and reason in _STAYS:
        yield (
            f"reply code {said.code} allows another try, the text says that the address "
            f"is wrong"
        )
