"""Watch: the stop rules of a send that several have begun, asked about all that was sent.

The eldest runner asks them.  To count takes long where much was sent; so it is done in
another thread and by a session of its own, and nothing else waits for it.  No other runner
has one: there may be many.  A count that fails is made again by a new session, as a
database may end one that is idle; whether the ledger is lost, its runner sees by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import trio

from smtpbook.delivery.delivery import Delivery
from smtpbook.delivery.recording import Recording
from smtpbook.errors import LedgerError
from smtpbook.pacing.stopping import StopWhen, why_enough
from smtpbook.shared_ledger.ledger import SharedLedger
from smtpbook.shared_ledger.standings import SharedStandings

_BUSY: Final = 20  # so many times as long as counting takes, until it is counted again


class Watch:
    """One runner's part in watching a send.

    Parameters
    ----------
    rules : tuple of callable
    ledger : SharedLedger
        This runner's.
    look : callable
        Opens the ledger for reading.
    run : Recording
        Told why a rule finds it enough.
    """

    def __init__(
        self,
        rules: tuple[StopWhen, ...],
        ledger: SharedLedger,
        look: Callable[[], SharedStandings],
        run: Recording,
    ) -> None:
        self._rules, self._ledger, self._look, self._run = rules, ledger, look, run
        self._standings: SharedStandings | None = None

    async def keep(self, delivery: Delivery) -> None:
        """Ask the rules again and again, and stop the delivery when one finds it enough."""
        if not self._rules:
            return
        try:
            while True:
                began = time.monotonic()
                why, is_asked = await trio.to_thread.run_sync(self._ask)
                if why is not None:
                    break
                took_s = time.monotonic() - began
                await trio.sleep(_BUSY * took_s if is_asked else self._ledger.heartbeat_s)
        finally:
            self._close()
        self._run.stopped = why
        delivery.stop()

    def _ask(self) -> tuple[str | None, bool]:
        """Ask the rules, unless an elder does; tell whether they were asked."""
        try:
            if self._ledger.elders:
                return None, False
            self._standings = self._standings or self._look()
            return why_enough(self._rules, self._standings.tally), True
        except LedgerError:
            self._close()
            return None, False

    def _close(self) -> None:
        if self._standings is not None:
            self._standings.close()
            self._standings = None
