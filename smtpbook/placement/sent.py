"""Sent: what a log tells of the messages to a seed list, and how each is found again.

By its Message-ID; where a server on the way gave it another, by what the first server
called it in its reply, which stands in that server's Received, or in the new Message-ID.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from smtpbook.errors import LocalProtocolError
from smtpbook.log.frame import require_columns
from smtpbook.mailboxes.mime import Fields
from smtpbook.placement.received import hops_of
from smtpbook.placement.seeds import Seed
from smtpbook.protocol.addresses import Mailbox

_NEEDED: Final = ("kind", "recipient", "outcome", "time", "message_id", "queue_id")
_KEPT: Final = ("campaign_id", "arm", "transaction_id")
# Shorter names of messages would be found where they are not meant.
_TELLING: Final = 8
_LATER: Final = ("bounced", "complaint", "delivered")  # than the send


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message to a seed.

    Attributes
    ----------
    message_id, queue_id : str or None
        Of the log; None = it does not tell.
    outcome : str
    time : Timestamp or None
        When that was known; None = the log does not tell.
    campaign_id, arm, transaction_id : str or None
    """

    message_id: str | None
    queue_id: str | None
    outcome: str
    time: pd.Timestamp | None
    campaign_id: str | None = None
    arm: str | None = None
    transaction_id: str | None = None

    @property
    def may_have_come(self) -> bool:
        """Whether a server took it, or may have."""
        return self.outcome in ("accepted", "in_doubt", *_LATER)


def sent_to(log: pd.DataFrame, seeds: Iterable[Seed]) -> dict[str, list[Sent]]:
    """Give the messages to each seed, by its key, in the log's order.

    Each is told once, by its last attempt.

    Raises
    ------
    ColumnError
        The log lacks a column.
    """
    require_columns(log, *_NEEDED)
    keys = {seed.key for seed in seeds}
    domains = {key.rpartition("@")[2] for key in keys}
    rows = log[(log["kind"] == "outcome") & log["recipient"].notna()]
    # Of a million recipients only those that may be meant are parsed.
    ends = rows["recipient"].astype("string").str.rpartition("@")[2].str.lower()
    rows = rows[ends.isin(domains).to_numpy(bool)]
    found: dict[str, dict[Any, Sent]] = {key: {} for key in keys}
    columns = [name for name in (*_NEEDED, *_KEPT) if name in rows.columns]
    for number, cells in enumerate(rows[columns].to_dict("records")):
        known: dict[str, Any] = {
            str(k): None if pd.isna(cell) else cell for k, cell in cells.items()
        }
        key = _key(str(known.pop("recipient")))
        del known["kind"]
        if key not in found or known["outcome"] in (None, "suppressed"):
            continue
        sent = Sent(**known)
        same = sent.message_id or number
        before = found[key].get(same)
        # What came later by mail, a bounce, has the time and the name of the message.
        if before is None or sent.outcome not in _LATER:
            found[key][same] = sent
    return {key: list(messages.values()) for key, messages in found.items()}


class Search:
    """Tells which message a header belongs to.

    Parameters
    ----------
    messages : iterable of Sent
    """

    def __init__(self, messages: Iterable[Sent]) -> None:
        self._by_id: dict[str, Sent] = {}
        self._by_queue_id: dict[str, Sent] = {}
        for sent in messages:
            if sent.message_id:
                self._by_id[sent.message_id] = sent
            if sent.queue_id and len(sent.queue_id) >= _TELLING:
                self._by_queue_id[sent.queue_id] = sent

    def __bool__(self) -> bool:
        return bool(self._by_id or self._by_queue_id)

    def find(self, header: Fields) -> Sent | None:
        """Give the message; None = it is another's.

        Parameters
        ----------
        header : Fields
            Message-ID and Received are looked at.
        """
        message_id = header["message-id"].strip()
        found = self._by_id.get(message_id)
        if found is None and self._by_queue_id:
            # Amazon SES names a message after its reply: "250 Ok NAME", <NAME@…>.
            local_part = message_id.strip("<>").rpartition("@")[0]
            names = [local_part, *(hop.queue_id for hop in hops_of(header))]
            found = next(
                (self._by_queue_id[name] for name in names if name in self._by_queue_id),
                None,
            )
        return found

    def without(self, sent: Sent) -> None:
        """Look for a message no more."""
        for index in (self._by_id, self._by_queue_id):
            for name in [name for name, one in index.items() if one is sent]:
                del index[name]


def _key(address: str) -> str:
    try:
        return Mailbox.parse(address).key
    except LocalProtocolError:
        return address.lower()
