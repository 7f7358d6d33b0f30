"""Lab: starting, stopping, and what it tells about what it got."""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
from email.message import EmailMessage

import pytest
import trio

from smtpbook.events import COLUMNS, Event
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.protocol.message import Message
from smtpbook.session.session import open_session
from tests.lab.wire import Wire


def send(lab: Lab, *recipients: str) -> list[str]:
    """Send one message to these, and give their outcomes."""

    async def main() -> list[str]:
        message = Message.from_bytes("ann@x.test", recipients, b"Subject: x\r\n\r\nhi\r\n")
        async with open_session(lab.account) as session:
            return [one.outcome for one in (await session.send(message)).recipients]

    return trio.run(main)


# --- starting and stopping ----------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "mx.example"])
def test_it_listens_on_loopback_only(host: str) -> None:
    with pytest.raises(ValueError, match="loopback only"):
        Lab(host=host)


def test_it_is_reached_over_ipv6() -> None:
    with Lab(host="::1", tls="starttls") as lab:
        assert send(lab, "bob@y.test") == ["accepted"]


def test_tls_is_none_or_starttls() -> None:
    with pytest.raises(ValueError, match="tls='implicit'"):
        Lab(tls="implicit")


def test_a_lab_stopped_at_once_is_stopped() -> None:
    """The task that serves may not have begun when it is told to end."""
    for _ in range(50):
        lab = Lab().start()
        lab.stop()
        lab.stop()  # a second time is no error


def test_a_stopped_lab_answers_nobody_and_keeps_what_it_got() -> None:
    with Lab() as lab:
        assert lab.start() is lab  # it runs already
        send(lab, "bob@y.test")
        port = lab.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert len(lab.received) == 1
    assert lab.counts == {"accepted": 1}
    assert len(lab.log) > 0
    assert "stopped, 1 messages" in repr(lab)


def test_stopping_ends_the_connections_there_are() -> None:
    lab = Lab().start()
    lab.set(mail=Behaviour(delay_s=600))
    wires = [Wire(lab.port) for _ in range(3)]
    wires[1].ask("EHLO me.test")
    wires[2].ask("EHLO me.test")
    wires[2].write(b"MAIL FROM:<a@x.test>\r\n")
    stopped = threading.Thread(target=lab.stop)
    stopped.start()
    assert [wire.reply() for wire in wires] == ["", "", ""]
    stopped.join(10)
    assert not stopped.is_alive()
    for wire in wires:
        with wire:
            pass


def test_a_lab_can_be_started_again() -> None:
    lab = Lab()
    for number in (1, 2):
        with lab:
            assert send(lab, f"p{number}@y.test") == ["accepted"]
        assert len(lab.received) == number
    assert [one.queue_id for one in lab.received] == ["L000001", "L000002"]


def test_labs_side_by_side_do_not_know_each_other() -> None:
    with Lab() as one, Lab("greylisting", speed=1e9) as two, Lab("full-mailboxes") as three:
        assert len({one.port, two.port, three.port}) == 3
        assert send(one, "a@y.test") == ["accepted"]
        assert send(two, "a@y.test") == ["deferred"]
        assert send(three, "a@y.test") == ["deferred"]
        assert send(two, "a@y.test") == ["accepted"]
        assert [len(lab.received) for lab in (one, two, three)] == [1, 1, 0]


def test_a_port_that_is_taken_is_an_error_and_no_lab() -> None:
    with Lab() as lab, pytest.raises(OSError, match="in use"):
        Lab(port=lab.port).start()


async def test_a_lab_may_be_started_where_trio_runs() -> None:
    with Lab() as lab:
        async with open_session(lab.account) as session:
            message = Message.from_bytes("ann@x.test", ["bob@y.test"], b"hi\r\n")
            assert (await session.send(message)).outcome == "accepted"


def test_what_belongs_to_a_running_lab_says_so() -> None:
    with pytest.raises(RuntimeError, match="not been started"):
        _ = Lab().account


# --- saying how it behaves ----------------------------------------------------------------


def test_set_is_for_everybody_or_for_some() -> None:
    with Lab() as lab:
        lab.set("*@slow.example", rcpt=Behaviour(reply="450 4.2.0 later", times=1))
        lab.set(end_of_data=Behaviour(reply="554 5.7.1 no", times=1))
        assert send(lab, "a@slow.example", "b@y.test") == ["deferred", "rejected"]
        assert send(lab, "a@slow.example", "b@y.test") == ["rejected", "rejected"]
        lab.set(end_of_data=Behaviour())
        assert send(lab, "a@slow.example", "b@y.test") == ["accepted", "accepted"]


