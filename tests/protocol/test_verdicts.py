"""Whose reply it is at the end of the mail data, in SMTP, LMTP and with PRDR."""

from __future__ import annotations

import pytest

from smtpbook.errors import RemoteProtocolError
from smtpbook.protocol.commands import Bdat, Data, Ehlo, Lhlo, Mail, Rcpt, Rset
from smtpbook.protocol.connection import Client, Exchange
from smtpbook.protocol.extensions import ehlo_reply
from smtpbook.protocol.replies import Reply
from smtpbook.protocol.states import State
from smtpbook.protocol.verdicts import Protocol, Verdicts
from tests.protocol.words import BOB


def heard(client: Client, *codes: int) -> list[tuple[object, int, bool]]:
    """Feed replies in, and give whose each was, its code, and whether it was the last."""
    octets = b"".join(Reply(code=code, lines=("x",)).to_bytes() for code in codes)
    client.receive_data(octets)
    found = []
    for _ in codes:
        item = client.next_reply()
        assert isinstance(item, Exchange)
        found.append((item.rcpt, item.reply.code, item.is_last))
    return found


def ready(protocol: Protocol, *keywords: str) -> Client:
    client = Client(protocol=protocol)
    heard(client, 220)
    client.issue((Lhlo if protocol == "lmtp" else Ehlo)("client.example"))
    client.receive_data(ehlo_reply("mx", ("PIPELINING", "CHUNKING", *keywords)).to_bytes())
    client.next_reply()
    return client


def announced(
    client: Client, *rcpts: int, data: int = 354, mail: tuple[str, ...] = ()
) -> None:
    """Say MAIL, a RCPT for each code, tagged by its place, and DATA."""
    parameters = tuple((name, None) for name in mail)
    commands = [(Mail(BOB, parameters), None), *((Rcpt(BOB), i) for i in range(len(rcpts)))]
    client.issue_group([*commands, (Data(), None)])
    heard(client, 250, *rcpts, data)


def test_lmtp_answers_for_each_recipient_accepted_in_order() -> None:
    """The example of RFC 2033 section 4.2."""
    client = ready("lmtp")
    announced(client, 250, 550, 250)
    client.end_mail_data(b"hello\r\n")
    assert heard(client, 250, 452) == [(0, 250, False), (2, 452, True)]
    assert (client.state, client.outstanding) == (State.READY, 0)


def test_lmtps_next_envelope_may_stand_behind_the_mail_data() -> None:
    client = ready("lmtp")
    announced(client, 250, 250)
    client.end_mail_data(b"hello\r\n")
    client.issue_group([(Mail(BOB), "m"), (Rcpt(BOB), "r"), (Data(), "d")])
    assert heard(client, 250, 250, 250, 250, 354) == [
        (0, 250, False),
        (1, 250, True),
        (None, 250, True),
        (None, 250, True),
        (None, 354, True),
    ]
    assert client.state is State.DATA
    client.end_mail_data(b"hello\r\n")
    assert heard(client, 550) == [("r", 550, True)]


def test_octets_of_a_command_are_counted_with_its_first_reply() -> None:
    client = ready("lmtp")
    announced(client, 250, 250)
    client.end_mail_data(b"hello\r\n")
    client.receive_data(b"250 a\r\n250 b\r\n")
    first, second = client.next_reply(), client.next_reply()
    assert isinstance(first, Exchange)
    assert isinstance(second, Exchange)
    assert (first.octets_sent, second.octets_sent) == (3, 0)


def test_replies_to_bdat_last_are_counted_when_they_come_not_when_it_is_written() -> None:
    """Whole messages written ahead: how many are accepted is not known then."""
    client = ready("lmtp")
    for number in range(3):
        rcpts = [(Rcpt(BOB), (number, i)) for i in range(2)]
        client.issue_group(
            [(Rset(), None), (Mail(BOB), None), *rcpts, (Bdat(7, is_last=True), None)]
        )
    assert heard(client, 250, 250, 250, 550, 250)[-1] == ((0, 0), 250, True)
    # Nobody accepted: "the BDAT command MUST fail with a 503" and has one reply.
    assert heard(client, 250, 250, 550, 550, 503)[-1] == (None, 503, True)
    assert heard(client, 250, 250, 250, 250, 250, 450)[-2:] == [
        ((2, 0), 250, False),
        ((2, 1), 450, True),
    ]
    assert (client.state, client.outstanding) == (State.READY, 0)


