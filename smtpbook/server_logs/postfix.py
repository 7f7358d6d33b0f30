"""Postfix: what became of each recipient, and what was refused, as its log tells it.

A line gives one row at most.  What ``smtp``, ``lmtp``, ``local``, ``virtual``, ``pipe`` and
``error`` say of a recipient, and a refused RCPT of ``smtpd``, is an ``outcome``; a
connection that failed and a refusal that is about no recipient are rows of their own kinds.
What other lines tell (a message's Message-ID, reverse-path and size, who was logged in, the
TLS of a connection) stands on the outcomes.  Everything else Postfix says counts as
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
from smtpbook.logfile.quoted import NOTHING, QuotedReply, enhanced_in, reply_in, shown
from smtpbook.logfile.reading import Reading
from smtpbook.logfile.syslog import MAX_LINE, Syslog, Tag, program_of
from smtpbook.server_logs.queue import (
    MAX_MESSAGE_ID,
    NOBODY,
    Message,
    Queue,
    cells_of,
    domain_cell,
    recipient_cells,
)

_SOURCE: Final = "postfix"
_CLIENTS: Final = ("smtp", "lmtp")
_DATA_SENT: Final = ("accepted", "in_doubt")

# Of the addresses that Postfix writes, few hold a ">", and only within quotes.
_DELIVERY: Final = re.compile(
    r"to=<([^>]{0,512}+)>, (?:orig_to=<[^>]{0,512}+>, |)relay=([^,]{0,520}+), "
    r"(?:conn_use=[0-9]{1,9}+, |)delay=[0-9.]{1,20}+, "
    r"(?:delays=[0-9.]{1,20}+/[0-9.]{1,20}+/([0-9.]{1,20}+)/([0-9.]{1,20}+), |)"
    r"(?:dsn=([0-9.]++), |)status=([A-Za-z-]++)(?: \((.*)|)",
    re.DOTALL,
)
_QUOTED_DELIVERY: Final = re.compile(
    _DELIVERY.pattern.replace("[^>]{0,512}+", ".{0,512}?"), re.DOTALL
)
_EXPIRED: Final = re.compile(r"from=<(.{0,512}?)>, status=((?:force-)?expired.{0,200})")
_LOGIN: Final = re.compile(r", sasl_username=([^,]{1,320})")
_RELAY: Final = re.compile(r"([^\[]{0,255})\[([^\]]{1,255})\](?::(\d{1,5}))?")
_REFUSED: Final = re.compile(
    r"(?:milter-|proxy-)?reject: ([A-Z-]{1,20})(?: from \S{1,400})?: "
)
_ENVELOPE: Final = re.compile(
    r"; from=<(.{0,512}?)>(?:,? to=<(.{0,512}?)>)?(?:,? proto=|$)", re.DOTALL
)
_TLS: Final = re.compile(r"(\S{1,20}) with cipher (\S{1,80}) ")
_NO_CONNECTION: Final = re.compile(
    r"(connect|SSL_connect error) to (\S{1,400}): (.*)", re.DOTALL
)
_LOGIN_FAILED: Final = re.compile(r"\S{1,400}: SASL \S{1,40} authentication failed")
_NO_FINAL_WORD: Final = re.compile(
    r"(?:host (\S{1,400}) (?:said|refused to talk to me): "
    r"|(?:lost connection|conversation) with (\S{1,400}) )"
)
_SAID: Final = re.compile(r" (?:said|refused to talk to me): (?=[2-5]\d\d[ -])")
_IN_REPLY_TO: Final = " (in reply to "
_NEVER_CAME_TO_A_REPLY: Final = re.compile(
    r"(?:delivery temporarily suspended: )?"
    r"(?:connect to |lost connection with |conversation with |Host or domain name not found"
    r"|Cannot start TLS|TLS is required|Server certificate |network |unable to connect)"
)
_NO_HOST: Final = "Host or domain name not found"
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


class _Process:
    """One of Postfix's processes, and the TLS session it said to have last."""

    __slots__ = ("host", "note", "queue", "service", "tls")

    def __init__(self, tag: Tag, queue: Queue) -> None:
        self.host, self.queue = tag.host, queue
        self.service = tag.program.rpartition("/")[2]
        self.note = _USUAL_NOTE.get(self.service, _tls_session)
        self.tls = "", ""


