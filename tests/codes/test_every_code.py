"""Whatever is registered has a sentence, a remedy and a source of its own, and none of them
contradicts the code."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from smtpbook.codes.explain import explain
from smtpbook.codes.tables import (
    Entry,
    command_replies,
    commands,
    enhanced_statuses,
    reasons,
    reply_codes,
)

# RFC 5321 section 4.3.2, in its order; "DATA" is what answers the command, "END-OF-DATA"
# what answers the mail data.
SEQUENCES = {
    "GREETING": "220 554",
    "EHLO": "250 504 550 502",
    "HELO": "250 504 550 502",
    "MAIL": "250 552 451 452 550 553 503 455 555",
    "RCPT": "250 251 550 551 552 553 450 451 452 503 455 555",
    "DATA": "354 503 554 450 550",
    "END-OF-DATA": "250 552 554 451 452 450 550",
    "RSET": "250",
    "VRFY": "250 251 252 550 551 553 502 504",
    "EXPN": "250 252 550 500 502 504",
    "HELP": "211 214 502 504",
    "NOOP": "250",
    "QUIT": "221",
}
# The same section: "any SMTP command can return any of the following codes if the
# corresponding unusual circumstances are encountered" -- 500, 501 and 421.
ANY = "421 500 501"
EXTENSIONS = {
    "RFC 821": {"SEND SOML SAML": "250 552 451 452 500 501 502 421", "TURN": "250 502 503"},
    "RFC 1870": {"MAIL": "452 552", "RCPT": "452 552", "END-OF-DATA": "452 552"},
    "RFC 1985": {"ETRN": "250 251 252 253 458 459 500 501"},
    "RFC 2033": {"LHLO": "250", "EHLO HELO": "500", "DATA": "503", "END-OF-DATA": "250"},
    "RFC 3030": {"BDAT": "250 503 501 502", "DATA": "503"},
    "RFC 3207": {
        "STARTTLS": "220 501 454",
        "EHLO HELO LHLO MAIL": "530 554",
        "AUTH RCPT DATA BDAT RSET VRFY EXPN HELP ETRN": "530",
    },
    "RFC 3461": {"MAIL RCPT": "501 555"},
    "RFC 4954": {
        "AUTH": "235 334 432 454 500 501 503 504 534 535 538",
        "MAIL RCPT DATA BDAT VRFY EXPN HELP ETRN": "530",
    },
    "RFC 6152": {"MAIL": "501 555", "END-OF-DATA": "554"},
    "RFC 6531": {"MAIL RCPT": "550 553 555", "VRFY EXPN": "252 553", "END-OF-DATA": "554"},
    "RFC 7504": {"GREETING": "521", "RCPT": "556"},
    "draft-hall-prdr-00": {"END-OF-DATA": "353"},
}
PAIRS = sorted(
    {
        (verb, int(code))
        for table in (SEQUENCES, *EXTENSIONS.values())
        for verbs, codes in table.items()
        for verb in verbs.split()
        for code in codes.split()
    }
    | {(verb, int(code)) for verb in commands() for code in ANY.split()}
)
ENTRIES: list[tuple[object, Entry]] = [
    *reply_codes().items(),
    *command_replies().items(),
    *enhanced_statuses().items(),
]
SOURCE = re.compile(r"RFC \d+( section [0-9A-Z.]+)?|draft-[a-z0-9-]+")
# What a 4yz must not be answered with; the sentence may say it of a 5yz.
FINAL = re.compile(r"do not repeat|do not send [^.]*unchanged|off the list")


def test_every_pair_of_command_and_code_has_a_row_of_its_own() -> None:
    for verb, code in PAIRS:
        row = command_replies()[verb, code]
        explained = explain(f"{code} qwxz", verb=verb)
        assert (explained.meaning, explained.remedy) == (row.meaning, row.remedy)
        assert explained.why == f"reply code {code} to {verb}"
        assert row.source in explained.source


def test_every_row_has_a_sentence_a_remedy_and_a_source() -> None:
    for key, entry in ENTRIES:
        assert re.fullmatch(r"[A-Z][^\n]{10,}\.", entry.meaning), key
        assert re.fullmatch(r"[A-Z][^\n]{4,}\.", entry.remedy), key
        assert SOURCE.fullmatch(entry.source), key


def test_no_two_statuses_and_no_two_codes_say_the_same() -> None:
    for table in (reply_codes(), enhanced_statuses()):
        said = Counter(entry.meaning for entry in table.values())
        assert max(said.values()) == 1


def test_what_is_done_about_a_code_hangs_on_the_command() -> None:
    for code in (421, 500, 501, 550, 554):
        said = {entry.remedy for (_, of), entry in command_replies().items() if of == code}
        assert len(said) > 4


def test_a_success_is_never_a_failure() -> None:
    for verb in (None, "XYZ", *commands()):
        for code in range(200, 400):
            explained = explain(f"{code} 2.1.1 no such user", verb=verb)
            assert explained.reason is explained.group is explained.fault is None
            assert explained.advice == "continue"


def test_a_4yz_may_always_be_tried_again() -> None:
    statuses = [status.replace("X", "4") for status in enhanced_statuses()]
    replies = [
        (None, f"{code} {status} qwxz") for code in (421, 450, 471) for status in statuses
    ]
    replies += [(None, f"{code} qwxz") for code in range(400, 500)]
    replies += [
        (verb, f"{code} qwxz") for verb, code in command_replies() if code // 100 == 4
    ]
    for verb, text in replies:
        explained = explain(text, verb=verb)
        assert explained.permanence == "transient"
        assert explained.advice not in ("suppress", "continue"), text
        if "5yz" not in explained.remedy:
            assert not FINAL.search(explained.remedy), text


def test_words_nobody_knows_leave_the_codes_registered_meaning() -> None:
    for code, entry in reply_codes().items():
        explained = explain(f"{code} qwxz zyx")
        assert explained.meaning == entry.meaning
        assert entry.source in explained.source


@pytest.mark.parametrize("code", [471, 499, 571, 599])
def test_a_code_nobody_has_registered_says_unknown(code: int) -> None:
    explained = explain(f"{code} qwxz zyx")
    assert explained.reason == explained.group == "unknown"
    assert explained.remedy == getattr(
        reasons()["unknown"], f"remedy_{explained.permanence}"
    )
