"""Retry: when a recipient is tried again, and when no more.

A schedule by what the reply meant; the waiting is `campaign`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from smtpbook.codes.hints import retry_hint_s
from smtpbook.codes.tables import reasons
from smtpbook.errors import near_miss

_MINUTE: Final = 60.0
_HOUR: Final = 3600.0

# Pauses in seconds; the last one is repeated until the give-up time.  RFC 5321 section
# 4.5.4.1 asks for at least half an hour in general, "however, more sophisticated and
# variable strategies will be beneficial when the SMTP client can determine the reason for
# non-delivery", and suggests two tries in the first hour, then one every two or three.
# Greylisting lets a retry through from one minute to 24 hours after the first try, by the
# default of RFC 6647 section 5.  The other numbers are our own choice.
_AFTER_S: Final[Mapping[str, tuple[float, ...]]] = MappingProxyType(
    {
        "greylisted": (5 * _MINUTE, 10 * _MINUTE, 30 * _MINUTE, _HOUR),
        "rate_limited": (10 * _MINUTE, 30 * _MINUTE, _HOUR),
        "too_many_recipients": (_MINUTE, 10 * _MINUTE, 30 * _MINUTE),
        "mailbox_full": (4 * _HOUR, 8 * _HOUR, 12 * _HOUR),
        "network": (_MINUTE, 5 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE, _HOUR),
        "server_error": (15 * _MINUTE, 30 * _MINUTE, _HOUR, 2 * _HOUR),
        "unknown": (30 * _MINUTE, _HOUR, 2 * _HOUR, 4 * _HOUR),
    }
)
_DAY_S: Final = 24 * _HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Whom a send tries again by itself, and when.

    Everybody deferred (4yz) and failed (no reply before the mail data was complete) is
    tried again; who may have got the message (``in_doubt``) never, and who was rejected
    (5yz) only if asked.  A time that the reply names ("try again in 5 minutes") comes
    before the schedule.

    Attributes
    ----------
    after_s : mapping of str to sequence of float
        Seconds before the second try, the third …, by reason (``"greylisted"``); the last
        number is repeated.  ``"network"`` is also for no reply, ``"unknown"`` for every
        reason without a schedule.  Replaces the default for the reasons it names.
    give_up_s : float
        Give-up time: nobody is tried again so long after the first try.  A day; RFC 5321
        asks 4 to 5 days of a server's queue, which outlives a notebook.
    max_attempts : int or None
        At most so many tries in one send; None = no limit but the give-up time.
    rejected : collection of str
        Reasons for which a 5yz too is tried again.

    Raises
    ------
    ValueError
        A reason or a number is none.

    References
    ----------
    RFC 5321 section 4.5.4.1 (retry strategies), RFC 6647 section 5 (greylisting).

    Examples
    --------
    ``Campaign(…, retry=Retry(after_s={"mailbox_full": [3600]}, give_up_s=8 * 3600))``
    """

    after_s: Mapping[str, Sequence[float]] = field(default_factory=dict)
    give_up_s: float = _DAY_S
    max_attempts: int | None = None
    rejected: Collection[str] = ()

    def __post_init__(self) -> None:
        rejected = (self.rejected,) if isinstance(self.rejected, str) else self.rejected
        object.__setattr__(self, "rejected", tuple(rejected))
        for name in (*self.after_s, *self.rejected):
            if name not in reasons():
                raise ValueError(
                    f"Retry: {name!r} is no reason{near_miss(name, reasons())}"
                )
        for name, pauses in self.after_s.items():
            if not pauses or not all(pause > 0 for pause in pauses):
                raise ValueError(
                    f"Retry: after_s[{name!r}] = {pauses!r}: seconds, at least one number, "
                    f"all above 0"
                )
        if not self.give_up_s > 0:
            raise ValueError(f"Retry: give_up_s={self.give_up_s!r} is no time")
        if self.max_attempts is not None and self.max_attempts < 1:
            raise ValueError(f"Retry: max_attempts={self.max_attempts!r}: 1 or more")

    def pause_s(
        self, outcome: str, reason: str | None, text: str, tries: int, since_first_s: float
    ) -> float | None:
        """Give how long to wait before the next try.

        Parameters
        ----------
        outcome : str
            Of the last try.
        reason : str or None
            What its reply meant; None = there was none.
        text : str
            What the reply said.
        tries : int
            So far, 1 or more.
        since_first_s : float
            Seconds since the first try.

        Returns
        -------
        float or None
            Seconds; None = there is no further try.

        Examples
        --------
        >>> Retry().pause_s("deferred", "greylisted", "come back later", 1, 0)
        300.0
        >>> Retry().pause_s("rejected", "user_unknown", "no such user", 1, 0)
        """
        if outcome == "rejected":
            if reason not in self.rejected:
                return None
        elif outcome not in ("deferred", "failed"):
            return None
        if self.max_attempts is not None and tries >= self.max_attempts:
            return None
        pause_s = retry_hint_s(text)
        if not pause_s:
            pauses = self._schedule("network" if reason is None else reason)
            pause_s = pauses[min(tries, len(pauses)) - 1]
        return None if since_first_s + pause_s > self.give_up_s else pause_s

    def _schedule(self, reason: str) -> Sequence[float]:
        for name in (reason, "unknown"):
            for schedule in (self.after_s, _AFTER_S):
                if name in schedule:
                    return schedule[name]
        raise AssertionError("every schedule has an entry for unknown reasons")
