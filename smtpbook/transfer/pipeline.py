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

With BDAT instead of DATA (``chunking``) the mail data waits for the replies to RCPT, and
so does not go to a server that refused them all.  With ``"stream"`` whole messages are
written ahead (`window`), where the current EHLO offers CHUNKING besides; elsewhere it is
``"auto"``.

Nothing here does I/O; the caller writes the groups and passes the exchanges back.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

from smtpbook.errors import LocalProtocolError, RemoteProtocolError
from smtpbook.protocol.commands import Bdat, Command, Data
from smtpbook.protocol.connection import CLOSING, Client, Exchange
from smtpbook.protocol.mail_data import END
from smtpbook.protocol.message import Message
from smtpbook.protocol.replies import Reply
from smtpbook.protocol.states import State
from smtpbook.transfer.group import RESET, Group, Tag, mail, rcpt
from smtpbook.transfer.transaction import Result, Transaction
from smtpbook.transfer.window import WINDOW, write_ahead

Pipelining = Literal["off", "auto", "stream"]
MODES: Final = ("off", "auto", "stream")

_DATA: Final = Data()
# Offered by Dovecot's submission service.  It dies of a RCPT that waits behind the end of
# another message ("assertion failed: (conn->state.pending_rcpt_cmds == 0)", 2.3.19), which
# leaves that message in doubt, but not where a RSET comes between.
_NEEDS_RSET: Final = "BURL"
_OPEN: Final = frozenset({State.MAIL, State.RCPT, State.CHUNKS})


