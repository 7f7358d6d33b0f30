"""Outcomes: what became of each recipient, taken from the log's ``outcome`` rows.

The last ``outcome`` row of a recipient is its state; nothing is inferred from replies,
because one reply can decide many recipients and a lost one decides none.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import pandas as pd

from smtpbook.escape import to_cell
from smtpbook.events import OUTCOMES
from smtpbook.log.frame import require_columns
from smtpbook.states import state

OUTCOME_COLUMNS: Final = (
    "recipient",
    "state",
    "recipient_domain",
    "outcome",
    "reason",
    "verb",
    "reply_code",
    "enhanced_status",
    "reply_text",
    "error",
    "attempt",
    "time",
    "queue_id",
    "message_id",
)
"""The columns of `outcomes`: who, what, why, when, and how to find it again."""


def outcomes(log: pd.DataFrame) -> pd.DataFrame:
    """Give one row per recipient: what became of it, and the reply that decided.

    Parameters
    ----------
    log : DataFrame
        Event log.  Only rows of kind ``outcome`` count; the last one of a recipient wins,
        in the log's own order.

    Returns
    -------
    DataFrame
        The columns `OUTCOME_COLUMNS` with the log's dtypes, recipients in the order in
        which they first appear, index 0 to n-1.  ``state`` (category) is the outcome as it
        is shown, with its icon.  ``reply_code`` is null where no reply decided (``failed``,
        ``in_doubt``, ``suppressed``).

    Raises
    ------
    ColumnError
        The log lacks one of the columns.

    Examples
    --------
    >>> from smtpbook.events import Event
    >>> from smtpbook.log.frame import to_frame
    >>> rows = [
    ...     Event(kind="outcome", recipient="ann@example.org", outcome=state).to_row()
    ...     for state in ("deferred", "accepted")
    ... ]
    >>> outcomes(to_frame(rows))[["recipient", "state", "outcome"]]
             recipient       state   outcome
    0  ann@example.org  ✓ accepted  accepted
    """
    of_log = [name for name in OUTCOME_COLUMNS if name != "state"]
    require_columns(log, "kind", *of_log)
    rows = log.loc[(log["kind"] == "outcome").to_numpy(bool), of_log]
    rows = rows[rows["recipient"].notna()]
    last = rows.drop_duplicates("recipient", keep="last").set_index("recipient")
    order = rows["recipient"].drop_duplicates()
    table = last.loc[order].reset_index()
    table.insert(OUTCOME_COLUMNS.index("state"), "state", shown(table["outcome"]))
    return table


def shown(outcomes: pd.Series[Any]) -> pd.Series[Any]:
    """Give outcomes as they are shown, such as "✓ accepted": a category; null stays null.

    >>> shown(pd.Series(["pending", None, "accepted"])).tolist()
    ['○ pending', nan, '✓ accepted']
    """
    names = {name: str(state(name)) for name in outcomes.dropna().unique()}
    return outcomes.astype(object).map(names).astype("category")


def count_outcomes(log: pd.DataFrame) -> dict[str, int]:
    """Count the recipients by what became of them; the counts add up to the recipients.

    Returns
    -------
    dict of str to int
        Every outcome of `smtpbook.events.OUTCOMES`, in that order, zeros included.
    """
    counts = outcomes(log)["outcome"].value_counts()
    return {outcome: int(counts.get(outcome, 0)) for outcome in OUTCOMES}


def write_outcomes(log: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write `outcomes` as CSV for a spreadsheet.

    Texts of servers that a spreadsheet would run as a formula are told to be text
    (`smtpbook.escape.to_cell`).

    Returns
    -------
    Path
        The file written; one that was there is replaced.
    """
    table = outcomes(log)
    for name in table.columns[table.dtypes == "string"]:
        table[name] = table[name].map(to_cell, na_action="ignore")
    path = Path(path)
    table.to_csv(path, index=False, encoding="utf-8")
    return path
