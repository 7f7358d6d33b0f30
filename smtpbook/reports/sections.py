"""Sections: what a report tells of a log, in the order in which it is read.

What became of the recipients comes first, then why, then how it went.  How it looks is for
the writers: `page`, `document` and `text`.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from typing import Any, Final

import pandas as pd

from smtpbook.codes.explain import explain
from smtpbook.insight.reasons import reasons
from smtpbook.insight.summaries import refusals
from smtpbook.palette import GREY, SEVERITY_COLORS
from smtpbook.protocol.replies import Reply
from smtpbook.reports.about import about, found_settings
from smtpbook.reports.content import (
    Block,
    Content,
    Facts,
    Heading,
    Lines,
    Paragraph,
    Section,
    Tiles,
    note,
    plain,
    table_of,
)
from smtpbook.reports.pictures import pictures
from smtpbook.reports.worth_a_look import worth_a_look
from smtpbook.states import state
from smtpbook.tables.latency import latency_by_command
from smtpbook.tables.outcomes import by_domain, count_outcomes
from smtpbook.tables.replies import reply_codes
from smtpbook.tables.scan import Log
from smtpbook.tables.sessions import tls_posture
from smtpbook.wording import counted

_MAX_REFUSALS: Final = 5  # that are explained
_OF_REASONS: Final = ("reason", "reply_code", "wording", "count", "share", "domains")
_OF_TLS: Final = {"failed": "failed handshakes"}  # not a recipient's state
_TOOK: Final = {
    "service_s": "What the server took for each command alone (service_s).",
    "latency_s": "From each command to its reply (latency_s); no other time is known.",
}
_SOFTWARE: Final = ("duckdb", "matplotlib", "numpy", "pandas", "pyarrow", "scipy")


def content_of(log: Log, title: str | None, settings: Mapping[str, str]) -> Content:
    """Put a report together.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log, with all of its columns.
    title : str or None
        The heading; None = the campaign's name, if the log is of one.
    settings : mapping of str to str
        What the send was set up to do, as far as the log itself does not tell.
    """
    told = about(log)
    found: dict[str, Iterable[Block]] = {
        "Outcomes": (Paragraph(text=told.sentence), *_outcomes(log)),
        "Most frequent refusals": _refusals(log),
        "Charts": tuple(pictures(log)) or (Paragraph(text="No replies in this log."),),
        "Sessions worth a look": tuple(worth_a_look(log)),
        "Refusals by reason": (table_of(reasons(log)[list(_OF_REASONS)]),),
        "Outcomes by domain": _estimated(by_domain(log)),
        "Latency by command": _latency(log),
        "Reply codes by command": (table_of(reply_codes(log, "verb")),),
        "TLS by server": (table_of(tls_posture(log).rename(columns=_OF_TLS)),),
        "Settings": (_settings({**found_settings(log), **settings}),),
        "Versions": (_facts(versions()),),
    }
    return Content(
        title=plain(told.title if title is None else title),
        sections=tuple(Section(title=name, blocks=tuple(it)) for name, it in found.items()),
    )


def _outcomes(log: Log) -> Iterator[Block]:
    counts = {name: n for name, n in count_outcomes(log).items() if n}
    if not counts:
        yield Paragraph(text="No recipient has an outcome in this log.")
        return
    yield Tiles(counts=tuple((state(name), n) for name, n in counts.items()))
    whole = counted(sum(counts.values()), "recipient", "recipients")
    yield Paragraph(text=f"{whole} in all.")


def _refusals(log: Log) -> tuple[Block, ...]:
    kinds = refusals(log)
    table = kinds.head(_MAX_REFUSALS)
    if table.empty:
        return (Paragraph(text="Nothing was refused."),)
    blocks: list[Block] = []
    row: Any  # of many kinds of cells
    for row in table.itertuples(index=False):
        text = "" if pd.isna(row.reply_text) else row.reply_text
        verb = None if pd.isna(row.verb) else row.verb
        reply = Reply.of(int(row.reply_code), text)
        after = f" after {plain(verb)}" if verb else ""
        times = counted(row.times, "time", "times")
        blocks += [
            Heading(text=f"{reply.code}{after}: {times}"),
            Lines(text=plain(f"{reply.code} {text}")),
            _explained(reply, verb),
        ]
    if rarer := len(kinds) - len(table):
        blocks.append(note(f"{rarer:,} rarer kinds of refusal are not shown."))
    return tuple(blocks)


def _explained(reply: Reply, verb: str | None) -> Facts:
    """Say what a reply means and what to do about it."""
    meant = explain(reply, verb=verb)
    rows = {
        "What happened": meant.meaning,
        "What to do": f"{meant.advice}: {meant.remedy}",
        "Reason": meant.reason and f"{meant.reason} (group {meant.group})",
        "Provider": meant.provider,
        "Page": meant.url,
        "Blocklist": meant.blocklist,
        "Why": meant.why,
        "Written in": "; ".join(meant.source),
    }
    color = SEVERITY_COLORS.get(reply.code // 100, GREY)
    return _facts({label: text for label, text in rows.items() if text}, color)


def _latency(log: Log) -> Iterator[Block]:
    table = latency_by_command(log)
    yield note(_TOOK[table.attrs["column"]])
    yield from _estimated(table)


def _estimated(table: pd.DataFrame) -> Iterator[Block]:
    """Show a table, and below it what its intervals are."""
    yield table_of(table)
    if "interval" in table.attrs and not table.empty:
        yield note(f"{table.attrs['interval']}.")


def versions() -> dict[str, str]:
    """Give the versions of what made a report."""
    found = {}
    for name in ("smtpbook", *_SOFTWARE):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # a checkout that was not installed
            found[name] = "(not installed)"
    return found | {"Python": f"{platform.python_version()} on {platform.system()}"}


def _settings(found: Mapping[str, str]) -> Block:
    return _facts(found) if found else Paragraph(text="This log tells of none.")


def _facts(rows: Mapping[str, str], color: str | None = None) -> Facts:
    return Facts(
        rows=tuple((plain(label), plain(text)) for label, text in rows.items()),
        color=color,
    )
