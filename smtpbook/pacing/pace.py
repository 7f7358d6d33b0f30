"""Pacing: our own speed limit, shared by all connections of a campaign.

A `Pace` is what was asked for; a `Pacer` knows what has begun and when the next may.
Neither waits: whose turn it is, and the waiting, are `campaign`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from smtpbook.pacing.adaptive import Adaptive, AdaptiveLimiter
from smtpbook.pacing.limits import Limit, Limiter, read_limits, warm_up_counts
from smtpbook.pacing.quiet import QuietHours
from smtpbook.protocol.addresses import domain_of


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a campaign may go.

    Parameters
    ----------
    limit : str or float, optional
        Evenly (``"100/min"``, ``"5/second"``, ``"2000/day"``), in groups with pauses
        (``"50 every 5 min"``), a quota that continues tomorrow (``"2000 every day"``), a
        warm-up (``"warm-up 50, 100, 200"`` on the first, second, third and further days),
        learnt from the server's replies (``"adaptive"``, ``"adaptive 5/min to 300/min"``),
        a number a second, or several of them joined by "and".  No more than so many begin
        in any such stretch of time, wherever it begins.  Default: no limit.
    per_domain : str or float, optional
        The same, for each destination domain besides.  A domain that must wait holds back
        no other; within a domain the list's order is kept.
    domain_of : callable, optional
        Given an address, gives what `per_domain` counts by, such as the provider behind its
        MX.  Default: the domain itself.
    quiet : str, optional
        A part of the day in which nothing begins, ``"22:00-07:00 Europe/Paris"``; without a
        zone by this machine's clock.
    not_before : datetime, optional
        Nothing begins earlier; without a zone by this machine's clock.

    Raises
    ------
    ValueError
        One of them is not what it says.

    Examples
    --------
    >>> print(Pace("100/min and 2000 every day", per_domain="20/min"))
    100/min and 2000 every day, 20/min to a domain
    """

    limit: str | float | None = None
    per_domain: str | float | None = field(default=None, kw_only=True)
    domain_of: Callable[[str], str | None] = field(default=domain_of, kw_only=True)
    quiet: str | None = field(default=None, kw_only=True)
    not_before: datetime | None = field(default=None, kw_only=True)
    limits: tuple[Limit, ...] = field(init=False, repr=False, compare=False)
    domain_limits: tuple[Limit, ...] = field(init=False, repr=False, compare=False)
    _quiet: QuietHours | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._fill("limits", read_limits(self.limit))
        self._fill("domain_limits", read_limits(self.per_domain, "per_domain"))
        if any(isinstance(limit, Adaptive) for limit in self.domain_limits):
            raise ValueError(
                f"per_domain={self.per_domain!r}: an adaptive pace follows the server we "
                f"talk to, which is one for all domains; give it as the first argument"
            )
        self._fill("_quiet", None if self.quiet is None else QuietHours.parse(self.quiet))
        if self.not_before is not None:
            if not isinstance(self.not_before, datetime):
                raise ValueError(f"not_before={self.not_before!r} is not a datetime")
            self._fill("not_before", self.not_before.astimezone(UTC))

    def _fill(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @classmethod
    def of(cls, pace: str | float | Pace | None) -> Pace:
        """Make a Pace of what stands for one.

        Raises
        ------
        ValueError
            It does not.
        """
        return pace if isinstance(pace, Pace) else cls(pace)

    @classmethod
    def groups(cls, *, size: int, every_s: float) -> Self:
        """Send in groups: so many at once, the next so many seconds after these.

        >>> Pace.groups(size=50, every_s=300)
        Pace('50 every 300 s')
        """
        return cls(f"{size} every {every_s:g} s")

    @classmethod
    def warm_up(
        cls, counts: int | Sequence[int], *, doubling_until: int | None = None
    ) -> Self:
        """Send so many on each day; the last number stays.

        Parameters
        ----------
        counts : sequence of int, or int
            One number a day; or the first day's, doubled from day to day.
        doubling_until : int, optional
            Where the doubling ends.

        >>> Pace.warm_up(50, doubling_until=5000)
        Pace('warm-up 50, 100, 200, 400, 800, 1600, 3200, 5000')
        """
        return cls(f"warm-up {', '.join(map(str, warm_up_counts(counts, doubling_until)))}")

    @property
    def is_adaptive(self) -> bool:
        """Whether replies change it."""
        return any(isinstance(limit, Adaptive) for limit in self.limits)

    @property
    def joins(self) -> Callable[[str], str | None] | None:
        """By what `per_domain` counts, where that may join domains; None: it does not."""
        is_plain = not self.domain_limits or self.domain_of is domain_of
        return None if is_plain else self.domain_of

    @property
    def is_free(self) -> bool:
        """Whether there is nothing to wait for."""
        return not (
            self.limits or self.domain_limits or self._quiet or self.not_before is not None
        )

    @property
    def looks_back_s(self) -> float:
        """For how long what has begun counts, in seconds."""
        both = (*self.limits, *self.domain_limits)
        return max((limit.looks_back_s for limit in both), default=0.0)

    @property
    def has_hours(self) -> bool:
        """Whether the clock on the wall has a say."""
        return self._quiet is not None or self.not_before is not None

    def open_at(self, moment: datetime) -> datetime:
        """Give the first moment from this one on that neither is quiet nor too early."""
        if self.not_before is not None:
            moment = max(moment, self.not_before)
        return moment if self._quiet is None else self._quiet.end_of(moment)

    def __repr__(self) -> str:
        given = [] if self.limit is None else [repr(self.limit)]
        given += [
            f"{name}={value!r}"
            for name in ("per_domain", "quiet", "not_before")
            if (value := getattr(self, name)) is not None
        ]
        return f"Pace({', '.join(given)})"

    def __str__(self) -> str:
        parts = [] if self.limit is None else [_spoken(self.limit)]
        if self.per_domain is not None:
            parts.append(f"{_spoken(self.per_domain)} to a domain")
        if self.quiet is not None:
            parts.append(f"quiet {self.quiet}")
        if self.not_before is not None:
            parts.append(f"not before {self.not_before:%Y-%m-%d %H:%M} UTC")
        return ", ".join(parts) or "no limit"


def _spoken(limit: str | float) -> str:
    return limit if isinstance(limit, str) else f"{limit:g}/second"


class Pacer:
    """When the next message may begin, by all limits of a pace together.

    Parameters
    ----------
    pace : Pace

    Attributes
    ----------
    has_begun : bool
        Whether anything has, as far as it knows.
    """

    __slots__ = ("_domains", "_sharers", "_total", "has_begun", "pace")

    def __init__(self, pace: Pace) -> None:
        self.pace, self._sharers = pace, 1
        self._total: list[Limiter] = []
        self._domains: dict[str, list[Limiter]] = {}
        self.share_with(1)

    def share_with(self, sharers: int) -> None:
        """Keep one of so many equal parts of the pace, and forget what has begun.

        All of them then `recall` what all have begun, each one its part of it: so together
        they begin no more in any stretch of time than the pace allows, but for as many as
        they are.  A domain's limits are not shared: a domain is one sender's.  What a limit
        has learnt from replies is not forgotten.
        """
        before, learnt = self._sharers, self.adaptive
        self._sharers, self.has_begun = sharers, False
        self._total, self._domains = [], {}
        for limit in self.pace.limits:
            part = limit.shared(sharers)
            if isinstance(part, Adaptive) and learnt is not None:
                learnt.become(part, before / sharers)
                self._total.append(learnt)
            else:
                self._total.append(part.limiter())

    def recall(self, earlier: Iterable[tuple[float, str, str]]) -> None:
        """Note what has begun before, so that it counts.

        Parameters
        ----------
        earlier : iterable of (float, str, str)
            Instants by the same clock as all later ones, in ascending order, with a
            recipient's address and the message; one message may have several recipients.
        """
        last, messages = None, 0
        for at, address, message in earlier:
            if message != last:
                if messages % self._sharers == 0:
                    self.take(at)
                messages += 1
            last = message
            self.take_of(self.domain(address), at)

    def domain(self, address: str) -> str:
        """Give what the address counts for; without a limit per domain all are one."""
        if not self.pace.domain_limits:
            return ""
        return self.pace.domain_of(address) or ""

    @property
    def adaptive(self) -> AdaptiveLimiter | None:
        """The limit that learns, if there is one."""
        found = (limit for limit in self._total if isinstance(limit, AdaptiveLimiter))
        return next(found, None)

    def next_at(self, now: float) -> float:
        """Give the instant from which the limits for all let the next begin.

        One after the other is enough: what a limiter lets through at an instant it lets
        through at any later one, until something begins.
        """
        for limiter in self._total:
            now = limiter.next_at(now)
        return now

    def next_of(self, domain: str, now: float) -> float:
        """Give the instant from which a domain's limits let its next begin."""
        for limiter in self._domains.get(domain, ()):
            now = limiter.next_at(now)
        return now

    def take(self, at: float) -> None:
        """Note that a message begins."""
        self.has_begun = True
        for limiter in self._total:
            limiter.take(at)

    def take_of(self, domain: str, at: float) -> None:
        """Note that a recipient of a domain is written to."""
        if not self.pace.domain_limits:
            return
        limiters = self._domains.get(domain)
        if limiters is None:
            limiters = [limit.limiter() for limit in self.pace.domain_limits]
            self._domains[domain] = limiters
        for limiter in limiters:
            limiter.take(at)
