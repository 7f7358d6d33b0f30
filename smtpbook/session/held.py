"""Held session: one that stays open in the sender's thread, for those who live in another.

It begins with the greeting and says nothing by itself but QUIT, when it is left.  What is
said in it, `smtpbook.runner.SENDER` runs.
"""

from __future__ import annotations

from concurrent.futures import CancelledError, Future
from contextlib import suppress

import trio

from smtpbook.accounts.account import Account
from smtpbook.errors import SMTPBookError
from smtpbook.events import Sink
from smtpbook.runner import SENDER, Job, refuse_inside_trio
from smtpbook.session.record import Connector
from smtpbook.session.session import Session, open_session
from smtpbook.transport.connect import connect


class HeldSession:
    """A session that is begun at once, and held open until it is left or dropped.

    Parameters
    ----------
    account : Account
        Where to connect.
    sink : callable
        Gets each row of the event log, in the sender's thread.
    connector : async callable
        Gives the stream; by default as the account says.

    Raises
    ------
    RuntimeError
        Called where trio runs.

    Attributes
    ----------
    life : Job of None
        What holds it open; once it is cancelled, the connection is dropped.
    """

    def __init__(
        self, account: Account, sink: Sink, *, connector: Connector = connect
    ) -> None:
        refuse_inside_trio("open_session()")
        self._leave = trio.Event()
        self._opened: Future[Session] = Future()
        self.life: Job[None] = SENDER.start(self._live, account, sink, connector)
        # Without a greeting there is nothing to wait for any more.
        self.life.add_done_callback(lambda _: self._opened.cancel())

    def opened(self) -> Session:
        """Wait for the greeting; a wait that is interrupted drops the session.

        Raises
        ------
        TransportError, ReplyError, RemoteProtocolError
            No connection, or no greeting.
        concurrent.futures.CancelledError
            It was dropped meanwhile.
        """
        try:
            return self._opened.result()
        except CancelledError:
            self.life.result()  # raises why
            raise
        except BaseException:
            self.life.cancel()
            raise

    def leave(self) -> None:
        """Say QUIT, unless it has been said, and hang up; twice is the same as once."""
        SENDER.call(self._leave.set)
        self._wait()

    def drop(self) -> None:
        """End the connection at once: nobody can go on after half an exchange."""
        self.life.cancel()
        self._wait()

    def _wait(self) -> None:
        with suppress(CancelledError, SMTPBookError):
            self.life.result()

    async def _live(self, account: Account, sink: Sink, connector: Connector) -> None:
        async with open_session(
            account, sink=sink, ehlo=False, connector=connector, keeps_rows=False
        ) as session:
            self._opened.set_result(session)
            await self._leave.wait()
