"""Server: the same state table seen from the other side.

One command at a time comes out, one reply goes in; mail data is collected in between.  What
the reply is, is for the caller to say: the lab server.  Nothing here does I/O or reads a
clock.
"""

from __future__ import annotations

from smtpbook.errors import LocalProtocolError
from smtpbook.protocol.commands import (
    MAX_AUTH_LINE,
    AuthResponse,
    Bdat,
    Command,
    CommandSyntaxError,
    EndOfData,
    Greeting,
    Mail,
    Raw,
    Rcpt,
    decode_base64,
    parse_command,
)
from smtpbook.protocol.connection import CLOSED, CLOSING, Closed
from smtpbook.protocol.extensions import NO_EXTENSIONS, Extensions
from smtpbook.protocol.mail_data import MailDataReader
from smtpbook.protocol.parameters import fault_in
from smtpbook.protocol.replies import NEED_DATA, NeedData, Reply
from smtpbook.protocol.states import FOREIGN, ONLY_PIPELINED, TABLE, State, out_of_order
from smtpbook.protocol.verdicts import COUNTED, ENDS, Protocol, Verdicts


class Server:
    r"""The server's side of one connection: commands come out, replies go in.

    >>> server = Server()
    >>> server.reply(Reply(code=220, lines=("lab",)))
    b'220 lab\r\n'
    >>> server.receive_data(b"NOOP\r\n")
    >>> server.next_command()
    Raw('NOOP')

    Parameters
    ----------
    max_size_bytes : int
        The largest mail data kept; more is read and thrown away, and `is_too_big` says so.
    protocol : {"smtp", "lmtp"}
        With LMTP the end of the mail data is answered once for each recipient accepted.

    Attributes
    ----------
    state : State
    extensions : Extensions
        What it has offered in its reply to EHLO; none before, and after HELO.
    mail_data : bytes
        Of the transaction, complete when `EndOfData` or the last `Bdat` comes out.
    line : bytes
        The last one, as it came, also where it could not be read; empty: it was too long.
    is_too_big : bool
    is_authenticated : bool
        Whether AUTH succeeded; it is allowed once a session.
    """

    def __init__(
        self, *, max_size_bytes: int = 10 * 1024 * 1024, protocol: Protocol = "smtp"
    ) -> None:
        self.protocol = protocol
        self.state = State.CONNECTED
        self.extensions = NO_EXTENSIONS
        self.line = self.mail_data = b""
        self.is_too_big = False
        self.is_authenticated = False
        self._max_size_bytes = max_size_bytes
        self._buffer = b""
        self._awaiting: Command | None = Greeting()  # what the next reply answers
        self._verdicts = Verdicts(protocol)
        self._reader: MailDataReader | None = None
        self._chunk: Bdat | None = None
        self._missing = 0  # octets of the chunk that have not come
        self._skips = False  # throwing away the rest of a line that is too long
        self._is_eof = False

    def receive_data(self, data: bytes | bytearray) -> None:
        """Take octets from the client; empty means it has closed its side."""
        if not data:
            self._is_eof = True
        self._buffer += data

    def next_command(self) -> Command | NeedData | Closed:
        """Give the next command; `EndOfData` once the mail data is complete.

        Raises
        ------
        CommandSyntaxError
            With the reply the line deserves; give it to `reply`, and go on.
        LocalProtocolError
            The last command has not been answered.
        """
        if self._awaiting is not None:
            raise LocalProtocolError(f"{self._awaiting.verb} has not been answered")
        if self._reader is not None:
            return self._next_mail_data(self._reader)
        if self._chunk is not None:
            return self._next_chunk(self._chunk)
        line = self._take_line()
        if line is None:
            return CLOSED if self._is_eof else NEED_DATA
        command = self._parse(line)
        if isinstance(command, Bdat):
            self._awaiting, self._chunk, self._missing = None, command, command.size
            return self._next_chunk(command)
        self._awaiting = command
        return command

    def _parse(self, line: bytes) -> Command:
        self._awaiting = self._unreadable()
        if self.state is not State.AUTH:
            return parse_command(line)
        text = line.decode("latin-1")
        return AuthResponse(None if text == "*" else decode_base64(text))

    def _unreadable(self) -> Command:
        """Give what stands for a line that cannot be read; it gets its reply too."""
        return AuthResponse(None) if self.state is State.AUTH else Raw("")

    def _take_line(self) -> bytes | None:
        end = self._buffer.find(b"\n")
        if end < 0:
            if len(self._buffer) >= MAX_AUTH_LINE:
                self._skips, self._buffer = True, b""
            return None
        # A server may take longer lines than it must (RFC 5321 section 4.5.3.1): what the
        # longest command needs is the limit for all.
        if self._skips or end >= MAX_AUTH_LINE:
            self.line, self._skips, self._buffer = b"", False, self._buffer[end + 1 :]
            self._awaiting = self._unreadable()
            raise CommandSyntaxError(500, "5.5.2 Line too long")
        self.line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
        if not self.line.endswith(b"\r"):
            # "SMTP servers MUST NOT recognize or generate any other character or character
            # sequence as a line terminator" -- RFC 5321 section 2.3.8
            self._awaiting = self._unreadable()
            raise CommandSyntaxError(500, "5.5.2 A line ends in CRLF, this one in LF alone")
        return self.line[:-1]

    def _next_mail_data(self, reader: MailDataReader) -> Command | NeedData | Closed:
        rest = reader.feed(self._buffer)
        self._buffer = b"" if rest is None else rest
        if rest is None:
            return CLOSED if self._is_eof else NEED_DATA
        self.mail_data, self.is_too_big = reader.data or b"", reader.is_too_big
        self._reader = None
        self._awaiting = EndOfData()
        return self._awaiting

    def _next_chunk(self, chunk: Bdat) -> Command | NeedData | Closed:
        octets, self._buffer = self._buffer[: self._missing], self._buffer[self._missing :]
        self._missing -= len(octets)
        if len(self.mail_data) + len(octets) > self._max_size_bytes:
            self.is_too_big = True
        if self.is_too_big:
            self.mail_data = b""
        else:
            self.mail_data += octets
        if self._missing:
            return CLOSED if self._is_eof else NEED_DATA
        self._chunk, self._awaiting = None, chunk
        return chunk

    def refusal(self, command: Command) -> Reply | None:
        """Give the reply that a command out of order deserves, or None if it is in order.

        References
        ----------
        RFC 5321 sections 3.3 (no valid recipients), 4.1.4 (order of commands), 4.1.1.11
        (parameters); RFC 2033 sections 4.1 and 4.2 (LMTP).
        """
        verb, key = command.verb, command.key
        if verb in FOREIGN[self.protocol]:
            text = f"5.5.1 {verb} is no command of {self.protocol.upper()}"
            return Reply(code=500, lines=(text,))
        if (self.state, key) not in TABLE:
            return Reply(code=503, lines=(f"5.5.1 {verb} not now: {self.state.value}",))
        if verb in ("DATA", "BDAT") and self._verdicts.is_for_nobody:
            return Reply(code=503, lines=("5.5.1 No valid recipients",))
        if (self.state, key) in ONLY_PIPELINED:
            return Reply(code=554, lines=("5.5.1 No valid recipients",))
        if key == "AUTH" and self.is_authenticated:
            return Reply(code=503, lines=("5.5.1 AUTH is allowed once a session",))
        if isinstance(command, Mail | Rcpt):
            fault = fault_in(verb, command.parameters, self.extensions.keywords)
            if fault is not None:
                return Reply(code=fault[0], lines=(fault[1],))
        elif verb in ("ETRN", "XCLIENT") and verb not in self.extensions.keywords:
            return Reply(code=502, lines=(f"5.5.1 {verb} is not offered",))
        return None

    def reply(self, reply: Reply) -> bytes:
        """Answer the command that came out last, and give the reply's octets.

        Where each recipient gets a reply of its own, the end of the mail data goes on
        awaiting replies until they are all there: `awaits_reply` says so.

        Raises
        ------
        LocalProtocolError
            No command awaits a reply.
        """
        command = self._awaiting
        if command is None:
            raise LocalProtocolError("no command awaits a reply")
        digit = reply.code // 100
        if reply.code == CLOSING:
            self._awaiting = None
            self.state = State.CLOSED
            return reply.to_bytes()
        if command.key in ENDS and self._verdicts.is_counted:
            part = self._verdicts.next(digit)
            if not part.is_last:
                return reply.to_bytes()
            digit = part.digit
        self._awaiting = None
        self._advance(command, digit, reply)
        return reply.to_bytes()

    @property
    def awaits_reply(self) -> bool:
        """Whether the command that came out last has not had all its replies."""
        return self._awaiting is not None

    def _advance(self, command: Command, digit: int, reply: Reply) -> None:
        after = TABLE.get((self.state, command.key))
        # A scenario may answer what the table would not, such as 354 after no RCPT.
        target = after[digit - 2] if after is not None else None
        if target is None:
            target = out_of_order(self.state, command.verb, digit) or self.state
        if target is State.DATA:
            self._reader = MailDataReader(max_bytes=self._max_size_bytes)
        if target is State.MAIL and self.state is State.READY:
            self.mail_data, self.is_too_big = b"", False
        if digit == 2:
            self._note(command, reply)
        self.state = target

    def _note(self, command: Command, reply: Reply) -> None:
        """Keep what a command that succeeded has brought."""
        verb = command.verb
        if verb in COUNTED:
            self._verdicts.heed(verb, None, command.shown)
        if verb == "AUTH":
            self.is_authenticated = True
        elif verb in ("EHLO", "LHLO"):
            self.extensions = Extensions.from_reply(reply)
        elif verb in ("HELO", "XCLIENT"):
            self.extensions = NO_EXTENSIONS
            self.is_authenticated = self.is_authenticated and verb == "HELO"

    def forget_unread(self) -> None:
        """Forget what came together with the last command, as broken servers do."""
        self._buffer = b""

    def begin_tls(self) -> None:
        """Note that the handshake begins; what came in clear text before it is forgotten.

        References
        ----------
        RFC 3207 section 4.2, CVE-2011-0411.
        """
        self.forget_unread()

    def end_tls(self) -> None:
        """Note that the handshake is done; the client must greet, and log in, again."""
        self.is_authenticated = False
        self.extensions = NO_EXTENSIONS
        self.state = State.GREETED
