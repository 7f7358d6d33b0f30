"""Real servers: what we believe of each message is what the server did with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final
from uuid import uuid4

import pandas as pd
import pytest
import trio

from smtpbook.accounts.account import TlsMode
from smtpbook.campaign.campaign import Campaign
from smtpbook.errors import AuthenticationError, LocalProtocolError, TLSError
from smtpbook.events import Event
from smtpbook.messages.template import Template
from smtpbook.protocol.message import Message
from smtpbook.sasl.registry import MECHANISMS
from smtpbook.session.session import open_session
from smtpbook.transfer.pipeline import MODES, Pipelining
from smtpbook.transfer.transaction import Result
from tests.servers.aiosmtpd import AioLMTPD, AioSMTPD
from tests.servers.dovecot import Dovecot, Submission
from tests.servers.exim import Exim
from tests.servers.mail import (
    DOMAIN,
    MAX_MESSAGE_BYTES,
    PASSWORD,
    REFUSED,
    REFUSED_SENDER,
    USER,
    MailServer,
)
from tests.servers.opensmtpd import OpenSMTPD
from tests.servers.postfix import Postfix

pytestmark = [pytest.mark.real_server, pytest.mark.heavy, pytest.mark.side_by_side]

SERVERS: Final[Mapping[str, type[MailServer]]] = {
    "postfix": Postfix,
    "exim": Exim,
    "opensmtpd": OpenSMTPD,
    "submission": Submission,
    "aiosmtpd": AioSMTPD,
    "dovecot": Dovecot,
    "aiolmtpd": AioLMTPD,
}
"""By the name of the fixture."""
SECURE: Final = [name for name, server in SERVERS.items() if server.has_tls]
WITH_LOGIN: Final = [name for name, server in SERVERS.items() if server.mechanisms]
GONE, FULL = REFUSED
DOTS: Final = b".\r\n..\r\n.hidden\r\n\r\n.\r\nQUIT\r\n" + b"." * 998 + b"\r\n.\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A message, and what should become of each of its recipients."""

    recipients: tuple[str, ...] = (f"ann@{DOMAIN}",)
    reverse_path: str = "news@sender.example"
    subject: str = "interop"
    body: bytes = b"hello\r\n"

    def message(self) -> Message:
        """One that no other test sends."""
        header = (
            "From: News <news@sender.example>\r\n"
            "Date: Fri, 31 May 2024 23:30:00 +0000\r\n"
            f"Message-ID: <{uuid4()}@sender.example>\r\n"
            f"Subject: {self.subject}\r\n\r\n"
        )
        data = header.encode() + self.body
        return Message.from_bytes(self.reverse_path, self.recipients, data)

    def outcomes(self, server: MailServer) -> list[str]:
        """What should become of each recipient at this server."""
        is_utf8 = not "".join((*self.recipients, self.subject)).isascii()
        is_big = len(self.body) > MAX_MESSAGE_BYTES
        if (is_big and server.has_size) or (is_utf8 and not server.has_smtputf8):
            return ["failed"] * len(self.recipients)
        if self.reverse_path == REFUSED_SENDER and server.refuses_senders:
            return ["rejected"] * len(self.recipients)
        meant = {GONE: "rejected", FULL: "deferred"}
        return [meant.get(recipient, "accepted") for recipient in self.recipients]


