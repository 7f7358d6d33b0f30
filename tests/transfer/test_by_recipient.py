"""LMTP and PRDR: each recipient comes to its own verdict, in lock-step and pipelined."""

from __future__ import annotations

import pytest

from smtpbook.errors import TransportError
from smtpbook.protocol.commands import Ehlo, Lhlo
from smtpbook.protocol.connection import Client, Exchange
from smtpbook.protocol.extensions import ehlo_reply
from smtpbook.protocol.message import Message
from smtpbook.protocol.replies import Reply
from smtpbook.protocol.verdicts import Protocol
from smtpbook.transfer.options import DeliveryOptions
from smtpbook.transfer.pipeline import Pipeline, Pipelining
from smtpbook.transfer.transaction import Result, Transaction

LOST = TransportError("connection lost")
END = "END-OF-DATA"


def message(name: str, recipients: int) -> Message:
    options = DeliveryOptions(reply_per_recipient=True)
    to = [f"{name}{i}@x.example" for i in range(recipients)]
    return Message.from_bytes("me@x.example", to, b"S: hi\n\nhi\n", options=options)


class Talk:
    """A pipeline behind LHLO or EHLO; groups go out, replies are fed in."""

    def __init__(self, protocol: Protocol, mode: Pipelining = "auto") -> None:
        self.client = Client(protocol=protocol)
        self.client.receive_data(b"220 mx\r\n")
        self.client.next_reply()
        self.client.issue((Lhlo if protocol == "lmtp" else Ehlo)("client.example"))
        self.client.receive_data(ehlo_reply("mx", ("PIPELINING", "PRDR")).to_bytes())
        self.client.next_reply()
        self.pipeline = Pipeline(self.client, mode)

    def write(self) -> None:
        """Have the next group written whole."""
        group = self.pipeline.next_group()
        assert group is not None
        for transaction, _, _ in group.mail_data:
            transaction.is_end_written = True

    def hear(self, *codes: int) -> None:
        for number, code in enumerate(codes):
            self.client.receive_data(Reply(code=code, lines=(f"r{number}",)).to_bytes())
            item = self.client.next_reply()
            assert isinstance(item, Exchange)
            self.pipeline.receive(item)

    def result(self) -> Result:
        return self.pipeline.results.popleft()


def told(result: Result) -> list[tuple[str, str, str | None]]:
    return [
        (one.outcome, one.verb, str(one.reply) if one.reply else None)
        for one in result.recipients
    ]


@pytest.mark.parametrize("mode", ["off", "auto"])
def test_each_recipient_has_its_own_reply(mode: Pipelining) -> None:
    talk = Talk("lmtp", mode)
    talk.pipeline.add(message("a", 4), "s.1")
    if mode == "auto":
        talk.pipeline.next_group()
        talk.hear(250, 250, 550, 250, 250, 354)
    else:
        for code in (250, 250, 550, 250, 250, 354):
            talk.pipeline.next_group()
            talk.hear(code)
    talk.write()
    talk.hear(250, 452)
    assert not talk.pipeline.results  # the third has no reply yet
    talk.hear(550)
    result = talk.result()
    assert told(result) == [
        ("accepted", END, "250 r0"),
        ("rejected", "RCPT", "550 r0" if mode == "off" else "550 r2"),
        ("deferred", END, "452 r1"),
        ("rejected", END, "550 r0"),
    ]
    assert (result.outcome, str(result.reply)) == ("accepted", "250 r0")
    assert talk.pipeline.is_idle


def test_the_next_envelope_stands_behind_the_mail_data_as_in_smtp() -> None:
    talk = Talk("lmtp")
    talk.pipeline.add(message("a", 2), "s.1")
    talk.pipeline.add(message("b", 1), "s.2")
    talk.pipeline.next_group()
    talk.hear(250, 250, 250, 354)
    group = talk.pipeline.next_group()
    assert group is not None
    assert group.octets.endswith(b"RCPT TO:<b0@x.example>\r\nDATA\r\n")
    talk.hear(250, 250)
    assert talk.result().id == "s.1"
    talk.hear(250, 250, 354)
    talk.pipeline.next_group()
    talk.hear(452)
    assert talk.result().outcome == "deferred"