def test_set_refuses_what_is_no_place_and_no_behaviour() -> None:
    lab = Lab()
    with pytest.raises(ValueError, match="did you mean 'END-OF-DATA'"):
        lab.set(end_of_dat=Behaviour())
    with pytest.raises(TypeError, match="rcpt= takes a Behaviour"):
        lab.set(rcpt="450 later")  # type: ignore[arg-type]


# --- seeing what it got -------------------------------------------------------------------


def test_outcomes_are_the_last_word_on_each() -> None:
    with Lab("greylisting", speed=1e9) as lab:
        send(lab, "a@y.test", "550-5.1.1.b@y.test")
        assert lab.outcomes == {"a@y.test": "deferred", "550-5.1.1.b@y.test": "rejected"}
        send(lab, "a@y.test")
        assert lab.counts == {"accepted": 1, "rejected": 1}


def test_record_gets_the_servers_events() -> None:
    events: list[Event] = []
    with Lab(record=events.append) as lab:
        send(lab, "bob@y.test")
    assert [event.verb for event in events] == lab.log["verb"].tolist()
    assert {event.source for event in events} == {"lab"}
    assert lab.log.columns.tolist() == list(COLUMNS)


def test_what_is_given_away_is_a_copy() -> None:
    with Lab() as lab:
        send(lab, "bob@y.test")
        lab.received.clear()
        lab.outcomes.clear()
        assert len(lab.received) == len(lab.outcomes) == 1


def test_clear_forgets_what_it_got_and_not_how_it_behaves() -> None:
    with Lab() as lab:
        lab.set(rcpt=Behaviour(reply="450 4.2.0 later", times=1))
        send(lab, "bob@y.test")
        send(lab, "bob@y.test")
        lab.clear()
        assert (lab.received, lab.outcomes, len(lab.log)) == ([], {}, 0)
        assert send(lab, "bob@y.test", "eve@y.test") == ["accepted", "deferred"]
        assert [one.queue_id for one in lab.received] == ["L000002"]


def test_a_users_certificate_logs_in_by_itself() -> None:
    with Lab("auth-zoo") as lab:
        account = lab.account.replace(
            auth="EXTERNAL", client_certificate=lab.client_certificate("ann")
        )

        async def main() -> str:
            message = Message.from_bytes("ann@x.test", ["bob@y.test"], b"hi\r\n")
            async with open_session(account) as session:
                return (await session.send(message)).outcome

        assert trio.run(main) == "accepted"
        assert any("AUTH EXTERNAL" in (said or "") for said in lab.log["command"].dropna())
        with pytest.raises(ValueError, match="did you mean 'ann'"):
            lab.client_certificate("anna")


# --- an independent client ----------------------------------------------------------------


def test_the_standard_librarys_client_gets_along_with_it() -> None:
    """TLS with a certificate, a login, a refused recipient, a message dot by dot."""
    email = EmailMessage()
    email["From"], email["To"] = "ann@x.test", "bob@y.test, 550-5.1.1.eve@y.test"
    email.set_content("A line.\n.A dot.\n..Two.\n" + "long " * 300)
    with Lab(tls="starttls", users={"ann": "horse"}) as lab:
        context = ssl.create_default_context(cafile=str(lab.ca_file))
        with smtplib.SMTP("127.0.0.1", lab.port, timeout=20) as client:
            client.starttls(context=context)
            with pytest.raises(smtplib.SMTPSenderRefused):
                client.send_message(email)
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("ann", "cow")
            client.login("ann", "horse")
            refused = client.send_message(email)
            assert refused["550-5.1.1.eve@y.test"][0] == 550
            assert client.verify("bob")[0] == 252
        (received,) = lab.received
    assert received.recipients == ("bob@y.test",)
    assert received.data.replace(b"\r\n", b"\n") == email.as_bytes()


@pytest.mark.parametrize("mechanism", ["auth_plain", "auth_login", "auth_cram_md5"])
def test_the_standard_librarys_mechanisms_log_in(mechanism: str) -> None:
    lab = Lab(users={"ann": "horse"}).start()
    with lab, smtplib.SMTP("127.0.0.1", lab.port, timeout=20) as client:
        client.ehlo()
        client.user, client.password = "ann", "horse"
        name = mechanism.removeprefix("auth_").upper().replace("_", "-")
        assert client.auth(name, getattr(client, mechanism))[0] == 235
