"""Connection: the order of commands and replies, as the client sees it.

Theory of operation.  A client has a queue of commands that await their reply; replies
come in the same order (RFC 2920 section 3.2), so each one belongs
to the head of the queue.  Lock-step is the same queue with at most one entry.  Where each
recipient gets a reply of its own at the end of the mail data (LMTP, PRDR), that command
stays at the head until it has had them all (`verdicts`).  Two states
are kept: ``state`` is what the replies so far have established; what may be issued next is
judged by the state the session will be in *if* the outstanding commands succeed, and that
is computed again whenever one of them does not.

The other side of the same table is `server`.  Nothing here does I/O or reads a clock.  An
error from the other side ends the connection: it is never re-synchronised.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from smtpbook.errors import LocalProtocolError, RemoteProtocolError
from smtpbook.protocol.commands import (
    Command,
    EndOfData,
    Greeting,
    Mail,
    Rcpt,
    XClient,
    encode,
)
from smtpbook.protocol.extensions import NO_EXTENSIONS, Extensions
from smtpbook.protocol.mail_data import END, stuff
from smtpbook.protocol.parameters import needed_extension
from smtpbook.protocol.replies import NEED_DATA, NeedData, Reply, ReplyParser
from smtpbook.protocol.states import (
    FOREIGN,
    ONLY_PIPELINED,
    TABLE,
    State,
    allowed_verbs,
    out_of_order,
)
from smtpbook.protocol.verdicts import COUNTED, ENDS, Part, Protocol, Verdicts

# "EHLO, DATA, VRFY, EXPN, TURN, QUIT, and NOOP commands can only appear as the last command
# in a group" -- RFC 2920 section 3.1; so can STARTTLS (RFC 3207 section 4) and AUTH with
# its responses (RFC 4954 section 4).  LHLO is LMTP's EHLO; HELP, ETRN, XCLIENT have time.
LAST_IN_GROUP: Final = frozenset(
    {
        *("EHLO", "HELO", "LHLO", "DATA", "VRFY", "EXPN", "TURN", "QUIT", "NOOP"),
        *("STARTTLS", "AUTH", "RESPONSE", "HELP", "ETRN", "XCLIENT"),
    }
)
COMMAND_NEEDS: Final = {
    "STARTTLS": "STARTTLS",
    "AUTH": "AUTH",
    "BDAT": "CHUNKING",
    "ETRN": "ETRN",
    "XCLIENT": "XCLIENT",
}
"""Verb → the EHLO keyword without which it must not be said."""
_IS_CHECKED: Final = frozenset(
    {"MAIL", "RCPT", "BDAT LAST", "RESPONSE", *COMMAND_NEEDS}.union(*FOREIGN.values())
)
# What may be issued: the state expected after it (by 2yz, or 3yz where only that moves on),
# whether it ends its group, and whether `_check` looks at it.
_STEPS: Final = {
    (state, key): (after[0] or after[1] or state, key in LAST_IN_GROUP, key in _IS_CHECKED)
    for (state, key), after in TABLE.items()
    if (state, key) not in ONLY_PIPELINED
}
_GIVES_NEWS: Final = frozenset({"EHLO", "HELO", "LHLO", "AUTH", "XCLIENT"})
# "421 <domain> Service not available, closing transmission channel (This may be a reply to
# any command if the service knows it must shut down)" -- RFC 5321 section 4.2.3
CLOSING: Final = 421
# Enum members looked up by name cost seven times as much as a module's names.
_CLOSED: Final = State.CLOSED
_TLS: Final = State.TLS
# Where a line is not a command, or nobody hears it.
_NOT_A_LINE: Final = frozenset({State.CONNECTED, State.TLS, State.DATA, State.CLOSED})
_END_OF_DATA: Final = EndOfData()
# What a NamedTuple's own constructor calls, at twice the price.
_new: Final = tuple.__new__


class Exchange(NamedTuple):
    """A command and its reply.

    Attributes
    ----------
    command : Command or None
        None when the server spoke unasked, which only a 421 may do.
    tag : object
        What was given to `Client.issue` with the command.
    reply : Reply
    octets_sent, octets_received : int
        Lengths of command and reply on the wire; mail data is not counted.  A command with
        several replies was sent with the first.
    rcpt : object
        Where each recipient gets a reply of its own at the end of the mail data: the tag of
        the RCPT this one is for.  None elsewhere.
    is_last : bool
        No more replies to this command follow.
    """

    command: Command | None
    tag: Any
    reply: Reply
    octets_sent: int
    octets_received: int
    rcpt: Any = None
    is_last: bool = True


class Closed:
    """Returned when the other side has closed and everything it said has been read."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "CLOSED"


