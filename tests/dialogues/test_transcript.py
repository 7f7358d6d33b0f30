"""Our own transcript can be read back: the same dialogue, and the same outcomes."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smtpbook as sb
from smtpbook.dialogues.conversation import Conversation
from smtpbook.log.frame import to_frame
from tests.dialogues.sending import sent

pytestmark = pytest.mark.side_by_side

LOGS = Path(__file__).parents[2] / "data" / "logs"
KINDS = ["dns", "connect", "greeting", "tls", "command", "data", "disconnect"]
COLUMNS = ["session_id", "kind", "verb", "command", "reply_code", "enhanced_status"]
COLUMNS += ["reply_text", "recipient", "recipient_domain", "tls_version", "tls_cipher"]
COLUMNS += ["server_address", "port", "pipelined", "error"]


def told(log: pd.DataFrame) -> list[tuple[object, ...]]:
    """Give what was said, in order; outcomes apart."""
    rows = log[log["kind"].isin(KINDS)]
    cells = [rows[name].to_numpy(object, na_value=None) for name in COLUMNS]
    return list(zip(*cells, strict=True))


def outcomes(log: pd.DataFrame) -> list[tuple[object, ...]]:
    rows = log[log["kind"] == "outcome"]
    names = ["recipient", "outcome", "verb", "reply_code", "reply_text", "queue_id"]
    cells = [rows[name].to_numpy(object, na_value=None) for name in names]
    return sorted(zip(*cells, strict=True), key=repr)


def read_back(log: pd.DataFrame) -> pd.DataFrame:
    back = sb.read_log(io.BytesIO(sb.transcript(log).encode()))
    assert back.attrs["read"]["files"][0]["format"] == "transcript"
    assert back.attrs["read"]["skipped"] == 0
    return back


@pytest.mark.parametrize(
    "name", [one.name for one in sorted(LOGS.glob("*")) if one.suffix in (".txt", ".pcap")]
)
def test_a_clients_log_told_as_a_transcript_reads_back_the_same(name: str) -> None:
    log = sb.read_log(LOGS / name)
    back = read_back(log)
    assert told(back) == told(log)
    assert outcomes(back) == outcomes(log)


@pytest.mark.parametrize(
    ("scenario", "pipelining", "options"),
    [
        ("full-mailboxes", "off", {}),
        ("full-mailboxes", "auto", {"tls": "starttls", "users": {"ann": "correct horse"}}),
        ("ordinary", "stream", {}),
        ("ordinary", "auto", {"protocol": "lmtp"}),
    ],
)
def test_the_transcript_of_our_own_sending_reads_back_the_same(
    scenario: str, pipelining: str, options: dict[str, object]
) -> None:
    with sb.Lab(scenario, seed=2, **options) as lab:  # type: ignore[arg-type]
        log = sent(lab.account, pipelining)
    back = read_back(log)
    assert told(back) == told(log)
    assert outcomes(back) == outcomes(log)
    took, again = (one[one["kind"] == "command"]["service_s"] for one in (log, back))
    assert again.to_numpy() == pytest.approx(took.to_numpy(), abs=0.0051)  # as it is shown


_TEXT = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=12)
_SAID = st.one_of(
    st.sampled_from(
        [
            *("EHLO me", "MAIL FROM:<a@x.example>", "RCPT TO:<b@y.example>", "DATA"),
            *("RCPT TO:<c@y.example>", "RSET", "NOOP", "BDAT 0 LAST"),
        ]
    ),
    _TEXT.map(lambda text: f"VRFY {text}"),
)
_ANSWERED = st.tuples(_SAID, st.sampled_from([250, 250, 250, 451, 550]), _TEXT)


@pytest.mark.heavy  # each example is written, drawn and read
@given(st.lists(st.lists(_ANSWERED, min_size=1, max_size=4), max_size=6), st.booleans())
@settings(max_examples=60)
def test_any_dialogue_read_back_is_the_same_dialogue(
    groups: list[list[tuple[str, int, str]]], is_cut: bool
) -> None:
    talk = Conversation("test", "s1")
    at = 1_790_000_000_000_000
    talk.server("220 mx", at)
    for group in groups:
        at += 5000
        for line, _, _ in group:
            talk.client(line, at)
        for line, code, text in group:
            is_go_ahead = line == "DATA" and line == group[-1][0] and code == 250
            talk.server(f"{354 if is_go_ahead else code} {text}", at)
        if talk.is_in_data:
            talk.client("Subject: x", at)
            talk.client(".", at)
            while not (is_cut or talk.is_idle):
                talk.server("250 2.0.0 queued as 4F1", at)
    talk.end(at)
    log = to_frame(talk.rows())
    back = read_back(log)
    mine, theirs = (
        one[one["kind"].isin(["greeting", "command"])][COLUMNS] for one in (log, back)
    )
    names = ["verb", "command", "reply_code", "reply_text", "recipient"]
    for name in names:
        assert theirs[name].dropna().tolist() == mine[name].dropna().tolist()
    assert outcomes(back) == outcomes(log)
