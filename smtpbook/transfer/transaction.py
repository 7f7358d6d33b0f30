"""Transaction: what becomes of one message and each of its recipients.

It holds the replies that concern one message and gives the verdict: one outcome per
recipient, with the reply that decided.  When to write what is decided in `pipeline`; what
the wire does, in `session`.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from smtpbook.errors import (
    DeferredError,
    LocalProtocolError,
    RejectedError,
    RemoteProtocolError,
    TransportError,
)
from smtpbook.protocol.addresses import Mailbox
from smtpbook.protocol.extensions import Extensions
from smtpbook.protocol.message import Message
from smtpbook.protocol.parameters import Parameters
from smtpbook.protocol.replies import Reply

Outcome = Literal["accepted", "deferred", "rejected", "failed", "in_doubt"]
# A NamedTuple's own constructor calls this, and takes twice as long.
_new: Final = tuple.__new__

# How servers name the message in their 250; each form from its own source code or manual:
# Postfix "queued as X", Exim "OK id=X", Sendmail "X Message accepted for delivery",
# OpenSMTPD "X Message accepted for delivery", Exchange "[InternalId=N, …] Queued mail",
# Gmail "OK <time> X - gsmtp", Amazon SES "Ok X", Dovecot's LMTP "<recipient> X:R2 Saved",
# where R2 is the second recipient.
# Before each stands what a text that it finds holds in any case, in lower case: to look for
# that takes less time than the pattern.  It is looked for in as much as a line may have
# (RFC 5321 section 4.5.3.1.5): some take the square of the time for a longer one.
_LAST_CHARS: Final = 512
# Of a reply to RCPT; a message may have hundreds, and each reply have 64 KB.
_KEPT_CHARS: Final = 4096
_QUEUE_IDS: Final = (
    ("queued as ", re.compile(r"queued as (\S+)", re.I)),
    ("id=", re.compile(r"\bid=(\S+)")),
    (" message accepted for", re.compile(r"(\S+) Message accepted for delivery", re.I)),
    ("internalid=", re.compile(r"\bInternalId=(\d+)")),
    ("gsmtp", re.compile(r"OK\s+\d+ (\S+) - gsmtp", re.I)),
    ("ok ", re.compile(r"(?:^|\s)Ok ([0-9a-f]{16}-\S+)", re.I)),
    ("saved", re.compile(r"<\S+> (\S+?)(?::R\d+)? Saved$")),
)


# These two are made for every message; a frozen dataclass takes twice as long to make.
class RecipientResult(NamedTuple):
    """What became of one recipient.

    Attributes
    ----------
    recipient : str
        The address as it was given in RCPT.
    outcome : str
        ``accepted`` (responsibility taken, not delivered), ``deferred`` (4yz),
        ``rejected`` (5yz), ``failed`` (no reply, the mail data was not complete) or
        ``in_doubt`` (lost after the last octet of the mail data).  No reply counts where
        one behind it fitted no command.
    reply : Reply or None
        The reply that decided; None where no reply did.  Of a recipient's own, as much as
        4,096 characters.
    verb : str
        The command it answered, or the one whose reply never came.
    """

    recipient: str
    outcome: Outcome
    reply: Reply | None
    verb: str


class Result(NamedTuple):
    """What became of one message.

    Attributes
    ----------
    message : Message
    outcome : str
        ``accepted`` if any recipient was; else the most open of the recipients' outcomes:
        ``in_doubt``, ``deferred``, ``failed``, ``rejected``, in this order.
    recipients : tuple of RecipientResult
        One per recipient, in the message's order.
    reply : Reply or None
        The deciding reply of the message as a whole.
    queue_id : str or None
        What the server called the message, when its 250 can be read.
    error : Exception or None
        Why there was no reply, for ``failed`` and ``in_doubt``.
    id : str
        The transaction's, as in the event log.

    References
    ----------
    RFC 5321 sections 3.3, 4.2.1, 6.1; RFC 1047 (the lost reply).
    """

    message: Message
    outcome: Outcome
    recipients: tuple[RecipientResult, ...]
    reply: Reply | None
    queue_id: str | None
    error: Exception | None
    id: str

    def raise_for_outcome(self) -> Result:
        """Raise what kept the message from being accepted by every recipient's server.

        Returns
        -------
        Result
            Itself, when every recipient was accepted.

        Raises
        ------
        DeferredError, RejectedError
            A recipient (or the message) was refused; ``.reply`` tells why.
        TransportError, RemoteProtocolError, LocalProtocolError
            There was no reply.
        """
        for one in self.recipients:
            if one.outcome == "accepted":
                continue
            if one.reply is None or one.outcome == "in_doubt":
                raise self.error or TransportError("no reply came")
            kind = DeferredError if one.outcome == "deferred" else RejectedError
            raise kind(one.reply, one.verb)
        return self


class Transaction:
    """The replies to one message's commands, and the verdict they come to.

    Attributes
    ----------
    message : Message
    id : str
    issued : int
        How many of the envelope's commands (MAIL, then a RCPT each) have been issued.
    is_data_issued, is_end_issued : bool
        Whether DATA, and the mail data with its end, have been issued.
    is_chunked : bool
        Whether BDAT announces the mail data, not DATA.
    is_end_written : bool
        Whether the last octet of the mail data may have left: from then on, silence means
        in doubt.
    awaits_mail_data : bool
        Whether the server is ready for the mail data, which has not been issued: DATA's 354
        has come, or before BDAT, which has none, the replies to every RCPT.
    outstanding : int
        Commands of this transaction whose reply has not come.
    queue_id : str or None
        What the server called the message when it took it.
    accepted : int
        Recipients accepted by RCPT.
    own_replies : dict of int to Reply
        What each recipient was told at the end of the mail data, by its place, where each
        gets a reply of its own (LMTP, PRDR).
    has_final_reply : bool
        One for the message as a whole follows them (PRDR).
    error : Exception or None
        Why it cannot be sent at this server; nothing of it has been written then.
    """

    __slots__ = (
        "accepted",
        "awaits_mail_data",
        "data_reply",
        "end_reply",
        "error",
        "has_final_reply",
        "id",
        "is_chunked",
        "is_data_issued",
        "is_end_issued",
        "is_end_written",
        "issued",
        "mail_reply",
        "message",
        "outstanding",
        "own_replies",
        "queue_id",
        "rcpt_replies",
    )

    def __init__(
        self, message: Message, transaction_id: str, *, is_chunked: bool = False
    ) -> None:
        self.message = message
        self.id = transaction_id
        self.is_chunked = is_chunked
        self.issued = 0
        self.is_data_issued = False
        self.is_end_issued = False
        self.is_end_written = False
        self.awaits_mail_data = False
        self.outstanding = 0
        self.mail_reply: Reply | None = None
        self.rcpt_replies: list[Reply | None] = [None] * len(message.recipients)
        self.data_reply: Reply | None = None
        self.end_reply: Reply | None = None
        self.own_replies: dict[int, Reply] = {}
        self.has_final_reply = False
        self.queue_id: str | None = None
        self.accepted = 0
        self.error: Exception | None = None

    @property
    def is_envelope_issued(self) -> bool:
        """Whether MAIL and every RCPT have been issued."""
        return self.issued > len(self.rcpt_replies)

    @property
    def is_past_writing(self) -> bool:
        """Whether nothing more is to be issued: its end was, or it cannot be sent here."""
        return self.is_end_issued or self.error is not None

    def issued_whole(self) -> None:
        """Note that everything is issued: MAIL, each RCPT, BDAT with the mail data."""
        self.issued = 1 + len(self.rcpt_replies)
        self.outstanding = self.issued + 1
        self.is_end_issued = True

    def receive(self, verb: str, index: int, reply: Reply, is_last: bool = True) -> None:
        """Take a reply to one of its commands.

        Parameters
        ----------
        verb : str
        index : int
            Place of the recipient it is for, else -1.
        reply : Reply
        is_last : bool
            False while more replies to the same command follow.
        """
        if is_last:
            self.outstanding -= 1
        if verb == "RCPT":
            self.rcpt_replies[index] = _shortened(reply)
            mail = self.mail_reply
            if reply.code < 300 and mail is not None and mail.code < 300:
                self.accepted += 1
            if self.is_chunked and not self.is_end_issued and not self.outstanding:
                self.awaits_mail_data = self.is_envelope_issued and self.accepted > 0
        elif verb == "MAIL":
            self.mail_reply = reply
        elif verb == "DATA":
            self.data_reply = reply
            self.awaits_mail_data = reply.code // 100 == 3
        elif index < 0 and reply.code // 100 != 3:
            self.end_reply = reply
            if reply.code < 300:
                self.queue_id = queue_id(reply)
        else:
            self._receive_own(index, reply)

    def _receive_own(self, index: int, reply: Reply) -> None:
        """Take a recipient's own reply to the end of the mail data, or what opens them."""
        if index < 0:  # PRDR's 353
            self.has_final_reply = True
            return
        self.own_replies[index] = _shortened(reply)
        if reply.code < 300 and self.queue_id is None:
            self.queue_id = queue_id(reply)

    @property
    def is_decided(self) -> bool:
        """Whether every reply it will get has come."""
        if self.error is not None:
            return True
        if self.outstanding or self.awaits_mail_data:
            return False
        if self.is_end_issued or self.data_reply is not None:
            return True
        mail = self.mail_reply
        if mail is not None and mail.code >= 400:
            return True
        # All recipients refused, and DATA held back until that was known.
        return self.is_envelope_issued and not self.accepted and not self.is_data_issued

    def result(
        self, error: Exception | None = None, closing_reply: Reply | None = None
    ) -> Result:
        """Give the verdict on what is known.

        Parameters
        ----------
        error : Exception, optional
            Why no more replies will come; default: `error`.
        closing_reply : Reply, optional
            The 421 with which the server ended the session; it decides for the recipients
            that had no reply of their own, unless the mail data was already complete.
        """
        count = len(self.rcpt_replies)
        # Where a reply fits no command, those before it may be of others than we thought.
        is_void = isinstance(error, RemoteProtocolError)
        recipients = tuple(
            [self._recipient_result(i, closing_reply, is_void) for i in range(count)]
        )
        deciding = recipients[0] if count == 1 else min(recipients, key=_precedence)
        outcome = deciding.outcome
        queue_id = self.queue_id if outcome == "accepted" else None
        error = (error or self.error) if outcome in ("failed", "in_doubt") else None
        told = self.message, outcome, recipients, deciding.reply, queue_id, error, self.id
        return _new(Result, told)

    def _recipient_result(
        self, index: int, closing_reply: Reply | None, is_void: bool
    ) -> RecipientResult:
        verb, decider = self._decider(index)
        outcome: Outcome
        if is_void:
            decider = None
        if decider is not None:
            outcome = _OUTCOMES[decider.code // 100]
        elif self.is_end_written:
            outcome = "in_doubt"
        elif closing_reply is not None:
            outcome, decider = "deferred", closing_reply
        else:
            outcome = "failed"
        recipient = str(self.message.recipients[index])
        return _new(RecipientResult, (recipient, outcome, decider, verb))

    def _decider(self, index: int) -> tuple[str, Reply | None]:
        """Give the first refusal, or the first reply that never came, or the last one."""
        mail, rcpt, data = self.mail_reply, self.rcpt_replies[index], self.data_reply
        if mail is None or mail.code >= 400:
            return "MAIL", mail
        if rcpt is None or rcpt.code >= 400:
            return "RCPT", rcpt
        if not self.is_chunked and (data is None or data.code >= 400):
            return "DATA", data
        end = "BDAT" if self.is_chunked else "END-OF-DATA"
        own = self.own_replies.get(index)
        # Of a message with a reply as a whole, who was told yes has been told so by that.
        if own is not None and (own.code >= 400 or not self.has_final_reply):
            return end, own
        return end, self.end_reply


def _shortened(reply: Reply) -> Reply:
    """Give a reply as it is kept for a recipient; the event log has it whole."""
    if len(reply.text) <= _KEPT_CHARS:
        return reply
    return Reply.of(reply.code, reply.text[:_KEPT_CHARS])


_OUTCOMES: Final[dict[int, Outcome]] = {2: "accepted", 4: "deferred", 5: "rejected"}
_PRECEDENCE: Final[dict[Outcome, int]] = {
    "accepted": 0,
    "in_doubt": 1,
    "deferred": 2,
    "failed": 3,
    "rejected": 4,
}


def _precedence(result: RecipientResult) -> int:
    return _PRECEDENCE[result.outcome]


def mail_parameters(
    message: Message,
    extensions: Extensions,
    *,
    is_secure: bool = False,
    is_chunked: bool = False,
) -> Parameters:
    """Give the parameters MAIL needs for this message at this server, and no others.

    Parameters
    ----------
    message : Message
    extensions : Extensions
    is_secure : bool
        The session is under TLS, with a server that has proved who it is.
    is_chunked : bool
        The mail data is sent by BDAT.

    Raises
    ------
    LocalProtocolError
        The message is larger than the server takes, has more recipients, or needs an
        extension it lacks.

    References
    ----------
    RFC 1870 section 6 (SIZE), RFC 6152 section 2 (BODY), RFC 6531 section 3.4 (SMTPUTF8),
    RFC 9422 section 4 (LIMITS); `DeliveryOptions` for what a message asks for.
    """
    parameters: list[tuple[str, str | None]] = []
    if extensions.has_size:
        size = len(message.data)
        limit = extensions.max_size_bytes
        if limit is not None and size > limit:
            raise LocalProtocolError(
                f"the message has {size:,} octets, the server takes at most {limit:,}"
            )
        parameters.append(("SIZE", str(size)))
    if extensions.max_recipients or extensions.max_domains:
        _check_recipients(message, extensions)
    if message.needs_smtputf8:
        if not extensions.has_smtputf8:
            raise LocalProtocolError(
                "an address or header is not ASCII; the server does not offer SMTPUTF8"
            )
        parameters.append(("SMTPUTF8", None))
    options = message.options
    if message.is_8bit and not (options is not None and options.is_binary):
        if not extensions.has_8bitmime:
            raise LocalProtocolError(
                "the message holds 8-bit octets, the server lacks 8BITMIME; encode "
                "its parts as quoted-printable or base64"
            )
        parameters.append(("BODY", "8BITMIME"))
    if options is not None:
        parameters += options.for_mail(
            extensions,
            recipients=len(message.recipients),
            is_secure=is_secure,
            is_chunked=is_chunked,
        )
    return tuple(parameters)


def _check_recipients(message: Message, extensions: Extensions) -> None:
    """Refuse more recipients, or domains of theirs, than the server announces to take."""
    counts = (
        ("recipients", len(message.recipients), extensions.max_recipients),
        ("domains", len({m.domain for m in message.recipients}), extensions.max_domains),
    )
    for name, count, limit in counts:
        if limit is not None and count > limit:
            raise LocalProtocolError(
                f"the message has {count:,} {name}, the server takes at most {limit:,} in "
                "one; make several messages of it"
            )


def rcpt_parameters(
    message: Message, recipient: Mailbox, extensions: Extensions
) -> Parameters:
    """Give the parameters a recipient's RCPT needs at this server, and no others."""
    options = message.options
    return () if options is None else options.for_rcpt(recipient, extensions)


def queue_id(reply: Reply) -> str | None:
    """Read what the server called the message, if its 250 says so in a known way.

    >>> queue_id(Reply.parse("250 2.0.0 Ok: queued as 4Xb1"))
    '4Xb1'
    """
    text = reply.text[-_LAST_CHARS:]
    lowered = text.lower()
    for mark, pattern in _QUEUE_IDS:
        if mark in lowered and (found := pattern.search(text)):
            return found[1].strip("<>;,.")
    return None
