"""Exim: what became of each recipient, and what was refused, as its main log tells it.

A line gives one row at most.  Delivery lines (``=>`` ``->`` ``>>`` ``**`` ``==`` ``*>``)
and a refused RCPT are ``outcome`` rows; what came in (``<=``) stands on the outcomes of its
message; a connection that failed, a refusal about no recipient, a failed login are rows of
their own kinds.  Everything else that begins as Exim's lines do counts as matched and gives
no row.

- A delivery to a host (``H=``) is accepted, one on the machine itself is delivered.
- What Exim refuses itself is logged without the reply code it gave, which is 550 or 451
  only by default; ``reply_code`` is null there.
- ``latency_s`` is ``DT=``, the whole delivery: a bound for the single reply.
- ``attempt`` is counted in the log itself; null if the message's beginning is not in it.

References
----------
The Exim specification, version 4.98, chapter 53 (log files): "Log line flags", "Summary of
Fields in Log Lines"; chapter 3 (message identification: since 4.97 an ID has 23 characters,
before that 16).
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

_SOURCE: Final = "exim"
_ID: Final = (
    r"[0-9A-Za-z]{6}-(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{11}-[0-9A-Za-z]{4})"
)
_LINE: Final = re.compile(
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?)(?: ([+-]\d{4}))? "
    rf"(?:\[\d{{1,10}}\] )?(?:({_ID}) )?(.*)",
    re.DOTALL,
)
# What Exim says without a message's ID; other programs' lines begin with a stamp, too.
_OWN_WORDS: Final = re.compile(
    r"(?:H=|exim \d|(?:Start|End) queue run|cwd=|SMTP |no (?:host|IP address) |TLS error |"
    r"unexpected disconnection |(?:temporarily )?rejected |\w{1,40} authenticator failed )"
)
_FLAG: Final = re.compile(r"(<=|=>|->|>>|\*\*|==|\*>) (.*)", re.DOTALL)
_OUTCOMES: Final = {"**": "bounced", "==": "deferred", "*>": "suppressed"}
# A field is a word and "="; T="…" and C="…" hold anything, with quotes escaped.
_FIELD: Final = re.compile(r' ([A-Za-z]{1,12})=(?:"((?:[^"\\]|\\.)*+)"|(\S*+))')
_NOWHERE: Final = (":blackhole:", "/dev/null")
_ADDRESS: Final = re.compile(r"\S++")
_ORIGINAL: Final = re.compile(r" <([^<>]{1,512})>")
_HOST: Final = re.compile(
    r" H=(?:(\S{1,255}) )?(?:\([^()]{0,255}\) )?\[([0-9A-Fa-f.:%]{2,64})\](?::(\d{1,5}))?"
)
_SAID: Final = re.compile(
    r" from remote mail server after (?:pipelined )?(initial connection|[EHL]{1,2}LO"
    r"|MAIL FROM|RCPT TO|end of data|sending data block|DATA|STARTTLS|AUTH)\b.{0,600}?: "
    r"(?:host \S{1,255}(?: \[\S{1,64}\])?: )?(?=[2-5]\d\d[ -])",
    re.DOTALL,
)
_VERBS: Final = {
    **{"initial connection": "GREETING", "MAIL FROM": "MAIL", "RCPT TO": "RCPT"},
    **{"end of data": "END-OF-DATA", "sending data block": "DATA"},
}
_DEFER: Final = re.compile(r" defer \((-?\d{1,6})\)(?: H=[^:]{1,400})?:? ?")
_REFUSED: Final = re.compile(
    r"(temporarily )?rejected (?:after )?"
    r"(RCPT|MAIL|DATA|EHLO or HELO|connection|AUTH|VRFY|EXPN|ETRN|STARTTLS|PRDR)"
    r"(?: <([^<>]{0,512})>)?[^:]{0,300}(?:: (.*))?",
    re.DOTALL,
)
_SENDER: Final = re.compile(r" F=<([^<>]{0,512})>")
_LOGIN_FAILED: Final = re.compile(
    r"\w{1,40} authenticator failed for .{1,400}?: (\d{3} [^(]{0,400})"
    r"(?:\(set_id=([^)]{0,320})\))?",
    re.DOTALL,
)
_UNREACHED: Final = re.compile(
    r"(?:H=)?(\S{1,255}) \[([0-9A-Fa-f.:%]{2,64})\](?::(\d{1,5}))?:? "
    r"(Connection \w{1,20}(?: \w{1,20})?|Network is unreachable|No route to host"
    r"|TLS error.*)",
    re.DOTALL,
)
_NETWORK: Final = re.compile(
    r"(?i)connection (?:refused|timed out|reset)|timeout|timed out|closed connection"
    r"|unreachable|no route|lookup|TLS|have been failing|retry time not reached"
)
_FOR_GOOD: Final = re.compile(r"retry timeout exceeded|have been failing for a long time")
_UNIT_S: Final = {"w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_TIME: Final = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)([wdhms])")


class _Log:
    """One log, read line by line."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._syslog = Syslog(reading, _is_exim)
        self._queue = Queue()

    def rows(self, lines: Iterable[str]) -> Iterator[Row]:
        for line in lines:
            if line[:1].isdigit() and line[10:11] == " ":
                parts = self._own(line)
                if parts is None:
                    self._reading.skipped(line)
            else:  # by way of syslog; its stamp, where Exim left its own away
                sent = self._syslog.split(line)
                parts = sent and (self._own(sent[2]) or (sent[0], *_id_of(sent[2])))
            cells = self._cells(*parts[1:]) if parts else None
            if parts and cells:
                yield row_of(**({"time": parts[0], "source": _SOURCE} | cells))

    def _own(self, line: str) -> tuple[int, str | None, str] | None:
        """Give when, the message's ID and the rest; null = not Exim's."""
        found = _LINE.match(line)
        if found is None:
            return None
        stamp, offset, queue_id, text = found.groups()
        if queue_id is None and not _OWN_WORDS.match(text):
            return None
        time = self._reading.stamps.iso(stamp + (offset or ""))
        return None if time is None else (time, queue_id, text)

    def _cells(self, queue_id: str | None, text: str) -> dict[str, Any] | None:
        """Give the cells of a line's row; null = it gives none."""
        if queue_id is None:
            return self._of_server(None, text)
        if text.startswith("Completed"):
            self._queue.remove(queue_id)
        elif found := _FLAG.match(text):
            if found[1] == "<=":
                self._arrival(queue_id, found[2])
            else:
                return self._delivery(queue_id, found[1], found[2])
        else:
            return self._of_server(queue_id, text)
        return None

    def _arrival(self, queue_id: str, text: str) -> None:
        """Take note of who a message is from."""
        message = self._queue.begin(queue_id)
        sender = _ADDRESS.match(text)
        message.reverse_path = "" if sender is None or sender[0] == "<>" else sender[0]
        fields = _fields(text)
        if "id" in fields:
            message.message_id = f"<{fields['id'][:MAX_MESSAGE_ID]}>"
        if fields.get("S", "").isdecimal() and len(fields["S"]) < 19:
            message.size = int(fields["S"])
        message.account = fields.get("A", "").partition(":")[2] or None

    def _delivery(self, queue_id: str, flag: str, text: str) -> dict[str, Any]:
        """Read what became of a recipient."""
        message = self._queue.get(queue_id)
        recipient, rest = _recipient(text)
        fields, host = _fields(rest), _HOST.search(rest)
        outcome = _OUTCOMES.get(flag) or ("accepted" if host else "delivered")
        verb, error, said = None, None, NOTHING
        if flag in ("**", "=="):
            verb, error, outcome, said, reason = _failure(outcome, rest)
        elif text.startswith(_NOWHERE):
            outcome, reason = "suppressed", None
        else:
            said, reason = reply_in(fields.get("C", "")), None
            verb = "END-OF-DATA" if host or said.reply_code else None
        is_over = outcome not in ("deferred", "failed")
        server, address, port = host.groups() if host else (None, None, None)
        version, cipher = _tls(fields.get("X"))
        cells = message.cells() if message else {"reverse_path": _sender(rest)}
        return cells | {
            "kind": "outcome",
            "verb": verb,
            "latency_s": _seconds(fields.get("DT")),
            "bytes_sent": message.size if message and outcome == "accepted" else None,
            "server": server or address,
            "server_address": address,
            "port": int(port) if port else None,
            "tls_version": version,
            "tls_cipher": cipher,
            "attempt": message.attempt(recipient, is_over=is_over) if message else None,
            "outcome": outcome,
            "reason": reason,
            "queue_id": queue_id,
            "error": error,
            **said._asdict(),
            **recipient_cells(recipient),
        }

    def _of_server(self, queue_id: str | None, text: str) -> dict[str, Any] | None:
        """Read refusals, failed logins and connections that did not come about."""
        if "rejected" in text and (found := _REFUSED.search(text)):
            return _refusal(found, text) | {"queue_id": queue_id}
        if found := _LOGIN_FAILED.match(text):
            said = reply_in(found[1].rstrip())
            cells = {"kind": "command", "verb": "AUTH", "account": found[2] or None}
            return cells | said._asdict()
        if queue_id is None:
            return None
        message = cells_of(self._queue.get(queue_id)) | {"queue_id": queue_id}
        if (said_at := _SAID.search(text)) and (host := _HOST.search(" " + text)):
            verb = _VERBS.get(said_at[1], said_at[1])
            kind = "greeting" if verb == "GREETING" else "command"
            said = reply_in(text[said_at.end() :])
            return message | _where(host) | {"kind": kind, "verb": verb} | said._asdict()
        if found := _UNREACHED.match(text):
            kind = "tls" if found[4].startswith("TLS") else "connect"
            return message | _where(found) | {"kind": kind, "error": _error(found[4])}
        return None


