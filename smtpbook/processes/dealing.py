"""Dealing: which sender gets which recipients, a few at a time.

Whoever has tried some gets others, so that the fast ones get more; towards the end they are
few, so that all end together.  Where the pace counts by domain, a domain is one sender's
for as long as that lives, and is dealt to who was dealt least.  Then many are dealt at a
time, so that a domain which must wait holds back no other.  Where messages go several
ways all is dealt evenly, for the same reason.  Nothing here waits, or knows what a sender
is.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Sequence
from typing import Final, Generic, TypeVar

from smtpbook.delivery.queue import MAX_HELD, Source
from smtpbook.ledger.entries import Entry

_AHEAD: Final = 8  # recipients for each connection, at most
_SENDING: Final = 2  # one on the wire, and one whose intent is asked for meanwhile
_PARTS: Final = 4  # of a fair share of what is left

Who = TypeVar("Who", bound=Hashable)


class Dealing(Generic[Who]):
    """The recipients of one send, as they are dealt out.

    Parameters
    ----------
    source : Source
    domain_of : callable or None
        Given an address, gives what one sender alone may write to; None = all may write to
        everybody.
    has_ways : bool
        Whether one way may have to wait while another goes on.
    """

    def __init__(
        self,
        source: Source,
        domain_of: Callable[[str], str | None] | None,
        *,
        has_ways: bool = False,
    ) -> None:
        self._source, self._domain_of = source, domain_of
        self._most = MAX_HELD if domain_of is not None else len(source) if has_ways else 0
        self._returned: deque[Entry] = deque()
        self._owners: dict[str, Who] = {}
        self._dealt: Counter[Who] = Counter()
        self._kept: dict[Who, deque[Entry]] = defaultdict(deque)  # by whose domain it is

    def __bool__(self) -> bool:
        """Whether somebody is left to be dealt."""
        return bool(self._returned or len(self._source) or any(self._kept.values()))

    def deal(
        self, who: Who, connections: int, untried: int, among: Sequence[Who]
    ) -> list[Entry]:
        """Give a sender some recipients.

        Parameters
        ----------
        who : hashable
        connections : int
            How many it has.
        untried : int
            How many it was given and has not tried.
        among : sequence of hashable
            All senders.

        Returns
        -------
        list of Entry
            Empty: it has enough, or nobody is left that it may have.
        """
        if not self._most:
            left = len(self._source) + len(self._returned)
            share = _SENDING * connections + left // (_PARTS * len(among))
            room = min(_AHEAD * connections, share) - untried
        else:
            room = min(MAX_HELD, self._most) // len(among) + 1 - untried
        if room < connections and untried:  # not one by one
            return []
        found: list[Entry] = []
        while len(found) < room and (entry := self._next(who, among)) is not None:
            found.append(entry)
        return found

    def give_back(self, who: Who, entries: list[Entry]) -> None:
        """Have others get what a sender had, who gets nothing any more."""
        self._owners = {one: by for one, by in self._owners.items() if by != who}
        self._returned.extendleft(reversed([*entries, *self._kept.pop(who, ())]))

    def _next(self, who: Who, among: Sequence[Who]) -> Entry | None:
        if kept := self._kept[who]:
            return kept.popleft()
        while self._domain_of is None or sum(map(len, self._kept.values())) < MAX_HELD:
            entry = self._returned.popleft() if self._returned else self._source.take()
            if entry is None or self._domain_of is None:
                return entry
            domain = self._domain_of(entry.address) or ""
            if (owner := self._owners.get(domain)) is None:
                owner = self._owners[domain] = min(among, key=self._dealt.__getitem__)
            self._dealt[owner] += 1
            if owner == who:
                return entry
            self._kept[owner].append(entry)
        return None
