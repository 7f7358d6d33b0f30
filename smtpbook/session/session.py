"""Session: one conversation with one server, from the greeting to QUIT.

``open_session`` connects, greets, secures and logs in; the `Session` it gives sends
messages and says any command.  Time, octets and the record are the `dialogue`'s, the order
of commands is `protocol`'s.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final

import trio

from smtpbook.accounts.account import Account
from smtpbook.errors import LocalProtocolError, TransportError
from smtpbook.events import Event, Sink, to_sink
from smtpbook.log.kept import KeptRows
from smtpbook.protocol.commands import Rset
from smtpbook.protocol.extensions import Extensions
from smtpbook.protocol.message import Message
from smtpbook.protocol.replies import Reply
from smtpbook.protocol.states import State
from smtpbook.session.dialogue import Dialogue
from smtpbook.session.login import is_wanted, log_in
from smtpbook.session.manners import greet, raise_refusal, say_goodbye
from smtpbook.session.many import AnyMessage, SendMany
from smtpbook.session.record import Connector, Record
from smtpbook.session.script import Played, Script
from smtpbook.session.starttls import ask_for_tls
from smtpbook.session.typed import Typist
from smtpbook.transfer.pipeline import MODES, Pipelining
from smtpbook.transfer.transaction import Result
from smtpbook.transfer.window import WINDOW
from smtpbook.transport.connect import connect
from smtpbook.transport.tls import start_tls

_OPEN: Final = frozenset({State.MAIL, State.RCPT, State.CHUNKS})


@asynccontextmanager
async def open_session(
    account: Account,
    record: Callable[[Event], None] | None = None,
    *,
    sink: Sink | None = None,
    ehlo: bool = True,
    login: bool = True,
    campaign_id: str | None = None,
    connector: Connector = connect,
    keeps_rows: bool = True,
) -> AsyncIterator[Session]:
    """Connect, wait for the greeting, say EHLO (to LMTP, LHLO), begin TLS, log in.

    Parameters
    ----------
    account : Account
    record : callable, optional
        Called with each `Event` as it happens; must not block.  What it raises ends the
        session.
    sink : callable, optional
        The same as plain tuples in `SCHEMA`'s order, which costs a sixth.
    ehlo : bool
        False stops after the greeting (and the handshake of ``tls="implicit"``): every
        command is then yours, and a greeting that refuses leaves you QUIT.
    login : bool
        False stops before AUTH, which `Session.log_in` then does.
    campaign_id : str, optional
        For the record.
    connector : async callable
        Gives the stream; default: as the account says.
    keeps_rows : bool
        False keeps none for `Session.transcript`: the sink has them all.

    Yields
    ------
    Session
        Closed with QUIT when the block is left, by an error too, once the replies under
        way have come; dropped at once when the block is cancelled.

    Raises
    ------
    TransportError, TLSError
        No connection, no greeting, or STARTTLS is not offered.
    RejectedError, DeferredError
        Refused at the greeting, EHLO or STARTTLS; DeferredError at the login, too, when
        the server cannot judge it now.
    AuthenticationError
        The login was refused.

    References
    ----------
    RFC 5321 section 3.1 (greeting), 3.2 (EHLO); RFC 3207 (STARTTLS); RFC 4954 (AUTH).
    """
    if not trio.lowlevel.in_trio_run():
        raise RuntimeError(
            "open_session() runs under trio: put it into an async function and call "
            "trio.run(function); sb.Campaign(…).send() needs none of this"
        )
    if record is not None and sink is not None:
        raise ValueError("give record= or sink=, not both")
    session = Session(
        account,
        sink=to_sink(record) if record is not None else sink,
        campaign_id=campaign_id,
        connector=connector,
        login=login,
        keeps_rows=keeps_rows,
    )
    failure: BaseException | None = None
    # What the caller's block raises is carried around the nursery, not through it, or it
    # would come out wrapped in a group.
    async with trio.open_nursery() as nursery:
        try:
            await session._open(nursery, ehlo=ehlo)
            yield session
        except BaseException as exc:
            failure = exc
        try:
            # Cancelled: there is no more time to be polite in.
            await session._close(politely=trio.current_effective_deadline() > -math.inf)
        finally:
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


class Session:
    """An open session; made by `open_session`.

    Attributes
    ----------
    account : Account
    id : str
        As in the event log.
    rows : KeptRows
        The last 10,000 rows of the record; fewer where a server makes very long replies.
    """

    def __init__(
        self,
        account: Account,
        *,
        sink: Sink | None,
        campaign_id: str | None,
        connector: Connector,
        login: bool,
        keeps_rows: bool,
    ) -> None:
        self.account = account
        self.id = ""
        self.rows = KeptRows()
        self._kept = self.rows if keeps_rows else None
        self._sink = sink
        self._campaign_id = campaign_id
        self._connector = connector
        self._login = login
        self._nursery: trio.Nursery | None = None
        self._dialogue: Dialogue | None = None
        self._record: Record | None = None
        self._active: SendMany | None = None
        self._untaken: list[Result] = []
        self._is_in_use = False
        self._ehlo = True
        self._transactions = 0
        self._typist = Typist(account)

    def __repr__(self) -> str:
        state = self._dialogue.client.state.value if self._dialogue else "not open"
        return f"<Session {self.id} with {self.account.host}: {state}>"

    @property
    def state(self) -> State:
        """Where the session stands."""
        return self._talk.client.state

    @property
    def extensions(self) -> Extensions:
        """What the server's current EHLO reply offers."""
        return self._talk.client.extensions

    @property
    def is_secure(self) -> bool:
        """Whether the session is under TLS."""
        return self._talk.client.is_secure

    @property
    def is_authenticated(self) -> bool:
        """Whether a login has succeeded."""
        return self._talk.client.is_authenticated

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """Those the server has shown, as DER, its own first; empty in clear text."""
        return self._talk.certificates

    @property
    def is_over(self) -> bool:
        """Whether the connection has ended; nothing more can be said."""
        return self._talk.is_over

    @property
    def error(self) -> Exception | None:
        """Why it has ended; None while it has not, and after QUIT."""
        return self._talk.error

    @property
    def _talk(self) -> Dialogue:
        if self._dialogue is None:
            raise TransportError("the session is not open")
        return self._dialogue

    async def log_in(self) -> None:
        """Log in, where `open_session` was told to leave that out.

        Raises
        ------
        AuthenticationError
            The server refused; each password is tried once.
        DeferredError
            The server cannot judge logins now.
        LocalProtocolError
            No mechanism fits, no password is known, or it would travel in clear text.
        RemoteProtocolError
            The server did not prove who it is, where the mechanism has it do so.
        """
        self._login = True  # a session that has to be opened anew does it, too
        await log_in(self._talk, self.account, self._record_now)

    # -- sending

    async def send(
        self,
        message: AnyMessage,
        *,
        pipelining: Pipelining = "auto",
        chunking: bool | None = None,
    ) -> Result:
        """Send one message.

        Cancelled after the message had begun, it gives no result; what became of the
        message is in the event log, and in `take_results`.

        Parameters
        ----------
        message : Message or email.message.EmailMessage
        pipelining, chunking
            As of `send_many`.

        Returns
        -------
        Result
            For every reply, loss or timeout after MAIL; `Result.raise_for_outcome` turns
            it into an exception.

        Raises
        ------
        LocalProtocolError
            The message cannot be sent at this server, or is not one; nothing was written.
        TransportError
            The session was already over.
        """
        results = self.send_many([message], pipelining=pipelining, chunking=chunking)
        result = await anext(results)
        if isinstance(result.error, LocalProtocolError):
            raise result.error
        return result

    def send_many(
        self,
        messages: Iterable[AnyMessage] | AsyncIterable[AnyMessage],
        *,
        pipelining: Pipelining = "auto",
        chunking: bool | None = None,
        window: int = WINDOW,
        on_mail_data: Callable[[Message], object] | None = None,
    ) -> SendMany:
        """Send messages one after the other; iterate over their results.

        The iterator writes only while it is asked for the next result.  It takes messages
        up to two ahead of the results (with "stream", up to `window`), from an async
        iterable one more; an async generator is closed when it is no longer needed.  After
        a ``break`` nothing new is written; before its next use the session drains what was
        under way (in "stream" up to `window` messages, which are delivered; `take_results`
        tells) and resets, by a new connection where the server waits for mail data.

        Parameters
        ----------
        messages : iterable or async iterable of Message or EmailMessage
        pipelining : {"auto", "off", "stream"}
            How far is written ahead of the replies, and so how many messages may be
            **in doubt** when the connection is lost:

            - "off": a command at a time; at most one message.
            - "auto": where the server offers PIPELINING, the end of a message together
              with the envelope of the next, 1.2 round trips a message; at most one message.
            - "stream": where it offers CHUNKING besides, up to `window` whole messages,
              1 / `window` round trips each; at most `window` messages: each one that had
              been written to its last octet and was not answered.  Elsewhere it is "auto".
        chunking : bool, optional
            Whether BDAT takes the place of DATA (RFC 3030).  Default: in "stream", where it
            is offered.  True uses it with "auto" and "off" too, where it waits for the
            replies to RCPT, and is an error where it is not offered.  False never uses it,
            which makes "auto" of "stream": DATA has to wait for its 354.
        window : int
            How many messages "stream" has under way at once, from 1.
        on_mail_data : callable, optional
            Called with each message before any of its mail data is written; with "stream"
            for several that are written together.  What it raises ends the session, and
            those messages have failed.

        Yields
        ------
        Result
            One per message, in order.  A message that cannot be sent here is ``failed``
            with a `LocalProtocolError` in ``.error``.  What the iterable itself raises, or
            an email that is no `Message`, comes after the results of those before it.

        Raises
        ------
        ValueError
            `pipelining` is none of these, or `window` is not a number from 1.
        TransportError, RemoteProtocolError
            The session ended while messages were left; those got no result.
        LocalProtocolError
            Another task is using the session, it is in the middle of something else, or
            `chunking` is True and the server does not offer CHUNKING.

        Notes
        -----
        "stream" writes MAIL, RCPT and BDAT together, which goes beyond what RFC 3030
        shows; a server that refuses all recipients is sent the mail data all the same, and
        throws it away.  Every transaction begins with RSET.

        References
        ----------
        RFC 2920 (PIPELINING), RFC 3030 (CHUNKING), RFC 1047 (messages in doubt).
        """
        if pipelining not in MODES:
            raise ValueError(f"pipelining={pipelining!r} is not one of {', '.join(MODES)}")
        if not (isinstance(window, int) and window >= 1):
            raise ValueError(f"window={window!r} is not a number of messages, 1 or more")
        return SendMany(
            self,
            messages,
            pipelining=pipelining,
            chunking=chunking,
            window=window,
            on_mail_data=on_mail_data,
        )

    async def command(self, line: str, *, chunk: bytes = b"") -> Reply | None:
        r"""Say any line, allowed or not, and wait for the reply.

        Between DATA's 354 and the lone dot a line is mail data and gets no reply (None); of
        LMTP's replies to the dot the last is given.  After STARTTLS the handshake is done.

        Parameters
        ----------
        line : str
            Without its line end.  ``[redacted]`` for what a login says (``AUTH PLAIN
            [redacted]``, or alone where a challenge awaits its response) is filled in from
            the account.
        chunk : bytes
            Mail data that BDAT announces, as many octets as it says.

        Raises
        ------
        LocalProtocolError
            The line holds a line end or another control character, a command still awaits
            its reply, `chunk` has another size, or a login cannot be filled in.
        TransportError, RemoteProtocolError
            No reply came; the session is over.

        Examples
        --------
        ``await session.command("VRFY bob")``, ``command("BDAT 4", chunk=b"Hi\r\n")``
        """
        self._occupy()
        try:
            await self._settle()
            talk = self._talk
            reply = await self._typist.say(talk, self._record_now, line, chunk)
            if talk.client.state is State.TLS:
                await self._begin_tls()
            return reply
        finally:
            self._release()

    async def play(self, script: str | Script) -> tuple[Played, ...]:
        """Say what a script says, line by line; `smtpbook.session.script` has its form.

        Parameters
        ----------
        script : str or Script
            One that begins with EHLO is for a session opened with ``ehlo=False``.

        Returns
        -------
        tuple of Played
            Each line with its reply, as far as the session goes: to QUIT, or a 421.

        Raises
        ------
        ValueError
            It is no script; nothing was said.
        LocalProtocolError, TransportError, RemoteProtocolError
            As `command`; `transcript` tells how far it came.
        """
        played = []
        for line in (Script.parse(script) if isinstance(script, str) else script).lines:
            if not self.is_over:
                reply = await self.command(line.text, chunk=line.chunk)
                played.append(Played(line=line, reply=reply))
        return tuple(played)

    @property
    def _record_now(self) -> Record:
        assert self._record is not None  # there is one from the first connection on
        return self._record

    def take_results(self) -> list[Result]:
        """Take the verdicts that nobody has asked for.

        Each message that had begun comes to one, after a ``break`` and if cut off, too.
        """
        if self._dialogue is not None:
            self._untaken += self._dialogue.results
            self._dialogue.results.clear()
        taken, self._untaken = self._untaken, []
        return taken

    def transcript(self) -> str:
        """Give the dialogue so far as text, in the form deliverability people read."""
        from smtpbook.log.frame import to_frame
        from smtpbook.log.transcript import transcript

        return transcript(to_frame(self.rows))

    # -- opening

    async def _open(self, nursery: trio.Nursery, *, ehlo: bool) -> None:
        self._nursery = nursery
        self._ehlo = ehlo
        self.id = secrets.token_hex(5)
        self._transactions = 0
        clock = trio.current_time()
        wall_us = time.time_ns() // 1000
        record = Record(
            self._sink, self._kept, self.id, self.account, self._campaign_id, wall_us, clock
        )
        self._record = record
        stream = await self._connector(self.account, record)
        self.id = record.session_id  # of a rehearsal, it is another one
        if self.account.tls == "implicit":
            try:
                stream = await start_tls(stream, self.account, record)
            except BaseException as exc:
                record.note("disconnect", trio.current_time(), error=type(exc).__name__)
                await trio.aclose_forcefully(stream)
                raise
        self._dialogue = Dialogue(stream, record, self.account)
        nursery.start_soon(self._dialogue.read)
        greeting = await self._dialogue.reply_to(self._dialogue.greeting)
        if ehlo:
            raise_refusal(greeting, "GREETING")
            await self._introduce()

    async def _introduce(self) -> None:
        """EHLO, TLS if wanted, EHLO again, login."""
        await greet(self._talk, self.account)
        if self.account.tls in ("starttls", "opportunistic"):
            reply = await ask_for_tls(self._talk, self.account, self._record_now)
            if reply is not None:
                raise_refusal(reply, "STARTTLS")
                await self._begin_tls()
                await greet(self._talk, self.account)
        if self._login and is_wanted(self.account):
            await self.log_in()

    async def _begin_tls(self) -> None:
        talk, record = self._talk, self._record_now
        assert self._nursery is not None
        try:
            if talk.is_over:  # clear text came behind the 220
                raise talk.over()
            talk.client.begin_tls()
            talk.stream = await start_tls(talk.stream, self.account, record)
        except BaseException as exc:
            name = type(exc).__name__
            talk.end(exc if isinstance(exc, Exception) else TransportError(f"TLS: {name}"))
            # Nobody reads during the handshake, so nobody else closes.
            await trio.aclose_forcefully(talk.stream)
            raise
        talk.client.end_tls()
        self._nursery.start_soon(talk.read)

    # -- between uses, and the end

    def _next_transaction_id(self) -> str:
        self._transactions += 1
        return f"{self.id}.{self._transactions}"

    def _occupy(self) -> None:
        """Keep two tasks from using the session at the same time."""
        if self._is_in_use:
            raise LocalProtocolError(
                "another task is using this session; open one for each task"
            )
        self._is_in_use = True

    def _release(self) -> None:
        self._is_in_use = False
        if self._dialogue is not None:
            self._dialogue.leave()

    async def _settle(self, following: SendMany | None = None) -> None:
        """Bring the session back to where something new may begin."""
        if self._active is not None:
            self._active.stop()
        self._active = following
        talk = self._talk
        await talk.wait(lambda: not talk.client.outstanding)
        self._untaken = self.take_results()
        if talk.is_over or talk.pipeline.is_idle:
            return
        talk.pipeline.abandon(TransportError("given up before the mail data was sent"))
        talk.collect()
        self._untaken = self.take_results()
        if talk.client.state is State.DATA:
            # The only way out of DATA is to send something, or to leave: what is left
            # incomplete is not delivered (RFC 5321 section 4.1.1.4).
            assert self._nursery is not None
            talk.end(TransportError("left before the mail data was sent"))
            await self._open(self._nursery, ehlo=self._ehlo)
        elif talk.client.state in _OPEN:
            await talk.ask(Rset())

    async def _close(self, *, politely: bool) -> None:
        """Say QUIT if that is possible, and let the reader finish its record."""
        talk = self._dialogue
        if self._active is not None:
            self._active.stop()
        if talk is None:
            return
        await say_goodbye(talk, self.account.limits, politely=politely)
