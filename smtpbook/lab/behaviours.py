"""Behaviours: what the lab server does otherwise than an ordinary server would.

A behaviour says what; a rule says where: for which command, and for which recipients.
Chance is drawn from the seed, the command, the address and the count, so the same seed
gives the same replies however the connections interleave.  Nothing here does I/O.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from dataclasses import dataclass
from fnmatch import translate
from typing import Final

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
# 550-5.1.1.anything@… asks for "550 5.1.1"
_BY_ADDRESS: Final = re.compile(r"([45]\d\d)(?:-([45]\.\d{1,3}\.\d{1,3}))?\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    r"""What to do at one place of the conversation.

    Attributes
    ----------
    reply : str or None
        Such as ``"450 4.2.0 Try later"``, ``\n`` between lines; None = what an ordinary
        server says.
    delay_s : float or tuple of two floats
        Seconds before the reply; of a range, drawn evenly on the log scale.
    drop : bool
        Close the connection instead of replying.
    close : bool
        Close it behind the reply.
    times : int or None
        Only the first so many times for the same address (or, where no recipient is known,
        in the same session); None = always.
    probability : float
        Of doing it at all, from the seed.

    Raises
    ------
    ValueError
        A field cannot be what it says.
    """

    reply: str | None = None
    delay_s: float | tuple[float, float] = 0.0
    drop: bool = False
    close: bool = False
    times: int | None = None
    probability: float = 1.0

    def __post_init__(self) -> None:
        if self.reply is not None:
            self.parsed()
        low, high = self.delay_range
        if not 0 <= low <= high < math.inf:
            raise ValueError(
                f"delay_s={self.delay_s!r} is not a time in seconds or a range"
            )
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability={self.probability!r} is not between 0 and 1")

    @property
    def delay_range(self) -> tuple[float, float]:
        """The shortest and the longest delay, in seconds."""
        if isinstance(self.delay_s, tuple):
            return self.delay_s
        return self.delay_s, self.delay_s

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
    """

    place: str
    pattern: str | None
    behaviour: Behaviour


@dataclass(frozen=True, slots=True)
class Action:
    """What a behaviour comes to this time: the draw has been made."""

    reply: Reply | None
    delay_s: float
    drop: bool
    close: bool


NOTHING: Final = Action(None, 0.0, False, False)


class Rules:
    """The rules of one lab server, with what they have to remember.

    Parameters
    ----------
    rules : sequence of Rule
        The first that fits a command decides.
    seed : int
    """

    def __init__(self, rules: tuple[Rule, ...], seed: int) -> None:
        self._seed = seed
        self._counts: Counter[tuple[int, str]] = Counter()
        self._rules: tuple[tuple[Rule, re.Pattern[str] | None], ...] = ()
        for rule in reversed(rules):
            self.add(rule)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules as they are now; the first that fits decides."""
        return tuple(rule for rule, _ in self._rules)

    def add(self, rule: Rule) -> None:
        """Put a rule in front of the others.

        Raises
        ------
        ValueError
            There is no such place.
        """
        if rule.place not in PLACES:
            raise ValueError(
                f"no place {rule.place!r} in a conversation{near_miss(rule.place, PLACES)}"
            )
        pattern = (
            None if rule.pattern is None else re.compile(translate(rule.pattern), re.I)
        )
        # Another tuple, not a changed list: the lab's thread may be going through it.
        self._rules = ((rule, pattern), *self._rules)

    def action(self, place: str, recipients: tuple[str, ...], session: str) -> Action:
        """Decide what to do about a command.

        Parameters
        ----------
        place : str
            The verb.
        recipients : tuple of str
            Whom it concerns: one for RCPT, all accepted ones from DATA on, else none.
        session : str
            For counting where no recipient is known.
        """
        if place == "RCPT" and (found := _BY_ADDRESS.match(recipients[0])):
            code, status = found[1], found[2] or f"{found[1][0]}.0.0"
            reply = Reply(code=int(code), lines=(f"{status} As the address asks",))
            return Action(reply, 0.0, False, False)
        rules = self._rules
        for number, (rule, pattern) in enumerate(rules):
            if rule.place != place:
                continue
            who = next((r for r in recipients if pattern is None or pattern.match(r)), None)
            if who is None and pattern is not None:
                continue
            action = self._draw(len(rules) - number, rule.behaviour, place, who or session)
            if action is not None:
                return action
        return NOTHING

    def _draw(self, rule: int, behaviour: Behaviour, place: str, key: str) -> Action | None:
        count = self._counts[rule, key]
        self._counts[rule, key] += 1
        if behaviour.times is not None and count >= behaviour.times:
            return None
        low, high = behaviour.delay_range
        if behaviour.probability == 1.0 and low == high:
            delay_s = low
        else:
            # Seeded by what is asked, not by when: interleaving changes nothing.
            draw = random.Random(f"{self._seed} {place} {key.lower()} {count}")  # noqa: S311
            if draw.random() >= behaviour.probability:
                return None
            delay_s = _log_uniform(draw, low, high)
        return Action(behaviour.parsed(), delay_s, behaviour.drop, behaviour.close)


def _log_uniform(draw: random.Random, low: float, high: float) -> float:
    if low == high:
        return low
    if low == 0:
        return draw.uniform(low, high)
    return math.exp(draw.uniform(math.log(low), math.log(high)))
