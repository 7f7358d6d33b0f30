"""Record: the rows of one recorded conversation; the one place that fills their cells."""

from __future__ import annotations

from typing import Any

from smtpbook.dialogues.listener import RecordedReply
from smtpbook.dialogues.transaction import Recipient, Transaction, Verdict
from smtpbook.events import Row, row_of
from smtpbook.protocol.replies import Reply
from smtpbook.protocol.verdicts import ENDS
from smtpbook.transfer.transaction import queue_id


class Item:
    """Something the client said, until it is answered.

    Parameters
    ----------
    kind : {"command", "data"}
    verb : str or None
    line : str or None
        As it may be shown; None = it was not recorded.
    at : int or None
        When it was said, in microseconds.

    Attributes
    ----------
    key : str or None
        Its name in the table of states.
    octets, group : int or None
        Its length on the wire; the number of the group it was written in.
    transaction, closes : Transaction or None
        The one it belongs to, and the one it ends.
    rcpt : Recipient or None
    """

    __slots__ = (
        "at",
        "closes",
        "group",
        "key",
        "kind",
        "line",
        "octets",
        "rcpt",
        "transaction",
        "verb",
    )

    def __init__(
        self, kind: str, verb: str | None, line: str | None, at: int | None
    ) -> None:
        self.kind, self.verb, self.line, self.at = kind, verb, line, at
        self.key = verb
        self.octets: int | None = None
        self.group: int | None = None
        self.transaction: Transaction | None = None
        self.rcpt: Recipient | None = None
        self.closes: Transaction | None = None


class Record:
    """Writes the rows.

    Parameters
    ----------
    source, session_id : str
    has_date : bool
        Whether times are since 1970 UTC; else rows have none.
    is_precise : bool
        Whether they measure latencies.

    Attributes
    ----------
    rows : list of tuple
    tls : tuple
        Version and cipher.
    session_id : str
    """

    def __init__(
        self, source: str, session_id: str, *, has_date: bool, is_precise: bool
    ) -> None:
        self.rows: list[Row] = []
        self.tls: tuple[str | None, str | None] = (None, None)
        self.session_id = session_id
        self._about: dict[str, Any] = {"session_id": session_id, "source": source}
        self._has_date, self._is_precise = has_date, is_precise
        self._seq = 0
        self._previous_at: int | None = None  # last octet of the reply before

    def place(self, server: str | None, port: int | None, address: str | None) -> None:
        """Say who is spoken to; what is None stays as it was."""
        known = {"server": server, "port": port, "server_address": address}
        self._about |= {name: cell for name, cell in known.items() if cell is not None}

    def put(self, kind: str, at: int | None, **cells: Any) -> None:
        """Write a row."""
        version, cipher = self.tls
        self.rows.append(
            row_of(
                time=at if self._has_date else None,
                seq=self._seq,
                kind=kind,
                tls_version=version,
                tls_cipher=cipher,
                **self._about,
                **cells,
            )
        )
        self._seq += 1

    def reply(
        self, kind: str, verb: str | None, heard: RecordedReply, since: int | None
    ) -> None:
        """Write the row of a reply to nothing the client said."""
        at = heard.at if since is None else since
        self.put(kind, at, verb=verb, **self._reply_cells(heard, since))

    def item(
        self,
        item: Item,
        heard: RecordedReply | None = None,
        own: Recipient | None = None,
        error: str | None = None,
    ) -> None:
        """Write the row of what the client said, with its reply if there was one."""
        cells: dict[str, Any] = {"error": error}
        if heard is not None:
            cells = self._reply_cells(heard, item.at)
            if item.key in ENDS and heard.reply.severity == "success":
                cells["queue_id"] = queue_id(heard.reply)
        transaction, rcpt = item.transaction, own or item.rcpt
        if transaction is not None:
            cells |= _about(transaction)
            if rcpt is None and len(transaction.recipients) == 1 and item.key in ENDS:
                rcpt = transaction.recipients[0]
        if rcpt is not None:
            cells |= {"recipient": rcpt.address, "recipient_domain": rcpt.domain}
        cells |= {"pipelined": item.group, "bytes_sent": item.octets}
        self.put(item.kind, item.at, verb=item.verb, command=item.line, **cells)

    def outcome(
        self, transaction: Transaction, one: Verdict, at: int | None, error: str | None
    ) -> None:
        """Write the row of what became of a recipient."""
        cells: dict[str, Any] = {"error": error}
        if one.reply is not None:
            cells = _cells(one.reply)
            if one.outcome == "accepted":
                cells["queue_id"] = queue_id(one.reply)
        self.put(
            "outcome",
            at,
            verb=one.verb,
            outcome=one.outcome,
            recipient=one.recipient.address,
            recipient_domain=one.recipient.domain,
            **_about(transaction),
            **cells,
        )

    def _reply_cells(self, heard: RecordedReply, since: int | None) -> dict[str, Any]:
        at, before = heard.at, self._previous_at
        self._previous_at = at
        cells = _cells(heard.reply) | {
            "bytes_received": heard.octets,
            "error": "RemoteProtocolError" if heard.is_broken else None,
            "service_s": heard.took_s,
        }
        if self._is_precise and since is not None and at is not None:
            first_at = at if heard.first_at is None else heard.first_at
            cells["latency_s"] = max(0, at - since) / 1e6
            cells["first_byte_s"] = max(0, first_at - since) / 1e6
            if heard.took_s is None:
                begun = since if before is None else max(since, before)
                cells["service_s"] = max(0, at - begun) / 1e6
        return cells


def _cells(reply: Reply) -> dict[str, Any]:
    code, status, text = reply.cells
    return {"reply_code": code, "enhanced_status": status, "reply_text": text}


def _about(transaction: Transaction) -> dict[str, Any]:
    return {
        "transaction_id": transaction.id,
        "message_id": transaction.message_id,
        "reverse_path": transaction.reverse_path,
    }
