"""In which order the rules are asked what a reply means.

A provider's token comes first, then what the text says, what the provider means by a status,
and the registry: the first that is sure.  If none is, the first that hints at something; and
where all are silent, the command and the code.  The rules stand in their own modules.
"""

from __future__ import annotations

from typing import Final

from smtpbook.codes.phrases import text_says
from smtpbook.codes.rules import (
    SURE,
    Finding,
    Rule,
    Said,
    command_and_code,
    registered_code,
    registered_status,
)
from smtpbook.codes.tables import Entry

RULES: Final[tuple[Rule, ...]] = (text_says, registered_status)
# What the text may say better even in a hint.
LAST: Final[tuple[Rule, ...]] = (command_and_code, registered_code)

# "a sender-SMTP MUST be prepared to handle codes not specified in this document and MUST
# do so by interpreting the first digit only." -- RFC 5321 section 4.2
UNLISTED: Final = "unlisted code, acted on by its first digit, RFC 5321 section 4.2"
_FIRST_DIGIT: Final = {
    digit: Finding(
        Entry(
            meaning=meaning,
            remedy=remedy,
            reason=reason,
            confidence=0.3,
            source="RFC 5321 section 4.2.1",
        ),
        UNLISTED,
    )
    for digit, meaning, remedy, reason in (
        (2, "The command was carried out.", "Go on with the next command.", None),
        (3, "The server waits for more.", "Send what the command is followed by.", None),
        (4, "The command was not carried out, for now.", "", "unknown"),
        (5, "The command was not carried out.", "", "unknown"),
    )
}


def find(said: Said) -> Finding:
    """Ask the rules in order; an unlisted code is explained by its first digit.

    "Clients that receive such out-of-range codes SHOULD normally treat them as fatal
    errors" -- RFC 5321 section 4.2, so a code outside 200 to 599 counts as 5yz.
    """
    hint = None
    for rule in RULES:
        finding = rule(said)
        if finding is not None:
            if finding.entry.confidence >= SURE:
                return finding
            hint = hint or finding
    if hint is not None:
        return hint
    for rule in LAST:
        finding = rule(said)
        if finding is not None:
            return finding
    return _FIRST_DIGIT.get(said.code // 100, _FIRST_DIGIT[5])
