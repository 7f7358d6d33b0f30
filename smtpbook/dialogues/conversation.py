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

import re
from collections import deque
from typing import Any, Final

from smtpbook.dialogues.login import Login, is_response
from smtpbook.dialogues.transaction import Recipient, Transaction
from smtpbook.events import Row, row_of
from smtpbook.protocol.addresses import domain_of
from smtpbook.protocol.commands import MAX_AUTH_LINE
from smtpbook.protocol.connection import CLOSING
from smtpbook.protocol.replies import MAX_REPLY_LINE, MAX_REPLY_LINES, Reply
from smtpbook.protocol.states import VERBS
from smtpbook.protocol.verdicts import COUNTED, ENDS, Verdicts
from smtpbook.transfer.transaction import queue_id

# What a row keeps of a line; longer than any command may be, so that it shows.
MAX_LINE: Final = MAX_AUTH_LINE + 1024
# Commands without a reply, in a recording of one side alone.
_MAX_WAITING: Final = 10_000
_MAX_HEADER: Final = 64 * 1024  # characters of mail data in which Message-ID is looked for

_REPLY: Final = re.compile(r"([2-5][0-9]{2})(?:(-)|[ \t]|$)(.*)", re.DOTALL)
_PATH: Final = re.compile(
    r"(?:FROM|TO)[ \t]*:[ \t]*"
    r"(?:<(?:@[^:>]{1,500}:)?((?:\"(?:[^\"\\]|\\.)*\"|[^>\"])*)>?|(\S*))",
    re.IGNORECASE | re.DOTALL,
)
_PRDR: Final = re.compile(r" PRDR(?: |$)", re.IGNORECASE)
_STARTS: Final = frozenset({"MAIL", "SEND", "SOML", "SAML"})
_IN_TRANSACTION: Final = _STARTS | {"RCPT", "DATA", "BDAT"}
_ENDS_TRANSACTION: Final = frozenset({"RSET", "EHLO", "HELO", "LHLO", "QUIT", "STARTTLS"})
_COMMANDS: Final = frozenset(VERBS) - {"GREETING", "HANDSHAKE", "RESPONSE", "END-OF-DATA"}
# What a server may say first of all -- RFC 5321 section 3.1
_GREETINGS: Final = frozenset({220, 421, 554})


