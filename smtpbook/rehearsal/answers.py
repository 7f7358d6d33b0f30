"""Answers: what a modelled server replies this time, and how long it takes for it.

Chance is drawn from the seed: for a recipient's lot with the address, for times with the
session, never from one stream that all share, so that connections may interleave as they
like.  Nothing here knows of octets or waits for anything.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from hashlib import blake2b
from random import Random
from typing import Final, NamedTuple

from smtpbook.lab.behaviours import PLACES, Behaviour, Seen
from smtpbook.lab.rules import NOTHING, Rules
from smtpbook.lab.server import SERVER_NAME
from smtpbook.protocol.addresses import domain_of
from smtpbook.protocol.extensions import ehlo_reply
from smtpbook.rehearsal.model import Refusal, ServerModel, Times

_MINUTE_S: Final = 60.0
_NO_TIMES: Final[Times] = (0.0,)

Chance = Callable[[], float]
"""Draws the next number from 0 to 1."""


class Answer(NamedTuple):
    """What a modelled server does instead of saying what an ordinary one says.

    Attributes
    ----------
    octets : bytes or None
        None = what an ordinary server says, though later.
    code : int
        Its reply code; 0 where there is none.
    delay_s : float
        How much later than its own time for the command.
    drop, close : bool
        The connection ends instead of the reply, or behind it.
    """

    octets: bytes | None
    code: int
    delay_s: float
    drop: bool
    close: bool


class Answers:
    """What one modelled server says in one rehearsal.

    Parameters
    ----------
    model : ServerModel
    seed : int

    Attributes
    ----------
    ehlo : bytes
        The reply to EHLO.
    unsure : frozenset of str
        Verbs to which something else may be said `instead` of what is ordinary.
    together_s : float
        What follows a reply within so many seconds comes with it.
    """

    def __init__(self, model: ServerModel, seed: int) -> None:
        self._model = model
        self.ehlo = ehlo_reply(SERVER_NAME, model.extensions).to_bytes()
        # "SHOULD elect to store responses to grouped ... MAIL FROM ... and RCPT TO commands
        # in an internal buffer so they can sent as a unit." -- RFC 2920 section 3.2.  The
        # lab does not; but each waking of a task costs as much as all else that is done
        # for a reply.
        self.together_s = math.inf if model.rules is None else 0.001
        self._seed = seed
        self._rules = None if model.rules is None else Rules(model.rules, seed)
        self._times = dict(model.service_s)
        self._others = model.service_s.get("", _NO_TIMES)
        self._draws: dict[str, Chance] = {}  # by session
        self._first: dict[str, float] = {}  # when the greylisted came first
        self._accepted: deque[float] = deque()  # when, for the last minute
        self._named = {one.domain for one in model.refusals if one.domain is not None}
        refusing = frozenset(refusal.verb for refusal in model.refusals)
        self.unsure = refusing if model.rules is None else frozenset(PLACES)
        self._shares: defaultdict[tuple[str, str | None], list[Refusal]] = defaultdict(list)
        self._limits: defaultdict[str, list[Refusal]] = defaultdict(list)
        for refusal in model.refusals:
            if refusal.above_per_minute is not None:
                self._limits[refusal.verb].append(refusal)
            else:
                self._shares[refusal.verb, refusal.domain].append(refusal)
        self._said: dict[str, tuple[bytes, int]] = {}

    def chance(self, session: str) -> Chance:
        """Give the session's own stream of numbers; it goes on where it was left."""
        draws = self._draws.get(session)
        if draws is None:
            chance = Random(f"{self._seed} {session}").random  # noqa: S311
            draws = self._draws[session] = chance
        return draws

    def round_trip_s(self, chance: Chance) -> float:
        """Give how long a group of commands and its reply are under way."""
        return _draw(self._model.round_trip_s, chance())

    def service_s(self, verb: str, chance: Chance) -> float:
        """Give the server's own time for a command."""
        times = self._times.get(verb, self._others)
        return _draw(times, chance()) if times[-1] else 0.0

    def tls_s(self, chance: Chance) -> float:
        """Give how long a TLS handshake takes."""
        return _draw(self._model.tls_s, chance())

    def instead(
        self,
        verb: str,
        recipients: Sequence[str],
        session: str,
        chance: Chance,
        now: float,
    ) -> Answer | None:
        """Give what is done about a command; None = what an ordinary server says.

        Parameters
        ----------
        verb : str
        recipients : sequence of str
            Whom it concerns: one for RCPT, all accepted ones from DATA on, else none.
        session : str
            For rules that count where no recipient is known.
        chance : callable
            The session's.
        now : float
            The instant.
        """
        if self._rules is not None:
            seen = Seen(session, tuple(recipients), now)
            action = self._rules.action(verb, seen)
            if action is not NOTHING:
                octets = None if action.reply is None else action.reply.to_bytes()
                code = 0 if action.reply is None else action.reply.code
                return Answer(octets, code, action.delay_s, action.drop, action.close)
        who = recipients[0].lower() if recipients else ""
        refusal = self._refusal(verb, who, chance, now)
        if refusal is None:
            return None
        octets, code = self._spelled(refusal.reply)
        return Answer(octets, code, 0.0, False, False)

    def accept(self, now: float) -> None:
        """Note that a message was accepted."""
        if self._limits:
            self._accepted.append(now)

    def _refusal(self, verb: str, who: str, chance: Chance, now: float) -> Refusal | None:
        for limit in self._limits.get(verb, ()):
            while self._accepted and self._accepted[0] <= now - _MINUTE_S:
                self._accepted.popleft()
            if len(self._accepted) >= (limit.above_per_minute or 0):
                return limit
        domain = domain_of(who) if who and self._named else None
        domain = domain if domain in self._named else None
        refusals = self._shares.get((verb, domain))
        if not refusals:
            return None
        # A recipient's lot stays the same at each try; a command's is drawn anew.
        left = self._fixed(verb, who) if who else chance()
        for refusal in refusals:
            left -= refusal.share
            if left < 0:
                return refusal if self._holds(refusal, who, now) else None
        return None

    def _holds(self, refusal: Refusal, who: str, now: float) -> bool:
        if refusal.for_s is None:
            return True
        return now < self._first.setdefault(who, now) + refusal.for_s

    def _spelled(self, reply: str) -> tuple[bytes, int]:
        if reply not in self._said:
            parsed = Behaviour(reply=reply).parsed()
            assert parsed is not None
            self._said[reply] = parsed.to_bytes(), parsed.code
        return self._said[reply]

    def _fixed(self, verb: str, who: str) -> float:
        """Draw a recipient's number from 0 to 1, always the same one."""
        what = f"{self._seed} {verb} {who}".encode()
        return int.from_bytes(blake2b(what, digest_size=8).digest(), "big") / 2**64


def _draw(times: Times, chance: float) -> float:
    """Give the time at a quantile."""
    place = chance * (len(times) - 1)
    index = int(place)
    low = times[index]
    return low if index == place else low + (times[index + 1] - low) * (place - index)
