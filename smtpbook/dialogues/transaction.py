"""Transaction: what a dialogue tells of one message, and what became of its recipients.

The verdict follows the rule of our own sending (`transfer.transaction`): the first refusal
decides, or the first reply that never came, or the last one.  Here the message itself is
not known, and a dialogue may begin or end anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from smtpbook.protocol.replies import Reply

_OUTCOMES: Final = {2: "accepted", 4: "deferred", 5: "rejected"}


class Recipient:
    """One RCPT of a transaction, with the replies it got."""

    __slots__ = ("address", "domain", "own", "reply")

    def __init__(self, address: str | None, domain: str | None) -> None:
        self.address = address
        self.domain = domain
        self.reply: Reply | None = None
        self.own: Reply | None = None  # at the end of the mail data: LMTP, PRDR


class Verdict(NamedTuple):
    """What became of one recipient: the outcome, and the reply and command that decided."""

    recipient: Recipient
    outcome: str
    verb: str
    reply: Reply | None


class Transaction:
    """One transaction.

    Parameters
    ----------
    id : str
    reverse_path : str or None
        None = there was no MAIL: the dialogue begins later.

    Attributes
    ----------
    message_id : str or None
        As the header of its mail data says, where that is shown.
    mail, data, end : Reply or None
        Of MAIL; of DATA or a refused chunk; of the end of the mail data.
    is_chunked, is_end_said : bool
        Whether BDAT gave the mail data, and whether its end was said.
    has_final_reply : bool
        One for the message as a whole follows those of the recipients (PRDR).
    is_told : bool
        Whether its outcomes stand in rows.
    """

    __slots__ = (
        "data",
        "end",
        "has_final_reply",
        "id",
        "is_chunked",
        "is_end_said",
        "is_told",
        "mail",
        "message_id",
        "recipients",
        "reverse_path",
    )

    def __init__(self, id: str, reverse_path: str | None) -> None:
        self.id = id
        self.reverse_path = reverse_path
        self.message_id: str | None = None
        self.recipients: list[Recipient] = []
        self.mail: Reply | None = None
        self.data: Reply | None = None
        self.end: Reply | None = None
        self.is_chunked = self.is_end_said = False
        self.has_final_reply = self.is_told = False

    def verdicts(self, closing: Reply | None, *, is_unseen: bool) -> Iterator[Verdict]:
        """Say what became of each recipient.

        Parameters
        ----------
        closing : Reply or None
            The 421 that ended the session: it decides for whom no other reply did, unless
            the mail data was complete.
        is_unseen : bool
            The dialogue goes on where nobody recorded it: who is undecided is in doubt.
        """
        for one in self.recipients:
            verb, reply = self._decider(one)
            outcome = _OUTCOMES.get(reply.code // 100) if reply else None
            if outcome is None:
                reply = None
                if self.is_end_said or is_unseen:
                    outcome = "in_doubt"
                elif closing is not None:
                    outcome, reply = "deferred", closing
                else:
                    outcome = "failed"
            yield Verdict(one, outcome, verb, reply)

    def _decider(self, one: Recipient) -> tuple[str, Reply | None]:
        if self.reverse_path is not None and _is_no(self.mail):
            return "MAIL", self.mail
        if _is_no(one.reply):
            return "RCPT", one.reply
        if self.data is not None and self.data.code >= 400:
            return "BDAT" if self.is_chunked else "DATA", self.data
        if self.data is None and not (self.is_end_said or self.is_chunked):
            return "DATA", None
        end = "BDAT" if self.is_chunked else "END-OF-DATA"
        own = one.own
        # Of a message with a reply as a whole, who was told yes has been told so by that.
        if own is not None and (own.code >= 400 or not self.has_final_reply):
            return end, own
        return end, self.end


def _is_no(reply: Reply | None) -> bool:
    return reply is None or reply.code >= 400
