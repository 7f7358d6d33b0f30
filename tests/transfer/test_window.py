"""Whole messages ahead of the replies: what is written, and whom a refusal concerns."""

from __future__ import annotations

import dataclasses

import pytest

from smtpbook.errors import RemoteProtocolError, TransportError
from smtpbook.protocol.message import Message
from smtpbook.protocol.replies import Reply
from smtpbook.transfer.options import DeliveryOptions
from smtpbook.transfer.pipeline import Pipelining
from tests.transfer.talk import (
    CHUNKING,
    DATA,
    PIPELINING,
    RSET,
    Talk,
    bdat,
    content,
    data,
    envelope,
    message,
)


def streaming(*names: str, window: int = 8) -> Talk:
    """Give a talk with one message for each name lined up."""
    talk = Talk(*CHUNKING, mode="stream", window=window)
    talk.add(*(message(name) for name in names))
    return talk


def whole(name: str, *recipients: str) -> bytes:
    return RSET + envelope(name, *recipients) + bdat(name)


ACCEPTED = (250, 250, 250, 250)  # RSET, MAIL, RCPT, BDAT


def test_whole_messages_are_written_together_each_behind_a_reset() -> None:
    talk = streaming("a", "b", "c")
    assert talk.write() == whole("a") + whole("b") + whole("c")
    assert talk.write() is None
    talk.hear(*ACCEPTED * 3)
    results = talk.results()
    assert [(r.outcome, r.recipients[0].verb) for r in results] == [
        ("accepted", "BDAT")
    ] * 3
    assert talk.pipeline.is_idle


@pytest.mark.parametrize("mode", ["off", "auto", "stream"])
def test_what_requires_tls_waits_for_a_server_that_has_proved_who_it_is(
    mode: Pipelining,
) -> None:
    talk = Talk("REQUIRETLS", *CHUNKING, mode=mode)
    talk.client.is_secure = True
    talk.client.is_proven = False  # opportunistic
    talk.add(dataclasses.replace(message("a"), options=DeliveryOptions(requires_tls=True)))
    assert talk.write() is None
    (result,) = talk.results()
    assert result.outcome == "failed"
    assert "proves who the server is" in str(result.error)


def test_no_more_messages_are_open_than_the_window_holds() -> None:
    talk = streaming("a", "b", window=3)
    assert talk.pipeline.has_room
    talk.add(message("c"))
    assert not talk.pipeline.has_room
    talk.write()
    talk.hear(*ACCEPTED)
    assert talk.pipeline.has_room
    talk.add(message("d"))
    assert talk.write() == whole("d")
    talk.hear(*ACCEPTED * 3)
    assert talk.outcomes() == ["accepted"] * 4


def test_a_window_of_one_waits_for_each_message() -> None:
    talk = streaming("a", window=1)
    assert not talk.pipeline.has_room
    assert talk.write() == whole("a")
    talk.hear(*ACCEPTED)
    assert talk.pipeline.has_room


def test_one_write_holds_about_as_much_as_one_time_limit_is_for() -> None:
    talk = Talk("CHUNKING", "PIPELINING", mode="stream")
    big = [message(name, text="x" * 900 + "\n" + ("y" * 900 + "\n") * 40) for name in "abc"]
    talk.add(*big)
    sizes = [len(talk.write() or b"") for _ in range(3)]
    assert 64 * 1024 < sizes[0] < 128 * 1024  # two of them
    assert 0 < sizes[1] < 64 * 1024
    assert sizes[2] == 0


def test_where_each_messages_data_ends_is_known() -> None:
    talk = streaming("a", "b")
    octets = talk.write()
    assert talk.group is not None
    assert octets is not None
    found = [octets[one.end - one.size : one.end] for one in talk.group.mail_data]
    assert found == [content("a"), content("b")]
    assert talk.group.commands == 8
    assert talk.group.number == 1


def test_nothing_is_stuffed_and_octets_are_counted() -> None:
    talk = Talk("CHUNKING", "PIPELINING", mode="stream")
    dots = Message.from_bytes("me@x.example", "a@x.example", b"S: a\n\n.\n..\n")
    talk.add(dots)
    written = talk.write()
    assert written is not None
    assert written.endswith(b"BDAT 15 LAST\r\nS: a\r\n\r\n.\r\n..\r\n")


@pytest.mark.parametrize("codes", [(550, 503, 503), (450, 250, 554), (550, 250, 250)])
def test_a_refused_mail_decides_and_the_next_message_is_on_its_way(
    codes: tuple[int, ...],
) -> None:
    talk = streaming("a", "b")
    talk.write()
    talk.hear(250, *codes, *ACCEPTED)
    first, second = talk.results()
    assert (first.recipients[0].verb, first.reply) == (
        "MAIL",
        Reply(code=codes[0], lines=("text",)),
    )
    assert second.outcome == "accepted"


@pytest.mark.parametrize("end", [503, 554, 250])
def test_all_recipients_refused_is_blamed_on_their_replies_not_on_what_bdat_drew(
    end: int,
) -> None:
    talk = Talk(*CHUNKING, mode="stream")
    talk.add(message("a", "a", "b"), message("c"))
    assert talk.write() == whole("a", "a", "b") + whole("c")
    talk.hear(250, 250, 550, 450, end, *ACCEPTED)
    first, second = talk.results()
    assert [(r.outcome, r.verb) for r in first.recipients] == [
        ("rejected", "RCPT"),
        ("deferred", "RCPT"),
    ]
    assert second.outcome == "accepted"


