"""The dialogue reads as it went over the wire, and nothing in it acts on the reader."""

from __future__ import annotations

import pytest

from smtpbook.errors import SMTPBookError
from smtpbook.events import Event
from smtpbook.log.frame import to_frame
from smtpbook.log.transcript import transcript
from smtpbook.protocol.replies import Reply
from tests.log.story import Story, day, suppressed


def marks(text: str) -> list[str]:
    """The lines without time and service time."""
    return [
        line if line.startswith("=") else line[24:].strip() for line in text.splitlines()
    ]


def test_a_session_from_connect_to_disconnect() -> None:
    story = Story().opened().message("ann@x.example").closed()
    assert transcript(to_frame(story.rows)) == (
        "=== smtp.example.org:587 [192.0.2.1], session s1, 2025-11-24 (UTC)\n"
        "16:00:00.004             *** connected in 4.0 ms\n"
        "16:00:00.006   [2.0 ms]  <-  220 mx.example ESMTP\n"
        "16:00:00.006              -> EHLO laptop.example\n"
        "16:00:00.008   [2.0 ms]  <-  250-mx.example\n"
        "16:00:00.008             <-  250-PIPELINING\n"
        "16:00:00.008             <-  250 8BITMIME\n"
        "16:00:00.008              -> MAIL FROM:<news@example.org>\n"
        "16:00:00.010   [2.0 ms]  <-  250 2.1.0 Ok\n"
        "16:00:00.010              -> RCPT TO:<ann@x.example>\n"
        "16:00:00.013   [3.0 ms]  <-  250 2.1.5 Ok\n"
        "16:00:00.013              -> DATA\n"
        "16:00:00.014   [1.0 ms]  <-  354 go ahead\n"
        "16:00:00.014              -> [2,048 octets of mail data]\n"
        "16:00:00.015              -> .\n"
        "16:00:00.035  [20.0 ms]  <-  250 2.0.0 Ok: queued as 3F2A9C11\n"
        "16:00:00.036              -> QUIT\n"
        "16:00:00.038   [2.0 ms]  <-  221 2.0.0 Bye\n"
        "16:00:00.038             *** disconnected\n"
    )


def test_a_group_is_shown_as_written_and_then_as_answered() -> None:
    story = Story().message("ann@x.example", pipelined=1)
    assert marks(transcript(to_frame(story.rows)))[1:8] == [
        "-> MAIL FROM:<news@example.org>",
        "-> RCPT TO:<ann@x.example>",
        "-> DATA",
        "<-  250 2.1.0 Ok",
        "<-  250 2.1.5 Ok",
        "<-  354 go ahead",
        "-> [2,048 octets of mail data]",
    ]


def test_sessions_that_interleave_are_told_one_after_the_other() -> None:
    one, two = Story("s1").opened(), Story("s2").opened()
    mixed = [row for pair in zip(one.rows, two.rows, strict=True) for row in pair]
    text = transcript(to_frame(mixed))
    assert [line.split(", ")[1] for line in text.splitlines() if line[:1] == "="] == [
        "session s1",
        "session s2",
    ]
    assert transcript(to_frame(mixed), session_id="s2") == transcript(to_frame(two.rows))


def test_a_recipient_has_its_transactions_and_its_outcome_only() -> None:
    story = Story().opened()
    story.message("ann@x.example", rcpt="450 4.2.0 later", outcome="deferred")
    story.message("bob@x.example")
    story.message("ann@x.example", attempt=2)
    text = transcript(to_frame(story.rows), recipient="Ann@X.example")
    assert "bob@" not in text
    assert text.count("-> MAIL") == 2
    assert "*** ann@x.example: deferred" in text
    assert text.endswith("*** ann@x.example: accepted\n")
    assert "EHLO" not in text


def test_a_suppressed_recipient_is_said_to_be_so() -> None:
    text = transcript(to_frame([suppressed("no@x.example")]), recipient="no@x.example")
    assert marks(text)[1:] == ["*** no@x.example: suppressed"]


def test_what_goes_wrong_is_said_where_it_went_wrong() -> None:
    story = Story()
    story.add("connect", error="ConnectionRefusedError")
    story.add("tls", error="TLSError")
    story.add("tls", tls_version="TLSv1.3", tls_cipher="TLS_AES_256_GCM_SHA384")
    story.add("command", verb="MAIL", command="MAIL FROM:<>", error="TransportTimeout")
    story.add("disconnect", error="TransportError")
    text = transcript(to_frame(story.rows))
    assert "TLSv1.3, session s1" in text
    assert marks(text)[1:] == [
        "*** connection failed: ConnectionRefusedError",
        "*** TLS failed: TLSError",
        "*** TLSv1.3, TLS_AES_256_GCM_SHA384",
        "-> MAIL FROM:<>",
        "*** no reply to MAIL: TransportTimeout",
        "*** disconnected: TransportError",
    ]


