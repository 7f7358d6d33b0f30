"""Compare: what became different from one log to another, the greatest difference first.

Recipients are compared one by one, commands and refusals as a whole.  Whether a difference
is more than chance is not told here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import pandas as pd

from smtpbook.errors import near_miss
from smtpbook.tables.engine import PLACE, query
from smtpbook.tables.replies import IS_REPLY
from smtpbook.tables.scan import Log

_LAST: Final = """
SELECT
    recipient,
    arg_max_null(outcome, place) AS outcome,
    arg_max_null(reason, place) AS reason,
    arg_max_null(reply_code, place) AS reply_code
FROM %s WHERE kind = 'outcome' AND recipient IS NOT NULL GROUP BY recipient"""
_BOTH: Final = f"""
last_a AS ({_LAST % "a"}),
last_b AS ({_LAST % "b"}),
pairs AS (
    SELECT
        recipient,
        last_a.outcome AS outcome_a,
        last_b.outcome AS outcome_b,
        last_a.reason AS reason_a,
        last_b.reason AS reason_b,
        last_a.reply_code AS reply_code_a,
        last_b.reply_code AS reply_code_b
    FROM last_a FULL JOIN last_b USING (recipient)
)"""
_RECIPIENTS: Final = f"""
WITH {_BOTH}
SELECT
    recipient, outcome_a, outcome_b, reason_a, reason_b, reply_code_a, reply_code_b
FROM pairs WHERE outcome_a IS DISTINCT FROM outcome_b
ORDER BY count(*) OVER (PARTITION BY outcome_a, outcome_b) DESC,
    outcome_a NULLS LAST, outcome_b NULLS LAST, recipient
"""
_OUTCOMES: Final = f"""
WITH {_BOTH},
counted AS (
    SELECT
        outcome_a,
        outcome_b,
        count(*) AS recipients,
        count(*) / sum(count(*)) OVER () AS share
    FROM pairs GROUP BY outcome_a, outcome_b
)
SELECT * FROM counted WHERE outcome_a IS DISTINCT FROM outcome_b
ORDER BY recipients DESC, outcome_a NULLS LAST, outcome_b NULLS LAST
"""
_SAID: Final = f"""
SELECT
    verb,
    count(*) AS replies,
    count(*) FILTER (reply_code >= 400) / count(*) AS refused,
    quantile_cont(service_s, [0.5, 0.95]) AS times
FROM %s WHERE {IS_REPLY} AND verb IS NOT NULL GROUP BY verb"""
_COMMANDS: Final = f"""
WITH said_a AS ({_SAID % "a"}), said_b AS ({_SAID % "b"})
SELECT
    verb,
    coalesce(said_a.replies, 0),
    coalesce(said_b.replies, 0),
    said_a.times[1],
    said_b.times[1],
    said_b.times[1] - said_a.times[1] AS change,
    said_a.times[2],
    said_b.times[2],
    said_b.times[2] - said_a.times[2],
    said_a.refused,
    said_b.refused,
    said_b.refused - said_a.refused AS more
FROM said_a FULL JOIN said_b USING (verb)
ORDER BY abs(change) DESC NULLS LAST, abs(more) DESC NULLS LAST, verb
"""
# What differs in nothing but addresses, and in words with a digit in them (ids, times, IP
# addresses, counts), says the same.
_REFUSED: Final = f"""
SELECT verb, reply_code, enhanced_status, wording, sum(times) AS replies FROM (
    SELECT
        verb,
        reply_code,
        enhanced_status,
        regexp_replace(
            regexp_replace(reply_text, '[^\\s<>]+@[^\\s<>]+', '*', 'g'),
            '[\\w.:-]*[0-9][\\w.:-]*', '*', 'g'
        ) AS wording,
        count(*) AS times
    FROM %s WHERE {IS_REPLY} AND reply_code >= 400
    GROUP BY verb, reply_code, enhanced_status, reply_text
) GROUP BY verb, reply_code, enhanced_status, wording"""
_REPLIES: Final = f"""
WITH said_a AS (SELECT *, replies / sum(replies) OVER () AS share FROM ({_REFUSED % "a"})),
said_b AS (SELECT *, replies / sum(replies) OVER () AS share FROM ({_REFUSED % "b"}))
SELECT
    coalesce(said_a.verb, said_b.verb) AS verb,
    coalesce(said_a.reply_code, said_b.reply_code) AS reply_code,
    coalesce(said_a.enhanced_status, said_b.enhanced_status) AS enhanced_status,
    coalesce(said_a.wording, said_b.wording) AS wording,
    CAST(coalesce(said_a.replies, 0) AS BIGINT) AS replies_a,
    CAST(coalesce(said_b.replies, 0) AS BIGINT) AS replies_b,
    coalesce(said_a.share, 0),
    coalesce(said_b.share, 0),
    replies_a = 0
