"""Sendmail: what became of each recipient, and what was refused, as its log tells it.

A ``stat=`` line gives one ``outcome`` row for each recipient of its ``to=``; a refusing
``ruleset=`` and "User unknown" at RCPT are outcomes or commands; ``STARTTLS=client`` is a
TLS session.  What ``from=`` lines tell stands on the outcomes of their message.  Everything
else counts as matched and gives no row.

- "Sent" to another host is accepted.  Its reply is logged without the code, which is 250:
  no other ends mail data well (RFC 5321 section 4.3.2).
- "Sent" by a mailer on the machine (``local``, ``prog``, ``*file*``) is delivered.
- "Deferred" because of the network is failed.  A refusal with a host in ``relay=`` is
  rejected, one without bounced; its code is null unless it is quoted.
- ``delay=`` and ``xdelay=`` are in whole seconds and of all that was done; they give no
  latency.

References
----------
Sendmail 8.18, "Installation and Operation Guide", section 2.1 (the system log); B. Costales
et al., "sendmail", 4th edition, chapter 14 (syslog equates).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from smtpbook.events import Row, row_of
from smtpbook.logfile.format import LogFormat
from smtpbook.logfile.quoted import NOTHING, QuotedReply, enhanced_in, reply_in, shown
from smtpbook.logfile.reading import Reading
from smtpbook.logfile.syslog import MAX_LINE, Syslog, Tag, program_of
from smtpbook.server_logs.queue import MAX_MESSAGE_ID, Queue, cells_of, recipient_cells

_SOURCE: Final = "sendmail"
_PROGRAMS: Final = ("sendmail", "sm-mta", "sm-msp", "sm-que")
_QUEUED: Final = re.compile(r"([0-9A-Za-z]{8,20}): (.*)", re.DOTALL)
_FIELD: Final = re.compile(r"(?:^|, )([A-Za-z][A-Za-z0-9]{0,11})=")
# These take the rest of the line: what is in them is foreign.
_LAST: Final = re.compile(r"(?:^|, )(stat|reject)=")
_RELAY: Final = re.compile(r"(\S{0,255}?)\.?(?: ?\[([0-9A-Fa-f.:]{2,64})\])?")
_USER_UNKNOWN: Final = re.compile(r"<([^<>]{1,512})>\.\.\. (.{1,400})", re.DOTALL)
_VERBS: Final = {
    **{"check_relay": "GREETING", "check_mail": "MAIL", "check_rcpt": "RCPT"},
    **{"check_data": "DATA", "check_eoh": "END-OF-DATA", "check_eom": "END-OF-DATA"},
    **{"check_vrfy": "VRFY", "check_expn": "EXPN", "check_etrn": "ETRN"},
}
_ON_THE_MACHINE: Final = {"local", "prog", "*file*", "*include*", "cyrus", "procmail"}
_NETWORK: Final = re.compile(
    r"Connection |Operation timed out|Name server: |No route to host|Network is unreachable"
)


class _Log:
    """One log, read line by line."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._queue = Queue()

    def rows(self, lines: Iterable[str]) -> Iterator[Row]:
        for time, host, text in Syslog(self._reading, _host_of).read(lines):
            found = _QUEUED.match(text)
            queue_id, text = found.groups() if found else (None, text)
            for cells in self._cells(host, queue_id, text):
                yield row_of(
                    **({"time": time, "queue_id": queue_id, "source": _SOURCE} | cells)
                )

    def _cells(
        self, host: str, queue_id: str | None, text: str
    ) -> Iterator[dict[str, Any]]:
        """Give the cells of a line's rows."""
        fields = _fields(text)
        if "stat" in fields and "to" in fields:
            yield from self._deliveries(host, queue_id, fields)
        elif "from" in fields and "size" in fields:
            self._arrival(host, queue_id, fields)
        elif "ruleset" in fields and "reject" in fields:
            yield _refusal(host, fields)
        elif fields.get("STARTTLS") == "client":
            cells = {"kind": "tls", "tls_version": fields.get("version", "")[:40] or None}
            yield cells | _where(fields) | {"tls_cipher": fields.get("cipher", "")[:80]}
        elif queue_id is not None and (found := _USER_UNKNOWN.fullmatch(text)):
            cells = {"kind": "outcome", "verb": "RCPT", "outcome": "rejected"}
            words = {"reply_text": shown(found[2]), "server": host}
            yield cells | recipient_cells(found[1]) | words

    def _arrival(self, host: str, queue_id: str | None, fields: dict[str, str]) -> None:
        """Take note of who a message is from."""
        message = self._queue.begin((host, queue_id))
        message.reverse_path = _address(fields["from"])
        message.message_id = fields.get("msgid", "")[:MAX_MESSAGE_ID] or None
        message.account = fields.get("authid", "")[:320] or None
        if fields["size"].isdecimal() and len(fields["size"]) < 19:
            message.size = int(fields["size"])

    def _deliveries(
        self, host: str, queue_id: str | None, fields: dict[str, str]
    ) -> Iterator[dict[str, Any]]:
        """Give one outcome for each recipient of a line."""
        stat = fields["stat"]
        if stat.startswith("queued"):
            return
        message = self._queue.get((host, queue_id))
        where = _where(fields)
        verdict = _verdict(stat, fields, has_host=where["server_address"] is not None)
        is_over = verdict["outcome"] not in ("deferred", "failed")
        for one in fields["to"].split(","):
            recipient = _address(one)
            cells = {"kind": "outcome"} | verdict | where | cells_of(message)
            if message is not None:
                cells["attempt"] = message.attempt(recipient, is_over=is_over)
                if verdict["outcome"] == "accepted":
                    cells["bytes_sent"] = message.size
            yield cells | recipient_cells(recipient)


