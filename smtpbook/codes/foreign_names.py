"""Foreign names: what other tools call our reasons, for reports that go on into theirs.

The table is ``tables/foreign_names.csv``; where a tool has no name, it holds none, and none
is made up.  Which reason a reply has is not asked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final, Literal

from smtpbook.codes.tables import reasons, rows
from smtpbook.errors import near_miss

TOOLS: Final = ("sisimai", "kumomta", "sendgrid", "powermta")
"""The tools whose names are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignName:
    """What one tool calls one of our reasons.

    Attributes
    ----------
    name : str or None
        As the tool writes it; None = it has none that would not mislead.
    fit : {"same", "wider", "near"} or None
        ``same``: it means this reason.  ``wider``: it means this one and others.
        ``near``: the closest there is, in our judgement.  None = there is no name.
    source : str
        Where the tool's names are listed.
    """

    name: str | None
    fit: Literal["same", "wider", "near"] | None
    source: str


def foreign_names(tool: str) -> Mapping[str, str | None]:
    """Give a tool's names for all our reasons; None = it has none.

    Raises
    ------
    ValueError
        The tool is not known; the message names the near miss.

    Examples
    --------
    >>> foreign_names("kumomta")["mailbox_full"]
    'QuotaIssues'
    >>> foreign_names("powermat")
    Traceback (most recent call last):
    ValueError: no names of 'powermat'; did you mean 'powermta'?
    """
    if tool not in TOOLS:
        raise ValueError(f"no names of {tool!r}{near_miss(tool, TOOLS)}")
    return {reason: foreign_table()[reason, tool].name for reason in reasons()}


@cache
def foreign_table() -> Mapping[tuple[str, str], ForeignName]:
    """Give the whole table, by reason and tool.

    >>> foreign_table()["spam", "sendgrid"].fit
    'wider'
    """
    return MappingProxyType(
        {
            (row["reason"], row["tool"]): ForeignName(
                name=row["name"] or None,
                fit=row["fit"] or None,  # type: ignore[arg-type]
                source=row["source"],
            )
            for row in rows("foreign_names.csv")
        }
    )
