"""Only who can never be reached, or complained, is suppressed; what was done is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from smtpbook.bounces.read import read_bounces
from smtpbook.bounces.suppress import suppress_bounces
from smtpbook.errors import ColumnError
from smtpbook.events import row_of
from smtpbook.log.frame import to_frame
from smtpbook.recipients.suppression import SuppressionList
from smtpbook.samples import share_path


@pytest.fixture
def stop(tmp_path: Path) -> SuppressionList:
    return SuppressionList.open(tmp_path / "never.csv")


def log_of(*rows: dict[str, Any]) -> pd.DataFrame:
    common = {
        "time": 0,
        "kind": "outcome",
        "recipient": "ann@x.example",
        "outcome": "bounced",
    }
    return to_frame([row_of(**common | row) for row in rows])


GONE: list[dict[str, Any]] = [
    {"reply_code": 550, "enhanced_status": "5.1.1"},
    {"reply_code": 550, "reason": "mailbox_disabled"},
    {"reply_code": 550, "reason": "bad_domain"},
    {"enhanced_status": "5.1.1", "reason": "user_unknown"},
    {"reason": "user_unknown"},
    {"verb": "RCPT", "reply_code": 550, "reply_text": "mailbox unavailable"},
    {"outcome": "rejected", "reply_code": 550, "reason": "user_unknown"},
    {"outcome": "complaint"},
]
STAYS: list[dict[str, Any]] = [
    {"reply_code": 450, "reason": "user_unknown"},
    {"enhanced_status": "4.1.1", "reason": "user_unknown"},
    {"reply_code": 554, "reason": "ip_blocked"},
    {"reply_code": 550, "reason": "sender_blocked"},
    {"reply_code": 550, "reason": "greylisted"},
    {"reply_code": 552, "reason": "mailbox_full"},
    {"reply_code": 550, "reason": "spam"},
    {"reply_code": 550, "reason": "policy"},
    {"reason": "expired"},
    {},
    # The greeting was refused, not the recipient; and a bare 550 may mean anything.
    {"verb": "GREETING", "reply_code": 553, "reason": "bad_address"},
    {"verb": "EHLO", "reply_code": 550, "reply_text": "host does not exist"},
    {"verb": "RCPT", "reply_code": 550, "reply_text": "no"},
    {"verb": "RCPT", "reply_code": 550, "reply_text": ""},
    {"reason": "a reason of another program"},
]
NOT_ASKED: list[dict[str, Any]] = [
    {"outcome": outcome, "reply_code": 550, "reason": "user_unknown"}
    for outcome in ("deferred", "accepted", "delivered", "suppressed", "failed")
]


def test_who_is_suppressed_and_who_is_not(stop: SuppressionList) -> None:
    rows = [
        row | {"recipient": f"{kind}{number}@x.example"}
        for kind, cases in (("gone", GONE), ("stays", STAYS), ("other", NOT_ASKED))
        for number, row in enumerate(cases)
    ]
    told = suppress_bounces(log_of(*rows), stop)
    assert dict(zip(told["recipient"], told["done"], strict=True)) == {
        **{f"gone{number}@x.example": "suppressed" for number in range(len(GONE))},
        **{f"stays{number}@x.example": "left alone" for number in range(len(STAYS))},
    }
    assert told["why"].notna().all()
    assert {one.address_or_rule for one in stop} == {
        f"gone{number}@x.example" for number in range(len(GONE))
    }


def test_one_bounce_for_good_is_enough_among_others(stop: SuppressionList) -> None:
    gone = {"reply_code": 550, "reason": "user_unknown"}
    full = {"reply_code": 552, "reason": "mailbox_full"}
    told = suppress_bounces(log_of(full, gone, full), stop)
    assert told[["reason", "done"]].to_numpy().tolist() == [["user_unknown", "suppressed"]]


def test_the_sample_says_of_everybody_what_was_done(stop: SuppressionList) -> None:
    log = read_bounces(share_path("data") / "logs" / "bounces.mbox")
    told = suppress_bounces(log, stop)
    assert told["done"].value_counts().to_dict() == {"suppressed": 10, "left alone": 2}
    left = told[(told["done"] == "left alone").to_numpy(bool)]
    assert set(left["recipient"]) == {"dee@fullbox.example", "hal@fullbox.example"}
    entries = {one.address_or_rule: one.reason for one in stop}
    assert entries["ann@ordinary.example"] == "complaint"
    assert entries["cy@gone.example"] == "bounced"
    again = suppress_bounces(log, stop)
    assert again["done"].value_counts().to_dict() == {
        "was there already": 10,
        "left alone": 2,
    }
    assert len(stop) == 10


def test_the_day_is_that_of_the_bounce(stop: SuppressionList) -> None:
    day = 1795856400_000000
    suppress_bounces(log_of({"outcome": "complaint", "time": day}), stop)
    (entry,) = stop
    assert entry.date is not None
    assert f"{entry.date:%Y-%m-%d %H:%M}" == "2026-11-28 09:00"


def test_a_dry_run_tells_and_does_nothing(stop: SuppressionList) -> None:
    told = suppress_bounces(log_of({"outcome": "complaint"}), stop, dry_run=True)
    assert told["done"].tolist() == ["suppressed"]
    assert len(stop) == 0


def test_an_address_that_cannot_be_one_suppresses_nobody(stop: SuppressionList) -> None:
    rows = [
        {"outcome": "complaint", "recipient": one} for one in ("nobody at x", "a@x.example")
    ]
    told = suppress_bounces(log_of(*rows), stop)
    assert told["done"].tolist() == ["left alone", "suppressed"]


def test_a_log_that_lacks_a_column_is_refused(stop: SuppressionList) -> None:
    with pytest.raises(ColumnError, match="'outcome' not found"):
        suppress_bounces(log_of({}).drop(columns="outcome"), stop)


def test_of_a_campaigns_bounces_only_those_joined_to_it_count(
    stop: SuppressionList,
) -> None:
    gone = {"reply_code": 550, "enhanced_status": "5.1.1"}
    ours = {"campaign_id": "c1", "recipient": "bob@x.example"}
    log = log_of(gone, gone | ours)
    done = suppress_bounces(log, stop, dry_run=True).set_index("recipient")["done"]
    assert done.to_dict() == {"ann@x.example": "left alone", "bob@x.example": "suppressed"}
    # Read for a campaign, and nothing of it is about that.
    log = log_of(gone)
    log.attrs["read"] = {"joined": {"not joined": 1}}
    (why,) = suppress_bounces(log, stop)["why"]
    assert why == "it was joined to nothing that was sent"
    assert len(stop) == 0
