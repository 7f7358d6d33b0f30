"""Summaries: the replies that turned somebody away, counted.

Nothing is drawn here; the tables of a log are those of `smtpbook.tables`.
"""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from smtpbook.tables.refusals import refusals_by
from smtpbook.tables.scan import Log

_REFUSAL: Final = ["verb", "reply_code", "enhanced_status"]


def refusals(log: Log) -> pd.DataFrame:
    """Count the 4yz and 5yz replies that decided, most frequent first.

    Counted are recipients, by their ``outcome`` rows: a 554 to the DATA that was pipelined
    behind a refused RCPT decides nothing.  In a session without outcome rows, replies are.
    Replies are alike if verb, reply code and enhanced status are; their texts often hold
    an id or an address.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.  Of a scan, the different texts of refusals must fit into memory.

    Returns
    -------
    DataFrame
        ``verb`` (null if none), ``reply_code`` (Int16), ``enhanced_status`` (null if none),
        ``reply_text`` (the most frequent one), ``reason``, ``times`` (int), ``texts``
        (int, how many different ones there were).

    Raises
    ------
    ColumnError
        The log lacks a column.
    """
    texts = refusals_by(log, [*_REFUSAL, "reply_text", "reason"])
    # Most frequent text first, so that the first of each group is its text.
    texts = texts.drop(columns=["first", "last"])
    texts = texts.sort_values("times", ascending=False, kind="stable", ignore_index=True)
    groups = texts.groupby(_REFUSAL, observed=True, dropna=False, sort=False)
    table = texts[~texts.duplicated(_REFUSAL)].reset_index(drop=True)
    number = groups.ngroup()
    table["times"] = texts["times"].groupby(number.to_numpy()).sum().to_numpy()
    table["texts"] = number.groupby(number.to_numpy()).size().to_numpy()
    return table.sort_values("times", ascending=False, kind="stable", ignore_index=True)


def most_frequent_refusal(log: Log) -> dict[str, Any] | None:
    """Give the first row of `refusals` as a dict, nulls as None; None if there is none."""
    table = refusals(log)
    if table.empty:
        return None
    first = table.head(1).to_dict("records")[0]
    return {str(name): None if pd.isna(cell) else cell for name, cell in first.items()}
