"""Findings: what checks before a send came to, as rows with evidence and the next step.

Whoever checks something describes it as a `Check` and gives `Finding` values; this is the
one table they are shown in.  Nothing here checks anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from typing import Any, Final, Literal, NamedTuple, get_args

import pandas as pd

Verdict = Literal["fail", "warn", "unknown", "pass"]
VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)
"""The most urgent first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    check : str
        What was looked at, in a word.
    verdict : {"fail", "warn", "unknown", "pass"}
        ``unknown``: it cannot be told from here, or before the first connection.
    evidence : str
        What was found; foreign text in it is escaped.
    remedy : str or None
        The next step; None = none is needed.
    source : str or None
        The standard or page that asks for it; None = none does.
    """

    check: str
    verdict: Verdict
    evidence: str
    remedy: str | None = None
    source: str | None = None


class Said(NamedTuple):
    """One thing a check has to say, before it is filed under the check's name.

    Attributes
    ----------
    verdict : {"fail", "warn", "unknown", "pass"}
    evidence : str
        What was found; safe to show.
    remedy : str or None
        The next step; None = none is needed, or the check has its own.
    """

    verdict: Verdict
    evidence: str
    remedy: str | None = None


def urgency(found: Finding | Said) -> int:
    """Give the place of a verdict among the others, by which the most urgent is first."""
    return VERDICTS.index(found.verdict)


def passes(evidence: str) -> Said:
    """Say that all is well."""
    return Said("pass", evidence)


def warns(evidence: str, remedy: str | None = None) -> Said:
    """Say that something might be better."""
    return Said("warn", evidence, remedy)


def fails(evidence: str, remedy: str | None = None) -> Said:
    """Say that something is wrong."""
    return Said("fail", evidence, remedy)


def unknown(evidence: str, remedy: str | None = None) -> Said:
    """Say that it cannot be told."""
    return Said("unknown", evidence, remedy)


Group = Literal["identity", "infrastructure", "message", "list", "send"]
"""What a check is about; ``send``: this one campaign, its account and its pace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What is looked at before a send, and by which criterion.

    Attributes
    ----------
    name : str
        As `Finding.check` says it.
    group : {"identity", "infrastructure", "message", "list", "send"}
    asks : str
        The question that it answers.
    source : str or None
        The standard or page that asks for it, with its date; None = common sense does.
    """

    name: str
    group: Group
    asks: str
    source: str | None = None

    def found(self, said: Said) -> Finding:
        """File what was said under the check's name."""
        return Finding(check=self.name, source=self.source, **said._asdict())


_DTYPES: Final[dict[str, Any]] = {field.name: "string" for field in fields(Finding)} | {
    "verdict": pd.CategoricalDtype(list(VERDICTS), ordered=True)
}


def findings_frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """Give findings as the DataFrame users see, the most urgent first.

    Returns
    -------
    DataFrame
        ``check`` (string), ``verdict`` (ordered category), ``evidence``, ``remedy`` and
        ``source`` (string; null = none); a row each.

    >>> findings_frame([Finding(check="size", verdict="pass", evidence="512 octets")])
      check verdict    evidence remedy source
    0  size    pass  512 octets   <NA>   <NA>
    """
    urgent = sorted(findings, key=urgency)
    columns = list(zip(*map(astuple, urgent), strict=True)) or [()] * len(_DTYPES)
    return pd.DataFrame(
        {
            name: pd.Series(list(cells), dtype=dtype)
            for (name, dtype), cells in zip(_DTYPES.items(), columns, strict=True)
        }
    )