def events(lines: Iterable[str], reading: Reading) -> Iterator[Row]:
    """Give the rows of a log's lines."""
    # One for each host: its instances have inodes of one file system for queue IDs.
    queues: dict[str, Queue] = {}

    def process_of(tag: Tag) -> _Process | None:
        if not tag.program.startswith("postfix"):
            return None
        return _Process(tag, queues.setdefault(tag.host, Queue()))

    log = Syslog(reading, process_of)
    known, time_of, stamp, about = log.writers.get, log.time_of, log.stamp, log.about
    for line in lines:
        # The short way, for all but one line in a hundred.
        parts = line.split(": ", 2)
        process, pieces, time = known(parts[0][about]), len(parts), None
        if process is not None and pieces == 2:
            continue  # "connect from", "disconnect from", "statistics"
        if process is not None and pieces == 3:
            head, queue_id, rest = parts
            if process.note(process, queue_id, rest):
                continue
            time = time_of(head[stamp])
        if process is None or time is None:
            found = log.split(line)
            if found is None:
                continue
            time, process, text = found
            queue_id, _, rest = text.partition(": ")
            stamp, about = log.stamp, log.about
        if rest[:4] != "to=<":
            yield from _others(time, process, queue_id, rest)
        elif row := _delivery(time, process, queue_id, rest):
            yield row
        else:
            reading.skipped(line)


def _client(process: _Process, queue_id: str, text: str) -> bool:
    """Take note of a message that comes in, even if its ID was used before."""
    if text[:7] != "client=" and text[:4] != "uid=":
        return False
    message = process.queue.begin(queue_id)
    account = _login(text)
    if account is not None:
        message.account = account
    return True


def _message_id(process: _Process, queue_id: str, text: str) -> bool:
    """Take note of a message's Message-ID; Postfix's own, such as a bounce, begin so."""
    if text[:11] != "message-id=":
        return False
    message = process.queue.get(queue_id)
    if message is None or not message.is_whole or message.reverse_path is not None:
        message = process.queue.begin(queue_id)
    message.message_id = text[11:MAX_MESSAGE_ID] or None
    return True


def _sender(process: _Process, queue_id: str, text: str) -> bool:
    """Take note of a message that is tried; false = it is given up."""
    if text[:4] != "from":
        return False
    address, found, rest = text.partition(">, size=")
    if not found:
        return False
    message = process.queue.get(queue_id) or process.queue.of(queue_id)
    message.reverse_path = address[6:518]
    size = rest.partition(",")[0]
    if len(size) < 19 and size.isdecimal():
        message.size = int(size)
    return True


def _removed(process: _Process, queue_id: str, text: str) -> bool:
    """Forget a message that has left the queue."""
    if text != "removed":
        return False
    process.queue.pop(queue_id, None)
    return True


def _tls_session(process: _Process, what: str, text: str) -> bool:
    """Take note of the TLS of a connection that came about."""
    if text[:4] != "TLSv":
        return False
    process.tls = what, text
    return True


def _of_manager(process: _Process, queue_id: str, text: str) -> bool:
    return _sender(process, queue_id, text) or _removed(process, queue_id, text)


_NOTES: Final = (_client, _message_id, _sender, _removed, _tls_session)
# What nearly every line of a daemon is that is about a message and gives no row.
_USUAL_NOTE: Final = {
    **{"smtpd": _client, "cleanup": _message_id, "qmgr": _of_manager},
    **{"smtp": _tls_session, "lmtp": _tls_session},
}


