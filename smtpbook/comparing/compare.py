"""Compare: what became different from one log to another, the greatest difference first.

Recipients are compared one by one, and outcomes, commands and refusals as a whole, each
difference with its interval: whether it is more than chance, and how great it may be.  Why
something changed is not asked here.

Theory of operation.  SQL counts within each cluster, that is what may resemble each other:
the recipients of one domain, the replies of one session.  All that follows needs nothing
but these counts, however many events there were.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from smtpbook.errors import near_miss
from smtpbook.events import OUTCOMES
from smtpbook.statistics.comparing import evidence_of, holm, log_rank
from smtpbook.statistics.interval import Interval, difference
from smtpbook.statistics.proportions import Change, Clusters, clustered, wilson
from smtpbook.statistics.survival import kaplan_meier
from smtpbook.tables.engine import query
from smtpbook.tables.last import NEEDS, ended, last_outcomes
from smtpbook.tables.over_time import retry_times
from smtpbook.tables.parts import Part, merge_by
from smtpbook.tables.replies import Replies, replies_of
from smtpbook.tables.scan import Log
from smtpbook.tables.times import quantile_intervals
from smtpbook.tables.wordings import mask, merge

_TIMES: Final = {"p50": 0.5, "p95": 0.95}
_COLUMN: Final = "service_s"
_SHARES: Final = "95 % intervals: Newcombe"
_BY_DOMAIN: Final = ", clustered by recipient domain (bootstrap)"
_BY_SESSION: Final = ", clustered by domain or session (bootstrap)"
_OF_TIMES: Final = {
    True: "95 % intervals: cluster bootstrap by session (Woodruff)",
    False: "95 % intervals: order statistics",
}

# A number for each cluster takes less room than its name.
_CLUSTER: Final = "CAST(hash({}) // 2 AS BIGINT)"
_DOMAIN: Final = _CLUSTER.format("coalesce(domain, lower(split_part(recipient, '@', -1)))")
_TOLD: Final = ("outcome", "reason", "reply_code")
_OF_RECIPIENTS: Final = (*NEEDS, "recipient_domain", *_TOLD)
_LASTS: Final = {
    f"last_{log}": last_outcomes("recipient_domain", *_TOLD, log=log) for log in "ab"
}
_ENDED: Final = ", ".join(ended(f"ended_{log}", f"last_{log}") for log in "ab")
_BOTH: Final = f"""{_ENDED},
pairs AS (
    SELECT
        recipient,
        coalesce(ended_a.recipient_domain, ended_b.recipient_domain) AS domain,
        ended_a.outcome AS outcome_a,
        ended_b.outcome AS outcome_b,
        ended_a.reason AS reason_a,
        ended_b.reason AS reason_b,
        ended_a.reply_code AS reply_code_a,
        ended_b.reply_code AS reply_code_b
    FROM ended_a FULL JOIN ended_b USING (recipient)
)"""
_RECIPIENTS: Final = f"""
WITH {_BOTH},
changed AS MATERIALIZED (  -- or it would be found twice, once for the count
    SELECT
        recipient, outcome_a, outcome_b, reason_a, reason_b, reply_code_a, reply_code_b
    FROM pairs WHERE outcome_a IS DISTINCT FROM outcome_b
)
FROM changed ORDER BY count(*) OVER (PARTITION BY outcome_a, outcome_b) DESC,
    outcome_a NULLS LAST, outcome_b NULLS LAST, recipient
"""
_RECIPIENT_DTYPES: Final = {
    "recipient": "string",
    **dict.fromkeys(("outcome_a", "outcome_b", "reason_a", "reason_b"), "category"),
    **dict.fromkeys(("reply_code_a", "reply_code_b"), "Int16"),
}
_CHANGES: Final = f"""
WITH {_BOTH}
SELECT {_DOMAIN} AS cluster, outcome_a, outcome_b, count(*) AS recipients
FROM pairs GROUP BY cluster, outcome_a, outcome_b ORDER BY ALL
"""
_OUTCOMES: Final = f"""
WITH {_ENDED},
ended AS (
    SELECT recipient_domain AS domain, recipient, outcome, 1 AS a, 0 AS b FROM ended_a
    UNION ALL SELECT recipient_domain, recipient, outcome, 0, 1 FROM ended_b
)
SELECT {_DOMAIN} AS cluster, outcome, sum(a), sum(b)
FROM ended WHERE outcome IS NOT NULL GROUP BY cluster, outcome ORDER BY ALL
"""
_COUNTS: Final = dict.fromkeys(("a", "b"), "int64")
_BY: Final = _CLUSTER.format("coalesce(recipient_domain, session_id)")
_SAID: Final = f"""
SELECT verb, {_BY} AS cluster, count(*) AS n,
    count(*) FILTER (reply_code >= 400) AS refused
