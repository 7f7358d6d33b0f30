"""Sites: the destinations of a direct send, each with its pace, sessions and troubles.

Theory of operation.  The queue's lanes are the destinations here (and, where the pace has
limits for each domain, the domains at them).  A recipient whose domain's servers are not
known yet waits in the domain's own lane, which stands aside until they are found.  A lane
stands aside, too, while its site has as many sessions as it may have, or one that waits for
its next message: that one takes from it.

Nothing here waits, connects or asks; instants come in.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from smtpbook.accounts.account import Account
from smtpbook.accounts.direct import Relay
from smtpbook.delivery.queue import Queue
from smtpbook.delivery.routes import Route
from smtpbook.errors import RejectedError, SMTPBookError, TransportError
from smtpbook.ledger.entries import Entry
from smtpbook.pacing.limits import Limiter, read_limits
from smtpbook.pacing.pace import Pacer
from smtpbook.protocol.addresses import domain_of
from smtpbook.relaying.destination import Destination, Found

# For so long nobody else is sent to servers that could not be reached.  Our own choice; it
# is well below the half hour that RFC 5321 section 4.5.4.1 has between tries.
DOWN_S: Final = 300.0
_NOWHERE: Final = "?"  # the domain of an address that has none


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What those come to who wait while servers cannot be found or reached.

    Attributes
    ----------
    error : SMTPBookError
    account : Account or None
        With the server that said so, or was silent; None = none was tried.
    until : float
        The instant from which they are tried again for anybody.
    told : set of int
        Whom it was the verdict for, by position: if one comes back, it is a retry.
    """

    error: SMTPBookError
    account: Account | None = None
    until: float
    told: set[int] = field(default_factory=set)

    def covers(self, entry: Entry, now: float) -> bool:
        """Tell whether it is somebody's verdict, too; if so, note that."""
        if now >= self.until or entry.position in self.told:
            return False
        self.told.add(entry.position)
        return True


class Branch:
    """Those in the queue who go to one site: what its sessions take from.

    Parameters
    ----------
    queue : Queue
    sites : Sites
    """

    def __init__(self, queue: Queue, sites: Sites) -> None:
        self.pacer = queue.pacer
        self.lanes: set[str] = set()
        self._queue, self._sites = queue, sites

    def __len__(self) -> int:
        return len(self._queue)  # whoever of all may turn out to be one of them

    def next_at(self, now: float) -> float:
        """Give the instant before which none can be taken; infinity: nobody waits."""
        self._queue.next_at(now)  # who comes next on the list may be one of them
        waiting = [self._sites.pace_of(lane, now) for lane in self._waiting()]
        return self.pacer.next_at(min(waiting)) if waiting else math.inf

    def take(self, now: float) -> Entry | None:
        """Take the next of them, who begins a message; None: the time of none has come."""
        if self.pacer.next_at(now) > now:
            return None
        ready = [one for one in self._waiting() if self._sites.pace_of(one, now) <= now]
        return self._queue.take_from(ready, now)

    def _waiting(self) -> Iterable[str]:
        return [lane for lane in self.lanes if self._queue.waits_in(lane)]


class Site(Route):
    """A destination, as a route of its own: it has a line, and its servers' moods.

    Attributes
    ----------
    destination : Destination
    limiters : list of Limiter
        Of its own pace.
    sessions : int
        How many there are, being opened or open.
    failures : int
        How many in a row ended before a message was decided on.
    trouble : Trouble or None
    """

    def __init__(
        self, destination: Destination, main: Route, sites: Sites, limiters: list[Limiter]
    ) -> None:
        assert isinstance(main.queue, Queue)
        self.branch = Branch(main.queue, sites)
        super().__init__(
            main.account, 1.0, main.sink, sites.per_host, self.branch, main.pipelining
        )
        self.destination, self.limiters = destination, limiters
        self.sessions = self.failures = 0
        self.trouble: Trouble | None = None

    @property
    def is_served(self) -> bool:
        """Whether no further session is to be opened now."""
        return bool(self.line) or self.sessions >= self.connections


@dataclass(frozen=True, slots=True)
class _Lane:
    domain: str
    site: Site | None  # None = not known when it was made
    counted: str  # what the campaign's pace counts it for


