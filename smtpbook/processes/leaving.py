"""Leaving: a process that ends while something is sent brings that to a clean end first.

What is on the wire comes to its verdict, and QUIT is said: at the end of a script, when a
kernel is shut down or restarted, and on SIGTERM where nobody else listens to that.  How a
send is stopped is its own matter.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
import time
from types import FrameType
from typing import Final, Protocol

from smtpbook.delivery.ending import GRACE_S

# Jupyter kills a kernel 2.5 s after its SIGTERM, half of its KernelManager's
# shutdown_wait_time.
_TERM_S: Final = 2.0


class Going(Protocol):
    """Something that is being sent."""

    is_blocking: bool  # in the thread that entered it

    def stop(self) -> None:
        """Begin nothing new."""

    def cut_off(self) -> None:
        """Give up what has begun."""

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; give whether it was reached."""


_going: Final[dict[Going, tuple[int, int]]] = {}  # process and thread that entered it
_lock: Final = threading.Lock()


def enter(one: Going) -> None:
    """Know of something that is being sent from now on."""
    with _lock:
        _going[one] = (os.getpid(), threading.get_ident())
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


def come_first() -> None:
    """At the end of the process, be asked before whatever a send needs is closed.

    The last to be registered is the first to be called, and a ledger is closed then, too:
    said again for each send, once its ledger is open.
    """
    with _lock:
        atexit.unregister(end_all)
        atexit.register(end_all, GRACE_S)


def leave(one: Going) -> None:
    """Forget what has come to its end."""
    with _lock:
        _going.pop(one, None)


def end_all(patience_s: float) -> bool:
    """Stop everything, and wait for what other threads send.

    Returns
    -------
    bool
        Whether this very thread is in the middle of a send.
    """
    # No lock: the thread that a signal has interrupted may hold it.  A forked child knows
    # of what its parent sends, and has no part in it.
    process, me = os.getpid(), threading.get_ident()
    ours, others = list[Going](), list[Going]()
    for one, (pid, thread) in list(_going.items()):
        if pid == process:
            one.stop()
            (ours if one.is_blocking and thread == me else others).append(one)
    deadline = time.monotonic() + patience_s
    for one in others:
        if not one.join(max(0.0, deadline - time.monotonic())):
            one.cut_off()
            one.join(patience_s)
    return bool(ours)


def _terminate(number: int, _: FrameType | None) -> None:
    if end_all(_TERM_S):
        raise SystemExit(128 + number)  # up through the send, which winds up
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