def _is_exim(tag: Tag) -> bool | None:
    return tag.program.startswith("exim") or None


def _id_of(text: str) -> tuple[str | None, str]:
    found = re.match(rf"({_ID}) (.*)", text, re.DOTALL)
    return (found[1], found[2]) if found else (None, text)


def _fields(text: str) -> dict[str, str]:
    """Give the fields; of equal ones the first, as foreign text stands behind them."""
    found = reversed(_FIELD.findall(" " + text))
    return {name: quoted or bare for name, quoted, bare in found}


def _recipient(text: str) -> tuple[str, str]:
    """Give the address a delivery is about, and the text behind it."""
    found = _ADDRESS.match(text)
    address = found[0] if found else ""
    rest = text[len(address) :]
    # Delivered on the machine, the first is a local part, a file or a command.
    original = _ORIGINAL.match(rest)
    if "@" not in address and original and "@" in original[1]:
        address = original[1]
    return address.removesuffix(":")[:512], rest


def _sender(text: str) -> str | None:
    found = _SENDER.search(text)
    return found[1] if found else None


def _where(found: re.Match[str]) -> dict[str, Any]:
    host, address, port = found[1], found[2], found[3]
    port = int(port) if port else None
    return {"server": host or address, "server_address": address, "port": port}


def _failure(
    outcome: str, text: str
) -> tuple[str | None, str | None, str, QuotedReply, str | None]:
    """Give verb, error, outcome, reply and reason of a delivery that did not come about."""
    reason = "expired" if outcome == "bounced" and _FOR_GOOD.search(text) else None
    if found := _SAID.search(text):
        verb = _VERBS.get(found[1], found[1])
        said = reply_in(text[found.end() :])
        return verb, None, "rejected" if outcome == "bounced" else outcome, said, reason
    if defer := _DEFER.search(text):
        words = text[defer.end() :]
    else:
        words = text.partition(": ")[2] or text.strip()
    said = QuotedReply(None, enhanced_in(words, words[:1]), shown(words))
    if outcome == "deferred" and _NETWORK.search(words[:1000]):
        return None, _error(words), "failed", said, None
    return None, None, outcome, said, reason


