"""Pipeline: which commands may be written together, and when (RFC 2920).

Theory of operation.  At most two transactions are open: the one whose verdict is awaited,
and the next.  With ``"auto"`` and a server that offers PIPELINING in its *current* EHLO,
MAIL, RCPT and DATA go out in one group, and the end of one message goes out together with
the envelope of the next, so a message takes a little more than one round trip.  The mail
data of the next waits for its 354, which comes after the verdict on the one before: at most
one message per connection can be in doubt.  With ``"off"``, or without the extension, every
command waits for the reply to the one before; the code is the same.

After a message whose recipients were all refused, DATA is held back until the RCPT replies
are in: servers count the errors that a DATA without recipients causes.  A transaction that
stayed open without delivering anything is ended with RSET before the next MAIL; at a server
that offers BURL, so is one whose verdict is still awaited.

Nothing here does I/O; the caller writes the groups and passes the exchanges back.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

from smtpbook.errors import LocalProtocolError, RemoteProtocolError
from smtpbook.protocol.commands import Command, Data, Mail, Rcpt, Rset
from smtpbook.protocol.connection import Client, Exchange
from smtpbook.protocol.message import Message
from smtpbook.protocol.replies import Reply
from smtpbook.protocol.states import State
from smtpbook.transfer.transaction import (
    Result,
    Transaction,
    mail_parameters,
    rcpt_parameters,
)

Pipelining = Literal["off", "auto"]
MODES: Final = ("off", "auto")

_RSET: Final = Rset()
_DATA: Final = Data()
# Offered by Dovecot's submission service.  It dies of a RCPT that waits behind the end of
# another message ("assertion failed: (conn->state.pending_rcpt_cmds == 0)", 2.3.19), which
# leaves that message in doubt, but not where a RSET comes between.
_NEEDS_RSET: Final = "BURL"
_OPEN: Final = frozenset({State.MAIL, State.RCPT, State.CHUNKS})


class Group:
    """Commands written together.

    Attributes
    ----------
    number : int or None
        Counts the groups of a session from 1; None for a command written alone.
    octets : bytes
        What to write.
    mail_data : Transaction or None
        Whose mail data this group begins with.
    data_octets : int
        How much of `octets` that is, its end (``.CRLF``) included.
    started_at : float
        When writing began, on the clock of whoever writes.
    written_at : float or None
        When the last octet was handed to the socket; None before that.
    reply : Reply or None
        To a command outside a transaction.
    """

    __slots__ = (
        "data_octets",
        "mail_data",
        "number",
        "octets",
        "reply",
        "started_at",
        "written_at",
    )

    def __init__(self, octets: bytes = b"") -> None:
        self.number: int | None = None
        self.octets = octets
        self.mail_data: Transaction | None = None
        self.data_octets = 0
        self.started_at = 0.0
        self.written_at: float | None = None
        self.reply: Reply | None = None

    @property
    def lone_tag(self) -> Tag:
        """The `Tag` of a command outside a transaction."""
        return self, None, -1

    @property
    def is_mail_data_unfinished(self) -> bool:
        """Whether the end of its mail data cannot have been written yet."""
        return (
            self.written_at is None
            and self.mail_data is not None
            and not self.mail_data.is_end_written
        )


Tag = tuple[Group, Transaction | None, int]
"""What travels with a command to its reply: its group, its transaction, if it has one, and
for RCPT the recipient's place in the message, else -1."""


