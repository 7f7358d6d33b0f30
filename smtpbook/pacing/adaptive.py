"""Adaptive pace: as fast as the server likes it, learnt from its replies.

Theory of operation.  The rate rises while nothing speaks against it and is cut when the
server asks for less: additive increase, multiplicative decrease, as TCP finds the capacity
of a path (RFC 5681).  It begins at one a second and doubles every ten seconds until the
first cut; from then on it rises by a twentieth of the rate that was too much.  It is halved
by a reply that asks for less, and cut by a fifth when replies take three times as long as
at best.  After a cut ten seconds pass before the next one: what comes until then answers
messages that had begun.

Of several senders each follows what it hears itself, as TCP connections that share a path
do, and together they keep within the bounds.  What one has learnt it takes for its equal
part of what all may do: so when others come it gives way to them, and it takes over from
those that leave.

The figures are our own choice; the clock, and which reply is heard, are the caller's.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import ClassVar, Final

from smtpbook.codes.explain import reason_of
from smtpbook.codes.hints import retry_hint_s
from smtpbook.codes.tables import reasons
from smtpbook.escape import visible

_START_PER_S: Final = 1.0
_PERIOD_S: Final = 10.0  # between two steps up, and at least between two down
_HALF: Final = 0.5
_FIFTH_LESS: Final = 0.8
_STEPS_BACK: Final = 20
# Replies that take so many times as long as at best, and a second longer, are slow.
_SLOW: Final = 3.0
_SLOW_S: Final = 1.0
_USED: Final = 0.5  # the rate rises only if so much of it was used
_ENDS: Final = frozenset({"END-OF-DATA", "BDAT"})
_AFTER: Final = _ENDS | {"RCPT", "DATA"}
_BEFORE_RCPT: Final = frozenset({"GREETING", "EHLO", "HELO", "AUTH", "MAIL"})
_FOR_NOW: Final = frozenset({421, 450, 451, 452, 454})
# Postfix's "too much mail from", "too many recipients"; others' "rate limit", "throttled".
_SPEED: Final = re.compile(r"\btoo (?:many|much|fast)\b|\brate\b|throttl|slow down", re.I)
_MAX_SHOWN: Final = 80  # characters of a reply in a record


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A reply, as far as it tells of the pace.

    Attributes
    ----------
    verb : str or None
    code : int
    enhanced_status : str or None
    text : str
    service_s : float or None
        What the server took for it.
    """

    verb: str | None
    code: int
    enhanced_status: str | None
    text: str
    service_s: float | None


@dataclass(frozen=True, slots=True)
class PaceChange:
    """A new rate: when, how much, and why.

    Attributes
    ----------
    at : float
        The instant.
    rate_per_s : float
        Messages a second from then on.
    why : str
        In words; of a reply, escaped.
    """

    at: float
    rate_per_s: float
    why: str


@dataclass(frozen=True, slots=True)
class Adaptive:
    """A rate between two others that follows the server.

    Attributes
    ----------
    floor, ceiling : float
        Messages a second.
    """

    floor: float = 1 / 60
    ceiling: float = 100.0
    looks_back_s: ClassVar[float] = 0.0

    def limiter(self) -> AdaptiveLimiter:
        """Make a limiter that has heard nothing yet."""
        return AdaptiveLimiter(self)

    def shared(self, sharers: int) -> Adaptive:
        """Give each one's part of the bounds; see `AdaptiveLimiter.become` for the rate."""
        return Adaptive(self.floor / sharers, self.ceiling / sharers)


