"""Reasons: why mail was refused, as a table of wordings, by domain and hour if asked.

What a reply means was decided when the log was made (its column ``reason``); how replies
are worded alike is for `wordings`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import pandas as pd

from smtpbook.codes import tables
from smtpbook.escape import visible
from smtpbook.log.distinct import number_of, number_rows
from smtpbook.tables.refusals import SHORT, refusals_by
from smtpbook.tables.scan import Log
from smtpbook.tables.wordings import mask, merge

_NEEDED: Final = ("reason", "reply_code", "reply_text", "recipient_domain")
_MAX_CHARS: Final = 300  # of an example


def reasons(log: Log, *, by: str | Iterable[str] = ()) -> pd.DataFrame:
    """Tell why mail was refused: each wording with its reason, how often, where and when.

    Counted are recipients that were refused, by their ``outcome`` rows, at each attempt; in
    a session without those, 4yz and 5yz replies are.  Two replies are worded alike if they
    have the same reason and code, and their texts differ in nothing but addresses, hosts,
    IP addresses, URLs, times, ids and numbers, or in a word or two besides.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.  Of a scan, the different texts of refusals must fit into memory.
    by : str or iterable of str
        Count within each value of these, too: ``"domain"`` (short for
        ``"recipient_domain"``), ``"hour"`` (the time of the refusal, UTC, cut to the hour),
        or any column of the log.

    Returns
    -------
    DataFrame
        Most frequent first: the columns of ``by``, and then

        ``reason``, ``group`` : string
            Null where the log has no reason.
        ``reply_code`` : Int16
        ``wording`` : string
            What the texts have in common; what varies stands as ``<address>`` and the
            like, or as ``*``.  Safe to show.
        ``count`` : int
        ``share`` : float, 0 to 1
            Of all refusals, or of those with the same ``by``.
        ``domains`` : int
            How many different domains of recipients.
        ``domain`` : string
            The most frequent of them; null = none is known.
        ``first``, ``last`` : datetime64[us, UTC]
        ``example`` : string
            The most frequent text, escaped, of 300 characters at most.

    Raises
    ------
    ColumnError
        The log lacks a column, or ``by`` names one that it does not have.

    Examples
    --------
    >>> from smtpbook.events import Event
    >>> from smtpbook.log.frame import to_frame
    >>> said = [("550", f"5.1.1 <{name}@x.example>: no such user") for name in "ab"]
    >>> said += [("450", "4.7.1 Greylisted, come back in 300 seconds")]
    >>> rows = [
    ...     Event(verb="RCPT", reply_code=int(code), reply_text=text).to_row()
    ...     for code, text in said
    ... ]
    >>> reasons(to_frame(rows))[["reason", "wording", "count"]]
             reason                                          wording  count
    0  user_unknown                    5.1.1 <address>: no such user      2
    1    greylisted  4.7.1 Greylisted, come back in <number> seconds      1
    """
    names = [by] if isinstance(by, str) else list(by)
    rows = refusals_by(log, [*names, *_NEEDED])
    keys = {name: rows[name] for name in (SHORT.get(name, name) for name in names)}
    times = rows["times"].to_numpy()
    wording, shown = _wordings(rows)
    whole, first = number_rows([*(number_of(key)[0] for key in keys.values()), wording])
    chosen, domain = rows.iloc[first], rows["recipient_domain"]
    groups = {name: reason.group for name, reason in tables.reasons().items()}
    table = pd.DataFrame(
        {
            **{name: key.iloc[first].array for name, key in keys.items()},
            "reason": chosen["reason"].astype("string").array,
            "group": chosen["reason"].astype("string").map(groups).astype("string").array,
            "reply_code": chosen["reply_code"].array,
            "wording": pd.array([shown[number] for number in wording[first]], "string"),
            "count": _sums(whole, times, len(first)),
        }
    )
    within = table.groupby(list(keys) or (lambda _: 0), dropna=False, observed=True)
    table["share"] = table["count"] / within["count"].transform("sum")
    table["domains"] = domain.groupby(whole).nunique().to_numpy()
    table["domain"] = _most_frequent(whole, domain, times)
    table["first"] = rows["first"].groupby(whole).min().array
    table["last"] = rows["last"].groupby(whole).max().array
    example = pd.Series(_most_frequent(whole, rows["reply_text"], times))
    table["example"] = example.map(
        lambda text: visible(text, max_chars=_MAX_CHARS), na_action="ignore"
    ).astype("string")
    return table.sort_values("count", ascending=False, kind="stable", ignore_index=True)


def _sums(number: Any, times: Any, length: int) -> Any:
    """Add up times of each number."""
    return np.bincount(number, times, minlength=length).astype(np.int64)


def _wordings(rows: pd.DataFrame) -> tuple[Any, list[str]]:
    """Number each row's wording; each distinct text is looked at once."""
    same = [number_of(rows[name])[0] for name in ("reason", "reply_code", "reply_text")]
    text, first = number_rows(same)
    chosen = rows.iloc[first]
    masked = ["" if pd.isna(said) else mask(said) for said in chosen["reply_text"]]
    kinds = list(zip(same[0][first], same[1][first], strict=True))
    counts: dict[tuple[Any, str], int] = {}
    alike = list(zip(kinds, masked, strict=True))
    for pair, count in zip(
        alike, _sums(text, rows["times"].to_numpy(), len(first)), strict=True
    ):
        counts[pair] = counts.get(pair, 0) + int(count)
    order = sorted(counts, key=lambda pair: -counts[pair])
    numbers, shown = merge([said for _, said in order], [kind for kind, _ in order])
    place = dict(zip(order, numbers, strict=True))
    return np.array([place[pair] for pair in alike], int)[text], shown


def _most_frequent(group: Any, column: pd.Series[Any], times: Any) -> Any:
    """Give each group its most frequent value, the first of equals, or else null."""
    values, names = number_of(column)
    pair, first = number_rows([group, values])
    counts = np.where(values[first] >= 0, _sums(pair, times, len(first)), -1)
    # Of each group the first after sorting: the most frequent, or else the earliest.
    order = np.lexsort((first, -counts, group[first]))
    chosen = order[np.unique(group[first][order], return_index=True)[1]]
    found = values[first][chosen]
    return pd.array([names[n] if n >= 0 else None for n in found], "string")
