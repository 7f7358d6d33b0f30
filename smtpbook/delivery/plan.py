"""Plan: who is to be written to, and what has become of each so far, in memory.

For a campaign that is kept in a folder, `smtpbook.ledger.Ledger` answers the same questions
from disk: whom to write to, what is about to be sent, what became of it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from smtpbook.codes.explain import reason_of
from smtpbook.codes.tables import reasons
from smtpbook.errors import near_miss
from smtpbook.ledger.entries import AGAIN, TAKEN, Entry, checked_addresses, key_of
from smtpbook.protocol.transaction import RecipientResult


class Plan:
    """Every recipient of a campaign, in the list's order.

    Parameters
    ----------
    rows : iterable of mapping
        One per recipient; ``row["email"]`` is its address.
    suppressed : iterable of str
        Addresses never written to.

    Raises
    ------
    ValueError
        What is no address would protect nobody.
    """

    def __init__(
        self, rows: Iterable[Mapping[str, Any]], suppressed: Iterable[str]
    ) -> None:
        self._never: set[str] = set()
        self._entries: dict[str, Entry] = {}
        for row in rows:
            address = str(row["email"])
            key = key_of(address)
            entry = Entry(address, key, len(self._entries), row=row)
            self._entries.setdefault(key, entry)
        self.suppress(suppressed)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def counts(self) -> Counter[str]:
        """How many recipients stand where; ``pending`` are those never tried."""
        return Counter(entry.outcome or "pending" for entry in self._entries.values())

    def outcomes(self) -> Iterator[tuple[Any, ...]]:
        """Tell where each recipient stands, as far as it is known here."""
        for entry in self._entries.values():
            outcome = entry.outcome or "pending"
            yield entry.address, outcome, entry.reason, entry.attempts, *[None] * 4

    def suppress(self, addresses: Iterable[str]) -> None:
        """Never write to these again; what was accepted, or may have been, stays so.

        Raises
        ------
        ValueError
            What is no address would protect nobody.
        """
        for address in checked_addresses(addresses):
            key = key_of(address)
            self._never.add(key)
            entry = self._entries.get(key)
            if entry is not None and entry.outcome not in TAKEN:
                entry.outcome = "suppressed"

    def suppressed(self) -> list[Entry]:
        """Give those who are never written to."""
        return [entry for entry in self._entries.values() if entry.outcome == "suppressed"]

    def select(self, only: str | Iterable[str] | None, limit: int | None) -> deque[Entry]:
        """Give whom a send is for.

        Parameters
        ----------
        only : str or iterable of str, optional
            Outcomes (``"deferred"``), reasons (``"greylisted"``) or addresses; None = those
            never tried.  Nobody accepted or suppressed is written to unless named by
            address, and the suppressed not even then.
        limit : int, optional
            At most so many.

        Raises
        ------
        ValueError
            A word is neither an outcome to try again, a reason, nor an address of this
            campaign; or the limit is negative.
        """
        if limit is not None and limit < 0:
            raise ValueError(f"limit={limit!r} is negative")
        if only is None:
            chosen = [entry for entry in self._entries.values() if entry.outcome is None]
        else:
            words = {only} if isinstance(only, str) else set(only)
            wanted = {self._checked(word) for word in words}
            chosen = [
                entry
                for key, entry in self._entries.items()
                if key not in self._never
                and (key in wanted or entry.outcome in wanted or entry.reason in wanted)
            ]
        return deque(chosen if limit is None else chosen[:limit])

    def _checked(self, word: str) -> str:
        if "@" in word:
            key = key_of(word)
            if key not in self._entries:
                hint = near_miss(key, self._entries)
                raise ValueError(f"{word!a} is not in this campaign's list{hint}")
            return key
        names = [*AGAIN, *reasons()]
        if word not in names:
            raise ValueError(
                f"only={word!r} is no outcome to try again, no reason and no address"
                f"{near_miss(word, names)}; outcomes are {', '.join(AGAIN)}"
            )
        return word

    def intend(self, entries: Sequence[Entry], message_id: str) -> None:
        """Keep nothing: what is only in memory is lost with the process in any case."""

    def begin(self, entries: Sequence[Entry]) -> None:
        """Keep nothing, as `intend`."""

    def withdraw(self, entries: Sequence[Entry]) -> None:
        """Keep nothing, as `intend`."""

    def note(self, entry: Entry, result: RecipientResult) -> None:
        """Keep what became of a recipient."""
        entry.attempts += 1
        entry.outcome = result.outcome
        reply = result.reply
        entry.reason = (
            None
            if reply is None
            else reason_of(result.verb, reply.code, reply.enhanced_status, reply.text)
        )
