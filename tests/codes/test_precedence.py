from __future__ import annotations

import pytest

from smtpbook.codes.precedence import GENERAL, find
from smtpbook.codes.rules import Said, status_in


@pytest.mark.parametrize(
    ("text", "status", "reason", "why"),
    [
        ("4.7.0 [TSS04] Messages deferred", "4.7.0", "rate_limited", "Yahoo"),
        ("5.1.1 the mailbox is full", "5.1.1", "mailbox_full", "words of the text"),
        ("5.1.1 sorry", "5.1.1", "user_unknown", "enhanced status"),
        ("5.7.1 sorry", "5.7.1", "policy", "enhanced status"),
        ("message refused", "5.2.2", "mailbox_full", "enhanced status"),
        ("message refused", None, "policy", "words of the text"),
        ("sorry", None, "user_unknown", "reply code 550 to RCPT"),
    ],
)
def test_what_is_surer_is_asked_first(
    text: str, status: str | None, reason: str, why: str
) -> None:
    code = 450 if text.startswith("4") else 550
    said = Said(verb="RCPT", code=code, enhanced_status=status, text=text)
    found = find(said)
    assert found.entry.reason == reason
    assert found.why.startswith(why)


def test_a_provider_gives_a_status_a_meaning_of_its_own() -> None:
    said = Said(
        verb="RCPT", code=550, enhanced_status="5.7.606", text="", host="mx.outlook.com"
    )
    assert find(said).entry.reason == "ip_blocked"
    assert find(said, GENERAL).entry.reason == "policy"


def test_a_programs_phrase_gives_way_to_surer_words() -> None:
    said = Said(verb=None, code=554, text="Client host rejected: Access denied, no rDNS")
    assert find(said).entry.reason == "rdns"


@pytest.mark.parametrize(
    ("code", "text", "status"),
    [
        (550, "no such user (#5.1.1)", "5.1.1"),
        (550, "see 192.0.2.1 or 5.10.1.2", None),
        (450, "no such user (#5.1.1)", None),
        (550, "version 5.9.1", None),
        (550, "", None),
    ],
)
def test_a_status_may_stand_anywhere(code: int, text: str, status: str | None) -> None:
    assert status_in(code, text) == status


def test_a_text_nobody_knows_leaves_the_codes_meaning() -> None:
    found = find(Said(verb=None, code=554, text="frobnicated"))
    assert found.entry.reason == "unknown"
    assert found.entry.meaning == find(Said(verb=None, code=554)).entry.meaning
    assert find(Said(verb=None, code=554)).entry.reason == "policy"