class Pipeline:
    """Decides what is written next for a stream of messages on one connection.

    Parameters
    ----------
    client : Client
        Every command of a transaction is issued through here.
    mode : {"off", "auto"}
        May be changed while no message is open.

    Attributes
    ----------
    results : deque of Result
        The verdicts reached, in the order of `add`; whoever takes one takes it out.
    """

    def __init__(self, client: Client, mode: Pipelining) -> None:
        self.mode = mode
        self._client = client
        self._open: deque[Transaction] = deque()
        self.results: deque[Result] = deque()
        self._holds_data = False  # the last message's recipients were all refused
        self._groups = 0

    @property
    def has_room(self) -> bool:
        """Whether another message may be added: the current one and the next are enough."""
        return len(self._open) < 2

    @property
    def is_idle(self) -> bool:
        """Whether no message is open."""
        return not self._open

    def add(self, message: Message, transaction_id: str) -> None:
        """Line up a message."""
        self._open.append(Transaction(message, transaction_id))

    def next_group(self) -> Group | None:
        """Give what may be written now, or None: replies must come first."""
        client = self._client
        is_pipelined = self.mode != "off" and client.extensions.has_pipelining
        if client.outstanding and not is_pipelined:
            return None
        group = Group()
        parts: list[bytes] = []
        count = 0
        for transaction in self._open:
            if transaction.is_end_issued:
                continue
            if transaction.awaits_mail_data:
                parts.append(self._mail_data_step(transaction, group))
                count += 1
                if is_pipelined:
                    continue
                break
            commands = self._next_commands(transaction, group, is_pipelined)
            if commands:
                parts.append(client.issue_group(commands))
                count += len(commands)
            if transaction.error is None:
                break
        self._settle()
        if not parts:
            return None
        group.octets = b"".join(parts) if len(parts) > 1 else parts[0]
        if count > 1:
            self._groups += 1
            group.number = self._groups
        return group

    def _next_commands(
        self, transaction: Transaction, group: Group, is_pipelined: bool
    ) -> list[tuple[Command, Tag]]:
        """Give a transaction's next commands: all up to DATA, or one in lock-step."""
        commands: list[tuple[Command, Tag]] = []
        message = transaction.message
        if not transaction.issued:
            is_behind = self._client.outstanding
            needs_rset = is_behind and _NEEDS_RSET in self._client.extensions.keywords
            if needs_rset or self._client.state_ahead in _OPEN:
                commands.append((_RSET, group.lone_tag))
                if not is_pipelined:
                    return commands
            try:
                client = self._client
                is_secure = client.is_secure and client.is_proven
                parameters = mail_parameters(
                    message, client.extensions, is_secure=is_secure
                )
            except LocalProtocolError as exc:
                transaction.error = exc
                return commands
            commands.append(
                (Mail(message.reverse_path, parameters), (group, transaction, -1))
            )
            self._issued(transaction)
        while not transaction.is_envelope_issued and (is_pipelined or not commands):
            index = transaction.issued - 1
            recipient = message.recipients[index]
            parameters = rcpt_parameters(message, recipient, self._client.extensions)
            commands.append((Rcpt(recipient, parameters), (group, transaction, index)))
            self._issued(transaction)
        waits = transaction.outstanding and (self._holds_data or not is_pipelined)
        if transaction.is_envelope_issued and not transaction.is_data_issued and not waits:
            commands.append((_DATA, (group, transaction, -1)))
            transaction.is_data_issued = True
            transaction.outstanding += 1
        return commands

    @staticmethod
    def _issued(transaction: Transaction) -> None:
        transaction.issued += 1
        transaction.outstanding += 1

    def _mail_data_step(self, transaction: Transaction, group: Group) -> bytes:
        # All refused, yet 354: the lone dot alone, so that nobody gets an empty message and
        # the refusals stay what decided.
        data = transaction.message.data if transaction.accepted else b""
        octets = self._client.end_mail_data(data, (group, transaction, -1))
        transaction.is_end_issued = True
        transaction.outstanding += 1
        self._holds_data = not transaction.accepted
        group.mail_data = transaction
        group.data_octets = len(octets)
        return octets

    def receive(self, exchange: Exchange) -> None:
        """Take a command's reply, and move the verdicts it completes to `results`.

        Raises
        ------
        RemoteProtocolError
            RSET was refused, which leaves no way to begin the next transaction; a server
            must answer it with 250 (RFC 5321 section 4.1.1.5).
        """
        command, (group, transaction, index), reply, _, _, rcpt, is_last = exchange
        if transaction is not None and command is not None:
            if rcpt is not None:  # a recipient's own, at the end of the mail data
                index = rcpt[2]
            transaction.receive(command.verb, index, reply, is_last)
            if not transaction.outstanding:
                self._settle()
            return
        if is_last:
            group.reply = reply
        if command is _RSET and reply.code >= 400 and not exchange.is_closing:
            raise RemoteProtocolError(f"RSET refused: {reply}")

    def _settle(self) -> None:
        while self._open and self._open[0].is_decided:
            decided = self._open.popleft()
            if decided.error is None:
                self._holds_data = not decided.accepted
            self.results.append(decided.result())

    def abandon(self, error: Exception, closing_reply: Reply | None = None) -> None:
        """Give the verdict on every open message: no more replies will come.

        A message of which nothing was issued gets none: it was not tried.
        """
        while self._open:
            transaction = self._open.popleft()
            if transaction.issued:
                self.results.append(transaction.result(error, closing_reply))
