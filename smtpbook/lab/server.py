"""The lab server's side of one conversation.

The order of commands is `protocol.connection.Server`'s; what is done otherwise than an
ordinary server would, the rules'.  Here they meet a stream, and each command and its reply
becomes a row with ``source="lab"``.
"""

from __future__ import annotations

import re
import socket
import ssl
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

import trio

from smtpbook.errors import TLSError
from smtpbook.escape import visible
from smtpbook.events import Row, row_of
from smtpbook.lab.behaviours import Behaviour, Seen
from smtpbook.lab.login import Login
from smtpbook.lab.received import Received
from smtpbook.lab.rules import NOTHING, Action, Rules
from smtpbook.lab.scenarios import Scenario
from smtpbook.protocol.addresses import domain_of
from smtpbook.protocol.commands import (
    MAX_LINE,
    REDACTED,
    Auth,
    AuthResponse,
    Bdat,
    Command,
    CommandSyntaxError,
    Data,
    Ehlo,
    EndOfData,
    Greeting,
    Mail,
    Raw,
    Rcpt,
)
from smtpbook.protocol.extensions import ehlo_reply
from smtpbook.protocol.replies import Reply
from smtpbook.protocol.server import Server
from smtpbook.protocol.states import State
from smtpbook.protocol.verdicts import ENDS, Protocol
from smtpbook.sasl.typed import without_login

SERVER_NAME: Final = "lab.test"
# RFC 5321 section 4.5.3.2.7: a server waits at least five minutes for the next command.
IDLE_S: Final = 300.0
_OF_TRANSACTION: Final = frozenset({"MAIL", "RCPT", "DATA", "END-OF-DATA", "BDAT"})
_LIKE_MAIL: Final = ("SEND", "SOML", "SAML")  # RFC 821 section 3.4
_IN_BRACKETS: Final = re.compile(r"<([^<>]*)>")
_OK: Final = Reply(code=250, lines=("2.0.0 OK",))
_EACH: Final = Reply(code=353, lines=("A reply for each recipient follows",))
_NOBODY: Final = Reply(code=550, lines=("5.7.1 No recipient takes it",))
_NO_ROOM: Final = Reply(code=452, lines=("4.3.1 The maildir cannot be written",))
_STATUS: Final = re.compile(r"^[245]\.\d{1,3}\.\d{1,3} ")
# SO_LINGER on, for 0 s: what is unsent is thrown away, and the peer gets a reset.
_RESET: Final = struct.pack("ii", 1, 0)


@dataclass(slots=True, kw_only=True)
class Shared:
    """What all conversations of one lab server share.

    Attributes
    ----------
    received : list of Received
    outcomes : dict of str to str
        Recipient to ``accepted``, ``deferred`` or ``rejected``: the last word on each.
    accepted, sessions, open : int
        Messages accepted and connections made so far, and those that are open.
    seed : int
        From which challenges are drawn.
    keep : callable, optional
        Takes each message before it is accepted; an OSError refuses it for now.
    binding : bytes
        ``tls-server-end-point`` of the certificate that `tls` shows.
    """

    scenario: Scenario
    rules: Rules
    users: dict[str, str]
    record: Callable[[Row], None]
    max_size_bytes: int
    protocol: Protocol = "smtp"
    tls: ssl.SSLContext | None = None
    binding: bytes = b""
    received: list[Received] = field(default_factory=list)
    outcomes: dict[str, str] = field(default_factory=dict)
    accepted: int = 0
    sessions: int = 0
    open: int = 0
    seed: int = 0
    keep: Callable[[Received], object] | None = None


