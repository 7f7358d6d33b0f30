"""Over time: how much was sent when, and how long it took until a retry was accepted."""

from __future__ import annotations

from typing import Final

import pandas as pd

from smtpbook.statistics.survival import survival_band
from smtpbook.tables.engine import query
from smtpbook.tables.last import NEEDS, TOLD, later
from smtpbook.tables.parts import Part, merge_by
from smtpbook.tables.replies import replies_of
from smtpbook.tables.scan import Log

# Steps that a clock has: seconds, minutes, hours, days.
_STEPS_S: Final = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200),
    *(10_800, 21_600, 43_200, 86_400),
)
_STEPS: Final = 120  # in a log, at most, if nothing else is said
_MAX_STEPS: Final = 1_000_000
_SPAN: Final = Part(
    sql="SELECT min(time) AS first, max(time) AS last FROM log",
    merge={**merge_by("min", "first"), **merge_by("max", "last")},
)
# What rows are is asked of each kind of them, not of each of them.
_KINDS: Final = """
SELECT
    time - time % $step AS start,
    {0},
    count(*) AS n,
    CAST(sum(bytes_sent) AS BIGINT) AS bytes
FROM log WHERE time IS NOT NULL GROUP BY start, {0}
"""
_THROUGHPUT: Final = """
WITH counted AS (
    SELECT
        start,
        sum(n) FILTER (kind = 'outcome' AND outcome IN (
            'accepted', 'deferred', 'rejected', 'failed', 'in_doubt'
        )) AS attempts,
        sum(n) FILTER (kind = 'outcome' AND outcome = 'accepted') AS accepted,
        sum(n) FILTER ({is_reply}) AS replies,
        sum(n) FILTER ({is_reply} AND reply_code BETWEEN 400 AND 499) AS transient,
        sum(n) FILTER ({is_reply} AND reply_code >= 500) AS permanent,
        sum(bytes) AS bytes_sent
    FROM kinds GROUP BY start
),
steps AS (SELECT range AS start FROM range($first, $end, $step))
SELECT
    start,
    CAST(coalesce(attempts, 0) AS BIGINT),
    CAST(coalesce(accepted, 0) AS BIGINT),
    CAST(coalesce(accepted, 0) AS BIGINT) * 1e6 / $step,
    CAST(coalesce(replies, 0) AS BIGINT),
    CAST(coalesce(transient, 0) AS BIGINT),
    CAST(coalesce(permanent, 0) AS BIGINT),
    CAST(coalesce(bytes_sent, 0) AS BIGINT)
FROM steps LEFT JOIN counted USING (start) ORDER BY start
"""
_THROUGHPUT_DTYPES: Final = {
    "time": "datetime64[us, UTC]",
    "attempts": "int64",
    "accepted": "int64",
    "accepted_per_s": "float64",
    "replies": "int64",
    "transient": "int64",
    "permanent": "int64",
    "bytes_sent": "int64",
}
# What later mail says of a message does not undo that it was accepted.  Most recipients are
# never deferred: they are put aside before rows are gathered by recipient.
_PARTS: Final = {
    "over": Part(
        sql="SELECT max(time) AS over_at FROM log", merge=merge_by("max", "over_at")
    ),
    "deferred": Part(
        sql="SELECT DISTINCT recipient FROM log "
        "WHERE kind = 'outcome' AND outcome = 'deferred'",
        merge={},
    ),
    "tries": Part(
        sql=f"""
WITH told AS (
    SELECT recipient, outcome, time, {TOLD} FROM log SEMI JOIN deferred USING (recipient)
    WHERE kind = 'outcome' AND outcome IS NOT NULL AND time IS NOT NULL
)
SELECT
    recipient,
    campaign_id,
    min(place) AS first,
    max(place) AS last,
    min(time) AS start,
    count(*) FILTER (
        outcome IN ('accepted', 'deferred', 'rejected', 'failed', 'in_doubt')
    ) AS attempts,
    min(time) FILTER (outcome IN ('accepted', 'delivered')) AS accepted_at,
    arg_min(outcome, {later()}) AS began,
    min(tried) AS began_tried,
    arg_min(place, {later()}) AS began_place,
    arg_max(outcome, {later()}) AS ended,
    max(tried) AS ended_tried,
    arg_max(place, {later()}) AS ended_place,
    max(time) AS seen_at
FROM told GROUP BY recipient, campaign_id
""",
        merge={
            **merge_by("min", "first", "start", "accepted_at", "began_tried"),
            **merge_by("max", "last", "ended_tried", "seen_at"),
            **merge_by("sum", "attempts"),
            "began": f"arg_min(began, {later('began_')})",
            "began_place": f"arg_min(began_place, {later('began_')})",
            "ended": f"arg_max(ended, {later('ended_')})",
            "ended_place": f"arg_max(ended_place, {later('ended_')})",
        },
    ),
}
_WAITS: Final = """
whole AS (
    SELECT
        recipient,
        min(first) AS first,
        min(start) AS start,
        CAST(sum(attempts) AS BIGINT) AS attempts,
        min(accepted_at) AS accepted_at,
        arg_min(began, first) AS began,
        arg_max(ended, last) AS outcome,
        max(seen_at) AS seen_at
    FROM tries GROUP BY recipient
),
waits AS (
    SELECT
        recipient,
        first,
        start,
        attempts,
        CASE WHEN outcome = 'rejected' THEN over_at ELSE seen_at END AS seen_until,
        (coalesce(accepted_at, seen_until) - start) / 1e6 AS waited_s,
        accepted_at IS NOT NULL AS is_accepted
    FROM whole, over WHERE began = 'deferred'
)"""
_RETRY_TIMES: Final = f"""
WITH {_WAITS}
SELECT recipient, start, attempts, waited_s, is_accepted FROM waits ORDER BY first
"""
_RETRY_TIMES_DTYPES: Final = {
    "recipient": "string",
    "time": "datetime64[us, UTC]",
    "attempts": "int64",
    "waited_s": "float64",
    "is_accepted": "bool",
}
# Kaplan and Meier (1958): of those at risk just before a time, the part that is not
# accepted at it stays; the parts are multiplied.
_RETRY_CURVE: Final = f"""
WITH {_WAITS},
ends AS (
    SELECT
        waited_s,
        count(*) FILTER (is_accepted) AS accepted,
        count(*) FILTER (NOT is_accepted) AS censored
    FROM waits GROUP BY waited_s
    UNION ALL SELECT 0.0, 0, 0 FROM waits HAVING count(*) > 0 AND min(waited_s) > 0
),
steps AS (
    SELECT
        *,
        CAST(sum(accepted + censored) OVER (
            ORDER BY waited_s ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
        ) AS BIGINT) AS at_risk
    FROM ends
)
SELECT
    waited_s,
    at_risk,
    accepted,
    censored
FROM steps ORDER BY waited_s
"""
_RETRY_CURVE_DTYPES: Final = {
    "waited_s": "float64",
    "at_risk": "int64",
    "accepted": "int64",
    "censored": "int64",
}
_RETRY_NEEDS: Final = (*NEEDS, "outcome", "time")


