"""Postfix: what became of each recipient, and what was refused, as its log tells it.

A line gives one row at most.  What ``smtp``, ``lmtp``, ``local``, ``virtual``, ``pipe`` and
``error`` say of a recipient, and a refused RCPT of ``smtpd``, is an ``outcome``; a
connection that failed, a TLS session, a refusal that is about no recipient are rows of
their own kinds.  What other lines tell of a message (its Message-ID, its reverse-path, its
size, who was logged in) stands on its outcomes.  Everything else Postfix says counts as
matched and gives no row.

How its words are read:

- ``queue_id`` is Postfix's own: what it called the message in its 250 to whoever handed it
  in.  What the next server called it is in ``reply_text``.
- ``sent`` with a reply is accepted, without one (local, virtual, pipe) it is delivered;
  ``deferred`` and ``bounced`` without a reply are failed where no connection came about
  or it broke, and else deferred and bounced.  A connection lost after the end of mail data
  ("message may be sent more than once") is in doubt.
- ``latency_s`` is the part of ``delays=a/b/c/d`` the deciding reply belongs to: c
  (connecting, greeting, EHLO, TLS) up to EHLO, d (the transfer) from MAIL on.  It is the
  whole phase: a bound for the single reply.
- ``attempt`` is counted in the log itself; null if the message's beginning is not in it.

References
----------
Postfix 3.9: postconf(5) (``delay_logging_resolution_limit``, ``enable_long_queue_ids``,
``syslog_name``), smtp(8), the manual's DEBUG_README; RFC 3463 for ``dsn=``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

from smtpbook.events import Row, row_of
from smtpbook.logfile.format import LogFormat
from smtpbook.logfile.reading import Reading
from smtpbook.logfile.said import NOTHING, Said, enhanced_in, reply_in, shown
from smtpbook.logfile.syslog import MAX_LINE, Syslog, Tag, program_of
from smtpbook.server_logs.queue import (
    MAX_MESSAGE_ID,
    Message,
    Queue,
    cells_of,
    domain_cell,
    recipient_cells,
)

_SOURCE: Final = "postfix"
_MAX_PROCESSES: Final = 10_000  # whose TLS session is remembered

# Of the addresses that Postfix writes, few hold a ">", and only within quotes.
_DELIVERY: Final = re.compile(
    r"(\w{1,32}): to=<([^>]*+)>, (?:orig_to=<[^>]*+>, )?relay=([^,]*+), "
    r"(?:conn_use=\d{1,9}, )?delay=[\d.]++, "
    r"(?:delays=[\d.]++/[\d.]++/([\d.]++)/([\d.]++), )?"
    r"(?:dsn=([\d.]++), )?status=([\w-]++)(?: \((.*))?",
    re.DOTALL,
)
_QUOTED_DELIVERY: Final = re.compile(
    _DELIVERY.pattern.replace("[^>]*+", ".{0,512}?"), re.DOTALL
)
_ABOUT: Final = re.compile(
    r"(\w{1,32}): (client|message-id|from|removed|uid)(?:=(.*))?$", re.DOTALL
)
_FROM: Final = re.compile(
    r"<(.{0,512}?)>, (?:size=(\d{1,18}), |status=([\w-]{1,40}))", re.DOTALL
)
_LOGIN: Final = re.compile(r", sasl_username=([^,]{1,320})")
_RELAY: Final = re.compile(r"([^\[]{0,255})\[([^\]]{1,255})\](?::(\d{1,5}))?")
_REFUSED: Final = re.compile(
    r"(\w{1,32}): (?:milter-|proxy-)?reject: (CONNECT|[A-Z-]{1,20})(?: from (\S{1,400}))?: "
)
_ENVELOPE: Final = re.compile(
    r"; from=<(.{0,512}?)>,? to=<(.{0,512}?)>(?:,? proto=|$)", re.DOTALL
)
_TLS: Final = re.compile(
    r"\w{1,20} TLS connection (?:established|reused) to (\S{1,400}): (\S{1,20}) "
    r"with cipher (\S{1,80}) "
)
_NO_CONNECTION: Final = re.compile(
    r"(connect|SSL_connect error) to (\S{1,400}): (.*)", re.DOTALL
)
_LOGIN_FAILED: Final = re.compile(
    r"warning: \S{1,400}: SASL \S{1,40} authentication failed"
)
_NO_FINAL_WORD: Final = re.compile(
    r"(\w{1,32}): (?:host (\S{1,400}) (?:said|refused to talk to me): "
    r"|(?:lost connection|conversation) with (\S{1,400}) )"
)
_SAID: Final = re.compile(r" (?:said|refused to talk to me): (?=[2-5]\d\d[ -])")
_IN_REPLY_TO: Final = " (in reply to "
_NEVER_CAME_TO_A_REPLY: Final = re.compile(
    r"(?:delivery temporarily suspended: )?"
    r"(?:connect to |lost connection with |conversation with |Host or domain name not found"
    r"|Cannot start TLS|TLS is required|Server certificate |network |unable to connect)"
)
_IN_DOUBT: Final = "message may be sent more than once"
_VERBS: Final = {
    **{"RCPT TO": "RCPT", "MAIL FROM": "MAIL", "end of DATA": "END-OF-DATA"},
    **{"end of data": "END-OF-DATA", "END-OF-MESSAGE": "END-OF-DATA"},
    **{"the initial server greeting": "GREETING", "CONNECT": "GREETING"},
    **{"the EHLO handshake": "EHLO", "the HELO handshake": "HELO"},
    **{"the LHLO handshake": "LHLO", "DATA command": "DATA", "message body": "DATA"},
}
_KNOWN_VERBS: Final = {
    *("GREETING", "EHLO", "HELO", "LHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA"),
    *("END-OF-DATA", "BDAT", "VRFY", "ETRN", "RSET", "NOOP", "QUIT"),
}
_TRANSFER: Final = {"MAIL", "RCPT", "DATA", "END-OF-DATA", "BDAT"}
_WHILE: Final = re.compile(
    r" while (?:sending|performing|receiving) ([^()]{1,40}?)(?: --|\)|$)"
)


class _Log:
    """One log, read line by line."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        # By host and queue ID: instances on one host have inodes of one file system.
        self._queue = Queue()
        self._tls: dict[tuple[str, str], tuple[str, str, str]] = {}

    def rows(self, lines: Iterable[str]) -> Iterator[Row]:
        split = Syslog(self._reading).split
        skipped = self._reading.skipped
        for line in lines:
            parts = split(line)
            if parts is None:
                skipped(line)
                continue
            time, tag, text = parts
            if not tag.program.startswith("postfix"):
                skipped(line)
                continue
            service = tag.program.rpartition("/")[2]
            if ": to=<" in text:
                row = self._delivery(time, tag, service, text)
                if row is None:
                    skipped(line)
                else:
                    yield row
            elif about := _ABOUT.match(text):
                yield from self._about(time, tag, service, *about.groups())
            else:
                row = self._other(time, tag, service, text)
                if row is not None:
                    yield row

    def _about(
        self, time: int, tag: Tag, service: str, queue_id: str, what: str, value: str | None
    ) -> Iterator[Row]:
        """Take note of what a line tells of a message."""
        key = tag.host, queue_id
        if what == "removed":
            self._queue.remove(key)
        elif what in ("client", "uid"):  # a new message, even if the ID was used before
            message = self._queue.begin(key)
            if value and (login := _LOGIN.search(value)):
                message.account = login[1]
        elif what == "message-id":
            message = self._queue.of(key)
            # Postfix's own mail, such as a bounce, begins here.
            if message.tries is None or message.reverse_path is not None:
                message = self._queue.begin(key)
            message.message_id = (value or "")[:MAX_MESSAGE_ID] or None
        elif value and (found := _FROM.match(value)):
            message = self._queue.of(key)
            message.reverse_path = found[1]
            if found[2]:
                message.size = int(found[2])
            elif found[3] in ("expired", "force-expired"):
                yield from _expired(time, queue_id, message, value)

    def _delivery(self, time: int, tag: Tag, service: str, text: str) -> Row | None:
        """Read what became of a recipient; null = the line was cut before it says so."""
        found = _DELIVERY.match(text) or _QUOTED_DELIVERY.match(text)
        if found is None:
            return None
        queue_id, recipient, relay, setup, transfer, dsn, status, words = found.groups()
        message = self._queue.get((tag.host, queue_id))
        words = (words or "").removesuffix(")")
        if relay == "none" and (place := _NO_CONNECTION.match(words)):
            relay = place[2]
        server, address, port = _place(relay)
        verb, error, outcome, said = _verdict(status, service, words)
        if said.reply_code is None and dsn is not None:
            said = Said(None, dsn[:11], said.reply_text)
        seconds = transfer if verb in _TRANSFER else setup
        tls = self._tls.get((tag.host, tag.pid))
        _, version, cipher = (
            tls if tls is not None and tls[0] == relay else (None, None, None)
        )
        return (
            time,
            None,  # campaign_id
            None,  # session_id
            None,  # transaction_id
            message.message_id if message else None,
            None,  # seq
            "outcome",
            verb,
            None,  # command
            *said,
            _seconds(seconds) if verb is not None and error is None else None,
            None,  # first_byte_s
            None,  # service_s
            None,  # lag_s
            None,  # pipelined
            message.size if message and outcome in ("accepted", "in_doubt") else None,
            None,  # bytes_received
            message.reverse_path if message else None,
            recipient,
            domain_cell(recipient.rpartition("@")[2]) if "@" in recipient else None,
            server,
            port,
            address,
            version,
            cipher,
            message.attempt(recipient, is_over=status != "deferred") if message else None,
            outcome,
            None,  # reason: log.frame fills it once per distinct reply
            queue_id,
            error,
            message.account if message else None,
            None,  # arm
            None,  # block
            _SOURCE,
        )

    def _other(self, time: int, tag: Tag, service: str, text: str) -> Row | None:
        """Read refusals, and what is about a connection."""
        if "reject: " in text[:60] and (found := _REFUSED.match(text)):
            return self._refusal(time, tag, found, text[found.end() :])
        if service in ("smtp", "lmtp", "posttls-finger"):
            return self._of_connection(time, tag, text)
        if _LOGIN_FAILED.match(text):
            name = _LOGIN.search(text)
            return row_of(
                time=time,
                kind="command",
                verb="AUTH",
                reply_text=shown(text.removeprefix("warning: ")),
                server=tag.host,
                error="AuthenticationError",
                account=name[1] if name else None,
                source=_SOURCE,
            )
        return None

    def _refusal(self, time: int, tag: Tag, found: re.Match[str], text: str) -> Row:
        """Read what smtpd, cleanup or postscreen refused."""
        queue_id, stage, _ = found.groups()
        envelope = _ENVELOPE.search(text, max(text.rfind("; from=<"), 0))
        words = text[: envelope.start()] if envelope else text.partition("; proto=")[0]
        said = reply_in(words)
        if said.reply_code is None:  # of a milter's verdict on a whole message
            said = Said(None, enhanced_in(words, words[:1]), shown(words))
        severity = str(said.reply_code or said.enhanced_status or "5")[0]
        reverse_path, recipient = envelope.groups() if envelope else (None, None)
        verb = _verb(stage)
        return row_of(
            time=time,
            kind="outcome"
            if recipient
            else "greeting"
            if verb == "GREETING"
            else "command",
            verb=verb,
            reverse_path=reverse_path,
            outcome={"4": "deferred"}.get(severity, "rejected") if recipient else None,
            server=tag.host,
            queue_id=None if queue_id == "NOQUEUE" else queue_id,
            source=_SOURCE,
            **said._asdict(),
            **(recipient_cells(recipient) if recipient else {}),
        )

    def _of_connection(self, time: int, tag: Tag, text: str) -> Row | None:
        """Read what the client says of a connection, not of a recipient."""
        cells: dict[str, Any]
        if found := _TLS.match(text):
            if len(self._tls) >= _MAX_PROCESSES:
                self._tls.clear()
            self._tls[tag.host, tag.pid] = relay, version, cipher = (
                found[1],
                found[2],
                found[3],
            )
            cells = {"kind": "tls", "tls_version": version, "tls_cipher": cipher}
        elif found := _NO_CONNECTION.match(text):
            relay = found[2]
            kind, error = "tls", "TLSError"
            if found[1] == "connect":
                kind, error = "connect", _error(found[3])
            cells = {"kind": kind, "error": error}
        elif found := _NO_FINAL_WORD.match(text):
            relay = found[2] or found[3]
            verb, error_of, _, said = _verdict("deferred", "smtp", text[found.start(1) :])
            kind = "greeting" if verb == "GREETING" else "command"
            message = self._queue.get((tag.host, found[1]))
            cells = {"kind": kind, "verb": verb, "error": error_of}
            cells |= said._asdict() | cells_of(message) | {"queue_id": found[1]}
        else:
            return None
        server, address, port = _place(relay)
        where = {"server": server, "server_address": address, "port": port}
        return row_of(**(where | {"time": time, "source": _SOURCE} | cells))


