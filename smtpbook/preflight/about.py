"""About: what a send is about to do, counted in one pass over whom it is for.

The pass fills the letter in for everybody, so nothing surprises later, and keeps of a list
of any length only counts, a few examples and every so-many-th row.  What is to be thought
of it is `preflight`'s, what is said of it `confirm`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import pandas as pd

from smtpbook.accounts.account import Account
from smtpbook.audience.domains import MailDomain, unasked
from smtpbook.delivery.arms import Letters
from smtpbook.delivery.clock import Clock
from smtpbook.delivery.recall import recall
from smtpbook.delivery.settings import Settings, Together
from smtpbook.errors import TemplateError
from smtpbook.escape import visible
from smtpbook.ledger.entries import Entry
from smtpbook.ledger.standings import Standings
from smtpbook.messages.template import Template
from smtpbook.pacing.forecast import Forecast, forecast
from smtpbook.pacing.pace import Pacer
from smtpbook.preflight.tried import Tried, tried
from smtpbook.progress import Display, show
from smtpbook.protocol.addresses import domain_of
from smtpbook.protocol.message import Message
from smtpbook.recipients.recipients import Recipients

MAX_SAMPLE: Final = 1000
"""At most about so many rows are looked at for what takes long."""

# Why letters cannot be made: a list has its few mistakes many times.
_MAX_CAUSES: Final = 20
# Fewer are checked before anybody looks: a letter takes a twentieth of a millisecond.
_WORTH_SHOWING: Final = 5000
# Besides the first one; together they may have so many octets.
_MAX_MESSAGES: Final = 20
_MAX_OCTETS: Final = 2_000_000
_STEP: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmade:
    """Letters that cannot be made, all for one cause.

    Attributes
    ----------
    why : str
        The address is "…" in it.
    recipients : int
    example : str
        The first of them, escaped.
    """

    why: str
    recipients: int
    example: str


class Planned(Protocol):
    """A campaign, as far as it is looked over."""

    letter: Template
    settings: Settings
    accounts: Mapping[Account, float]

    @property
    def people(self) -> Recipients:
        """Its whole list."""


class Entries(Protocol):
    """Recipients whose number is known before they are read."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Entry]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a send is about to do.

    Attributes
    ----------
    campaign : Campaign
    standing : mapping of str to int
        How many of the list stand where; ``pending`` are those never tried.
    recipients : int
        How many this send is for.
    domains : tuple of MailDomain
        The same by domain, the largest first; nobody was asked about them, unless `asking`
        did.  ``"?"``: an address has none.
    first : Message or None
        The first message, as it would be sent; None = there is none.
    others : tuple of Message
        A few of the others, from all over the list; fewer if they are large.
    unmade : tuple of Unmade
        Why letters cannot be made; the most frequent cause first.
    sample : DataFrame
        Of the rows that can be filled in, every so-many-th.
    forecast : Forecast or None
        When it would end; None = the pace does not decide that.
    tried : Tried or None
        The letter's tests.
    """

    campaign: Planned
    standing: Mapping[str, int]
    recipients: int
    domains: tuple[MailDomain, ...]
    first: Message | None
    others: tuple[Message, ...]
    unmade: tuple[Unmade, ...]
    sample: pd.DataFrame
    forecast: Forecast | None
    tried: Tried | None

    @property
    def shares(self) -> dict[Account, float]:
        """The accounts with their shares, which sum to 1."""
        return _shares(self.campaign)

    @property
    def is_lab(self) -> bool:
        """Whether nobody can get anything."""
        return all(account.is_lab for account in self.campaign.accounts)

    @property
    def messages(self) -> int:
        """How many messages that makes."""
        together = self.campaign.settings.together
        return -(-self.recipients // (1 if together is None else together.size))


def look_over(
    campaign: Planned,
    entries: Entries,
    books: Standings,
    pacer: Pacer,
    clock: Clock,
    *,
    progress: bool,
    strict: bool = False,
) -> About:
    """Fill the letter in for everybody a send is for, and count.

    Parameters
    ----------
    campaign : Campaign
    entries : sized iterable of Entry
        Whom the send is for; walked once.
    books : Books
        Where the whole list stands, and what has begun before.
    pacer : Pacer
    clock : Clock
        By which the pace is kept.
    progress : bool
        Show how far it has come, with a long list.
    strict : bool
        Raise at the first letter that cannot be made, instead of counting them all.

    Raises
    ------
    TemplateError
        With `strict`; the message names the recipient.
    """
    together, total = campaign.settings.together, len(entries)
    letter = campaign.settings.letters(campaign.letter)
    seen = _Pass(letter, together, pacer, total, strict=strict)
    display = show("checking", total, progress=progress and total > _WORTH_SHOWING)
    try:
        seen.walk(entries, display)
    finally:
        display.close()
    size, quota = 1 if together is None else together.size, _quota(campaign)
    now_s = datetime.now(UTC).timestamp()
    return About(
        campaign=campaign,
        standing=dict(books.counts),
        recipients=seen.number,
        domains=tuple(unasked(dict(seen.domains.most_common()))),
        first=seen.first,
        others=tuple(seen.others),
        unmade=seen.unmade(),
        sample=pd.DataFrame(seen.rows),
        forecast=forecast(
            _recalled(pacer, books, clock, now_s),
            -(-seen.number // size),
            seen.lanes,
            clock=clock,
            now_s=now_s,
            quota=None if quota is None else max(quota // size, 1),
        ),
        tried=tried(campaign.letter),
    )


def _shares(campaign: Planned) -> dict[Account, float]:
    total = sum(campaign.accounts.values())
    return {account: share / total for account, share in campaign.accounts.items()}


def _quota(campaign: Planned) -> int | None:
    """Give how many recipients in 24 hours every provider takes; None = not known."""
    limits = [
        int(account.provider.per_day / share)
        for account, share in _shares(campaign).items()
        if account.provider is not None and account.provider.per_day is not None
    ]
    return min(limits, default=None)


def _recalled(pacer: Pacer, books: Standings, clock: Clock, now_s: float) -> Pacer:
    """Give a pacer that knows what earlier processes have begun, as it will in the send."""
    recalled = pacer if pacer.has_begun else Pacer(pacer.pace)
    recall(recalled, books, clock, now_s)
    return recalled


class _Pass:
    """One walk over whom a send is for."""

    def __init__(
        self,
        letter: Template | Letters,
        together: Together | None,
        pacer: Pacer,
        total: int,
        *,
        strict: bool,
    ) -> None:
        self._letter, self._together = letter, together
        self._pacer, self._total, self._is_strict = pacer, total, strict
        self._every = -(-total // MAX_SAMPLE) or 1
        self._every_message = -(-total // _MAX_MESSAGES) or 1
        self.number = 0
        self.domains: Counter[str] = Counter()
        self.lanes: Counter[str] = Counter()  # by what the pace counts
        self.first: Message | None = None
        self.others: list[Message] = []
        self._octets = 0  # of those
        self.rows: list[Mapping[str, Any]] = []
        self._group: list[str] = []  # who shares the first message
        self._causes: dict[str, tuple[int, str]] = {}

    def walk(self, entries: Iterable[Entry], display: Display) -> None:
        for entry in entries:
            self.number += 1
            self.domains[domain_of(entry.address) or "?"] += 1
            self.lanes[self._pacer.domain(entry.address)] += 1
            if self._together is None:
                self._look_at(entry)
            elif len(self._group) < self._together.size:
                self._group.append(entry.address)
            if self.number % _STEP == 0:
                display.update(self.number, {})
        if self._together is not None and self._group:
            try:
                self.first = self._letter.render_together(
                    self._group, show=self._together.show
                )
            except TemplateError as exc:
                self._note(self._group[0], exc, self.number)
        display.update(self.number, {})

    def unmade(self) -> tuple[Unmade, ...]:
        found = [
            Unmade(why=why, recipients=count, example=example)
            for why, (count, example) in self._causes.items()
        ]
        return tuple(sorted(found, key=lambda one: -one.recipients))

    def _look_at(self, entry: Entry) -> None:
        try:
            if self.first is None:
                self.first = self._letter.render(entry.row)
            elif self.number % self._every_message == 0 and self._octets < _MAX_OCTETS:
                self.others.append(self._letter.render(entry.row))
                self._octets += len(self.others[-1].data)
            else:
                self._letter.check(entry.row)
        except TemplateError as exc:
            self._note(entry.address, exc, 1)
        else:
            if self.number % self._every == 0:
                self.rows.append(entry.row)

    def _note(self, address: str, error: TemplateError, recipients: int) -> None:
        if self._is_strict:
            if self._together is not None:
                raise error
            raise TemplateError(
                f"message {self.number} of {self._total}, to {visible(address)}: "
                f"{error}; nothing has been sent"
            ) from error
        shown = visible(address)
        why = str(error).replace(shown, "…")
        if why not in self._causes and len(self._causes) >= _MAX_CAUSES:
            why = "other causes"
        count, example = self._causes.get(why, (0, shown))
        self._causes[why] = count + recipients, example
