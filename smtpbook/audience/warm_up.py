"""Warm-up: how many messages to send on which day, to a provider that does not know you.

A plan, day by day, and the pace that keeps to it.  Providers publish no numbers: the
figures are our own choice and arguments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final, NamedTuple

import pandas as pd

from smtpbook.log.frame import require_columns
from smtpbook.pacing.pace import Pace
from smtpbook.protocol.addresses import domain_of

_FIRST: Final = 50
_FACTOR: Final = 2.0
_MAX_DAYS: Final = 3650
_ALL: Final = "all"
_OTHERS: Final = "others"


def warm_up(
    volume: int | Mapping[str, int] | pd.DataFrame,
    *,
    first: int = _FIRST,
    factor: float = _FACTOR,
    most: int | None = None,
) -> pd.DataFrame:
    """Plan a warm-up: so many messages a day to each provider, until all have theirs.

    Parameters
    ----------
    volume : int, mapping of str to int, or DataFrame
        How many messages there are: for all, by provider, or of a list, as `mail_domains`
        gives it.  There, a domain whose provider is not known counts for itself.
    first : int
        How many on the first day, to each provider.
    factor : float
        How many times as many on the next day, 1 or more.
    most : int, optional
        Never more than so many a day to a provider.

    Returns
    -------
    DataFrame
        ``day`` (int64, from 1), ``provider`` (string; ``"others"``: not known),
        ``messages`` (int64) and ``so_far`` (int64, with those of earlier days); no row
        where nothing is left.  In ``attrs["pace"]`` the `Pace` that keeps to it, for
        ``Campaign(…, pace=…)``: for all together, or to each provider.

    Raises
    ------
    ValueError
        A number is none, or it would take more than ten years.
    ColumnError
        The DataFrame lacks a column.

    Examples
    --------
    >>> plan = warm_up(300, first=50)
    >>> list(plan["messages"])
    [50, 100, 150]
    >>> plan.attrs["pace"]
    Pace('warm-up 50, 100, 200')
    """
    if first < 1 or not factor >= 1 or (most is not None and most < first):
        raise ValueError(
            f"warm_up(first={first!r}, factor={factor!r}, most={most!r}): first is 1 or "
            f"more, factor too, and most at least first"
        )
    groups = _groups(volume)
    counts = _counts(
        max((group.messages for group in groups), default=0), first, factor, most
    )
    sent: Counter[tuple[int, str]] = Counter()
    for group in groups:
        for day, number in enumerate(_spread(group.messages, counts), start=1):
            sent[day, group.provider] += number
    plan = pd.DataFrame(
        [(day, provider, number) for (day, provider), number in sent.items()],
        columns=["day", "provider", "messages"],
    ).astype({"day": "int64", "provider": "string", "messages": "int64"})
    plan = plan.sort_values("day", kind="stable", ignore_index=True)
    plan["so_far"] = plan.groupby("provider")["messages"].cumsum()
    plan.attrs["pace"] = _pace(volume, counts)
    return plan


class _Group(NamedTuple):
    """Messages to those who count together."""

    provider: str
    messages: int


def _groups(volume: int | Mapping[str, int] | pd.DataFrame) -> list[_Group]:
    if isinstance(volume, pd.DataFrame):
        require_columns(volume, "domain", "provider", "recipients")
        keys = _keys(volume)
        labels = volume["provider"].astype("string").fillna(_OTHERS)
        totals = volume.groupby([labels, keys], sort=False)["recipients"].sum()
        found = [_Group(str(key[0]), int(n)) for key, n in totals.items()]  # type: ignore[index]
    elif isinstance(volume, Mapping):
        found = [_Group(str(name), int(number)) for name, number in volume.items()]
    else:
        found = [_Group(_ALL, int(volume))]
    if any(group.messages < 0 for group in found) or not sum(n for _, n in found):
        raise ValueError("warm_up(volume): give how many messages there are, 1 or more")
    return found


def _keys(domains: pd.DataFrame) -> pd.Series[str]:
    """Give whom each domain counts for: its provider, or itself."""
    return domains["provider"].astype("string").fillna(domains["domain"])


def _counts(total: int, first: int, factor: float, most: int | None) -> list[int]:
    """Give what one provider may get on each day, until a total is reached."""
    counts, left, today = list[int](), total, float(first)
    while left > 0:
        counts.append(int(today) if most is None else min(int(today), most))
        left -= counts[-1]
        today = min(today * factor, float(max(total, first)))
        if len(counts) > _MAX_DAYS:
            raise ValueError(
                f"warm_up: {total:,} messages would take more than ten years; raise "
                f"first=, factor= or most="
            )
    return counts


def _spread(total: int, counts: list[int]) -> Iterator[int]:
    """Give how many of a total go on each day."""
    for count in counts:
        if total <= 0:
            return
        yield min(count, total)
        total -= count


def _pace(volume: int | Mapping[str, int] | pd.DataFrame, counts: list[int]) -> Pace:
    days = f"warm-up {', '.join(map(str, counts))}"
    if isinstance(volume, pd.DataFrame):
        whose = dict(zip(volume["domain"], _keys(volume), strict=True))
        return Pace(per_domain=days, domain_of=partial(_counts_for, whose))
    return Pace(per_domain=days) if isinstance(volume, Mapping) else Pace(days)


def _counts_for(whose: Mapping[str, str], address: str) -> str | None:
    domain = domain_of(address)
    return None if domain is None else whose.get(domain, domain)
