"""Stop rules: what they look at, and a send that they end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pandas as pd
import pytest

from smtpbook.accounts.account import Account
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.pacing.stopping import Tally, stop_rule

People = Callable[[int], pd.DataFrame]
ServeHere = Callable[[Lab], Awaitable[Account]]
UNKNOWN = Behaviour(reply="550 5.1.1 user unknown")


def tally_of(**outcomes: int) -> Tally:
    tally = Tally()
    for outcome, number in outcomes.items():
        tally.add(outcome, "spam" if outcome == "rejected" else None, number)
    return tally


def test_a_tally_counts_outcomes_reasons_and_groups() -> None:
    tally = Tally()
    assert tally.share("rejected") == 0
    tally.add("rejected", "user_unknown")
    tally.add("rejected", "mailbox_full")
    tally.add("deferred", "mailbox_full")
    tally.add("accepted", None)
    assert tally.tried == 4
    assert [tally[name] for name in ("rejected", "address", "mailbox_full")] == [2, 1, 2]
    assert tally.share("mailbox_full") == 0.5
    tally.add("deferred", "mailbox_full", -1)
    assert (tally.tried, tally["mailbox_full"], tally["deferred"]) == (3, 1, 0)
    assert repr(tally) == "<Tally: 2 rejected, 1 accepted>"


@pytest.mark.parametrize(
    ("rule", "after", "tally", "said"),
    [
        ("rejected > 10 %", 0, tally_of(rejected=1, accepted=9), ""),
        ("rejected>10%", 0, tally_of(rejected=2, accepted=9), "rejected > 10 %: 2 of 11"),
        (
            "rejected >= 10 %",
            0,
            tally_of(rejected=1, accepted=9),
            "rejected >= 10 %: 1 of 10",
        ),
        ("rejected > 10 %", 50, tally_of(rejected=49), ""),
        ("rejected > 10 %", 50, tally_of(rejected=50), "rejected > 10 %: 50 of 50"),
        ("content > 2", 0, tally_of(rejected=3), "content > 2: 3 of 3"),
        ("spam >= 2.5", 0, tally_of(rejected=2), ""),
        ("rejected > 0 %", 0, Tally(), ""),
    ],
)
def test_a_rule_says_why_it_is_enough(
    rule: str, after: int, tally: Tally, said: str
) -> None:
    assert stop_rule(rule, after=after)(tally) == said


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("too many", "is no stop rule"),
        ("rejected < 10", "is no stop rule"),
        ("rejected > -1", "is no stop rule"),
        ("rejcted > 10", "did you mean 'rejected'"),
        ("reputaton > 1 %", "did you mean 'reputation'"),
        ("suppressed > 1", "no outcome, reason or group"),
    ],
)
def test_what_is_no_rule_is_refused(rule: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        stop_rule(rule)