def throughput(log: Log, *, every_s: int | None = None) -> pd.DataFrame:
    """Count what happened in each stretch of time, those in which nothing did included.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.
    every_s : int, optional
        How long a stretch is, in seconds; one of at most 120 in the log, and of a length
        that a clock shows, if omitted.

    Returns
    -------
    DataFrame
        ``time``, when the stretch begins; ``attempts`` (int), for how many recipients a try
        ended, and of these ``accepted``, also ``accepted_per_s`` (float); ``replies``
        (int), and of these ``transient`` (4yz) and ``permanent`` (5yz); ``bytes_sent``
        (int).  In logs without a dialogue, as those of mail servers, ``outcome`` rows count
        as replies; see `reply_codes`.

    Raises
    ------
    ColumnError
        The log lacks a column.
    ValueError
        ``every_s`` is not positive, or so short that there were over a million stretches.
    """
    if every_s is not None and every_s < 1:
        raise ValueError(f"every_s is a number of seconds from 1, not {every_s}")
    span = query(
        "FROM span",
        {"first": "Int64", "last": "Int64"},
        needs=("time",),
        parts={"span": _SPAN},
        log=log,
    )
    first_us, last_us = (0 if pd.isna(cell) else int(cell) for cell in span.iloc[0])
    if every_s is None:
        longest = (last_us - first_us) / 1e6 / (_STEPS - 1)
        days = -(-longest // _STEPS_S[-1]) * _STEPS_S[-1]
        every_s = next((step for step in _STEPS_S if step >= longest), int(days))
    step = every_s * 1_000_000
    if (last_us - first_us) // step > _MAX_STEPS:
        raise ValueError(
            f"in this log are over {_MAX_STEPS:,} times {every_s} s; every_s must be longer"
        )
    is_empty = span["first"].isna().all()
    first = first_us - first_us % step
    replies = replies_of(log)
    told = sorted({"kind", "outcome", *replies.needs})
    return query(
        _THROUGHPUT.format(is_reply=replies.sql),
        _THROUGHPUT_DTYPES,
        needs=("time", "bytes_sent", *told),
        parameters={
            "step": step,
            "first": first,
            "end": first if is_empty else last_us + 1,
            **replies.parameters,
        },
        parts={
            "kinds": Part(
                sql=_KINDS.format(", ".join(told)), merge=merge_by("sum", "n", "bytes")
            )
        },
        log=log,
    )


def retry_times(log: Log) -> pd.DataFrame:
    """Tell of each recipient that was first deferred how long it waited to be accepted.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log; only ``outcome`` rows with a time count.

    Returns
    -------
    DataFrame
        Recipients in the order in which they first appear: ``recipient``; ``time``, of the
        end of its first try; ``attempts`` (int); ``waited_s`` (float), from then until it
        was accepted, or for as long as it is known that it was not; ``is_accepted`` (bool).
        One that was rejected in the end is known not to be accepted as long as the log
        goes on, one of which nothing more is known only until its last row.

    Raises
    ------
    ColumnError
        The log lacks a column.
    """
    return query(
        _RETRY_TIMES, _RETRY_TIMES_DTYPES, needs=_RETRY_NEEDS, parts=_PARTS, log=log
    )


def retry_curve(log: Log) -> pd.DataFrame:
    """Estimate what part of the recipients first deferred is accepted after what time.

    It is Kaplan and Meier's estimate, of the times of `retry_times`.  Recipients rejected
    in the end stay among those at risk, so the curve ends at the part that is accepted, not
    at the part that would be if nobody were rejected.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log; only ``outcome`` rows with a time count.

    Returns
    -------
    DataFrame
        A step for each time at which somebody is accepted or no longer observed, ascending
        from 0: ``waited_s`` (float, seconds since the end of the first try), ``at_risk``
        (int, not yet accepted and still observed just before), ``accepted`` and
        ``censored`` (int, at this time), ``estimate`` (float, 0 to 1: accepted until then),
        ``low`` and ``high`` (its band of 95 %, pointwise), ``effective_n`` (float: how
        many, watched to the end, would tell as much).

    Raises
    ------
    ColumnError
        The log lacks a column.

    References
    ----------
    RFC 5321 section 4.5.4.1 (retries).  Kaplan and Meier (1958), Nonparametric estimation
    from incomplete observations.  The band: `smtpbook.statistics.survival`.
    """
    curve = query(
        _RETRY_CURVE, _RETRY_CURVE_DTYPES, needs=_RETRY_NEEDS, parts=_PARTS, log=log
    )
    waiting, low, high, worth = survival_band(curve["at_risk"], curve["accepted"])
    return curve.assign(estimate=1 - waiting, low=1 - high, high=1 - low, effective_n=worth)
