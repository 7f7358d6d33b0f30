"""Refusals: which kinds of 4yz and 5yz replies decided, the most frequent first.

Unlike `insight.reasons`, which compares the words of every reply, it takes no more memory
for a longer log: replies are of one kind if verb, code and enhanced status are the same.
"""

from __future__ import annotations

from typing import Final

import pandas as pd

from smtpbook.tables.engine import query
from smtpbook.tables.scan import Log

_DTYPES: Final = {
    "verb": "string",
    "reply_code": "Int16",
    "enhanced_status": "string",
    "reason": "string",
    "times": "int64",
    "reply_text": "string",
    "kinds": "int64",
}
# approx_top_k counts exactly as long as there are few texts, and takes no more room for
# more of them.
_REFUSALS: Final = """
WITH decided AS (
    SELECT DISTINCT coalesce(session_id, '') AS session FROM log WHERE kind = 'outcome'
),
refused AS (
    SELECT * FROM log WHERE reply_code BETWEEN 400 AND 599 AND (
        kind = 'outcome'
        OR coalesce(session_id, '') NOT IN (SELECT session FROM decided)
    )
)
SELECT
    verb,
    reply_code,
    enhanced_status,
    approx_top_k(reason, 1)[1],
    count(*) AS times,
    approx_top_k(reply_text, 1)[1],
    count(*) OVER ()
FROM refused GROUP BY verb, reply_code, enhanced_status
ORDER BY times DESC, reply_code, enhanced_status NULLS LAST, verb LIMIT $most
"""


def refusal_kinds(log: Log, most: int) -> tuple[pd.DataFrame, int]:
    """Count the refusals of each kind.

    Counted are recipients, by their ``outcome`` rows: a 554 to the DATA that was pipelined
    behind a refused RCPT decides nothing.  In a session without outcome rows, replies are.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.
    most : int
        So many kinds at most.

    Returns
    -------
    DataFrame
        The most frequent first: ``verb``, ``reply_code``, ``enhanced_status``, ``reason``
        (the most frequent), ``times``, ``reply_text`` (the most frequent); null = none.
    int
        How many kinds there are.

    Raises
    ------
    ColumnError
        The log lacks a column.
    """
    needs = {*_DTYPES} - {"times", "kinds"} | {"session_id", "kind"}
    table = query(_REFUSALS, _DTYPES, needs=needs, parameters={"most": most}, log=log)
    kinds = int(table["kinds"].max()) if len(table) else 0
    return table.drop(columns="kinds"), kinds
