"""Live: one send while it goes on: ask how far it is, pause it, stop it, wait for it.

Theory of operation.  A send has a body, `Campaign`'s own: it chooses, checks, opens the
books, has the delivery run, closes the books.  `send` runs the body in the caller's thread,
`start` in a thread of its own; the delivery is in the trio thread either way.  Whatever
takes a caller out of waiting, an interrupt or a cancellation, stops the send: nobody should
believe that it has ended while it goes on.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from typing import Any, Literal

import trio

from smtpbook import progress
from smtpbook.campaign.status import SendState, Status, Watch
from smtpbook.delivery.ending import GRACE_S, Steered, wind_up
from smtpbook.delivery.run import Run
from smtpbook.errors import SendStopped
from smtpbook.log.frame import Recorder
from smtpbook.processes import leaving
from smtpbook.runner import HEARTBEAT_S, SENDER, Job, refuse_inside_trio


class Live:
    """One send while it goes on; made by ``campaign.start()``.

    Everything may be called from any thread and returns at once, but for `wait` and
    ``await live``.  Who leaves one of these early, by an interrupt or a cancellation, stops
    the send.

    Attributes
    ----------
    run : Run
        What it has done so far.
    is_blocking, is_shown : bool
        Whether whoever began it waits for it (it is a ``send()``), and sees how far it is.

    Examples
    --------
    ``live = campaign.start(); live.pause(); live.resume(); run = live.wait()``
    """

    def __init__(
        self, campaign: str, *, is_blocking: bool, is_shown: bool, outlives: bool = False
    ) -> None:
        self.run = Run(Recorder(), campaign)
        self.is_blocking = is_blocking
        self.watch = Watch(campaign, self.run.record)
        self.run.record = self.watch.record
        self.is_shown, self._outlives = is_shown, outlives
        self._delivery: Steered | None = None
        self._job: Job[None] | None = None
        self._asked: Literal["pause", "stop"] | None = None
        self._why: str | None = None
        self._error: Exception | None = None
        self._is_over = threading.Event()

    # -- steering

    def pause(self) -> None:
        """Begin nothing new until `resume`; what has begun comes to its verdict."""
        if self._asked is None:
            self._asked, self._why = "pause", "as you asked"
            if self._delivery is not None:
                SENDER.call(self._delivery.pause)

    def resume(self) -> None:
        """Go on after `pause`."""
        if self._asked == "pause":
            self._asked = self._why = None
            self.watch.restart()
            if self._delivery is not None:
                SENDER.call(self._delivery.resume)

    def stop(self) -> None:
        """Begin nothing new; what has begun comes to its verdict, then QUIT is said."""
        self._stop("you stopped it")

    def _stop(self, why: str) -> None:
        if self._asked != "stop" and self.watch.ended is None:
            self._asked, self._why = "stop", why
            if self._delivery is not None:
                SENDER.call(self._delivery.stop)

    def cut_off(self) -> None:
        """Give up what has begun: it is failed then, or in doubt."""
        if self._job is not None:
            self._job.cancel()

    # -- asking and waiting

    @property
    def is_done(self) -> bool:
        """Whether it has ended, one way or the other."""
        return self._is_over.is_set()

    def status(self) -> Status:
        """Say how far it is; cheap, however long the log is."""
        state: SendState = "running"
        why = self.run.stopped or self._why
        if self.watch.ended is not None:
            state = "done"
            if self._error is not None:
                state, why = "failed", str(self._error) or type(self._error).__name__
        elif self._asked == "stop" or self.run.stopped is not None:
            state = "stopping"
        elif self._asked == "pause":
            state = "paused"
        elif self.watch.total is None:
            state = "preparing"
        next_at = None if self._delivery is None else self._delivery.waits_until
        return self.watch.status(state, why, next_at)

    def __repr__(self) -> str:
        return str(self.status())

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return self.status()._repr_mimebundle_()

    def wait(self, timeout_s: float | None = None) -> Run:
        """Wait until it has ended; a paused one has not.

        Parameters
        ----------
        timeout_s : float, optional
            Wait no longer than that; the send goes on.

        Returns
        -------
        Run
            What was sent; after `stop` or the timeout, what has been sent so far.

        Raises
        ------
        SendStopped
            Interrupted: what had begun has come to its verdict.
        ValueError
            `only` names nobody of this campaign.
        SMTPBookError
            As from ``campaign.send()``.
        RuntimeError
            Called where trio runs, which has ``await live``; or another send was first.
        """
        refuse_inside_trio("await live")
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            # In short turns: not every kernel's interrupt ends a wait for a lock.
            while not self._is_over.wait(HEARTBEAT_S):
                if deadline is not None and time.monotonic() >= deadline:
                    return self.run
        except BaseException as exc:
            self._interrupted()
            self._is_over.wait()
            if isinstance(exc, KeyboardInterrupt):
                raise self._stopped() from exc
            raise
        return self._result()

    def __await__(self) -> Generator[Any, Any, Run]:
        return self._wait_async().__await__()

    async def _wait_async(self) -> Run:
        """Wait as `wait` does, in asyncio or in trio."""
        in_trio = trio.lowlevel.in_trio_run()
        sleep: Callable[[float], Any] = trio.sleep if in_trio else asyncio.sleep
        try:
            # A kernel sees an interrupt only when its loop turns (ipykernel issue 881).
            while not self._is_over.is_set():
                await sleep(HEARTBEAT_S)
        except BaseException as exc:
            self._stop("interrupted")
            try:
                with trio.CancelScope(shield=True) if in_trio else nullcontext():
                    end = time.monotonic() + GRACE_S
                    while not self._is_over.is_set() and time.monotonic() < end:
                        await sleep(HEARTBEAT_S)
            finally:  # a second interrupt, or too long a wait
                if not self._is_over.is_set():
                    self.cut_off()
            if isinstance(exc, KeyboardInterrupt):
                raise self._stopped() from exc
            raise
        return self._result()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the end, whatever it brings; give whether it was reached."""
        return self._is_over.wait(timeout_s)

    def _result(self) -> Run:
        # Once more, in the cell that waits: a cell that has ended may show nothing new.
        self.watch.close()
        if self._error is not None:
            raise self._error
        return self.run

    def _stopped(self) -> SendStopped:
        return SendStopped("stopped; .run holds what was sent", self.run)

    def _interrupted(self) -> None:
        """Stop, and let what is on the wire come to its verdict."""
        self._stop("interrupted")
        if self._job is not None:
            wind_up(self._job)

    # -- what the campaign does with it

    def begin(self, body: Callable[[], None]) -> None:
        """Run the body of the send in a thread of its own; returns at once."""

        def run() -> None:
            with suppress(Exception):  # kept for whoever waits
                self._hold(body)

        # With the caller's context, what is shown is known to belong to its cell.
        target = contextvars.copy_context().run
        thread = threading.Thread(
            target=target, args=(run,), name="smtpbook campaign", daemon=True
        )
        try:
            if self.is_shown:
                self.watch.shown = progress.show_panel(self) or self.watch.shown
            self._enter()
            thread.start()
        except BaseException:
            leaving.leave(self)
            self.watch.ended = datetime.now(UTC)
            self._is_over.set()
            raise

    def hold(self, body: Callable[[], None]) -> None:
        """Run the body of the send here, to its end."""

        def run() -> None:
            self._enter()
            body()

        self._hold(run)

    def _enter(self) -> None:
        if not self._outlives:  # what others send goes on when this process ends
            leaving.enter(self)

    def _hold(self, body: Callable[[], None]) -> None:
        try:
            body()
        except Exception as exc:
            self._error = exc
            raise
        finally:
            self.watch.ended = datetime.now(UTC)
            leaving.leave(self)
            try:
                self.watch.close()
            finally:
                self._is_over.set()

    def expect(self, total: int) -> None:
        """Know how many it is for, and show it where that is not done yet."""
        self.watch.total = total
        self.watch.restart()
        if not self.is_shown or not isinstance(self.watch.shown, progress.Silent):
            return
        if self.is_blocking:
            shown = progress.show_panel(self) or progress.show("sending", total)
        else:  # a bar that is redrawn would disturb whoever types on
            shown = progress.Lines("sending", total)
        self.watch.shown = shown

    def deliver(self, delivery: Steered) -> None:
        """Have a delivery run, and wait for its end; called by the body.

        Raises
        ------
        SendStopped
            The wait was interrupted; what had begun has come to its verdict.
        """
        leaving.come_first()
        self._job = job = SENDER.start(self._deliver, delivery)
        try:
            job.result()
        except CancelledError:
            return  # cut off
        except BaseException as exc:
            if job.done() and job.exception() is exc:
                raise
            self._interrupted()
            if isinstance(exc, SystemExit):
                raise
            raise self._stopped() from exc

    async def _deliver(self, delivery: Steered) -> None:
        """Run it as it was asked to before it was there."""
        # From here on there is a thread to ask: before, a signal would ask one that is
        # still being started, by whoever was interrupted.
        self._delivery = delivery
        if self._asked is not None:
            delivery.stop() if self._asked == "stop" else delivery.pause()
        await delivery.run()