FROM said_a FULL JOIN said_b ON said_a.verb IS NOT DISTINCT FROM said_b.verb
    AND said_a.reply_code = said_b.reply_code
    AND said_a.enhanced_status IS NOT DISTINCT FROM said_b.enhanced_status
    AND said_a.wording IS NOT DISTINCT FROM said_b.wording
WHERE replies_a != replies_b
ORDER BY abs(replies_b - replies_a) DESC, reply_code, verb, wording
"""


class _View(NamedTuple):
    sql: str
    needs: tuple[str, ...]
    dtypes: Mapping[str, Any]


_OF_RECIPIENTS: Final = ("kind", "recipient", "outcome", "reason", "reply_code", PLACE)
_VIEWS: Final = {
    "outcome": _View(
        _OUTCOMES,
        _OF_RECIPIENTS,
        {
            "outcome_a": "category",
            "outcome_b": "category",
            "recipients": "int64",
            "share": "float64",
        },
    ),
    "recipient": _View(
        _RECIPIENTS,
        _OF_RECIPIENTS,
        {
            "recipient": "string",
            **dict.fromkeys(("outcome_a", "outcome_b", "reason_a", "reason_b"), "category"),
            **dict.fromkeys(("reply_code_a", "reply_code_b"), "Int16"),
        },
    ),
    "command": _View(
        _COMMANDS,
        ("kind", "verb", "reply_code", "service_s"),
        {
            "verb": "category",
            **dict.fromkeys(("replies_a", "replies_b"), "int64"),
            **dict.fromkeys(
                (
                    *("p50_a_s", "p50_b_s", "p50_change_s"),
                    *("p95_a_s", "p95_b_s", "p95_change_s"),
                    *("refused_a", "refused_b", "refused_change"),
                ),
                "float64",
            ),
        },
    ),
    "reply": _View(
        _REPLIES,
        ("kind", "verb", "reply_code", "enhanced_status", "reply_text"),
        {
            "verb": "category",
            "reply_code": "Int16",
            **dict.fromkeys(("enhanced_status", "wording"), "string"),
            **dict.fromkeys(("replies_a", "replies_b"), "int64"),
            **dict.fromkeys(("share_a", "share_b"), "float64"),
            "is_new": "bool",
        },
    ),
}


def compare(a: Log, b: Log, by: str = "outcome") -> pd.DataFrame:
    """Tell what is different in log ``b`` from what it was in log ``a``.

    Parameters
    ----------
    a, b : DataFrame or Scan
        Event logs, such as those of two campaigns, or of one before and after a change.
    by : str
        ``"outcome"``: how many recipients came to another outcome.
        ``"recipient"``: who they are.
        ``"command"``: which command was answered slower or faster, or refused more often.
        ``"reply"``: which refusals are new, gone, or more or less frequent.

    Returns
    -------
    DataFrame
        The greatest difference first.  Columns end in ``_a`` and ``_b`` for the logs.

        By outcome: ``outcome_a``, ``outcome_b`` (null = not in that log), ``recipients``
        (int) and ``share`` (float, 0 to 1, of all recipients of either log); the rest of
        them came to the same.

        By recipient: ``recipient``, and of both logs its last ``outcome``, ``reason`` and
        ``reply_code`` (Int16), for those whose outcome is not the same; those who share a
        change with most others first.

        By command: ``verb``, and of both logs ``replies`` (int), ``p50`` and ``p95`` of
        ``service_s`` (seconds), ``refused`` (float, 0 to 1, the part of replies that was
        4yz or 5yz), each with its ``change`` from ``a`` to ``b``; null where a log has
        no such replies.

        By reply, 4yz and 5yz alone: ``verb``, ``reply_code``, ``enhanced_status``,
        ``wording``, which is the text with ``*`` for addresses and for words that hold a
        digit; and of both logs ``replies`` (int) and their ``share`` (float, 0 to 1, of its
        refusals); ``is_new`` (bool) if ``a`` has none.

    Raises
    ------
    ColumnError
        A log lacks a column.
    ValueError
        ``by`` is none of these.
    """
    if by not in _VIEWS:
        known = ", ".join(map(repr, _VIEWS))
        raise ValueError(f"by is one of {known}, not {by!r}{near_miss(by, _VIEWS)}")
    view = _VIEWS[by]
    return query(view.sql, view.dtypes, needs=view.needs, a=a, b=b)