@pytest.mark.parametrize("mode", ["off", "auto"])
def test_nobody_accepted_gets_no_mail_data(mode: Pipelining) -> None:
    talk = Talk("lmtp", mode)
    talk.pipeline.add(message("a", 1), "s.1")
    if mode == "auto":
        talk.pipeline.next_group()
        talk.hear(250, 550, 503)
    else:
        for code in (250, 550):
            talk.pipeline.next_group()
            talk.hear(code)
    assert talk.result().outcome == "rejected"
    assert talk.pipeline.next_group() is None


def test_who_has_no_reply_when_the_connection_breaks_is_in_doubt() -> None:
    talk = Talk("lmtp")
    talk.pipeline.add(message("a", 3), "s.1")
    talk.pipeline.next_group()
    talk.hear(250, 250, 250, 250, 354)
    talk.write()
    talk.hear(550, 250)
    talk.pipeline.abandon(LOST)
    result = talk.result()
    assert told(result) == [
        ("rejected", END, "550 r0"),
        ("accepted", END, "250 r1"),
        ("in_doubt", END, None),
    ]
    assert result.outcome == "accepted"


def test_421_leaves_those_behind_it_in_doubt() -> None:
    talk = Talk("lmtp")
    talk.pipeline.add(message("a", 3), "s.1")
    talk.pipeline.next_group()
    talk.hear(250, 250, 250, 250, 354)
    talk.write()
    talk.hear(250, 421)
    talk.pipeline.abandon(LOST, Reply(code=421, lines=("r1",)))
    assert [outcome for outcome, _, _ in told(talk.result())] == [
        "accepted",
        "deferred",
        "in_doubt",
    ]


def test_prdr_decides_with_the_last_reply_for_those_who_were_told_yes() -> None:
    talk = Talk("smtp")
    talk.pipeline.add(message("a", 3), "s.1")
    group = talk.pipeline.next_group()
    assert group is not None
    assert group.octets.startswith(b"MAIL FROM:<me@x.example> PRDR\r\n")
    talk.hear(250, 250, 550, 250, 354)
    talk.write()
    talk.hear(353, 250, 450)
    assert not talk.pipeline.results
    talk.client.receive_data(b"250 OK id=abc\r\n")
    item = talk.client.next_reply()
    assert isinstance(item, Exchange)
    talk.pipeline.receive(item)
    result = talk.result()
    assert told(result) == [
        ("accepted", END, "250 OK id=abc"),
        ("rejected", "RCPT", "550 r2"),
        ("deferred", END, "450 r2"),
    ]
    assert result.queue_id == "abc"


@pytest.mark.parametrize(
    ("codes", "outcomes"),
    [
        ((353, 250, 250, 550), ["rejected", "rejected"]),
        ((353, 450, 250, 554), ["deferred", "rejected"]),
        ((250,), ["accepted", "accepted"]),
        ((552,), ["rejected", "rejected"]),
    ],
)
def test_prdrs_last_reply_refuses_everybody(
    codes: tuple[int, ...], outcomes: list[str]
) -> None:
    talk = Talk("smtp")
    talk.pipeline.add(message("a", 2), "s.1")
    talk.pipeline.next_group()
    talk.hear(250, 250, 250, 354)
    talk.write()
    talk.hear(*codes)
    assert [outcome for outcome, _, _ in told(talk.result())] == outcomes


def test_prdr_without_its_last_reply_is_in_doubt_but_for_the_refused() -> None:
    talk = Talk("smtp")
    talk.pipeline.add(message("a", 3), "s.1")
    talk.pipeline.next_group()
    talk.hear(250, 250, 250, 250, 354)
    talk.write()
    talk.hear(353, 250, 550)
    talk.pipeline.abandon(LOST)
    assert [outcome for outcome, _, _ in told(talk.result())] == [
        "in_doubt",
        "rejected",
        "in_doubt",
    ]


def test_who_was_answered_behind_bdat_is_decided_although_no_data_was_said() -> None:
    transaction = Transaction(message("a", 1), "s.1")
    transaction.issued, transaction.is_end_issued, transaction.outstanding = 2, True, 3
    ok = Reply(code=250, lines=("ok",))
    transaction.receive("MAIL", -1, ok)
    transaction.receive("RCPT", 0, ok)
    assert not transaction.is_decided
    transaction.receive("BDAT", 0, ok)
    assert transaction.is_decided
