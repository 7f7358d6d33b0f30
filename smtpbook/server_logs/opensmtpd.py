"""OpenSMTPD: what became of each recipient, and what was refused, as its log tells it.

``mta delivery`` and ``mda delivery`` lines are ``outcome`` rows, and so is a refused RCPT;
other failed commands and TLS sessions are rows of their own kinds.  ``session_id`` is
OpenSMTPD's, the sixteen digits that open each line; ``queue_id`` is the message's, the
first eight of an envelope's.  Everything else counts as matched and gives no row.

What ``smtpd -d`` writes has no stamps: ``time`` is null there.  ``delay=`` counts from the
message's arrival, so there is no latency.  Its Message-ID is not logged.

References
----------
OpenSMTPD 7.6 (portable), ``mta_session.c``, ``mda.c`` and ``smtp_session.c``: what is
logged; smtpd(8).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from smtpbook.events import Row, row_of
from smtpbook.logfile.address import path_in
from smtpbook.logfile.format import LogFormat
from smtpbook.logfile.quoted import QuotedReply, enhanced_in, reply_in, shown
from smtpbook.logfile.reading import Reading
from smtpbook.logfile.syslog import MAX_LINE, Syslog, Tag, program_of
from smtpbook.server_logs.queue import MAX_MESSAGES, Queue, cells_of, recipient_cells

_SOURCE: Final = "opensmtpd"
_SESSION: Final = re.compile(
    r"([0-9a-f]{16}) ((?:smtp|mta|mda) [a-z-]{1,30})(?: (.*))?", re.DOTALL
)
_FIELD: Final = re.compile(r'([a-z]{1,12})=(?:"((?:[^"\\]|\\.)*+)"|<([^<>]*+)>|(\S*+))')
_STAT: Final = re.compile(r" stat=\"?(.*?)\"?$", re.DOTALL)
_RELAY: Final = re.compile(r"([0-9A-Fa-f.:]{2,64}|\[[0-9A-Fa-f.:]{2,64}\]) \((.{1,255})\)")
_DESTINATION: Final = re.compile(
    r"(?:\w{1,20}://)?\[?([0-9A-Fa-f.:]{2,64}?)\]?(?::(\d{1,5}))?"
)
_CIPHERS: Final = re.compile(r"(TLSv[\d.]{1,5}):([\w-]{1,80})")
_OUTCOMES: Final = {"Ok": "accepted", "TempFail": "deferred", "PermFail": "rejected"}
_NETWORK: Final = re.compile(r"(?i)network error|connection|timeout|timed out|MXs|dns|TLS")


class _Log:
    """One log, read line by line."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._queue = Queue()
        # Of sessions under way: where to, and the cells of their TLS.
        self._sessions: dict[str, dict[str, Any]] = {}

    def rows(self, lines: Iterable[str]) -> Iterator[Row]:
        split = Syslog(self._reading, _host_of).split
        for line in lines:
            time = host = None
            found = _SESSION.match(line)  # as smtpd -d writes it
            if found is None:
                parts = split(line)
                if parts is None:
                    continue
                time, host, text = parts
                found = _SESSION.match(text)
            if found is None:
                continue  # starting, stopping, warnings
            session, event, rest = found.groups()
            cells = self._cells(host, session, event, rest or "")
            if cells:
                about = {"time": time, "session_id": session, "source": _SOURCE}
                yield row_of(**(about | cells))

    def _cells(
        self, host: str | None, session: str, event: str, text: str
    ) -> dict[str, Any] | None:
        """Give the cells of a line's row; null = it gives none."""
        if event in ("mta delivery", "mda delivery"):
            return self._delivery(session, event, text)
        if event == "smtp failed-command":
            return _refusal(host, _fields(text))
        if event in ("mta tls", "mta starttls", "mta connecting"):
            return self._of_session(session, event, _fields(text))
        if event == "smtp message":
            fields = _fields(text)
            message = self._queue.begin(fields.get("msgid", ""))
            if fields.get("size", "").isdecimal() and len(fields["size"]) < 19:
                message.size = int(fields["size"])
        elif event.endswith(" disconnected"):
            self._sessions.pop(session, None)
        return None

    def _of_session(
        self, session: str, event: str, fields: dict[str, str]
    ) -> dict[str, Any] | None:
        """Take note of where a session leads; its TLS is a row."""
        if event == "mta connecting":
            if len(self._sessions) >= MAX_MESSAGES:
                self._sessions.clear()
            where = _DESTINATION.fullmatch(fields.get("address", "")[:100])
            address, port = where.groups() if where else (None, None)
            self._sessions[session] = {
                "server": fields.get("host", "")[:255] or address,
                "server_address": address,
                "port": int(port) if port else None,
            }
            return None
        found = _CIPHERS.match(fields.get("ciphers", ""))
        version, cipher = found.groups() if found else (None, None)
        known = self._sessions.setdefault(session, {})
        known |= {"tls_version": version, "tls_cipher": cipher}
        return {"kind": "tls"} | known

    def _delivery(self, session: str, event: str, text: str) -> dict[str, Any]:
        """Read what became of a recipient."""
        fields, stat = _fields(text), _STAT.search(text)
        queue_id = fields.get("evpid", "")[:8]
        message = self._queue.get(queue_id)
        words = stat[1] if stat else ""
        outcome = _OUTCOMES.get(fields.get("result", ""), "bounced")
        verb, error, said = None, None, reply_in(words)
        if said.reply_code is None:
            said = QuotedReply(
                None, enhanced_in(words, words[:1]), shown(words) if words else None
            )
            if outcome == "deferred" and event == "mta delivery" and _NETWORK.search(words):
                is_late = "imeout" in words or "timed out" in words
                error = "TransportTimeout" if is_late else "TransportError"
                outcome = "failed"
            elif outcome == "rejected":
                outcome = "bounced"
            elif outcome == "accepted":
                outcome = "delivered"
        elif outcome == "accepted":
            verb = "END-OF-DATA"
        is_over = outcome not in ("deferred", "failed")
        recipient = fields.get("to", "")[:512]
        cells = cells_of(message) | self._sessions.get(session, {})
        if "server" not in cells and (relay := _RELAY.fullmatch(fields.get("relay", ""))):
            cells |= {"server": relay[2], "server_address": relay[1].strip("[]")}
        return cells | {
            "kind": "outcome",
            "verb": verb,
            "reverse_path": fields.get("from", "")[:512],
            "bytes_sent": message.size if message and outcome == "accepted" else None,
            "attempt": message.attempt(recipient, is_over=is_over) if message else None,
            "outcome": outcome,
            "queue_id": queue_id or None,
            "error": error,
            **said._asdict(),
            **recipient_cells(recipient),
        }


