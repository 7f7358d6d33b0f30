"""What is written together, when, and that every message comes to exactly one result."""

from __future__ import annotations

from collections import deque

import pytest

from smtpbook.errors import LocalProtocolError, RemoteProtocolError, TransportError
from smtpbook.protocol.commands import Ehlo
from smtpbook.protocol.message import Message
from smtpbook.protocol.replies import Reply
from smtpbook.protocol.states import State
from smtpbook.transfer.pipeline import Pipelining
from tests.transfer.talk import DATA, PIPELINING, RSET, Talk, data, envelope, message


def test_envelope_and_data_in_one_group_and_the_next_behind_the_mail_data() -> None:
    talk = Talk(*PIPELINING)
    talk.add(message("a"), message("b"))
    assert talk.write() == envelope("a") + DATA
    assert talk.write() is None
    talk.hear(250, 250, 354)
    assert talk.write() == data("a") + envelope("b") + DATA
    assert talk.write() is None
    talk.hear(250, 250, 250)
    assert talk.outcomes() == ["accepted"]
    talk.add(message("c"))
    assert talk.write() is None
    talk.hear(354)
    assert talk.write() == data("b") + envelope("c") + DATA
    talk.hear(250, 250, 250, 354)
    assert talk.write() == data("c")
    talk.hear(250)
    assert talk.outcomes() == ["accepted", "accepted"]
    assert talk.pipeline.is_idle


def test_rset_comes_between_where_a_server_dies_of_the_next_envelope() -> None:
    talk = Talk(*PIPELINING, "BURL imap")
    talk.add(message("a"), message("b"))
    assert talk.write() == envelope("a") + DATA
    talk.hear(250, 250, 354)
    assert talk.write() == data("a") + b"RSET\r\n" + envelope("b") + DATA
    talk.hear(250, 250, 250, 250, 354)
    assert talk.write() == data("b")
    talk.hear(250)
    assert talk.outcomes() == ["accepted", "accepted"]


@pytest.mark.parametrize(
    ("mode", "keywords"),
    [("off", PIPELINING), ("off", PIPELINING[1:]), ("auto", PIPELINING[1:])],
)
def test_every_command_waits_in_lock_step(
    mode: Pipelining, keywords: tuple[str, ...]
) -> None:
    talk = Talk(*keywords, mode=mode)
    talk.add(message("a", "a", "b"), message("c"))
    for octets, code in (
        (b"MAIL FROM:<me@x.example> SIZE=12\r\n", 250),
        (b"RCPT TO:<a@x.example>\r\n", 250),
        (b"RCPT TO:<b@x.example>\r\n", 550),
        (DATA, 354),
        (data("a"), 250),
        (b"MAIL FROM:<me@x.example> SIZE=12\r\n", 250),
        (b"RCPT TO:<c@x.example>\r\n", 250),
        (DATA, 354),
        (data("c"), 250),
    ):
        assert talk.write() == octets
        assert talk.write() is None
        talk.hear(code)
    assert talk.write() is None
    assert talk.outcomes() == ["accepted", "accepted"]


def test_groups_are_numbered_and_a_command_alone_is_not_one() -> None:
    talk = Talk(*PIPELINING)
    talk.add(message("a"), message("b"))
    numbers = []
    for codes in ((250, 250, 354), (250, 250, 250, 354), (250,)):
        talk.write()
        assert talk.group is not None
        numbers.append((talk.group.number, [one.end for one in talk.group.mail_data]))
        talk.hear(*codes)
    assert numbers == [(1, []), (2, [15]), (None, [15])]


def test_pipelining_that_the_current_ehlo_does_not_offer_is_not_used() -> None:
    talk = Talk(*PIPELINING)
    talk.client.issue(Ehlo("client.example"))
    talk.client.receive_data(b"250-mx\r\n250 SIZE 1000\r\n")
    talk.client.next_reply()
    talk.add(message("a"))
    assert talk.write() == b"MAIL FROM:<me@x.example> SIZE=12\r\n"
    assert talk.write() is None


def test_some_recipients_refused_and_the_message_goes_to_the_others() -> None:
    talk = Talk(*PIPELINING)
    talk.add(message("a", "a", "b", "c"))
    assert talk.write() == envelope("a", "a", "b", "c") + DATA
    talk.hear(250, 550, 250, 450, 354)
    assert talk.write() == data("a")
    talk.hear(250)
    (result,) = talk.results()
    assert [(r.outcome, r.verb) for r in result.recipients] == [
        ("rejected", "RCPT"),
        ("accepted", "END-OF-DATA"),
        ("deferred", "RCPT"),
    ]


