"""The form that all events in JSON have in common: objects of kinds, some about delivery.

A provider's module says how its objects are unwrapped, what tells their kind, and what
rows a kind gives.  A line with an object of no known kind, or about nobody, is counted as
skipped once, whatever else is on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from smtpbook.events import COLUMNS, Row
from smtpbook.logfile.format import LogFormat
from smtpbook.logfile.reading import Reading
from smtpbook.provider_events.besides import not_about_delivery
from smtpbook.provider_events.json_object import JsonObject
from smtpbook.provider_events.objects import MAX_OBJECT, find_objects

ToRows = Callable[[JsonObject, Reading], Iterable[Row]]
"""Gives the rows of an event."""

_RECIPIENT: Final = COLUMNS.index("recipient")
_SNIFFED: Final = 1 << 16


def itself(event: JsonObject) -> Iterable[JsonObject]:
    """Give an event that has no envelope."""
    return (event,)


def json_format(
    *,
    name: str,
    title: str,
    mark: str,
    kind: Callable[[JsonObject], str | None],
    rows: Mapping[str, ToRows],
    besides: Iterable[str] = (),
    unwrap: Callable[[JsonObject], Iterable[JsonObject]] = itself,
) -> LogFormat:
    """Make the format of a provider's events.

    Parameters
    ----------
    name, title : str
        As of `LogFormat`.
    mark : str
        A pattern that stands in its objects and in no other provider's, on one line.
    kind : callable
        Gives the kind of an event; None = it is none of this provider's.
    rows : mapping of str to callable
        By kind, what gives the rows.
    besides : iterable of str
        Kinds that are not about delivery: opens, clicks and the like.
    unwrap : callable
        Gives the events of an object.
    """
    pattern, others = re.compile(mark), frozenset(besides)

    def sniff(line: str) -> bool:
        return pattern.search(line[:_SNIFFED]) is not None

    def events(lines: Iterable[str], reading: Reading) -> Iterator[Row]:
        counted = 0  # the line that was skipped last
        for line, text, value in find_objects(lines):
            strange, beside = value is None, ""
            for event in () if value is None else unwrap(JsonObject(value)):
                what = kind(event) or ""
                if what in others:
                    beside = what
                    continue
                told = rows[what](event, reading) if what in rows else ()
                found = [row for row in told if row[_RECIPIENT]]
                strange = strange or not found
                yield from found
            if (strange or beside) and line != counted:
                counted = line
                if strange:
                    reading.skipped(text)
                else:
                    not_about_delivery(reading, f"{name} {beside}")

    return LogFormat(
        name=name, title=title, sniff=sniff, events=events, max_line=MAX_OBJECT
    )
