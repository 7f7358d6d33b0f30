"""Scripted servers, and messages to send them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

from smtpbook.protocol.message import Message
from tests.session.scripted import Servers


@pytest.fixture
def servers(nursery: trio.Nursery) -> Servers:
    """Put servers up; they go with the test."""
    return Servers(nursery)


@pytest.fixture
def message() -> Callable[..., Message]:
    """Make a message for these recipients."""

    def make(*recipients: str, data: bytes = b"Subject: hi\r\n\r\nhello\r\n") -> Message:
        return Message.from_bytes("ann@x.test", recipients or ["bob@y.test"], data)

    return make