class _Item:
    """Something the client said, until it is answered."""

    __slots__ = ("at", "closes", "group", "key", "kind", "line", "octets", "rcpt")
    __slots__ += ("transaction", "verb")

    def __init__(self, kind: str, verb: str | None, line: str | None, at: int | None):
        self.kind, self.verb, self.line, self.at = kind, verb, line, at
        self.key = verb
        self.octets: int | None = None
        self.group: int | None = None
        self.transaction: Transaction | None = None
        self.rcpt: Recipient | None = None
        self.closes: Transaction | None = None


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

    Attributes
    ----------
    rows : list of tuple
        Rows made and not taken yet.
    tls : tuple
        Version and cipher, when known.
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
        self.rows: list[Row] = []
        self.tls: tuple[str | None, str | None] = (None, None)
        self._about: dict[str, Any] = {"session_id": session_id, "source": source}
        self._has_date, self._is_precise, self._is_wire = has_date, is_precise, is_wire
        self._seq = self._transactions = self._groups = 0
        self._waiting: deque[_Item] = deque()
        self._run: list[_Item] = []  # said since the server last spoke
        self._lines: list[str] = []  # of a reply whose last line is not in yet
        self._code, self._is_broken = 0, False
        self._reply_octets: int | None = None
        self._first_at: int | None = None
        self._took_s: float | None = None
        self._previous_at: int | None = None  # last octet of the reply before
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

    # -- where it stands

    @property
    def is_idle(self) -> bool:
        """Whether the server has spoken and owes no reply: its next 220 greets anew."""
        return (
            self._is_greeted
            and not (self._waiting or self._lines)
            and not (self._is_in_data or self._is_in_auth)
        )

    @property
    def has_begun(self) -> bool:
        """Whether anything beyond the search for the server has happened."""
        return self._is_connected or self._is_greeted or self._is_over or bool(self._run)

    @property
    def has_spoken(self) -> bool:
        """Whether either side has said anything."""
        return self._is_greeted or bool(self._waiting or self._lines)

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

    def place(
        self,
        server: str | None = None,
        port: int | None = None,
        address: str | None = None,
    ) -> None:
        """Say who is spoken to; what is None stays as it was."""
        known = {"server": server, "port": port, "server_address": address}
        self._about |= {name: cell for name, cell in known.items() if cell is not None}

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
        self._put("connect", at, latency_s=took_s, service_s=took_s, error=error)

    def note(self, kind: str, at: int | None = None, error: str | None = None) -> None:
        """Note what has no reply and changes nothing: dns, proxy."""
        self._put(kind, at, error=error)

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
            self.tls = (version, cipher)
        self._put("tls", at, command=about, error=error)

    def disconnect(self, at: int | None = None, error: str | None = None) -> None:
        """Note that the connection is gone; nothing is answered any more."""
        if not self._is_over:
            self._is_tls_due = False
            self.end(error=error)
            self._put("disconnect", at, error=error)
            self._is_over = True

    def end(self, *, error: str | None = None, is_unseen: bool = False) -> None:
        """Tell what is left: nothing more was recorded.

        Parameters
        ----------
        error : str, optional
            Why what has no reply has none.
        is_unseen : bool
            The conversation goes on where nobody recorded it.
        """
        if self._lines:
            self._is_broken = True
            self._finish_reply(None)
        if error is not None and self._is_connected and not self._is_greeted:
            self._is_greeted = True
            self._put("greeting", self._connected_at, verb="GREETING", error=error)
        self._close_run()
        while self._waiting:
            self._put_unanswered(self._waiting.popleft(), error)
        self._is_in_data = self._is_in_auth = False
        for one in self._untold.copy():
            self._tell(one, None, error, is_unseen=is_unseen)

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
            self._queue(_Item("command", "AUTH", shown, at), octets)
        else:
            self._command(verb, line, at, octets)

    def _is_answer(self, line: str) -> bool:
        """Whether it is said in a login that does not wait, or only looks so."""
        is_asked = any(item.verb == "AUTH" for item in self._waiting)
        return is_asked or is_response(line.strip())

    def _command(self, verb: str, line: str, at: int | None, octets: int | None) -> None:
        if verb.startswith("AUTH"):
            verb, line = "AUTH", self._login.begin(line)
        elif verb not in _COMMANDS:
            line = self._login.masked(line)
        item = _Item("command", verb, line, at)
        if verb in _STARTS:
            item.closes, path = self._open, _path_in(line)
            self._transactions += 1
            number = f"{self._about['session_id']}/{self._transactions}"
            self._open = Transaction(number, path or "")
            self._untold.append(self._open)
        elif verb == "RCPT":
            self._rcpt(item, line)
        if verb in _IN_TRANSACTION:
            item.transaction = self._open
        if verb in _ENDS_TRANSACTION:
            item.closes, self._open = self._open, None
        elif verb == "BDAT":
            self._bdat(item, line)
        self._queue(item, octets)

    def _rcpt(self, item: _Item, line: str) -> None:
        if self._open is None:  # the dialogue begins after its MAIL
            self._transactions += 1
            number = f"{self._about['session_id']}/{self._transactions}"
            self._open = Transaction(number, None)
            self._untold.append(self._open)
        address = _path_in(line)
        item.rcpt = Recipient(address, domain_of(address or ""))
        self._open.recipients.append(item.rcpt)

    def _bdat(self, item: _Item, line: str) -> None:
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

    def _queue(self, item: _Item, octets: int | None = None) -> None:
        item.octets = octets
        self._waiting.append(item)
        self._run.append(item)
        if len(self._waiting) > _MAX_WAITING:
            self._put_unanswered(self._waiting.popleft(), None)
            self._run = self._run[-_MAX_WAITING:]

    # -- mail data

    def mail_data(self, octets: int | None, at: int | None = None) -> None:
        """Take mail data that is counted and not shown: a row of its own."""
        item = _Item("data", None, None, at)
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
        if line.endswith("\n"):
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
        item = _Item("command", "END-OF-DATA", line, at)
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
        text = line.rstrip("\n")[:MAX_REPLY_LINE]
        found = _REPLY.match(text)
        if found is None and not self._lines:
            return False
        self._finish_tls(at)
        if not self._lines:
            self._code = int(found[1]) if found else 0
            self._is_broken, self._reply_octets = False, None
            self._first_at = at if first_at is None else first_at
            self._took_s = took_s
        if octets is not None:
            self._reply_octets = (self._reply_octets or 0) + octets
        self._is_broken |= line.endswith("\n")
        if found is not None and int(found[1]) == self._code:
            self._lines.append(found[3])
            is_last = found[2] is None
        else:  # another code, or none: the line as it is
            self._is_broken = True
            self._lines.append(text)
            is_last = found is not None and found[2] is None
        if is_last or len(self._lines) >= MAX_REPLY_LINES:
            self._finish_reply(at)
        return True

    def _finish_reply(self, at: int | None) -> None:
        reply = Reply(code=self._code, lines=tuple(self._lines))
        self._lines = []
        reply = self._login.masked_reply(reply)
        self._close_run()
        if self._is_in_data:
            self._end_data(None, None, None)  # its dot was not recorded
            self._run = []
        while self._waiting and self._waiting[0].kind == "data":
            self._put_item(self._waiting.popleft())
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
            self._unasked(reply, at, is_greeting=is_greeting)
        else:
            self._answer(front, reply, at)
        self._previous_at = at

    def _unasked(self, reply: Reply, at: int | None, *, is_greeting: bool) -> None:
        """Put the greeting, or what nobody asked for."""
        kind, verb = ("greeting", "GREETING") if is_greeting else ("command", None)
        since = self._connected_at if is_greeting else None
        cells = self._reply_cells(reply, since, at)
        self._put(kind, at if since is None else since, verb=verb, **cells)
        if reply.code == 334:  # its AUTH was not recorded
            self._is_in_auth = True

    def _answer(self, item: _Item, reply: Reply, at: int | None) -> None:
        digit, own, is_last = reply.code // 100, None, True
        if item.key in ENDS and self._verdicts.is_counted:
            part = self._verdicts.next(digit)
            own, is_last = part.rcpt, part.is_last or reply.code == CLOSING
        if is_last:
            self._waiting.popleft()
        cells = self._reply_cells(reply, item.at, at)
        if item.key in ENDS and digit == 2:
            cells["queue_id"] = queue_id(reply)
        self._put_item(item, own, **cells)
        item.octets = None  # sent with the first of its replies
        self._learn(item, reply, own, is_last=is_last)
        closed = item.closes
        is_refused = digit >= 4 and item.key not in ENDS and item.verb != "QUIT"
        if closed is None or not is_last or closed.is_told:
            return
        if not is_refused:
            self._tell(closed, at)
        elif self._open is None:
            self._open = closed

    def _learn(
        self, item: _Item, reply: Reply, own: Recipient | None, *, is_last: bool
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

    def _count(self, item: _Item) -> None:
        """Note who is accepted, for replies that are given to each of them."""
        assert item.verb is not None
        if item.verb in ("EHLO", "HELO", "LHLO"):
            self._verdicts = Verdicts("lmtp" if item.verb == "LHLO" else "smtp")
        self._verdicts.heed(item.verb, item.rcpt)
        if item.verb == "MAIL":
            self._verdicts.has_prdr = _PRDR.search(item.line or "") is not None

    def _back_to(self, item: _Item, refused: Transaction) -> None:
        """After a MAIL that was refused in an open transaction, that one goes on."""
        before, is_refused = item.closes, refused.mail and refused.mail.code >= 400
        if before is not None and is_refused and not refused.recipients:
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

    def _reply_cells(
        self, reply: Reply, since: int | None, at: int | None
    ) -> dict[str, Any]:
        code, status, text = reply.cells
        cells: dict[str, Any] = {
            "reply_code": code,
            "enhanced_status": status,
            "reply_text": text,
            "bytes_received": self._reply_octets,
            "error": "RemoteProtocolError" if self._is_broken else None,
            "service_s": self._took_s,
        }
        if self._is_precise and since is not None and at is not None:
            begun = max(since, self._previous_at or since)
            cells["latency_s"] = max(0, at - since) / 1e6
            cells["first_byte_s"] = max(0, (self._first_at or at) - since) / 1e6
            if self._took_s is None:
                cells["service_s"] = max(0, at - begun) / 1e6
        return cells

    def _put_item(self, item: _Item, own: Recipient | None = None, **cells: Any) -> None:
        transaction, rcpt = item.transaction, own or item.rcpt
        if transaction is not None:
            cells["transaction_id"] = transaction.id
            cells["message_id"] = transaction.message_id
            cells["reverse_path"] = transaction.reverse_path
            if rcpt is None and len(transaction.recipients) == 1 and item.key in ENDS:
                rcpt = transaction.recipients[0]
        if rcpt is not None:
            cells |= {"recipient": rcpt.address, "recipient_domain": rcpt.domain}
        cells |= {"pipelined": item.group, "bytes_sent": item.octets}
        self._put(item.kind, item.at, verb=item.verb, command=item.line, **cells)

    def _put_unanswered(self, item: _Item, error: str | None) -> None:
        self._put_item(item, **({} if item.kind == "data" else {"error": error}))

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
        for one, outcome, verb, reply in verdicts:
            cells: dict[str, Any] = {"error": error}
            if reply is not None:
                code, status, text = reply.cells
                cells = {"reply_code": code, "enhanced_status": status, "reply_text": text}
            if outcome == "accepted" and reply is not None:
                cells["queue_id"] = queue_id(reply)
            self._put(
                "outcome",
                at,
                verb=verb,
                transaction_id=transaction.id,
                message_id=transaction.message_id,
                reverse_path=transaction.reverse_path,
                recipient=one.address,
                recipient_domain=one.domain,
                outcome=outcome,
                **cells,
            )

    def _put(self, kind: str, at: int | None, **cells: Any) -> None:
        version, cipher = self.tls
        self.rows.append(
            row_of(
                time=at if self._has_date else None,
                seq=self._seq,
                kind=kind,
                tls_version=version,
                tls_cipher=cipher,
                **self._about,
                **cells,
            )
        )
        self._seq += 1


def _path_in(line: str) -> str | None:
    """Give the address of MAIL or RCPT as it is written; None = there is none."""
    found = _PATH.search(line[:2000])
    if found is None:
        return None
    return found[1] if found[1] is not None else (found[2] or "")


def _size(line: str) -> int:
    """Give the octets of a line whose end was not recorded."""
    return len(line.encode("utf-8", "surrogateescape")) + 2