def _host_of(tag: Tag) -> str | None:
    return tag.host if tag.program == "smtpd" else None


def _fields(text: str) -> dict[str, str]:
    """Give the fields; of equal ones the first."""
    found = reversed(_FIELD.findall(text))
    return {name: quoted or path or bare for name, quoted, path, bare in found}


def _refusal(host: str | None, fields: dict[str, str]) -> dict[str, Any]:
    """Read a command that the server refused; before the first it is the connection."""
    command = fields.get("command", "")[:1000].strip()
    verb = command[:20].partition(" ")[0].upper() or "GREETING"
    said, path = reply_in(fields.get("result", "")), path_in(command)
    cells: dict[str, Any] = {
        "kind": "greeting" if verb == "GREETING" else "command",
        "verb": verb,
        "server": host,
        "command": shown(command) if command and verb != "AUTH" else None,
        **said._asdict(),
    }
    if verb == "MAIL":
        cells["reverse_path"] = path
    elif verb == "RCPT" and path:
        is_temporary = str(said.reply_code).startswith("4")
        cells |= {"kind": "outcome", "outcome": "deferred" if is_temporary else "rejected"}
        cells |= {"command": None} | recipient_cells(path)
    return cells


def sniff(line: str) -> bool:
    """Tell whether a line is OpenSMTPD's."""
    line = line[:1000]
    if program_of(line) == "smtpd":
        line = line.partition("]: ")[2]
    return _SESSION.match(line) is not None


def events(lines: Iterable[str], reading: Reading) -> Iterator[Row]:
    """Give the rows of a log's lines."""
    return _Log(reading).rows(lines)


FORMAT: Final = LogFormat(
    name=_SOURCE, title="OpenSMTPD", sniff=sniff, events=events, max_line=MAX_LINE
)