class Sites(Pacer):
    """All destinations of a direct send; the pacer of its queue.

    Parameters
    ----------
    pacer : Pacer
        The campaign's.
    relay : Relay
    want : callable
        Told of a domain whose servers are to be found.

    Attributes
    ----------
    per_host : int
        How many sessions a site may have.
    """

    def __init__(self, pacer: Pacer, relay: Relay, want: Callable[[str], None]) -> None:
        super().__init__(pacer.pace)
        self.per_host = relay.connections_per_host
        self._pacer, self._want = pacer, want
        self._limits = read_limits(relay.per_host, "per_host")
        self._found: dict[str, Destination | RejectedError | Trouble] = {}
        self._asked: set[str] = set()
        self._sites: dict[int, Site] = {}  # by their destinations' numbers
        self._lanes: dict[str, _Lane] = {}
        self._unknown: defaultdict[str, set[str]] = defaultdict(set)  # lanes, by domain

    # -- what is found

    def at(self, entry: Entry) -> Site | RejectedError | Trouble | None:
        """Give where somebody's mail goes; None = it has to be found anew."""
        found = self._found.get(_domain(entry.address))
        return self._sites[found.number] if isinstance(found, Destination) else found

    def learn(self, domain: str, found: Found, main: Route, now: float) -> Collection[str]:
        """Note where a domain's mail goes; give the lanes of those who waited for it."""
        self._asked.discard(domain)
        if isinstance(found, TransportError):
            self._found[domain] = Trouble(error=found, until=now + DOWN_S)
        else:
            self._found[domain] = found
        if isinstance(found, Destination) and found.number not in self._sites:
            limiters = [limit.limiter() for limit in self._limits]
            self._sites[found.number] = Site(found, main, self, limiters)
        return self._unknown.pop(domain, ())

    def forget(self, entry: Entry) -> None:
        """Have the servers of somebody's domain found anew, for a retry."""
        self._found.pop(_domain(entry.address), None)

    # -- as the queue's pacer

    def domain(self, address: str) -> str:
        """Give the lane that somebody waits in."""
        domain, counted = _domain(address), self._pacer.domain(address)
        found, site, name = self._found.get(domain), None, domain
        if isinstance(found, Destination):
            site, name = self._sites[found.number], f"site {found.number}"
        lane = f"{name} {counted}"  # no domain holds a space
        if lane not in self._lanes:
            self._lanes[lane] = _Lane(domain, site, counted)
        if site is not None:
            site.branch.lanes.add(lane)
        elif found is None:
            self._unknown[domain].add(lane)
        return lane

    def next_at(self, now: float) -> float:
        """Give the instant from which the campaign's pace lets the next begin."""
        return self._pacer.next_at(now)

    def next_of(self, domain: str, now: float) -> float:
        """Give the instant from which a lane may go on; infinity: nobody knows yet."""
        lane = self._lanes[domain]
        if lane.site is not None:
            return math.inf if lane.site.is_served else self.pace_of(domain, now)
        if lane.domain in self._found:  # a verdict waits for them, or a lane of their own
            return now
        if lane.domain not in self._asked:
            self._asked.add(lane.domain)
            self._want(lane.domain)
        return math.inf

    def pace_of(self, name: str, now: float) -> float:
        """Give the instant from which a site's own sessions may take from its lane."""
        lane = self._lanes[name]
        site = lane.site
        if site is None or site.trouble is not None:
            return now
        at = max(now, site.rests_until)
        for limiter in site.limiters:
            at = limiter.next_at(at)
        return max(at, self._pacer.next_of(lane.counted, at))

    def take(self, at: float) -> None:
        """Note that a message begins."""
        self._pacer.take(at)

    def take_of(self, domain: str, at: float) -> None:
        """Note that somebody of a lane is written to."""
        lane = self._lanes[domain]
        if lane.site is None or lane.site.trouble is not None:
            return
        self._pacer.take_of(lane.counted, at)
        for limiter in lane.site.limiters:
            limiter.take(at)


def _domain(address: str) -> str:
    return domain_of(address) or _NOWHERE