class Conversation:
    """One client's session with the lab server."""

    def __init__(self, shared: Shared, stream: trio.abc.Stream) -> None:
        shared.sessions += 1
        self.id = f"lab-{shared.sessions}"
        self._shared = shared
        self._stream = stream
        self._server = Server(
            max_size_bytes=shared.max_size_bytes, protocol=shared.protocol
        )
        self._seq = 0
        self._reverse_path = ""
        self._recipients: list[str] = []
        self._is_prdr = False  # the client asked for a reply for each of them
        self._login = Login(
            shared.users,
            SERVER_NAME,
            seed=f"{shared.seed} nonce {self.id}",
            binding=shared.binding,
        )
        self._tls: tuple[str | None, str | None] = (None, None)
        # The log goes by the loop's clock, from what the wall's showed at the start.
        self._wall_us = time.time_ns() // 1000
        self._clock = trio.current_time()
        self._out = bytearray()  # replies not yet written
        self._idle = trio.CancelScope()

    async def run(self) -> None:
        """Serve until the client leaves, or is left."""
        self._shared.open += 1
        try:
            with self._idle:
                self._stay(0)
                if not await self._answer(Greeting(), trio.current_time()):
                    return
                await self._flush()
                while data := await self._stream.receive_some(64 * 1024):
                    self._stay(0)
                    self._server.receive_data(data)
                    if not await self._serve_commands():
                        return
                    await self._flush()
        except trio.BrokenResourceError:
            pass  # the client went away; there is nobody left to tell
        finally:
            self._shared.open -= 1
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(self._stream)

    def _stay(self, for_s: float) -> None:
        """Do not give up before so long, and the time that every client has besides."""
        self._idle.deadline = trio.current_time() + for_s + IDLE_S

    async def _serve_commands(self) -> bool:
        """Answer every whole command that has come; False ends the conversation."""
        while True:
            arrived = trio.current_time()
            try:
                command = self._server.next_command()
            except CommandSyntaxError as exc:
                reply = Reply(code=exc.code, lines=(exc.text,))
                await self._say(self._unread(), reply, arrived)
                continue
            if not isinstance(command, Command):
                return True
            if not await self._answer(command, arrived):
                return False
            if self._shared.scenario.loses_group:
                self._server.forget_unread()

    def _unread(self) -> Command:
        """Give a line that could not be read, as it may be shown."""
        if self._server.state is State.AUTH:
            return AuthResponse(b"")
        line = self._server.line.removesuffix(b"\r")
        if not 0 < len(line) <= MAX_LINE:
            return Raw("?")
        text = visible(line.decode("utf-8", "surrogateescape"))
        return Raw(without_login(text, REDACTED))

    async def _answer(self, command: Command, arrived: float) -> bool:
        if command.key in ENDS and self._recipients and self._has_verdicts:
            return await self._answer_each(command, arrived)
        action = self._action(command, self._concerned(command))
        if not await self._linger(action):
            return False
        reply = self._ordinary(command, action)
        await self._say(command, reply, arrived, action=action)
        if action.close:
            await self._flush()
            return False
        if self._server.state is State.TLS:
            await self._begin_tls()
        if self._server.state is State.CLOSED:
            await self._flush()
            return False
        return True

    async def _answer_each(self, command: Command, arrived: float) -> bool:
        """Answer the end of the mail data for each recipient by itself (LMTP, PRDR).

        With PRDR a 353 comes before, and behind them the reply that decides for those who
        were told yes.
        """
        recipients, self._recipients = self._recipients, []
        is_prdr = self._shared.protocol == "smtp"
        if is_prdr:
            await self._say(command, _EACH, arrived)
        taken: list[str] = []
        is_there, is_lost = True, False
        for recipient in recipients:
            action = self._action(command, (recipient,))
            is_there = await self._linger(action)
            if not is_there:
                break
            reply = action.reply or self._usual(command)
            await self._say(command, reply, arrived, recipient, action=action)
            self._count([recipient], reply)
            taken += [recipient] * (reply.code < 300)
            is_lost = action.loses_reply
            if action.close or self._server.state is State.CLOSED:
                is_there = False
                break
        if is_prdr and is_there:
            reply = self._usual(command) if taken else _NOBODY
            await self._say(command, reply, arrived)
        # LMTP's replies stand each for itself, whatever becomes of the others.
        if taken and (is_there or is_lost or not is_prdr):
            is_there = self._keep(taken) and is_there
        await self._flush()
        return is_there

    @property
    def _has_verdicts(self) -> bool:
        return self._shared.protocol == "lmtp" or self._is_prdr

    def _action(self, command: Command, recipients: tuple[str, ...]) -> Action:
        is_end = command.key in ENDS
        seen = Seen(
            session=self.id,
            recipients=recipients,
            now=trio.current_time(),
            sessions=self._shared.open,
            is_secure=self._is_secure,
            is_authenticated=self._server.is_authenticated,
            reverse_path=self._reverse_path_of(command),
            data=self._server.mail_data if is_end else b"",
        )
        rules = self._shared.rules
        # What is said of EHLO holds for LMTP's form of it.
        place = "EHLO" if command.verb == "LHLO" else command.verb
        action = rules.action(place, seen)
        if action is NOTHING and is_end and place == "BDAT":
            action = rules.action("END-OF-DATA", seen)
        return action

    def _reverse_path_of(self, command: Command) -> str:
        if isinstance(command, Mail):
            return str(command.reverse_path or "")
        return self._reverse_path if command.verb in _OF_TRANSACTION else ""

    async def _linger(self, action: Action) -> bool:
        """Wait before a reply as long as it is to take; False = there is none."""
        if action.delay_s:
            await self._flush()
            self._stay(action.delay_s)
            await trio.sleep(action.delay_s)
        if action.reset:
            self._out.clear()
            raw = getattr(self._stream, "transport_stream", self._stream)
            if isinstance(raw, trio.SocketStream):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        elif action.drop:
            await self._flush()
        return not action.drop

    def _concerned(self, command: Command) -> tuple[str, ...]:
        if isinstance(command, Rcpt):
            return (str(command.recipient),)
        if isinstance(command, Raw) and command.verb in ("VRFY", "EXPN"):
            return (command.text.partition(" ")[2].strip(),)
        return tuple(self._recipients)

    def _ordinary(self, command: Command, action: Action) -> Reply:
        """Give the reply, and do what it promises."""
        reply = action.reply or self._server.refusal(command) or self._usual(command)
        is_yes = reply.code < 400
        if isinstance(command, Mail):
            self._recipients.clear()
            self._is_prdr = is_yes and ("PRDR", None) in command.parameters
            if is_yes:
                self._reverse_path = str(command.reverse_path or "")
        elif isinstance(command, Rcpt):
            address = str(command.recipient)
            if is_yes:
                self._recipients.append(address)
            else:
                self._count([address], reply)
        elif command.verb in _LIKE_MAIL and is_yes and isinstance(command, Raw):
            self._recipients.clear()
            found = _IN_BRACKETS.search(command.text)
            self._reverse_path = found[1] if found else ""
        elif command.key in ENDS:
            recipients, self._recipients = self._recipients, []
            if is_yes and recipients and not self._keep(recipients):
                reply = _NO_ROOM
            self._count(recipients, reply)
        return reply

    def _keep(self, recipients: list[str]) -> bool:
        """Take a message for these recipients; False = it cannot be written down."""
        message = Received(
            reverse_path=self._reverse_path,
            recipients=tuple(recipients),
            data=self._server.mail_data,
            queue_id=self._queue_id(),
            time=datetime.fromtimestamp(self._wall(trio.current_time()) / 1e6, UTC),
            session_id=self.id,
        )
        if self._shared.keep is not None:
            try:
                self._shared.keep(message)
            except OSError:
                return False
        self._shared.received.append(message)
        self._shared.accepted += 1
        return True

    def _count(self, recipients: list[str], reply: Reply) -> None:
        outcome = {2: "accepted", 4: "deferred", 5: "rejected"}.get(reply.code // 100)
        if outcome is not None:  # a scenario may break the protocol with a 3yz
            self._shared.outcomes.update(dict.fromkeys(recipients, outcome))

    def _queue_id(self) -> str:
        return f"L{self._shared.accepted + 1:06d}"

    def _usual(self, command: Command) -> Reply:
        """Give what this server says, if nothing is to be done otherwise."""
        scenario = self._shared.scenario
        reply = self._reply_to(command)
        said = scenario.wording.get(command.verb)
        if said is not None and reply.code < 400:
            reply = Behaviour(reply=said).parsed() or reply
        return reply

    def _reply_to(self, command: Command) -> Reply:
        """Give what an ordinary server says to a command that is in order."""
        match command:
            case Greeting():
                return Reply(
                    code=220,
                    lines=(f"{SERVER_NAME} {self._kind} smtpbook lab, on loopback",),
                )
            case Ehlo(name=name):
                self._recipients.clear()
                if command.verb == "HELO":
                    return Reply(code=250, lines=(SERVER_NAME,))
                return ehlo_reply(f"{SERVER_NAME} {name}", self._keywords())
            case Mail():
                return self._mail(command)
            case Rcpt(recipient=recipient):
                return Reply(code=250, lines=(f"2.1.5 {recipient} ok",))
            case Data():
                return Reply(code=354, lines=("End the mail data with <CRLF>.<CRLF>",))
            case EndOfData() | Bdat(is_last=True):
                if self._server.is_too_big:
                    return Reply(code=552, lines=("5.3.4 Message larger than SIZE allows",))
                return Reply(code=250, lines=(f"2.0.0 Ok: queued as {self._queue_id()}",))
            case Auth() | AuthResponse():
                return self._login.reply(command, self._stream)
            case _:
                return self._reply_to_word(command)

    def _reply_to_word(self, command: Command) -> Reply:
        match command.verb:
            case "RSET":
                self._recipients.clear()
                return _OK
            case "QUIT":
                return Reply(code=221, lines=(f"2.0.0 {SERVER_NAME} closing",))
            case "STARTTLS":
                if not self._has_starttls:
                    return Reply(code=503, lines=("5.5.1 STARTTLS is not offered",))
                return Reply(code=220, lines=("2.0.0 Ready to start TLS",))
            case "VRFY":
                # "Cannot VRFY user, but will accept message and attempt delivery"
                return Reply(code=252, lines=("2.1.5 Send some mail, I will try",))
            case "HELP":
                return Reply(code=214, lines=("2.0.0 See RFC 5321",))
            case "XCLIENT":
                return Reply(code=220, lines=(f"{SERVER_NAME} {self._kind}, as you say",))
            case "ETRN":
                return Reply(code=250, lines=("2.0.0 Queuing started",))
            case "EXPN":
                return Reply(code=502, lines=("5.5.1 Not implemented",))
            case verb if verb in _LIKE_MAIL and verb in self._shared.scenario.wording:
                return _OK
            case "SEND" | "SOML" | "SAML" | "TURN":
                text = f"5.5.1 {command.verb} is of RFC 821"
                return Reply(code=502, lines=(text,))
            case _:
                return _OK

    def _keywords(self) -> list[str]:
        shared = self._shared
        keywords = [*shared.scenario.extensions]
        if keywords:
            keywords.insert(0, f"SIZE {shared.max_size_bytes}")
        if self._has_starttls:
            keywords.append("STARTTLS")
        if not self._is_secure:
            # It is offered under TLS alone -- RFC 8689 section 2
            keywords = [word for word in keywords if word != "REQUIRETLS"]
        if mechanisms := self._login.offered(self._stream):
            keywords.append("AUTH " + " ".join(mechanisms))
        return keywords

    def _mail(self, command: Mail) -> Reply:
        if self._shared.users and not self._server.is_authenticated:
            return Reply(code=530, lines=("5.7.0 Authentication required",))
        size = dict(command.parameters).get("SIZE")
        if size is not None and int(size) > self._shared.max_size_bytes:
            return Reply(code=552, lines=("5.3.4 Message larger than SIZE allows",))
        return Reply(code=250, lines=("2.1.0 Sender ok",))

    @property
    def _kind(self) -> str:
        return "LMTP" if self._shared.protocol == "lmtp" else "ESMTP"

    @property
    def _has_starttls(self) -> bool:
        is_there = self._shared.tls is not None and self._shared.scenario.has_starttls
        return is_there and not self._is_secure

    @property
    def _is_secure(self) -> bool:
        return isinstance(self._stream, trio.SSLStream)

    async def _begin_tls(self) -> None:
        await self._flush()
        self._server.begin_tls()
        assert self._shared.tls is not None  # made when the lab server started
        self._stream = trio.SSLStream(
            self._stream, self._shared.tls, server_side=True, https_compatible=True
        )
        begun = trio.current_time()
        try:
            await self._stream.do_handshake()
        except trio.BrokenResourceError:
            self._put("tls", begun, error=TLSError.__name__)
            raise
        cipher = self._stream.cipher()
        self._tls = self._stream.version(), cipher[0] if cipher else None
        self._put("tls", begun)
        self._server.end_tls()

    async def _say(
        self,
        command: Command,
        reply: Reply,
        arrived: float,
        recipient: str | None = None,
        *,
        action: Action = NOTHING,
    ) -> None:
        if "ENHANCEDSTATUSCODES" not in self._shared.scenario.extensions:
            # They are for clients that were told of them -- RFC 2034 section 4
            reply = replace(
                reply, lines=tuple(_STATUS.sub("", text, count=1) for text in reply.lines)
            )
        octets = self._server.reply(reply)
        if action.loses_reply:
            octets = b""
        if action.drip_s:
            await self._flush()
            self._stay(action.drip_s * len(octets))
            for octet in octets:
                await trio.sleep(action.drip_s)
                await self._stream.send_all(bytes([octet]))
        else:
            self._out += octets
        if len(self._out) > 32 * 1024:
            await self._flush()
        self._write_row(command, reply, arrived, len(octets), recipient)

    async def _flush(self) -> None:
        if self._out:
            out, self._out = bytes(self._out), bytearray()
            await self._stream.send_all(out)

    def _write_row(
        self,
        command: Command,
        reply: Reply,
        arrived: float,
        octets: int,
        recipient: str | None,
    ) -> None:
        is_greeting = isinstance(command, Greeting)
        is_read = not isinstance(command, Raw)
        if isinstance(command, Rcpt):
            recipient = str(command.recipient)
        is_proof = reply.code == 334 and self._login.has_proved
        self._put(
            "greeting" if is_greeting else "command",
            arrived,
            verb=command.verb,
            command=None if is_greeting else command.shown,
            reply_code=reply.code,
            enhanced_status=reply.enhanced_status,
            reply_text=REDACTED if is_proof else reply.text,
            bytes_received=octets,
            reverse_path=(
                self._reverse_path if is_read and command.verb in _OF_TRANSACTION else None
            ),
            recipient=recipient,
            recipient_domain=None if recipient is None else domain_of(recipient),
        )

    def _put(self, kind: str, begun: float, **cells: object) -> None:
        took_s = trio.current_time() - begun
        row = row_of(
            time=self._wall(begun),
            session_id=self.id,
            seq=self._seq,
            kind=kind,
            latency_s=took_s,
            first_byte_s=None if kind == "tls" else took_s,
            service_s=took_s,
            tls_version=self._tls[0],
            tls_cipher=self._tls[1],
            server=SERVER_NAME,
            source="lab",
            **cells,
        )
        self._seq += 1
        self._shared.record(row)

    def _wall(self, instant: float) -> int:
        """Give the microseconds since 1970 UTC at an instant of the loop's clock."""
        return self._wall_us + round((instant - self._clock) * 1e6)
