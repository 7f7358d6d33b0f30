"""The registered codes, statuses, commands and our reasons, as tables with their sources.

Each table is one CSV file beside this module, read once when first asked for.  The
sentences are ours; the facts are those of the RFC named in the row.  Nothing is decided
here: which row applies to a reply is for `rules`.

``confidence`` is how far a row alone settles the reason: 0.9 it says just this, 0.6 its
usual meaning, 0.3 one of several.  It is judged, not measured.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one code or status means.

    Attributes
    ----------
    meaning, remedy : str
        One sentence each.  An empty remedy leaves it to the reason's.
    reason : str or None
        A name of `reasons`; None for what is no refusal.
    confidence : float, 0 to 1
        How far this row alone settles the reason.
    source : str
        Such as ``"RFC 5321 section 4.2.3"``.
    advice : str
        What to do, where it is another than the reason's; empty = the reason's.
    retry_s : float or None
        Seconds to wait before another try, where the source states them.
    """

    meaning: str
    remedy: str
    reason: str | None
    confidence: float
    source: str
    advice: str = ""
    retry_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason a server has for a refusal.

    Attributes
    ----------
    name, group : str
        Two levels, such as ``user_unknown`` in ``address``.
    fault : str or None
        Who can change it; None = nobody can tell.
    meaning : str
        One sentence.
    advice_transient, advice_permanent : str
        What to do after a 4yz, after a 5yz, in two or three words.
    remedy_transient, remedy_permanent : str
        The same in a sentence.
    """

    name: str
    group: str
    fault: str | None
    meaning: str
    advice_transient: str
    advice_permanent: str
    remedy_transient: str
    remedy_permanent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What one command asks for.

    Attributes
    ----------
    form : str
        How it is written.
    meaning, remedy : str
        What the client says with it, and what comes next.
    source : str
        Such as ``"RFC 5321 section 4.1.1.2"``.
    """

    form: str
    meaning: str
    remedy: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """One thing of SMTP, and whether it is spoken here.

    Attributes
    ----------
    kind : str
        ``command``, ``extension``, ``mechanism`` or ``standard``.
    name : str
        The verb, the EHLO keyword, the SASL mechanism's name, or such as ``"RFC 5321"``.
    speaks : str
        ``yes``, ``by hand`` (a line that any session can be told to say) or ``no``.
    how : str
        What is sent, or why it is not.
    otherwise : str or None
        What happens where it is not offered, or is refused.
    source : str
        Such as ``"RFC 1870"``.
    """

    kind: str
    name: str
    speaks: str
    how: str
    otherwise: str | None
    source: str


@cache
def reply_codes() -> Mapping[int, Entry]:
    """Give what each registered reply code means, whatever command drew it.

    >>> reply_codes()[451].meaning
    'The server gave up on the command because of an error of its own.'
    """
    return MappingProxyType(
        {int(row["code"]): _entry(row) for row in rows("reply_codes.csv")}
    )


@cache
def command_replies() -> Mapping[tuple[str, int], Entry]:
    """Give what a reply code means as the answer to one command.

    The connection itself is ``GREETING`` and the lone dot ``END-OF-DATA``.  That 421, 500
    and 501 may answer any command (RFC 5321 section 4.3.2) is left to `reply_codes`.

    >>> command_replies()["GREETING", 554].reason, command_replies()["DATA", 554].reason
    ('ip_blocked', 'protocol')
    """
    return MappingProxyType(
        {
            (verb, int(row["code"])): _entry(row)
            for row in rows("command_replies.csv")
            for verb in row["verb"].split()
        }
    )


@cache
def enhanced_statuses() -> Mapping[str, Entry]:
    """Give the IANA registry of enhanced statuses, as of 2024-12-06.

    Keys are class-independent (``"X.1.1"``); a key with a class (``"4.7.1"``) is a status
    whose use with that class differs from what is registered.

    >>> enhanced_statuses()["X.2.2"].reason
    'mailbox_full'
    """
    return MappingProxyType(
        {row["status"]: _entry(row) for row in rows("enhanced_status.csv")}
    )


@cache
def commands() -> Mapping[str, Command]:
    """Give what each command asks for, by verb.

    >>> commands()["RCPT"].form
    'RCPT TO:<forward-path> [parameters]'
    """
    return MappingProxyType(
        {
            row["verb"]: Command(
                form=row["form"],
                meaning=row["meaning"],
                remedy=row["remedy"],
                source=_source(row),
            )
            for row in rows("commands.csv")
        }
    )


@cache
def reasons() -> Mapping[str, Reason]:
    """Give the taxonomy: every reason with its group, by name.

    >>> reasons()["greylisted"].group
    'rate'
    """
    return MappingProxyType(
        {
            row["reason"]: Reason(
                name=row["reason"],
                group=row["group"],
                fault=row["fault"] or None,
                advice_transient=row["advice_transient"],
                advice_permanent=row["advice_permanent"],
                meaning=row["meaning"],
                remedy_transient=row["remedy_transient"],
                remedy_permanent=row["remedy_permanent"],
            )
            for row in rows("reasons.csv")
        }
    )


@cache
def spoken() -> tuple[Spoken, ...]:
    """Give what is spoken here and what is not, in the order in which it is read.

    >>> {one.name: one.speaks for one in spoken()}["PIPELINING"]
    'yes'
    """
    return tuple(
        Spoken(
            kind=row["kind"],
            name=row["name"],
            speaks=row["speaks"],
            how=row["how"],
            otherwise=row["otherwise"] or None,
            source=_source(row) or row["name"],
        )
        for row in rows("spoken.csv")
    )


def rows(name: str) -> Iterator[dict[str, str]]:
    """Give the rows of one file beside this module, such as ``"reply_codes.csv"``."""
    path = resources.files("smtpbook.codes") / "tables" / name
    yield from csv.DictReader(path.read_text("utf-8").splitlines())


def _entry(row: dict[str, str]) -> Entry:
    return Entry(
        meaning=row["meaning"],
        remedy=row["remedy"],
        reason=row["reason"] or None,
        confidence=float(row["confidence"]),
        source=_source(row),
    )


def _source(row: dict[str, str]) -> str:
    return f"{row['rfc']} section {row['section']}" if row["section"] else row["rfc"]
