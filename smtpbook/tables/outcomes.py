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
from smtpbook.events import OUTCOMES, SCHEMA
from smtpbook.states import state
from smtpbook.statistics.proportions import wilson_limits
from smtpbook.tables.engine import query
from smtpbook.tables.last import NEEDS, ended, last_outcomes
from smtpbook.tables.parts import Part, latest, merge_latest
from smtpbook.tables.scan import Log
from smtpbook.tables.whose import providers_of

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

_OF_LOG: Final = [name for name in OUTCOME_COLUMNS if name != "state"]
_DTYPES: Final = {column.name: column.dtype for column in SCHEMA}
_ENDED: Final = ended("ended")
_OUTCOMES: Final = f"WITH {_ENDED} SELECT {', '.join(_OF_LOG)} FROM ended ORDER BY first"
_COUNTS: Final = f"WITH {_ENDED} SELECT outcome, count(*) FROM ended GROUP BY outcome"
# A server to which mail is relayed is the domain's own; one to which it is submitted (ports
# 465 and 587, RFC 8314) is not.  Logs of servers that relay often tell no port.
_MX: Final = Part(
    sql=f"""
SELECT recipient_domain, {latest("server")}
FROM log WHERE kind = 'outcome' AND coalesce(port, 25) = 25 GROUP BY recipient_domain
""",
    merge=merge_latest("server"),
)
_BY_DOMAIN: Final = f"""
WITH {_ENDED},
each AS (
    SELECT recipient_domain, outcome, count(*) AS n FROM ended
    GROUP BY recipient_domain, outcome
),
counted AS (
    SELECT
        recipient_domain,
        sum(n) AS recipients,
        {", ".join(f"sum(n) FILTER (outcome = '{name}') AS {name}" for name in OUTCOMES)}
    FROM each GROUP BY recipient_domain
)
SELECT
    recipient_domain,
    server,
    CAST(recipients AS BIGINT),
    {", ".join(f"CAST(coalesce({name}, 0) AS BIGINT)" for name in OUTCOMES)}
FROM counted LEFT JOIN mx USING (recipient_domain)
ORDER BY recipients DESC, recipient_domain NULLS LAST
"""


def outcomes(log: Log) -> pd.DataFrame:
    """Give one row per recipient: what became of it, and the reply that decided.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.  Only rows of kind ``outcome`` count; the last one of a recipient wins,
        in the log's own order, but within a campaign the highest attempt.

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
    dtypes = {name: _DTYPES[name] for name in _OF_LOG}
    table = query(
        _OUTCOMES,
        dtypes,
        needs=(*NEEDS, *_OF_LOG),
        parts={"last": last_outcomes(*(name for name in _OF_LOG if name != "recipient"))},
        log=log,
    )
    table.insert(OUTCOME_COLUMNS.index("state"), "state", shown(table["outcome"]))
    return table


def shown(outcomes: pd.Series[Any]) -> pd.Series[Any]:
    """Give outcomes as they are shown, such as "✓ accepted": a category; null stays null.

    >>> shown(pd.Series(["pending", None, "accepted"])).tolist()
    ['○ pending', nan, '✓ accepted']
    """
    names = {name: str(state(name)) for name in outcomes.dropna().unique()}
    return outcomes.astype(object).map(names).astype("category")


def count_outcomes(log: Log) -> dict[str, int]:
    """Count the recipients by what became of them; the counts add up to the recipients.

    Returns
    -------
    dict of str to int
        Every outcome of `smtpbook.events.OUTCOMES`, in that order, zeros included.
    """
    table = query(
        _COUNTS,
        {"outcome": "string", "recipients": "int64"},
        needs=(*NEEDS, "outcome"),
        parts={"last": last_outcomes("outcome")},
        log=log,
    )
    counts = dict(zip(table["outcome"], table["recipients"], strict=True))
    return {outcome: int(counts.get(outcome, 0)) for outcome in OUTCOMES}


def by_domain(log: Log) -> pd.DataFrame:
    """Count what became of the recipients of each domain, largest domain first.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.

    Returns
    -------
    DataFrame
        ``recipient_domain`` (null = not known), ``provider`` (category: whose its server
        is, by the name of the last one that mail was relayed to; null = not known),
        ``recipients`` (int), one column of int for each outcome of
        `smtpbook.events.OUTCOMES` that occurs, and ``accepted_share`` (float, 0 to 1: of
        those to whom it was tried, suppressed ones left out, the part that was accepted or
        delivered) with ``accepted_low`` and ``accepted_high``, its interval of 95 %
        (Wilson): what the domain would do with other such recipients.  Where nobody was
        tried, the share is null, and the interval from 0 to 1.

    Raises
    ------
    ColumnError
        The log lacks a column.

    References
    ----------
    RFC 5321 section 5.1 (the server of a domain), RFC 8314 (submission).  Wilson (1927):
    `smtpbook.statistics.proportions.wilson`.
    """
    counts = dict.fromkeys(("recipients", *OUTCOMES), "int64")
    table = query(
        _BY_DOMAIN,
        {"recipient_domain": "string", "server": "string", **counts},
        needs=(*NEEDS, "recipient_domain", "outcome", "server", "port"),
        parts={"last": last_outcomes("recipient_domain", "outcome"), "mx": _MX},
        log=log,
    )
    table.insert(1, "provider", providers_of(table.pop("server")))
    tried = table["recipients"] - table["suppressed"]
    accepted = table["accepted"] + table["delivered"]
    low, high = wilson_limits(accepted, tried)
    table = table.drop(columns=[name for name in OUTCOMES if not table[name].any()])
    table["accepted_share"] = accepted / tried.where(tried > 0)
    table["accepted_low"], table["accepted_high"] = low, high
    table.attrs["interval"] = "95 % intervals: Wilson, within each domain"
    return table


def write_outcomes(log: Log, path: str | os.PathLike[str]) -> Path:
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