def _refusal(found: re.Match[str], text: str) -> dict[str, Any]:
    is_temporary, what, recipient, words = found.groups()
    verb = {"EHLO or HELO": "EHLO", "connection": "GREETING"}.get(what, what)
    if "rejected after" in found[0]:
        verb = "END-OF-DATA"
    said = reply_in(words or "")
    if said.reply_code is None:
        said = QuotedReply(
            None, enhanced_in(words or "", (words or "")[:1]), shown(words or "")
        )
    cells: dict[str, Any] = {"kind": "command", "verb": verb, "reverse_path": _sender(text)}
    if verb == "GREETING":
        cells["kind"] = "greeting"
    if verb == "MAIL" and recipient is not None:
        cells["reverse_path"] = recipient
    elif recipient:
        outcome = "deferred" if is_temporary else "rejected"
        cells |= {"kind": "outcome", "outcome": outcome} | recipient_cells(recipient)
    return cells | said._asdict()


def _tls(field: str | None) -> tuple[str | None, str | None]:
    """Take ``TLS1.3:TLS_AES_256_GCM_SHA384:256`` apart; OpenSSL says TLSv1.3 there."""
    version, _, rest = (field or "").partition(":")
    if not rest:
        return None, None
    version = version.replace("TLS1", "TLSv1")
    return version[:40], rest.rpartition(":")[0][:80] or rest[:80]


def _error(words: str) -> str:
    """Name the class a session of ours would have failed with."""
    if "timed out" in words or "timeout" in words:
        return "TransportTimeout"
    return "TLSError" if "TLS" in words else "TransportError"


def _seconds(text: str | None) -> float | None:
    """Read ``1m2.5s``.

    >>> _seconds("1m2.5s")
    62.5
    """
    if not text:
        return None
    parts = _TIME.findall(text[:60])
    return sum(float(count) * _UNIT_S[unit] for count, unit in parts) if parts else None


def sniff(line: str) -> bool:
    """Tell whether a line is of Exim's main log."""
    found = _LINE.match(line, 0, 2000)
    if found is not None:
        return found[3] is not None or _OWN_WORDS.match(found[4]) is not None
    return (program_of(line) or "").startswith("exim")


def events(lines: Iterable[str], reading: Reading) -> Iterator[Row]:
    """Give the rows of a log's lines."""
    return _Log(reading).rows(lines)


FORMAT: Final = LogFormat(
    name=_SOURCE, title="Exim (main log)", sniff=sniff, events=events, max_line=MAX_LINE
)
