"""Sender: one of several processes by which another sends; it is started by that one.

    python -m smtpbook.processes.sender SOCKET

Theory of operation.  It runs a delivery like any other, whose recipients are dealt to it
and whose books are the other process's.  When that process is gone, nothing more begins:
what is on the wire comes to its verdict, which only the event log still tells.  Until then
it keeps the lock on the campaign's folder open, which it inherited, so that nobody takes
what it is about to send for never sent.

Signals are for the process that began: it says what is to be done.
"""

from __future__ import annotations

import math
import signal
import socket
import sys
import warnings
from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack, closing, suppress
from functools import partial
from itertools import count
from typing import Any

import trio

from smtpbook.accounts.secret import Secret
from smtpbook.delivery.clock import Clock
from smtpbook.delivery.delivery import Delivery
from smtpbook.delivery.ending import GRACE_S, run_with
from smtpbook.delivery.recall import take_part
from smtpbook.delivery.recording import Recording
from smtpbook.errors import LedgerError, LocalProtocolError
from smtpbook.folder.folder import CampaignFolder
from smtpbook.ledger.entries import Entry
from smtpbook.log.frame import Recorder
from smtpbook.log.journal import Journal
from smtpbook.pacing.pace import Pacer
from smtpbook.processes.books import ToldBooks
from smtpbook.processes.order import Order, unpacked
from smtpbook.processes.pipe import Pipe
from smtpbook.processes.words import (
    Asked,
    Dealt,
    Durable,
    Ended,
    Given,
    Refused,
    Wanted,
    Warned,
    Word,
)
from smtpbook.progress import Silent


class Hand:
    """The recipients that were dealt and not taken yet: a `Source`.

    Parameters
    ----------
    more : int
        As how many those count who may still be dealt.
    """

    def __init__(self, more: int) -> None:
        self._more = more
        self._entries: deque[Entry] = deque()

    def __len__(self) -> int:
        return len(self._entries) + self._more

    def take(self) -> Entry | None:
        """Hand out the next one; None: nobody is there now."""
        return self._entries.popleft() if self._entries else None

    def add(self, entries: list[Entry]) -> None:
        """Have these, too."""
        self._entries.extend(entries)

    def end(self) -> None:
        """Know that nobody else will be dealt."""
        self._more = 0


