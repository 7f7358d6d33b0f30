"""Verdict: what a filter says of a message: a sum, and the rules that it is made of."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from smtpbook.escape import visible

MAX_RULES: Final = 2000
_MAX_CHARS: Final = 300
_MAX_OPTIONS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule that a message meets; its texts are the filter's, and foreign.

    Attributes
    ----------
    name : str
    score : float
        What it adds; below 0 speaks for the message.
    description : str
        "" = the filter has none.
    options : tuple of str
        What it found, such as a domain.
    """

    name: str
    score: float
    description: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a filter says.

    Attributes
    ----------
    filter : {"rspamd", "spamassassin"}
    total, threshold : float
        From the threshold on the filter takes it for spam.
    action : str
        What the filter would do, in its words; SpamAssassin says ``spam`` or ``no spam``.
    rules : tuple of Rule
    """

    filter: str
    total: float
    threshold: float
    action: str
    rules: tuple[Rule, ...]

    def frame(self, **asked: Any) -> pd.DataFrame:
        """Give it as the DataFrame users see, the worst rules first.

        Parameters
        ----------
        **asked
            More for ``attrs``.
        """
        rules = sorted(self.rules[:MAX_RULES], key=lambda one: (-one.score, one.name))
        cells = [
            (
                self.filter,
                _shown(one.name),
                one.score,
                _shown(one.description) or None,
                _joined(one.options) or None,
            )
            for one in rules
        ]
        table = pd.DataFrame(cells, columns=list(_DTYPES)).astype(_DTYPES)
        table.attrs |= {
            "filter": self.filter,
            "total": self.total,
            "threshold": self.threshold,
            "action": _shown(self.action),
            **asked,
        }
        return table


_DTYPES: Final[dict[str, Any]] = {
    "filter": "string",
    "rule": "string",
    "score": "float64",
    "description": "string",
    "options": "string",
}


def number(value: Any) -> float:
    """Give a score; raises ValueError for what is none, however it came.

    >>> number("6.3")
    6.3
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{visible(str(value), max_chars=40)!a} is no score")
    found = float(value)
    if not math.isfinite(found):
        raise ValueError(f"{found} is no score")
    return found


def _joined(options: Iterable[str]) -> str:
    return _shown(", ".join(list(options)[:_MAX_OPTIONS]))


def _shown(text: str) -> str:
    return visible(" ".join(text[: 4 * _MAX_CHARS].split()), max_chars=_MAX_CHARS)