def _others(time: int, process: _Process, queue_id: str, text: str) -> Iterable[Row]:
    """Read a line of any kind."""
    if not text or any(note(process, queue_id, text) for note in _NOTES):
        return ()
    if found := _EXPIRED.match(text):
        return _expired(time, process.queue.of(queue_id), queue_id, *found.groups())
    if process.service in _CLIENTS:
        return _of_connection(time, process, queue_id, text)
    if "reject: " in text or queue_id == "warning":
        return _of_server(time, process, queue_id, text)
    return ()


def _expired(
    time: int, message: Message, queue_id: str, reverse_path: str, words: str
) -> list[Row]:
    """Give the end of those recipients that were still waiting."""
    message.reverse_path = reverse_path
    waiting, message.tries = message.tries or {}, None
    return [
        row_of(
            time=time,
            kind="outcome",
            reply_text=shown(words),
            outcome="bounced",
            reason="expired",
            attempt=tries,
            queue_id=queue_id,
            source=_SOURCE,
            **recipient_cells(recipient),
            **message.cells(),
        )
        for recipient, tries in waiting.items()
    ]


def _delivery(time: int, process: _Process, queue_id: str, text: str) -> Row | None:
    """Read what became of a recipient; null = the line was cut before it says so."""
    found = _DELIVERY.match(text) or _QUOTED_DELIVERY.match(text)
    if found is None:
        return None
    recipient, relay, setup, transfer, dsn, status, words = found.groups()
    message = process.queue.get(queue_id, NOBODY)
    words = words.removesuffix(")") if words else ""
    verb, error, outcome, (code, enhanced, said) = _verdict(status, process.service, words)
    if code is None and dsn is not None:
        enhanced = dsn[:11]
    if relay == "none" and (place := _NO_CONNECTION.match(words)):
        relay = place[2]
    server, address, port = _place(relay)
    seconds = None
    if verb is not None and error is None:
        seconds = _seconds(transfer if verb in _TRANSFER else setup)
    talked_to, tls = process.tls
    version, cipher = _tls(tls) if talked_to.endswith(relay) else (None, None)
    _, has_domain, domain = recipient.rpartition("@")
    return (
        time,
        None,  # campaign_id
        None,  # session_id
        None,  # transaction_id
        message.message_id,
        None,  # seq
        "outcome",
        verb,
        None,  # command
        code,
        enhanced,
        said,
        seconds,  # latency_s
        None,  # first_byte_s
        None,  # service_s
        None,  # lag_s
        None,  # pipelined
        message.size if outcome in _DATA_SENT else None,
        None,  # bytes_received
        message.reverse_path,
        recipient,
        domain_cell(domain) if has_domain else None,
        server,
        port,
        address,
        version,
        cipher,
        message.attempt(recipient, status != "deferred"),
        outcome,
        # Where a reply decided, log.frame fills it once per distinct one.
        "bad_domain" if outcome == "bounced" and words.startswith(_NO_HOST) else None,
        queue_id,
        error,
        message.account,
        None,  # arm
        None,  # block
        _SOURCE,
    )


def _of_server(time: int, process: _Process, queue_id: str, text: str) -> Iterator[Row]:
    """Read what smtpd, postscreen or cleanup refused, and logins that failed."""
    if found := _REFUSED.match(text):
        cells = _refusal(found[1], text[found.end() :])
        cells["queue_id"] = None if queue_id == "NOQUEUE" else queue_id
    elif queue_id == "warning" and _LOGIN_FAILED.match(text):
        name = _LOGIN.search(text)
        cells = {
            "kind": "command",
            "verb": "AUTH",
            "reply_text": shown(text),
            "error": "AuthenticationError",
            "account": name[1] if name else None,
        }
    else:
        return
    yield row_of(time=time, server=process.host, source=_SOURCE, **cells)