@pytest.mark.parametrize(
    ("codes", "state"),
    [((250, 550), State.READY), ((550, 250), State.READY), ((550, 450), State.RCPT)],
)
def test_bdat_last_that_one_recipient_accepts_has_delivered(
    codes: tuple[int, int], state: State
) -> None:
    client = ready("lmtp")
    rcpts = [(Rcpt(BOB), i) for i in range(2)]
    client.issue_group([(Mail(BOB), None), *rcpts, (Bdat(7, is_last=True), None)])
    heard(client, 250, 250, 250, *codes)
    assert client.state is state


def test_lmtp_server_that_wants_mail_data_for_nobody_breaks_the_protocol() -> None:
    """How many replies follow a lone dot for nobody, nobody can tell (RFC 2033, 4.2)."""
    client = ready("lmtp")
    with pytest.raises(RemoteProtocolError, match="no recipient was accepted"):
        announced(client, 550)
    assert client.state is State.CLOSED


def test_a_reset_forgets_who_was_accepted() -> None:
    client = ready("lmtp")
    client.issue_group([(Mail(BOB), None), (Rcpt(BOB), "gone"), (Rset(), None)])
    heard(client, 250, 250, 250)
    announced(client, 250)
    client.end_mail_data(b"hello\r\n")
    assert heard(client, 250) == [(0, 250, True)]


def test_421_to_one_recipient_is_the_last_reply() -> None:
    client = ready("lmtp")
    announced(client, 250, 250, 250)
    client.end_mail_data(b"hello\r\n")
    assert heard(client, 250, 421) == [(0, 250, False), (1, 421, True)]
    assert client.state is State.CLOSED


@pytest.mark.parametrize("code", [354, 353])
def test_intermediate_reply_to_a_recipient_breaks_the_protocol(code: int) -> None:
    client = ready("lmtp")
    announced(client, 250, 250)
    client.end_mail_data(b"hello\r\n")
    with pytest.raises(RemoteProtocolError, match=f"{code} cannot be a reply"):
        heard(client, code)


def test_prdr_gives_353_one_reply_each_and_one_for_the_message() -> None:
    """draft-hall-prdr-00, as Exim speaks it."""
    client = ready("smtp", "PRDR")
    announced(client, 250, 550, 250, mail=("PRDR",))
    client.end_mail_data(b"hello\r\n")
    assert heard(client, 353, 250, 550, 250) == [
        (None, 353, False),
        (0, 250, False),
        (2, 550, False),
        (None, 250, True),
    ]
    assert (client.state, client.outstanding) == (State.READY, 0)


def test_prdr_server_may_answer_for_all_at_once() -> None:
    """Exim does with one recipient left, or nothing to look for in the content."""
    client = ready("smtp", "PRDR")
    announced(client, 250, 250, mail=("PRDR",))
    client.end_mail_data(b"hello\r\n")
    assert heard(client, 250) == [(None, 250, True)]
    announced(client, 250, 250, mail=("PRDR",))
    client.end_mail_data(b"hello\r\n")
    assert heard(client, 550) == [(None, 550, True)]
    assert client.state is State.READY


def test_353_without_prdr_breaks_the_protocol() -> None:
    client = ready("smtp")
    announced(client, 250)
    client.end_mail_data(b"hello\r\n")
    with pytest.raises(RemoteProtocolError, match="353 cannot be a reply to END-OF-DATA"):
        heard(client, 353)


def test_353_to_a_message_that_did_not_ask_breaks_the_protocol() -> None:
    """What EHLO offers is used where MAIL says so; the one before had asked."""
    client = ready("smtp", "PRDR")
    announced(client, 250, mail=("PRDR",))
    client.end_mail_data(b"hello\r\n")
    assert heard(client, 250) == [(None, 250, True)]
    announced(client, 250)
    client.end_mail_data(b"hello\r\n")
    with pytest.raises(RemoteProtocolError, match="353 cannot be a reply to END-OF-DATA"):
        heard(client, 353)


def test_354_opens_no_replies_by_recipient() -> None:
    client = ready("smtp", "PRDR")
    announced(client, 250, mail=("PRDR",))
    client.end_mail_data(b"hello\r\n")
    with pytest.raises(RemoteProtocolError, match="354 cannot be a reply to END-OF-DATA"):
        heard(client, 354)


def test_second_353_breaks_the_protocol() -> None:
    client = ready("smtp", "PRDR")
    announced(client, 250, 250, mail=("PRDR",))
    client.end_mail_data(b"hello\r\n")
    with pytest.raises(RemoteProtocolError, match="353 cannot be a reply"):
        heard(client, 353, 353)


def test_smtp_without_prdr_counts_nothing() -> None:
    assert not Verdicts("smtp").is_counted
    assert Verdicts("lmtp").is_counted
