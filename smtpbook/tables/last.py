"""Last: which of a recipient's ``outcome`` rows tells how it stands.

Within a campaign it is that of the highest attempt: senders that write to a list together
tell of it each in its own place of the log, and that of a later attempt may come first.
Where a row or a whole log lacks its campaign or its attempt, its place tells, and so it
does of several campaigns that wrote to somebody.
"""

from __future__ import annotations

from typing import Final

from smtpbook.tables.lending import PLACE, IfThere
from smtpbook.tables.parts import Part

NEEDS: Final = ("kind", IfThere("campaign_id"), "recipient", IfThere("attempt"), PLACE)
"""What has to be known of the rows of a log, besides what is told of them."""

TOLD: Final = """
    CASE WHEN attempt IS NOT NULL THEN campaign_id END AS campaign_id,
    CASE WHEN campaign_id IS NOT NULL THEN coalesce(attempt, 0) ELSE 0 END AS tried,
    place"""
"""In SQL, of an ``outcome`` row: by what, and within what, `later` orders it."""


def later(prefix: str = "") -> str:
    """Give in SQL a number that is greater for a later row of a recipient and campaign."""
    return f"CAST({prefix}tried AS HUGEINT) * 9223372036854775808 + {prefix}place"


# The log is read twice, for what there is to tell of a row is much to keep until it is
# known whether it was the last.
_LAST: Final = f"""
WITH told AS (
    SELECT recipient, {TOLD} FROM {{log}} WHERE kind = 'outcome' AND recipient IS NOT NULL
),
latest AS (
    SELECT
        campaign_id,
        min(place) AS first,
        max(place) AS seen_at,
        max(tried) AS tried,
        arg_max(place, {later()}) AS place
    FROM told GROUP BY recipient, campaign_id
)
SELECT latest.campaign_id, first, seen_at, tried, place, recipient{{columns}}
FROM {{log}} JOIN latest USING (place) WHERE kind = 'outcome'
"""
_MERGED: Final = {
    "first": "min(first)",
    "seen_at": "max(seen_at)",
    "tried": "max(tried)",
    "place": f"arg_max(place, {later()})",
}


def last_outcomes(*columns: str, log: str = "log") -> Part:
    """Give what there is to tell of each recipient's last outcome in each campaign."""
    told = "".join(f", {log}.{name}" for name in columns)
    return Part(
        sql=_LAST.format(log=log, columns=told),
        merge={
            **_MERGED,
            **{name: f"arg_max_null({name}, {later()})" for name in columns},
        },
        log=log,
    )


def ended(name: str, last: str = "last") -> str:
    """Give in SQL a table with a row for each recipient, made of what was last.

    Of several campaigns that wrote to somebody, it has the one that is told of last.

    Parameters
    ----------
    name : str
        Of the table.
    last : str
        Of what `last_outcomes` gave.
    """
    return f"""
{name} AS (
    SELECT {last}.* REPLACE (of_all.first AS first) FROM {last} JOIN (
        SELECT min(first) AS first, max(seen_at) AS seen_at FROM {last} GROUP BY recipient
    ) AS of_all USING (seen_at)
)"""
