"""Report: a file that tells what became of a campaign, for those who were not there.

The file's name says what it is: a page, a document, a text; or a case file, which is the
log itself without a trace of who it was about.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pandas as pd

from smtpbook.errors import SMTPBookError, near_miss
from smtpbook.escape import visible
from smtpbook.events import COLUMNS
from smtpbook.log.frame import require_columns
from smtpbook.log.store import read_log
from smtpbook.reports.case import SUFFIX as CASE
from smtpbook.reports.case import kept_settings, write_case
from smtpbook.reports.content import Content
from smtpbook.reports.document import write_document
from smtpbook.reports.page import write_page
from smtpbook.reports.sections import content_of
from smtpbook.reports.text import write_text
from smtpbook.tables.scan import Log, scan_log


def report(
    log: Log,
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    settings: Mapping[str, str] | None = None,
    share: bool = False,
) -> Path:
    """Write a report of an event log, or a case file of it.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log; an empty one gives a report that says so.  Of a `Scan` no more is in
        memory than each table and chart needs: the most is the different texts of refusals.
    path : str or path
        The file to write; one that is there is replaced.  Its suffix says what it is:

        ``.html``
            One page that needs nothing but itself; its tables sort.
        ``.pdf``
            A4, all text can be selected.
        ``.md``
            Markdown; its pictures are in a folder beside it, ``report_files``.
        ``.parquet``
            With ``share=True``: a case file.  `read_log` and `scan_log` open it anywhere,
            and it has the same tables and charts.
    title : str, optional
        The heading; the campaign's name if omitted and the log has one.
    settings : mapping of str to str, optional
        What the send was set up to do, such as ``campaign.report().setup``; by default
        those that a case file has kept.
    share : bool
        Leave no address and no secret in it.  People, domains, servers, sessions, accounts
        and campaigns have pseudonyms, the same throughout the file and of no use outside of
        it; only providers of mailboxes keep their names.  Of replies and commands only
        words stay that say nothing about anybody.  Times, codes and figures stay as they
        are, and so do the settings for pace, connections, retries and stopping, and the
        factors of an experiment: levels that are no figures and no such words have
        pseudonyms, too, and an `Experiment` of these tells its effects.  A title of your
        own is yours to choose.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    SMTPBookError
        Nothing that can be written is called so.
    ColumnError
        The log lacks a column of the event log.
    OSError
        The file cannot be written.
    """
    path = Path(path)
    _check_suffix(path, share=share)
    if isinstance(log, pd.DataFrame):
        require_columns(log, *COLUMNS)
    settings = kept_settings(log) if settings is None else settings
    if path.suffix.lower() == CASE:
        return write_case(log, path, settings)
    if share:
        with TemporaryDirectory(prefix="smtpbook-") as folder:
            case = write_case(log, Path(folder) / f"case{CASE}", settings)
            shared = read_log(case) if isinstance(log, pd.DataFrame) else scan_log(case)
            return report(shared, path, title=title or "Shared event log")
    _WRITERS[path.suffix.lower()](content_of(log, title, settings), path)
    return path


def _check_suffix(path: Path, *, share: bool) -> None:
    suffix, known = path.suffix.lower(), [*_WRITERS, CASE]
    if suffix not in known:
        found = f"ends in {suffix!r}" if suffix else "has no suffix"
        raise SMTPBookError(
            f"{visible(path.name, max_chars=80)!r} {found}, and a report is told by its "
            f"suffix{near_miss(suffix, known)}; there are {', '.join(_WRITERS)}, and "
            f"{CASE} for a case file"
        )
    if suffix == CASE and not share:
        raise SMTPBookError(
            f"a {CASE} file is a case file, made to be given away: say share=True; the log "
            f"as it is, names and all, is written by write_log"
        )


_WRITERS: Final[dict[str, Callable[[Content, Path], None]]] = {
    ".html": write_page,
    ".pdf": write_document,
    ".md": write_text,
}
