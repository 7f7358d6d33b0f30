"""Exchange: the message tracking log of a server, and the traces of Microsoft 365.

Three shapes of comma-separated values, told by their header line:

- the tracking log (``MSGTRK*.LOG``), whose header is its ``#Fields:`` line, and the
  *extended* report of a message trace, which has the same columns: an event to a line;
- the *enhanced summary* report: a message to a line, its recipients and what happened to
  each in ``recipient_status``;
- the *summary* (what the page exports, and ``Get-MessageTrace | Export-Csv``): a recipient
  to a line with one word of ``Status``.

``SEND`` is what another server took, and no more than accepted; ``DELIVER`` what a mailbox
did.  In the summary, "Delivered" is the former where it names the address that was sent to.
``FAIL`` with a 5yz from another server is rejected, any other bounced.  What the server
itself received, and steps between such as ``TRANSFER``, are not about delivery.

Sources: Microsoft, "Message tracking" (event types and fields of the log) and "Message
trace in the new Exchange admin center" (reports), read 2026-11-28.  The columns of the
summary, when its "To IP" is empty, the steps between, and the form of the last error are
assumed from exports and logs as they have been for years.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from smtpbook.events import Row
from smtpbook.logfile.format import LogFormat
from smtpbook.logfile.reading import Reading
from smtpbook.provider_events.besides import not_about_delivery
from smtpbook.provider_events.outcome import outcome_row, stamp
from smtpbook.provider_events.records import cells_of, named, plain, size_of

_NAME: Final = "exchange"
_FIELDS: Final = "#Fields:"
_EVENTS: Final = {
    "SEND": "accepted",
    "DELIVER": "delivered",
    "DEFER": "deferred",
    "FAIL": "bounced",
    "BADMAIL": "bounced",
    "POISONMESSAGE": "bounced",
}
_STEPS: Final = frozenset(
    {
        *("AGENTINFO", "CLIENTSUBMISSION", "DELIVERFAIL", "DROP", "DSN", "EXPAND", "LOAD"),
        *("DUPLICATEDELIVER", "DUPLICATEEXPAND", "DUPLICATEREDIRECT", "HADISCARD"),
        *("HARECEIVE", "HAREDIRECT", "HAREDIRECTFAIL", "INITMESSAGECREATED"),
        *("MODERATIONEXPIRE", "MODERATORAPPROVE", "MODERATORREJECT", "MODERATORSALLNDR"),
        *("NOTIFYMAPI", "NOTIFYSHADOW", "PROCESS", "PROCESSMEETINGMESSAGE", "RECEIVE"),
        *("REDIRECT", "RESOLVE", "RESUBMIT", "RESUBMITDEFER", "RESUBMITFAIL", "SUBMIT"),
        *("SUBMITDEFER", "SUBMITFAIL", "SUPPRESSED", "THROTTLE", "TRANSFER"),
    }
)
_STATES: Final = {
    "delivered": ("delivered", None),
    "filteredasspam": ("bounced", "spam"),
    "quarantined": ("bounced", "spam"),
    "failed": ("bounced", None),
    "pending": ("deferred", None),
}
_OTHER_STATES: Final = ("expanded", "resolved", "gettingstatus", "none")
# What a trace of the summary has, whoever exported it.
_SUMMARY: Final = frozenset({"recipientaddress", "status", "messageid"})
_REPORT: Final = frozenset({"origintimestamputc", "recipientstatus"})
_LOG: Final = frozenset({"eventid", "recipientaddress", "messageid"})
# As the page writes it for its readers: "11/28/2026 1:05:06 PM".
_AMERICAN: Final = ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M")
# "[{LRT=…};{LED=550 5.1.1 …};{FQDN=…};{IP=…}]": the last error's time, text and place.
_LAST_ERROR: Final = re.compile(r"\{LED=([^{}]{0,2000})\}")
_HOST: Final = re.compile(r"\{FQDN=([^{}\s]{1,255})\}(?:;\{IP=([^{}\s]{1,45})\})?")


def _header_of(line: str) -> list[str]:
    """Give the columns' names if a line is a header; else nothing."""
    text = line[: 1 << 14]
    if text.startswith(_FIELDS):
        return [plain(name) for name in text[len(_FIELDS) :].split(",")]
    if "address" not in text and "Address" not in text:
        return []
    names = [plain(name) for name in cells_of(text)]
    is_one = any(needed <= set(names) for needed in (_SUMMARY, _REPORT, _LOG))
    return names if is_one else []


def _sniff(line: str) -> bool:
    return bool(_header_of(line)) or line.startswith("#Log-type: Message Tracking Log")


