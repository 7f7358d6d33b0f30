"""The lab's side of a conversation, spoken to in octets."""

from __future__ import annotations

import base64

import pytest
import trio

from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from tests.lab.wire import Wire


@pytest.fixture
def lab() -> Lab:
    with Lab(max_size_bytes=1000) as lab:
        yield lab  # type: ignore[misc]


@pytest.fixture
def wire(lab: Lab) -> Wire:
    with Wire(lab.port) as wire:
        assert wire.greeting.startswith("220 lab.test ESMTP")
        assert wire.ask("EHLO me.test").startswith("250-lab.test me.test greets you")
        yield wire  # type: ignore[misc]


def begin(wire: Wire, *recipients: str) -> None:
    lines = [f"RCPT TO:<{who}>" for who in recipients or ["b@y.test"]]
    assert set(wire.codes("MAIL FROM:<a@x.test>", *lines)) == {250}


# --- the order of commands ----------------------------------------------------------------


def test_a_message_is_kept_as_it_came(lab: Lab, wire: Wire) -> None:
    begin(wire, "b@y.test", "c@z.test")
    assert wire.ask("DATA").startswith("354")
    assert "queued as L000001" in wire.ask("Subject: x\r\n\r\n..dot\r\n.\r.\r\n.")
    (received,) = lab.received
    assert received.reverse_path == "a@x.test"
    assert received.recipients == ("b@y.test", "c@z.test")
    assert received.data == b"Subject: x\r\n\r\n.dot\r\n.\r.\r\n".replace(
        b"\n.\r", b"\n\r", 1
    )
    assert received.queue_id == "L000001"
    assert received.session_id == "lab-1"
    assert lab.counts == {"accepted": 2}


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["RCPT TO:<b@y.test>"], 503),
        (["DATA"], 503),
        (["MAIL FROM:<a@x.test>", "MAIL FROM:<a@x.test>"], 503),
        (["MAIL FROM:<a@x.test>", "DATA"], 554),
        (["MAIL FROM:<a@x.test>", "RSET"], 250),
        (["XYZZY"], 500),
        (["MAIL FROM:a@x.test"], 501),
        (["MAIL FROM:<a@x.test> NO THING="], 501),
        (["RCPT"], 501),
        (["EHLO"], 501),
        (["NOOP anything"], 250),
        (["VRFY bob"], 252),
        (["EXPN list"], 502),
        (["HELP"], 214),
        (["SEND FROM:<a@x.test>"], 502),
        (["TURN"], 502),
        (["STARTTLS now"], 501),
        (["AUTH PLAIN"], 504),
        (["BDAT 0"], 503),
        (["QUIT"], 221),
        (["x" * 20_000], 500),
        (["NOOP \0"], 501),
    ],
)
def test_each_command_gets_the_reply_of_its_place(
    lines: list[str], code: int, wire: Wire
) -> None:
    assert wire.codes(*lines)[-1] == code


def test_commands_may_come_in_any_cut(wire: Wire, lab: Lab) -> None:
    said = (
        b"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRCPT TO:<550.x@y.test>\r\nDATA\r\n"
        b"hello\r\n.\r\nQUIT\r\n"
    )
    for octet in said:
        wire.write(bytes([octet]))
    codes = [wire.reply()[:3] for _ in range(6)]
    assert codes == ["250", "250", "550", "354", "250", "221"]
    assert wire.reply() == ""
    assert lab.outcomes == {"b@y.test": "accepted", "550.x@y.test": "rejected"}


def test_a_line_that_ends_in_lf_alone_is_no_line(wire: Wire) -> None:
    wire.write(b"NOOP\n")
    assert wire.reply().startswith("500 5.5.2")
    assert wire.ask("NOOP").startswith("250")


def test_nothing_is_smuggled_behind_an_end_that_is_none(wire: Wire, lab: Lab) -> None:
    """CVE-2023-51764 and its kin: LF.LF, LF.CRLF and CR.CR are mail data."""
    begin(wire)
    wire.ask("DATA")
    wire.write(b"a\n.\nMAIL FROM:<evil@x.test>\r\nb\n.\r\nc\r.\r\nd\r\n.\r\n")
    assert wire.reply().startswith("250")
    (received,) = lab.received
    assert b"evil@x.test" in received.data


