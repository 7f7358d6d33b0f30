"""Later: what came back by mail of a campaign, kept beside the log of its sends.

The ledger knows where everybody stands; which reply said so stands in a file of its own,
because the log of the sends is what timing and servers are counted from.
"""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from smtpbook.campaign.keeping import Keeping
from smtpbook.errors import LedgerError
from smtpbook.events import COLUMNS
from smtpbook.ledger.books import Books
from smtpbook.ledger.entries import LATER, Later
from smtpbook.log.frame import require_columns, to_frame
from smtpbook.log.join import join_logs
from smtpbook.log.store import read_log, write_log

FILE: Final = "later.parquet"
"""What it is called in the campaign's folder."""

# What makes two rows the same report: read again, it is no news.
_SAME: Final = ["recipient", "outcome", "time", "message_id", "source", "reply_text"]


def later_log(keeping: Keeping) -> pd.DataFrame:
    """Give what later mail has told so far; empty = nothing.

    Raises
    ------
    SMTPBookError
        The file is damaged.
    """
    if keeping.folder is None:
        return keeping.later
    path = keeping.folder.path / FILE
    return read_log(path) if path.is_file() else to_frame([])


def add_later(keeping: Keeping, books: Books, bounces: pd.DataFrame) -> int:
    """Keep what is new; gives how many recipients stand elsewhere now.

    Raises
    ------
    ColumnError
        The log lacks a column.
    LedgerError
        It cannot be written.
    """
    require_columns(bounces, *COLUMNS)
    is_ours = (bounces["campaign_id"] == keeping.id).fillna(False).to_numpy(bool)
    is_told = (bounces["kind"] == "outcome").to_numpy(bool)
    rows = bounces.loc[is_ours & is_told, list(COLUMNS)]
    before = later_log(keeping)
    both = join_logs([before, rows])
    whole = both[~both.duplicated(_SAME).to_numpy(bool)]
    new = whole.iloc[len(before) :]
    if new.empty:
        return 0
    if keeping.folder is None:
        keeping.later = whole
    else:
        try:
            write_log(whole, keeping.folder.path / FILE)
        except OSError as exc:
            raise LedgerError(f"cannot keep what came back: {exc.strerror or exc}") from exc
    told = new[["recipient", "outcome", "reason", "attempt"]].astype(object)
    told = told.where(told.notna(), None)
    return books.hear(Later(*cells) for cells in told.itertuples(index=False, name=None))


def with_replies(table: pd.DataFrame, later: pd.DataFrame) -> pd.DataFrame:
    """Put the reply that later mail quotes in place of that of the session.

    Parameters
    ----------
    table : DataFrame
        As of `Campaign.outcomes`.
    later : DataFrame
        As of `later_log`.
    """
    is_later = table["outcome"].isin(LATER).to_numpy(bool)
    if not is_later.any() or later.empty:
        return table
    names = ["verb", "reply_code", "reply_text"]
    last = later.drop_duplicates(["recipient", "outcome"], keep="last")
    keys: Any = pd.MultiIndex.from_frame(last[["recipient", "outcome"]].astype(object))
    asked = pd.MultiIndex.from_frame(
        table.loc[is_later, ["recipient", "outcome"]].astype(object)
    )
    found = last[names].set_axis(keys).reindex(asked)
    for name in names:
        cells = found[name].astype(table[name].dtype)
        table.loc[is_later, name] = cells.array
    return table
