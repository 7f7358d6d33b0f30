"""Join: which message of a campaign a report is about, and to whom it was sent.

What is asked, in this order:

- ``message_id``: the Message-ID of the message that came back;
- ``envelope_id``: the ENVID it was sent with (RFC 3461 section 4.4);
- ``reverse_path``: where the report was sent to, if everybody had a reverse-path of their
  own (VERP), or it encodes the address;
- ``queue_id``: what the server called the message when it took it;
- ``recipient``: the address alone.

What names a recipient, but no message, counts only where the report does not name one
either: somebody may have been written to by others.

The recipient is the one the campaign wrote to, whatever address the report gives: mail is
forwarded.  Where a message went to several, the report's addresses choose among them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import pandas as pd

from smtpbook.bounces.report import Report
from smtpbook.errors import LocalProtocolError
from smtpbook.log.frame import require_columns
from smtpbook.log.join import join_logs
from smtpbook.logfile.address import from_xtext
from smtpbook.protocol.addresses import Mailbox

WAYS: Final = ("message_id", "envelope_id", "reverse_path", "queue_id", "recipient")
"""By what a report can be joined, the surest first."""

_ENVID: Final = re.compile(r"\sENVID=([!-~]{1,100})", re.IGNORECASE)
_NEEDED: Final = (
    *("kind", "verb", "command", "campaign_id", "session_id", "transaction_id"),
    *("message_id", "reverse_path", "recipient", "attempt", "queue_id", "account"),
    *("arm", "block", "outcome"),
)
_COPIED: Final = (
    *("campaign_id", "session_id", "transaction_id", "message_id", "reverse_path"),
    *("recipient", "attempt", "queue_id", "account", "arm", "block"),
)


class Sent(NamedTuple):
    """One attempt for one recipient: the cells that its report takes over."""

    campaign_id: str | None
    session_id: str | None
    transaction_id: str | None
    message_id: str | None
    reverse_path: str | None
    recipient: str
    attempt: int | None
    queue_id: str | None
    account: str | None
    arm: str | None
    block: str | None


_Found = dict[str, list[Sent]]


@dataclass(slots=True)
class Mailing:
    """What was sent, by everything a report may name it by.

    Made by `of`; an empty one joins nothing.
    """

    message_id: _Found = field(default_factory=dict)
    envelope_id: _Found = field(default_factory=dict)
    reverse_path: _Found = field(default_factory=dict)
    queue_id: _Found = field(default_factory=dict)
    recipient: _Found = field(default_factory=dict)
    _has_verp: bool = False

    @classmethod
    def of(cls, log: pd.DataFrame, reports: Iterable[Report]) -> Mailing:
        """Learn from an event log what was sent, as far as reports ask for it.

        Raises
        ------
        ColumnError
            The log lacks a column.
        """
        require_columns(log, *_NEEDED)
        mailing = cls()
        envids = dict(_envids(log))
        # What no server took comes back from none; one that was lost may have been taken.
        took = log["outcome"].isin(("accepted", "in_doubt")).to_numpy(bool)
        rows = log.loc[took & log["recipient"].notna().to_numpy(bool), list(_COPIED)]
        reports = list(reports)
        own = _own_paths(rows, reports)
        mailing._has_verp = len(rows["reverse_path"].dropna().unique()) > 1
        rows = rows[_are_asked_for(rows, reports, envids, own)]
        for cells in rows.to_dict("records"):
            sent = Sent(**_plain(cells))
            mailing._add(sent, envids.get(sent.transaction_id or ""), own)
        return mailing

    def _add(self, sent: Sent, envid: str | None, own: set[str]) -> None:
        path = _key(sent.reverse_path or "")
        keys = (
            (self.message_id, sent.message_id),
            (self.envelope_id, envid),
            (self.reverse_path, path if path in own else None),
            (self.queue_id, sent.queue_id),
            (self.recipient, _key(sent.recipient)),
        )
        for index, key in keys:
            if key:
                index.setdefault(key, []).append(sent)

    def find(self, report: Report) -> tuple[Sent | None, str | None]:
        """Give whom a report is about, and by what that was found; None = not found."""
        asked = [key for one in report.recipients if (key := _key(one))]
        for way in WAYS:
            for found in self._candidates(way, report, asked):
                if sent := _among(found, asked, is_sure=way != "recipient"):
                    return sent, way
        return None, None

    def _candidates(
        self, way: str, report: Report, asked: list[str]
    ) -> Iterator[list[Sent]]:
        if way == "message_id":
            yield self.message_id.get(report.message_id or "", [])
        elif way == "envelope_id":
            given = report.envelope_id or ""
            yield self.envelope_id.get(given) or self.envelope_id.get(from_xtext(given), [])
        elif way == "reverse_path":
            for address in report.addressed:
                if self._has_verp:
                    yield self.reverse_path.get(_key(address), [])
                for encoded in () if report.message_id else encoded_in(address):
                    yield self.recipient.get(_key(encoded), [])
        elif way == "queue_id":
            yield self.queue_id.get(report.queue_id or "", [])
        elif not report.message_id:
            yield from (self.recipient.get(key, []) for key in asked)


def _among(found: list[Sent], asked: list[str], *, is_sure: bool) -> Sent | None:
    """Choose among the recipients of a message; the last attempt, where there are more."""
    people = {_key(one.recipient) for one in found}
    named = [one for one in found if _key(one.recipient) in asked]
    if named:
        return named[-1]
    return found[-1] if is_sure and len(people) == 1 else None


def encoded_in(address: str) -> list[str]:
    """Give the addresses that a reverse-path may encode, ``=`` for its ``@``.

    References
    ----------
    D. J. Bernstein, "Variable Envelope Return Paths" (cr.yp.to/proto/verp.txt); Postfix,
    VERP_README.

    >>> encoded_in("bounces+ann=x.example@news.example")
    ['ann@x.example']
    >>> encoded_in("list-ann-b=x.example@news.example")
    ['ann-b@x.example', 'b@x.example']
    """
    local, _, _ = address[:512].rpartition("@")
    name, equals, domain = local.rpartition("=")
    if not equals or "." not in domain:
        return []
    starts = [match.end() for match in re.finditer(r"[+-]", name)][:20]
    return [f"{name[start:]}@{domain}" for start in starts if name[start:]]


def _own_paths(rows: pd.DataFrame, reports: list[Report]) -> set[str]:
    """Give the reverse-paths that reports came to and that only one recipient had."""
    asked = {_key(one) for report in reports for one in report.addressed}
    to, path = rows["recipient"].str.lower(), rows["reverse_path"].str.lower()
    counts = to[path.isin(asked)].groupby(path).nunique()
    return set(counts.index[counts == 1])


def _are_asked_for(
    rows: pd.DataFrame, reports: list[Report], envids: dict[str, str], own: set[str]
) -> list[bool]:
    """Tell which rows a report may be about: of a million, the few that it is made for."""
    people = {_key(one) for report in reports for one in report.recipients}
    paths = {_key(one) for report in reports for one in report.addressed}
    people |= {_key(one) for path in paths for one in encoded_in(path)}
    given = {report.envelope_id for report in reports if report.envelope_id}
    given |= {from_xtext(one) for one in given}
    # An ENVID that many share does not tell them apart; their addresses do.
    alone = {envid for envid, count in Counter(envids.values()).items() if count == 1}
    transactions = [name for name, envid in envids.items() if envid in given & alone]
    to, path = rows["recipient"].str.lower(), rows["reverse_path"].str.lower()
    asked = (
        rows["message_id"].isin([one.message_id for one in reports if one.message_id])
        | rows["queue_id"].isin([one.queue_id for one in reports if one.queue_id])
        | rows["transaction_id"].isin(transactions)
        | to.isin(people)
        | path.isin(own)
    )
    return [bool(one) for one in asked]


def _envids(log: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Give the ENVID of each transaction that had one, out of its MAIL command."""
    is_mail = (log["verb"] == "MAIL").fillna(False).to_numpy(bool)
    mail = log.loc[is_mail, ["transaction_id", "command"]].dropna()
    for transaction, command in mail.itertuples(index=False, name=None):
        if match := _ENVID.search(command):
            yield transaction, from_xtext(match[1])


def _plain(cells: dict[Hashable, Any]) -> dict[str, Any]:
    return {str(name): None if pd.isna(cell) else cell for name, cell in cells.items()}


def _key(address: str) -> str:
    try:
        return Mailbox.parse(address.strip()).key
    except LocalProtocolError:
        return address.strip().lower()


def log_of(campaign: object) -> pd.DataFrame:
    """Give the event log of whatever holds one.

    Parameters
    ----------
    campaign : Campaign, Run, DataFrame, or iterable of these

    Raises
    ------
    TypeError
        It has no event log.
    """
    logs = list(_logs_of(campaign))
    return logs[0] if len(logs) == 1 else join_logs(logs)


def _logs_of(campaign: object) -> Iterator[pd.DataFrame]:
    log = campaign if isinstance(campaign, pd.DataFrame) else getattr(campaign, "log", None)
    if isinstance(log, pd.DataFrame):
        yield log
    elif isinstance(campaign, Iterable) and not isinstance(campaign, str | bytes):
        for one in campaign:
            yield from _logs_of(one)
    else:
        raise TypeError(
            f"campaign= takes a Campaign, a Run or an event log, not "
            f"{type(campaign).__name__}; open_campaign(name) opens one"
        )