def test_a_client_that_goes_away_leaves_nothing_behind(lab: Lab) -> None:
    for said in (
        b"",
        b"MAIL FR",
        b"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nhi",
    ):
        with Wire(lab.port) as wire:
            wire.ask("EHLO me.test")
            wire.write(said)
    with Wire(lab.port) as wire:  # and it serves the next
        assert wire.ask("NOOP").startswith("250")
    assert lab.received == []


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x02\0", b"\xff" * 100_000, b"\r\n" * 500]
)
def test_garbage_does_not_stop_the_server(garbage: bytes, lab: Lab) -> None:
    with Wire(lab.port) as wire:
        wire.write(garbage + b"\r\nQUIT\r\n")
        while wire.reply():
            pass
    with Wire(lab.port) as wire:
        assert wire.ask("EHLO me.test").startswith("250")


# --- sizes and chunks ---------------------------------------------------------------------


def test_size_is_offered_and_held(wire: Wire, lab: Lab) -> None:
    assert "\n250-SIZE 1000\n" in wire.ask("EHLO me.test")
    assert wire.codes("MAIL FROM:<a@x.test> SIZE=1001") == [552]
    assert wire.codes("MAIL FROM:<a@x.test> SIZE=1000", "RCPT TO:<b@y.test>") == [250, 250]
    wire.ask("DATA")
    assert wire.ask("x" * 1100 + "\r\n.").startswith("552 5.3.4")
    assert lab.received == []
    assert lab.counts == {"rejected": 1}
    begin(wire)
    assert wire.ask("DATA").startswith("354")
    assert wire.ask("small\r\n.").startswith("250")


def test_chunks_are_joined(wire: Wire, lab: Lab) -> None:
    begin(wire)
    wire.write(b"BDAT 6\r\nab\r\n.\rBDAT 4 LAST\r\n\ncd\n")
    assert wire.reply().startswith("250")
    assert "queued as" in wire.reply()
    assert lab.received[0].data == b"ab\r\n.\r\ncd\n"


def test_chunks_beyond_the_size_are_refused(wire: Wire, lab: Lab) -> None:
    begin(wire)
    wire.write(b"BDAT 600\r\n" + b"x" * 600 + b"BDAT 600 LAST\r\n" + b"x" * 600)
    assert wire.reply().startswith("250")
    assert wire.reply().startswith("552")
    assert lab.received == []


# --- login --------------------------------------------------------------------------------


def response(user: str, password: str) -> str:
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def test_with_users_a_login_comes_before_mail() -> None:
    with Lab(users={"ann": "horse"}) as lab, Wire(lab.port) as wire:
        offered = "SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN OAUTHBEARER XOAUTH2"
        assert offered in wire.ask("EHLO me.test")
        assert wire.codes("MAIL FROM:<a@x.test>") == [530]
        assert wire.codes("AUTH PLAIN", "*") == [334, 501]
        assert wire.codes("AUTH PLAIN", "not base64!") == [334, 501]
        assert wire.codes("AUTH GSSAPI") == [504]
        assert wire.codes(f"AUTH PLAIN {response('ann', 'cow')}") == [535]
        assert wire.codes(f"AUTH PLAIN {response('eve', 'horse')}") == [535]
        assert wire.codes(f"AUTH PLAIN {response('ann', 'horse')}") == [235]
        assert wire.codes(f"AUTH PLAIN {response('ann', 'horse')}") == [503]
        assert wire.codes("MAIL FROM:<a@x.test>") == [250]


