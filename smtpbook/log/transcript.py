"""Transcript: the dialogue as text, in the ``->`` / ``<-`` form of swaks.

``->`` is what the client wrote, ``<-`` what the server answered, ``***`` what happened
to the connection.  Each line has the time at which it was complete, each reply also what
the server took for it (``service_s``).  Commands written in one group stand together,
then their replies: that is what went over the wire.  Mail data is counted, not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final

import pandas as pd

from smtpbook.errors import SMTPBookError, near_miss
from smtpbook.escape import visible
from smtpbook.events import CLEAR_TEXT
from smtpbook.log.frame import require_columns

_COLUMNS: Final = (
    "time",
    "session_id",
    "transaction_id",
    "seq",
    "kind",
    "verb",
    "command",
    "reply_code",
    "reply_text",
    "latency_s",
    "service_s",
    "pipelined",
    "bytes_sent",
    "recipient",
    "server",
    "port",
    "server_address",
    "tls_version",
    "tls_cipher",
    "outcome",
    "reason",
    "error",
)
# Rows of these kinds have a command that nobody said.
_NOTES: Final = frozenset({"dns", "connect", "proxy", "tls"})


def transcript(
    log: pd.DataFrame, *, session_id: str | None = None, recipient: str | None = None
) -> str:
    r"""Tell the dialogue of a log as text.

    Parameters
    ----------
    log : DataFrame
        Event log.
    session_id : str, optional
        Only this session.
    recipient : str, optional
        Only the transactions that concern this address, and what became of it; case does
        not matter.

    Returns
    -------
    str
        Sessions in the order in which they began, each under a head line.  Controls and
        direction marks of foreign text stand as escapes.  Ends in a newline unless empty.

    Raises
    ------
    ColumnError
        The log lacks a column.
    SMTPBookError
        The session or the recipient is not in the log.

    Examples
    --------
    >>> from smtpbook.events import Event
    >>> from smtpbook.log.frame import to_frame
    >>> row = Event(
    ...     server="mx.example", port=25, verb="RCPT", command="RCPT TO:<ann@example.org>",
    ...     reply_code=250, reply_text="2.1.5 Ok", latency_s=0.012, service_s=0.012,
    ... ).to_row()
    >>> print(transcript(to_frame([row])), end="")
    === mx.example:25, 1970-01-01 (UTC)
    00:00:00.000              -> RCPT TO:<ann@example.org>
    00:00:00.012  [12.0 ms]  <-  250 2.1.5 Ok
    """
    require_columns(log, *_COLUMNS)
    rows = log.loc[:, list(_COLUMNS)]
    if session_id is not None:
        rows = rows[_equal(rows["session_id"], session_id)]
        if rows.empty:
            raise _not_found("session", session_id, log["session_id"])
    if recipient is None:
        rows = rows[(rows["kind"] != "outcome").to_numpy(bool)]
    else:
        own = _equal(rows["recipient"].str.lower(), recipient.lower())
        if not own.any():
            raise _not_found("recipient", recipient, rows["recipient"])
        transactions = rows.loc[own, "transaction_id"].dropna()
        of_others = rows["recipient"].notna().to_numpy() & ~own
        outcome_of_others = (rows["kind"] == "outcome").to_numpy(bool) & of_others
        concerned = rows["transaction_id"].isin(transactions).to_numpy(bool) | own
        rows = rows[concerned & ~outcome_of_others]
    sessions = rows.groupby("session_id", sort=False, dropna=False)
    return "\n".join(
        "".join(f"{line}\n" for line in _session(group)) for _, group in sessions
    )


def _session(rows: pd.DataFrame) -> Iterator[str]:
    """Give the lines of one session: the head, then what happened, in order."""
    rows = rows.sort_values("seq", kind="stable")
    yield _head(rows)
    # Plain integers and strings: half the time of doing it with pandas's own scalars.
    micros = rows["time"].dt.as_unit("us").astype("int64")
    cells = rows.assign(time=micros).to_numpy(dtype=object)
    cells[rows.isna().to_numpy()] = None
    plain = pd.DataFrame(cells, columns=rows.columns, dtype=object)
    events = _said_once(plain.itertuples(index=False, name="Event"))
    for number, group in groupby(events, key=lambda event: event.pipelined):
        together = list(group)
        # Outside a group each command waits for its reply before the next is written.
        parts = [[event] for event in together] if number is None else [together]
        for part in parts:
            for event in part:
                yield from _sent(event)
            for event in part:
                yield from _received(event)


def _said_once(events: Iterable[Any]) -> Iterator[Any]:
    """Leave the end of mail data out where each recipient's reply to it repeats it."""
    ended: set[str] = set()
    for event in events:
        is_end = event.verb == "END-OF-DATA" or (event.command or "").endswith(" LAST")
        if is_end and event.kind == "command" and event.transaction_id is not None:
            if event.transaction_id in ended:
                event = event._replace(command=None)
            ended.add(event.transaction_id)
        yield event


