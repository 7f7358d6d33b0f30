"""Delivery options at real servers: what was asked for is what they did."""

from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes
from email.message import Message as Email
from uuid import uuid4

import pytest

from smtpbook.protocol.message import Message
from smtpbook.protocol.parameters import encode_xtext
from smtpbook.session.session import open_session
from smtpbook.transfer.options import DeliveryOptions
from smtpbook.transfer.transaction import Result
from tests.servers.exim import PICKY, Exim
from tests.servers.mail import DOMAIN, MailServer, mails

pytestmark = pytest.mark.real_server

ANN, SENDER = f"ann@{DOMAIN}", f"sender@{DOMAIN}"
DATA = b"Message-ID: <options@sender.example>\r\nSubject: options\r\n\r\nhello\r\n"


async def send(server: MailServer, recipients: list[str], **options: object) -> Result:
    wanted = DeliveryOptions(**options)  # type: ignore[arg-type]
    message = Message.from_bytes(SENDER, recipients, DATA, options=wanted)
    async with open_session(server.account()) as session:
        return await session.send(message)


def report_on(mark: str, server: MailServer) -> Email:
    """Wait for the report that holds a mark, and give its part for machines."""

    def look() -> Email | None:
        for data in mails(server.maildir):
            if mark.encode() in data:
                for part in message_from_bytes(data).walk():
                    if part.get_content_type() == "message/delivery-status":
                        return part
        return None

    return server.wait_for(look, "report")


# What stands in a report is the address or id itself (RFC 3464 sections 2.2.1 and 2.3.1);
# Exim 4.96 leaves it in the xtext of the command.
@pytest.mark.parametrize(("name", "spelled"), [("postfix", str), ("exim", encode_xtext)])
async def test_a_report_of_success_names_our_envelope_and_the_first_address(
    name: str, spelled: Callable[[str], str], request: pytest.FixtureRequest
) -> None:
    server: MailServer = request.getfixturevalue(name)
    mark, first = str(uuid4()), "ann+old=1@before.example"
    result = await send(
        server,
        [ANN],
        notify="success",
        returns="headers",
        envelope_id=f"sent+by={mark}",
        original_recipients={ANN: first},
    )
    server.wait_delivered([(str(result.queue_id), ANN)])
    message, recipient, *_ = report_on(mark, server).get_payload()
    assert isinstance(message, Email)
    assert isinstance(recipient, Email)
    assert message["Original-Envelope-Id"] == spelled(f"sent+by={mark}")
    assert recipient["Action"] == "delivered"
    kind, _, address = recipient["Original-Recipient"].partition(";")
    assert (kind, address.strip()) == ("rfc822", spelled(first))


async def test_each_recipient_has_a_verdict_of_its_own_on_the_content(exim: Exim) -> None:
    asked = await send(exim, [ANN, PICKY], reply_per_recipient=True)
    assert [one.outcome for one in asked.recipients] == ["accepted", "rejected"]
    assert asked.recipients[1].reply is not None
    assert asked.recipients[1].reply.enhanced_status == "5.7.1"
    exim.wait_delivered([(str(asked.queue_id), ANN)])
    assert (asked.queue_id, PICKY) not in exim.deliveries()

    not_asked = await send(exim, [ANN, PICKY])
    assert [one.outcome for one in not_asked.recipients] == ["accepted", "accepted"]
    exim.wait_delivered([(str(not_asked.queue_id), one) for one in (ANN, PICKY)])
