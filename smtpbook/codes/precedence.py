"""In which order the rules are asked what a reply means.

First a provider's own tokens, then what the text says, what the provider means by a status,
and the registry: the first of them that is sure.  If none is, a code that is for one thing
only, or the first that hints at something; and where all are silent, the command and the
code.  The rules themselves stand in their own modules.
"""

from __future__ import annotations

from typing import Final

from smtpbook.codes.phrases import text_says
from smtpbook.codes.provider_tables import ProviderReply, providers
from smtpbook.codes.providers import provider_hint, provider_status
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


def words_say(said: Said) -> Finding | None:
    """Take a provider's token if it is sure, or else the surer of token and text.

    The phrases of a program that many run are no tokens: a text may say more than they.
    """
    own = provider_hint(said)
    if own is not None and own.entry.confidence >= SURE and not _is_software(own.entry):
        return own
    general = text_says(said)
    if own is None or general is None:
        return own or general
    return general if general.entry.confidence > own.entry.confidence else own


def _is_software(entry: Entry) -> bool:
    return (
        isinstance(entry, ProviderReply) and providers()[entry.provider].kind == "software"
    )


# What is true of every server; with these alone, nobody's own codes are known.
GENERAL: Final[tuple[Rule, ...]] = (text_says, registered_status)
RULES: Final[tuple[Rule, ...]] = (words_say, provider_status, registered_status)
# A hint of the others says more, unless the code is for one thing only, as 454 to AUTH.
LAST: Final[tuple[Rule, ...]] = (command_and_code, registered_code)
_SAYS_JUST_THIS: Final = 0.8

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


def find(said: Said, rules: tuple[Rule, ...] = RULES) -> Finding:
    """Ask the rules in order; an unlisted code is explained by its first digit.

    "Clients that receive such out-of-range codes SHOULD normally treat them as fatal
    errors" -- RFC 5321 section 4.2, so a code outside 200 to 599 counts as 5yz.
    """
    hint = None
    for rule in rules:
        finding = rule(said)
        if finding is not None:
            if finding.entry.confidence >= SURE:
                return finding
            hint = hint or finding
    for rule in LAST:
        finding = rule(said)
        if finding is not None and (
            hint is None or finding.entry.confidence >= _SAYS_JUST_THIS
        ):
            return finding
    return hint or _FIRST_DIGIT.get(said.code // 100, _FIRST_DIGIT[5])
