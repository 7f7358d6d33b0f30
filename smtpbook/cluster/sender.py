"""Sender: one process of a send that several have begun, on whatever computer.

Theory of operation.  It opens the shared ledger and runs a delivery over the partitions it
claims, until none is free.  Then it waits: what a silent runner had is free when its lease
has run out, and the send is over when nothing is left.  A ledger that is lost (the database
was restarted, this process stood still for too long) ends the delivery and nothing else:
the sender opens the ledger again, with a new lease.

It keeps its part of the connections and of the pace, which changes with the number of
runners.  The stop rules are asked by the eldest runner, about all that the ledger knows.
Where a computer's clock is set meanwhile, who is read before the delivery sees that, within
seconds, is tried again as much too early or too late.  Nothing here knows how it was
started.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Final

import trio

from smtpbook.accounts.account import Account
from smtpbook.cluster.claims import Claims
from smtpbook.cluster.order import Order, dealt
from smtpbook.cluster.watch import Watch
from smtpbook.delivery.clock import Clock
from smtpbook.delivery.delivery import Delivery
from smtpbook.delivery.ending import run_with
from smtpbook.delivery.outbox import Letter
from smtpbook.delivery.queues import travels
from smtpbook.delivery.recall import take_part
from smtpbook.delivery.recording import Recording
from smtpbook.direct.delivery import delivery_by
from smtpbook.errors import LedgerError
from smtpbook.folder.fetching import fetched, settings_in
from smtpbook.folder.folder import CampaignFolder
from smtpbook.log.files import log_files
from smtpbook.log.frame import Recorder
from smtpbook.log.journal import Journal
from smtpbook.pacing.pace import Pacer
from smtpbook.progress import Silent
from smtpbook.session.session import open_session
from smtpbook.shared_ledger.ledger import SharedLedger

PATIENCE_S: Final = 600.0
"""How long a database may be gone before a sender gives up."""

LOOK_S: Final = 1.0
"""Between two looks for work."""
BEATS: Final = 2
"""Of the ledger, after which all runners know of a new one."""

# Recipients for each connection; with fewer, more are claimed: a message is about as long
# on its way as a claim takes.
_AHEAD: Final = 2
_HEED_S: Final = 0.2  # between two looks at what the ledger has heard


def prove(order: Order) -> None:
    """See whether a send from here would go: the folder, the ledger, the logins.

    Raises
    ------
    LedgerError
        The campaign's folder is not seen from here and none can be made, or the database
        is not reached.
    SMTPBookError, OSError
        The event log's place is not.
    TransportError, ReplyError, LocalProtocolError
        An account cannot be logged in to from here.
    """
    with _folder_of(order) as folder:
        folder.letter()
        folder.shared_standings().close()
        log_files(folder.events, folder.growing)
    travelling = travels(order.accounts, order.settings.arms)
    for account in {account for _, account, _ in travelling}:
        if account.relay is None:
            trio.run(_log_in, account)


async def _log_in(account: Account) -> None:
    async with open_session(account):
        pass


def serve(order: Order) -> str | None:
    """Send until the send is over, or everybody is asked to stop.

    Returns
    -------
    str or None
        Why a stop rule ended it; None = none did.

    Raises
    ------
    LedgerError
        The ledger is gone for longer than `PATIENCE_S`.
    TransportError, ReplyError, LocalProtocolError
        No account's first connection could be opened from here.
    """
    with _folder_of(order) as folder:
        return _serve(order, folder)


@contextmanager
def _folder_of(order: Order) -> Iterator[CampaignFolder]:
    """Give the campaign's folder, or one that is made here where it is not seen.

    What is there may be a copy of the folder, and older than its letter.
    """
    _, _, campaign_id = (order.url or "").rpartition("#")
    here, asked = settings_in(order.folder), (campaign_id, order.letter_sha256)
    if order.url is None or (here.get("id"), here.get("letter_sha256")) == asked:
        yield CampaignFolder(order.folder)
        return
    with fetched(order.url) as path:
        folder = CampaignFolder(path)
        if folder.elsewhere is None:
            raise LedgerError(
                f"the campaign's folder {str(order.folder)!r} is not seen from here, or "
                f"has another letter, and the event log would be lost: begin a campaign "
                f"with events=, a URL, or in a folder that all workers see"
            )
        yield folder


def _serve(order: Order, folder: CampaignFolder) -> str | None:
    letter = order.settings.letters(folder.letter())
    share, gone_at = order.share, math.inf  # since when the database is gone
    while True:
        try:
            if not _wait_for_work(folder, order):
                return None
            gone_at = math.inf
            stopped = trio.run(_send, folder, order, letter, share)
        except LedgerError:
            now = time.monotonic()
            gone_at = min(gone_at, now)
            if now - gone_at > PATIENCE_S:
                raise
            time.sleep(LOOK_S)
            stopped = None
        share = 0  # others may have it by now
        if stopped is not None:
            return stopped


def _wait_for_work(folder: CampaignFolder, order: Order) -> bool:
    """Wait until something can be claimed; False: the send is over."""
    with folder.shared_standings() as standings:
        while True:
            work = standings.work
            if work.send != order.send or work.asked == "stop" or not work.left:
                return False
            if work.free:
                return True
            time.sleep(LOOK_S)


async def _send(
    folder: CampaignFolder, order: Order, letter: Letter, share: int
) -> str | None:
    """Send to what can be claimed; give why a stop rule ended it."""
    run = Recording(Recorder())
    with folder.shared_ledger(in_doubt=order.settings.in_doubt) as ledger:
        # Another may have been begun since work was seen; now that this one is there, no
        # further one is.
        if not ledger.is_present(order.send):
            return None
        name = _stem(order, ledger)
        with Journal(folder.growing, name, sealed_to=folder.events) as journal:
            run.keep_in(journal)
            await _deliver(folder, order, letter, share, ledger, run)
    return run.stopped


async def _deliver(
    folder: CampaignFolder,
    order: Order,
    letter: Letter,
    share: int,
    ledger: SharedLedger,
    run: Recording,
) -> None:
    settings, pacer, claims = order.settings, Pacer(order.settings.pace), Claims(ledger)
    part = _Part(order, ledger, pacer, claims)
    watch = Watch(settings.stop_when, ledger, folder.shared_standings, run)
    connections = await part.begin(share)
    claims.claim()
    delivery = delivery_by(order.accounts)(
        ledger,
        claims,
        letter,
        order.accounts,
        settings.given(stop_when=(), connections=connections),
        pacer=pacer,
        clock=part.clock,
        campaign_id=folder.id,
        run=run,
        display=Silent(),
        is_alone=False,
    )
    await run_with(
        delivery,
        partial(part.heed, delivery),
        partial(watch.keep, delivery),
        partial(claims.keep, delivery.look_again),
    )
    if run.stopped is not None and claims.error is None:
        ledger.ask("stop")
    else:
        claims.finish()


class _Part:
    """One runner's part of connections and pace.

    Whoever comes takes its part when the others have had the time to give it up; where one
    leaves, the others take over as late.  So all together have no more than they may, but
    where a message, which is not cut off, takes longer than that time: then connections are
    given up late.
    """

    def __init__(
        self, order: Order, ledger: SharedLedger, pacer: Pacer, claims: Claims
    ) -> None:
        self.clock, self._pacer = Clock(), pacer
        self._order, self._ledger, self._claims = order, ledger, claims
        self._company, self._connections, self._settles_at = 1, 0, 0.0

    async def begin(self, share: int) -> int:
        """Take one's part, when the others have none of it; give how many connections.

        Parameters
        ----------
        share : int
            How many they are at most, if nobody else has them; 0: that is waited for.
        """
        # Later, the others have taken what is left, or will before they hear of this one.
        if self._ledger.eldest_s > self._pause_s - self._ledger.heartbeat_s:
            share = 0
        self._company = self._ledger.company
        if self._company > 1 and (self._is_paced or not share):
            await trio.sleep(self._pause_s)
            self._company = self._ledger.company
        own = self._own()
        self._connections = min(share or own, own)
        self._claims.ahead = _AHEAD * self._connections
        self._settles_at = trio.current_time() + self._pause_s
        if self._is_paced:
            await take_part(self._pacer, self._ledger, self.clock, self._company)
        return self._connections

    async def heed(self, delivery: Delivery) -> None:
        """Pause, go on and stop with all others, and keep one's part."""
        while self._ledger.asked != "stop":
            if self._ledger.company != self._company:
                await self._deal(delivery)
            elif trio.current_time() >= self._settles_at:
                self._settles_at = math.inf
                self._connect(delivery, self._own())
            if delivery.is_paused != (self._ledger.asked == "pause"):
                delivery.resume() if delivery.is_paused else delivery.pause()
            await trio.sleep(_HEED_S)
        delivery.stop()

    async def _deal(self, delivery: Delivery) -> None:
        """Give up what is others' now, and take one's part of the pace."""
        before, self._company = self._company, self._ledger.company
        self._settles_at = trio.current_time() + self._pause_s
        self._connect(delivery, min(self._own(), self._connections))
        if not self._is_paced:
            return
        delivery.pause()
        if self._company > before:  # until all others keep no more than theirs
            await trio.sleep(self._pause_s)
        await take_part(self._pacer, self._ledger, self.clock, self._company)

    def _connect(self, delivery: Delivery, connections: int) -> None:
        if connections != self._connections:
            self._connections = connections
            self._claims.ahead = _AHEAD * connections
            delivery.connect(connections)

    def _own(self) -> int:
        """Give how many connections are this runner's, as many as there are now."""
        connections, least = self._order.settings.connections, self._order.least
        parts = dealt(connections, self._company, least)
        return next(islice(parts, self._ledger.elders, None), least)

    @property
    def _is_paced(self) -> bool:
        pace = self._pacer.pace
        return bool(pace.limits or pace.domain_limits)

    @property
    def _pause_s(self) -> float:
        return BEATS * self._ledger.heartbeat_s


def _stem(order: Order, ledger: SharedLedger) -> str:
    """Name a runner's event log: files stand in the order in which they were begun."""
    return f"{order.send}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{ledger.lease.owner[:8]}"
