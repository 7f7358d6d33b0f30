"""Share: how many of the accepted messages lie in the inbox, and how sure that is."""

from __future__ import annotations

from typing import Final

import pandas as pd

from smtpbook.errors import near_miss
from smtpbook.log.frame import require_columns
from smtpbook.placement.read import PLACED
from smtpbook.statistics.proportions import wilson_limits

_BY: Final = ("provider", "arm", "campaign_id", "address")


def inbox_share(placement: pd.DataFrame, *, by: str = "provider") -> pd.DataFrame:
    """Count where mail lies, with the share in the inbox and its interval.

    Parameters
    ----------
    placement : DataFrame
        Of `read_placement`.  Rows whose ``placed`` is null do not count: nobody looked, or
        no server took the message.
    by : {"provider", "arm", "campaign_id", "address"}
        What the rows are.

    Returns
    -------
    DataFrame
        In the order in which they come: the value of `by`, ``messages`` and of these
        ``inbox``, ``spam``, ``elsewhere``, ``missing`` (int64); ``inbox_share`` (0 to 1;
        null = of no message), ``inbox_low`` and ``inbox_high``, its interval of 95 %
        (Wilson).  It tells of such messages to such mailboxes: a provider treats each of
        its users by what they did before, and a few mailboxes of one's own are not they.

    Raises
    ------
    ColumnError
        The table lacks a column.
    ValueError
        `by` is none of the four.

    References
    ----------
    Wilson (1927): `smtpbook.statistics.proportions.wilson`.
    """
    if by not in _BY:
        raise ValueError(
            f"by is one of {', '.join(_BY)}, not {by!r}{near_miss(str(by), _BY)}"
        )
    require_columns(placement, by, "placed")
    # Of what nobody knows the provider or arm, there is no row.
    names = list(placement[by].dropna().unique())
    counts = pd.crosstab(placement[by].astype(object), placement["placed"].astype(object))
    counts = counts.reindex(index=names, columns=list(PLACED), fill_value=0)
    table = pd.DataFrame({by: pd.Series(names, dtype="string")})
    total = counts.sum(axis="columns").to_numpy("int64")
    table["messages"] = total
    for name in PLACED:
        table[name] = counts[name].to_numpy("int64")
    low, high = wilson_limits(table["inbox"], total)
    table["inbox_share"] = table["inbox"] / table["messages"].where(total > 0)
    table["inbox_low"], table["inbox_high"] = low, high
    table.attrs["interval"] = f"95 % intervals: Wilson, within each {by}"
    return table
