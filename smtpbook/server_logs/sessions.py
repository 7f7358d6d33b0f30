"""Sessions as the server saw them: commands and replies of many clients put together.

For servers that log what was said line by line, each with the client it was said to.  A
reply belongs to the last command of its client; recipients' outcomes are decided as RFC
5321 section 3.3 has it.  Mail data is not expected in the log.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from smtpbook.events import Row, row_of
from smtpbook.logfile.reading import Reading
from smtpbook.logfile.said import MAX_REPLY, Said, enhanced_in, shown
from smtpbook.server_logs.queue import recipient_cells

_MAX_SESSIONS: Final = 10_000  # that are under way at once
_MAX_RECIPIENTS: Final = 10_000  # of one message
_REPLY_LINE: Final = re.compile(r"([2-5]\d\d)(?:([- ])(.*))?", re.DOTALL)
_PATH: Final = re.compile(r"(?i)(?:FROM|TO): ?<([^<>]{0,512})>")
_QUEUE_ID: Final = re.compile(r"(?i)queued as (\w{1,64})")
_VERBS: Final = {
    *("EHLO", "HELO", "LHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BDAT"),
    *("RSET", "NOOP", "QUIT", "VRFY", "EXPN", "HELP", "ETRN"),
}


class _Session:
    """One client's; `waiting` is the command without a reply yet."""

    __slots__ = (
        *("is_whole", "lines", "name", "recipients", "reverse_path", "seq", "waiting"),
    )

    def __init__(self, name: str, *, is_whole: bool) -> None:
        self.name, self.seq, self.is_whole = name, 0, is_whole
        self.reverse_path: str | None = None
        self.recipients: list[str] = []
        self.lines: list[str] = []
        self.waiting: dict[str, Any] | None = None


class Sessions:
    """Puts rows together from what was said; `client` is what tells sessions apart.

    Parameters
    ----------
    source : str
        The ``source`` of its rows.
    reading : Reading
        Names sessions.
    """

    def __init__(self, source: str, reading: Reading) -> None:
        self._source, self._reading = source, reading
        self._sessions: dict[str, _Session] = {}
        self._count = 0

    def opened(self, client: str, *, is_whole: bool = True) -> None:
        """Begin a session: a client has connected, or is heard of for the first time."""
        self.closed(client)
        if len(self._sessions) >= _MAX_SESSIONS:
            self._sessions.pop(next(iter(self._sessions)))
        self._count += 1
        name = self._reading.session_id(self._source, self._count)
        self._sessions[client] = _Session(name, is_whole=is_whole)

    def closed(self, client: str) -> None:
        """End a session."""
        self._sessions.pop(client, None)

    def _of(self, client: str) -> _Session:
        if client not in self._sessions:
            self.opened(client, is_whole=False)
        return self._sessions[client]

    def command(self, time: int | None, client: str, line: str) -> Iterator[Row]:
        """Take a command; the one before it, if no reply to it was logged, is a row now."""
        session = self._of(client)
        yield from self.unanswered(client)
        verb = line[:20].split(" ")[0].upper()
        if verb not in _VERBS:  # a turn of AUTH, or nonsense
            return
        path = _PATH.search(line, 0, 1000)
        cells: dict[str, Any] = {"kind": "command", "verb": verb, "time": time}
        if verb == "AUTH":
            line = " ".join(line.split(" ")[:2]) + " [redacted]" * (line.count(" ") > 1)
        cells["command"] = shown(line[:1000])
        if verb == "MAIL" and path:
            session.reverse_path, session.recipients = path[1], []
        elif verb == "RCPT" and path:
            cells |= recipient_cells(path[1])
        elif verb in ("RSET", "EHLO", "HELO", "LHLO", "STARTTLS"):
            session.reverse_path, session.recipients = None, []
        session.waiting = cells

    def unanswered(self, client: str) -> Iterator[Row]:
        """Give the row of a command whose reply is not in the log."""
        session = self._of(client)
        if session.waiting is not None:
            yield self._row(session, session.waiting)
            session.waiting, session.lines = None, []

    def reply(self, time: int | None, client: str, line: str) -> Iterator[Row]:
        """Take a line of a reply; the last one makes the row, and outcomes."""
        session = self._of(client)
        found = _REPLY_LINE.match(line, 0, MAX_REPLY)
        if found is None:
            return
        code, joint, text = found.groups()
        if len(session.lines) < 100:
            session.lines.append(text or "")
        if joint == "-":
            return
        words, session.lines = shown("\n".join(session.lines)), []
        said = Said(int(code), enhanced_in(words, code[0]), words)
        cells, session.waiting = session.waiting, None
        if cells is None:  # nothing was asked: the greeting, or 421
            is_greeting = session.is_whole and session.seq == 0
            cells = {"kind": "command"}
            if is_greeting:
                cells = {"kind": "greeting", "verb": "GREETING"}
        if cells.get("time") is None:
            cells["time"] = time
        yield self._row(session, cells | said._asdict())
        yield from self._decided(session, cells, said)

    def _decided(
        self, session: _Session, cells: dict[str, Any], said: Said
    ) -> Iterator[Row]:
        """Give the outcomes that a reply decides; behind 354 comes that of the dot."""
        verb, code = cells.get("verb"), said.reply_code or 0
        if verb == "DATA" and code == 354:
            session.waiting = {"kind": "command", "verb": "END-OF-DATA"}
            return
        recipient = cells.get("recipient")
        if verb == "RCPT" and recipient is not None:
            if code < 300 and len(session.recipients) < _MAX_RECIPIENTS:
                session.recipients.append(recipient)
            decided = [recipient] if code >= 400 else []
        elif verb in ("END-OF-DATA", "DATA", "BDAT"):
            decided, session.recipients = session.recipients, []
        else:
            return
        outcome = {4: "deferred", 5: "rejected"}.get(code // 100, "accepted")
        queue_id = _QUEUE_ID.search(said.reply_text or "")
        for one in decided:
            about: dict[str, Any] = {"kind": "outcome", "verb": verb, "outcome": outcome}
            about |= {"queue_id": queue_id[1] if queue_id else None}
            about |= {"time": cells.get("time")} | recipient_cells(one) | said._asdict()
            yield self._row(session, about)

    def _row(self, session: _Session, cells: dict[str, Any]) -> Row:
        about = {
            "session_id": session.name,
            "seq": session.seq,
            "reverse_path": session.reverse_path,
            "source": self._source,
        }
        session.seq += 1
        return row_of(**(about | cells))

    def rest(self) -> Iterator[Row]:
        """Give the rows of commands that the log ends with."""
        for client in list(self._sessions):
            yield from self.unanswered(client)