FROM log WHERE %s AND verb IS NOT NULL GROUP BY verb, cluster
"""
_REFUSED: Final = f"""
SELECT verb, reply_code, enhanced_status, reply_text, {_BY} AS cluster, count(*) AS n
FROM log WHERE %s AND verb IS NOT NULL AND reply_code >= 400
GROUP BY verb, reply_code, enhanced_status, reply_text, cluster
"""
_KIND: Final = ["verb", "reply_code", "enhanced_status"]


def compare(
    a: Log, b: Log, by: str = "outcome", *, is_clustered: bool = True
) -> pd.DataFrame:
    """Tell what is different in log ``b`` from what it was in log ``a``.

    Parameters
    ----------
    a, b : DataFrame or Scan
        Event logs, such as those of two campaigns, or of one before and after a change.
    by : str
        ``"outcome"``: which part of the recipients came to which outcome.
        ``"change"``: how many of them went from which outcome to which.
        ``"recipient"``: who they are.
        ``"command"``: which command was answered slower or faster, or refused more often.
        ``"reply"``: which refusals are new, gone, or more or less frequent.
        ``"retry"``: how long those first deferred waited to be accepted.
    is_clustered : bool
        What one domain's server decides for its recipients hangs together, and so do the
        times of one session.  So intervals ask how far domains and sessions differ, and
        those of few are wide.  False: each recipient and each reply is taken as independent
        of all others; where they are not, that alarms too often.

    Returns
    -------
    DataFrame
        The greatest difference first.  Columns end in ``_a`` and ``_b`` for the logs; a
        ``change`` is ``b`` minus ``a``; ``low`` and ``high`` are the ends of its interval
        of 95 %; ``effective_n`` (float) is how many independent observations of both
        logs would tell as much; ``p_holm`` (float, 0 to 1) is the p-value that belongs to
        the interval, adjusted by Holm for all comparisons of the table.  Null is what
        cannot be compared, because one log has none of it.  ``attrs["interval"]`` says
        which interval it is, for a caption.

        By outcome: ``outcome``; ``recipients`` (int) and ``share`` (float, 0 to 1) of both
        logs, each recipient by its last outcome; ``change``, ``low``, ``high``,
        ``effective_n``, ``p_holm``.

        By change: ``outcome_a``, ``outcome_b`` (null = not in that log), ``recipients``
        (int), and ``share`` (float, 0 to 1, of all recipients of either log) with ``low``,
        ``high`` and ``effective_n``; the rest of them came to the same.

        By recipient: ``recipient``, and of both logs its last ``outcome``, ``reason`` and
        ``reply_code`` (Int16), for those whose outcome is not the same; those who share a
        change with most others first.

        By command: ``verb``, of both logs ``replies`` (int); ``p50`` and ``p95`` of
        ``service_s`` (seconds), and ``refused`` (float, 0 to 1, the part of replies that
        was 4yz or 5yz), each of both logs, with ``change``, ``low``, ``high``,
        ``effective_n`` and ``p_holm``.

        By reply, 4yz and 5yz alone: ``verb``, ``reply_code``, ``enhanced_status``,
        ``wording``, which is what the texts have in common, as in `reasons`; of both logs
        ``replies`` (int) and their ``share`` (float, 0 to 1) of all replies to that
        command; ``change``, ``low``, ``high``, ``effective_n``, ``p_holm``; ``is_new``
        (bool) if ``a`` has none.

        By retry, one row, for recipients whose first try was deferred: of both logs
        ``deferred`` and ``accepted`` (int) and ``p50`` (seconds, after which half are
        accepted; Kaplan and Meier), ``p50_change_s``, ``p50_low_s``, ``p50_high_s``
        (Brookmeyer and Crowley), and ``p`` (log-rank test); infinite = never, as far as
        the log goes.  Here each recipient is taken as independent of all others.

    Raises
    ------
    ColumnError
        A log lacks a column.
    ValueError
        ``by`` is none of these.

    References
    ----------
    `smtpbook.statistics`: ``proportions.clustered``, ``interval.difference``,
    ``quantiles.clustered_quantile``, ``comparing.evidence_of`` and ``comparing.holm``.
    """
    if by not in _VIEWS:
        known = ", ".join(map(repr, _VIEWS))
        raise ValueError(f"by is one of {known}, not {by!r}{near_miss(by, _VIEWS)}")
    return _VIEWS[by](a, b, is_clustered)


# -- recipients


def _by_recipient(a: Log, b: Log, is_clustered: bool) -> pd.DataFrame:
    return query(
        _RECIPIENTS, _RECIPIENT_DTYPES, needs=_OF_RECIPIENTS, parts=_LASTS, a=a, b=b
    )


def _by_change(a: Log, b: Log, is_clustered: bool) -> pd.DataFrame:
    outcomes = dict.fromkeys(("outcome_a", "outcome_b"), "category")
    found = query(
        _CHANGES,
        {"cluster": "int64", **outcomes, "recipients": "int64"},
        needs=_OF_RECIPIENTS,
        parts=_LASTS,
        a=a,
        b=b,
    )
    place, _ = pd.factorize(found["cluster"])
    sizes = np.bincount(place, found["recipients"].to_numpy()).astype(float)
    rows, shares = [], []
    for _, own in found.groupby([*outcomes], dropna=False, observed=True, sort=False):
        first, number = own.head(1), int(own["recipients"].sum())
        before, after = (first[name].iloc[0] for name in outcomes)
        if before == after or (pd.isna(before) and pd.isna(after)):
            continue
        rows.append((first.index[0], number))
        counts = np.bincount(place[own.index], own["recipients"], minlength=len(sizes))
        shares.append(
            clustered(counts, sizes) if is_clustered else wilson(number, sizes.sum())
        )
    table = found.loc[[index for index, _ in rows], [*outcomes]].reset_index(drop=True)
    table["recipients"] = np.array([number for _, number in rows], np.int64)
    for name in ("share", "low", "high", "effective_n"):
        read = "estimate" if name == "share" else name
        table[name] = np.array([getattr(share, read) for share in shares], float)
    table = table.sort_values(
        ["recipients", *outcomes], ascending=[False, True, True], ignore_index=True
    )
    name = "Wilson" + _BY_DOMAIN if is_clustered else "Wilson"
    table.attrs["interval"] = f"95 % intervals: {name}"
    return table


def _by_outcome(a: Log, b: Log, is_clustered: bool) -> pd.DataFrame:
    dtypes = {"cluster": "int64", "outcome": "category", **_COUNTS}
    found = query(_OUTCOMES, dtypes, needs=_OF_RECIPIENTS, parts=_LASTS, a=a, b=b)
    place, _ = pd.factorize(found["cluster"])
    n_a, n_b = (np.bincount(place, found[name].to_numpy()) for name in ("a", "b"))
    clusters = Clusters(n_a, n_b, is_clustered=is_clustered)
    names, changes = [], []
    for name, own in found.groupby("outcome", observed=True):
        names.append(str(name))
        changes.append(clusters.compare(place[own.index], own["a"], own["b"]))
    table = pd.DataFrame({"outcome": pd.Categorical(names, list(OUTCOMES))})
    _put_shares(table, "recipients", changes)
    table.attrs["interval"] = _SHARES + _BY_DOMAIN * is_clustered
    return _largest_first(table, "change")


# -- replies


def _said(a: Log, b: Log, both: Sequence[Replies]) -> pd.DataFrame:
    """Count the replies of each verb and cluster, and the refusals among them."""
    dtypes = {"verb": "string", "cluster": "int64", "n": "int64", "refused": "int64"}
    sums = [
        _ask(_SAID, dtypes, log, replies) for log, replies in ((a, both[0]), (b, both[1]))
    ]
    found = sums[0].merge(sums[1], "outer", ["verb", "cluster"], suffixes=("_a", "_b"))
    for name in ("n_a", "n_b", "refused_a", "refused_b"):
        found[name] = found[name].fillna(0).astype(float)
    return found


def _ask(sql: str, dtypes: dict[str, str], log: Log, replies: Replies) -> pd.DataFrame:
    merge = merge_by("sum", *(name for name in ("n", "refused") if f"AS {name}" in sql))
    names = ("verb", "enhanced_status", "reply_text", "recipient_domain", "session_id")
    return query(
        "FROM counted ORDER BY ALL",
        dtypes,
        needs={**replies.needs, **{name: name for name in names if name in sql}},
        parameters=replies.parameters,
        parts={"counted": Part(sql=sql % replies.sql, merge=merge)},
        log=log,
    )


def _by_command(a: Log, b: Log, is_clustered: bool) -> pd.DataFrame:
    both = [replies_of(log) for log in (a, b)]
    said = _said(a, b, both)
    times = [
        quantile_intervals(
            log, replies, _COLUMN, [*_TIMES.values()], is_clustered=is_clustered
        )
        for log, replies in zip((a, b), both, strict=True)
    ]
    verbs, refused = [], []
    for verb, own in said.groupby("verb"):
        verbs.append(str(verb))
        clusters = Clusters(own["n_a"], own["n_b"], is_clustered=is_clustered)
        counts = own["refused_a"], own["refused_b"]
        refused.append(clusters.compare(np.arange(len(own)), *counts))
    table = pd.DataFrame({"verb": pd.Categorical(verbs)})
    for side in ("a", "b"):
        numbers = [getattr(change, side).n for change in refused]
        table[f"replies_{side}"] = np.array(numbers, np.int64)
    changes: dict[str, list[Change]] = {}
    for number, name in enumerate(_TIMES):
        changes[name] = [
            _slower(times[0].get(verb), times[1].get(verb), number) for verb in verbs
        ]
    changes["refused"] = refused
    adjusted = iter(
        _adjusted([change.change for own in changes.values() for change in own])
    )
    for name, each in changes.items():
        unit = "" if name == "refused" else "_s"
        _put(table, f"{name}_a{unit}", [change.a.estimate for change in each])
        _put(table, f"{name}_b{unit}", [change.b.estimate for change in each])
        _put_changes(table, each, before=f"{name}_", unit=unit)
        _put(table, f"{name}_p_holm", [next(adjusted) for _ in each])
    table.attrs["interval"] = (
        f"{_OF_TIMES[is_clustered]}; of refusals: Newcombe{_BY_SESSION * is_clustered}"
    )
    return _largest_first(table, "p50_change_s", "refused_change")


def _slower(a: list[Interval] | None, b: list[Interval] | None, number: int) -> Change:
    """Give the change of a quantile; NaN if one log has no such times."""
    none = Interval(
        estimate=math.nan, low=0.0, high=math.inf, n=0, effective_n=0.0, method="none"
    )
    first, second = (own[number] if own else none for own in (a, b))
    return Change(a=first, b=second, change=difference(first, second))


def _by_reply(a: Log, b: Log, is_clustered: bool) -> pd.DataFrame:
    both = [replies_of(log) for log in (a, b)]
    said = _said(a, b, both)
    texts = _refused(a, b, both)
    texts["wording"], shown = _wordings(texts)
    places = said.groupby("verb").cumcount()
    there = pd.MultiIndex.from_frame(said[["verb", "cluster"]])
    clusters = {
        str(verb): Clusters(own["n_a"], own["n_b"], is_clustered=is_clustered)
        for verb, own in said.groupby("verb")
    }
    heads, changes = [], []
    for place, (_, own) in enumerate(texts.groupby("wording")):
        counts = own.groupby(["verb", "cluster"], sort=False)[["a", "b"]].sum()
        where = places.to_numpy()[there.get_indexer(counts.index)]
        verb = str(own["verb"].iloc[0])
        change = clusters[verb].compare(where, counts["a"], counts["b"])
        # Also what only one log was asked: it has a share, if nothing to compare it with.
        if counts["a"].sum() != counts["b"].sum() or change.change.estimate:
            heads.append((own.index[0], shown[place]))
            changes.append(change)
    table = texts.loc[[index for index, _ in heads], _KIND].reset_index(drop=True)
    table["verb"] = table["verb"].astype("category")
    table["wording"] = pd.array([wording for _, wording in heads], "string")
    _put_shares(table, "replies", changes)
    table["is_new"] = table["replies_a"] == 0
    table.attrs["interval"] = _SHARES + _BY_SESSION * is_clustered
    return _largest_first(table, "change", "replies_b")


def _refused(a: Log, b: Log, both: Sequence[Replies]) -> pd.DataFrame:
    """Count each refusal of each cluster in either log."""
    dtypes = {
        "verb": "string",
        "reply_code": "Int16",
        "enhanced_status": "string",
        "reply_text": "string",
        "cluster": "int64",
        "times": "int64",
    }
    parts = [
        _ask(_REFUSED, dtypes, log, replies).assign(**{side: 1, other: 0})
        for log, replies, side, other in zip((a, b), both, "ab", "ba", strict=True)
    ]
    texts = pd.concat(parts, ignore_index=True)
    for side in ("a", "b"):
        texts[side] *= texts["times"]
    return texts


def _wordings(texts: pd.DataFrame) -> tuple[Any, list[str]]:
    """Number each row's wording among those of its verb, code and enhanced status."""
    text, distinct = pd.factorize(texts["reply_text"].fillna(""))
    masked = pd.Series([mask(str(one)) for one in distinct], dtype=object)
    kind = texts.groupby(_KIND, dropna=False, observed=True).ngroup()
    alike = pd.DataFrame({"kind": kind, "wording": masked.reindex(text).to_numpy()})
    sizes = texts["times"].groupby([alike["kind"], alike["wording"]]).sum()
    sizes = sizes.sort_values(ascending=False, kind="stable")
    kinds, wordings = ([*sizes.index.get_level_values(level)] for level in (0, 1))
    numbers, shown = merge(wordings, kinds)
    place = dict(zip(zip(kinds, wordings, strict=True), numbers, strict=True))
    pairs = zip(alike["kind"], alike["wording"], strict=True)
    return np.array([place[pair] for pair in pairs], np.int64), shown