@lru_cache(maxsize=1 << 16)
def _place(relay: str) -> tuple[str | None, str | None, int | None]:
    found = _RELAY.fullmatch(relay)
    if found is None:  # none, local, virtual, the name of a pipe
        return None, None, None
    host, address, port = found.groups()
    if "/" in address:  # LMTP over a Unix socket
        return address, None, None
    return host or address, address, int(port) if port else None


def _expired(time: int, queue_id: str, message: Message, text: str) -> Iterator[Row]:
    """Give the end of those recipients that were still waiting."""
    words = shown(text.partition("status=")[2])
    for recipient, tries in (message.tries or {}).items():
        yield row_of(
            time=time,
            kind="outcome",
            reply_text=words,
            outcome="bounced",
            reason="expired",
            attempt=tries,
            queue_id=queue_id,
            source=_SOURCE,
            **recipient_cells(recipient),
            **message.cells(),
        )
    message.tries = None


def _verdict(
    status: str, service: str, words: str
) -> tuple[str | None, str | None, str | None, Said]:
    """Give verb, error, outcome and reply of a status and the words behind it."""
    if status == "sent":
        said = reply_in(words) if service in ("smtp", "lmtp") else NOTHING
        if said.reply_code is not None:
            return "END-OF-DATA", None, "accepted", said
        final = {"discard": "suppressed"}.get(service, "delivered")
        if words.startswith("forwarded as "):
            final = "accepted"
        return None, None, final, Said(None, None, shown(words))
    outcome: str | None = {"deferred": "deferred", "bounced": "rejected"}.get(status)
    if quoted := _SAID.search(words):
        text, _, reply_to = words[quoted.end() :].rpartition(_IN_REPLY_TO)
        if not text:
            text, reply_to = reply_to, ""
        verb = _verb(reply_to.partition(")")[0].removesuffix(" command"))
        if verb is None and "refused to talk to me" in quoted[0]:
            verb = "GREETING"
        elif verb is None and "SASL authentication failed" in words[: quoted.start()]:
            verb = "AUTH"
        return verb, None, outcome, reply_in(text)
    said = Said(None, None, shown(words))
    step = _WHILE.search(words)
    verb = _verb(step[1]) if step else None
    if _IN_DOUBT in words:
        return "END-OF-DATA", _error(words), outcome and "in_doubt", said
    if status == "deferred" and (step or _NEVER_CAME_TO_A_REPLY.match(words)):
        return verb, _error(words), "failed", said
    return verb, None, {"rejected": "bounced"}.get(outcome or "", outcome), said


def _verb(words: str) -> str | None:
    verb = _VERBS.get(words, words)
    return verb if verb in _KNOWN_VERBS else None


def _error(words: str) -> str:
    """Name the class a session of ours would have failed with."""
    if "timed out" in words or "timeout" in words:
        return "TransportTimeout"
    if "TLS" in words or "certificate" in words:
        return "TLSError"
    return "TransportError"


def _seconds(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:  # "1.2.3"
        return None


def sniff(line: str) -> bool:
    """Tell whether a line is Postfix's."""
    program = program_of(line)
    return program is not None and program.startswith("postfix") and "/" in program


def events(lines: Iterable[str], reading: Reading) -> Iterator[Row]:
    """Give the rows of a log's lines."""
    return _Log(reading).rows(lines)


FORMAT: Final = LogFormat(
    name=_SOURCE, title="Postfix", sniff=sniff, events=events, max_line=MAX_LINE
)
