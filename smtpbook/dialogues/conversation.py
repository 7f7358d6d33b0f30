"""Conversation: one session's lines as rows of the event log, whoever wrote them down.

Client lines and server lines go in, in the order in which they were recorded; rows come
out.  It knows which reply answers which command, where mail data begins and ends, what a
login must not tell, and what became of each recipient.  It reads no format, and does not
say what is wrong with the conversation: that is `lint`.

Theory of operation: what the client says stands in a queue until the server answers the
first of it.  So commands written together are answered in their order, a reply that comes
while mail data is open answers its end even where the dot was not recorded, and what is
left in the queue when the dialogue ends had no reply.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from smtpbook.dialogues.listener import Listener, RecordedReply
from smtpbook.dialogues.login import Login, is_response
from smtpbook.dialogues.record import Item, Record
from smtpbook.dialogues.transaction import Recipient, Transaction
from smtpbook.events import Row
from smtpbook.logfile.address import path_in
from smtpbook.protocol.addresses import domain_of
from smtpbook.protocol.commands import MAX_AUTH_LINE
from smtpbook.protocol.connection import CLOSING
from smtpbook.protocol.replies import Reply
from smtpbook.protocol.states import VERBS
from smtpbook.protocol.verdicts import COUNTED, ENDS, Verdicts

# What a row keeps of a line; longer than any command may be, so that it shows.
MAX_LINE: Final = MAX_AUTH_LINE + 1024
# Commands without a reply, in a recording of one side alone.
_MAX_WAITING: Final = 10_000
_MAX_HEADER: Final = 64 * 1024  # characters of mail data in which Message-ID is looked for

_STARTS: Final = frozenset({"MAIL", "SEND", "SOML", "SAML"})
_IN_TRANSACTION: Final = _STARTS | {"RCPT", "DATA", "BDAT"}
_ENDS_TRANSACTION: Final = frozenset({"RSET", "EHLO", "HELO", "LHLO", "QUIT", "STARTTLS"})
_COMMANDS: Final = frozenset(VERBS) - {"GREETING", "HANDSHAKE", "RESPONSE", "END-OF-DATA"}
# What a server may say first of all -- RFC 5321 section 3.1
_GREETINGS: Final = frozenset({220, 421, 554})


class Conversation:
    """One session.

    Parameters
    ----------
    source : str
        The format's name.
    session_id : str
    has_date : bool
        Whether ``at`` is the time since 1970 UTC; else it only measures, and rows have no
        time.
    is_precise : bool
        Whether it is fine enough to measure latencies.
    is_wire : bool
        Nothing happens that is not told here: a handshake least of all.
    """

    def __init__(
        self,
        source: str,
        session_id: str,
        *,
        has_date: bool = True,
        is_precise: bool = False,
        is_wire: bool = False,
    ) -> None:
        self._record = Record(source, session_id, has_date=has_date, is_precise=is_precise)
        self._is_wire = is_wire
        self._transactions = self._groups = 0
        self._waiting: deque[Item] = deque()
        self._run: list[Item] = []  # said since the server last spoke
        self._listener = Listener()
        self._connected_at: int | None = None
        self._is_connected = self._is_greeted = self._is_over = False
        self._is_tls_due = self._is_in_data = self._is_in_auth = False
        self._chunk_left = 0
        self._header: list[str] | None = None
        self._header_size = 0
        self._open: Transaction | None = None
        self._untold: list[Transaction] = []
        self._verdicts = Verdicts()
        self._login = Login()
        self._closing: Reply | None = None

    def rows(self) -> list[Row]:
        """Give the rows that are ready, once."""
        rows, self._record.rows = self._record.rows, []
        return rows

    # -- where it stands

    @property
    def is_idle(self) -> bool:
        """Whether the server has spoken and owes no reply."""
        return (
            self._is_greeted
            and not (self._waiting or self._listener.is_inside)
            and not (self._is_in_data or self._is_in_auth)
        )

    @property
    def is_220_new(self) -> bool:
        """Whether the server's next 220 is the greeting of another session.

        Neither mail data nor a login is answered by it -- RFC 5321 section 4.3.2
        """
        is_waiting = any(item.kind == "command" for item in self._waiting)
        return self._is_greeted and not (is_waiting or self._listener.is_inside)

    @property
    def has_begun(self) -> bool:
        """Whether anything beyond the search for the server has happened."""
        return self._is_connected or self._is_greeted or self._is_over or bool(self._run)

    @property
    def has_spoken(self) -> bool:
        """Whether either side has said anything."""
        return self._is_greeted or bool(self._waiting or self._listener.is_inside)

    @property
    def is_tls_due(self) -> bool:
        """Whether the handshake comes next."""
        return self._is_tls_due

    @property
    def is_over(self) -> bool:
        """Whether it was disconnected."""
        return self._is_over

    @property
    def is_in_data(self) -> bool:
        """Whether the client's next line is mail data."""
        return self._is_in_data

    @property
    def chunk_left(self) -> int:
        """Octets of a BDAT chunk that have not been seen."""
        return self._chunk_left

    # -- what happened to the connection

    def place(self, server: str | None, port: int | None, address: str | None) -> None:
        """Say who is spoken to; what is None stays as it was."""
        self._record.place(server, port, address)

    def connect(
        self,
        at: int | None = None,
        took_us: int | None = None,
        error: str | None = None,
    ) -> None:
        """Note that a connection was made, or was not."""
        self._is_connected = error is None
        self._is_over = error is not None
        took_s = None if took_us is None else took_us / 1e6
        if at is not None:
            self._connected_at = at + (took_us or 0)
        self._record.put("connect", at, latency_s=took_s, service_s=took_s, error=error)

    def note(self, kind: str, at: int | None = None, error: str | None = None) -> None:
        """Note what has no reply and changes nothing: dns, proxy."""
        self._record.put(kind, at, error=error)

    def start_tls(
        self,
        version: str | None = None,
        cipher: str | None = None,
        at: int | None = None,
        about: str | None = None,
        error: str | None = None,
    ) -> None:
        """Note the handshake; ``about`` is what opportunistic TLS came to."""
        self._is_tls_due = False
        if error is None:
            self._record.tls = (version, cipher)
        self._record.put("tls", at, command=about, error=error)

    def disconnect(self, at: int | None = None, error: str | None = None) -> None:
        """Note that the connection is gone; nothing is answered any more."""
        if not self._is_over:
            self._is_tls_due = False
            self.end(at, error=error)
            self._record.put("disconnect", at, error=error)
            self._is_over = True

    def end(
        self, at: int | None = None, *, error: str | None = None, is_unseen: bool = False
    ) -> None:
        """Tell what is left: nothing more was recorded.

        Parameters
        ----------
        at : int, optional
            When that was, in microseconds.
        error : str, optional
            Why what has no reply has none.
        is_unseen : bool
            The conversation goes on where nobody recorded it.
        """
        if error is None and not self._is_greeted:
            is_unseen = True  # what the server says was not recorded at all
        if self._listener.is_inside:
            self._heard(self._listener.finish(is_cut=True))
        if error is not None and self._is_connected and not self._is_greeted:
            self._is_greeted = True
            self._record.put("greeting", self._connected_at, verb="GREETING", error=error)
        self._close_run()
        while self._waiting:
            self._record.item(self._waiting.popleft(), error=error)
        self._is_in_data = self._is_in_auth = False
        for one in self._untold.copy():
            self._tell(one, at, error, is_unseen=is_unseen)

    # -- what the client says

    def client(self, line: str, at: int | None = None, octets: int | None = None) -> None:
        """Take one line of the client; one that ended in LF alone still has it."""
        line = line[:MAX_LINE]
        self._finish_tls(at)
        word = line.split(None, 1)[:1]
        verb = word[0].upper()[:20] if word else "(empty)"
        is_command = verb in _COMMANDS
        if self._is_in_data:
            if line == ".":
                self._end_data(at, octets)
            else:
                self._mail_line(line, at, octets)
        elif self._chunk_left and not is_command:
            self.chunk(octets or _size(line), at)
        elif self._is_in_auth or (not is_command and self._is_answer(line)):
            self._is_in_auth = False
            shown = self._login.respond(line)
            self._queue(Item("command", "AUTH", shown, at), octets)
        elif is_command or self._is_greeted or self._is_connected:
            self._command(verb, line, at, octets)
        else:  # nobody has heard the server yet: the dialogue begins in mail data
            self._is_in_data = True
            self.client(line, at, octets)

    def _is_answer(self, line: str) -> bool:
        """Whether it is said in a login that does not wait, or only looks so."""
        is_asked = any(item.verb == "AUTH" for item in self._waiting)
        return is_asked or is_response(line.strip())

    def _command(self, verb: str, line: str, at: int | None, octets: int | None) -> None:
        if verb.startswith("AUTH"):
            verb, line = "AUTH", self._login.begin(line)
        elif verb not in _COMMANDS:
            line = self._login.masked(line)
        item = Item("command", verb, line, at)
        if verb in _STARTS:
            item.closes, path = self._open, path_in(line)
            self._open = self._begun(path or "")
        elif verb == "RCPT":
            self._rcpt(item, line)
        if verb in _IN_TRANSACTION:
            item.transaction = self._open
        if verb in _ENDS_TRANSACTION:
            item.closes, self._open = self._open, None
        elif verb == "BDAT":
            self._bdat(item, line)
        self._queue(item, octets)

    def _begun(self, reverse_path: str | None) -> Transaction:
        self._transactions += 1
        number = f"{self._record.session_id}/{self._transactions}"
        self._untold.append(Transaction(number, reverse_path))
        return self._untold[-1]

    def _rcpt(self, item: Item, line: str) -> None:
        if self._open is None:  # the dialogue begins after its MAIL
            self._open = self._begun(None)
        address = path_in(line)
        item.rcpt = Recipient(address, domain_of(address or ""))
        self._open.recipients.append(item.rcpt)

    def _bdat(self, item: Item, line: str) -> None:
        words = line.split()
        size = words[1] if len(words) > 1 else ""
        if size.isdecimal() and size.isascii() and len(size) <= 20:
            self._chunk_left = int(size)
        if self._open is not None:
            self._open.is_chunked = True
        if words[2:] and words[2].upper() == "LAST":
            item.key, item.closes = "BDAT LAST", self._open
            if self._open is not None:
                self._open.is_end_said = True
            self._open = None

    def _queue(self, item: Item, octets: int | None = None) -> None:
        item.octets = octets
        self._waiting.append(item)
        self._run.append(item)
        if len(self._waiting) > _MAX_WAITING:
            self._record.item(self._waiting.popleft())
            self._run = self._run[-_MAX_WAITING:]

    # -- mail data

    def mail_data(self, octets: int | None, at: int | None = None) -> None:
        """Take mail data that is counted and not shown: a row of its own."""
        item = Item("data", None, None, at)
        item.transaction = self._open
        if self._waiting and self._waiting[-1].verb == "BDAT":
            item.transaction = self._waiting[-1].transaction
        self._queue(item, octets)

    def chunk(self, octets: int, at: int | None = None) -> None:
        """Take some of what BDAT has announced."""
        self._chunk_left = max(0, self._chunk_left - octets)
        self.more_data(octets, at)

    def more_data(self, octets: int, at: int | None = None) -> None:
        """Take more of the mail data that is being said, or its beginning."""
        last = self._waiting[-1] if self._waiting else None
        if last is not None and last.kind == "data" and last.octets is not None:
            last.octets += octets
        else:
            self.mail_data(octets, at)

    def _mail_line(self, line: str, at: int | None, octets: int | None) -> None:
        self.more_data(octets or _size(line), at)
        if "\n" in line:
            self._waiting[-1].line = "\n"  # a bare LF: all that is kept of a message
        if self._header is not None:
            self._header_size += len(line)
            if line and self._header_size < _MAX_HEADER:
                self._header.append(line)
            else:
                self._read_header()

    def _read_header(self) -> None:
        header, self._header = self._header or [], None
        for number, line in enumerate(header):
            if line[:11].lower() == "message-id:" and self._open is not None:
                text = line[11:].strip() or "".join(header[number + 1 : number + 2])
                self._open.message_id = text.strip()[:998] or None
                return

    def _end_data(self, at: int | None, octets: int | None, line: str | None = ".") -> None:
        self._read_header()
        item = Item("command", "END-OF-DATA", line, at)
        item.transaction = item.closes = self._open
        if self._open is not None:
            self._open.is_end_said = True
        self._open, self._is_in_data = None, False
        self._queue(item, octets)

    # -- what the server says

    def server(
        self,
        line: str,
        at: int | None = None,
        octets: int | None = None,
        *,
        first_at: int | None = None,
        took_s: float | None = None,
    ) -> bool:
        """Take one line of the server; False = it belongs to no reply.

        Parameters
        ----------
        line : str
            One that ended in LF alone still has it.
        at, first_at : int, optional
            When its last and its first octet came, in microseconds.
        octets : int, optional
        took_s : float, optional
            What the server took for the reply, where the record says so.
        """
        if not self._listener.takes(line):
            return False
        self._finish_tls(at)
        heard = self._listener.take(line, at, octets, first_at, took_s)
        if heard is not None:
            self._heard(heard)
        return True

    def _heard(self, heard: RecordedReply) -> None:
        """Find what a reply answers."""
        reply = self._login.masked_reply(heard.reply)
        heard = heard._replace(reply=reply)
        self._close_run()
        if self._is_in_data:
            self._end_data(None, None, None)  # its dot was not recorded
            self._run = []
        elif self._is_in_auth and not self._waiting:  # nor what answers the challenge
            self._is_in_auth = False
            self._waiting.append(Item("command", "AUTH", None, None))
        while self._waiting and self._waiting[0].kind == "data":
            self._record.item(self._waiting.popleft())
        if reply.code == CLOSING:
            self._closing = reply
        front = self._waiting[0] if self._waiting else None
        is_greeting = not self._is_greeted and (
            reply.code in _GREETINGS
            if front is None
            else reply.code == 220 and front.verb not in ("STARTTLS", "XCLIENT")
        )
        self._is_greeted = True
        if is_greeting or front is None:
            self._unasked(heard, is_greeting=is_greeting)
        else:
            self._answer(front, heard)

    def _unasked(self, heard: RecordedReply, *, is_greeting: bool) -> None:
        """Put the greeting, or what nobody asked for."""
        kind, verb = ("greeting", "GREETING") if is_greeting else ("command", None)
        since = self._connected_at if is_greeting else None
        self._record.reply(kind, verb, heard, since)
        if heard.reply.code == 334:  # its AUTH was not recorded
            self._is_in_auth = True

    def _answer(self, item: Item, heard: RecordedReply) -> None:
        reply, own, is_last = heard.reply, None, True
        digit = reply.code // 100
        if item.key in ENDS and self._verdicts.is_counted:
            part = self._verdicts.next(digit)
            own, is_last = part.rcpt, part.is_last or reply.code == CLOSING
        if is_last:
            self._waiting.popleft()
        self._record.item(item, heard, own)
        item.octets = None  # sent with the first of its replies
        self._learn(item, reply, own, is_last=is_last)
        closed = item.closes
        is_refused = digit >= 4 and item.key not in ENDS and item.verb != "QUIT"
        if closed is None or not is_last or closed.is_told:
            return
        if not is_refused:
            self._tell(closed, heard.at)
        elif self._open is None:
            self._open = closed

    def _learn(
        self, item: Item, reply: Reply, own: Recipient | None, *, is_last: bool
    ) -> None:
        """Keep what a reply says of its transaction, and of what comes next."""
        verb, key, digit, open_ = item.verb, item.key, reply.code // 100, item.transaction
        if open_ is not None:
            if verb in _STARTS:
                open_.mail = reply
                self._back_to(item, open_)
            elif item.rcpt is not None:
                item.rcpt.reply = reply
            elif verb == "DATA" or (key == "BDAT" and digit >= 4):
                open_.data = reply
            elif key in ENDS and own is not None:
                own.own = reply
            elif key in ENDS and not is_last:
                open_.has_final_reply = True
            elif key in ENDS:
                open_.end = reply
        if digit == 2 and verb in COUNTED:
            self._count(item)
        elif verb == "STARTTLS" and digit == 2:
            self._is_tls_due = True
        elif verb == "DATA" and digit == 3:
            self._is_in_data, self._header, self._header_size = True, [], 0
            self._open = open_ if open_ is not None else self._open
        elif reply.code == 334:
            self._is_in_auth = True

    def _count(self, item: Item) -> None:
        """Note who is accepted, for replies that are given to each of them."""
        assert item.verb is not None
        if item.verb in ("EHLO", "HELO", "LHLO"):
            self._verdicts = Verdicts("lmtp" if item.verb == "LHLO" else "smtp")
        self._verdicts.heed(item.verb, item.rcpt, item.line or "")

    def _back_to(self, item: Item, refused: Transaction) -> None:
        """After a MAIL that was refused in an open transaction, that one goes on."""
        before, is_refused = item.closes, refused.mail and refused.mail.code >= 400
        if before is not None and is_refused and not refused.recipients:
            refused.is_told = True  # nobody was named in it
            self._untold.remove(refused)
            self._open = before if self._open is refused else self._open

    # -- rows

    def _finish_tls(self, at: int | None) -> None:
        """Note a handshake that the record does not mention: after it, both go on."""
        if self._is_tls_due and not self._is_wire:
            self.start_tls(at=at)
        self._is_tls_due = False

    def _close_run(self) -> None:
        """Number the commands that were said in one go."""
        if sum(item.kind == "command" for item in self._run) > 1:
            self._groups += 1
            for item in self._run:
                item.group = self._groups
        self._run = []

    def _tell(
        self,
        transaction: Transaction,
        at: int | None,
        error: str | None = None,
        *,
        is_unseen: bool = False,
    ) -> None:
        """Put the outcome of each recipient, once."""
        if transaction.is_told:
            return
        transaction.is_told = True
        self._untold.remove(transaction)
        verdicts = transaction.verdicts(self._closing, is_unseen=is_unseen)
        for one in verdicts:
            self._record.outcome(transaction, one, at, error)


def _size(line: str) -> int:
    """Give the octets of a line whose end was not recorded."""
    return len(line.encode("utf-8", "surrogateescape")) + 2