def _refusal(stage: str, text: str) -> dict[str, Any]:
    """Read what smtpd, cleanup or postscreen refused."""
    envelope = _ENVELOPE.search(text, max(text.rfind("; from=<"), 0))
    words = text[: envelope.start()] if envelope else text.partition("; proto=")[0]
    said = reply_in(words)
    if said.reply_code is None:  # of a milter's verdict on a whole message
        said = QuotedReply(None, enhanced_in(words, words[:1]), shown(words))
    verb = _verb(stage)
    kind = "greeting" if verb == "GREETING" else "command"
    cells: dict[str, Any] = {"kind": kind, "verb": verb} | said._asdict()
    if envelope:
        cells["reverse_path"] = envelope[1]
        if envelope[2]:
            severity = str(said.reply_code or said.enhanced_status)[0]
            cells |= {"kind": "outcome", **recipient_cells(envelope[2])}
            cells["outcome"] = "deferred" if severity == "4" else "rejected"
    return cells


def _of_connection(time: int, process: _Process, queue_id: str, text: str) -> Iterator[Row]:
    """Read what the client says of a connection, not of a recipient."""
    cells: dict[str, Any]
    if found := _NO_CONNECTION.match(f"{queue_id}: {text}"):
        relay = found[2]
        cells = {"kind": "tls", "error": "TLSError"}
        if found[1] == "connect":
            cells = {"kind": "connect", "error": _error(found[3])}
    elif found := _NO_FINAL_WORD.match(text):
        relay = found[1] or found[2]
        verb, error, _, said = _verdict("deferred", process.service, text)
        kind = "greeting" if verb == "GREETING" else "command"
        cells = {"kind": kind, "verb": verb, "error": error, "queue_id": queue_id}
        cells |= said._asdict() | cells_of(process.queue.get(queue_id))
    else:
        return
    server, address, port = _place(relay)
    yield row_of(
        time=time,
        server=server,
        server_address=address,
        port=port,
        source=_SOURCE,
        **cells,
    )


@lru_cache(maxsize=1 << 10)
def _login(text: str) -> str | None:
    found = _LOGIN.search(text)
    return found[1] if found else None


@lru_cache(maxsize=1 << 10)
def _tls(text: str) -> tuple[str | None, str | None]:
    found = _TLS.match(text)
    return (found[1], found[2]) if found else (None, None)


@lru_cache(maxsize=1 << 16)
def _place(relay: str) -> tuple[str | None, str | None, int | None]:
    found = _RELAY.fullmatch(relay)
    if found is None:  # none, local, virtual, the name of a pipe
        return None, None, None
    host, address, port = found.groups()
    if "/" in address:  # LMTP over a Unix socket
        return address, None, None
    return host or address, address, int(port) if port else None


def _verdict(
    status: str, service: str, words: str
) -> tuple[str | None, str | None, str | None, QuotedReply]:
    """Give verb, error, outcome and reply of a status and the words behind it."""
    if status == "sent":
        said = reply_in(words) if service in _CLIENTS else NOTHING
        if said is not NOTHING:
            return "END-OF-DATA", None, "accepted", said
        final = {"discard": "suppressed"}.get(service, "delivered")
        if service in _CLIENTS or words.startswith("forwarded as "):
            final = "accepted"
        return None, None, final, QuotedReply(None, None, shown(words))
    outcome: str | None = {"deferred": "deferred", "bounced": "rejected"}.get(status)
    if quoted := _SAID.search(words):
        text, _, reply_to = words[quoted.end() :].rpartition(_IN_REPLY_TO)
        if not text:
            text, reply_to = reply_to, ""
        verb = _verb(reply_to.partition(")")[0].partition(" comm")[0])
        if verb is None and "refused to talk to me" in quoted[0]:
            verb = "GREETING"
        elif verb is None and "SASL authentication failed" in words[: quoted.start()]:
            verb = "AUTH"
        return verb, None, outcome, reply_in(text)
    said = QuotedReply(None, None, shown(words))
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


# Servers are as quick as they are: three digits, which come again.
@lru_cache(maxsize=1 << 12)
def _seconds(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:  # "1.2.3"
        return None


def sniff(line: str) -> bool:
    """Tell whether a line is Postfix's."""
    program = program_of(line)
    return program is not None and program.startswith("postfix") and "/" in program


FORMAT: Final = LogFormat(
    name=_SOURCE, title="Postfix", sniff=sniff, events=events, max_line=MAX_LINE
)