CLOSED: Final = Closed()


class Client:
    r"""The client's side of one connection.

    >>> from smtpbook.protocol.commands import Ehlo
    >>> client = Client()
    >>> client.receive_data(b"220 mx ready\r\n")
    >>> client.next_reply().reply.code
    220
    >>> client.issue(Ehlo("client.example"))
    b'EHLO client.example\r\n'

    Parameters
    ----------
    tag : object
        Comes back with the greeting, in `Exchange.tag`.
    protocol : {"smtp", "lmtp"}
        LMTP is opened with LHLO and has a reply for each recipient at the end of the mail
        data (RFC 2033).

    Attributes
    ----------
    state : State
        Established by the replies so far.
    extensions : Extensions
        Of the current EHLO reply; none before it, after HELO, and after STARTTLS.
    is_authenticated, is_secure : bool
        Whether AUTH succeeded, and whether STARTTLS did.  Whoever begins TLS without it
        says so here.
    is_proven : bool
        Whether TLS proves who the server is; who takes any certificate says so here.
    """

    def __init__(self, tag: Any = None, *, protocol: Protocol = "smtp") -> None:
        self.protocol = protocol
        self.state = State.CONNECTED
        self.extensions = NO_EXTENSIONS
        self.is_authenticated = False
        self.is_secure = False
        self.is_proven = True
        self._parser = ReplyParser()
        self._queue: deque[tuple[Command, Any, int]] = deque([(Greeting(), tag, 0)])
        self._ahead = State.GREETED  # the state once everything in the queue has succeeded
        self._must_wait = True  # the last command issued has to be the last of its group
        self._verdicts = Verdicts(protocol)
        self._has_parts = protocol == "lmtp"  # replies are counted by recipient
        self._is_eof = False
        self._error: RemoteProtocolError | None = None

    @property
    def outstanding(self) -> int:
        """How many commands await their reply."""
        return len(self._queue)

    @property
    def unanswered(self) -> tuple[tuple[Command, Any, int], ...]:
        """The outstanding commands in order, each with its tag and its length in octets."""
        return tuple(self._queue)

    @property
    def next_unanswered(self) -> tuple[Command, Any, int] | None:
        """The first of them: the command whose reply comes next."""
        return self._queue[0] if self._queue else None

    @property
    def state_ahead(self) -> State:
        """The state the session will be in if every outstanding command succeeds."""
        return self._ahead

    @property
    def is_inside_reply(self) -> bool:
        """Whether part of a reply has arrived."""
        return self._parser.is_inside_reply

    def issue(self, command: Command, tag: Any = None, *, strict: bool = True) -> bytes:
        """Put a command into the queue and give its octets.

        Parameters
        ----------
        command : Command
        tag : object
            Comes back with the reply, in `Exchange.tag`.
        strict : bool
            Refuse what the RFC does not allow here.  False is for lessons: what a line may
            do to the framing of the conversation is refused all the same.

        Raises
        ------
        LocalProtocolError
            The command is not allowed in this state, must not be pipelined here, needs an
            extension the server does not offer, or cannot be encoded.  Nothing is queued.
        """
        if strict:
            return self.issue_group(((command, tag),))
        if self._queue or self.state in _NOT_A_LINE:
            raise LocalProtocolError(self._refusal(command.verb))
        after = TABLE.get((self._ahead, command.key))
        octets = encode(command)
        self._queue.append((command, tag, len(octets)))
        if after is not None:
            self._ahead = after.success or after.intermediate or self._ahead
        self._must_wait = True
        return octets

    def issue_group(self, commands: Iterable[tuple[Command, Any]]) -> bytes:
        """Put commands that are written together into the queue, each with its tag.

        Raises
        ------
        LocalProtocolError
            As `issue`; the commands before the one refused are in the queue.
        """
        queue, has_pipelining = self._queue, self.extensions.has_pipelining
        parts = []
        for command, tag in commands:
            step = _STEPS.get((self._ahead, command.key))
            if step is None:
                raise LocalProtocolError(self._refusal(command.verb))
            if queue and (self._must_wait or not has_pipelining):
                verb, said = command.verb, queue[-1][0].verb
                raise LocalProtocolError(
                    f"{verb} must wait for the reply to {said} (RFC 2920 section 3.1)"
                )
            ahead, is_last, is_checked = step
            if is_checked:
                self._check(command)
            octets = encode(command)
            parts.append(octets)
            queue.append((command, tag, len(octets)))
            self._ahead, self._must_wait = ahead, is_last
        return b"".join(parts)

    def end_mail_data(self, data: bytes, tag: Any = None) -> bytes:
        """Give mail data as octets, dot-stuffed and ended; the reply is awaited.

        Raises
        ------
        LocalProtocolError
            The server has not said 354, or `data` does not end in CRLF.
        """
        if self.state is not State.DATA or self._queue:
            raise LocalProtocolError(
                "mail data is not allowed now: the server has not said 354"
            )
        if data and not data.endswith(b"\r\n"):
            raise LocalProtocolError("mail data must end in CRLF")
        self._queue.append((_END_OF_DATA, tag, len(END)))
        self._ahead = State.READY
        return stuff(data)

    def _refusal(self, verb: str) -> str:
        allowed = ", ".join(allowed_verbs(self._ahead, self.protocol)) or "nothing"
        return f"{verb} is not allowed now ({self._ahead.value}); allowed: {allowed}"

    def _check(self, command: Command) -> None:
        """Refuse what this server, or this protocol, does not know."""
        if not isinstance(command, (Mail, Rcpt)):
            self._check_verb(command)
            return
        mailbox = command.recipient if isinstance(command, Rcpt) else command.reverse_path
        offered = self.extensions.keywords
        for name, value in command.parameters:
            # Many are called as their extension is.
            need = name if name in offered else needed_extension(name, value)
            if need not in offered:
                raise LocalProtocolError(
                    f"{command.verb} {name}= needs {need}, which is not offered"
                )
        if self.extensions.has_smtputf8 or mailbox is None:
            return
        if mailbox.needs_smtputf8:
            raise LocalProtocolError(
                f"{str(mailbox)!a} needs SMTPUTF8, which the server does not offer"
            )

    def _check_verb(self, command: Command) -> None:
        verb, keywords = command.verb, self.extensions.keywords
        if verb in FOREIGN[self.protocol]:
            other = "LHLO" if self.protocol == "lmtp" else "EHLO"
            raise LocalProtocolError(
                f"{verb} is no command of {self.protocol.upper()} (RFC 2033 section 4.1); "
                f"a session is opened with {other}"
            )
        needed = COMMAND_NEEDS.get(verb)
        if needed is not None and needed not in keywords:
            raise LocalProtocolError(f"the server does not offer {needed}")
        if verb == "AUTH" and self.is_authenticated:
            # "no more AUTH commands may be issued in the same session" -- RFC 4954, 4
            raise LocalProtocolError("already logged in; AUTH is allowed once a session")
        if verb == "STARTTLS" and self.is_secure:
            # A client must not begin TLS under TLS -- RFC 3207 section 4.2
            raise LocalProtocolError("TLS is already active")
        if isinstance(command, XClient):
            listed = self.extensions.xclient_names
            for name, _ in command.attributes:
                if name not in listed:
                    raise LocalProtocolError(
                        f"XCLIENT {name}: the server takes {', '.join(listed)} alone"
                    )

    def receive_data(self, data: bytes | bytearray) -> None:
        """Take octets from the server; empty means it has closed its side."""
        if data:
            self._parser.feed(data)
        else:
            self._is_eof = True

    def next_reply(self) -> Exchange | NeedData | Closed:
        """Give the next command with its reply.

        Raises
        ------
        RemoteProtocolError
            Not SMTP, a reply nobody asked for, or a first digit that this command cannot
            draw (such as 250 to DATA).  The connection must be dropped: nothing more can
            be issued, and the error is raised again if asked again.
        """
        if self._error is not None:
            raise self._error
        try:
            reply = self._parser.next_reply()
            if isinstance(reply, NeedData):
                return CLOSED if self._is_eof else NEED_DATA
            if self._queue and self.state is not _TLS:
                return self._match(reply)
            return self._unasked(reply)
        except RemoteProtocolError as exc:
            self._error = exc
            self.state = self._ahead = _CLOSED
            raise

    def _unasked(self, reply: Reply) -> Exchange:
        if self.state is State.TLS:
            raise RemoteProtocolError(
                "clear text between the 220 of STARTTLS and the handshake"
            )
        if reply.code != CLOSING:
            raise RemoteProtocolError(f"a reply nobody asked for: {reply}")
        self.state = self._ahead = State.CLOSED
        return Exchange(None, None, reply, 0, self._parser.size)

    def _match(self, reply: Reply) -> Exchange:
        """Give a reply to the command it answers, and move the state."""
        queue = self._queue
        command, tag, octets = queue[0]
        code, verb = reply.code, command.verb
        digit, rcpt = code // 100, None
        if self._has_parts:
            part = self._part(command, tag, reply)
            if not part.is_last:
                queue[0] = command, tag, 0
                size = self._parser.size
                return Exchange(command, tag, reply, octets, size, part.rcpt, False)
            rcpt, digit = part.rcpt, part.digit
        if code == CLOSING:
            target: State | None = _CLOSED
        else:
            after = TABLE.get((self.state, command.key))
            # Not in the table: issued on the strength of a command that was then refused,
            # or by a lesson.
            target = (
                out_of_order(self.state, verb, digit) if after is None else after[digit - 2]
            )
        if target is None:
            raise RemoteProtocolError(f"{code} cannot be a reply to {verb}: {reply}")
        self.state = target
        if digit == 2 and verb in _GIVES_NEWS:
            self._learn(verb, reply)
        queue.popleft()
        if not queue:
            self._ahead = target
            self._must_wait = False
        elif digit >= 4:
            self._ahead = self._fold()
        return _new(Exchange, (command, tag, reply, octets, self._parser.size, rcpt, True))

    def _part(self, command: Command, tag: Any, reply: Reply) -> Part:
        """Count who was accepted, and say which of the replies to them this one is."""
        key, digit = command.key, reply.code // 100
        if key in ENDS:
            part = self._verdicts.next(digit)
            if reply.code == CLOSING:
                return part._replace(is_last=True, digit=digit)
            if digit == 3 and (reply.code != 353 or part.rcpt is not None or part.is_last):
                raise RemoteProtocolError(
                    f"{reply.code} cannot be a reply to {key}: {reply}"
                )
            return part
        if digit == 2 and key in COUNTED:
            self._verdicts.heed(key, tag, command.shown)
        elif key == "DATA" and digit == 3 and self._verdicts.is_for_nobody:
            # "when there have been no successful RCPT commands in the mail transaction,
            # the DATA command MUST fail with a 503 reply code" -- RFC 2033 section 4.2.
            # How many replies would follow the lone dot, nobody can tell.
            raise RemoteProtocolError("354 to DATA, although no recipient was accepted")
        return Part(None, True, digit)

    def _learn(self, verb: str, reply: Reply) -> None:
        if verb == "AUTH":
            self.is_authenticated = True
            return
        if verb == "XCLIENT":  # the session begins anew, as somebody else's
            self.is_authenticated = False
        is_news = verb in ("EHLO", "LHLO")
        self._adopt(Extensions.from_reply(reply) if is_news else NO_EXTENSIONS)

    def _adopt(self, extensions: Extensions) -> None:
        self.extensions = extensions
        self._has_parts = extensions.has_prdr or self.protocol == "lmtp"

    def _fold(self) -> State:
        state = self.state
        for command, _, _ in self._queue:
            after = TABLE.get((state, command.key))
            if after is not None:
                state = after.success or after.intermediate or state
        return state

    def begin_tls(self) -> None:
        """Check that the handshake may begin: nothing has followed the 220 of STARTTLS.

        Raises
        ------
        RemoteProtocolError
            Clear text followed, which an attacker may have put there (CVE-2011-0411).
        LocalProtocolError
            There was no such 220.
        """
        if self.state is not State.TLS:
            raise LocalProtocolError("TLS begins after the server's 220 to STARTTLS")
        if self._parser.is_inside_reply:
            self._error = RemoteProtocolError("clear text followed the 220 of STARTTLS")
            self.state = self._ahead = State.CLOSED
            raise self._error

    def end_tls(self) -> None:
        """Note that the handshake is done; what EHLO said before it is forgotten.

        "The client MUST discard any knowledge obtained from the server, such as the list of
        SMTP service extensions, which was not obtained from the TLS negotiation itself."

        References
        ----------
        RFC 3207 section 4.2.
        """
        self._adopt(NO_EXTENSIONS)
        self.is_authenticated = False
        self.is_secure = True
        self.state = self._ahead = State.GREETED