# --- behaviours ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "before", "line"),
    [
        ("ehlo", [], "EHLO again.test"),
        ("mail", [], "MAIL FROM:<a@x.test>"),
        ("rcpt", ["MAIL FROM:<a@x.test>"], "RCPT TO:<b@y.test>"),
        ("data", ["MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>"], "DATA"),
        ("end_of_data", ["MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "DATA"], "."),
        ("noop", [], "NOOP"),
        ("vrfy", [], "VRFY bob"),
        ("quit", [], "QUIT"),
    ],
)
def test_a_reply_a_close_and_a_drop_at_each_place(
    place: str, before: list[str], line: str
) -> None:
    with Lab() as lab:
        for behaviour, expected in (
            (Behaviour(reply="451 4.3.0 as told"), "451 4.3.0 as told"),
            (Behaviour(reply="421 4.3.2 bye"), "421 4.3.2 bye"),
            (Behaviour(reply="250 fine", close=True), "250 fine"),
            (Behaviour(drop=True), ""),
        ):
            with Wire(lab.port) as wire:
                wire.codes("EHLO me.test", *before)
                lab.set(**{place: behaviour})
                assert wire.ask(line) == expected
                if expected[:3] != "451":
                    assert wire.ask("NOOP") == ""
            lab.set(**{place: Behaviour()})


@pytest.mark.parametrize("end", [b".\r\n", b"BDAT 2 LAST\r\nhi"])
def test_a_lost_reply_leaves_the_message_taken_and_its_client_in_doubt(end: bytes) -> None:
    with Lab() as lab, Wire(lab.port) as wire:
        wire.ask("EHLO me.test")
        begin(wire)
        if end == b".\r\n":
            wire.ask("DATA")
        lab.set(end_of_data=Behaviour(loses_reply=True))
        wire.write(end)
        assert wire.reply() == ""
        assert len(lab.received) == 1
        assert lab.counts == {"accepted": 1}
        last = lab.log.iloc[-1]
        assert (last["reply_code"], last["bytes_received"]) == (250, 0)


def test_a_lost_reply_does_not_lose_those_before_it() -> None:
    with Lab() as lab, Wire(lab.port) as wire:
        wire.ask("EHLO me.test")
        lab.set(rcpt=Behaviour(loses_reply=True))
        wire.write(b"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nNOOP\r\n")
        assert wire.reply().startswith("250 2.1.0")
        assert wire.reply() == ""


@pytest.mark.parametrize("extra", [{"protocol": "lmtp"}, {"extensions": ["PRDR"]}])
def test_of_several_replies_one_may_be_lost(extra: dict[str, object]) -> None:
    is_lmtp = "protocol" in extra
    with Lab(**extra) as lab, Wire(lab.port) as wire:  # type: ignore[arg-type]
        wire.ask("LHLO c.test" if is_lmtp else "EHLO c.test")
        wire.ask("MAIL FROM:<a@x.test>" + " PRDR" * (not is_lmtp))
        wire.codes("RCPT TO:<b@y.test>", "RCPT TO:<lost-end.c@y.test>", "DATA")
        wire.write(b"hello\r\n.\r\n")
        codes = [wire.reply()[:3] for _ in range(2 + (not is_lmtp))]
        assert codes == [*["353"] * (not is_lmtp), "250", ""]
        assert lab.received[0].recipients == ("b@y.test", "lost-end.c@y.test")


def test_a_reset_is_one_and_what_was_under_way_is_lost() -> None:
    with Lab() as lab, Wire(lab.port) as wire:
        wire.ask("EHLO me.test")
        lab.set(rcpt=Behaviour(reset=True))
        wire.write(b"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n")
        with pytest.raises(ConnectionResetError):
            [*iter(lambda: wire.socket.recv(1000), b"")]


async def test_a_drip_takes_its_time_over_each_octet(autojump_clock: object) -> None:
    lab = Lab()
    lab.set(noop=Behaviour(reply="250 slow", drip_s=7.0))
    async with trio.open_nursery() as nursery:
        port = await nursery.start(lab.serve)
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        await stream.receive_some()
        begun = trio.current_time()
        await stream.send_all(b"NOOP\r\n")
        got = b""
        while not got.endswith(b"\r\n"):
            got += await stream.receive_some()
        assert got == b"250 slow\r\n"
        assert trio.current_time() - begun == pytest.approx(7.0 * len(got))
        await stream.aclose()
        nursery.cancel_scope.cancel()


def test_the_greeting_can_be_a_refusal_or_nothing() -> None:
    with Lab() as lab:
        lab.set(greeting=Behaviour(reply="554 5.3.2 no"))
        with Wire(lab.port) as wire:
            assert wire.greeting == "554 5.3.2 no"
            assert wire.codes("MAIL FROM:<a@x.test>", "QUIT") == [503, 221]
        lab.set(greeting=Behaviour(drop=True))
        with Wire(lab.port) as wire:
            assert wire.greeting == ""


@pytest.mark.parametrize("reply", ["354 what", "250 a\r\n250 two replies"])
def test_a_scenario_may_break_the_protocol(reply: str) -> None:
    with Lab() as lab, Wire(lab.port) as wire:
        wire.ask("EHLO me.test")
        begin(wire)
        lab.set(end_of_data=Behaviour(reply=reply))
        wire.ask("DATA")
        assert wire.ask(".")[:3] == reply[:3]
        # After a 354 it takes mail data again; the second of two replies is read here.
        assert wire.ask("." if reply[0] == "3" else "NOOP")[:3] == reply[:3]
        assert lab.counts == ({} if reply[0] == "3" else {"accepted": 1})


# --- the log ------------------------------------------------------------------------------


def test_each_command_is_a_row_of_the_servers_own_log(wire: Wire, lab: Lab) -> None:
    begin(wire, "b@BÜCHER.example")
    wire.codes("DATA", ".", "XYZZY", "QUIT")
    log = lab.log
    assert log["verb"].tolist() == [
        "GREETING", "EHLO", "MAIL", "RCPT", "DATA", "END-OF-DATA", "XYZZY", "QUIT",
    ]  # fmt: skip
    assert log["seq"].tolist() == list(range(8))
    assert set(log["source"]) == {"lab"}
    assert set(log["session_id"]) == {"lab-1"}
    in_transaction = log["reverse_path"].notna().tolist()
    assert in_transaction == [False, False, True, True, True, True, False, False]
    rcpt = log.iloc[3]
    assert rcpt["recipient_domain"] == "xn--bcher-kva.example"
    assert rcpt["reply_code"] == 250
    assert rcpt["enhanced_status"] == "2.1.5"
    assert rcpt["service_s"] >= 0


# --- LMTP, PRDR, and what is offered besides ----------------------------------------------


def test_lmtp_answers_for_each_recipient_and_refuses_data_for_nobody() -> None:
    """RFC 2033 sections 4.1 and 4.2."""
    with Lab(protocol="lmtp") as lab, Wire(lab.port) as wire:
        assert "LMTP" in wire.greeting
        assert wire.codes("EHLO c.test", "HELO c.test", "LHLO c.test") == [500, 500, 250]
        assert wire.codes("MAIL FROM:<a@x.test>", "DATA") == [250, 503]
        to = ("RCPT TO:<b@y.test>", "RCPT TO:<550.x@y.test>", "RCPT TO:<c@y.test>")
        assert wire.codes(*to, "DATA") == [250, 550, 250, 354]
        wire.write(b"hello\r\n.\r\n")
        replies = [wire.reply(), wire.reply()]
        assert [reply[:9] for reply in replies] == ["250 2.0.0"] * 2
        assert wire.codes("NOOP", "QUIT") == [250, 221]
    assert lab.received[0].recipients == ("b@y.test", "c@y.test")


def test_lmtp_may_leave_in_the_middle_of_its_replies() -> None:
    with Lab(protocol="lmtp") as lab, Wire(lab.port) as wire:
        lab.set("c@y.test", end_of_data=Behaviour(drop=True))
        wire.codes("LHLO c.test", "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>")
        wire.codes("RCPT TO:<c@y.test>", "DATA")
        wire.write(b"hello\r\n.\r\n")
        assert wire.reply().startswith("250")
        assert wire.reply() == ""
    assert lab.received[0].recipients == ("b@y.test",)
    assert lab.outcomes == {"b@y.test": "accepted"}


def test_smtp_knows_no_lhlo(wire: Wire) -> None:
    assert wire.codes("LHLO c.test") == [500]


def test_prdr_answers_for_each_and_for_all() -> None:
    with Lab(extensions=["PRDR"]) as lab, Wire(lab.port) as wire:
        lab.set("c@y.test", end_of_data=Behaviour(reply="550 5.7.1 spam"))
        wire.codes("EHLO c.test", "MAIL FROM:<a@x.test> PRDR", "RCPT TO:<b@y.test>")
        wire.codes("RCPT TO:<c@y.test>", "DATA")
        wire.write(b"hello\r\n.\r\n")
        assert [wire.reply()[:3] for _ in range(4)] == ["353", "250", "550", "250"]
    assert lab.received[0].recipients == ("b@y.test",)
    assert lab.outcomes == {"b@y.test": "accepted", "c@y.test": "rejected"}


def test_prdr_may_end_with_nobody() -> None:
    with Lab(extensions=["PRDR"]) as lab, Wire(lab.port) as wire:
        lab.set(end_of_data=Behaviour(reply="550 5.7.1 spam"))
        wire.codes("EHLO c.test", "MAIL FROM:<a@x.test> PRDR", "RCPT TO:<b@y.test>")
        wire.codes("DATA")
        wire.write(b"hello\r\n.\r\n")
        assert [wire.reply()[:3] for _ in range(3)] == ["353", "550", "550"]
    assert not lab.received


def test_what_is_offered_besides_is_read_and_kept_and_what_is_not_is_refused() -> None:
    """RFC 5321 section 4.1.1.11."""
    mail = "MAIL FROM:<a@x.test> RET=HDRS ENVID=q+2B1 MT-PRIORITY=3"
    with Lab(extensions=["DSN", "MT-PRIORITY"]) as lab, Wire(lab.port) as wire:
        assert "250-DSN" in wire.ask("EHLO c.test")
        assert wire.codes("MAIL FROM:<a@x.test> RET=SOME") == [501]
        assert wire.codes("MAIL FROM:<a@x.test> HOLDFOR=1") == [555]
        assert wire.codes(mail, "RCPT TO:<b@y.test> NOTIFY=NEVER") == [250, 250]
        wire.codes("HELO c.test")
        assert wire.codes("MAIL FROM:<a@x.test> RET=HDRS") == [555]
    assert mail in set(lab.log["command"].dropna())


def test_requiretls_is_offered_under_tls_alone(wire: Wire) -> None:
    with Lab(extensions=["REQUIRETLS"]) as lab, Wire(lab.port) as clear:
        assert "REQUIRETLS" not in clear.ask("EHLO c.test")


def test_xclient_and_etrn_are_answered_where_they_are_offered() -> None:
    with Lab(extensions=["XCLIENT NAME", "ETRN"]) as lab, Wire(lab.port) as wire:
        wire.codes("EHLO c.test")
        assert wire.codes("ETRN", "ETRN example.org") == [501, 250]
        assert wire.codes("XCLIENT", "XCLIENT NAME=a+2", "XCLIENT NAME=a+2Bb") == [
            *(501, 501, 220)
        ]
        assert wire.codes("MAIL FROM:<a@x.test>", "EHLO c.test") == [503, 250]


def test_neither_is_answered_elsewhere(wire: Wire) -> None:
    assert wire.codes("ETRN example.org", "XCLIENT NAME=a") == [502, 502]


def test_lab_speaks_one_of_two_protocols() -> None:
    with pytest.raises(ValueError, match="smtp, lmtp"):
        Lab(protocol="uucp")  # type: ignore[arg-type]


def test_a_line_that_could_not_be_read_is_in_the_log_without_what_logs_in(
    wire: Wire, lab: Lab
) -> None:
    said = ["MAIL FROM:a@x.test", "AUHT PLAIN AGFubgBwdw==", "XYZZY \u00fc", "x" * 600]
    wire.codes(*said)
    wire.write(b"\xff\x01 odd\r\nNOOP\n")
    assert [wire.reply()[:3], wire.reply()[:3]] == ["500", "500"]
    log = lab.log
    assert log["command"].tolist()[2:] == [
        *("MAIL FROM:a@x.test", "AUHT PLAIN [redacted]", "XYZZY \u00fc", "?"),
        *("\\xff\\x01 odd", "NOOP"),
    ]
    assert log["reverse_path"].isna().all()


def test_what_answers_a_challenge_and_cannot_be_read_is_masked() -> None:
    with Lab(users={"ann": "horse"}) as lab, Wire(lab.port) as wire:
        wire.ask("EHLO me.test")
        assert wire.codes("AUTH LOGIN", "my horse") == [334, 501]
        last = lab.log.iloc[-1]
    assert (last["verb"], last["command"]) == ("AUTH", "[redacted]")