class Secrets:
    """Asks the process that began for secrets; from threads that may wait."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe, self._requests = pipe, count()
        self._waiting: dict[int, trio.MemorySendChannel[Given | Refused]] = {}

    def ask(self, number: int) -> Secret:
        """Give the secret of a number; raises what asking for it raised there."""
        told = trio.from_thread.run(self._ask, number)
        if isinstance(told, Refused):
            raise told.error
        if told.secret is None:
            raise LocalProtocolError("what was asked for a password gave none")
        return told.secret

    def hear(self, told: Given | Refused) -> None:
        """Take an answer."""
        self._waiting[told.request].send_nowait(told)

    async def _ask(self, number: int) -> Given | Refused:
        request = next(self._requests)
        self._waiting[request], answer = trio.open_memory_channel[Given | Refused](1)
        self._pipe.put(Wanted(request, number))
        try:
            return await answer.receive()
        finally:
            del self._waiting[request]


class Sender:
    """One process's part of a send.

    Parameters
    ----------
    order : Order
    pipe : Pipe
    secrets : Secrets
    """

    def __init__(self, order: Order, pipe: Pipe, secrets: Secrets) -> None:
        self._order, self._pipe, self._secrets = order, pipe, secrets
        self._folder = CampaignFolder(order.folder)
        self._clock, self._pacer = Clock(), Pacer(order.settings.pace)
        self._company = 0
        self._hand = Hand(order.settings.connections)
        self._broken: LedgerError | None = None

    async def run(self) -> None:
        """Send to whoever is dealt, until nobody is or it is stopped.

        Raises
        ------
        SMTPBookError
            As from `Delivery.run`; the others have what was dealt and not sent.
        """
        order, folder = self._order, self._folder
        run = Recording(Recorder())
        async with AsyncExitStack() as opened:
            books = opened.enter_context(closing(ToldBooks(folder.path, self._pipe)))
            journal = Journal(folder.growing, order.log, sealed_to=folder.events)
            # It may take long; if the process is killed meanwhile, what became of everybody
            # is told.
            opened.push_async_callback(trio.to_thread.run_sync, journal.close)
            opened.callback(self._pipe.hurry)
            run.keep_in(journal)
            delivery = Delivery(
                books,
                self._hand,
                order.settings.letters(folder.letter()),
                order.accounts,
                order.settings,
                pacer=self._pacer,
                clock=self._clock,
                campaign_id=folder.id,
                run=run,
                display=Silent(),
                is_alone=False,
            )
            await self._deal(books, order.company, until=order.began)
            with trio.CancelScope() as scope:
                await run_with(delivery, partial(self._hear, delivery, books, scope))
            if self._broken is not None:
                raise self._broken

    async def _hear(
        self, delivery: Delivery, books: ToldBooks, scope: trio.CancelScope
    ) -> None:
        """Do what the process that began says, until it is gone."""
        while words := await self._pipe.receive():
            for word in words:
                try:
                    await self._heed(word, delivery, books)
                except LedgerError as exc:  # what is on the wire comes to its verdict
                    self._broken = self._broken or exc
                    delivery.stop()
        books.hear_of_intents(0, "the process that began the send is gone")
        delivery.stop()
        await trio.sleep(GRACE_S)
        scope.cancel()

    async def _heed(self, word: Word, delivery: Delivery, books: ToldBooks) -> None:
        match word:
            case Dealt():
                self._hand.add(word.entries)
                delivery.look_again()
            case Durable():
                books.hear_of_intents(word.intents, word.error)
            case Given() | Refused():
                self._secrets.hear(word)
            case Asked("stop", _, _):
                delivery.stop()
            case Asked(what, company, connections):
                if what == "end":
                    self._hand.end()
                delivery.connect(connections)
                delivery.pause()
                await self._deal(books, company)
                if what != "pause":
                    delivery.resume()

    async def _deal(self, books: ToldBooks, company: int, until: float = math.inf) -> None:
        """Take one's part of the pace, as many senders as there are now."""
        if company != self._company:
            self._company = company
            await take_part(self._pacer, books, self._clock, company, until)


async def serve(stream: trio.SocketStream) -> None:
    """Take an order, and tell at the end why nothing more is sent."""
    pipe = Pipe(stream)
    secrets, error = Secrets(pipe), None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipe.send)
        warnings.showwarning = _telling(pipe)
        try:
            order = await _ordered(pipe, secrets)
            if order is not None:
                await Sender(order, pipe, secrets).run()
        except Exception as exc:
            error = exc
        pipe.put(Ended(error))
        pipe.end()


async def _ordered(pipe: Pipe, secrets: Secrets) -> Order | None:
    """Take the order; None: who would give it is gone."""
    told, octets = await pipe.receive_secret(), await pipe.receive_octets()
    if told is None or octets is None:
        return None
    return unpacked(told, octets, secrets.ask)


def _telling(pipe: Pipe) -> Callable[..., None]:
    """Give what has warnings shown by the process that began, from any thread."""
    token = trio.lowlevel.current_trio_token()

    def tell(message: Warning | str, category: type[Warning], *_: Any) -> None:
        warning = message if isinstance(message, Warning) else category(message)
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(pipe.put, Warned(warning))

    return tell


def main() -> None:
    """Be the process."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    own = socket.socket(fileno=int(sys.argv[1]))

    async def run() -> None:
        await serve(trio.SocketStream(trio.socket.from_stdlib_socket(own)))

    trio.run(run)


if __name__ == "__main__":
    main()