CASES: Final = {
    "ordinary": Case(),
    "bounce": Case(reverse_path=""),
    "ten recipients": Case(recipients=tuple(f"r{n}@{DOMAIN}" for n in range(10))),
    "ten recipients, some refused": Case(
        recipients=(
            *(f"r{n}@{DOMAIN}" for n in range(3)),
            GONE,
            *(f"r{n}@{DOMAIN}" for n in range(3, 8)),
            FULL,
        )
    ),
    "all recipients refused": Case(recipients=(GONE, FULL)),
    "after all were refused": Case(),
    "all recipients refused, again": Case(recipients=(FULL, GONE)),
    "sender refused": Case(reverse_path=REFUSED_SENDER),
    "eight bits": Case(body="café\r\n".encode() + bytes(range(128, 256)) + b"\r\n"),
    "recipient not ASCII": Case(recipients=(f"jürgen@{DOMAIN}", f"ann@{DOMAIN}")),
    "header not ASCII": Case(subject="Größe"),
    "dots": Case(body=DOTS),
    "no body": Case(body=b""),
    "blank lines": Case(body=b"\r\n \r\n\r\n"),
    "too big": Case(body=b"too big\r\n" * (MAX_MESSAGE_BYTES // 9 + 1)),
    "big": Case(body=b"." + b"x" * 77 + b"\r\n" + b"0123456789abcd\r\n" * 20_000),
    **{f"ordinary {n}": Case(recipients=(f"reader-{n}@{DOMAIN}",)) for n in range(30)},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """All cases sent on one session, and what we believe of them."""

    server: MailServer
    results: Mapping[str, Result]
    events: Sequence[Event]

    @property
    def accepted(self) -> list[tuple[str, str, str]]:
        """Message-ID, queue ID and recipient of each copy that should have arrived."""
        return sorted(
            (str(result.message.message_id), str(result.queue_id), one.recipient)
            for result in self.results.values()
            for one in result.recipients
            if one.outcome == "accepted"
        )


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> MailServer:
    found: MailServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module", params=MODES)
def story(request: pytest.FixtureRequest, server: MailServer) -> Story:
    """Sent once, with everything delivered that should be."""
    return trio.run(tell, server, request.param)


async def tell(server: MailServer, pipelining: Pipelining) -> Story:
    messages = [case.message() for case in CASES.values()]
    events: list[Event] = []
    async with open_session(server.account(), record=events.append) as session:
        sending = session.send_many(messages, pipelining=pipelining)
        results = [result async for result in sending]
    told = Story(
        server=server,
        results=dict(zip(CASES, results, strict=True)),
        events=events,
    )
    server.wait_delivered([copy[1:] for copy in told.accepted])
    return told


def test_each_recipient_has_the_outcome_that_the_server_decided(story: Story) -> None:
    believed = {
        name: [one.outcome for one in result.recipients]
        for name, result in story.results.items()
    }
    assert believed == {name: case.outcomes(story.server) for name, case in CASES.items()}


def test_a_refused_recipient_keeps_the_servers_own_reply(story: Story) -> None:
    replies = [
        (one.recipient, str(one.reply.code))
        for name in ("ten recipients, some refused", "all recipients refused")
        for one in story.results[name].recipients
        if one.outcome != "accepted" and one.reply is not None
    ]
    assert replies == [(name, REFUSED[name][:3]) for name in (GONE, FULL, GONE, FULL)]


def test_what_cannot_be_sent_fails_before_a_byte_of_it_is_written(story: Story) -> None:
    failed = [result for result in story.results.values() if result.outcome == "failed"]
    assert {type(result.error) for result in failed} == {LocalProtocolError}
    names = {result.message.message_id for result in failed}
    assert {event.kind for event in story.events if event.message_id in names} == {
        "outcome"
    }


def test_the_mailboxes_hold_what_we_believe_once_each(story: Story) -> None:
    ours = {result.message.message_id for result in story.results.values()}
    assert story.accepted == sorted(
        (copy.message_id, copy.queue_id, copy.recipient)
        for copy in story.server.copies()
        if copy.message_id in ours
    )


def test_the_log_tells_what_we_believe_once_each(story: Story) -> None:
    ours = {queue_id for _, queue_id, _ in story.accepted}
    assert sorted(copy[1:] for copy in story.accepted) == sorted(
        delivery for delivery in story.server.deliveries() if delivery[0] in ours
    )


def test_each_copy_holds_every_octet_that_was_sent(story: Story) -> None:
    sent = {
        result.message.message_id: (name, result.message.data.replace(b"\r\n", b"\n"))
        for name, result in story.results.items()
    }
    for copy in story.server.copies():
        if copy.message_id in sent:
            name, data = sent[copy.message_id]
            # The server's own header stands before it.
            assert copy.data.endswith(b"\n" + data), name


# --- a connection's own ways --------------------------------------------------------------


async def send(server: MailServer, *, events: list[Event], **changes: Any) -> Result:
    """Send one message, and wait until it is delivered."""
    async with open_session(server.account(**changes), record=events.append) as session:
        result = await session.send(CASES["ordinary"].message())
    assert result.outcome == "accepted"
    server.wait_delivered([(str(result.queue_id), result.recipients[0].recipient)])
    return result


@pytest.mark.parametrize("server", SECURE, indirect=True)
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_tls_with_the_accounts_own_authority(
    server: MailServer, tls: TlsMode
) -> None:
    events: list[Event] = []
    await send(server, events=events, tls=tls)
    assert {event.tls_version for event in events if event.verb == "MAIL"} == {"TLSv1.3"}


async def test_lmtp_through_a_unix_socket(dovecot: Dovecot) -> None:
    events: list[Event] = []
    await send(dovecot, events=events, host=str(dovecot.socket), port=0, ca_file=None)
    assert {event.server for event in events} == {str(dovecot.socket)}


@pytest.mark.parametrize("server", SECURE, indirect=True)
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_an_unknown_authority_ends_the_connection(
    server: MailServer, tls: TlsMode
) -> None:
    with pytest.raises(TLSError):
        async with open_session(server.account(tls=tls, ca_file=None)):
            pytest.fail("a session was opened")


@pytest.mark.parametrize(
    ("server", "mechanism"),
    [
        pytest.param(name, mechanism, id=f"{name}-{mechanism}")
        for name, mechanism in product(SERVERS, MECHANISMS)
        if mechanism in SERVERS[name].mechanisms
    ],
    indirect=["server"],
)
async def test_a_login_by_each_mechanism_that_the_server_offers(
    server: MailServer, mechanism: str
) -> None:
    login = {"tls": "starttls", "username": USER, "password": PASSWORD, "auth": mechanism}
    await send(server, events=[], **login)
    server.wait_for_log(server.login_line(mechanism))


@pytest.mark.parametrize("server", SECURE, indirect=True)
async def test_the_mechanisms_above_are_all_that_the_server_offers(
    server: MailServer,
) -> None:
    async with open_session(
        server.account(tls="starttls", username=None, password=None)
    ) as session:
        assert sorted(session.extensions.mechanisms) == sorted(server.mechanisms)


@pytest.mark.parametrize("server", WITH_LOGIN, indirect=True)
async def test_a_wrong_password_ends_the_connection(server: MailServer) -> None:
    login = {"tls": "starttls", "username": USER, "password": "wrong"}
    with pytest.raises(AuthenticationError) as caught:
        async with open_session(server.account(**login)):
            pytest.fail("a session was opened")
    assert caught.value.reply.code == 535


async def test_a_size_that_the_server_refuses_does_not_spoil_the_next_message(
    server: MailServer,
) -> None:
    # Postfix measures a MAIL without SIZE= by the SIZE= of the MAIL it refused before.
    async with open_session(server.account()) as session:
        reply = await session.command(f"MAIL FROM:<> SIZE={MAX_MESSAGE_BYTES + 1}")
        assert reply is not None
        assert reply.code == server.size_code
        result = await session.send(CASES["ordinary"].message())
        assert result.outcome == "accepted"


async def test_any_line_may_be_typed(server: MailServer) -> None:
    async with open_session(server.account()) as session:
        lines = ("SEND FROM:<ann@sender.example>", "NOOP")
        replies = [await session.command(line) for line in lines]
        assert [reply and reply.code // 100 for reply in replies] == [5, 2]
        result = await session.send(CASES["ordinary"].message())
        assert result.outcome == "accepted"


def test_a_campaigns_outcomes_are_those_of_the_server(server: MailServer) -> None:
    people = pd.DataFrame({"email": [f"reader-{n}@{DOMAIN}" for n in range(40)]})
    people.loc[10, "email"], people.loc[30, "email"] = GONE, FULL
    letter = Template(
        header_from="news@sender.example", subject="Hi", text="To {{ email }}"
    )
    campaign = Campaign("interop", server.account(), people, letter, connections=3)
    run = campaign.send(confirm=False, progress=False)

    counts = {outcome: count for outcome, count in run.counts.items() if count}
    assert counts == {"accepted": 38, "rejected": 1, "deferred": 1}
    found = run.outcomes.set_index("recipient")
    for recipient, reply in REFUSED.items():
        assert found.loc[recipient, "reply_code"] == int(reply[:3])
        assert found.loc[recipient, "enhanced_status"] == reply.split()[1]
    accepted = found[found["outcome"] == "accepted"].reset_index()
    columns = ["message_id", "queue_id", "recipient"]
    ours = sorted(accepted[columns].itertuples(index=False, name=None))
    server.wait_delivered([copy[1:] for copy in ours])
    names = set(found["message_id"])
    assert ours == sorted(
        (copy.message_id, copy.queue_id, copy.recipient)
        for copy in server.copies()
        if copy.message_id in names
    )
