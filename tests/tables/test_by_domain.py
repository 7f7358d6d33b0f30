"""Domains are counted by their recipients, and told whose server they have."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from smtpbook.events import Event
from smtpbook.log.frame import to_frame
from smtpbook.tables.outcomes import by_domain, count_outcomes
from smtpbook.tables.replies import reply_codes
from tests.log.story import suppressed

GMAIL = "alt1.gmail-smtp-in.l.google.com"


def told(log: pd.DataFrame) -> dict[str, Any]:
    table = by_domain(log)
    providers = table["provider"].astype(object).where(table["provider"].notna(), None)
    return dict(zip(table["recipient_domain"], providers, strict=True))


def ended(name: str, **cells: Any) -> Event:
    domain = name.partition("@")[2]
    event = Event(
        kind="outcome", recipient=name, recipient_domain=domain, outcome="accepted"
    )
    return replace(event, **cells)


def test_domains_add_up_to_the_outcomes(log: pd.DataFrame) -> None:
    table = by_domain(log)
    assert table["recipients"].sum() == 301
    counts = {name: n for name, n in count_outcomes(log).items() if n}
    assert table[list(counts)].sum().to_dict() == counts
    assert table["recipients"].is_monotonic_decreasing


def test_recipients_without_a_domain_are_counted_too() -> None:
    table = by_domain(to_frame([suppressed("nobody")]))
    assert table["recipients"].tolist() == [1]
    assert table["recipient_domain"].isna().all()


def test_a_domain_has_the_provider_of_the_server_that_mail_is_relayed_to() -> None:
    """Who takes mail in submission is not the domain's own server."""
    log = to_frame(
        event.to_row()
        for event in (
            ended("a@relayed.example", server=GMAIL, port=25),
            ended("a@logged.example", server=GMAIL),
            ended("a@submitted.example", server="smtp.gmail.com", port=587),
            ended("a@other.example", server="mx.other.example", port=25),
            ended("a@moved.example", server="mx.moved.example", port=25),
            ended("b@moved.example", server=GMAIL, port=25),
        )
    )
    assert told(log) == {
        "relayed.example": "gmail",
        "logged.example": "gmail",
        "submitted.example": None,
        "other.example": None,
        "moved.example": "gmail",
    }


def test_replies_are_counted_by_the_provider_whose_server_said_them() -> None:
    rows = [
        Event(verb="RCPT", reply_code=code, server=server).to_row()
        for code, server in (
            (250, GMAIL),
            (250, GMAIL.replace("alt1", "alt2")),
            (550, GMAIL),
            (550, "mx.other.example"),
        )
    ]
    table = reply_codes(to_frame(rows), by="provider")
    assert table["provider"].tolist() == ["gmail", "gmail"]
    assert table["reply_code"].tolist() == [250, 550]
    assert table["replies"].tolist() == [2, 1]
    assert table["share"].tolist() == [2 / 3, 1 / 3]


def test_a_rate_of_acceptance_has_its_interval() -> None:
    """8 of 10 is 0.490 to 0.943 by Wilson; a suppressed recipient was not tried."""
    outcomes = ["accepted"] * 7 + ["delivered"] + ["rejected", "deferred", "suppressed"]
    events = [ended(f"{n}@x.example", outcome=name) for n, name in enumerate(outcomes)]
    events.append(ended("no@never.example", outcome="suppressed"))
    table = by_domain(to_frame(event.to_row() for event in events))
    named = table.set_index("recipient_domain")
    shares = named[["accepted_share", "accepted_low", "accepted_high"]]
    assert shares.loc["x.example"].round(3).tolist() == [0.8, 0.490, 0.943]
    assert pd.isna(shares.loc["never.example", "accepted_share"])
    assert shares.loc["never.example"].tolist()[1:] == [0, 1]
    assert "Wilson" in table.attrs["interval"]
