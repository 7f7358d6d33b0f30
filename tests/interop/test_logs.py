"""What a real server logs reads as what our own session saw."""

from __future__ import annotations

import io
from uuid import uuid4

import pytest

from smtpbook.formats.read import read_log
from smtpbook.protocol.message import Message
from smtpbook.session.session import open_session
from smtpbook.tables.outcomes import outcomes
from tests.servers.mail import DOMAIN, REFUSED, MailServer

pytestmark = pytest.mark.real_server
GONE, FULL = REFUSED


@pytest.mark.parametrize("name", ["postfix", "exim", "opensmtpd"])
async def test_a_servers_log_and_our_own_tell_the_same_of_each_recipient(
    name: str, request: pytest.FixtureRequest
) -> None:
    server: MailServer = request.getfixturevalue(name)
    begun = len(server.log_text())
    ann = f"ann.{uuid4().hex}@{DOMAIN}"
    message = Message.from_bytes(
        "news@sender.example",
        (ann, GONE, FULL),
        f"Message-ID: <{uuid4()}@sender.example>\r\n\r\nhello\r\n".encode(),
    )
    async with open_session(server.account()) as session:
        result = await session.send(message)
    server.wait_delivered([(str(result.queue_id), ann)])

    log = read_log(io.StringIO(server.log_text()[begun:]), name)
    read = log.attrs["read"]
    assert read["skipped"] == 0, read["examples"]
    theirs = outcomes(log).set_index("recipient")
    assert theirs["outcome"].to_dict() == {
        **{ann: "delivered", GONE: "rejected", FULL: "deferred"}
    }
    assert theirs["queue_id"][ann] == result.queue_id
    if name != "opensmtpd":  # which does not log it
        assert theirs["message_id"][ann] == message.message_id
    if name != "exim":  # which does not log its replies
        for address, ours in zip(message.recipients, result.recipients, strict=True):
            if ours.outcome != "accepted":
                row = theirs.loc[str(address)]
                assert ours.reply is not None
                code, status, _ = ours.reply.cells
                assert (row["verb"], row["reply_code"]) == (ours.verb, code)
                assert row["enhanced_status"] == status
