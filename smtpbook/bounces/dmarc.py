"""DMARC: the reports of mailbox providers on who sends mail with a domain in From.

One XML document a report, mostly packed, mostly sent by mail.  Each record counts the
messages of one source address that were judged alike.  What is read is bounded: there is no
document type in such a report, so none is taken, and with it no entity that multiplies.

References
----------
RFC 7489 section 7.2 and appendix C (aggregate reports).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final
from xml.parsers import expat

import pandas as pd

from smtpbook.accounts.passwords import Password
from smtpbook.bounces.packed import unpacked
from smtpbook.errors import SMTPBookError
from smtpbook.escape import visible
from smtpbook.mailboxes.mails import Mail, watched
from smtpbook.mailboxes.mime import Part, decoded, walk
from smtpbook.mailboxes.opened import opened

_EXAMPLES: Final = 5
_MAX_DEPTH: Final = 16
_MAX_TEXT: Final = 2000  # characters of one element
_MAX_ROWS: Final = 1_000_000
_DTYPES: Final = {
    "begin": "datetime64[us, UTC]",
    "end": "datetime64[us, UTC]",
    "reporter": "string",
    "report_id": "string",
    "domain": "string",
    "policy": "category",
    "subdomain_policy": "category",
    "percent": "Int16",
    "source_ip": "string",
    "count": "Int64",
    "disposition": "category",
    "dkim_aligned": "category",
    "spf_aligned": "category",
    "override": "string",
    "header_from": "string",
    "envelope_from": "string",
    "envelope_to": "string",
    "dkim": "string",
    "spf": "string",
    "reporter_email": "string",
}
# By the path of an element below its record, or its report.
_OF_REPORT: Final = {
    "report_metadata/org_name": "reporter",
    "report_metadata/email": "reporter_email",
    "report_metadata/report_id": "report_id",
    "report_metadata/date_range/begin": "begin",
    "report_metadata/date_range/end": "end",
    "policy_published/domain": "domain",
    "policy_published/p": "policy",
    "policy_published/sp": "subdomain_policy",
    "policy_published/pct": "percent",
}
_OF_RECORD: Final = {
    "row/source_ip": "source_ip",
    "row/count": "count",
    "row/policy_evaluated/disposition": "disposition",
    "row/policy_evaluated/dkim": "dkim_aligned",
    "row/policy_evaluated/spf": "spf_aligned",
    "row/policy_evaluated/reason/type": "override",
    "identifiers/header_from": "header_from",
    "identifiers/envelope_from": "envelope_from",
    "identifiers/envelope_to": "envelope_to",
}


def read_dmarc_reports(
    source: str | os.PathLike[str],
    *,
    password: Password = None,
    since: str | None = None,
    ca_file: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Read DMARC's aggregate reports: who sends mail in a domain's name, and how it fared.

    Parameters
    ----------
    source : path or URL
        Reports as files (``.xml``, ``.xml.gz``, ``.zip``) or attached to mails: one, a
        folder of them, a maildir, an mbox, or a mailbox on a server, as for
        `read_bounces`.
    password, since, ca_file, progress
        As for `read_bounces`.

    Returns
    -------
    DataFrame
        A row for each record, with its report's cells:

        - ``begin``, ``end`` (datetime, UTC), ``reporter`` with ``reporter_email``,
          ``report_id``;
        - ``domain``, its ``policy`` and ``subdomain_policy`` (``none``, ``quarantine``,
          ``reject``) for ``percent`` of its mail, as they were published;
        - ``source_ip`` and ``count``: so many messages came from there;
        - ``disposition``: what was done with them; ``dkim_aligned``, ``spf_aligned``
          (``pass``, ``fail``): what DMARC made of it; ``override``: why the policy was not
          followed;
        - ``header_from``, ``envelope_from``, ``envelope_to``;
        - ``dkim``, ``spf``: the checks themselves, such as ``x.example=pass``, several
          with a comma between them.

        Null = the report does not tell.  ``attrs["read"]`` counts mails or files, reports,
        and those ``skipped`` because they could not be read, with ``examples``.

    Raises
    ------
    SMTPBookError
        There is nothing of that name, or the server refuses.
    OSError
        It cannot be read, or the server reached.
    """
    rows: list[dict[str, Any]] = []
    counts: Counter[str] = Counter()
    examples: list[str] = []
    mails = opened(source, password=password, since=since, ca_file=ca_file)
    for mail in watched(mails, progress=progress):
        counts["files"] += 1
        try:
            found = list(_reports_in(mail))
        except ValueError as exc:
            counts["skipped"] += 1
            told = f"{mail.place}: {visible(str(exc), max_chars=200)}"
            examples += [told][: _EXAMPLES - len(examples)]
            continue
        counts["reports" if found else "other"] += max(1, len(found))
        rows += (row for report in found for row in report)
        if len(rows) > _MAX_ROWS:
            raise SMTPBookError(
                f"more than {_MAX_ROWS:,} records; read fewer reports at a time"
            )
    frame = pd.DataFrame(rows, columns=list(_DTYPES)).astype(_DTYPES)
    names = ("files", "reports", "other", "skipped")
    frame.attrs["read"] = {name: counts[name] for name in names} | {"examples": examples}
    return frame