# -- retries


def _by_retry(a: Log, b: Log, is_clustered: bool) -> pd.DataFrame:
    waits = [retry_times(log) for log in (a, b)]
    curves = [kaplan_meier(own["waited_s"], own["is_accepted"]) for own in waits]
    first, second = (curve.quantile(0.5) for curve in curves)
    change = difference(first, second)
    test = log_rank(*(own[name] for own in waits for name in ("waited_s", "is_accepted")))
    table = pd.DataFrame(
        {
            "deferred_a": [len(waits[0])],
            "deferred_b": [len(waits[1])],
            "accepted_a": [int(waits[0]["is_accepted"].sum())],
            "accepted_b": [int(waits[1]["is_accepted"].sum())],
            "p50_a_s": [first.estimate],
            "p50_b_s": [second.estimate],
            "p50_change_s": [change.estimate],
            **{
                f"p50_{end}_s": [math.nan if math.isnan(change.estimate) else value]
                for end, value in (("low", change.low), ("high", change.high))
            },
            "p": [test.p_value],
        }
    )
    table.attrs["interval"] = "95 % interval: Brookmeyer and Crowley; p: log-rank test"
    return table


# -- what the tables have in common


def _put(table: pd.DataFrame, name: str, values: Sequence[float]) -> None:
    table[name] = np.array(values, float)