def _head(rows: pd.DataFrame) -> str:
    def first(column: str) -> Any:
        known = rows[column].dropna()
        return known.iloc[0] if len(known) else None

    server, port, address = first("server"), first("port"), first("server_address")
    session_id, tls = first("session_id"), first("tls_version")
    place = visible(server or address or "no server")
    place += f":{port}" if port is not None else ""
    parts = [f"{place} [{address}]" if address and server and address != server else place]
    parts += [visible(tls)] if tls else []
    parts += [f"session {visible(session_id)}"] if session_id else []
    began = rows["time"].iloc[0]
    parts += ["no date" if pd.isna(began) else f"{began:%Y-%m-%d} (UTC)"]
    return "=== " + ", ".join(parts)


def _sent(event: Any) -> Iterator[str]:
    if event.kind == "data":
        yield _line(
            event.time, None, f" -> [{event.bytes_sent or 0:,} octets of mail data]"
        )
    elif event.command is not None and event.kind not in _NOTES:
        yield _line(event.time, None, f" -> {visible(event.command)}")


def _received(event: Any) -> Iterator[str]:
    complete = event.time
    if complete is not None:
        complete += round((event.latency_s or 0) * 1e6)
    if event.reply_code is not None and event.kind != "outcome":
        lines = (event.reply_text or "").split("\n")
        for number, text in enumerate(lines):
            # "-" after the code says that more lines follow -- RFC 5321 section 4.2.1
            more = "-" if number < len(lines) - 1 else " "
            said = f"<-  {event.reply_code}{more}{visible(text)}".rstrip()
            yield _line(complete, event.service_s, said)
            event = event._replace(service_s=None)
    elif (note := _note(event)) is not None:
        yield _line(complete, None, f"*** {note}")


def _note(event: Any) -> str | None:
    """Say what happened to the connection, or what a missing reply is blamed on."""
    error = f": {visible(event.error)}" if event.error else ""
    if event.kind == "outcome":
        reason = f" ({visible(event.reason)})" if event.reason else ""
        return f"{visible(event.recipient or '')}: {event.outcome}{reason}{error}"
    took = f" in {_duration(event.latency_s)}" if event.latency_s is not None else ""
    proxy = visible(event.command or "")
    if event.kind == "connect":
        to = f" to the proxy {proxy}" if proxy else ""
        return f"connection{to} failed{error}" if error else f"connected{to}{took}"
    if event.kind == "proxy":
        return f"proxy {proxy} failed{error}" if error else f"through {proxy}{took}"
    if event.kind == "tls" and event.command == CLEAR_TEXT:
        return "not encrypted: the server takes no STARTTLS"
    if event.kind == "tls":
        cipher = f", {visible(event.tls_cipher)}" if event.tls_cipher else ""
        agreed = f"{visible(event.tls_version or 'TLS')}{cipher}"
        proved = f" ({visible(event.command)})" if event.command else ""
        return f"TLS failed{error}" if error else f"{agreed}{proved}"
    if event.kind == "disconnect":
        return f"disconnected{error}"
    if event.kind in ("greeting", "command"):
        return f"no reply to {visible(event.verb or 'the command')}{error}"
    return f"{event.kind}{error}" if event.kind == "dns" or error else None


def _line(micros: int | None, service_s: float | None, text: str) -> str:
    clock = " " * 12
    if micros is not None:
        millis = micros // 1000
        minutes, seconds = divmod(millis // 1000, 60)
        clock = f"{minutes // 60 % 24:02}:{minutes % 60:02}:{seconds:02}.{millis % 1000:03}"
    service = f"[{_duration(service_s)}]" if service_s is not None else ""
    return f"{clock}  {service:>9}  {text}"


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _equal(column: pd.Series[Any], value: str) -> Any:
    """Compare without letting null be neither."""
    return (column == value).fillna(False).to_numpy(bool)


def _not_found(what: str, sought: str, column: pd.Series[Any]) -> SMTPBookError:
    hint = near_miss(sought, column.dropna().unique())
    return SMTPBookError(f"no {what} '{visible(sought)}' in this log{hint}")
