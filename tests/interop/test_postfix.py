"""Against Debian's Postfix: what our log says of a message is what Postfix says of it."""

from __future__ import annotations

import mailbox
import re
from dataclasses import replace
from uuid import uuid4

import pandas as pd
import pytest

from smtpbook.accounts.account import Account, TlsMode
from smtpbook.campaign.campaign import Campaign
from smtpbook.errors import LocalProtocolError, TLSError
from smtpbook.events import Event
from smtpbook.messages.template import Template
from smtpbook.protocol.message import Message
from smtpbook.protocol.replies import Reply
from smtpbook.session.session import open_session
from smtpbook.transfer.pipeline import Pipelining
from tests.servers.postfix import DOMAIN, MAX_MESSAGE_BYTES, Postfix

pytestmark = pytest.mark.real_server


@pytest.fixture
def account(postfix: Postfix) -> Account:
    return Account(host="localhost", port=postfix.port, tls="none", helo="client.example")


def letter(*recipients: str, body: str = "hello\r\n") -> Message:
    """A message that no other test sends."""
    header = f"Message-ID: <{uuid4()}@sender.example>\r\nSubject: interop\r\n\r\n"
    return Message.from_bytes(
        "news@sender.example",
        recipients or [f"reader@{DOMAIN}"],
        (header + body).encode(),
    )


def code(reply: Reply | None) -> int | None:
    return None if reply is None else reply.code


def queue_id(postfix: Postfix, message: Message) -> str:
    """What Postfix's log calls the message."""
    logged = rf"(\w+): message-id={re.escape(str(message.message_id))}$"
    return postfix.wait_for_log(logged)[1]


def delivered(postfix: Postfix, message: Message) -> list[bytes]:
    """The bodies, with LF line ends, that the maildir holds under this Message-ID."""
    postfix.wait_delivered([queue_id(postfix, message)])
    stored = mailbox.Maildir(postfix.maildir, create=False)
    return [
        stored.get_bytes(key).partition(b"\n\n")[2]
        for key, mail in stored.items()
        if mail["Message-ID"] == message.message_id
    ]


@pytest.mark.parametrize(("pipelining", "count"), [("auto", 200), ("off", 20)])
async def test_each_message_has_the_queue_id_that_postfix_logged(
    postfix: Postfix, account: Account, pipelining: Pipelining, count: int
) -> None:
    messages = [letter(f"reader-{number}@{DOMAIN}") for number in range(count)]
    events: list[Event] = []
    async with open_session(account, record=events.append) as session:
        async for result in session.send_many(messages, pipelining=pipelining):
            assert result.outcome == "accepted"

    ours = [(e.message_id, e.queue_id) for e in events if e.kind == "outcome"]
    assert [message_id for message_id, _ in ours] == [m.message_id for m in messages]
    postfix.wait_delivered([str(name) for _, name in ours])
    assert [both for both in postfix.accepted() if both[0] in dict(ours)] == ours


def test_a_campaigns_outcomes_are_those_of_postfixs_log(
    postfix: Postfix, account: Account
) -> None:
    people = pd.DataFrame({"email": [f"reader-{n}@{DOMAIN}" for n in range(200)]})
    people.loc[50, "email"] = f"gone@{DOMAIN}"
    people.loc[150, "email"] = f"full@{DOMAIN}"
    text = Template(header_from="news@sender.example", subject="Hi", text="To {{ email }}")
    campaign = Campaign("interop", account, people, text, connections=3)
    run = campaign.send(confirm=False, progress=False)

    counts = {outcome: count for outcome, count in run.counts.items() if count}
    assert counts == {"accepted": 198, "rejected": 1, "deferred": 1}
    found = run.outcomes.set_index("recipient")
    assert found.loc[f"gone@{DOMAIN}", "enhanced_status"] == "5.1.1"
    assert found.loc[f"full@{DOMAIN}", "enhanced_status"] == "4.2.2"
    accepted = found[found["outcome"] == "accepted"]
    ours = set(zip(accepted["message_id"], accepted["queue_id"], strict=True))
    postfix.wait_delivered(accepted["queue_id"].tolist())
    names = set(accepted["message_id"])
    assert sorted(both for both in postfix.accepted() if both[0] in names) == sorted(ours)


async def test_mail_data_arrives_octet_for_octet(
    postfix: Postfix, account: Account
) -> None:
    body = ".\r\n..\r\n.hidden\r\ncaf\u00e9\r\n" + "x" * 998 + "\r\n\r\n.\r\n"
    message = letter(body=body)
    async with open_session(account) as session:
        assert (await session.send(message)).outcome == "accepted"
    assert delivered(postfix, message) == [body.replace("\r\n", "\n").encode()]


