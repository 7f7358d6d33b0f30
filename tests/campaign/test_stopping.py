"""Stop rules: what they look at, and a send that they end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pandas as pd
import pytest

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.campaign.stopping import Tally, stop_rule
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.messages.template import Template

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


@pytest.mark.parametrize("pace", [None, "10/s"])
@pytest.mark.parametrize("connections", [1, 3])
async def test_a_rule_ends_the_send_and_leaves_the_rest_pending(
    connections: int,
    pace: str | None,
    people: People,
    letter: Template,
    serve_here: ServeHere,
    autojump_clock: object,
) -> None:
    lab = Lab()
    lab.set(rcpt=UNKNOWN)
    account = await serve_here(lab)
    campaign = Campaign(
        "c",
        account,
        people(200),
        letter,
        pace=pace,
        connections=connections,
        stop_when=stop_rule("rejected > 10 %", after=20),
    )
    run = await campaign.send_async()
    assert run.stopped == "rejected > 10 %: 20 of 20"
    assert repr(run).endswith("; stopped: rejected > 10 %: 20 of 20>")
    assert "Stopped: rejected &gt; 10 %: 20 of 20" in run._repr_html_()
    assert 20 <= run.counts["rejected"] <= 20 + 2 * connections
    assert campaign.counts == {
        "rejected": run.counts["rejected"],
        "pending": 200 - run.counts["rejected"],
    }
    assert lab.counts["rejected"] == run.counts["rejected"]
    lab.set(rcpt=Behaviour())
    again = await campaign.send_async()
    assert again.stopped is None
    assert again.counts["accepted"] == 200 - run.counts["rejected"]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (lambda tally: tally["user_unknown"] > 4, "the stop rule <lambda> held"),
        (lambda tally: "enough" * (tally.tried > 4), "enough"),
        (
            lambda tally: 1 / (5 - tally.tried) < 0,
            "raised ZeroDivisionError: division by zero",
        ),
    ],
)
async def test_any_function_of_the_counts_is_a_rule(
    rule: Callable[[Tally], bool | str],
    said: str,
    people: People,
    letter: Template,
    serve_here: ServeHere,
    autojump_clock: object,
) -> None:
    lab = Lab()
    lab.set(rcpt=UNKNOWN)
    account = await serve_here(lab)
    rules = [stop_rule("spam > 1"), rule]
    campaign = Campaign("c", account, people(30), letter, connections=1, stop_when=rules)
    run = await campaign.send_async()
    assert run.stopped is not None
    assert said in run.stopped
    assert run.counts["rejected"] < 10


async def test_a_rule_may_watch_for_a_server_that_is_gone(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    lab = Lab()
    lab.set(mail=Behaviour(drop=True))
    account = await serve_here(lab)
    rule = stop_rule("failed >= 8")
    campaign = Campaign("c", account, people(50), letter, connections=1, stop_when=rule)
    run = await campaign.send_async()
    assert run.stopped == f"failed >= 8: {run.counts['failed']} of {run.counts['failed']}"
    assert campaign.counts["pending"] == 50 - run.counts["failed"] > 30
