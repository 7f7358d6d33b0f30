"""Send many: results of a stream of messages on one session, as an async iterator.

A class, not an async generator: nothing is yielded inside a nursery or cancel scope, and
leaving the loop early needs no cleaning up by the caller.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from email.message import Message as AnyEmail
from typing import TYPE_CHECKING, Final, NoReturn

from smtpbook.errors import LocalProtocolError, RemoteProtocolError, TransportError
from smtpbook.protocol.message import Message
from smtpbook.protocol.states import State
from smtpbook.session.dialogue import Dialogue
from smtpbook.session.fetched import Fetched
from smtpbook.transfer.group import Group
from smtpbook.transfer.pipeline import Pipeline, Pipelining
from smtpbook.transfer.transaction import Result

if TYPE_CHECKING:
    from smtpbook.session.session import Session

AnyMessage = Message | AnyEmail
# RSET leads back from the last three.
_MAY_SEND: Final = frozenset({State.READY, State.MAIL, State.RCPT, State.CHUNKS})


class SendMany:
    """Iterates over the results of `Session.send_many`.

    Theory of operation: the task that iterates is the one that writes, so nothing is
    written while nobody asks.  Messages of an async iterable are fetched by a task of the
    session's nursery.  What a source raises waits until the messages before it have their
    results.
    """

    def __init__(
        self,
        session: Session,
        messages: Iterable[AnyMessage] | AsyncIterable[AnyMessage],
        *,
        pipelining: Pipelining,
        chunking: bool | None,
        window: int,
        on_mail_data: Callable[[Message], object] | None,
    ) -> None:
        self._session = session
        self._pipelining, self._chunking, self._window = pipelining, chunking, window
        self._on_mail_data = on_mail_data
        self._is_exhausted = False
        self._is_stopped = False
        self._has_begun = False
        self._messages = messages
        self._source: Iterator[AnyMessage] | None = None
        self._fetched: Fetched[Message] | None = None
        self._error: Exception | None = None
        self._awaited = 0  # messages lined up whose result has not been given

    def __aiter__(self) -> SendMany:
        return self

    async def __anext__(self) -> Result:
        session = self._session
        session._occupy()
        try:
            if not self._has_begun or self._is_stopped:
                await self._begin()
            return await self._next(session._talk)
        finally:
            session._release()

    async def _next(self, talk: Dialogue) -> Result:
        while True:
            if talk.results:
                self._awaited -= 1
                return talk.results.popleft()
            if talk.is_over:
                is_left = self._awaited or self._next_message() is not None
                is_end = isinstance(talk.error, TransportError | RemoteProtocolError | None)
                if is_left or not (self._is_exhausted and is_end):
                    raise talk.over()
                self._finish()
            self._fill(talk.pipeline)
            is_mute = talk.is_cut or talk.pipeline.is_idle
            group = None if is_mute else talk.pipeline.next_group()
            talk.collect()
            if group is not None:
                self._announce(talk, group)
                await talk.write(group)
                if talk.pipeline.writes_ahead or not talk.client.outstanding:
                    continue  # there may be more to write, or it is answered already
            elif self._is_exhausted and talk.pipeline.is_idle and not talk.results:
                self._finish()
            if not talk.results and not talk.is_over:
                await talk.wait_change(is_woken=self._fetched is not None)

    def _announce(self, talk: Dialogue, group: Group) -> None:
        """Tell whose mail data is about to be written."""
        if self._on_mail_data is None:
            return
        try:
            for transaction, _, _ in group.mail_data:
                self._on_mail_data(transaction.message)
        except BaseException:
            # What was lined up will not be written, so no reply to it will come.
            talk.end(TransportError("given up before the mail data was written"))
            raise

    def stop(self) -> None:
        """Write nothing more for this iterator; another use of the session begins."""
        self._is_stopped = True
        if self._fetched is not None:
            self._fetched.stop()

    async def _begin(self) -> None:
        if self._is_stopped:
            raise TransportError("the session has been used for something else since")
        session = self._session
        await session._settle(self)
        talk = session._talk
        if talk.is_over:
            raise talk.over()
        if talk.client.state not in _MAY_SEND:
            raise LocalProtocolError(f"no time for a message: {talk.client.state.value}")
        talk.pipeline.begin(self._pipelining, chunking=self._chunking, window=self._window)
        if isinstance(self._messages, AsyncIterable):
            self._fetched = Fetched(self._messages, _as_message, talk.wake)
            assert session._nursery is not None
            session._nursery.start_soon(self._fetched.run)
        else:
            self._source = iter(self._messages)
        self._has_begun = True

    def _next_message(self) -> Message | None:
        """Take what the source has now; None: nothing, or nothing more."""
        if self._is_exhausted:
            return None
        fetched = self._fetched
        if fetched is not None:
            message = fetched.take()
            if message is None and fetched.is_over:
                self._error, self._is_exhausted = fetched.error, True
            return message
        assert self._source is not None
        try:
            return _as_message(next(self._source))
        except StopIteration:
            pass
        except Exception as exc:
            self._error = exc
        self._is_exhausted = True
        return None

    def _fill(self, pipeline: Pipeline) -> None:
        while pipeline.has_room and (message := self._next_message()) is not None:
            pipeline.add(message, self._session._next_transaction_id())
            self._awaited += 1

    def _finish(self) -> NoReturn:
        """End the iteration, with what the source raised if it did."""
        error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopAsyncIteration


def _as_message(given: AnyMessage) -> Message:
    return given if isinstance(given, Message) else Message.from_email(given)
