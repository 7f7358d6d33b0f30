"""Behaviours: what the lab server does otherwise than an ordinary server would.

A behaviour says what and when; a rule says where: for which command, and for which
recipients.  These are values; what comes of them, command by command, is for `rules`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Self

from smtpbook.errors import near_miss
from smtpbook.protocol.replies import Reply

PLACES: Final = (
    "GREETING",
    "EHLO",
    "HELO",
    "STARTTLS",
    "AUTH",
    "MAIL",
    "SEND",
    "SOML",
    "SAML",
    "TURN",
    "RCPT",
    "DATA",
    "END-OF-DATA",
    "BDAT",
    "RSET",
    "NOOP",
    "VRFY",
    "EXPN",
    "HELP",
    "ETRN",
    "XCLIENT",
    "QUIT",
)
_CODE: Final = re.compile(r"([2-5][0-9]{2})(?=[ \n-]|$)")


class Seen(NamedTuple):
    """What the server knows when a command has come: what behaviours go by.

    Attributes
    ----------
    session : str
        The lab's own name for it.
    recipients : tuple of str
        Whom the command concerns: one for RCPT, all accepted ones from DATA on; what was
        asked for at VRFY and EXPN; else none.
    now : float
        Of the server's clock, in seconds.
    sessions : int
        How many are open, this one included.
    is_secure, is_authenticated : bool
        Whether the session is under TLS, and has logged in.
    reverse_path : str
        From MAIL on; ``""`` before it, and for the null reverse-path.
    data : bytes
        The mail data at its end, dot-stuffing undone; empty before.
    """

    session: str
    recipients: tuple[str, ...] = ()
    now: float = 0.0
    sessions: int = 1
    is_secure: bool = False
    is_authenticated: bool = False
    reverse_path: str = ""
    data: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    r"""What to do at one place of the conversation, and when.

    Attributes
    ----------
    reply : str or None
        Such as ``"450 4.2.0 Try later"``, ``\n`` between lines; None = what an ordinary
        server says.
    delay_s : float or tuple of two or more floats
        Seconds before the reply.  A tuple is a distribution: quantiles, evenly spaced from
        the shortest to the longest, between which it is drawn evenly on the log scale.
    drip_s : float
        Seconds from one octet of the reply to the next.
    drop : bool
        Close the connection instead of replying.
    reset : bool
        The same, with a TCP reset: what is under way is lost.
    loses_reply : bool
        Do what the reply promises, then close the connection without it.  At the end of the
        mail data: the message is taken, and its client is in doubt.  The lab's log has the
        reply, with no octet of it sent.
    close : bool
        Close it behind the reply.
    when : callable, optional
        Only where this says yes to what the server has `Seen`.
    over : tuple of int and float, optional
        Only what is beyond so many in so many seconds: a limit by the clock, over a sliding
        window, for all together to whom the rule applies.  What was let through counts.
    skip : int
        Not the first so many times.
    times : int or None
        Then only so many times; None = always.
    for_s : float or None
        Only until so many seconds after the first time, as greylisting does; None = always.
        This and the two above count for the same address (or, where no recipient is known,
        in the same session).
    probability : float
        Of doing it at all, from the seed.

    Raises
    ------
    ValueError
        A field cannot be what it says.

    Examples
    --------
    The third recipient of a session is refused once; more than 30 messages a minute are.

    >>> third = Behaviour(reply="452 4.5.3 Too many recipients", skip=2, times=1)
    >>> limit = Behaviour(reply="450 4.7.1 Slow down", over=(30, 60.0))
    """

    reply: str | None = None
    delay_s: float | tuple[float, ...] = 0.0
    drip_s: float = 0.0
    drop: bool = False
    reset: bool = False
    loses_reply: bool = False
    close: bool = False
    when: Callable[[Seen], bool] | None = None
    over: tuple[int, float] | None = None
    skip: int = 0
    times: int | None = None
    for_s: float | None = None
    probability: float = 1.0

    def __post_init__(self) -> None:
        if self.reply is not None:
            self.parsed()
        if self.loses_reply and (self.drop or self.reset):
            raise ValueError(
                "drop and reset take nothing, loses_reply takes it and does not say so: "
                "give one of them"
            )
        times = self.delays
        if (
            not times
            or list(times) != sorted(times)
            or not 0 <= times[0] <= times[-1] < math.inf
        ):
            raise ValueError(
                f"delay_s={self.delay_s!r} is not a time in seconds, or several from the "
                f"shortest to the longest"
            )
        if not 0 <= self.drip_s < math.inf:
            raise ValueError(f"drip_s={self.drip_s!r} is not a time in seconds")
        if self.over is not None and not (
            self.over[0] >= 0 and 0 < self.over[1] < math.inf
        ):
            raise ValueError(f"over={self.over!r} is not a count and a time in seconds")
        if self.skip < 0 or (self.times is not None and self.times < 0):
            raise ValueError(f"skip={self.skip!r}, times={self.times!r}: not two counts")
        if self.for_s is not None and not self.for_s >= 0:
            raise ValueError(f"for_s={self.for_s!r} is not a time in seconds")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability={self.probability!r} is not between 0 and 1")

    @property
    def delays(self) -> tuple[float, ...]:
        """The delay's quantiles in seconds, from the shortest to the longest."""
        return self.delay_s if isinstance(self.delay_s, tuple) else (self.delay_s,)

    def faster(self, speed: float) -> Self:
        """Give the same with all its times divided by a number."""
        delays = tuple(delay / speed for delay in self.delays)
        return replace(
            self,
            delay_s=delays if len(delays) > 1 else delays[0],
            drip_s=self.drip_s / speed,
            over=None if self.over is None else (self.over[0], self.over[1] / speed),
            for_s=None if self.for_s is None else self.for_s / speed,
        )

    def parsed(self) -> Reply | None:
        """Give the reply as a value."""
        if self.reply is None:
            return None
        found = _CODE.match(self.reply)
        if found is None:
            raise ValueError(f"reply={self.reply!r} does not begin with a reply code")
        # The code may stand before each line, as on the wire, or before the first alone.
        again = re.compile(rf"^{found[1]}(?:[ -]|$)")
        texts = [again.sub("", line, count=1) for line in self.reply.split("\n")]
        return Reply(code=int(found[1]), lines=tuple(texts))


@dataclass(frozen=True, slots=True)
class Rule:
    """A behaviour and where it applies.

    Attributes
    ----------
    place : str
        The verb, one of `PLACES`.
    pattern : str or None
        Recipients it is for, with ``*`` and ``?``; None = whoever it is.
    behaviour : Behaviour

    Raises
    ------
    ValueError
        There is no such place.
    """

    place: str
    pattern: str | None
    behaviour: Behaviour

    def __post_init__(self) -> None:
        if self.place not in PLACES:
            raise ValueError(
                f"no place {self.place!r} in a conversation{near_miss(self.place, PLACES)}"
            )
