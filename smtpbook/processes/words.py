"""Words: what the process that began a send and those that send for it tell each other.

Recipients are named by their positions in the list.  Who says what stands with each.
"""

from __future__ import annotations

import json
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeAlias

from smtpbook.accounts.secret import Secret
from smtpbook.ledger.entries import Entry
from smtpbook.protocol.replies import Reply
from smtpbook.transfer.transaction import Outcome, RecipientResult

_CELLS: Final = attrgetter(*(one.name for one in fields(Entry)))


class Dealt(NamedTuple):
    """To a sender: write to these, too; cells, as objects take longer."""

    cells: list[tuple[Any, ...]]

    @classmethod
    def of(cls, entries: list[Entry]) -> Dealt:
        """Make it of entries."""
        return cls([_CELLS(entry) for entry in entries])

    @property
    def entries(self) -> list[Entry]:
        """Those whom it names."""
        return [Entry(*cells) for cells in self.cells]


class Durable(NamedTuple):
    """To a sender: so many of its next intents are written; or why none is any more."""

    intents: int
    error: str | None = None


class Asked(NamedTuple):
    """To a sender: pause, go on, stop, or end when nobody is left.

    And how many send, and with how many connections this one does.
    """

    what: str
    company: int
    connections: int


class Given(NamedTuple):
    """To a sender: the secret it has asked for, if there is one; it is in no pickle."""

    request: int
    secret: Secret | None

    @classmethod
    def of(cls, told: Secret) -> Given:
        """Make it of what was told."""
        request, text = json.loads(told.reveal())
        return cls(request, None if text is None else Secret(text))

    @property
    def told(self) -> Secret:
        """How it is told."""
        text = None if self.secret is None else self.secret.reveal()
        return Secret(json.dumps([self.request, text]))


class Refused(NamedTuple):
    """To a sender: why it does not get the secret it has asked for."""

    request: int
    error: Exception


class Wanted(NamedTuple):
    """From a sender: a secret is needed."""

    request: int
    number: int


class Intended(NamedTuple):
    """From a sender: this message is about to be sent to these."""

    positions: list[int]
    message_id: str


class Withdrawn(NamedTuple):
    """From a sender: the mail data of these never began."""

    positions: list[int]


class Noted(NamedTuple):
    """From a sender: what became of a recipient, who is due again then."""

    position: int
    outcome: Outcome
    verb: str
    reply: tuple[int, tuple[str, ...]] | None
    session_id: str | None
    due: float | None

    @classmethod
    def of(
        cls,
        position: int,
        result: RecipientResult,
        session_id: str | None = None,
        due: float | None = None,
    ) -> Noted:
        """Make it of what a session says."""
        said = result.reply
        reply = None if said is None else (said.code, said.lines)
        return cls(position, result.outcome, result.verb, reply, session_id, due)

    def result(self, recipient: str) -> RecipientResult:
        """Give what the session said of a recipient."""
        said = self.reply
        reply = None if said is None else Reply(code=said[0], lines=said[1])
        return RecipientResult(
            recipient=recipient, outcome=self.outcome, reply=reply, verb=self.verb
        )


class Warned(NamedTuple):
    """From a sender: a warning."""

    message: Warning


class Ended(NamedTuple):
    """From a sender, at last: it sends no more, and why if it should have."""

    error: Exception | None


Word: TypeAlias = (
    "Dealt | Durable | Asked | Given | Refused | Wanted | Intended | Withdrawn | Noted "
    "| Warned | Ended"
)
"""What is told."""