async def test_each_recipient_keeps_its_own_reply(
    postfix: Postfix, account: Account
) -> None:
    message = letter(
        f"ann@{DOMAIN}", f"gone@{DOMAIN}", f"full@{DOMAIN}", "x@elsewhere.example"
    )
    async with open_session(account) as session:
        result = await session.send(message)
    assert [(one.outcome, one.verb, code(one.reply)) for one in result.recipients] == [
        ("accepted", "END-OF-DATA", 250),
        ("rejected", "RCPT", 550),
        ("deferred", "RCPT", 452),
        ("rejected", "RCPT", 554),
    ]
    assert result.queue_id == queue_id(postfix, message)
    postfix.wait_for_log(rf"{result.queue_id}: to=<ann@{DOMAIN}>.*status=sent")
    postfix.wait_for_log(rf"{result.queue_id}: reject: RCPT .*550 5\.1\.1 <gone@{DOMAIN}>")


async def test_a_message_refused_by_all_leaves_the_session_usable(
    postfix: Postfix, account: Account
) -> None:
    refused = [letter(f"gone@{DOMAIN}", f"full@{DOMAIN}") for _ in range(2)]
    taken = [letter(), letter()]
    async with open_session(account) as session:
        messages = [refused[0], taken[0], refused[1], taken[1]]
        results = [result async for result in session.send_many(messages)]
    codes = [[code(one.reply) for one in result.recipients] for result in results]
    assert codes == [[550, 452], [250], [550, 452], [250]]
    postfix.wait_delivered([queue_id(postfix, message) for message in taken])
    assert not {m.message_id for m in refused} & dict(postfix.accepted()).keys()


async def test_a_message_larger_than_size_fails_before_a_byte_is_written(
    postfix: Postfix, account: Account
) -> None:
    too_big = letter(body="too big\r\n" * (MAX_MESSAGE_BYTES // 9 + 1))
    events: list[Event] = []
    async with open_session(account, record=events.append) as session:
        results = [result async for result in session.send_many([too_big, letter()])]
        with pytest.raises(LocalProtocolError, match="200,000"):
            await session.send(too_big)
    assert [result.outcome for result in results] == ["failed", "accepted"]
    assert [e.message_id for e in events if e.verb == "MAIL" and e.kind == "command"] == [
        results[1].message.message_id
    ]


async def test_a_size_that_postfix_refuses_does_not_spoil_the_next_message(
    account: Account,
) -> None:
    # Postfix measures a MAIL without SIZE= by the SIZE= of the MAIL it refused before.
    async with open_session(account) as session:
        refused = await session.command(f"MAIL FROM:<> SIZE={MAX_MESSAGE_BYTES + 1}")
        assert code(refused) == 552
        assert (await session.send(letter())).outcome == "accepted"


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_tls_with_the_accounts_own_authority(
    postfix: Postfix, account: Account, tls: TlsMode
) -> None:
    port = postfix.port if tls == "starttls" else postfix.tls_port
    account = replace(account, tls=tls, port=port, ca_file=postfix.ca_file)
    message = letter()
    events: list[Event] = []
    async with open_session(account, record=events.append) as session:
        assert (await session.send(message)).outcome == "accepted"
    assert {e.tls_version for e in events if e.verb == "MAIL"} == {"TLSv1.3"}
    assert len(delivered(postfix, message)) == 1


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_an_unknown_authority_ends_the_connection(
    postfix: Postfix, account: Account, tls: TlsMode
) -> None:
    port = postfix.port if tls == "starttls" else postfix.tls_port
    with pytest.raises(TLSError):
        async with open_session(replace(account, tls=tls, port=port)):
            pytest.fail("a session was opened")


async def test_a_recipient_that_is_not_ascii_goes_with_smtputf8(
    postfix: Postfix, account: Account
) -> None:
    message = letter(f"j\u00fcrgen@{DOMAIN}")
    async with open_session(account) as session:
        assert (await session.send(message)).outcome == "accepted"
    name = queue_id(postfix, message)
    postfix.wait_for_log(rf"{name}: to=<j\u00fcrgen@{DOMAIN}>.*status=sent")


async def test_any_line_may_be_typed(account: Account) -> None:
    async with open_session(account) as session:
        replies = [
            await session.command(line)
            for line in (f"VRFY ann@{DOMAIN}", "SEND FROM:<ann@sender.example>", "NOOP")
        ]
        assert [code(reply) for reply in replies] == [252, 500, 250]
        assert (await session.send(letter())).outcome == "accepted"
