"""Figures: an event log in the numbers of a delivery report.

Servers, timing, reasons, domains, sizes, first and last words: each a section with items in
words.  Counted is what the log says; what it does not tell is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pandas as pd

from smtpbook.codes.tables import reasons
from smtpbook.tables.outcomes import outcomes
from smtpbook.wording import counted, lasting, octets

_DOMAINS: Final = 10
_SERVERS: Final = 5
_MINUTE_S: Final = 60
_TLS: Final = ("tls_version", "tls_cipher")

Item = tuple[str, str, str]
"""Section, item and value; any of them may hold anything."""


def figures(log: pd.DataFrame) -> Iterator[Item]:
    """Give section, item and value of everything that can be counted in a log."""
    for section, part in (
        ("Reasons", _reasons),
        ("Domains", _domains),
        ("Timing", _timing),
        ("Connections", _connections),
        ("Servers", _servers),
        ("Sizes", _sizes),
        ("Replies", _replies),
    ):
        for item, value in part(log):
            yield section, item, value


def _reasons(log: pd.DataFrame) -> Iterator[tuple[str, str]]:
    last = outcomes(log)
    refused = last[last["outcome"] != "accepted"]
    for name, n in refused["reason"].dropna().value_counts().items():
        if n:
            known = reasons().get(str(name))
            yield str(name), f"{n:,}" + (f": {known.meaning}" if known else "")
    for name, n in refused["error"].dropna().value_counts().items():
        if n:
            yield str(name), f"{n:,}: no reply"


def _domains(log: pd.DataFrame) -> Iterator[tuple[str, str]]:
    last = outcomes(log)
    counts = last["recipient_domain"].value_counts()
    is_accepted = (last["outcome"] == "accepted").to_numpy(bool)
    accepted = last.loc[is_accepted, "recipient_domain"].value_counts()
    for name, n in counts.head(_DOMAINS).items():
        yield str(name), f"{n:,}, of them {int(accepted.get(name, 0)):,} accepted"
    if len(counts) > _DOMAINS:
        yield "others", counted(len(counts) - _DOMAINS, "more domain", "more domains")


def _timing(log: pd.DataFrame) -> Iterator[tuple[str, str]]:
    if log.empty:
        return
    begun, ended = log["time"].min(), _ends(log).max()
    took_s = (ended - begun).total_seconds()
    yield "started", f"{begun:%Y-%m-%d %H:%M:%S} UTC"
    yield "ended", f"{ended:%Y-%m-%d %H:%M:%S} UTC"
    yield "duration", lasting(took_s)
    decided = _messages(log)
    if decided.empty:
        return
    yield "messages", f"{len(decided):,} tried"
    if took_s < _MINUTE_S:  # as many in a minute would be a guess
        yield "messages per second", f"{len(decided) / max(took_s, 1e-6):,.1f} on average"
        return
    yield "messages per minute", f"{len(decided) / took_s * 60:,.1f} on average"
    by_minute = decided["time"].dt.floor("min").value_counts()
    yield (
        "at the peak",
        f"{by_minute.max():,} in the minute of {by_minute.idxmax():%Y-%m-%d %H:%M} UTC",
    )


def _connections(log: pd.DataFrame) -> Iterator[tuple[str, str]]:
    is_connect, is_lost = log["kind"] == "connect", log["kind"] == "disconnect"
    has_failed = log["error"].notna()
    made = int((is_connect & ~has_failed).sum())
    if not is_connect.any():
        return
    yield "made", f"{made:,}"
    # One of several addresses that was slower than another is neither.
    could_not = is_connect & has_failed & (log["error"] != "Cancelled")
    yield "could not be opened", f"{int(could_not.sum()):,}"
    yield "lost", f"{int((is_lost & has_failed).sum()):,}"
    each = _messages(log).groupby("session_id", observed=True).size()
    if len(each):
        yield (
            "messages per connection",
            f"{each.min():,} to {each.max():,}, {each.mean():,.1f} on average",
        )


def _servers(log: pd.DataFrame) -> Iterator[tuple[str, str]]:
    # A Unix socket has no address, and no port either.
    has_place = log["server_address"].notna() | log["port"].isna()
    is_missed = (log["kind"] == "connect") & log["error"].notna()
    reached = log[has_place & log["server"].notna() & ~is_missed]
    names = ["server", "port", "server_address"]
    places = reached.groupby(names, observed=True, dropna=False, sort=False)
    for number, ((server, port, address), rows) in enumerate(places, 1):
        if number > _SERVERS:
            yield "others", f"{len(places) - _SERVERS:,} more"
            return
        which = f" {number}" if len(places) > 1 else ""
        sessions = counted(rows["session_id"].nunique(), "session", "sessions")
        at = f":{port} [{address}]" if isinstance(address, str) else ""
        yield f"server{which}", f"{server}{at}, {sessions}"
        agreed = [_first(rows[name]) for name in _TLS]
        yield f"TLS{which}", ", ".join(filter(None, agreed)) or "none: clear text"
        is_greeting = (rows["kind"] == "greeting").to_numpy(bool)
        if greeting := _first(rows.loc[is_greeting, "reply_text"]):
            yield f"greeting{which}", greeting


def _sizes(log: pd.DataFrame) -> Iterator[tuple[str, str]]:
    of_messages = log.loc[
        (log["kind"] == "data").to_numpy(bool) & log["transaction_id"].notna().to_numpy(),
        ["transaction_id", "bytes_sent"],
    ].dropna()
    if len(of_messages):
        each = of_messages.groupby("transaction_id", observed=True)["bytes_sent"].sum()
        least, most = octets(int(each.min())), octets(int(each.max()))
        yield "message", f"{least} to {most}, {octets(int(each.mean()))} on average"
    if log[["bytes_sent", "bytes_received"]].notna().any(axis=None):
        yield "sent in all", octets(int(log["bytes_sent"].sum()))
        yield "received in all", octets(int(log["bytes_received"].sum()))


def _replies(log: pd.DataFrame) -> Iterator[tuple[str, str]]:
    own = (log["reply_code"].notna() & (log["kind"] != "outcome")).to_numpy(bool)
    rows = log.loc[own, ["time", "verb", "reply_code", "reply_text"]]
    if rows.empty:
        return
    ordered = rows.sort_values("time", kind="stable")
    for item, place in (("first", 0), ("last", -1)):
        time, verb, code, text = ordered.iloc[place]
        to = "" if pd.isna(verb) else f", to {verb}"
        said = "" if pd.isna(text) else text
        yield item, f"{code} {said} ({time:%H:%M:%S} UTC{to})"


def _messages(log: pd.DataFrame) -> pd.DataFrame:
    """Give the time and session of each message that came to an outcome; once each."""
    names = ["time", "session_id", "transaction_id"]
    rows = log.loc[(log["kind"] == "outcome").to_numpy(bool), names]
    return rows[rows["transaction_id"].notna()].drop_duplicates("transaction_id")


def _ends(log: pd.DataFrame) -> pd.Series[Any]:
    """Give when each thing was complete: its reply's last octet."""
    return log["time"] + pd.to_timedelta(log["latency_s"].fillna(0), unit="s")


def _first(column: pd.Series[Any]) -> str:
    known = column.dropna()
    return str(known.iloc[0]) if len(known) else ""
