"""Send many: results of a stream of messages on one session, as an async iterator.

A class, not an async generator: nothing is yielded inside a nursery or cancel scope, and
leaving the loop early needs no cleaning up by the caller.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Iterator
from email.message import Message as AnyEmail
from typing import TYPE_CHECKING

import trio

from smtpbook.errors import TransportError
from smtpbook.protocol.message import Message
from smtpbook.protocol.pipeline import Pipelining
from smtpbook.protocol.transaction import Result

if TYPE_CHECKING:
    from smtpbook.session.session import Session

AnyMessage = Message | AnyEmail


class SendMany:
    """Iterates over the results of `Session.send_many`.

    Theory of operation: the task that iterates is the one that writes, so nothing is
    written while nobody asks.  Messages of an async iterable are fetched by a task of the
    session's nursery, one ahead, so that a slow source does not hold back what is ready.
    """

    def __init__(
        self,
        session: Session,
        messages: Iterable[AnyMessage] | AsyncIterable[AnyMessage],
        pipelining: Pipelining,
    ) -> None:
        self._session = session
        self._pipelining = pipelining
        self._is_exhausted = False
        self._is_stopped = False
        self._messages = messages
        self._source: Iterator[AnyMessage] | None = None
        self._fetched: trio.MemoryReceiveChannel[AnyMessage] | None = None
        self._fetching = trio.CancelScope()
        self._fetch_error: BaseException | None = None

    def __aiter__(self) -> SendMany:
        return self

    async def __anext__(self) -> Result:
        await self._begin()
        talk = self._session._talk
        while True:
            if talk.results:
                return talk.results.popleft()
            if talk.is_over:
                if self._next_message() is None and self._is_exhausted:
                    raise StopAsyncIteration
                raise talk.over()
            self._fill()
            group = talk.pipeline.next_group()
            talk.collect()
            if group is not None:
                await talk.write(group)
            elif not talk.results:
                if self._is_exhausted and talk.pipeline.is_idle:
                    self._raise_fetch_error()
                    raise StopAsyncIteration
                await talk.wait_change()

    def stop(self) -> None:
        """Write nothing more for this iterator; another use of the session begins."""
        self._is_stopped = True
        self._fetching.cancel()

    async def _begin(self) -> None:
        if self._is_stopped:
            raise TransportError("the session has been used for something else since")
        session = self._session
        if self._source is not None or self._fetched is not None:
            return
        await session._settle(self)
        talk = session._talk
        if talk.is_over:
            raise talk.over()
        talk.pipeline.mode = self._pipelining
        if isinstance(self._messages, AsyncIterable):
            send, self._fetched = trio.open_memory_channel[AnyMessage](1)
            assert session._nursery is not None
            session._nursery.start_soon(self._fetch, self._messages, send)
        else:
            self._source = iter(self._messages)

    async def _fetch(
        self,
        messages: AsyncIterable[AnyMessage],
        channel: trio.MemorySendChannel[AnyMessage],
    ) -> None:
        try:
            with self._fetching, channel:
                async for message in messages:
                    await channel.send(message)
                    self._session._talk.wake()
        except Exception as exc:
            self._fetch_error = exc
        finally:
            self._session._talk.wake()

    def _next_message(self) -> AnyMessage | None:
        if self._is_exhausted:
            return None
        if self._source is not None:
            message = next(self._source, None)
            self._is_exhausted = message is None
            return message
        assert self._fetched is not None
        try:
            return self._fetched.receive_nowait()
        except trio.WouldBlock:
            return None
        except trio.EndOfChannel:
            self._is_exhausted = True
            return None

    def _fill(self) -> None:
        pipeline = self._session._talk.pipeline
        while pipeline.has_room and (message := self._next_message()) is not None:
            if not isinstance(message, Message):
                message = Message.from_email(message)
            pipeline.add(message, self._session._next_transaction_id())

    def _raise_fetch_error(self) -> None:
        if self._fetch_error is not None:
            raise self._fetch_error
