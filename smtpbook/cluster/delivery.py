"""Delivery on a cluster: it starts the senders, watches the ledger, and sends nothing.

Theory of operation.  What goes on is what the ledger says, not what the scheduler says: the
send is over when no partition is left and no runner is there.  Until then whoever is idle
gets a sender, whatever became of the one before.  Pause and stop are words in the ledger,
which every sender hears; so is a stop rule's.  A database or a scheduler that is gone for a
while is waited for.
"""

from __future__ import annotations

import time
import warnings
from collections import Counter
from datetime import datetime
from typing import Final

import trio

from smtpbook.cluster.order import Order
from smtpbook.cluster.sender import PATIENCE_S
from smtpbook.cluster.workers import Workers
from smtpbook.delivery.run import Run
from smtpbook.errors import LedgerError, SMTPBookError, TransportError
from smtpbook.folder.folder import CampaignFolder
from smtpbook.progress import Display
from smtpbook.shared_ledger.sends import Work
from smtpbook.shared_ledger.shares import Asked
from smtpbook.shared_ledger.standings import SharedStandings

_LOOK_S: Final = 0.5  # between two looks at the ledger, at least
_BUSY: Final = 20  # … and so many times as long as a look takes
# What a sender came to is told after the ledger knows; one that stands still never tells.
_LAST_WORDS_S: Final = 10.0
_MAX_FAILURES: Final = 3  # of the senders of one worker, in a row
# Longer than a lease: until then one that was killed counts as a runner.
_ALONE_S: Final = 90.0


class ClusterDelivery:
    """One send by the workers of a cluster; it is steered as a `Delivery`.

    Parameters
    ----------
    workers : Workers
    folder : CampaignFolder
        With a shared ledger, in which the send was begun.
    order : Order
        Its connections are those of all senders together.
    run : Run
    display : Display

    Attributes
    ----------
    is_paused : bool
    """

    waits_until: datetime | None = None  # nobody here knows

    def __init__(
        self,
        workers: Workers,
        folder: CampaignFolder,
        order: Order,
        *,
        run: Run,
        display: Display,
    ) -> None:
        self.is_paused = False
        self._workers, self._folder, self._order = workers, folder, order
        self._run, self._display = run, display
        self._is_stopped = self._is_replaced = False
        self._woken = trio.Event()
        self._failures: Counter[str] = Counter()
        self._error: Exception | None = None
        self._standings: SharedStandings | None = None
        self._through_at: float | None = None
        self._last_at = time.monotonic()  # somebody ran, or was started

    def pause(self) -> None:
        """Begin nothing new until `resume`; for the trio thread."""
        self.is_paused = True
        self._woken.set()

    def resume(self) -> None:
        """Go on; for the trio thread."""
        self.is_paused = False
        self._woken.set()

    def stop(self) -> None:
        """Begin nothing new; for the trio thread."""
        self._is_stopped = True
        self._woken.set()

    async def run(self) -> None:
        """Send to everybody the send was begun for.

        Raises
        ------
        SMTPBookError
            No worker can send, or a login fails on one: then nothing was sent.
        LedgerError
            The database is gone for longer than a sender waits for it, or another send was
            begun.
        """
        well_at = time.monotonic()
        try:
            await trio.to_thread.run_sync(self._begin)
            while True:
                began = time.monotonic()
                try:
                    if await trio.to_thread.run_sync(self._turn):
                        break
                    well_at = time.monotonic()
                except LedgerError:
                    self._close()
                    if time.monotonic() - well_at > PATIENCE_S:
                        raise
                took_s = time.monotonic() - began
                with trio.move_on_after(max(_LOOK_S, _BUSY * took_s)):
                    await self._woken.wait()
                self._woken = trio.Event()
        finally:
            self._close()
        if self._is_replaced:
            raise LedgerError(
                f"another send of campaign {self._folder.name!r} was begun before this one "
                f"was seen to end; open the campaign again to see where all stand, or to "
                f"join the other"
            )

    # -- in a thread, as the ledger and the scheduler make one wait

    def _begin(self) -> None:
        """Have every worker prove that it can send, unless some send already."""
        if not self._look().runners:
            self._workers.prove(self._order)

    def _turn(self) -> bool:
        """Look at the ledger and do what is to be done; tell whether the send is over."""
        work = self._look()
        assert self._standings is not None
        self._hear()
        if work.send != self._order.send:  # no runner was there when that was begun
            self._is_replaced = self._through_at is None
            return True
        wanted: Asked = "stop" if self._is_stopped else "pause" if self.is_paused else "go"
        if wanted != work.asked != "stop":
            self._standings.ask(wanted)
            work = self._look()
        is_through = work.asked == "stop" or not work.left
        if not is_through:
            self._start(work)
        counts = self._standings.sent
        self._display.update(sum(counts.values()), counts)
        if not is_through or work.runners:
            self._through_at = None
            return False
        self._through_at = self._through_at or time.monotonic()
        is_late = time.monotonic() - self._through_at > _LAST_WORDS_S
        return is_late or not self._workers.running

    def _look(self) -> Work:
        if self._standings is None:
            self._standings = self._folder.shared_standings()
        return self._standings.work

    def _hear(self) -> None:
        """Keep what senders that have ended came to."""
        for one in self._workers.ended():
            if one.stopped is not None:
                self._run.stopped = one.stopped
            if one.error is None:
                self._failures.pop(one.worker, None)
            else:
                self._failures[one.worker] += 1
                self._error = one.error
                if self._failures[one.worker] == _MAX_FAILURES:
                    warnings.warn(
                        f"{one.worker} sends no more ({one.error}); the others take its "
                        f"share",
                        stacklevel=2,
                    )

    def _start(self, work: Work) -> None:
        """Start senders on idle workers, if those who run were started here."""
        tired = [w for w, times in self._failures.items() if times >= _MAX_FAILURES]
        running = self._workers.running
        if work.free and work.runners <= running:
            are_first = not (work.runners or running)
            self._workers.start(self._order, tired, are_first=are_first)
        now = time.monotonic()
        if work.runners or self._workers.running:
            self._last_at = now
        elif tired and set(self._workers.there()) <= set(tired):
            assert self._error is not None
            raise self._as_ours(self._error)
        elif now - self._last_at > _ALONE_S:
            raise TransportError(
                "no worker of the cluster is there to send; open the campaign again and "
                "send with another: it goes on where it was"
            )

    def _as_ours(self, error: Exception) -> SMTPBookError:
        if isinstance(error, SMTPBookError):
            return error
        return TransportError(f"no worker can send ({type(error).__name__}: {error})")

    def _close(self) -> None:
        if self._standings is not None:
            self._standings.close()
            self._standings = None
