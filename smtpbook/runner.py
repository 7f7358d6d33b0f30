"""Runner: the thread in which trio lives, and the way into it from any other.

Theory of operation.  A notebook's own event loop is asyncio's, a script has none; so trio
gets a daemon thread of its own, started on first use and kept.  Other threads hand it
async functions through a token and wait for a future.  A heartbeat in that thread measures
how late the loop is (another thread that computes holds the interpreter): the event log
tells that apart from the server's time.

Only this module knows of the thread.  It knows nothing of SMTP.
"""

from __future__ import annotations

import contextvars
import math
import os
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final, TypeVar, TypeVarTuple

import trio

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

HEARTBEAT_S: Final = 0.05
_gauge: Final[trio.lowlevel.RunVar[list[float] | None]] = trio.lowlevel.RunVar(
    "smtpbook lag"
)


def lag_gauge() -> Sequence[float] | None:
    """Give the gauge of the current trio loop.

    Returns
    -------
    sequence of one float, or None
        How late the loop was at its last heartbeat, in seconds; read it whenever the
        number is wanted.  None in a loop that is not a `TrioThread`'s: nothing measures
        there.
    """
    return _gauge.get(None)


def refuse_inside_trio(instead: str) -> None:
    """Raise when a blocking call is made where it would stop a trio loop.

    Raises
    ------
    RuntimeError
        This thread runs trio; the message names what to call instead.
    """
    if trio.lowlevel.in_trio_run():
        raise RuntimeError(f"this call blocks and this thread runs trio; use {instead}")


class Job(Future[T]):
    """A running async function of another thread, as a future that can be cancelled."""

    def __init__(self, token: trio.lowlevel.TrioToken) -> None:
        super().__init__()
        self._token = token
        self._scope = trio.CancelScope()

    def cancel(self) -> bool:
        """Cancel the function; the future ends once the function has cleaned up.

        Returns
        -------
        bool
            False when it had ended before.
        """
        if self.done():
            return False
        self._token.run_sync_soon(self._scope.cancel)
        return True

    async def run(
        self, function: Callable[..., Awaitable[T]], args: tuple[Any, ...]
    ) -> None:
        """Run the function here and now, and keep what it returns or raises."""
        try:
            with self._scope:
                self.set_result(await function(*args))
        except BaseException as exc:
            # It belongs to whoever waits; raised here it would end the loop of all jobs.
            self.set_exception(exc)
        if not self.done():
            super().cancel()
            self.set_running_or_notify_cancel()


class TrioThread:
    """A thread that runs a trio loop for as long as the process lives.

    Parameters
    ----------
    name : str
        Of the thread, for debuggers.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._pid = 0
        self._token: trio.lowlevel.TrioToken | None = None
        self._nursery: trio.Nursery | None = None

    def start(self, function: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> Job[T]:
        """Start an async function in the thread; returns at once.

        The task sees the caller's context variables, so what it prints lands in the cell
        that started it.
        """
        token = self._ready_token()
        job: Job[T] = Job(token)
        context = contextvars.copy_context()

        def spawn() -> None:
            assert self._nursery is not None
            context.run(self._nursery.start_soon, job.run, function, args)

        token.run_sync_soon(spawn)
        return job

    def call(self, function: Callable[[*Ts], T], *args: *Ts) -> None:
        """Have a plain function called in the thread, soon; nothing is returned."""
        self._ready_token().run_sync_soon(function, *args)

    def run(self, function: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        """Run an async function in the thread and wait for what it returns.

        A wait that is interrupted cancels the function.

        Raises
        ------
        RuntimeError
            Called from a thread that runs trio, which would wait for itself.
        """
        refuse_inside_trio("the async form of it")
        job = self.start(function, *args)
        try:
            return job.result()
        except BaseException:
            job.cancel()
            raise

    def _ready_token(self) -> trio.lowlevel.TrioToken:
        with self._lock:
            # A forked child has the object but not the thread.
            if self._token is None or self._pid != os.getpid():
                ready = threading.Event()
                threading.Thread(
                    target=trio.run, args=(self._main, ready), name=self._name, daemon=True
                ).start()
                ready.wait()
                self._pid = os.getpid()
            assert self._token is not None
            return self._token

    async def _main(self, ready: threading.Event) -> None:
        async with trio.open_nursery() as nursery:
            self._token = trio.lowlevel.current_trio_token()
            self._nursery = nursery
            nursery.start_soon(_measure_lag)
            ready.set()
            await trio.sleep(math.inf)


async def _measure_lag() -> None:
    gauge = [0.0]
    _gauge.set(gauge)
    while True:
        due = trio.current_time() + HEARTBEAT_S
        await trio.sleep_until(due)
        gauge[0] = max(0.0, trio.current_time() - due)


SENDER: Final = TrioThread("smtpbook sender")
"""Where campaigns and probes run."""