class AdaptiveLimiter:
    """The rate so far.

    Attributes
    ----------
    rate_per_s : float
        Messages a second now.
    """

    def __init__(self, limit: Adaptive) -> None:
        self._limit = limit
        self.rate_per_s = min(max(_START_PER_S, limit.floor), limit.ceiling)
        self._step = 0.0  # 0: no cut yet, the rate doubles
        self._last = -math.inf  # when the last message began
        self._hold_until = -math.inf  # what a reply asked for
        self._deaf_until = -math.inf
        self._best_s = math.inf
        self._begin_period(None)

    def become(self, limit: Adaptive, factor: float) -> None:
        """Go on within other bounds, at so many times the rate; what was learnt stays."""
        self._limit = limit
        self.rate_per_s = min(max(self.rate_per_s * factor, limit.floor), limit.ceiling)
        self._step *= factor
        self._begin_period(None)

    def _begin_period(self, at: float | None) -> None:
        self._since = at
        self._begun, self._accepted, self._service_s = 0, 0, 0.0

    def next_at(self, now: float) -> float:
        """Give the instant, `now` or later, at which the next message may begin."""
        return max(now, self._last + 1 / self.rate_per_s, self._hold_until)

    def take(self, at: float) -> None:
        """Note that one begins."""
        self._last = at
        self._begun += 1
        if self._since is None:
            self._since = at

    def hear(self, now: float, heard: Heard) -> PaceChange | None:
        """Learn from a reply; give the new rate if it changes."""
        if heard.verb in _ENDS and heard.code < 300:
            return self._accept(now, heard.service_s or 0.0)
        if now < self._deaf_until or not asks_for_less(heard):
            return None
        hint_s = retry_hint_s(heard.text)
        if hint_s is not None:
            self._hold_until = now + min(hint_s, 3600.0)
        said = visible(f"{heard.code} {heard.text}", max_chars=_MAX_SHOWN)
        held = f", nothing for {hint_s:g} s" if hint_s else ""
        after = f" to {heard.verb}" if heard.verb is not None else ""
        return self._cut(now, _HALF, f"halved{held}: {said}{after}")

    def _accept(self, now: float, service_s: float) -> PaceChange | None:
        self._accepted += 1
        self._service_s += service_s
        if self._since is None or now - self._since < _PERIOD_S:
            return None
        mean_s = self._service_s / self._accepted
        is_used = self._begun >= _USED * self.rate_per_s * (now - self._since)
        self._begin_period(now)
        self._best_s = min(self._best_s, mean_s)
        if mean_s > max(_SLOW * self._best_s, self._best_s + _SLOW_S):
            if now < self._deaf_until:
                return None
            why = f"a fifth less: replies take {mean_s:.2g} s, at best {self._best_s:.2g} s"
            return self._cut(now, _FIFTH_LESS, why)
        if not is_used:
            return None
        if self._step:
            rate, why = self.rate_per_s + self._step, "raised: no complaint"
        else:
            rate, why = self.rate_per_s * 2, "doubled: no complaint so far"
        return self._change(now, rate, why)

    def _cut(self, now: float, factor: float, why: str) -> PaceChange | None:
        self._step = self.rate_per_s / _STEPS_BACK
        self._deaf_until = max(now, self._hold_until) + _PERIOD_S
        self._begin_period(now)
        return self._change(now, self.rate_per_s * factor, why)

    def _change(self, now: float, rate: float, why: str) -> PaceChange | None:
        rate = min(max(rate, self._limit.floor), self._limit.ceiling)
        if rate == self.rate_per_s:
            return None
        self.rate_per_s = rate
        return PaceChange(now, rate, why)


def asks_for_less(heard: Heard) -> bool:
    """Whether a reply is about how much or how fast, and not about one mailbox.

    The server's own trouble counts as well: more mail does not make it better.  A first
    refusal that is greylisting does not: any pace meets it (RFC 6647).
    """
    code, verb = heard.code, heard.verb
    if code == 421:  # to anything, or to nothing (RFC 5321 section 3.8)
        return True
    if verb in _BEFORE_RCPT:  # no mailbox has been named
        return code in _FOR_NOW
    if code // 100 != 4 or verb not in _AFTER:
        return False
    name = reason_of(verb, code, heard.enhanced_status, heard.text)
    if name is None or name == "too_many_recipients":  # in one transaction
        return False
    return (
        name == "server_error"
        or reasons()[name].advice_transient == "slow down"
        or says_too_fast(heard.text)
    )


def says_too_fast(text: str) -> bool:
    """Whether a reply speaks of how much or how fast.

    >>> says_too_fast("4.7.1 Error: too much mail from 192.0.2.1")
    True
    """
    return _SPEED.search(text) is not None