def _events(lines: Iterable[str], reading: Reading) -> Iterator[Row]:
    header: list[str] = []
    told: _Told | None = None
    for line in lines:
        if names := _header_of(line):
            header, told = names, _shape_of(set(names))
            continue
        if line.startswith("#") or not line.strip():  # #Software:, #Version:, #TYPE …
            continue
        cells = named(header, cells_of(line))
        found = None if told is None or not cells else told(cells, reading)
        if found is None:
            reading.skipped(line)
        else:
            yield from found


_Told = Callable[[Mapping[str, str], Reading], list[Row] | None]
"""Gives the rows of a record; None = it was not understood."""


def _shape_of(names: set[str]) -> _Told | None:
    if names >= _LOG:
        return _log_rows
    if names >= _REPORT:
        return _report_rows
    return _summary_rows if names >= _SUMMARY else None


def _log_rows(cells: Mapping[str, str], reading: Reading) -> list[Row] | None:
    event = cells.get("eventid", "").upper()
    if event in _STEPS:
        not_about_delivery(reading, f"{_NAME} {event}")
        return []
    recipients = cells.get("recipientaddress", "").split(";")
    if event not in _EVENTS or not any(recipients):
        return None
    status = cells.get("recipientstatus", "")
    statuses = _statuses(status, len(recipients))
    there = _HOST.search(status)
    common: dict[str, Any] = {
        "time": stamp(reading, cells.get("datetime"), cells.get("datetimeutc")),
        "message_id": cells.get("messageid"),
        "queue_id": cells.get("internalmessageid"),
        "reverse_path": cells.get("returnpath") or cells.get("senderaddress"),
        # A SEND names who took it, an error who refused; any other event this server.
        "server": there[1] if there else cells.get("serverhostname"),
        "server_address": there[2] if there else cells.get("serverip"),
        "bytes_sent": size_of(cells.get("totalbytes")) if event == "SEND" else None,
        "in_session": there is not None or cells.get("source") == "SMTP",
    }
    context = cells.get("sourcecontext", "") if event in ("FAIL", "DEFER") else ""
    return [
        outcome_row(
            _NAME,
            _EVENTS[event],
            to,
            said=told or context or None,
            **common,
        )
        for to, told in zip(recipients, statuses, strict=True)
        if to.strip()
    ]


def _statuses(text: str, count: int) -> list[str]:
    """Give each recipient's status; one for all is everybody's."""
    errors = _LAST_ERROR.findall(text)
    pieces = errors or text.split(";")
    if len(pieces) == count:
        return [piece.strip() for piece in pieces]
    return [errors[0].strip() if errors else text.strip()] * count


def _report_rows(cells: Mapping[str, str], reading: Reading) -> list[Row] | None:
    found = []
    is_under_way = False
    for one in cells.get("recipientstatus", "").split(";"):
        to, hashes, steps = one.strip().partition("##")
        names = [step.strip().upper() for step in steps.split(",")]
        outcomes = [_EVENTS[name] for name in names if name in _EVENTS]
        if not hashes or not outcomes:
            is_under_way |= bool(hashes) and set(names) <= _STEPS
            continue
        found.append(
            outcome_row(
                _NAME,
                outcomes[-1],
                to,
                time=stamp(reading, cells.get("origintimestamputc")),
                message_id=cells.get("messageid"),
                reverse_path=cells.get("senderaddress"),
            )
        )
    if not found and is_under_way:
        not_about_delivery(
            reading, f"{_NAME} {cells['recipientstatus'].partition('##')[2]}"
        )
        return []
    return found or None


def _summary_rows(cells: Mapping[str, str], reading: Reading) -> list[Row] | None:
    state = plain(cells.get("status", ""))
    if state in _OTHER_STATES:
        not_about_delivery(reading, f"{_NAME} {state}")
        return []
    if state not in _STATES or "recipientaddress" not in cells:
        return None
    outcome, reason = _STATES[state]
    if outcome == "delivered" and "toip" in cells:
        outcome = "accepted"
    row = outcome_row(
        _NAME,
        outcome,
        cells["recipientaddress"],
        time=_summary_time(cells.get("received") or cells.get("datetimeutc"), reading),
        reason=reason,
        message_id=cells.get("messageid"),
        queue_id=cells.get("messagetraceid"),
        reverse_path=cells.get("senderaddress"),
        server_address=cells.get("toip"),
    )
    return [row]


def _summary_time(text: str | None, reading: Reading) -> int | None:
    found = stamp(reading, text)
    for shape in _AMERICAN if found is None and text else ():
        try:
            return reading.stamps.local(datetime.strptime(text or "", shape))
        except ValueError:
            continue
    return found


FORMAT: Final = LogFormat(
    name=_NAME,
    title="Exchange message tracking or Microsoft 365 message trace (CSV)",
    sniff=_sniff,
    events=_events,
)