def _host_of(tag: Tag) -> str | None:
    return tag.host if tag.program.startswith(_PROGRAMS) else None


def _fields(text: str) -> dict[str, str]:
    """Give the fields of a line; of equal ones the first."""
    last = _LAST.search(text)
    head = text[: last.start()] if last else text
    fields = {last[1]: text[last.end() :]} if last else {}
    end = len(head)
    for name in reversed(list(_FIELD.finditer(head))):
        fields[name[1]] = head[name.end() : end]
        end = name.start()
    return fields


def _address(text: str) -> str:
    return text.strip().removeprefix("<").removesuffix(">")[:512]


def _where(fields: dict[str, str]) -> dict[str, Any]:
    """Give server and address of ``relay=mx.example.org. [192.0.2.1]``."""
    found = _RELAY.fullmatch(fields.get("relay", "").partition(" (")[0][:400])
    host, address = found.groups() if found else (None, None)
    host = (host or "").strip("[]") or None
    return {"server": host or address, "server_address": address}


def _verdict(stat: str, fields: dict[str, str], *, has_host: bool) -> dict[str, Any]:
    """Give verb, outcome, reply and error of a ``stat=``."""
    word, _, rest = stat.partition(" (")
    dsn = fields.get("dsn", "")[:11] or None
    cells: dict[str, Any] = {"verb": None, "error": None}
    if word == "Sent":
        words = rest.removesuffix(")").strip()
        if fields.get("mailer") in _ON_THE_MACHINE or not has_host:
            said = QuotedReply(None, dsn, shown(words) if words else None)
            return cells | {"outcome": "delivered"} | said._asdict()
        said = QuotedReply(250, enhanced_in(words, "2"), shown(words))
        return cells | {"verb": "END-OF-DATA", "outcome": "accepted"} | said._asdict()
    word, _, words = stat.partition(": ")
    said = reply_in(words if word == "Deferred" else stat)
    if said == NOTHING and "reply" in fields:
        said = reply_in(fields["reply"])
    if said == NOTHING:
        said = QuotedReply(None, dsn, shown(words or stat))
    if word.startswith("Deferred") or (dsn or "").startswith("4"):
        cells["outcome"] = "deferred"
        if said.reply_code is None and _NETWORK.match(words):
            is_late = "timed out" in words
            cells["error"] = "TransportTimeout" if is_late else "TransportError"
            cells["outcome"] = "failed"
    else:
        cells["outcome"] = "rejected" if has_host else "bounced"
    return cells | said._asdict()


def _refusal(host: str, fields: dict[str, str]) -> dict[str, Any]:
    """Read what a ruleset refused."""
    verb = _VERBS.get(fields["ruleset"])
    said = reply_in(fields["reject"])
    kind = "greeting" if verb == "GREETING" else "command"
    cells: dict[str, Any] = {"kind": kind, "verb": verb, "server": host} | said._asdict()
    about = _address(fields.get("arg1", ""))
    if verb == "MAIL":
        return cells | {"reverse_path": about}
    if verb == "RCPT" and about:
        is_temporary = str(said.reply_code).startswith("4")
        cells |= {"kind": "outcome", "outcome": "deferred" if is_temporary else "rejected"}
        cells |= recipient_cells(about)
    return cells


def sniff(line: str) -> bool:
    """Tell whether a line is Sendmail's."""
    return (program_of(line) or "").startswith(_PROGRAMS)


def events(lines: Iterable[str], reading: Reading) -> Iterator[Row]:
    """Give the rows of a log's lines."""
    return _Log(reading).rows(lines)


FORMAT: Final = LogFormat(
    name=_SOURCE, title="Sendmail", sniff=sniff, events=events, max_line=MAX_LINE
)
