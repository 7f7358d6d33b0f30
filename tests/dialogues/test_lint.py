"""Each rule is told where it is broken, and nothing is told of what is in order."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smtpbook as sb
from smtpbook.dialogues.conversation import Conversation
from smtpbook.dialogues.lint_rules import RULES
from smtpbook.errors import ColumnError
from smtpbook.events import Row
from smtpbook.log.frame import to_frame
from tests.dialogues.sending import sent

SEED = Path(__file__).parents[2] / "data" / "transcripts" / "seed-dialogue.txt"


Lines = tuple[str, ...]


def rows_of(*lines: str, session_id: str = "s1") -> list[Row]:
    """Play lines (``<`` server, ``>`` client, ``!`` the end)."""
    talk = Conversation("test", session_id)
    for line in lines:
        if line == "!":
            talk.disconnect()
        elif line.startswith("<"):
            talk.server(line[1:])
        else:
            talk.client(line[1:])
    talk.end()
    return talk.rows()


def linted(*lines: str) -> list[tuple[str, str]]:
    """Play lines, and give verb and rule of what is wrong."""
    return found_in(sb.lint_dialogue(to_frame(rows_of(*lines))))


def found_in(found: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(found["verb"].fillna(""), found["rule"], strict=True))


EHLO = ("<220 mx", ">EHLO me", "<250-mx", "<250-PIPELINING", "<250 SIZE")
PLAIN = ("<220 mx", ">EHLO me", "<250 mx")
MAIL = (">MAIL FROM:<a@x.example>", "<250 ok")
RCPT = (">RCPT TO:<b@x.example>", "<250 ok")
DATA = (">DATA", "<354 go", ">text", ">.", "<250 ok")
LONG = "x" * 600


CASES: list[tuple[Lines, list[tuple[str, str]]]] = [
    ((*EHLO, *MAIL, *RCPT, *DATA, ">QUIT", "<221 bye", "!"), []),
    ((*EHLO, *MAIL, *RCPT, *DATA, *MAIL, *RCPT, *DATA), []),
    (
        (*EHLO, *MAIL, ">RCPT TO:<b@x.example>", "<550 no", ">RSET", "<250 ok", *MAIL),
        [],
    ),
    # Pipelined commands may be refused because one before them was.
    (
        (
            *(*EHLO, MAIL[0], RCPT[0], ">DATA"),
            *("<550 no", "<503 no", "<503 no", *MAIL, *RCPT, *DATA),
        ),
        [],
    ),
    ((*PLAIN, ">SEND FROM:<a@x.example>", "<250 ok"), [("SEND", "terminal_delivery")]),
    ((*PLAIN, *MAIL, ">DATA", "<503 no"), [("DATA", "data_without_recipient")]),
    ((*PLAIN, *MAIL, *DATA), [("DATA", "data_without_recipient")]),
    ((*PLAIN, *RCPT), [("RCPT", "out_of_order")]),
    (("<220 mx", *MAIL), [("MAIL", "hello_missing")]),
    (("<220 mx", ">EHLO", "<501 who?"), [("EHLO", "hello_without_name")]),
    ((*PLAIN, *MAIL, ">EHLO me", "<250 mx"), [("EHLO", "hello_in_transaction")]),
    ((*PLAIN, *MAIL, *RCPT, *MAIL), [("MAIL", "nested_mail")]),
    ((*PLAIN, *MAIL, *RCPT, ">DATA", "<451 no", *MAIL), [("MAIL", "rset_missing")]),
    (("<554 no", ">EHLO me", "<503 no"), [("EHLO", "after_refusal")]),
    ((*PLAIN, ">QUIT", "<221 bye", ">NOOP", "<250 ok"), [("NOOP", "after_quit")]),
    ((*PLAIN, ">NOOP", "<421 x", ">NOOP", "<250 ok"), [("NOOP", "after_closing")]),
    ((*PLAIN, "!"), [("", "quit_missing")]),
    (
        (
            "<220 mx",
            ">EHLO me",
            "<250-mx",
            "<250 AUTH PLAIN",
            ">AUTH PLAIN AGEA",
            "<235 ok",
        ),
        [("AUTH", "auth_in_clear")],
    ),
    (
        (*PLAIN[:2], "<250-mx", "<250 AUTH X", *MAIL, ">AUTH X", "<503 no"),
        [("AUTH", "auth_in_transaction")],
    ),
    (
        (*PLAIN[:2], "<250-mx", "<250 AUTH X", *(">AUTH X", "<235 ok") * 2),
        [("AUTH", "auth_twice")],
    ),
    ((*PLAIN, ">STARTTLS", "<502 no"), [("STARTTLS", "not_offered")]),
    (
        (*PLAIN, *MAIL, *RCPT, ">BDAT 1 LAST", "<503 no"),
        [("BDAT", "bdat_without_chunking")],
    ),
    (
        (*PLAIN, ">MAIL FROM:<a@x.example> BODY=8BITMIME", "<555 no"),
        [("MAIL", "body_without_8bitmime")],
    ),
    ((*PLAIN, ">MAIL FROM:<é@x.example>", "<553 no"), [("MAIL", "smtputf8_missing")]),
    (
        (*PLAIN, MAIL[0], RCPT[0], "<250 ok", "<250 ok"),
        [("RCPT", "pipelining_not_offered")],
    ),
    ((*EHLO, ">NOOP", ">NOOP", "<250 ok", "<250 ok"), [("NOOP", "not_last_in_group")]),
    ((*PLAIN, ">NOOP\n", "<250 ok"), [("NOOP", "bare_lf")]),
    ((*PLAIN, f">NOOP {LONG}", "<250 ok"), [("NOOP", "command_too_long")]),
    ((*PLAIN, ">MAIL FROM: <a@x.example>", "<250 ok"), [("MAIL", "path_syntax")]),
    ((*PLAIN, ">MAIL FROM:a@x.example", "<250 ok"), [("MAIL", "path_syntax")]),
    ((*PLAIN, *MAIL, *RCPT, ">DATA", "<250 ok"), [("DATA", "reply_not_allowed")]),
    ((*PLAIN, ">NOOP", "<221 bye"), [("NOOP", "reply_not_allowed")]),
    ((*PLAIN, "<250 and more"), [("", "reply_unasked")]),
    ((*PLAIN[:2], "<250-mx", "<251 x"), [("EHLO", "code_changes")]),
    ((*PLAIN, ">NOOP", "<250 ok\n"), [("NOOP", "reply_malformed")]),
    ((*PLAIN, ">NOOP", f"<250 {LONG}"), [("NOOP", "reply_line_too_long")]),
    ((*PLAIN, ">NOOP", "<250 5.1.1 ok"), [("NOOP", "status_contradicts_code")]),
]


def test_each_rule_is_told_where_it_is_broken_and_nowhere_else() -> None:
    rows = [
        row
        for n, (lines, _) in enumerate(CASES)
        for row in rows_of(*lines, session_id=f"{n}")
    ]
    found = sb.lint_dialogue(to_frame(rows))
    for number, (lines, expected) in enumerate(CASES):
        assert found_in(found[found["session_id"] == f"{number}"]) == expected, lines
    assert set(found["rule"]) == set(RULES) - {"starttls_twice"}


def test_tls_makes_a_login_private_and_is_not_begun_twice() -> None:
    offer = ("<250-mx", "<250-STARTTLS", "<250 AUTH PLAIN")
    begin = ("<220 mx", ">EHLO me", *offer, ">STARTTLS", "<220 go", ">EHLO me", *offer)
    assert linted(*begin, ">AUTH PLAIN AGEA", "<235 ok") == []
    assert linted(*begin, ">STARTTLS", "<503 no") == [("STARTTLS", "starttls_twice")]


def test_what_was_offered_before_tls_counts_no_more() -> None:
    begin = (*EHLO[:3], "<250-STARTTLS", "<250 8BITMIME", ">STARTTLS", "<220 go")
    found = linted(*begin, ">EHLO me", "<250 mx", ">MAIL FROM:<> BODY=8BITMIME", "<250 ok")
    assert found == [("MAIL", "body_without_8bitmime")]


def test_under_tls_one_logs_in_anew() -> None:
    offer = ("<250-mx", "<250-STARTTLS", "<250 AUTH SCRAM-SHA-256")
    login = (">AUTH SCRAM-SHA-256 biws", "<235 ok")
    begin = ("<220 mx", ">EHLO me", *offer, *login, ">STARTTLS", "<220 go")
    assert linted(*begin, ">EHLO me", *offer, *login) == []


def test_a_dialogue_that_begins_in_the_middle_is_not_blamed_for_its_beginning() -> None:
    assert linted(*RCPT, *DATA, *MAIL, *RCPT, *DATA) == []
    assert linted(">.", "<250 ok", *RCPT) == [("RCPT", "out_of_order")]


def test_a_reply_that_is_missing_for_one_recipient_is_no_fault_of_the_other() -> None:
    lmtp = ("<220 mx", ">LHLO me", "<250 mx", *MAIL, *RCPT, *RCPT)
    assert linted(*lmtp, ">DATA", "<354 go", ">.", "<250 ok") == []


def test_the_seed_dialogue_shows_both_its_faults() -> None:
    found = sb.lint_dialogue(sb.read_log(SEED))
    assert found["verb"].tolist() == ["SEND", "DATA"]
    assert found["message"].str.contains("SEND FROM delivers|no RCPT was accepted").all()
    assert found["source"].tolist() == ["RFC 5321 appendix F.6", "RFC 5321 section 3.3"]
    assert found["time"].isna().all()


def test_an_empty_log_gives_an_empty_table_with_the_same_columns() -> None:
    found = sb.lint_dialogue(to_frame([]))
    full = sb.lint_dialogue(sb.read_log(SEED))
    assert len(found) == 0
    assert found.dtypes.equals(full.dtypes)


def test_a_log_that_lacks_a_column_is_named() -> None:
    with pytest.raises(ColumnError, match="'pipelined'"):
        sb.lint_dialogue(to_frame([]).drop(columns="pipelined"))


def test_every_rule_says_where_it_is_written() -> None:
    for name, rule in RULES.items():
        assert rule.source.startswith("RFC "), name


@pytest.mark.parametrize(
    ("scenario", "pipelining"),
    [
        ("ordinary", "off"),
        ("ordinary", "auto"),
        ("full-mailboxes", "auto"),
        ("ordinary", "stream"),
    ],
)
def test_nothing_is_told_of_our_own_sending(scenario: str, pipelining: str) -> None:
    with sb.Lab(scenario, seed=2) as lab:
        log = sent(lab.account, pipelining)
    assert sb.lint_dialogue(log).empty


def test_nothing_is_told_of_a_login_and_of_lmtp() -> None:
    with sb.Lab("ordinary", tls="starttls", users={"ann": "correct horse"}) as lab:
        assert sb.lint_dialogue(sent(lab.account, "auto")).empty
    with sb.Lab("ordinary", protocol="lmtp") as lab:
        assert sb.lint_dialogue(sent(lab.account, "auto")).empty


_LINE = st.sampled_from(
    [
        *EHLO,
        *MAIL,
        *RCPT,
        *DATA,
        ">QUIT",
        ">LHLO me",
        "<421 x",
        "!",
        ">AUTH PLAIN x",
        "<334 x",
        ">x\n",
    ]
)


@given(st.lists(_LINE, min_size=10, max_size=60))
@settings(max_examples=5)
def test_any_conversation_can_be_judged(lines: list[str]) -> None:
    assert {rule for _, rule in linted(*lines)} <= set(RULES)
