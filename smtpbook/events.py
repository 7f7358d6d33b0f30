"""The event log's columns: one definition, from which everything else is derived.

An `Event` is one thing that happened in a session.  Its fields are the columns of the
event log; each carries its dtype and its meaning, and `SCHEMA` lists them.  The
DataFrame's dtypes, the Parquet schema and the documentation are all made from it.

On the hot path an event is a plain tuple in the order of `SCHEMA` (a `Row`), because a
tuple costs a sixth of an object; `Event.from_row` makes the object when one is wanted.
This module knows nothing of pandas, Arrow or sockets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final

Row = tuple[Any, ...]
"""One event as a tuple in the order of `SCHEMA`; `time` is microseconds since 1970 UTC."""

Sink = Callable[[Row], None]
"""Takes one row.  It must not block and must not raise: it is called on the hot path."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

KINDS: Final = (
    "dns",
    "connect",
    "proxy",
    "tls",
    "greeting",
    "command",
    "data",
    "disconnect",
    "outcome",
)
CLEAR_TEXT: Final = "clear text"
UNPROVED: Final = "unauthenticated"
"""What the ``command`` of a ``tls`` row says of opportunistic TLS: there is none; whatever
certificate came was taken."""

OUTCOMES: Final = (
    "accepted",
    "deferred",
    "rejected",
    "failed",
    "in_doubt",
    "suppressed",
    "bounced",
    "complaint",
    "delivered",
)


def _column(dtype: str, doc: str, default: Any = None) -> Any:
    return field(default=default, metadata={"dtype": dtype, "doc": doc})


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in a session; one row of the event log.

    Null (``None``) means: does not apply here, or was not known.  Times are UTC, a unit
    stands in the name.  The meaning of each field is in ``SCHEMA`` and, for reading, in
    ``print(smtpbook.events.describe())``.

    References
    ----------
    RFC 5321 (commands, replies, transactions), RFC 3463 (enhanced status codes).
    """

    time: datetime = _column(
        "datetime64[us, UTC]",
        "last byte of the command handed to the socket (connect: the call was made)",
        _EPOCH,
    )
    campaign_id: str | None = _column("string", "the campaign; null outside one")
    session_id: str | None = _column("string", "the session: greeting … QUIT")
    transaction_id: str | None = _column(
        "string", "the transaction: MAIL … end of mail data"
    )
    message_id: str | None = _column("string", "the message's Message-ID header")
    seq: int | None = _column("int32", "order within the session, from 0", 0)
    kind: str | None = _column("category", "what happened: " + ", ".join(KINDS), "command")
    verb: str | None = _column(
        "category", "the command's verb; END-OF-DATA is the lone dot"
    )
    command: str | None = _column(
        "string",
        "the line as sent, secrets [redacted]; the proxy on rows of dns, connect, proxy; "
        "a domain's mail hosts on those of dns whose verb is MX; "
        "what opportunistic TLS came to on those of tls: unauthenticated, clear text",
    )
    reply_code: int | None = _column("Int16", "the reply's three digits; null = no reply")
    enhanced_status: str | None = _column("string", "x.y.z of RFC 3463 that opens the text")
    reply_text: str | None = _column(
        "string", r"the reply's lines joined by \n; bytes that are not UTF-8 as \xNN"
    )
    latency_s: float | None = _column(
        "float64", "last byte of the command written to last byte of its reply, in seconds"
    )
    first_byte_s: float | None = _column("float64", "the same, to the reply's first byte")
    service_s: float | None = _column(
        "float64",
        "from the later of (command written, previous reply's last byte) to this reply's "
        "last byte: what the server took for this command",
    )
    lag_s: float | None = _column(
        "float64", "how late our own loop was at that moment; null = not measured"
    )
    pipelined: int | None = _column(
        "Int32", "number of the group it was written in; null = written alone"
    )
    bytes_sent: int | None = _column("Int64", "octets written, without TLS overhead")
    bytes_received: int | None = _column(
        "Int64", "octets of the reply, without TLS overhead"
    )
    reverse_path: str | None = _column("string", "the address in MAIL; empty = null path")
    recipient: str | None = _column("string", "the address in RCPT")
    recipient_domain: str | None = _column("string", "its domain, lower-case A-labels")
    server: str | None = _column(
        "string", "the host name asked for, or the path of a Unix socket"
    )
    port: int | None = _column("Int32", "its port; null = a Unix socket has none")
    server_address: str | None = _column(
        "string", "the IP address reached, the proxy's where there is one"
    )
    tls_version: str | None = _column("category", "TLS version; null = clear text")
    tls_cipher: str | None = _column("category", "TLS cipher; null = clear text")
    attempt: int | None = _column("Int16", "1 = first try for this recipient")
    outcome: str | None = _column(
        "category", "what became of the recipient; only on outcome rows"
    )
    reason: str | None = _column("category", "what the reply means (the taxonomy of codes)")
    queue_id: str | None = _column(
        "string", "what the server called the message in its 250"
    )
    error: str | None = _column("category", "exception class when there was no reply")
    account: str | None = _column("category", "the account that sent it")
    arm: str | None = _column("category", "an experiment's arm")
    block: str | None = _column("category", "an experiment's block")
    source: str | None = _column("category", "who wrote the row: live, lab, postfix, …")

    @classmethod
    def from_row(cls, row: Row) -> Event:
        """Make the object from a tuple in `SCHEMA`'s order.

        >>> Event.from_row((1_000_000, *[None] * 35)).time.isoformat()
        '1970-01-01T00:00:01+00:00'
        """
        return cls(_EPOCH + timedelta(microseconds=row[0]), *row[1:])

    def to_row(self) -> Row:
        """Give the tuple in `SCHEMA`'s order; the inverse of `from_row`."""
        time = (self.time - _EPOCH) // timedelta(microseconds=1)
        return (time, *(getattr(self, name) for name in COLUMNS[1:]))


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the event log: its name, its pandas dtype, its meaning."""

    name: str
    dtype: str
    doc: str


SCHEMA: Final[tuple[Column, ...]] = tuple(
    Column(f.name, f.metadata["dtype"], f.metadata["doc"]) for f in fields(Event)
)
COLUMNS: Final[tuple[str, ...]] = tuple(column.name for column in SCHEMA)
_PLACES: Final = {name: place for place, name in enumerate(COLUMNS)}


def row_of(**cells: Any) -> Row:
    """Put a row together from the cells that are not null; for the less hot paths.

    >>> row_of(time=0, verb="EHLO")[COLUMNS.index("verb")]
    'EHLO'
    """
    row = [None] * len(COLUMNS)
    for name, cell in cells.items():
        row[_PLACES[name]] = cell
    return tuple(row)


def describe() -> str:
    """Give the columns as a table in plain text: name, dtype, meaning."""
    return "\n".join(f"{c.name:<17} {c.dtype:<20} {c.doc}" for c in SCHEMA)


def to_sink(callback: Callable[[Event], None]) -> Sink:
    """Turn a function that takes `Event` objects into a sink that takes rows."""
    return lambda row: callback(Event.from_row(row))
