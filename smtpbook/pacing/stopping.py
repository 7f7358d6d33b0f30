"""Stop rules: what must not happen in a send, and the live counts they look at.

A rule only says that it is enough; stopping is `campaign`'s.
"""

from __future__ import annotations

import operator
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from smtpbook.codes.tables import reasons
from smtpbook.errors import near_miss
from smtpbook.escape import visible
from smtpbook.events import OUTCOMES

_RULE: Final = re.compile(r"\s*([a-z_]+)\s*(>=|>)\s*(\d+(?:\.\d+)?)\s*(%?)\s*")
_COMPARE: Final = {">": operator.gt, ">=": operator.ge}
_OWN: Final = OUTCOMES[:5]  # what a try can come to


class Tally:
    """Live counts of one send: recipients by outcome, by reason and by group of reasons.

    ``tally["rejected"]``, ``tally["user_unknown"]`` and ``tally["reputation"]`` are numbers
    of recipients, each counted where the last try left it; ``tally.share("rejected")`` is
    the part of all who were tried.

    Attributes
    ----------
    outcomes : Counter of str
        Recipients by outcome alone.
    tried : int
        How many recipients have been tried.
    """

    __slots__ = ("_causes", "outcomes", "tried")

    def __init__(self) -> None:
        self.tried = 0
        self.outcomes: Counter[str] = Counter()
        self._causes: Counter[str] = Counter()

    def __getitem__(self, name: str) -> int:
        return self.outcomes[name] + self._causes[name]

    def share(self, name: str) -> float:
        """Give the part of those tried, 0 to 1."""
        return self[name] / self.tried if self.tried else 0.0

    def add(self, outcome: str, reason: str | None, number: int = 1) -> None:
        """Count a recipient; a number of -1 takes it out, before its next try counts."""
        self.tried += number
        self.outcomes[outcome] += number
        if reason is not None:
            # mailbox_full is a reason and a group.
            for name in {reason, reasons()[reason].group}:
                self._causes[name] += number

    def __repr__(self) -> str:
        told = ", ".join(f"{n} {name}" for name, n in self.outcomes.items() if n)
        return f"<Tally: {told or 'nobody tried'}>"


StopWhen = Callable[[Tally], "bool | str"]
"""A stop rule: true, or a sentence that says why, when it is enough."""


@dataclass(frozen=True, slots=True)
class StopRule:
    """A stop rule in words; made by `stop_rule`."""

    name: str
    compare: str
    limit: float
    is_share: bool
    after: int

    def __call__(self, tally: Tally) -> str:
        """Say why it is enough; nothing while it is not."""
        if tally.tried < self.after:
            return ""
        seen = tally.share(self.name) * 100 if self.is_share else tally[self.name]
        if not _COMPARE[self.compare](seen, self.limit):
            return ""
        return f"{self}: {tally[self.name]:,} of {tally.tried:,}"

    def __str__(self) -> str:
        return f"{self.name} {self.compare} {self.limit:g}{' %' if self.is_share else ''}"


def stop_rule(rule: str, *, after: int = 0) -> StopRule:
    """Make a stop rule of a comparison.

    Parameters
    ----------
    rule : str
        ``"rejected > 10 %"`` (of those tried) or ``"reputation >= 5"`` (recipients): an
        outcome, a reason or a group of reasons, ``>`` or ``>=``, and a number.
    after : int
        It looks only once so many have been tried: of few, one is a large share.

    Returns
    -------
    StopRule
        For ``Campaign(stop_when=…)``.

    Raises
    ------
    ValueError
        It is not written so, or counts what there is not.

    Examples
    --------
    >>> print(stop_rule("rejected>10%", after=50))
    rejected > 10 %
    """
    match = _RULE.fullmatch(rule)
    if match is None:
        raise ValueError(
            f'{rule!r} is no stop rule; write "rejected > 10 %" or "spam >= 5"'
        )
    name, compare, number, percent = match.groups()
    groups = {reason.group for reason in reasons().values()}
    names = sorted({*_OWN, *reasons(), *groups})
    if name not in names:
        raise ValueError(
            f"{rule!r}: {name!r} is no outcome, reason or group{near_miss(name, names)}"
        )
    return StopRule(name, compare, float(number), bool(percent), after)


def why_enough(rules: tuple[StopWhen, ...], tally: Tally) -> str | None:
    """Ask the rules; give why it is enough, or None.

    A rule that fails itself is a reason to stop: nobody watches any more.
    """
    for rule in rules:
        try:
            said = rule(tally)
        except Exception as exc:
            error = visible(f"{type(exc).__name__}: {exc}")
            return f"the stop rule {_name(rule)} raised {error}"
        if said:
            return said if isinstance(said, str) else f"the stop rule {_name(rule)} held"
    return None


def _name(rule: StopWhen) -> str:
    return getattr(rule, "__name__", None) or str(rule)
