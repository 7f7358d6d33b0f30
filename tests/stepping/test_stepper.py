"""Stepper: a session is taken step by step, back, astray, and to its end."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from smtpbook.errors import LocalProtocolError, TransportError
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.protocol.states import State
from smtpbook.stepping.situation import SAMPLE, SAMPLE_CHUNK
from smtpbook.stepping.step import Step
from smtpbook.stepping.stepper import Stepper

PASSWORD = "s3cret"


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as server:
        yield server


@pytest.fixture
def stepper(lab: Lab) -> Iterator[Stepper]:
    one = Stepper(lab)
    yield one
    one.close()


def say(stepper: Stepper, *lines: str) -> Step:
    for line in lines:
        step = stepper.say(line)
    return step


def codes(stepper: Stepper) -> list[int]:
    return [reply.code for step in stepper.steps for reply in step.replies]


def test_what_is_proposed_leads_through_a_whole_session() -> None:
    with Lab(tls="starttls", users={"ann": PASSWORD}) as lab:
        stepper = Stepper(lab)
        stepper.start()
        states = []
        while stepper.is_open:
            step = stepper.say(stepper.situation.proposed)
            assert step.ruling is not None
            assert step.ruling.is_right
            assert step.is_due
            states.append(step.after.state)
        (received,) = lab.received
        stepper.close()
    assert {State.AUTH, State.DATA, State.CLOSED} <= set(states)
    assert received.data == SAMPLE_CHUNK
    told = f"{stepper.script}{stepper.transcript}{stepper.steps}"
    assert PASSWORD not in told
    assert "c2VjcmV0" not in told


def test_wrong_commands_are_said_and_change_nothing(stepper: Stepper) -> None:
    stepper.start()
    step = say(stepper, "MIAL FROM:<a@x.test>")
    assert (step.replies[0].code, step.after.state) == (500, State.GREETED)
    step = say(stepper, "MAIL FROM:<a@x.test>")
    assert (step.replies[0].code, step.is_due) == (503, True)
    step = say(stepper, "Dear server,")
    assert step.explanation is not None
    assert step.replies[0].code == 500


def test_a_line_that_would_break_the_framing_is_refused_and_is_no_step(
    stepper: Stepper,
) -> None:
    stepper.start()
    for line in ("NOOP\r\nQUIT", "NO\0OP"):
        with pytest.raises(LocalProtocolError):
            stepper.say(line)
    with pytest.raises(LocalProtocolError, match="octets"):
        stepper.say("BDAT 5 LAST", chunk=b"four")
    assert len(stepper.steps) == 1
    assert say(stepper, "NOOP").replies[0].code == 250


def test_it_goes_back_by_saying_again_what_came_before(stepper: Stepper, lab: Lab) -> None:
    stepper.start()
    say(stepper, "EHLO me.test", "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "DATA")
    first = stepper.log["session_id"].iloc[0]
    stepper.go_back(3)
    assert stepper.situation.state is State.RCPT
    assert [step.line for step in stepper.steps][1:] == [
        "EHLO me.test",
        "MAIL FROM:<a@x.test>",
        "RCPT TO:<b@y.test>",
    ]
    assert stepper.log["session_id"].iloc[0] != first
    assert lab.received == []


def test_what_it_records_is_a_script_that_brings_the_same_again(stepper: Stepper) -> None:
    stepper.start()
    say(stepper, "EHLO me.test", "MAIL FROM:<a@x.test>")
    stepper.fault("RCPT", Behaviour(reply="450 4.2.0 Later", times=1))
    say(stepper, "RCPT TO:<b@y.test>", "RCPT TO:<b@y.test>")
    stepper.say(f"BDAT {len(SAMPLE_CHUNK)} LAST", chunk=SAMPLE_CHUNK)
    script = str(stepper.script)
    assert "# lab.set(rcpt=sb.Behaviour(reply='450 4.2.0 Later', times=1))" in script
    said = codes(stepper)
    stepper.play(script)
    # The server remembers whom it has put off, as real ones do.
    assert codes(stepper) == [250 if code == 450 else code for code in said]
    assert str(stepper.script).replace("S: 250", "") != script


def test_a_block_of_mail_data_is_said_with_its_dots_doubled(
    stepper: Stepper, lab: Lab
) -> None:
    stepper.start()
    say(stepper, "EHLO me.test", "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "DATA")
    assert stepper.situation.proposed == SAMPLE[0]
    *_, last = stepper.say_block("Subject: hi\n\n.hidden\n")
    assert last.replies[0].code == 250
    assert lab.received[0].data == b"Subject: hi\r\n\r\n.hidden\r\n"


def test_the_octets_are_kept_and_what_tls_hid_of_them(stepper: Stepper) -> None:
    stepper.start()
    step = say(stepper, "EHLO me.test")
    assert step.wire.sent == b"EHLO me.test\r\n"
    assert step.wire.received.startswith(b"250-lab.test me.test greets you\r\n250-SIZE")
    assert not step.wire.is_sealed
    step = say(stepper, "STARTTLS")
    assert step.wire.sealed_sent[:1] == b"\x16"  # a handshake record
    assert step.wire.received == b"220 2.0.0 Ready to start TLS\r\n"
    step = say(stepper, "EHLO me.test")
    assert b"EHLO" not in step.wire.sealed_sent
    assert step.wire.sealed_sent[:1] == b"\x17"  # application data
    assert step.wire.sent == b"EHLO me.test\r\n"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("AUTH PLAIN AGFubgBzM2NyZXQ=", 235),
        ("AUHT PLAIN AGFubgBzM2NyZXQ=", 500),
        ("AUTH AGFubgBzM2NyZXQ=", 501),
    ],
)
def test_a_typed_password_is_in_nothing_that_is_kept(line: str, code: int) -> None:
    with Lab(users={"ann": PASSWORD}) as lab:
        lab.set(noop=Behaviour(reply="250 I heard s3cret and AGFubgBzM2NyZXQ="))
        stepper = Stepper(lab)
        stepper.start()
        say(stepper, "EHLO me.test", line, "NOOP")
        assert codes(stepper)[-2:] == [code, 250]
        told = f"{stepper.steps}{stepper.transcript}{stepper.script}"
        stepper.close()
        told += lab.log.drop(lab.log.index[lab.log["verb"] == "NOOP"]).to_string()
    assert PASSWORD not in told
    assert "AGFubgBzM2NyZXQ=" not in told


def starts(stepper: Stepper) -> bool:
    """Start it, in as many attempts as a busy computer needs with so little patience."""
    return any(not stepper.start().error for _ in range(200))


def test_a_server_that_says_nothing_is_not_waited_for_for_ever(lab: Lab) -> None:
    stepper = Stepper(lab, patience_s=0.05)
    assert starts(stepper)
    lab.set(noop=Behaviour(delay_s=60))
    step = say(stepper, "NOOP")
    assert "within 0.05 s" in step.error
    assert step.after.state is State.CLOSED
    with pytest.raises(TransportError, match="start it again"):
        say(stepper, "NOOP")
    assert starts(stepper)
    stepper.close()


def test_a_wait_is_stopped_from_another_thread(lab: Lab) -> None:
    stepper = Stepper(lab)
    stepper.start()
    lab.set(noop=Behaviour(delay_s=600))
    taken: list[Step] = []
    thread = threading.Thread(target=lambda: taken.append(stepper.say("NOOP")))
    thread.start()
    while thread.is_alive():  # there may be nothing to stop yet
        stepper.stop()
        thread.join(0.01)
    (step,) = taken
    assert "dropped" in step.error
    assert not stepper.is_open
    stepper.close()


def test_a_refused_greeting_leaves_quit(stepper: Stepper, lab: Lab) -> None:
    stepper.fault("greeting", Behaviour(reply="554 No mail here"))
    step = stepper.start()
    assert (step.replies[0].code, step.after.state) == (554, State.REFUSED)
    assert stepper.situation.proposed == "QUIT"
    assert say(stepper, "QUIT").after.state is State.CLOSED


def test_a_server_that_is_not_there_is_told_and_not_raised(lab: Lab) -> None:
    account = lab.account
    lab.stop()
    stepper = Stepper(account)
    assert "127.0.0.1" in stepper.start().error
    assert not stepper.is_open
    stepper.close()


def test_lmtp_has_a_reply_for_each_recipient() -> None:
    with Lab(protocol="lmtp") as lab:
        stepper = Stepper(lab)
        stepper.start()
        say(stepper, "LHLO me.test", "MAIL FROM:<a@x.test>")
        say(stepper, "RCPT TO:<b@y.test>", "RCPT TO:<c@y.test>", "DATA")
        *_, last = stepper.say_block("hi")
        assert [reply.code for reply in last.replies] == [250, 250]
        stepper.close()


def test_who_closes_says_quit_and_no_more(stepper: Stepper, lab: Lab) -> None:
    stepper.start()
    stepper.close()
    assert lab.log["verb"].iloc[-1] == "QUIT"
    with pytest.raises(RuntimeError, match="closed"):
        stepper.start()


def test_a_lab_that_was_not_started_is_the_consoles_own() -> None:
    lab = Lab()
    stepper = Stepper(lab)
    assert stepper.start().replies[0].code == 220
    stepper.close()
    assert "stopped" in repr(lab)


def test_a_fault_needs_a_lab_server_and_a_place(stepper: Stepper, lab: Lab) -> None:
    with pytest.raises(ValueError, match="no place 'RCTP'"):
        stepper.fault("rctp", Behaviour())
    account = lab.account.replace(port=lab.port)
    assert Stepper(account).lab is lab
    lab.stop()
    with pytest.raises(RuntimeError, match="no lab server"):
        Stepper(account).fault("rcpt", Behaviour())
