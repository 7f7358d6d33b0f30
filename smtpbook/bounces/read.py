"""Reading bounces: the mails of a mailbox as an event log of later outcomes."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any, Final

import pandas as pd

from smtpbook.accounts.passwords import Password
from smtpbook.bounces.join import WAYS, Mailing, log_of
from smtpbook.bounces.recognise import recognise
from smtpbook.bounces.report import Report
from smtpbook.events import Row
from smtpbook.log.foreign import foreign_row, reason_of_words
from smtpbook.log.frame import to_frame
from smtpbook.mailboxes.mails import watched
from smtpbook.mailboxes.opened import opened
from smtpbook.protocol.diagnostic import Diagnostic

_EXAMPLES: Final = 5


def read_bounces(
    source: str | os.PathLike[str],
    campaign: object = None,
    *,
    password: Password = None,
    since: str | None = None,
    ca_file: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Read what came back by mail: bounces, delays, confirmations and complaints.

    Nothing is moved, marked or deleted, so reading twice is harmless.

    Parameters
    ----------
    source : path or URL
        A maildir, an mbox, a folder of ``.eml`` files, one file, or a mailbox on a server:
        ``imaps://user@host/INBOX`` (``imap://`` begins TLS by STARTTLS).
    campaign : Campaign, Run, event log, or several, optional
        What was sent.  Each report is joined to it by Message-ID, ENVID, reverse-path
        (VERP) or queue id, and by the address alone where it does not say which message it
        is about; then ``campaign_id``, ``recipient`` as it was written to, ``attempt`` and
        the like are the campaign's.
    password : Secret, callable or str, optional
        For a server; or what `authorize` gives, with a scope for IMAP.  Default: the
        keyring is asked for ``user@host``.
    since : str, optional
        From a server, only what came on this day or later, such as ``"2026-11-01"``.
    ca_file : path, optional
        Certificates to trust for a server, instead of the system's.
    progress : bool
        Show how far it has come.

    Returns
    -------
    DataFrame
        Event log: an ``outcome`` row for each recipient a mail reports on, in the order of
        time, ``bounced``, ``deferred``, ``delivered``, ``accepted`` (relayed to where no
        report comes from) or ``complaint``; ``source`` is ``dsn``, ``bounce`` (in words)
        or ``arf``.  ``recipient`` is null where a complaint hides it.  `join_logs` puts it
        behind the sends', or `Campaign.add_bounces` keeps it: `outcomes` then tells where
        everybody stands.

        ``attrs["read"]`` counts the ``mails``, ``what`` they were (autoresponders among
        them, which are no bounces) and those ``skipped``, because they seem to be bounces
        and say nothing that is known, with ``examples``; and, with a campaign, by what
        so many rows were ``joined``, or were not.

    Raises
    ------
    SMTPBookError
        There is nothing of that name, or the server refuses.
    OSError
        It cannot be read, or the server reached.
    TypeError
        `campaign` has no event log.

    References
    ----------
    RFC 3464 and 6533 (DSN), RFC 5965 (ARF), RFC 3461 section 4.4 (ENVID).
    """
    sent = None if campaign is None else log_of(campaign)
    reports: list[Report] = []
    what: Counter[str] = Counter()
    examples: list[str] = []
    skipped = 0
    mails = opened(source, password=password, since=since, ca_file=ca_file)
    for mail in watched(mails, progress=progress):
        found = recognise(mail.octets)
        what[found.what] += 1
        reports += found.reports
        if not found.is_understood:
            skipped += 1
            examples += [f"{mail.place}: {found.subject}"][: _EXAMPLES - len(examples)]
    reports.sort(key=lambda report: report.time or 0)
    mailing = Mailing() if sent is None else Mailing.of(sent, reports)
    rows = [_joined(report, mailing) for report in reports]
    log = to_frame(row for row, _ in rows)
    log.attrs["read"] = {
        "mails": what.total(),
        "rows": len(rows),
        "what": dict(what),
        "skipped": skipped,
        "examples": examples,
    }
    if sent is not None:
        log.attrs["read"]["joined"] = _counted([way for _, way in rows])
    return log


def _counted(ways: list[str | None]) -> dict[str, int]:
    counts = Counter(way or "not joined" for way in ways)
    return {way: counts[way] for way in (*WAYS, "not joined") if counts[way]}


def _joined(report: Report, mailing: Mailing) -> tuple[Row, str | None]:
    """Make a row of a report, and say by what it was joined."""
    said = Diagnostic.parse(report.said, report.status)
    cells: dict[str, Any] = {
        "time": report.time,
        "kind": "outcome",
        "verb": said.verb,
        "reply_code": said.code,
        "enhanced_status": said.enhanced_status,
        "reply_text": said.text or None,
        "server": report.server,
        "server_address": report.server_address,
        "outcome": report.outcome,
        "reason": reason_of_words(report.outcome, said),
        "source": report.source,
        "message_id": report.message_id,
        "queue_id": report.queue_id,
        "reverse_path": next(iter(report.addressed), None),
        "recipient": next(iter(report.recipients), None),
    }
    sent, way = mailing.find(report)
    if sent is not None:
        known = {name: cell for name, cell in sent._asdict().items() if cell is not None}
        cells |= known
    return foreign_row(**cells), way
