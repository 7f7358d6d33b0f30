"""Delivery by processes: it deals recipients out, writes all down, and sends nothing.

Theory of operation.  Each sender is a process with a delivery of its own.  It is dealt a
few recipients at a time, and tells here what it is about to do and what came of it: this
process alone writes the ledger.  The first sender opens its first connection before others
are dealt anybody, so that what is wrong with an account shows once.

A sender that ends before its time has left some undecided.  Those whose mail data may have
begun are in doubt, as after a crash; the others go to the senders that are left.  When none
is, the send fails, and who is left stays as he was.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import trio

from smtpbook.accounts.account import Account
from smtpbook.cluster.order import dealt
from smtpbook.delivery.outbox import outcome_row
from smtpbook.delivery.queues import travels
from smtpbook.delivery.run import Run
from smtpbook.delivery.settings import Settings
from smtpbook.errors import LedgerError, SMTPBookError
from smtpbook.folder.folder import CampaignFolder
from smtpbook.ledger.choosing import Chosen
from smtpbook.ledger.ledger import Ledger
from smtpbook.pacing.stopping import Tally, why_enough
from smtpbook.processes.dealing import Dealing
from smtpbook.processes.order import Order
from smtpbook.processes.process import SenderProcess
from smtpbook.processes.words import (
    Asked,
    Dealt,
    Durable,
    Intended,
    Noted,
    Warned,
    Withdrawn,
    Word,
)
from smtpbook.progress import Display
from smtpbook.transfer.transaction import RecipientResult


class ProcessesDelivery:
    """One send by several processes; it is steered as a `Delivery`.

    Parameters
    ----------
    books : Ledger
    chosen : Chosen
        Whom to write to, in order.
    accounts : mapping of Account to float
        With their shares.
    settings : Settings
        Its connections are those of all together.
    processes : int
        How many, at most: each has a connection at least.
    folder : CampaignFolder
    log : str
        What the names of the files of the event log begin with.
    run : Run
    display : Display

    Attributes
    ----------
    is_paused : bool
    """

    waits_until: datetime | None = None  # nobody here knows

    def __init__(
        self,
        books: Ledger,
        chosen: Chosen,
        accounts: Mapping[Account, float],
        settings: Settings,
        *,
        processes: int,
        folder: CampaignFolder,
        log: str,
        run: Run,
        display: Display,
    ) -> None:
        self.is_paused = False
        self._books, self._accounts, self._settings = books, accounts, settings
        self._folder, self._log, self._run, self._display = folder, log, run, display
        self._least = len(travels(accounts, settings.arms))
        self._most = max(min(settings.connections, len(chosen)), self._least)
        self._connections = dealt(self._most, processes, self._least)
        pace = settings.pace
        domain_of = pace.domain_of if pace.domain_limits else None
        has_ways = settings.arms is not None and len(settings.arms.ways) > 1
        self._dealing: Dealing[SenderProcess] = Dealing(
            chosen, domain_of, has_ways=has_ways
        )
        self._senders: list[SenderProcess] = []
        self._tally = Tally()
        self._again: set[int] = set()  # positions of those whom it counts and who come back
        self._is_stopped = self._is_open = self._is_ending = False
        self._broken: SMTPBookError | None = None
        self._failure: Exception | None = None
        self._warnings: list[Warning] = []

    def pause(self) -> None:
        """Begin nothing new until `resume`; for the trio thread."""
        self.is_paused = True
        self._ask()

    def resume(self) -> None:
        """Go on; for the trio thread."""
        self.is_paused = False
        self._ask()

    def stop(self) -> None:
        """Begin nothing new; for the trio thread."""
        self._is_stopped = True
        self._ask()

    async def run(self) -> None:
        """Send to everybody in the queue.

        Raises
        ------
        AuthenticationError, ReplyError, TransportError, LocalProtocolError
            No account's first connection could be opened, and nothing was sent; or no
            process is left to send.
        LedgerError
            What became of somebody cannot be kept, or who is next not be read; nothing more
            was sent.
        RecipientsError
            The rows of who is next cannot be read; likewise.

        Warns
        -----
        UserWarning
            A process ended before its time, or warned itself.
        """
        await self._start()
        async with trio.open_nursery() as nursery:
            for sender in self._senders:
                nursery.start_soon(self._attend, sender)
        for warning in self._warnings:
            warnings.warn(warning, stacklevel=2)
        if (error := self._broken or self._failure) is not None:
            raise error

    async def _start(self) -> None:
        """Have the processes start, all or none."""
        order = Order(
            folder=self._folder.path.absolute(),
            accounts=dict(self._accounts),
            settings=replace(self._settings, stop_when=()),
            log=self._log,
            company=len(self._connections),
            began=time.time(),
        )
        assert self._books.lock is not None
        try:
            for number, connections in enumerate(self._connections, 1):
                own = replace(
                    order,
                    settings=replace(order.settings, connections=connections),
                    log=f"{self._log}-{number}",
                )
                self._senders.append(await SenderProcess.start(own, self._books.lock))
        except BaseException:
            for sender in self._senders:
                await sender.kill()
            raise
        self._ask()

    async def _attend(self, sender: SenderProcess) -> None:
        """Listen to a sender until it has ended, and see to what it has left."""

        def hear(words: Sequence[Word]) -> None:
            for word in words:
                self._hear(sender, word)
            self._feed()

        self._feed()
        try:
            await sender.converse(hear)
        finally:
            self._senders.remove(sender)
            self._settle(sender)

    def _ask(self) -> None:
        """Tell all what they are asked to do, how many they are, and with what."""
        what = (
            "stop"
            if self._is_stopped
            else "end"
            if self._is_ending
            else "pause"
            if self.is_paused
            else "go"
        )
        company = len(self._senders)
        parts = dealt(self._most, company, self._least)
        for sender, connections in zip(self._senders, parts, strict=True):
            sender.connections = connections
            sender.put(Asked(what, company, connections))

    def _feed(self) -> None:
        """Deal to whoever has tried what was dealt; the last one has ended the send."""
        if self._is_stopped or self._is_ending:
            return
        try:
            for sender in self._senders if self._is_open else self._senders[:1]:
                self._deal(sender)
        except SMTPBookError as exc:  # what was dealt comes to its verdict, and is kept
            self._broken = self._broken or exc
            self.stop()
            return
        if not self._dealing and not any(sender.held for sender in self._senders):
            self._is_ending = True
            self._ask()

    def _deal(self, sender: SenderProcess) -> None:
        found = self._dealing.deal(
            sender, sender.connections, sender.untried, self._senders
        )
        if found:
            sender.held.update((entry.position, entry) for entry in found)
            sender.put(Dealt.of(found))

    # -- what is told

    def _hear(self, sender: SenderProcess, word: Word) -> None:
        try:
            match word:
                case Intended(positions, message_id):
                    self._is_open = True
                    sender.due.difference_update(positions)
                    sender.open.update(positions)
                    entries = [sender.held[position] for position in positions]
                    sender.promise(self._books.intend(entries, message_id))
                case Withdrawn(positions):
                    sender.open.difference_update(positions)
                    self._books.withdraw([sender.held[p] for p in positions])
                case Noted():
                    self._note(sender, word)
                case Warned(warning):
                    self._warnings.append(warning)
        except LedgerError as exc:  # what becomes of anybody cannot be kept any more
            self._broken = self._broken or exc
            for one in self._senders:
                one.put(Durable(0, str(exc)))
            self.stop()

    def _note(self, sender: SenderProcess, told: Noted) -> None:
        """Write down what became of a recipient, count it, and ask the stop rules."""
        self._is_open = True
        entry = sender.held[told.position]
        sender.open.discard(told.position)
        if told.position in self._again:  # counted where the last try left it
            self._tally.add(entry.outcome or "", entry.reason, -1)
        result = told.result(entry.address)
        self._books.note(entry, result, session_id=told.session_id, due=told.due)
        self._tally.add(told.outcome, entry.reason)
        self._display.update(self._tally.tried, self._tally.outcomes)
        if told.due is None:
            del sender.held[told.position]
            self._again.discard(told.position)
        else:
            sender.due.add(told.position)
            self._again.add(told.position)
        why = why_enough(self._settings.stop_when, self._tally)
        if why is not None and not self._is_stopped:
            self._run.stopped = why
            self.stop()

    def _settle(self, sender: SenderProcess) -> None:
        """Decide on what a sender has left, and let the others have the rest."""
        opened = [sender.held[position] for position in sorted(sender.open)]
        doubtful = self._books.marked(opened) if opened else []
        for entry in opened:
            if entry not in doubtful:
                self._hear(sender, Withdrawn([entry.position]))
        for entry in doubtful:
            self._hear(sender, Noted.of(entry.position, _in_doubt(entry.address)))
            account = next(iter(self._accounts))
            self._run.note(outcome_row(entry, "in_doubt", self._folder.id, account))
        self._dealing.give_back(sender, list(sender.held.values()))
        if self._is_stopped or self._is_ending:
            return
        if self._senders and self._is_open:
            self._warnings.append(
                UserWarning(f"{sender.ending}; the others send its share")
            )
            self._ask()
            self._feed()
        else:  # the others would meet the same; or there is none
            self._failure = sender.error
            self.stop()


def _in_doubt(address: str) -> RecipientResult:
    return RecipientResult(
        recipient=address, outcome="in_doubt", reply=None, verb="END-OF-DATA"
    )