def test_hostile_text_is_escaped_once() -> None:
    reply = Reply(code=550, lines=("caf\udce9 \x1b[31m", "back\\slash \u202eover"))
    said = {"verb": "RCPT", "command": "RCPT TO:<x\r\n@y>", "reply_code": 550}
    row = Event(**said, reply_text=reply.text).to_row()
    assert marks(transcript(to_frame([row])))[1:] == [
        r"-> RCPT TO:<x\r\n@y>",
        r"<-  550-caf\xe9 \x1b[31m",
        r"<-  550 back\slash \u202eover",
    ]


def test_text_that_a_log_brought_unescaped_is_escaped_here() -> None:
    row = Event(verb="NOOP", command="NOOP", reply_code=250, reply_text="\x1b[2J").to_row()
    assert transcript(to_frame([row])).endswith("<-  250 \\x1b[2J\n")


def test_a_proxy_and_what_tls_did_not_prove_are_notes() -> None:
    proxy = "socks5h://p.test:1080"
    rows = [
        Event(kind="dns", command=proxy),
        Event(kind="connect", command=proxy, latency_s=0.002),
        Event(kind="proxy", command=proxy, latency_s=0.03),
        Event(kind="tls", tls_version="TLSv1.3", command="unauthenticated"),
        Event(kind="tls", command="clear text"),
        Event(kind="connect", command=proxy, error="TransportError"),
        Event(kind="proxy", command=proxy, error="TransportError"),
    ]
    text = transcript(to_frame([event.to_row() for event in rows]))
    notes = [line.partition("*** ")[2] for line in text.splitlines()[1:]]
    assert notes == [
        "dns",
        f"connected to the proxy {proxy} in 2.0 ms",
        f"through {proxy} in 30.0 ms",
        "TLSv1.3 (unauthenticated)",
        "not encrypted: the server takes no STARTTLS",
        f"connection to the proxy {proxy} failed: TransportError",
        f"proxy {proxy} failed: TransportError",
    ]
    assert "->" not in text


def test_of_a_shared_transaction_only_the_recipients_own_outcome_is_told() -> None:
    story = Story().message("ann@x.example")
    shared = {"transaction_id": "s1.1", "kind": "outcome", "outcome": "rejected"}
    other = Event(**shared, recipient="bob@x.example", session_id="s1").to_row()
    text = transcript(to_frame([*story.rows, other]), recipient="ann@x.example")
    assert "*** ann@x.example: accepted" in text
    assert "bob@" not in text


def test_a_bare_code_has_no_trailing_blank() -> None:
    row = Event(verb="NOOP", command="NOOP", reply_code=250, reply_text="").to_row()
    assert transcript(to_frame([row])).endswith("<-  250\n")


def test_what_is_not_in_the_log_is_said_with_the_near_miss() -> None:
    log = to_frame(day(5))
    with pytest.raises(SMTPBookError, match=r"no session 's10' in .*; did you mean 's1'"):
        transcript(log, session_id="s10")
    with pytest.raises(SMTPBookError, match=r"no recipient 'persn1@.* mean 'person1@"):
        transcript(log, recipient="persn1@domain1.example")


def test_an_empty_log_is_an_empty_transcript() -> None:
    assert transcript(to_frame([])) == ""


def test_a_log_without_times_has_blanks_in_their_place() -> None:
    row = Event(
        kind="command", verb="NOOP", command="NOOP", reply_code=250, reply_text="ok"
    )
    untimed = (None, *row.to_row()[1:])
    head, sent, received = transcript(to_frame([untimed])).splitlines()
    assert head == "=== no server, no date"
    assert (sent.strip(), received.strip()) == ("-> NOOP", "<-  250 ok")
    assert sent.index("->") == 26


def test_the_dot_is_said_once_however_many_recipients_have_a_reply_to_it() -> None:
    ended = {"kind": "command", "verb": "END-OF-DATA", "command": "."}
    rows = [
        Event(**ended, seq=n, transaction_id="t", reply_code=code, reply_text="x").to_row()
        for n, code in enumerate((250, 550))
    ]
    lines = [line[26:] for line in transcript(to_frame(rows)).splitlines()[1:]]
    assert [line.strip() for line in lines] == ["> .", "250 x", "550 x"] or (
        [line.split()[-2:] for line in lines] == [["->", "."], ["250", "x"], ["550", "x"]]
    )
