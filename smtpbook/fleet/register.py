"""Register: the shared ledger of a simulation, as far as it decides who has what.

Partitions, leases and their end as in `smtpbook.shared_ledger`, over counts of recipients.
There is no database, and nothing takes time here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from smtpbook.fleet.lots import Share
from smtpbook.shared_ledger.schema import part_of
from smtpbook.shared_ledger.sends import Work
from smtpbook.shared_ledger.shares import Asked

_SEND: Final = "simulated"


class Takeover(NamedTuple):
    """A partition that passed from a worker that died to another.

    Attributes
    ----------
    worker, part : int
        Who died, and which partition was its.
    killed_s, free_s, taken_s : float
        When it died, when its lease had run out, and when the partition was claimed anew.
    by : int
        By whom.
    recipients : int
        How many in it nobody had written to.
    """

    worker: int
    part: int
    killed_s: float
    free_s: float
    taken_s: float
    by: int
    recipients: int


class Register:
    """Who has which partition, and how many recipients are left.

    Parameters
    ----------
    counts : mapping of str to int
        Recipients by domain.
    partitions : int
    lot : int
        Recipients in a lot.
    chance : Generator

    Attributes
    ----------
    names : list of str
        The domains.
    left : list of int
        For each domain, how many recipients nobody has begun to write to.
    takeovers : list of Takeover
    """

    def __init__(
        self,
        counts: Mapping[str, int],
        partitions: int,
        lot: int,
        chance: np.random.Generator,
    ) -> None:
        self.names, self.left = list(counts), list(counts.values())
        self.takeovers: list[Takeover] = []
        self._lot, self._chance = lot, chance
        self._domains: list[list[int]] = [[] for _ in range(partitions)]
        for domain, name in enumerate(self.names):
            self._domains[part_of(name, partitions)].append(domain)
        self._owner: list[int | None] = [None] * partitions
        self._is_done = [False] * partitions
        # When each runner's lease runs out; infinity: it is renewed in time.
        self._leases: dict[int, float] = {}
        self._killed_at: dict[int, float] = {}
        self._lost: dict[int, tuple[int, float]] = {}  # by part: by whom, free since when

    def let_in(self, worker: int) -> None:
        """Give a runner a lease."""
        self._leases[worker] = math.inf

    def fall_silent(self, worker: int, now: float, until: float) -> None:
        """Note that a runner died, and when its lease runs out."""
        self._killed_at[worker] = now
        self._leases[worker] = until

    def finish(self, worker: int) -> None:
        """End a lease: the send is through with all that its runner holds."""
        del self._leases[worker]
        for part, owner in enumerate(self._owner):
            if owner == worker:
                self._owner[part], self._is_done[part] = None, True

    def company(self, now: float) -> int:
        """Give how many runners have a lease that has not run out."""
        return len(self.runners(now))

    def runners(self, now: float) -> list[int]:
        """Give the runners whose lease has not run out."""
        return [worker for worker, until in self._leases.items() if until > now]

    def work(self, now: float) -> Work:
        """Tell how far the runners are."""
        silent = {worker for worker, until in self._leases.items() if until <= now}
        open_ = [o for o, done in zip(self._owner, self._is_done, strict=True) if not done]
        free = sum(owner is None or owner in silent for owner in open_)
        orphans = len(self._lost) + sum(owner in silent for owner in open_)
        runners = len(self._leases) - len(silent)
        return Work(_SEND, "go", runners, len(open_), free, orphans)

    def claim(self, worker: int, count: int, now: float) -> Share | None:
        """Take partitions that are nobody's, once those of silent runners are freed."""
        for silent in [one for one, until in self._leases.items() if until <= now]:
            free_at = self._leases.pop(silent)
            for part, owner in enumerate(self._owner):
                if owner == silent:
                    self._owner[part] = None
                    self._lost[part] = silent, free_at
        free = sorted(
            (
                part
                for part, owner in enumerate(self._owner)
                if owner is None and not self._is_done[part]
            ),
            key=lambda part: part not in self._lost,
        )[:count]
        domains: list[int] = []
        for part in free:
            self._owner[part] = worker
            domains += self._domains[part]
            self._note_takeover(part, worker, now)
        if not free:
            return None
        return Share(self.names, domains, self.left, self._lot, self._chance)

    def _note_takeover(self, part: int, worker: int, now: float) -> None:
        if part not in self._lost:
            return
        by, free_at = self._lost.pop(part)
        left = sum(self.left[domain] for domain in self._domains[part])
        if left:
            killed_at = self._killed_at[by]
            self.takeovers.append(Takeover(by, part, killed_at, free_at, now, worker, left))


class Desk:
    """The register as one runner sees it: what `smtpbook.cluster.claims` asks of a ledger.

    Attributes
    ----------
    company : int
        As of this runner's last sign of life.
    now : float
        The instant.
    """

    asked: Asked = "go"

    def __init__(self, register: Register, worker: int, now: float) -> None:
        self._register, self._worker = register, worker
        self.now = now
        self.company = register.company(now)

    @property
    def work(self) -> Work:
        """How far the runners are."""
        return self._register.work(self.now)

    def next_share(self, count: int) -> Share | None:
        """Claim at most so many partitions; None: none is free now."""
        return self._register.claim(self._worker, count, self.now)
