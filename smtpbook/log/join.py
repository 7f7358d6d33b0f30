"""Join: several event logs as one, columns and dtypes as they are.

`pandas.concat` makes plain objects of categories that differ, at many times the memory.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import pyarrow as pa

from smtpbook.events import COLUMNS
from smtpbook.log.frame import arrow_schema, from_table, join_tables, require_columns


def join_logs(logs: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Make one event log of several, in their order.

    The last outcome of a recipient is its state: what later mail tells goes behind the
    sends it is about.

    Parameters
    ----------
    logs : iterable of DataFrame
        Event logs; may be none.

    Returns
    -------
    DataFrame
        Exactly the columns and dtypes of `smtpbook.events.SCHEMA`, index 0 to n-1.

    Raises
    ------
    ColumnError
        One lacks a column.

    Examples
    --------
    ``outcomes(join_logs([run.log, read_bounces("bounces.mbox", run)]))``
    """
    return from_table(join_tables(_table(log) for log in logs))


def _table(log: pd.DataFrame) -> pa.Table:
    require_columns(log, *COLUMNS)
    schema = arrow_schema()
    columns = [pa.array(log[one.name], one.type, from_pandas=True) for one in schema]
    return pa.table(columns, schema=schema)
