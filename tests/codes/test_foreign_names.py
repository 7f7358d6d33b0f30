"""Every reason has a name in each tool, or says honestly that it has none."""

from __future__ import annotations

import pytest

from smtpbook.codes.foreign_names import TOOLS, foreign_names, foreign_table
from smtpbook.codes.tables import reasons

# What the tools themselves list; what is about deliveries and complaints left out.
LISTED = {
    "sisimai": "authfailure badreputation blocked contenterror emailtoolarge expired "
    "failedstarttls filtered hasmoved hostunknown mailboxfull mailererror networkerror "
    "norelaying notaccept notcompliantrfc onhold policyviolation ratelimited rejected "
    "requireptr securityerror spamdetected suppressed suspend syntaxerror systemerror "
    "systemfull undefined userunknown virusdetected",
    "kumomta": "InvalidRecipient DNSFailure SpamBlock SpamContent ProhibitedAttachment "
    "RelayDenied TransientFailure BadConfiguration BadConnection BadDomain ContentRelated "
    "InactiveMailbox InvalidSender MessageExpired NoAnswerFromHost PolicyRelated "
    "ProtocolErrors QuotaIssues RelayingIssues RoutingErrors SpamRelated VirusRelated "
    "AuthenticationFailed TooManyRecipients Uncategorized",
    "powermta": "bad-configuration bad-connection bad-domain bad-mailbox content-related "
    "inactive-mailbox invalid-sender message-expired no-answer-from-host other "
    "policy-related protocol-errors quota-issues relaying-issues routing-errors "
    "spam-related virus-related",
}
SENDGRID = {
    *("Content", "Frequency or Volume Too High", "Invalid Address"),
    *("Mailbox Unavailable", "Reputation", "Technical Failure", "Unclassified"),
}


def test_every_reason_is_answered_for_every_tool() -> None:
    assert set(foreign_table()) == {
        (reason, tool) for reason in reasons() for tool in TOOLS
    }


@pytest.mark.parametrize("tool", TOOLS)
def test_a_name_is_one_the_tool_has(tool: str) -> None:
    listed = set(LISTED[tool].split()) if tool in LISTED else SENDGRID
    assert set(foreign_names(tool).values()) - {None} <= listed


def test_a_name_says_how_well_it_fits_and_where_it_is_listed() -> None:
    for row in foreign_table().values():
        assert row.fit in (("same", "wider", "near") if row.name else (None,))
        assert row.source


def test_one_name_is_the_same_as_one_reason_only() -> None:
    for tool in TOOLS:
        same = [
            row.name
            for (_, of), row in foreign_table().items()
            if of == tool and row.fit == "same"
        ]
        assert len(set(same)) == len(same)
