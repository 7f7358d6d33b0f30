"""Summaries: the replies that turned somebody away, counted.

Nothing is drawn here; the tables of a log are those of `smtpbook.tables`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from smtpbook.log.distinct import number_of
from smtpbook.log.frame import require_columns

_REFUSAL: Final = ["verb", "reply_code", "enhanced_status"]


def replies(log: pd.DataFrame) -> pd.DataFrame:
    """Give the log's rows that hold a reply of their own; ``outcome`` rows do not.

    What is no reply code of SMTP (200 to 599, RFC 5321 section 4.2) is no reply.
    """
    require_columns(log, "kind", "reply_code")
    own = log["reply_code"].between(200, 599).fillna(False) & (log["kind"] != "outcome")
    return log[own.to_numpy(bool)]


def refused(log: pd.DataFrame) -> pd.DataFrame:
    """Give the rows of the 4yz and 5yz replies that decided.

    They are the ``outcome`` rows; in a session that has none, as one that ends with its
    greeting, they are the replies themselves.
    """
    require_columns(log, "kind", "reply_code", "session_id")
    session, _ = number_of(log["session_id"])
    outcome = (log["kind"] == "outcome").to_numpy(bool)
    # The last place is that of rows without a session, -1.
    is_decided = np.zeros(session.max(initial=-1) + 2, bool)
    is_decided[session[outcome]] = True
    is_refused = log["reply_code"].between(400, 599).fillna(False).to_numpy(bool)
    rows: pd.DataFrame = log[is_refused & (outcome | ~is_decided[session])]
    return rows


def refusals(log: pd.DataFrame) -> pd.DataFrame:
    """Count the 4yz and 5yz replies that decided, most frequent first.

    Counted are recipients, by their ``outcome`` rows: a 554 to the DATA that was pipelined
    behind a refused RCPT decides nothing.  In a session without outcome rows, replies are.
    Replies are alike if verb, reply code and enhanced status are; their texts often hold
    an id or an address.

    Returns
    -------
    DataFrame
        ``verb``, ``reply_code`` (Int16), ``enhanced_status`` (null if none),
        ``reply_text`` (the most frequent one), ``reason``, ``times`` (int), ``texts``
        (int, how many different ones there were).
    """
    require_columns(log, *_REFUSAL, "kind", "reply_text", "reason")
    rows = refused(log)
    # Most frequent text first, so that the first of each group is its text.
    texts = (
        rows.groupby([*_REFUSAL, "reply_text", "reason"], observed=True, dropna=False)
        .size()
        .rename("times")
        .reset_index()
        .sort_values("times", ascending=False, kind="stable")
    )
    groups = texts.groupby(_REFUSAL, observed=True, dropna=False, sort=False)
    table = texts[~texts.duplicated(_REFUSAL)].reset_index(drop=True)
    number = groups.ngroup()
    table["times"] = texts["times"].groupby(number.to_numpy()).sum().to_numpy()
    table["texts"] = number.groupby(number.to_numpy()).size().to_numpy()
    return table.sort_values("times", ascending=False, kind="stable", ignore_index=True)


def most_frequent_refusal(log: pd.DataFrame) -> dict[str, Any] | None:
    """Give the first row of `refusals` as a dict, nulls as None; None if there is none."""
    table = refusals(log)
    if table.empty:
        return None
    first = table.head(1).to_dict("records")[0]
    return {str(name): None if pd.isna(cell) else cell for name, cell in first.items()}
