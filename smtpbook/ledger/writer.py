"""Writer: the one thread that writes the ledger, many changes to a commit.

Theory of operation.  A commit that survives a power cut costs a flush of the disk, some
milliseconds; so callers only hand over what to write.  While one commit is flushed the next
one collects.  What somebody needs now starts a commit at once; what somebody will need
starts one when others have had some time to come along (see `patience`); what nobody
waits for is taken along by the next, or starts one after `LINGER_S`.

A commit that fails ends the writer: everybody who waits is told, nothing more is taken.
What is written, and what a transaction is, are not known here.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, TypeAlias, TypeVar

import trio

from smtpbook.errors import LedgerError
from smtpbook.ledger.connection import Connection
from smtpbook.ledger.patience import Patience

T = TypeVar("T")

LINGER_S: Final = 0.05
"""How long an outcome may wait for the next commit when nobody waits for it."""
HEARTBEAT_S: Final = 10.0
"""How often the writer shows that it lives."""

Work: TypeAlias = "Callable[[Connection], Any]"
Transact: TypeAlias = "Callable[[Sequence[Work]], list[Any]]"
"""Does pieces of work in one transaction that proves that we may still write; gives what
each came to."""
_Item: TypeAlias = "tuple[Work, Promise | Future[Any] | None]"


class Promise:
    """Something that will be durable; awaiting it, now or later, waits for that.

    Parameters
    ----------
    hurry : callable
        Called when somebody needs it now.

    Attributes
    ----------
    is_hurried : bool
        Whether somebody needed it before it was kept.

    Raises
    ------
    LedgerError
        On awaiting: it could not be written; nothing may be sent on its strength.
    """

    __slots__ = ("_error", "_event", "_hurry", "is_hurried", "token")

    def __init__(self, hurry: Callable[[], object]) -> None:
        self.token = trio.lowlevel.current_trio_token()
        self.is_hurried = False
        self._hurry = hurry
        self._event = trio.Event()
        self._error: LedgerError | None = None

    @property
    def is_kept(self) -> bool:
        """Whether nobody has to wait any more."""
        return self._event.is_set()

    def settle(self, error: LedgerError | None) -> None:
        """Wake who waits; in the trio thread."""
        self._error = error
        self._event.set()

    def __await__(self) -> Generator[Any, Any, None]:
        self.hurry()
        return self.patiently().__await__()

    def hurry(self) -> None:
        """Let it wait for nothing else: somebody needs it now; in the trio thread."""
        if not self.is_kept and not self.is_hurried:
            self.is_hurried = True
            self._hurry()

    async def patiently(self) -> None:
        """Wait for it as long as it takes; errors as on awaiting."""
        await self._event.wait()
        if self._error is not None:
            raise LedgerError(str(self._error)) from self._error


class Writer:
    """The thread and what it still has to write.

    Parameters
    ----------
    connection : Connection
        Used by nobody else from now on, and closed at the end.
    name : str
        What errors call the ledger.
    transact : callable
    heartbeat_s : float
        How often it shows that it lives when there is nothing to write.
    patience : Patience, optional
        How long a commit may collect what nobody waits for yet.
    """

    def __init__(
        self,
        connection: Connection,
        name: str,
        transact: Transact,
        *,
        heartbeat_s: float = HEARTBEAT_S,
        patience: Patience | None = None,
    ) -> None:
        self._connection, self._name, self._transact = connection, name, transact
        self._heartbeat_s = heartbeat_s
        self._ready = threading.Condition()
        self._patience = patience or Patience()
        self._queue: list[_Item] = []
        self._is_wanted = self._is_closing = False
        self._error: LedgerError | None = None
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def promise(self) -> Promise:
        """Give a promise to hand over with a piece of work; in the trio thread."""
        return Promise(self._hurry)

    def add(self, work: Work, waiter: Promise | Future[Any] | None = None) -> None:
        """Hand over something to write; `waiter` hears when it is durable.

        Raises
        ------
        LedgerError
            An earlier commit failed, or the ledger is closed.
        """
        with self._ready:
            self.check()
            self._queue.append((work, waiter))
            is_first = len(self._queue) == 1 or (waiter is not None and not self._is_wanted)
            self._is_wanted |= waiter is not None
            if is_first or isinstance(waiter, Future):
                self._ready.notify()

    def call(self, work: Callable[[Connection], T]) -> T:
        """Write something and wait for it, from any thread; errors as `add`."""
        future: Future[T] = Future()
        self.add(work, future)
        return future.result()

    def check(self) -> None:
        """Raise when nothing more is taken."""
        if self._error is not None:
            raise LedgerError(str(self._error)) from self._error
        if self._is_closing:
            raise LedgerError(f"the ledger {self._name} is closed; open the campaign again")

    def close(self) -> None:
        """Write what is left, and end; a failure is not raised again."""
        with self._ready:
            self._is_closing = True
            self._ready.notify()
        interrupt: BaseException | None = None
        while self._thread.is_alive():  # whoever lets others write next, it is not before
            try:
                self._thread.join()
            except BaseException as exc:
                interrupt = exc
        if interrupt is not None:
            raise interrupt

    def _hurry(self) -> None:
        with self._ready:
            self._ready.notify()

    # -- the thread

    def _run(self) -> None:
        while self._error is None and (batch := self._next()) is not None:
            self._commit(batch)
        # SQLite empties its log into the file here; on a full disk that waits until later.
        with suppress(sqlite3.Error, LedgerError):
            self._connection.close()

    def _next(self) -> list[_Item] | None:
        """Wait for a transaction's changes; empty = a sign of life; None = the end."""
        with self._ready:
            self._ready.wait_for(lambda: self._queue or self._is_closing, self._heartbeat_s)
            if self._queue:
                self._ready.wait_for(lambda: self._is_wanted or self._is_closing, LINGER_S)
            if self._is_wanted:
                self._ready.wait_for(self._is_urgent, self._patience.wait_s)
            batch, self._queue, self._is_wanted = self._queue, [], False
            return None if self._is_closing and not batch else batch

    def _is_urgent(self) -> bool:
        """Whether somebody needs what is in the queue now."""
        waiters = (waiter for _, waiter in self._queue)
        return self._is_closing or any(
            waiter.is_hurried if isinstance(waiter, Promise) else waiter is not None
            for waiter in waiters
        )

    def _commit(self, batch: list[_Item]) -> None:
        try:
            results = self._transact([work for work, _ in batch])
        except Exception as exc:
            self._fail(exc, batch)
            return
        waiters = [waiter for _, waiter in batch if isinstance(waiter, Promise)]
        if waiters:
            self._patience.learn(was_late=any(one.is_hurried for one in waiters))
        _tell(batch, results, None)

    def _fail(self, exc: Exception, batch: list[_Item]) -> None:
        with suppress(sqlite3.Error, LedgerError):
            self._connection.rollback()
        with self._ready:
            self._error = (
                exc
                if isinstance(exc, LedgerError)
                else LedgerError(
                    f"the ledger {self._name} cannot be written ({exc}); nothing further "
                    f"is sent. Set that right (room on the disk, the right to write), then "
                    f"open the campaign again: it goes on where it was"
                )
            )
            batch, self._queue = batch + self._queue, []
        _tell(batch, [None] * len(batch), self._error)


def _tell(
    batch: list[_Item],
    results: list[Any],
    error: LedgerError | None,
) -> None:
    """Wake everybody who waits for a transaction; each loop is entered once."""
    promises: dict[trio.lowlevel.TrioToken, list[Promise]] = defaultdict(list)
    for (_, waiter), result in zip(batch, results, strict=True):
        if isinstance(waiter, Promise):
            promises[waiter.token].append(waiter)
        elif waiter is not None and error is not None:
            waiter.set_exception(LedgerError(str(error)))
        elif waiter is not None:
            waiter.set_result(result)
    for token, waiting in promises.items():
        with suppress(trio.RunFinishedError):  # nobody waits there any more
            token.run_sync_soon(_settle, waiting, error)


def _settle(promises: list[Promise], error: LedgerError | None) -> None:
    for promise in promises:
        promise.settle(error)
