"""PowerMTA: its accounting file, comma-separated values under a header line.

Types ``d`` (the next server took it), ``b`` (given up: refused in the session, if its 5yz
is quoted), ``t`` (tried and put off), ``f`` (feedback loop), ``rb`` and ``rs`` (a later
report, of a bounce or another state) are about a recipient; ``tq`` is about a queue that
was put off as a whole, and gives a row of kind ``connect``.  ``r``, what PowerMTA itself
received, is not about delivery.  Which columns there are is configured; those of several
types share a file.  Times are Unix or calendar ones; without an offset they are in the zone
given.

Sources: Port25, "PowerMTA User's Guide", 4.0 chapter 11 and 5.5 section 12.2 (accounting
records), read 2026-11-28.  What the bounce categories stand for is taken from their names;
that diagnostics of PowerMTA's own are marked ``[internal]`` is assumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from smtpbook.events import Row
from smtpbook.log.foreign import foreign_row
from smtpbook.logfile.format import LogFormat
from smtpbook.logfile.reading import Reading
from smtpbook.protocol.diagnostic import Diagnostic
from smtpbook.provider_events.besides import not_about_delivery
from smtpbook.provider_events.outcome import outcome_row, stamp
from smtpbook.provider_events.records import cells_of, named, size_of

_NAME: Final = "powermta"
_OUTCOMES: Final = {
    "d": "accepted",
    "b": "bounced",
    "t": "deferred",
    "f": "complaint",
    "rb": "bounced",
    "rs": "deferred",
}
# DSN action of "rs"; one of "failed" is an "rb".
_ACTIONS: Final = {"delivered": "delivered", "relayed": "accepted", "failed": "bounced"}
_INTERNAL: Final = "[internal]"
# The bounce categories that name one cause; used where no reply is told.
_REASONS: Final = {
    "bad-mailbox": "user_unknown",
    "inactive-mailbox": "mailbox_disabled",
    "bad-domain": "bad_domain",
    "quota-issues": "mailbox_full",
    "spam-related": "spam",
    "virus-related": "virus",
    "policy-related": "policy",
    "relaying-issues": "relay_denied",
    "routing-errors": "network",
    "no-answer-from-host": "network",
    "bad-connection": "network",
    "protocol-errors": "protocol",
    "message-expired": "expired",
}


def _is_header(line: str) -> bool:
    return line.startswith(("type,", '"type",')) and "timeLogged" in line[:4096]


def _events(lines: Iterable[str], reading: Reading) -> Iterator[Row]:
    header: list[str] = []
    for line in lines:
        if _is_header(line):
            header = cells_of(line)
            continue
        cells = named(header, cells_of(line))
        kind = cells.get("type", "")
        row = None
        if kind == "r":
            not_about_delivery(reading, f"{_NAME} {kind}")
            continue
        if kind == "tq":
            row = _queue_row(cells, reading)
        elif kind in _OUTCOMES and ("rcpt" in cells or "orcpt" in cells):
            row = _row(kind, cells, reading)
        if row is not None:
            yield row
        elif line.strip():
            reading.skipped(line)


def _row(kind: str, cells: Mapping[str, str], reading: Reading) -> Row:
    outcome = _OUTCOMES[kind]
    if kind == "rs":
        outcome = _ACTIONS.get(cells.get("dsnAction", ""), outcome)
    refused = outcome in ("bounced", "deferred")
    return outcome_row(
        _NAME,
        outcome,
        cells.get("rcpt") or cells.get("orcpt"),
        reason=_REASONS.get(cells.get("bounceCat", "")) if refused else None,
        in_session=kind == "b" and _INTERNAL not in cells.get("dsnDiag", ""),
        **_told(cells, reading),
    )


def _queue_row(cells: Mapping[str, str], reading: Reading) -> Row:
    told = _told(cells, reading)
    found = Diagnostic.parse(told.pop("said") or "", told.pop("status"))
    told.pop("message_id")
    return foreign_row(
        kind="connect",
        reply_code=found.code,
        enhanced_status=found.enhanced_status,
        reply_text=found.text or None,
        source=_NAME,
        **told,
    )


def _told(cells: Mapping[str, str], reading: Reading) -> dict[str, Any]:
    """Give what all types have in common, as arguments of `outcome_row`."""
    mta, _, rest = cells.get("dsnMta", "").partition(" ")
    # "2.0.0 (success)" is the status and what it means.
    return {
        "time": stamp(reading, cells.get("timeLogged")),
        "said": cells.get("dsnDiag"),
        "status": cells.get("dsnStatus"),
        "message_id": cells.get("header_Message-Id") or cells.get("header_Message-ID"),
        "campaign_id": cells.get("jobId"),
        "reverse_path": cells.get("orig"),
        "server": mta or None,
        "server_address": cells.get("dlvDestinationIp") or rest.strip("() ") or None,
        "tls_version": cells.get("dlvTlsProtocol"),
        "tls_cipher": cells.get("dlvTlsCipher"),
        "bytes_sent": size_of(cells.get("dlvSize")),
    }


FORMAT: Final = LogFormat(
    name=_NAME, title="PowerMTA accounting file (CSV)", sniff=_is_header, events=_events
)
