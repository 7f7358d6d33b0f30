"""The queue: what a server's log has told of the messages that are under way.

A server tells who a message is from when it comes in, and what became of each recipient
later, in other lines that share its queue ID.  Memory is bounded: of a message that many
others have come in after, what was told is forgotten, and its cells are null.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import Any, Final

from smtpbook.protocol.addresses import domain_of

MAX_MESSAGES: Final = 200_000
"""Messages that are remembered at once; about 80 MB."""

MAX_MESSAGE_ID: Final = 998  # RFC 5322 section 2.1.1: characters of a line


class Message:
    """What is known of one message; null = not told so far."""

    # On the class, because most of a million messages need no cells of their own.
    message_id: str | None = None
    reverse_path: str | None = None
    size: int | None = None
    account: str | None = None
    is_whole = True
    """Whether it began in this log, so that tries can be counted."""
    tries: dict[str, int] | None = None
    """Recipient → tries after which it still waits; null = there are none."""

    def cells(self) -> dict[str, Any]:
        """Give the cells of a row that are the message's."""
        return {
            "message_id": self.message_id,
            "reverse_path": self.reverse_path,
            "account": self.account,
        }

    def attempt(self, recipient: str, is_over: bool) -> int | None:
        """Count one more try for a recipient; null = not all of them are in the log."""
        if not self.is_whole:
            return None
        if is_over:
            return self.tries.pop(recipient, 0) + 1 if self.tries else 1
        if self.tries is None:
            self.tries = {}
        count = self.tries[recipient] = self.tries.get(recipient, 0) + 1
        return count


class Queue(dict[Hashable, Message]):
    """The messages under way, by a key such as the host and the queue ID."""

    def begin(self, key: Hashable) -> Message:
        """Take a message in, whatever was known under the key before."""
        if len(self) >= MAX_MESSAGES:
            del self[next(iter(self))]
        message = self[key] = Message()
        return message

    def of(self, key: Hashable) -> Message:
        """Give a message; one of which nothing is known yet began before the log did."""
        message = self.get(key)
        if message is None:
            message = self.begin(key)
            message.is_whole = False
        return message

    def remove(self, key: Hashable) -> None:
        """Forget a message that has left the queue."""
        self.pop(key, None)


NOBODY: Final = Message()
"""Of whom nothing is known."""
NOBODY.is_whole = False


def cells_of(message: Message | None) -> dict[str, Any]:
    """Give the cells of a message, all null where it is not known."""
    return (message or NOBODY).cells()


@lru_cache(maxsize=1 << 16)
def domain_cell(domain: str) -> str | None:
    """Give a domain as `recipient_domain` holds it; "" has none."""
    return domain_of("@" + domain)


def recipient_cells(recipient: str) -> dict[str, Any]:
    """Give the two cells of a recipient."""
    domain = domain_cell(recipient.rpartition("@")[2]) if "@" in recipient else None
    return {"recipient": recipient, "recipient_domain": domain}