def _reports_in(mail: Mail) -> Iterator[list[dict[str, Any]]]:
    """Give the records of each report in a file or in a mail's attachments.

    Raises
    ------
    ValueError
        There is one, and it cannot be read.
    """
    for packed in _candidates(mail.octets):
        for octets in unpacked(packed):
            yield parse_report(octets)


def _candidates(octets: bytes) -> Iterator[bytes]:
    if _looks_like_one(octets):
        yield octets
        return
    mail = Part(octets)
    for part in walk(mail):
        if part.kind.startswith(("multipart/", "text/plain", "text/html")):
            continue
        name = decoded(part.file_name).lower()
        is_named = name.endswith((".xml", ".xml.gz", ".gz", ".zip"))
        if is_named or part.kind.endswith(("/xml", "zip", "gzip")):
            found = part.octets
            if _looks_like_one(found):
                yield found


def _looks_like_one(octets: bytes) -> bool:
    head = octets[:200].removeprefix(b"\xef\xbb\xbf").lstrip()
    return head.startswith((b"\x1f\x8b", b"PK\x03\x04", b"<?xml", b"<feedback"))


def parse_report(octets: bytes) -> list[dict[str, Any]]:
    """Read one report.

    Raises
    ------
    ValueError
        It is no such report, it is broken, or it declares a document type.
    """
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(octets, True)
    except expat.ExpatError as exc:
        raise ValueError(f"broken XML ({exc})") from exc
    if not reader.is_report:
        raise ValueError("XML, but no report of DMARC's")
    about = {name: _typed(name, cell) for name, cell in reader.report.items()}
    return [
        about | {name: _typed(name, cell) for name, cell in record.items()}
        for record in reader.records
    ]


def _refuse_doctype(*_: object) -> None:
    raise ValueError("it declares a document type, which no report does")


class _Reader:
    """Takes what the parser finds, and keeps the elements that are known."""

    def __init__(self) -> None:
        self.report: dict[str, str] = {}
        self.records: list[dict[str, str]] = []
        self.is_report = False
        self._path: list[str] = []
        self._pieces: list[str] = []
        self._size = 0
        self._result: dict[str, str] = {}

    def start(self, tag: str, _: object) -> None:
        name = tag.rpartition(":")[2]
        if len(self._path) >= _MAX_DEPTH:
            raise ValueError("elements in elements without an end")
        if not self._path:
            self.is_report = name == "feedback"
        self._path.append(name)
        self._pieces, self._size = [], 0
        if self._path == ["feedback", "record"]:
            self.records.append({})
            if len(self.records) > _MAX_ROWS:
                raise ValueError(f"more than {_MAX_ROWS:,} records")
        elif self._path[2:] in (["auth_results", "dkim"], ["auth_results", "spf"]):
            self._result = {}

    def text(self, text: str) -> None:
        if self._size < _MAX_TEXT:
            self._pieces.append(text[: _MAX_TEXT - self._size])
            self._size += len(text)

    def end(self, _: str) -> None:
        text = visible("".join(self._pieces).strip())
        path, self._pieces = self._path, []
        if self.is_report and path[1:2] == ["record"] and len(path) > 2:
            self._end_in_record(path[2:], text)
        elif self.is_report and text and (name := _OF_REPORT.get("/".join(path[1:]))):
            self.report.setdefault(name, text)
        path.pop()

    def _end_in_record(self, path: list[str], text: str) -> None:
        record = self.records[-1]
        if path[0] == "auth_results" and len(path) == 3:
            self._result[path[2]] = text
        elif path[0] == "auth_results" and len(path) == 2 and path[1] in ("dkim", "spf"):
            told = f"{self._result.get('domain', '?')}={self._result.get('result', '?')}"
            before = record.get(path[1])
            record[path[1]] = f"{before}, {told}"[:_MAX_TEXT] if before else told
        elif text and (name := _OF_RECORD.get("/".join(path))):
            before = record.get(name)
            is_more = name == "override" and before
            record[name] = f"{before}, {text}"[:_MAX_TEXT] if is_more else text


def _typed(name: str, text: str) -> Any:
    """Make of an element's text what its column holds; None = it is none."""
    dtype = _DTYPES[name]
    if dtype in ("string", "category"):
        return text
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        return None
    number = int(text)
    if dtype == "Int16":
        return number if number <= 100 else None
    if dtype == "Int64":
        return number
    try:
        return datetime.fromtimestamp(number, UTC)
    except (OverflowError, OSError, ValueError):
        return None
