"""The queue: what a server's log has told of the messages that are under way.

A server tells who a message is from when it comes in, and what became of each recipient
later, in other lines that share its queue ID.  Memory is bounded: of a message that many
others have come in after, what was told is forgotten, and its cells are null.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from smtpbook.protocol.addresses import domain_of

MAX_MESSAGES: Final = 200_000
"""Messages that are remembered at once; about 80 MB."""

MAX_MESSAGE_ID: Final = 998  # RFC 5322 section 2.1.1: characters of a line


class Message:
    """What is known of one message; null = not told so far."""

    __slots__ = ("account", "message_id", "reverse_path", "size", "tries")

    def __init__(self, *, is_new: bool) -> None:
        self.message_id: str | None = None
        self.reverse_path: str | None = None
        self.size: int | None = None
        self.account: str | None = None
        # Recipient → tries after which it still waits; null = the beginning is missing.
        self.tries: dict[str, int] | None = {} if is_new else None

    def cells(self) -> dict[str, Any]:
        """Give the cells of a row that are the message's."""
        return {
            "message_id": self.message_id,
            "reverse_path": self.reverse_path,
            "account": self.account,
        }

    def attempt(self, recipient: str, *, is_over: bool) -> int | None:
        """Count one more try for a recipient; null = not all of them are in the log."""
        if self.tries is None:
            return None
        if is_over:
            return self.tries.pop(recipient, 0) + 1
        count = self.tries[recipient] = self.tries.get(recipient, 0) + 1
        return count


class Queue:
    """The messages under way, by a key such as the host and the queue ID."""

    __slots__ = ("_messages", "get")

    def __init__(self) -> None:
        self._messages: dict[Any, Message] = {}
        self.get = self._messages.get

    def begin(self, key: Any) -> Message:
        """Take a message in, whatever was known under the key before."""
        return self._put(key, Message(is_new=True))

    def of(self, key: Any) -> Message:
        """Give a message; one of which nothing is known yet began before the log did."""
        found = self._messages.get(key)
        return found if found is not None else self._put(key, Message(is_new=False))

    def _put(self, key: Any, message: Message) -> Message:
        if len(self._messages) >= MAX_MESSAGES:
            self._messages.pop(next(iter(self._messages)))
        self._messages[key] = message
        return message

    def remove(self, key: Any) -> None:
        """Forget a message that has left the queue."""
        self._messages.pop(key, None)


NOBODY: Final = Message(is_new=False)
"""Of whom nothing is known."""


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
