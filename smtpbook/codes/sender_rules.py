"""Sender rules: what Gmail, Yahoo, Microsoft and Apple ask of who sends to their readers.

The rows are those of ``tables/requirements.csv``, each with its page, its day and how it
was come by.  Whether a sender meets them is for `smtpbook.preflight.requirements`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, cast

from smtpbook.codes.tables import rows

Applies = Literal["all", "bulk"]
Force = Literal["must", "should"]

BULK: Final = 5000
"""From so many messages a day on Gmail, Yahoo and Microsoft have rules of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one provider asks of who sends to its readers.

    Attributes
    ----------
    provider, rule : str
        Such as ``"gmail"`` and ``"one_click"``.
    applies : {"all", "bulk"}
    force : {"must", "should"}
    threshold : int or None
        Messages a day from which ``bulk`` begins; None = the provider names no number.
    since : str or None
        Day from which it is asked for, ISO 8601; None = not said.
    needs : {"all", "any"}
        Of its checks.
    fails_at : {"fail", "warn"}
        The mildest verdict of a check with which it is not met.
    checks : tuple of str
        Empty = none can tell.
    asks : str
        One sentence.
    remedy : str or None
        The next step, where no check can tell.
    source : str
        The page, how it was come by, and the day.
    """

    provider: str
    rule: str
    applies: Applies
    force: Force
    threshold: int | None
    since: str | None
    needs: Literal["all", "any"]
    fails_at: Literal["fail", "warn"]
    checks: tuple[str, ...]
    asks: str
    remedy: str | None
    source: str


@cache
def rules() -> tuple[Rule, ...]:
    """Give the rules, in the order of the table.

    >>> {rule.threshold for rule in rules() if rule.provider == "outlook"}
    {5001}
    """
    return tuple(
        Rule(
            provider=row["provider"],
            rule=row["rule"],
            applies=cast("Applies", row["applies"]),
            force=cast("Force", row["force"]),
            threshold=int(row["threshold"]) if row["threshold"] else None,
            since=row["since"] or None,
            needs=cast("Literal['all', 'any']", row["needs"]),
            fails_at=cast("Literal['fail', 'warn']", row["fails_at"]),
            checks=tuple(row["checks"].split()),
            asks=row["asks"],
            remedy=row["remedy"] or None,
            source=f"{row['source']}; {row['basis']} {row['date']}",
        )
        for row in rows("requirements.csv")
    )
