from __future__ import annotations

import csv
from importlib import resources

import pytest

from smtpbook.codes.tables import (
    Command,
    Entry,
    command_replies,
    commands,
    enhanced_statuses,
    reasons,
    reply_codes,
)

# Issue 7's list; the groups' order is kept for tables and charts.
TAXONOMY = {
    "address": "user_unknown mailbox_disabled bad_domain bad_address",
    "mailbox_full": "mailbox_full",
    "reputation": "ip_blocked sender_blocked rdns",
    "authentication": "auth_failed",
    "content": "spam virus message_format too_large",
    "policy": "policy",
    "rate": "greylisted rate_limited too_many_recipients",
    "setup": "relay_denied login tls protocol",
    "system": "server_error network expired",
    "unknown": "unknown",
}
FAULTS = {
    "recipient",
    "sender's content",
    "sender's identity",
    "sender's infrastructure",
    "receiver",
    "network",
}
RFC_CODES = {
    "RFC 5321": "211 214 220 221 250 251 252 354 421 450 451 452 455 500 501 502 503 504 "
    "550 551 552 553 554 555",
    "RFC 4954": "235 334 432 454 500 501 503 504 530 534 535 538",
    "RFC 3207": "220 454 501 530",
    "RFC 7504": "521 556",
    "RFC 5248": "422 430 453 458 459 523 524 525 533",
}
# RFC 5321 section 4.3.2, RFC 821 section 4.3 (SEND), RFC 3207, 4954, 3030, 7504.
RFC_PAIRS = {
    "GREETING": "220 554 521",
    "EHLO": "250 504 550 502",
    "HELO": "250 504 550 502",
    "MAIL": "250 552 451 452 550 553 503 455 555",
    "SEND": "250 552 451 452 500 501 502",
    "RCPT": "250 251 550 551 552 553 450 451 452 503 455 555 556",
    "DATA": "354 503 554",
    "END-OF-DATA": "250 552 554 451 452 450 550",
    "RSET": "250",
    "VRFY": "250 251 252 550 551 553 502 504",
    "EXPN": "250 252 550 500 502 504",
    "HELP": "211 214 502 504",
    "NOOP": "250",
    "QUIT": "221",
    "STARTTLS": "220 501 454",
    "AUTH": "235 334 432 454 500 501 503 504 534 535 538",
    "BDAT": "250 503",
}
# The registry's details by subject: X.0.0, X.1.0 to X.1.10, and so on.
REGISTRY = {0: 0, 1: 10, 2: 4, 3: 6, 4: 7, 5: 6, 6: 10, 7: 30}
TABLES = ["reply_codes", "command_replies", "enhanced_status", "reasons", "commands"]


def test_taxonomy_is_issue_7s() -> None:
    assert {name: reason.group for name, reason in reasons().items()} == {
        name: group for group, names in TAXONOMY.items() for name in names.split()
    }


def test_every_reason_says_who_can_act_and_what_to_do() -> None:
    for name, reason in reasons().items():
        assert (reason.fault in FAULTS) == (name != "unknown")
        assert all(
            (
                reason.meaning,
                reason.advice_transient,
                reason.advice_permanent,
                reason.remedy_transient,
                reason.remedy_permanent,
            )
        ), name
        assert reason.advice_transient != "suppress", name  # a 4yz may be retried


@pytest.mark.parametrize(("rfc", "codes"), RFC_CODES.items(), ids=str)
def test_every_code_of_an_rfc_is_listed(rfc: str, codes: str) -> None:
    assert {int(code) for code in codes.split()} <= set(reply_codes())


@pytest.mark.parametrize(("verb", "codes"), RFC_PAIRS.items(), ids=str)
def test_every_reply_an_rfc_names_for_a_command_is_listed(verb: str, codes: str) -> None:
    assert {(verb, int(code)) for code in codes.split()} <= set(command_replies())


def test_enhanced_statuses_are_the_whole_registry() -> None:
    assert {status for status in enhanced_statuses() if status[0] == "X"} == {
        f"X.{subject}.{detail}"
        for subject, last in REGISTRY.items()
        for detail in range(last + 1)
    }


def test_every_enhanced_status_has_a_reason_of_the_taxonomy() -> None:
    assert {entry.reason for entry in enhanced_statuses().values()} <= set(reasons())


def test_a_code_has_a_reason_exactly_when_it_refuses() -> None:
    entries = [
        *reply_codes().items(),
        *((code, entry) for (_, code), entry in command_replies().items()),
    ]
    wrong = [
        (code, entry)
        for code, entry in entries
        if (entry.reason in reasons()) != (code >= 400)
        or (entry.confidence == 1) != (code < 400)
        or not 0 < entry.confidence <= 1
    ]
    assert not wrong, wrong


def test_every_sentence_ends_and_every_row_has_a_source() -> None:
    rows: list[Entry | Command] = [
        *reply_codes().values(),
        *command_replies().values(),
        *enhanced_statuses().values(),
        *commands().values(),
    ]
    for row in rows:
        assert row.meaning.endswith("."), row
        assert row.remedy.endswith(".") or (isinstance(row, Entry) and not row.remedy), row
        assert row.source.startswith(("RFC ", "draft-")), row


@pytest.mark.parametrize("name", TABLES)
def test_no_row_is_given_twice_or_cut_short(name: str) -> None:
    text = (resources.files("smtpbook.codes") / "tables" / f"{name}.csv").read_text("utf-8")
    header, *rows = csv.reader(text.splitlines())
    width = header.index("code") + 1 if name == "command_replies" else 1
    keys = [
        (key, *row[1:width]) for row in rows for key in (row[0].split() if row[0] else [""])
    ]
    assert len(set(keys)) == len(keys)
    assert {len(row) for row in rows} == {len(header)}
