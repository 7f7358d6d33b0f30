"""Fit: what an event log tells of a server, as the fields of a model.

Times as they were, refusals as shares, greylisting and limits where replies or retries show
them.  What a log of one pace cannot tell is what the server would do at another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from smtpbook.log.frame import require_columns
from smtpbook.log.store import read_log
from smtpbook.pacing.adaptive import says_too_fast
from smtpbook.protocol.extensions import Extensions
from smtpbook.protocol.replies import Reply
from smtpbook.rehearsal.model import Refusal, ServerModel, Times

_QUANTILES: Final = np.linspace(0, 1, 41)
_MIN_OF_DOMAIN: Final = 50  # recipients, for shares of its own; fewer say little
_MIN_SHARE: Final = 0.0005
# How long greylisting lasts where nobody came back: the shortest time that RFC 6647
# section 5 recommends.
_GREYLISTED_S: Final = 60.0
_COLUMNS: Final = (
    *("time", "session_id", "kind", "verb", "reply_code", "reply_text", "latency_s"),
    *("service_s", "recipient", "recipient_domain", "outcome", "reason", "server"),
)


def fit(log: pd.DataFrame) -> dict[str, Any]:
    """Give the fields of a `ServerModel`; parameters and errors as `ServerModel.fit`."""
    require_columns(log, *_COLUMNS)
    replies = log[log["kind"].isin(["greeting", "command"]) & log["reply_code"].notna()]
    replies = replies[replies["service_s"].notna()]
    if replies.empty:
        raise ValueError("the log holds no reply with its time: nothing to learn from")
    round_trip = log.loc[log["kind"] == "connect", "service_s"].dropna()
    round_trip_s = _times(round_trip) if len(round_trip) else (0.0,)
    fields: dict[str, Any] = {
        "name": f"as {replies['server'].dropna().iloc[0]} was"
        if replies["server"].notna().any()
        else "as in the log",
        "round_trip_s": round_trip_s,
        "service_s": _service(replies, float(np.median(round_trip_s))),
        "refusals": (*_limits(replies), *_refusals(log)),
    }
    tls = log.loc[log["kind"] == "tls", "service_s"].dropna()
    if len(tls):
        fields["tls_s"] = _times(tls)
    hellos = replies[(replies["verb"] == "EHLO") & (replies["reply_code"] == 250)]
    if len(hellos):
        fields["extensions"] = _extensions(hellos["reply_text"].iloc[-1])
    return fields


def learnt(events: Path) -> ServerModel | None:
    """Give the model of what a campaign's folder has kept; None = too little of it.

    Raises
    ------
    SMTPBookError
        A file of it is damaged.
    """
    if not events.is_dir() or not any(events.iterdir()):
        return None
    log = read_log(events)
    if (log["kind"] == "outcome").sum() < _MIN_OF_DOMAIN:
        return None
    try:
        return ServerModel.fit(log)
    except ValueError:  # no server was reached
        return None


def _times(seconds: pd.Series[float]) -> Times:
    found = np.quantile(seconds.to_numpy("float64"), _QUANTILES)
    return tuple(float(one) for one in np.maximum.accumulate(np.maximum(found, 0.0)))


def _service(replies: pd.DataFrame, round_trip_s: float) -> dict[str, Times]:
    """Give each command's time, without the way to the server and back.

    A reply that waited for none before it has made that way; the others of its group came
    with it.
    """
    went = replies["service_s"] >= replies["latency_s"] - 1e-9
    own_s = (replies["service_s"] - round_trip_s * went).clip(lower=0.0)
    by_verb = own_s.groupby(replies["verb"].astype(object), dropna=True)
    return {str(verb): _times(seconds) for verb, seconds in by_verb if len(seconds)}


def _extensions(text: str) -> tuple[str, ...]:
    offered = Extensions.from_reply(Reply.of(250, text))
    names = {
        "PIPELINING": offered.has_pipelining,
        "8BITMIME": offered.has_8bitmime,
        "SMTPUTF8": offered.has_smtputf8,
    }
    return tuple(name for name, is_offered in names.items() if is_offered)


# -- refusals


def _refusals(log: pd.DataFrame) -> Iterator[Refusal]:
    """Give who was refused at the first try, by domain."""
    tries = log[(log["kind"] == "outcome") & log["recipient"].notna()]
    tries = tries[tries["outcome"].isin(["accepted", "deferred", "rejected"])]
    tries = tries[~_is_too_fast(tries)]  # the limit's, not theirs
    first = tries[~tries["recipient"].duplicated()].copy()
    if first.empty:
        return
    waits = _waits(tries)
    came_later = first["recipient"].isin(waits.index) & (first["outcome"] == "deferred")
    first["is_greylisted"] = came_later | (first["reason"] == "greylisted")
    for_s = _greylisted_s(tries, waits)
    sizes = first["recipient_domain"].value_counts()
    large = set(sizes.index[sizes >= _MIN_OF_DOMAIN])
    domain = first["recipient_domain"].where(first["recipient_domain"].isin(large))
    for name, rows in first.groupby(domain.astype(object).fillna(""), dropna=False):
        found = list(_shares(rows, str(name) or None, for_s))
        if not found and name:  # so that the others' do not count for it
            found = [Refusal(reply="450 4.0.0 never", domain=str(name), share=0.0)]
        yield from found


def _is_too_fast(rows: pd.DataFrame) -> pd.Series[bool]:
    texts = rows["reply_text"].fillna("")
    said = {text: says_too_fast(text) for text in texts.unique()}
    is_deferral = (rows["reply_code"] // 100 == 4).fillna(False).astype(bool)
    return is_deferral & (texts.map(said).astype(bool) | (rows["reason"] == "rate_limited"))


def _greylisted_s(tries: pd.DataFrame, waits: pd.Series[float]) -> float:
    """Give how long greylisting lasts.

    Halfway between the longest wait that was too short and the shortest that was not: a
    retry comes some moments sooner or later than that of the log.
    """
    if waits.empty:
        return _GREYLISTED_S
    enough_s = float(waits.min())
    mine = tries[tries["recipient"].isin(waits.index) & (tries["outcome"] == "deferred")]
    waited = mine["time"] - mine.groupby("recipient", observed=True)["time"].transform(
        "min"
    )
    short_s = waited.dt.total_seconds()
    return (enough_s + float(short_s[short_s < enough_s].max())) / 2


def _waits(tries: pd.DataFrame) -> pd.Series[float]:
    """Give how long the deferred had waited when they were accepted, by recipient."""
    first = tries[~tries["recipient"].duplicated()]
    deferred = first[first["outcome"] == "deferred"].set_index("recipient")
    accepted = tries[tries["outcome"] == "accepted"].drop_duplicates("recipient")
    both = accepted.set_index("recipient")[["time"]].join(deferred["time"].rename("since"))
    return (both["time"] - both["since"]).dropna().dt.total_seconds()


def _shares(rows: pd.DataFrame, domain: str | None, for_s: float) -> Iterator[Refusal]:
    refused = rows[(rows["outcome"] != "accepted") & rows["reply_code"].notna()]
    keys = ["verb", "reply_code", "reason", "is_greylisted"]
    grouped = refused.groupby(keys, dropna=False, observed=True)
    for (verb, _, _, is_greylisted), same in grouped:
        share = len(same) / len(rows)
        if share < _MIN_SHARE:
            continue
        yield Refusal(
            reply=_commonest(same),
            verb=str(verb),
            domain=domain,
            share=share,
            for_s=for_s if is_greylisted else None,
        )


def _limits(replies: pd.DataFrame) -> Iterator[Refusal]:
    """Give how many messages a minute were accepted when a reply said that is too many."""
    too_fast = replies[_is_too_fast(replies)]
    is_end = (replies["verb"] == "END-OF-DATA") & (replies["reply_code"] < 300)
    accepted = np.sort(replies.loc[is_end, "time"].astype("int64").to_numpy())
    for verb, same in too_fast.groupby(too_fast["verb"].astype(object)):
        at = same["time"].astype("int64").to_numpy()
        before = np.searchsorted(accepted, at) - np.searchsorted(accepted, at - 60_000_000)
        yield Refusal(
            reply=_commonest(same),
            verb=str(verb),
            above_per_minute=max(float(np.median(before)), 1.0),
        )


def _commonest(rows: pd.DataFrame) -> str:
    """Give the reply that came most often, as a server says it."""
    texts = Counter(zip(rows["reply_code"], rows["reply_text"].fillna(""), strict=True))
    ((code, text), _) = texts.most_common(1)[0]
    return f"{code} {text}"
