"""Group: octets that are written together, and which of them are whose mail data.

It is put together by `pipeline` and `window` and written by `session`, which stamps it.
Here MAIL and RCPT get their parameters and their tag; which commands may stand in a group
is not decided here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from smtpbook.protocol.addresses import Mailbox
from smtpbook.protocol.commands import Command, Mail, Rcpt, Rset
from smtpbook.protocol.connection import Client
from smtpbook.protocol.parameters import Parameters
from smtpbook.protocol.replies import Reply
from smtpbook.transfer.transaction import Transaction, mail_parameters, rcpt_parameters

RESET: Final = Rset()
"""The RSET before a transaction: if it is refused, there is no way to begin one."""
# A NamedTuple's own constructor calls this, and takes twice as long.
_new: Final = tuple.__new__


class MailData(NamedTuple):
    """A message's mail data in a group.

    Attributes
    ----------
    transaction : Transaction
    size : int
        Octets of it, dots doubled, without the lone dot.
    end : int
        Where in the group the last octet stands that makes it complete, plus one.
    """

    transaction: Transaction
    size: int
    end: int


class Group:
    """Commands and mail data written together.

    Attributes
    ----------
    number : int or None
        Counts the groups of a session from 1; None for a command written alone.
    octets : bytes
        What to write.
    size : int
        Octets added so far.
    commands : int
        Commands added so far, the lone dot among them.
    mail_data : list of MailData
        In the order in which they are written.
    started_at : float
        When writing began, on the clock of whoever writes.
    written_at : float or None
        When the last octet was handed to the socket; None before that.
    reply : Reply or None
        To a command outside a transaction.
    """

    __slots__ = (
        "_parts",
        "commands",
        "mail_data",
        "number",
        "octets",
        "reply",
        "size",
        "started_at",
        "written_at",
    )

    def __init__(self, octets: bytes = b"") -> None:
        self.number: int | None = None
        self.octets = octets
        self.size = self.commands = 0
        self.mail_data: list[MailData] = []
        self.started_at = 0.0
        self.written_at: float | None = None
        self.reply: Reply | None = None
        self._parts: list[bytes] = []

    @property
    def lone_tag(self) -> Tag:
        """The `Tag` of a command outside a transaction."""
        return self, None, -1

    def add(self, octets: bytes, commands: int) -> None:
        """Put commands behind what is there."""
        self._parts.append(octets)
        self.size += len(octets)
        self.commands += commands

    def add_mail_data(self, transaction: Transaction, octets: bytes, size: int) -> None:
        """Put a message's mail data behind what is there, with the lone dot if it has one.

        `size` is its length without that.
        """
        self._parts.append(octets)
        self.size += len(octets)
        self.commands += size < len(octets)
        self.mail_data.append(_new(MailData, (transaction, size, self.size)))

    def ending(self, start: int, stop: int) -> list[MailData]:
        """Give those whose last octet is one of these of the group."""
        if not start and stop == self.size:  # nearly always: all of it is written at once
            return self.mail_data
        return [one for one in self.mail_data if start < one.end <= stop]

    def close(self) -> None:
        """Join what was added."""
        parts = self._parts
        self.octets = b"".join(parts) if len(parts) > 1 else parts[0]
        parts.clear()


Tag = tuple[Group, Transaction | None, int]
"""What travels with a command to its reply: its group, its transaction, if it has one, and
for RCPT the recipient's place in the message, else -1."""


def mail(client: Client, transaction: Transaction, group: Group) -> tuple[Command, Tag]:
    """Give a transaction's MAIL, with the parameters its message needs at this server.

    Raises
    ------
    LocalProtocolError
        The message cannot be sent at this server.
    """
    message = transaction.message
    parameters = mail_parameters(
        message,
        client.extensions,
        is_secure=client.is_secure and client.is_proven,
        is_chunked=transaction.is_chunked,
    )
    return _mail(message.reverse_path, parameters), (group, transaction, -1)


@lru_cache(maxsize=256)  # a campaign's senders are few, and its sizes alike
def _mail(reverse_path: Mailbox | None, parameters: Parameters) -> Mail:
    return Mail(reverse_path, parameters)


def rcpt(
    client: Client, transaction: Transaction, group: Group, index: int
) -> tuple[Command, Tag]:
    """Give the RCPT for the recipient at a place in a transaction's message."""
    message = transaction.message
    recipient = message.recipients[index]
    parameters = rcpt_parameters(message, recipient, client.extensions)
    return Rcpt(recipient, parameters), (group, transaction, index)