class Pipeline:
    """Decides what is written next for a stream of messages on one connection.

    Parameters
    ----------
    client : Client
        Every command of a transaction is issued through here.
    mode : {"off", "auto", "stream"}
        Until `begin` says otherwise.

    Attributes
    ----------
    writes_ahead : bool
        Whether whole messages are written before the replies to those before them.
    results : deque of Result
        The verdicts reached, in the order of `add`; whoever takes one takes it out.
    """

    def __init__(self, client: Client, mode: Pipelining = "auto") -> None:
        self._client = client
        self._open: deque[Transaction] = deque()
        self.results: deque[Result] = deque()
        self._holds_data = False  # the last message's recipients were all refused
        self._groups = 0
        self.begin(mode)

    def begin(
        self, mode: Pipelining, *, chunking: bool | None = None, window: int = WINDOW
    ) -> None:
        """Say how the next messages are written; only while none is open.

        Parameters
        ----------
        mode : {"off", "auto", "stream"}
        chunking : bool, optional
            Whether BDAT takes the place of DATA.  Default: where it lets whole messages be
            written ahead.
        window : int
            How many messages may be open then.

        Raises
        ------
        LocalProtocolError
            `chunking` is True, and the current EHLO does not offer it.
        """
        offered = self._client.extensions
        if chunking and not offered.has_chunking:
            raise LocalProtocolError(
                "chunking=True, but the server does not offer CHUNKING; leave it out, and "
                "BDAT is used where it is offered"
            )
        self._is_lock_step = mode == "off"
        can_stream = offered.has_chunking and offered.has_pipelining
        self.writes_ahead = mode == "stream" and can_stream and chunking is not False
        self._is_chunked = chunking is True or self.writes_ahead
        self._room = window if self.writes_ahead else 2

    @property
    def has_room(self) -> bool:
        """Whether another message may be added.

        The current one and the next are enough, but where whole messages are written ahead.
        """
        return len(self._open) < self._room

    @property
    def is_idle(self) -> bool:
        """Whether no message is open."""
        return not self._open

    def add(self, message: Message, transaction_id: str) -> None:
        """Line up a message."""
        transaction = Transaction(message, transaction_id, is_chunked=self._is_chunked)
        self._open.append(transaction)

    def next_group(self) -> Group | None:
        """Give what may be written now, or None: replies must come first."""
        group = Group()
        if self.writes_ahead:
            write_ahead(self._client, self._open, group)
        else:
            self._write_next(group)
        if self._open and self._open[0].error is not None:
            self._settle()
        if not group.commands:
            return None
        if group.commands > 1:
            self._groups += 1
            group.number = self._groups
        group.close()
        return group

    def _write_next(self, group: Group) -> None:
        """Put into a group what may be written of the current message and the next."""
        client = self._client
        is_pipelined = not self._is_lock_step and client.extensions.has_pipelining
        if client.outstanding and not is_pipelined:
            return
        for transaction in self._open:
            if transaction.is_past_writing:
                continue
            if transaction.awaits_mail_data:
                self._write_mail_data(transaction, group)
                if is_pipelined:
                    continue
                return
            commands = self._next_commands(transaction, group, is_pipelined)
            if commands:
                group.add(client.issue_group(commands), len(commands))
            if transaction.error is None:
                return

    def _next_commands(
        self, transaction: Transaction, group: Group, is_pipelined: bool
    ) -> list[tuple[Command, Tag]]:
        """Give a transaction's next commands: all up to DATA, or one in lock-step."""
        commands: list[tuple[Command, Tag]] = []
        if not transaction.issued:
            if self._needs_rset(transaction):
                commands.append((RESET, group.lone_tag))
                if not is_pipelined:
                    return commands
            try:
                commands.append(mail(self._client, transaction, group))
            except LocalProtocolError as exc:
                transaction.error = exc
                return commands
            transaction.issued = transaction.outstanding = 1
        begun, recipients = transaction.issued - 1, len(transaction.rcpt_replies)
        stop = recipients if is_pipelined else min(recipients, begun + (not commands))
        envelope = range(begun, stop)
        commands += [rcpt(self._client, transaction, group, index) for index in envelope]
        transaction.issued = stop + 1
        transaction.outstanding += stop - begun
        waits = transaction.outstanding and (self._holds_data or not is_pipelined)
        is_due = stop == recipients and not transaction.is_data_issued
        if is_due and not waits and not transaction.is_chunked:
            commands.append((_DATA, (group, transaction, -1)))
            transaction.is_data_issued = True
            transaction.outstanding += 1
        return commands

    def _needs_rset(self, transaction: Transaction) -> bool:
        """Whether RSET comes first: one stays open, or the server stumbles without it."""
        client = self._client
        if client.state_ahead in _OPEN:
            return True
        # Behind a BDAT that is not answered, Exim hangs up on a MAIL without RSET.
        is_touchy = transaction.is_chunked or _NEEDS_RSET in client.extensions.keywords
        return is_touchy and client.outstanding > 0

    def _write_mail_data(self, transaction: Transaction, group: Group) -> None:
        tag = group, transaction, -1
        # All refused, yet 354: the lone dot alone, so that nobody gets an empty message and
        # the refusals stay what decided.
        data = transaction.message.data if transaction.accepted else b""
        if transaction.is_chunked:
            group.add(self._client.issue(Bdat(len(data), is_last=True), tag), 1)
            group.add_mail_data(transaction, data, len(data))
        else:
            octets = self._client.end_mail_data(data, tag)
            group.add_mail_data(transaction, octets, len(octets) - len(END))
        transaction.is_end_issued, transaction.awaits_mail_data = True, False
        transaction.outstanding += 1
        self._holds_data = not transaction.accepted

    def receive(self, exchange: Exchange) -> None:
        """Take a command's reply, and move the verdicts it completes to `results`.

        Raises
        ------
        RemoteProtocolError
            RSET was refused, which leaves no way to begin the next transaction; a server
            must answer it with 250 (RFC 5321 section 4.1.1.5).
        """
        tag: Tag = exchange.tag
        group, transaction, index = tag
        command, _, reply, _, _, rcpt_tag, is_last = exchange
        if transaction is not None and command is not None:
            if rcpt_tag is not None:  # a recipient's own, at the end of the mail data
                index = rcpt_tag[2]
            transaction.receive(command.verb, index, reply, is_last)
            if not transaction.outstanding and not transaction.awaits_mail_data:
                self._settle()
            return
        if is_last:
            group.reply = reply
        if command is RESET and reply.code >= 400 and reply.code != CLOSING:
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
