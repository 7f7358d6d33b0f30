"""Entry: one recipient as the ledger tells of it, and the words that choose among many.

A recipient is its normalised address; the position in the list only gives the order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from smtpbook.errors import LocalProtocolError
from smtpbook.protocol.addresses import Mailbox

AGAIN: Final = ("deferred", "rejected", "failed", "in_doubt")
"""The outcomes after which somebody may be written to again."""

LATER: Final = ("bounced", "complaint", "delivered")
"""The outcomes that later mail tells, of messages that were taken."""

TAKEN: Final = ("accepted", "in_doubt", *LATER)
"""The outcomes that a later suppression cannot undo."""


class Later(NamedTuple):
    """What later mail says of a recipient.

    Attributes
    ----------
    address, outcome : str
    reason : str or None
    attempt : int or None
        The one it is about; None = not known, the last one then.
    """

    address: str
    outcome: str
    reason: str | None
    attempt: int | None


@dataclass(slots=True)
class Entry:
    """One recipient of a campaign.

    Attributes
    ----------
    address : str
        As the list spells it.
    key : str
        As `key_of` spells it: what identifies the recipient.
    position : int
        In the frozen list, from 0.
    attempts : int
        Tries so far that came to an outcome.
    outcome, reason : str or None
        The last ones; None = pending.
    message_id : str or None
        The last attempt's; None = never tried.
    due : float or None
        When to try again, in seconds since 1970 UTC; None = whenever asked.
    row : mapping
        The merge fields.
    place : int
        Its place in the queue of the send that is under way.
    """

    address: str
    key: str
    position: int
    attempts: int = 0
    outcome: str | None = None
    reason: str | None = None
    message_id: str | None = None
    due: float | None = None
    row: Mapping[str, Any] = field(default_factory=dict, repr=False)
    place: int = field(default=0, compare=False, repr=False)

    @property
    def again_id(self) -> str | None:
        """The Message-ID to send with again; None = a new one.

        Who may have got a message already gets the same one, so that servers and mail
        programs can tell.
        """
        return self.message_id if self.outcome == "in_doubt" else None

    def bring_up(self, outcome: str, reason: str | None, due: float | None) -> None:
        """Bring it up to date after another try."""
        self.attempts += 1
        self.outcome, self.reason, self.due = outcome, reason, due


class Standing(NamedTuple):
    """Where one recipient stands: a row of `Ledger.outcomes`.

    Attributes
    ----------
    address : str
    outcome : str
        ``pending`` = never tried.
    reason, verb, reply_text, message_id, session_id : str or None
        Of the last attempt that came to an outcome; None = unknown or none.
    attempts : int
    reply_code : int or None
    time : float or None
        Of the outcome, in seconds since 1970 UTC.
    is_settled : bool
        Somebody said by `Ledger.settle` what became of it.
    is_again : bool
        The last attempt sent a message that may have arrived before.
    """

    address: str
    outcome: str
    reason: str | None
    attempts: int
    verb: str | None
    reply_code: int | None
    reply_text: str | None
    message_id: str | None
    session_id: str | None
    time: float | None
    is_settled: bool
    is_again: bool


def key_of(address: str) -> str:
    """Give what two spellings of an address have in common; lists are compared so too.

    >>> key_of(" Ann@X.example ")
    'ann@x.example'
    """
    try:
        return Mailbox.parse(address.strip()).key
    except LocalProtocolError:  # nobody is written to there in any case
        return address.strip().lower()


def checked_addresses(addresses: Iterable[str]) -> Iterable[str]:
    """Give addresses to suppress, one by one.

    Raises
    ------
    ValueError
        What is no address would protect nobody.
    """
    for address in [addresses] if isinstance(addresses, str) else addresses:
        if not isinstance(address, str) or "@" not in address:
            raise ValueError(f"suppress: {address!a} is not an address")
        yield address
