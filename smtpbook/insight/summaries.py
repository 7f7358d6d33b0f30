"""Summaries: the event log counted, as small tables.

Every table here counts replies, and leaves ``outcome`` rows out, because they repeat the
reply that decided; `by_domain` counts recipients instead.  Nothing is drawn here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from smtpbook.errors import ColumnError, near_miss
from smtpbook.events import OUTCOMES
from smtpbook.log.distinct import number_of
from smtpbook.log.frame import require_columns
from smtpbook.log.outcomes import outcomes
from smtpbook.palette import SEVERITY_NAMES

# The order in which a session says them (RFC 5321 section 4.1.4, 3207, 4954, 3030).
SESSION_ORDER: Final = (
    "GREETING",
    "LHLO",
    "EHLO",
    "HELO",
    "STARTTLS",
    "AUTH",
    "MAIL",
    "RCPT",
    "DATA",
    "BDAT",
    "END-OF-DATA",
    "RSET",
    "NOOP",
    "VRFY",
    "EXPN",
    "HELP",
    "QUIT",
)
_BY: Final = {"domain": "recipient_domain"}
_REFUSAL: Final = ["verb", "reply_code", "enhanced_status"]


def replies(log: pd.DataFrame) -> pd.DataFrame:
    """Give the log's rows that hold a reply of their own; ``outcome`` rows do not.

    What is no reply code of SMTP (200 to 599, RFC 5321 section 4.2) is no reply.
    """
    require_columns(log, "kind", "reply_code")
    own = log["reply_code"].between(200, 599).fillna(False) & (log["kind"] != "outcome")
    return log[own.to_numpy(bool)]


def reply_codes(log: pd.DataFrame, by: str | None = None) -> pd.DataFrame:
    """Count how often each reply code came.

    Parameters
    ----------
    log : DataFrame
        Event log.
    by : str, optional
        Count within each value of this column; ``"domain"`` is short for
        ``"recipient_domain"``.  Replies for which it is null are left out.

    Returns
    -------
    DataFrame
        One row per code, ascending: the column ``by`` if there is one, ``reply_code``
        (Int16), ``severity`` (what its first digit means), ``replies`` (int), ``share``
        (float, 0 to 1, of all replies or of those with the same ``by``).

    Raises
    ------
    ColumnError
        ``by`` is no column of the log.
    """
    rows = replies(log)
    if by is None:
        keys = ["reply_code"]
    else:
        column = _BY.get(by, by)
        if column not in log.columns:
            hint = near_miss(by, [*_BY, *map(str, log.columns)])
            raise ColumnError(f"column {by!r} not found{hint}")
        keys = ["reply_code"] if column == "reply_code" else [column, "reply_code"]
    counts = rows.groupby(keys, observed=True).size().rename("replies").reset_index()
    digit = counts["reply_code"].astype(int) // 100
    counts.insert(len(keys), "severity", digit.map(SEVERITY_NAMES).astype("string"))
    group = counts.groupby(keys[0], observed=True) if len(keys) > 1 else None
    total = group["replies"].transform("sum") if group is not None else len(rows)
    return counts.assign(share=counts["replies"] / total)


def latency_by_command(
    log: pd.DataFrame,
    *,
    quantiles: Sequence[float] = (0.5, 0.95, 0.99),
    column: str = "service_s",
) -> pd.DataFrame:
    """Tell how long replies took, for each command.

    Parameters
    ----------
    log : DataFrame
        Event log.
    quantiles : sequence of float, 0 to 1
        Which quantiles to give, interpolated linearly.
    column : str
        ``"service_s"`` is what the server took for this command alone; ``"latency_s"``
        and ``"first_byte_s"`` also hold the wait behind earlier commands of a group.

    Returns
    -------
    DataFrame
        One row per verb in the order in which a session says them: ``verb``, ``replies``
        (int), ``mean_s``, one column per quantile (``p50_s``, ``p95_s``, …), ``max_s``;
        all in seconds.

    Raises
    ------
    ColumnError
        The log lacks ``column`` or ``verb``.
    ValueError
        A quantile is not between 0 and 1.
    """
    if not all(0 <= q <= 1 for q in quantiles):
        raise ValueError(f"quantiles lie between 0 and 1, not {list(quantiles)}")
    groups = timed_replies(log, column).groupby("verb", observed=True)[column]
    named = {f"p{q * 100:g}_s": groups.quantile(q) for q in quantiles}
    table = pd.DataFrame(
        {"replies": groups.size(), "mean_s": groups.mean(), **named, "max_s": groups.max()}
    )
    order = session_order(map(str, table.index))
    return table.loc[order].rename_axis("verb").reset_index()


def timed_replies(log: pd.DataFrame, column: str = "service_s") -> pd.DataFrame:
    """Give ``verb`` and the time in ``column``, where both are known, of each reply."""
    require_columns(log, "verb", column)
    table = replies(log)[["verb", column]].dropna()
    return table.assign(verb=table["verb"].astype("string"))


def session_order(verbs: Iterable[str]) -> list[str]:
    """Sort verbs as a session says them; unknown ones stand last, by name."""
    known = {verb: place for place, verb in enumerate(SESSION_ORDER)}
    return sorted(verbs, key=lambda verb: (known.get(verb, len(known)), verb))


def slowest_command(log: pd.DataFrame) -> tuple[str, float, float] | None:
    """Give the command with the greatest median: verb, median and p95 of ``service_s``.

    Returns
    -------
    tuple of str, float, float, or None
        Times in seconds; None if no reply was timed.
    """
    table = latency_by_command(log, quantiles=(0.5, 0.95))
    if table.empty:
        return None
    slowest = table.iloc[int(table["p50_s"].argmax())]
    return str(slowest["verb"]), float(slowest["p50_s"]), float(slowest["p95_s"])


def refused(log: pd.DataFrame) -> pd.DataFrame:
    """Give the rows of the 4yz and 5yz replies that decided.

    They are the ``outcome`` rows; in a session that has none, as one that ends with its
    greeting, they are the replies themselves.
    """
    require_columns(log, "kind", "reply_code", "session_id")
    session, _ = number_of(log["session_id"])
    outcome = (log["kind"] == "outcome").to_numpy(bool)
    # The last place is that of rows without a session, -1.
    is_decided = np.zeros(session.max(initial=-1) + 2, bool)
    is_decided[session[outcome]] = True
    is_refused = log["reply_code"].between(400, 599).fillna(False).to_numpy(bool)
    rows: pd.DataFrame = log[is_refused & (outcome | ~is_decided[session])]
    return rows


def refusals(log: pd.DataFrame) -> pd.DataFrame:
    """Count the 4yz and 5yz replies that decided, most frequent first.

    Counted are recipients, by their ``outcome`` rows: a 554 to the DATA that was pipelined
    behind a refused RCPT decides nothing.  In a session without outcome rows, replies are.
    Replies are alike if verb, reply code and enhanced status are; their texts often hold
    an id or an address.

    Returns
    -------
    DataFrame
        ``verb``, ``reply_code`` (Int16), ``enhanced_status`` (null if none),
        ``reply_text`` (the most frequent one), ``reason``, ``times`` (int), ``texts``
        (int, how many different ones there were).
    """
    require_columns(log, *_REFUSAL, "kind", "reply_text", "reason")
    rows = refused(log)
    # Most frequent text first, so that the first of each group is its text.
    texts = (
        rows.groupby([*_REFUSAL, "reply_text", "reason"], observed=True, dropna=False)
        .size()
        .rename("times")
        .reset_index()
        .sort_values("times", ascending=False, kind="stable")
    )
    groups = texts.groupby(_REFUSAL, observed=True, dropna=False, sort=False)
    table = texts[~texts.duplicated(_REFUSAL)].reset_index(drop=True)
    number = groups.ngroup()
    table["times"] = texts["times"].groupby(number.to_numpy()).sum().to_numpy()
    table["texts"] = number.groupby(number.to_numpy()).size().to_numpy()
    return table.sort_values("times", ascending=False, kind="stable", ignore_index=True)


def most_frequent_refusal(log: pd.DataFrame) -> dict[str, Any] | None:
    """Give the first row of `refusals` as a dict, nulls as None; None if there is none."""
    table = refusals(log)
    if table.empty:
        return None
    first = table.head(1).to_dict("records")[0]
    return {str(name): None if pd.isna(cell) else cell for name, cell in first.items()}


def by_domain(log: pd.DataFrame) -> pd.DataFrame:
    """Count what became of the recipients of each domain, largest domain first.

    Returns
    -------
    DataFrame
        ``recipient_domain`` (null = not known), ``recipients`` (int), and one column of
        int for each outcome of `smtpbook.events.OUTCOMES` that occurs.
    """
    last = outcomes(log)
    columns = [name for name in OUTCOMES if (last["outcome"] == name).any()]
    domains = last["recipient_domain"]
    counted = {
        name: (last["outcome"] == name).groupby(domains, dropna=False).sum()
        for name in columns
    }
    table = pd.DataFrame({"recipients": domains.groupby(domains, dropna=False).size()})
    table = table.assign(**counted).astype(int).rename_axis("recipient_domain")
    return table.reset_index().sort_values(
        ["recipients", "recipient_domain"], ascending=[False, True], ignore_index=True
    )