def _put_shares(table: pd.DataFrame, what: str, changes: Sequence[Change]) -> None:
    """Put the counts and shares of both logs there, and what is told of their change."""
    for side in ("a", "b"):
        own = [getattr(change, side) for change in changes]
        counts = [one.estimate * one.n if one.n else 0.0 for one in own]
        table[f"{what}_{side}"] = np.rint(np.array(counts, float)).astype(np.int64)
    for side in ("a", "b"):
        _put(table, f"share_{side}", [getattr(change, side).estimate for change in changes])
    _put_changes(table, changes)
    _put(table, "p_holm", _adjusted([change.change for change in changes]))


def _put_changes(
    table: pd.DataFrame, changes: Sequence[Change], *, before: str = "", unit: str = ""
) -> None:
    own = [change.change for change in changes]
    known = np.array([not math.isnan(one.estimate) for one in own], bool)
    for name in ("change", "low", "high"):
        values = [getattr(one, "estimate" if name == "change" else name) for one in own]
        _put(table, f"{before}{name}{unit}", np.where(known, values, np.nan).tolist())
    _put(table, f"{before}effective_n", [one.effective_n for one in own])


def _adjusted(changes: Sequence[Interval]) -> tuple[float, ...]:
    return holm([evidence_of(change).p_value for change in changes])


def _largest_first(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Sort by how far it changed, in either direction; of equals the first stays first."""
    keys = [table[name].abs().fillna(-1).to_numpy() for name in reversed(columns)]
    order = np.lexsort([-key for key in keys])
    sorted_ = table.iloc[order].reset_index(drop=True)
    sorted_.attrs = table.attrs
    return sorted_


_View = Callable[[Log, Log, bool], pd.DataFrame]
_VIEWS: Final[dict[str, _View]] = {
    "outcome": _by_outcome,
    "change": _by_change,
    "recipient": _by_recipient,
    "command": _by_command,
    "reply": _by_reply,
    "retry": _by_retry,
}
