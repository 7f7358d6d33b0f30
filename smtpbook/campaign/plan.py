"""Plan: who is to be written to, and what has become of each so far.

In memory; a ledger on disk takes its place later and answers the same questions: who is
pending, claim one, note its outcome, give it back.  A recipient is its normalised address,
never a row number.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from smtpbook.codes.explain import reason_of
from smtpbook.codes.tables import reasons
from smtpbook.errors import near_miss
from smtpbook.protocol.transaction import RecipientResult

# What `only` may name besides reasons and addresses.
_STATES = ("accepted", "deferred", "rejected", "failed", "in_doubt", "suppressed")


@dataclass(slots=True)
class Entry:
    """One recipient of a campaign.

    Attributes
    ----------
    address : str
    row : mapping
        The merge fields.
    attempts : int
        Tries so far.
    outcome, reason : str or None
        The last one; None = pending.
    """

    address: str
    row: Mapping[str, Any] = field(repr=False)
    attempts: int = 0
    outcome: str | None = None
    reason: str | None = None


class Plan:
    """Every recipient of a campaign, in the list's order.

    Parameters
    ----------
    rows : iterable of mapping
        One per recipient; ``row["email"]`` is its address.
    suppressed : iterable of str
        Addresses never written to.
    """

    def __init__(
        self, rows: Iterable[Mapping[str, Any]], suppressed: Iterable[str]
    ) -> None:
        never = {address.strip().casefold() for address in suppressed}
        self._entries: dict[str, Entry] = {}
        for row in rows:
            address = str(row["email"])
            entry = Entry(address, row)
            if address.casefold() in never:
                entry.outcome = "suppressed"
            self._entries[address.casefold()] = entry

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def counts(self) -> Counter[str]:
        """How many recipients stand where; ``pending`` are those never tried."""
        return Counter(entry.outcome or "pending" for entry in self._entries.values())

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
            A word is neither an outcome, a reason, nor an address of this campaign.
        """
        if only is None:
            chosen = [entry for entry in self._entries.values() if entry.outcome is None]
        else:
            words = {only} if isinstance(only, str) else set(only)
            wanted = {self._checked(word) for word in words}
            chosen = [
                entry
                for key, entry in self._entries.items()
                if entry.outcome != "suppressed"
                and (key in wanted or entry.outcome in wanted or entry.reason in wanted)
            ]
        return deque(chosen if limit is None else chosen[:limit])

    def _checked(self, word: str) -> str:
        if "@" in word:
            if word.casefold() not in self._entries:
                raise ValueError(f"{word!a} is not in this campaign's list")
            return word.casefold()
        names = [*_STATES, *reasons()]
        if word not in names:
            raise ValueError(
                f"only={word!r} is no outcome, reason or address{near_miss(word, names)}; "
                f"outcomes are {', '.join(_STATES)}"
            )
        return word

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