@pytest.mark.parametrize("end", [250, 554])
def test_all_refused_yet_354_gets_the_lone_dot_alone(end: int) -> None:
    talk = Talk(*PIPELINING)
    talk.add(message("a", "a", "b"), message("c"))
    talk.write()
    talk.hear(250, 550, 450, 354)
    # The next envelope goes with it, but not its DATA: who refused all may do so again.
    assert talk.write() == b".\r\n" + envelope("c")
    talk.hear(end)
    (result,) = talk.results()
    assert [(r.outcome, r.verb) for r in result.recipients] == [
        ("rejected", "RCPT"),
        ("deferred", "RCPT"),
    ]
    assert talk.write() is None
    talk.hear(250, 250)
    assert talk.write() == DATA


def test_data_is_held_after_all_were_refused_until_a_success() -> None:
    talk = Talk(*PIPELINING)
    talk.add(message("a"), message("b"))
    talk.write()
    talk.hear(250, 550, 554)
    assert talk.outcomes() == ["rejected"]
    talk.add(message("c"))
    assert talk.write() == RSET + envelope("b")
    talk.hear(250, 250, 550)
    assert talk.outcomes() == ["rejected"]
    talk.add(message("d"))
    assert talk.write() == RSET + envelope("c")
    talk.hear(250, 250, 250)
    assert talk.write() == DATA
    talk.hear(354)
    assert talk.write() == data("c") + envelope("d") + DATA


def test_all_refused_in_lock_step_is_decided_without_data() -> None:
    talk = Talk(mode="off")
    talk.add(message("a"), message("b"))
    for code in (250, 550):
        talk.write()
        talk.hear(code)
    assert talk.outcomes() == ["rejected"]
    assert talk.write() == RSET


def test_mail_refused_in_lock_step_is_decided_at_once_without_rset() -> None:
    talk = Talk("SIZE 1000", mode="off")
    talk.add(message("a"), message("b"))
    talk.write()
    talk.hear(550)
    assert talk.outcomes() == ["rejected"]
    assert talk.write() == b"MAIL FROM:<me@x.example> SIZE=12\r\n"


def test_mail_refused_in_a_group_is_decided_by_mail_and_needs_no_rset() -> None:
    talk = Talk(*PIPELINING)
    talk.add(message("a"), message("b"))
    talk.write()
    talk.hear(550, 503, 503)
    (result,) = talk.results()
    assert (result.outcome, result.recipients[0].verb) == ("rejected", "MAIL")
    assert talk.write() == envelope("b")


def test_mail_refused_yet_354_gets_the_lone_dot_alone() -> None:
    talk = Talk(*PIPELINING)
    talk.add(message("a"))
    talk.write()
    talk.hear(550, 250, 354)
    assert talk.write() == b".\r\n"
    talk.hear(250)
    (result,) = talk.results()
    assert (result.outcome, result.recipients[0].verb) == ("rejected", "MAIL")


def test_data_refused_ends_the_transaction_with_rset() -> None:
    talk = Talk(*PIPELINING)
    talk.add(message("a"), message("b"))
    talk.write()
    talk.hear(250, 250, 451)
    (result,) = talk.results()
    assert (result.outcome, result.recipients[0].verb) == ("deferred", "DATA")
    assert talk.write() == RSET + envelope("b") + DATA


def test_refusal_after_the_dot_needs_no_rset_and_stops_nothing() -> None:
    talk = Talk(*PIPELINING)
    talk.add(message("a"), message("b"))
    talk.write()
    talk.hear(250, 250, 354)
    talk.write()
    talk.hear(550, 250, 250, 354)
    (result,) = talk.results()
    assert (result.outcome, result.recipients[0].verb) == ("rejected", "END-OF-DATA")
    assert talk.write() == data("b")


def test_rset_that_is_refused_leaves_no_way_on() -> None:
    talk = Talk(*PIPELINING)
    talk.add(message("a"), message("b"))
    talk.write()
    talk.hear(250, 550, 554)
    talk.write()
    with pytest.raises(RemoteProtocolError, match="RSET refused"):
        talk.hear(500)


def test_421_to_rset_is_the_end_of_the_session_like_any_other() -> None:
    talk = Talk(*PIPELINING)
    talk.add(message("a"), message("b"))
    talk.write()
    talk.hear(250, 550, 554)
    talk.write()
    talk.hear(421)
    assert talk.client.state is State.CLOSED
    talk.pipeline.abandon(TransportError("421"), Reply(code=421))
    assert talk.outcomes() == ["rejected", "deferred"]


def test_group_of_a_command_outside_a_transaction_gets_its_reply() -> None:
    talk = Talk(*PIPELINING)
    talk.add(message("a"), message("b"))
    talk.write()
    talk.hear(250, 550, 554)
    talk.write()
    group = talk.group
    assert group is not None
    assert group.reply is None
    talk.hear(250)
    assert group.reply is not None
    assert group.reply.code == 250


UNSENDABLE = {
    "too large": (message("b", text="x" * 900), "octets"),
    "8 bits": (message("b", text="é"), "8BITMIME"),
    "smtputf8": (
        Message.from_bytes("me@x.example", "é@x.example", b"S: b\n\nhi\n"),
        "SMTPUTF8",
    ),
}


