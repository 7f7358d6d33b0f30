"""Outbox: recipients made into messages, and what became of them into the books.

A message on its way stands in the tray of the session that has taken it, until there is a
verdict, or it is given back.  When to take whom is `delivery`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from smtpbook.accounts.account import Account
from smtpbook.delivery.arms import labels_of
from smtpbook.delivery.clock import Clock
from smtpbook.delivery.queue import QueueOf
from smtpbook.delivery.recording import Recording
from smtpbook.delivery.routes import Waiting
from smtpbook.delivery.settings import Show, Together
from smtpbook.delivery.verdicts import Verdicts
from smtpbook.errors import LedgerError, ReplyError, TemplateError
from smtpbook.events import Event, Row
from smtpbook.ledger.books import Books
from smtpbook.ledger.entries import Entry
from smtpbook.ledger.writer import Promise
from smtpbook.protocol.addresses import domain_of
from smtpbook.protocol.extensions import Extensions
from smtpbook.protocol.message import Message
from smtpbook.protocol.replies import Reply
from smtpbook.transfer.transaction import Outcome, RecipientResult, Result


class Letter(Protocol):
    """What messages are made of: a `Template`, or what stands in for it."""

    def render(self, row: Mapping[str, Any], *, message_id: str | None) -> Message:
        """Make one recipient's message, as `Template.render`."""

    def render_together(
        self, addresses: Iterable[str], *, show: Show, message_id: str | None
    ) -> Message:
        """Make one message for several, as `Template.render_together`."""


class _Claim(NamedTuple):
    """A message that a session has taken, and whom it is for."""

    message: Message
    group: list[Entry]
    is_durable: Promise | None


Tray = dict[int, _Claim]
"""What a session has taken and has no verdict on, by the message's id."""