def test_some_recipients_refused_and_the_message_goes_to_the_others() -> None:
    talk = Talk(*CHUNKING, mode="stream")
    talk.add(message("a", "a", "b", "c"))
    talk.write()
    talk.hear(250, 250, 250, 550, 250, 250)
    (result,) = talk.results()
    assert [(r.outcome, r.verb) for r in result.recipients] == [
        ("accepted", "BDAT"),
        ("rejected", "RCPT"),
        ("accepted", "BDAT"),
    ]


def test_a_refused_bdat_concerns_its_own_message_alone() -> None:
    talk = streaming("a", "b", "c")
    talk.write()
    talk.hear(*ACCEPTED, 250, 250, 250, 452, *ACCEPTED)
    assert talk.outcomes() == ["accepted", "deferred", "accepted"]


def test_a_message_that_cannot_be_sent_here_keeps_its_place_and_writes_nothing() -> None:
    talk = Talk("CHUNKING", "PIPELINING", "SIZE 500", mode="stream")
    talk.add(message("a"), message("b", text="x" * 900), message("c"))
    assert talk.write() == whole("a") + whole("c")
    assert talk.write() is None
    talk.hear(*ACCEPTED * 2)
    assert talk.outcomes() == ["accepted", "failed", "accepted"]


def test_a_refused_reset_ends_the_session() -> None:
    """The mark of a server that took mail data for commands."""
    talk = streaming("a", "b")
    talk.write()
    talk.hear(250, 550, 503, 503)
    with pytest.raises(RemoteProtocolError, match="RSET refused"):
        talk.hear(500)


@pytest.mark.parametrize("heard", range(9))
def test_whatever_was_written_whole_and_not_answered_is_in_doubt(heard: int) -> None:
    talk = streaming("a", "b")
    talk.write()
    talk.hear(*(ACCEPTED * 2)[:heard])
    talk.pipeline.abandon(TransportError("lost"))
    many = heard // 4
    assert talk.outcomes() == ["accepted"] * many + ["in_doubt"] * (2 - many)


def test_421_decides_for_the_message_it_answers_and_leaves_the_next_in_doubt() -> None:
    talk = streaming("a", "b", "c")
    talk.write()
    talk.hear(*ACCEPTED, 250, 421)
    talk.pipeline.abandon(TransportError("421"), Reply(code=421))
    assert talk.outcomes() == ["accepted", "deferred", "in_doubt"]


def test_a_message_lost_before_its_last_octet_has_failed() -> None:
    talk = streaming("a", "b")
    group = talk.pipeline.next_group()
    assert group is not None
    group.mail_data[0].transaction.is_end_written = True
    talk.pipeline.abandon(TransportError("lost"))
    assert talk.outcomes() == ["in_doubt", "failed"]


@pytest.mark.parametrize(
    ("keywords", "chunking"),
    [(PIPELINING, None), (CHUNKING, False)],
    ids=["not offered", "not wanted"],
)
def test_without_chunks_a_stream_is_auto(
    keywords: tuple[str, ...], chunking: bool | None
) -> None:
    talk = Talk(*keywords, mode="stream", chunking=chunking)
    talk.add(message("a"), message("b"))
    assert not talk.pipeline.has_room
    assert talk.write() == envelope("a") + DATA
    talk.hear(250, 250, 354)
    assert talk.write() == data("a") + envelope("b") + DATA


def test_without_pipelining_a_stream_is_lock_step() -> None:
    talk = Talk("CHUNKING", "SIZE 1000", mode="stream")
    talk.add(message("a"))
    assert talk.write() == b"MAIL FROM:<me@x.example> SIZE=12\r\n"
    assert talk.write() is None


# --- BDAT without a window ----------------------------------------------------------------


def test_with_auto_bdat_waits_for_the_recipients_and_takes_the_next_envelope_along() -> (
    None
):
    talk = Talk(*CHUNKING, chunking=True)
    talk.add(message("a"), message("b"))
    assert talk.write() == envelope("a")
    assert talk.write() is None
    talk.hear(250, 250)
    assert talk.write() == bdat("a") + RSET + envelope("b")
    assert talk.write() is None
    talk.hear(250, 250, 250, 250)
    assert talk.write() == bdat("b")
    talk.hear(250)
    assert talk.outcomes() == ["accepted", "accepted"]


@pytest.mark.parametrize("mode", ["off", "auto"])
def test_who_refuses_all_recipients_is_sent_no_data(mode: Pipelining) -> None:
    talk = Talk(*CHUNKING, mode=mode, chunking=True)
    talk.add(message("a"), message("b"))
    talk.write()
    if mode == "off":
        talk.hear(250)
        talk.write()
        talk.hear(550)
    else:
        talk.hear(250, 550)
    assert talk.outcomes() == ["rejected"]
    assert talk.write() == RSET + (envelope("b") if mode == "auto" else b"")


def test_in_lock_step_bdat_is_written_alone() -> None:
    talk = Talk(*CHUNKING, mode="off", chunking=True)
    talk.add(message("a"), message("b"))
    for octets in (
        b"MAIL FROM:<me@x.example> SIZE=12\r\n",
        b"RCPT TO:<a@x.example>\r\n",
        bdat("a"),
        b"MAIL FROM:<me@x.example> SIZE=12\r\n",
    ):
        assert talk.write() == octets
        assert talk.write() is None
        talk.hear(250)


def test_what_cannot_be_sent_behind_a_bdat_is_asked_about_once() -> None:
    talk = Talk("CHUNKING", "PIPELINING", "SIZE 500", chunking=True)
    talk.add(message("a"), message("b", text="x" * 900))
    talk.write()
    talk.hear(250, 250)
    assert talk.write() == bdat("a") + RSET
    assert talk.write() is None
    talk.hear(250, 250)
    assert talk.outcomes() == ["accepted", "failed"]