@pytest.mark.parametrize("mode", ["auto", "off"])
@pytest.mark.parametrize("name", UNSENDABLE)
def test_message_that_cannot_be_sent_here_keeps_its_place_and_writes_nothing(
    name: str, mode: Pipelining
) -> None:
    bad, why = UNSENDABLE[name]
    talk = Talk("PIPELINING", "SIZE 500", mode=mode)
    waiting = deque([message("a"), bad, message("c")])
    results, written = [], b""
    for _ in range(50):
        while talk.pipeline.has_room and waiting:
            talk.add(waiting.popleft())
        written += talk.write() or b""
        results += talk.results()
        if (head := talk.client.next_unanswered) is not None:
            talk.hear(354 if head[0].verb == "DATA" else 250)
    assert [result.outcome for result in results] == ["accepted", "failed", "accepted"]
    assert isinstance(results[1].error, LocalProtocolError)
    assert why in str(results[1].error)
    steps = [envelope("a"), DATA, data("a"), envelope("c"), DATA, data("c")]
    assert written == b"".join(steps)


def test_message_that_cannot_be_sent_here_behind_one_that_was_refused() -> None:
    talk = Talk("PIPELINING", "SIZE 500")
    talk.add(message("a"), message("b", text="x" * 900))
    talk.write()
    talk.hear(250, 550, 554)
    assert talk.write() == RSET
    assert talk.outcomes() == ["rejected", "failed"]
    talk.add(message("c"))
    assert talk.write() == envelope("c")
    talk.hear(250, 250, 250)
    assert talk.write() == DATA


def test_message_that_cannot_be_sent_here_does_not_hold_up_the_next() -> None:
    talk = Talk("PIPELINING", "SIZE 500")
    talk.add(message("a", text="x" * 900), message("b"))
    assert talk.write() == envelope("b") + DATA
    assert talk.outcomes() == ["failed"]


def test_message_that_cannot_be_sent_here_is_decided_without_any_reply() -> None:
    talk = Talk("SIZE 5")
    talk.add(message("a"))
    assert talk.write() is None
    assert talk.outcomes() == ["failed"]
    assert talk.pipeline.is_idle


def test_two_messages_are_enough() -> None:
    talk = Talk()
    assert talk.pipeline.has_room
    talk.add(message("a"))
    assert talk.pipeline.has_room
    talk.add(message("b"))
    assert not talk.pipeline.has_room


GOOD = (250, 250, 354, 250, 250, 250, 354, 250)


@pytest.mark.parametrize("replies", range(8))
def test_loss_at_each_point_of_two_messages(replies: int) -> None:
    """Failed before the last octet of the mail data, in doubt after it."""
    talk = Talk(*PIPELINING)
    talk.add(message("a"), message("b"))
    for code in GOOD[:replies]:
        talk.write()
        talk.hear(code)
    talk.write()
    lost = TransportError("connection lost")
    talk.pipeline.abandon(lost)
    results = talk.results()
    expected = [
        ["failed"],
        ["failed"],
        ["failed"],
        ["in_doubt", "failed"],
        ["accepted", "failed"],
        ["accepted", "failed"],
        ["accepted", "failed"],
        ["accepted", "in_doubt"],
    ]
    assert [result.outcome for result in results] == expected[replies]
    assert all(r.error is lost for r in results if r.outcome != "accepted")
    assert talk.pipeline.is_idle


@pytest.mark.parametrize("replies", range(8))
def test_421_at_each_point_of_two_messages(replies: int) -> None:
    talk = Talk(*PIPELINING)
    talk.add(message("a"), message("b"))
    for code in GOOD[:replies]:
        talk.write()
        talk.hear(code)
    talk.write()
    talk.hear(421)
    assert talk.client.state is State.CLOSED
    talk.pipeline.abandon(TransportError("421"), Reply(code=421))
    deferred = {0: 1, 1: 1, 2: 1, 3: 2}
    expected = ["deferred"] * deferred.get(replies, 1)
    assert talk.outcomes() == ["accepted"] * (replies > 3) + expected


def test_mail_data_lost_before_its_last_octet_is_not_in_doubt() -> None:
    talk = Talk(*PIPELINING)
    talk.add(message("a"))
    talk.write()
    talk.hear(250, 250, 354)
    group = talk.pipeline.next_group()
    assert group is not None
    assert not group.mail_data[0].transaction.is_end_written
    talk.pipeline.abandon(TransportError("connection lost"))
    assert talk.outcomes() == ["failed"]


def test_message_of_which_nothing_was_issued_was_not_tried() -> None:
    talk = Talk(*PIPELINING)
    talk.add(message("a"), message("b"))
    talk.write()
    talk.pipeline.abandon(TransportError("connection lost"))
    (result,) = talk.results()
    assert result.message.recipients[0].local_part == "a"