class Outbox:
    """The messages of one send.

    Parameters
    ----------
    books : Books
    letter : Letter
    queue_of : callable
        Gives the queue of a recipient.
    verdicts : Verdicts
    clock : Clock
    together : Together or None
    is_experiment : bool
        Rows tell of arms and blocks.
    run : Recording
        Takes the rows of those for whom no session was found.
    campaign_id : str
    account : Account
        By which those would have gone.
    on_end : callable
        Told why the send has to end: in words, or what keeps the books from being written.

    Attributes
    ----------
    in_flight : int
        Recipients that were taken and have no verdict.
    """

    def __init__(
        self,
        books: Books,
        letter: Letter,
        queue_of: QueueOf,
        verdicts: Verdicts,
        clock: Clock,
        *,
        together: Together | None,
        is_experiment: bool,
        run: Recording,
        campaign_id: str,
        account: Account,
        on_end: Callable[[str | LedgerError], None],
    ) -> None:
        self.in_flight = 0
        self._books, self._letter, self._queue_of = books, letter, queue_of
        self._verdicts, self._clock, self._together = verdicts, clock, together
        self._run, self._campaign_id, self._account = run, campaign_id, account
        self._on_end, self._is_experiment = on_end, is_experiment

    def take(self, queue: Waiting, now: float) -> Entry | None:
        """Take the next recipient out of a queue; None: the time of none has come."""
        entry = queue.take(now)
        if entry is not None:
            self.in_flight += 1
        return entry

    def put_back(self, entry: Entry) -> None:
        """Put one who was taken back at its place in the queue."""
        self.in_flight -= 1
        self._queue_of(entry).put_back(entry)

    def claim(self, first: Entry, tray: Tray, extensions: Extensions) -> Message | None:
        """Make the message of a recipient and those who share it.

        None: it cannot be made, and they have failed.
        """
        group = self._group(first, extensions)
        try:
            if self._together is None:
                message = self._letter.render(first.row, message_id=first.again_id)
            else:
                addresses = [entry.address for entry in group]
                message = self._letter.render_together(
                    addresses, show=self._together.show, message_id=first.again_id
                )
        except TemplateError as exc:
            for entry in group:
                self.in_flight -= 1
                self.fail(entry, exc)
            return None
        if first.attempts:
            message = replace(message, attempt=first.attempts + 1)
        promise = self._books.intend(group, message.message_id or "")
        tray[id(message)] = _Claim(message, group, promise)
        return message

    def _group(self, first: Entry, extensions: Extensions) -> list[Entry]:
        """Take those who share a message with this one, as many as the server takes."""
        group = [first]
        if self._together is None:
            return group
        size = min(self._together.size, extensions.max_recipients or self._together.size)
        domains = {domain_of(first.address)}
        now, queue = self._clock.now(), self._queue_of(first)

        def fits(entry: Entry) -> bool:
            many = len(domains | {domain_of(entry.address)})
            is_like = (entry.attempts, entry.again_id) == (first.attempts, first.again_id)
            return is_like and many <= (extensions.max_domains or many)

        while len(group) < size and (entry := queue.take_along(now, fits)):
            domains.add(domain_of(entry.address))
            group.append(entry)
            self.in_flight += 1
        return group

    @staticmethod
    async def durable(message: Message, tray: Tray) -> None:
        """Wait until a message's intent is on the disk; only then it may be sent."""
        promise = tray[id(message)].is_durable
        if promise is None:
            return
        if len(tray) == 1:  # its session has nothing else on the wire
            promise.hurry()
        await promise.patiently()

    def begin(self, message: Message, tray: Tray) -> None:
        """Mark that a message's mail data begins."""
        self._books.begin(tray[id(message)].group)

    def note(self, result: Result, tray: Tray) -> bool:
        """Note what became of a message; tell whether anybody comes back for a retry."""
        group = tray.pop(id(result.message)).group
        session_id, comes_back = result.id.rpartition(".")[0], False
        for entry, verdict in zip(group, result.recipients, strict=True):
            self.in_flight -= 1
            self._conclude(entry, verdict, result.error, session_id)
            comes_back = comes_back or entry.due is not None
        for claim in tray.values():  # the session will need them now
            if claim.is_durable is not None:
                claim.is_durable.hurry()
        return comes_back

    def give_back(self, tray: Tray) -> None:
        """Return those without a verdict to their places in the queue."""
        for claim in tray.values():
            try:
                self._books.withdraw(claim.group)
            except LedgerError as exc:
                self._on_end(exc)
            for entry in claim.group:
                self.put_back(entry)
        tray.clear()

    def fail(self, entry: Entry, error: Exception) -> None:
        """Note a recipient for whom nothing reached the server."""
        self._fail_at(entry, error, self._account)

    def turn_away(self, entry: Entry, error: Exception, account: Account | None) -> None:
        """Note one who was taken, and whose servers cannot be found or let nobody in.

        `account` is with the server that the error is about.
        """
        self.in_flight -= 1
        account = account or self._account
        if isinstance(error, ReplyError) and isinstance(error.reply, Reply):
            outcome: Outcome = "rejected" if error.reply.code >= 500 else "deferred"
            verdict = RecipientResult(
                recipient=entry.address, outcome=outcome, reply=error.reply, verb=error.verb
            )
            self._tell(entry, verdict, None, account)
        else:
            self._fail_at(entry, error, account)

    def _fail_at(self, entry: Entry, error: Exception, account: Account) -> None:
        verdict = RecipientResult(
            recipient=entry.address, outcome="failed", reply=None, verb="MAIL"
        )
        self._tell(entry, verdict, error, account)

    def _tell(
        self,
        entry: Entry,
        verdict: RecipientResult,
        error: Exception | None,
        account: Account,
    ) -> None:
        """Note a verdict that no session has, in the books and in the log."""
        self._conclude(entry, verdict, error)
        labels = labels_of(entry.row) if self._is_experiment else (None, None)
        self._run.note(
            outcome_row(
                entry,
                verdict.outcome,
                self._campaign_id,
                account,
                error,
                labels,
                verdict if verdict.reply else None,
            )
        )

    def _conclude(
        self,
        entry: Entry,
        verdict: RecipientResult,
        error: Exception | None,
        session_id: str | None = None,
    ) -> None:
        try:
            why = self._verdicts.conclude(entry, verdict, error, session_id)
        except LedgerError as exc:  # opened again, it has them in doubt
            self._on_end(exc)
            return
        if why is not None:
            self._on_end(why)


def outcome_row(
    entry: Entry,
    outcome: str,
    campaign_id: str,
    account: Account,
    error: Exception | None = None,
    labels: tuple[str | None, str | None] = (None, None),
    decided: RecipientResult | None = None,
) -> Row:
    """Give the only row of a recipient for whom no session was needed or found.

    The labels are those of an experiment: arm and block; `decided` has the reply, if one
    has.
    """
    reply = None if decided is None else decided.reply
    code, status, text = (None, None, None) if reply is None else reply.cells
    return Event(
        time=datetime.now(UTC),
        campaign_id=campaign_id,
        kind="outcome",
        recipient=entry.address,
        recipient_domain=domain_of(entry.address),
        verb=None if decided is None else decided.verb,
        reply_code=code,
        enhanced_status=status,
        reply_text=text,
        server=account.host or None,
        port=(account.port or None) if account.host else None,
        attempt=max(entry.attempts, 1),
        outcome=outcome,
        error=None if error is None else type(error).__name__,
        account=account.name,
        arm=labels[0],
        block=labels[1],
        source="live",
    ).to_row()
