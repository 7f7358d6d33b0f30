"""Happening: what a format understands of a line, and how that becomes conversations.

A format turns its lines into `Happening` values, one for each thing that was said or took
place; `rows_of` deals them to conversations and gives the rows.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal, NamedTuple

from smtpbook.dialogues.conversation import Conversation
from smtpbook.events import Row
from smtpbook.logfile.reading import Reading

_MAX_SESSIONS: Final = 1000  # under way at once; the one that was silent longest is ended

_DAY_0: Final = datetime.date(1970, 1, 1)
_MIDNIGHT: Final = datetime.datetime(1970, 1, 1)
_HALF_A_DAY: Final = 12 * 3600 * 1_000_000

What = Literal["client", "server", "data", "connect", "tls", "disconnect", "dns", "proxy"]


class Happening(NamedTuple):
    """One thing that was said or took place.

    Attributes
    ----------
    what : str
        Who spoke, or what happened; ``data`` is mail data that was counted, not shown.
    text : str
        The line, or what opportunistic TLS came to.
    at : int or None
        Microseconds since 1970 UTC; or since any instant, where the format has no date.
    session : str or None
        What the format calls the session.
    took_s : float or None
        How long it took, where the format says so.
    octets : int or None
        Of mail data.
    error : str or None
        Class of what went wrong.
    place : tuple
        Server's name, port, address: of `connect`.
    tls : tuple
        Version and cipher.
    """

    what: What
    text: str = ""
    at: int | None = None
    session: str | None = None
    took_s: float | None = None
    octets: int | None = None
    error: str | None = None
    place: tuple[str | None, int | None, str | None] = (None, None, None)
    tls: tuple[str | None, str | None] = (None, None)


Speaker = Callable[[Iterable[str], Reading], Iterator[Happening]]
"""Turns lines into what was said; lines it does not know it hands to `Reading.skipped`."""


def rows_of(
    source: str,
    speaker: Speaker,
    *,
    has_date: bool = True,
    is_precise: bool = False,
    has_ids: bool = True,
) -> Callable[[Iterable[str], Reading], Iterator[Row]]:
    """Make a format's ``events`` of what understands its lines.

    Parameters
    ----------
    source : str
        The format's name.
    speaker : callable
    has_date, is_precise : bool
        As `Conversation` takes them.
    has_ids : bool
        Whether no two sessions of a log are called the same.  Else their names, such as a
        client's address, only tell apart those under way at once.
    """

    def events(lines: Iterable[str], reading: Reading) -> Iterator[Row]:
        sessions = _Sessions(
            source, reading, has_date=has_date, is_precise=is_precise, has_ids=has_ids
        )
        for one in speaker(lines, reading):
            if not sessions.take(one):
                reading.skipped(one.text)
            yield from sessions.rows()
        sessions.end()
        yield from sessions.rows()

    return events


class _Sessions:
    """The conversations of one log, by what it calls them."""

    def __init__(
        self,
        source: str,
        reading: Reading,
        *,
        has_date: bool,
        is_precise: bool,
        has_ids: bool,
    ) -> None:
        self._source, self._reading, self._has_ids = source, reading, has_ids
        self._has_date, self._is_precise = has_date, is_precise
        self._talks: dict[str | None, Conversation] = {}
        self._count = 0
        self._ready: list[Row] = []

    def rows(self) -> list[Row]:
        """Give the rows that are ready, once."""
        rows, self._ready = self._ready, []
        return rows

    def take(self, one: Happening) -> bool:
        """Deal one thing to its conversation; False = it does not belong to any."""
        talk = self._talk_of(one)
        is_taken = self._tell(talk, one)
        self._collect(talk)
        return is_taken

    def _talk_of(self, one: Happening) -> Conversation:
        talk = self._talks.pop(one.session, None)
        if talk is not None and self._is_new(talk, one):
            # Without an id, both may be under way, and the first one's end be told later.
            talk.end(is_unseen=not self._has_ids)
            self._collect(talk)
            talk = None
        if talk is None:
            self._count += 1
            name = one.session if self._has_ids else None
            talk = Conversation(
                self._source,
                name or self._reading.session_id(self._source, self._count),
                has_date=self._has_date,
                is_precise=self._is_precise,
            )
        self._talks[one.session] = talk  # the last in order is the last that spoke
        if len(self._talks) > _MAX_SESSIONS:
            oldest = self._talks.pop(next(iter(self._talks)))
            oldest.end()
            self._collect(oldest)
        return talk

    @staticmethod
    def _is_new(talk: Conversation, one: Happening) -> bool:
        """Whether another conversation begins where the log does not say so."""
        if one.what == "connect":
            return talk.has_begun
        if talk.is_over:
            return one.what != "disconnect"
        greets = one.what == "server" and one.text[:4] in ("220 ", "220-", "220")
        return greets and talk.is_220_new

    def _tell(self, talk: Conversation, one: Happening) -> bool:
        match one.what:
            case "client":
                talk.client(one.text, one.at)
            case "server":
                return talk.server(one.text, one.at, took_s=one.took_s)
            case "data":
                talk.mail_data(one.octets, one.at)
            case "connect":
                talk.place(*one.place)
                took_us = None if one.took_s is None else round(one.took_s * 1e6)
                talk.connect(one.at, took_us, one.error)
            case "tls":
                version, cipher = one.tls
                talk.start_tls(version, cipher, one.at, one.text or None, one.error)
            case "disconnect":
                talk.disconnect(one.at, one.error)
            case kind:
                talk.place(*one.place)
                talk.note(kind, one.at, one.error)
        return True

    def _collect(self, talk: Conversation) -> None:
        self._ready += talk.rows()

    def end(self) -> None:
        """End them all, the oldest first."""
        for talk in self._talks.values():
            talk.end()
            self._collect(talk)


class Clock:
    """A time of day that only measures: it goes on after midnight.

    >>> clock = Clock()
    >>> clock.at("23:59:59.5"), clock.at("00:00:00.25")
    (86399500000, 86400250000)
    """

    def __init__(self) -> None:
        self._day = 0
        self._previous = 0

    def at(self, stamp: str) -> int | None:
        """Read ``HH:MM:SS`` with a fraction, in microseconds; null = it is none."""
        try:
            time = datetime.time.fromisoformat(stamp)
        except ValueError:
            return None
        since = datetime.datetime.combine(_DAY_0, time) - _MIDNIGHT
        micros = since // datetime.timedelta(microseconds=1)
        # A little back is a late line; half a day back is the next day.
        if micros < self._previous - _HALF_A_DAY:
            self._day += 1
        self._previous = micros
        return self._day * 2 * _HALF_A_DAY + micros
