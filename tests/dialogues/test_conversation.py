"""Lines of either side become rows: who answers what, and what became of whom."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.dialogues.conversation import Conversation
from smtpbook.events import Event, Row
from smtpbook.log.frame import to_frame


def rows_of(*lines: str, **options: Any) -> list[Row]:
    """Play lines: ``<`` is the server's, ``>`` the client's, ``!`` ends the connection."""
    talk = Conversation("test", "s1")
    for line in lines:
        if line == "!":
            talk.disconnect(error="TransportError")
        elif line.startswith("<"):
            assert talk.server(line[1:])
        else:
            talk.client(line[1:])
    talk.end(**options)
    return talk.rows()


def played(*lines: str, **options: Any) -> pd.DataFrame:
    return to_frame(rows_of(*lines, **options))


def outcomes(log: pd.DataFrame) -> list[tuple[Any, ...]]:
    rows = log[log["kind"] == "outcome"].astype(object)
    rows = rows.where(rows.notna(), None)
    return list(
        zip(
            rows["recipient"],
            rows["outcome"],
            rows["verb"],
            rows["reply_code"],
            strict=True,
        )
    )


HELLO = ("<220 mx", ">EHLO me", "<250 mx")
ENVELOPE = (">MAIL FROM:<ann@example.org>", "<250 ok", ">RCPT TO:<bob@example.net>")
MESSAGE = (*HELLO, *ENVELOPE, "<250 ok", ">DATA", "<354 go", ">Subject: x", ">.")


def test_a_dialogue_that_ends_after_the_dot_leaves_its_recipients_in_doubt() -> None:
    log = played(*MESSAGE)
    assert outcomes(log) == [("bob@example.net", "in_doubt", "END-OF-DATA", None)]
    assert log[log["verb"] == "END-OF-DATA"]["reply_code"].isna().all()


def test_a_dialogue_that_ends_before_the_dot_has_failed() -> None:
    log = played(*MESSAGE[:-1], "!")
    assert outcomes(log) == [("bob@example.net", "failed", "END-OF-DATA", None)]
    assert log[log["kind"] == "outcome"]["error"].tolist() == ["TransportError"]


def test_where_nobody_recorded_the_rest_nothing_is_claimed() -> None:
    log = played(*MESSAGE[:-1], is_unseen=True)
    assert [one[1] for one in outcomes(log)] == ["in_doubt"]


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        (("550 no", "503 no", "503 no"), ("rejected", "MAIL", 550)),
        (("250 ok", "450 no", "554 no"), ("deferred", "RCPT", 450)),
        (("250 ok", "250 ok", "451 no"), ("deferred", "DATA", 451)),
    ],
)
def test_the_first_refusal_decides(
    replies: tuple[str, ...], expected: tuple[str, str, int]
) -> None:
    commands = (">MAIL FROM:<>", ">RCPT TO:<bob@example.net>", ">DATA")
    log = played(*HELLO, *commands, *(f"<{one}" for one in replies), ">RSET", "<250 ok")
    (found,) = outcomes(log)
    assert found == ("bob@example.net", *expected)
    assert log["pipelined"].dropna().tolist() == [1, 1, 1]


def test_a_421_decides_for_whom_nothing_else_did() -> None:
    log = played(*HELLO, *ENVELOPE, "<421 shutting down")
    assert outcomes(log) == [("bob@example.net", "deferred", "RCPT", 421)]
    unasked = played(*HELLO, *ENVELOPE, "<250 ok", "<421 shutting down", "!")
    assert outcomes(unasked) == [("bob@example.net", "deferred", "DATA", 421)]


def test_a_transaction_that_was_given_up_has_failed() -> None:
    log = played(*HELLO, *ENVELOPE, "<250 ok", ">QUIT", "<221 bye")
    assert [one[1] for one in outcomes(log)] == ["failed"]


def test_a_reply_in_open_mail_data_answers_its_end() -> None:
    log = played(*MESSAGE[:-1], "<250 2.0.0 queued as 4F1", ">QUIT", "<221 bye")
    end = log[(log["verb"] == "END-OF-DATA") & (log["kind"] == "command")].iloc[0]
    assert pd.isna(end["command"])
    assert (end["reply_code"], end["queue_id"]) == (250, "4F1")


def test_with_lmtp_each_recipient_has_its_own_reply_at_the_dot() -> None:
    rcpts = (
        ">RCPT TO:<a@x.example>",
        "<250 ok",
        ">RCPT TO:<b@x.example>",
        "<550 no",
        ">RCPT TO:<c@x.example>",
        "<250 ok",
    )
    hello = ("<220 mx", ">LHLO me", "<250 mx", ">MAIL FROM:<>", "<250 ok")
    log = played(*hello, *rcpts, ">DATA", "<354 go", ">.", "<250 ok", "<452 full")
    assert [one[:2] for one in outcomes(log)] == [
        ("a@x.example", "accepted"),
        ("b@x.example", "rejected"),
        ("c@x.example", "deferred"),
    ]


def test_with_prdr_the_last_reply_is_for_the_message_as_a_whole() -> None:
    log = played(
        *HELLO,
        *(">MAIL FROM:<> PRDR", "<250 ok", ">RCPT TO:<a@x.example>", "<250 ok"),
        *(">RCPT TO:<b@x.example>", "<250 ok", ">DATA", "<354 go", ">."),
        *("<353 each", "<250 ok", "<550 no", "<250 2.0.0 queued as 9"),
    )
    assert [one[1:] for one in outcomes(log)] == [
        ("accepted", "END-OF-DATA", 250),
        ("rejected", "END-OF-DATA", 550),
    ]


def test_chunks_are_mail_data_and_the_last_one_decides() -> None:
    log = played(
        *HELLO,
        *(*ENVELOPE, "<250 ok", ">BDAT 6", ">abcd", "<250 ok", ">BDAT 4 LAST", ">ab"),
        "<250 ok",
    )
    assert log[log["kind"] == "data"]["bytes_sent"].tolist() == [6, 4]
    assert outcomes(log) == [("bob@example.net", "accepted", "BDAT", 250)]


def test_the_message_id_of_shown_mail_data_is_kept_and_nothing_else_of_it() -> None:
    lines = (">From: ann", ">MESSAGE-ID:", ">  <1@example.org>", ">", ">secret text", ">.")
    log = played(*MESSAGE[:-2], *lines, "<250 ok")
    assert log[log["kind"] == "outcome"]["message_id"].tolist() == ["<1@example.org>"]
    assert "secret text" not in log.to_csv()


def test_a_mail_refused_inside_a_transaction_leaves_that_one_open() -> None:
    log = played(
        *HELLO,
        *(*ENVELOPE, "<250 ok", ">MAIL FROM:<eve@example.org>", "<503 nested", ">DATA"),
        *("<354 go", ">.", "<250 ok"),
    )
    assert outcomes(log) == [("bob@example.net", "accepted", "END-OF-DATA", 250)]
    assert log[log["kind"] == "outcome"]["reverse_path"].tolist() == ["ann@example.org"]


def test_what_was_pipelined_behind_a_refused_nested_mail_decides_nothing() -> None:
    nested = (">MAIL FROM:<eve@example.org>", ">BDAT 0 LAST", "<503 nested", "<250 ok")
    log = played(*HELLO, *ENVELOPE, "<250 ok", *nested, is_unseen=True)
    assert outcomes(log) == [("bob@example.net", "in_doubt", "DATA", None)]


def test_a_refused_ehlo_leaves_the_transaction_open() -> None:
    log = played(
        *HELLO, *ENVELOPE, "<250 ok", ">EHLO me", "<503 no", *MESSAGE[7:], "<250 ok"
    )
    assert outcomes(log) == [("bob@example.net", "accepted", "END-OF-DATA", 250)]


def test_a_code_that_changes_inside_a_reply_is_kept_with_its_line() -> None:
    log = played("<220 mx", ">EHLO me", "<250-mx", "<251 SIZE 5")
    row = log[log["verb"] == "EHLO"].iloc[0]
    assert (row["reply_code"], row["reply_text"]) == (250, "mx\n251 SIZE 5")
    assert row["error"] == "RemoteProtocolError"


def test_starttls_that_goes_on_is_a_tls_row_even_if_nobody_mentions_the_handshake() -> None:
    log = played(*HELLO, ">STARTTLS", "<220 go", ">EHLO me", "<250 mx")
    assert log["kind"].tolist()[-2:] == ["tls", "command"]


_SECRETS = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=8, max_size=30
)


@given(_SECRETS, st.sampled_from(["PLAIN", "LOGIN", "XOAUTH2"]))
@settings(max_examples=25)
def test_a_secret_is_in_no_row_even_if_the_server_repeats_it(
    secret: str, mechanism: str
) -> None:
    def coded(text: str) -> str:
        return b64encode(text.encode()).decode()

    said = {
        "PLAIN": [">AUTH PLAIN " + coded(f"\0ann\0{secret}")],
        "XOAUTH2": [">auth xoauth2 " + coded(f"user=ann\1auth=Bearer {secret}\1\1")],
        "LOGIN": [
            *(">AUTH LOGIN", "<334 VXNlcm5hbWU6", f">{coded('ann@example.org')}"),
            *("<334 UGFzc3dvcmQ6", f">{coded(secret)}"),
        ],
    }[mechanism]
    rows = rows_of(*HELLO, *said, f"<535-5.7.8 no {coded(secret)}", f"<535 not {secret}")
    told = [cell for row in rows for cell in row if isinstance(cell, str)]
    assert not [text for text in told if coded(secret) in text or secret in text]


@pytest.mark.parametrize(
    "lines",
    [
        # Without awaiting the challenges; after the beginning was cut off.
        (*HELLO, ">AUTH LOGIN", ">YW5uQGV4YW1wbGUub3Jn", ">Y29ycmVjdCBob3JzZQ=="),
        (">Y29ycmVjdCBob3JzZQ==", "<235 ok"),
        ("<334 UGFzc3dvcmQ6", ">Y29ycmVjdCBob3JzZQ==", "<235 ok"),
        (*HELLO, ">AUTH=PLAIN AGFubgBjb3JyZWN0IGhvcnNl"),
        (
            *(*HELLO, ">AUTHPLAIN AGFubgBjb3JyZWN0IGhvcnNl"),
            "<500 what is AUTHPLAIN AGFubgBjb3JyZWN0IGhvcnNl",
        ),
    ],
)
def test_a_login_out_of_order_is_no_less_a_secret(lines: tuple[str, ...]) -> None:
    text = played(*lines).to_csv()
    assert "Y29ycmVjdCBob3JzZQ" not in text
    assert "AGFubgBjb3JyZWN0" not in text


_LINE = st.one_of(
    st.sampled_from(
        [
            *MESSAGE,
            "<250-mx",
            "<421 x",
            ">RSET",
            ">QUIT",
            ">BDAT 5 LAST",
            "<353 x",
            ">LHLO m",
        ]
    ),
    st.text(max_size=15).map(lambda text: f">{text}"),
)


@given(st.lists(_LINE, max_size=30))
@settings(max_examples=40)
def test_whatever_is_said_each_recipient_ends_in_one_outcome(lines: list[str]) -> None:
    events = [Event.from_row((0, *row[1:])) for row in rows_of(*lines)]
    named = [one for one in events if one.kind == "command" and one.verb == "RCPT"]
    assert sum(one.kind == "outcome" for one in events) == len(named)
    assert [one.seq for one in events] == list(range(len(events)))
