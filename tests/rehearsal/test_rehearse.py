"""Rehearse: campaigns on virtual time, against modelled servers."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from smtpbook import progress
from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.delivery.settings import Together
from smtpbook.errors import RejectedError, SendStopped, TemplateError
from smtpbook.lab.behaviours import Behaviour, Rule
from smtpbook.lab.lab import Lab
from smtpbook.lab.scenarios import SCENARIOS
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pace
from smtpbook.pacing.retry import Retry
from smtpbook.pacing.stopping import stop_rule
from smtpbook.rehearsal.model import Refusal, ServerModel
from smtpbook.rehearsal.rehearsal import Rehearsal
from smtpbook.transfer.options import DeliveryOptions

People = Callable[[int], pd.DataFrame]
GREYLISTING = ServerModel(
    name="greylists everybody",
    refusals=(Refusal(reply="450 4.7.1 Greylisted, come back", for_s=240.0),),
)


def nonzero(run: Rehearsal) -> dict[str, int]:
    return {name: n for name, n in run.counts.items() if n}


def rows(run: Rehearsal) -> pd.DataFrame:
    """Give the log without what differs: when it was, and a Message-ID's octets."""
    log = run.log.drop(columns=["bytes_sent"])
    return log.assign(time=log["time"] - run.began)


# --- what comes out -----------------------------------------------------------------------

# A rehearsal knows nothing of TLS, logins and mail data.
OF_THE_WIRE = {
    *("drops-after-dot", "auth-zoo", "expired-certificate", "pipelining-broken"),
    *("strict-provider", "stripped-starttls"),
}


@pytest.mark.parametrize("scenario", sorted(set(SCENARIOS) - OF_THE_WIRE))
def test_it_comes_to_what_the_lab_comes_to(
    scenario: str, people: People, letter: Template
) -> None:
    with Lab(scenario, seed=3) as lab:
        campaign = Campaign("c", lab.account, people(36), letter, folder=None)
        rehearsal = campaign.rehearse(seed=3, progress=False)
        if scenario == "tarpit":  # it would take half a minute
            lab.set(**dict.fromkeys(("mail", "rcpt", "data", "end_of_data"), Behaviour()))
            lab.set(greeting=Behaviour(), ehlo=Behaviour())
        run = campaign.send(progress=False)
    assert rehearsal.counts == run.counts
    columns = ["recipient", "outcome", "reply_code", "verb"]
    pairs = [
        one.outcomes[columns].sort_values("recipient", ignore_index=True)
        for one in (rehearsal, run)
    ]
    pd.testing.assert_frame_equal(*pairs)


def test_lmtp_and_what_a_letter_asks_for_are_rehearsed_as_plain_smtp(
    people: People, letter: Template
) -> None:
    account = Account(host="store.test", protocol="lmtp", port=2424)
    asking = letter.replace(options=DeliveryOptions(requires_tls=True, hold_for_s=60))
    run = Campaign("c", account, people(3), asking, folder=None).rehearse(progress=False)
    assert nonzero(run) == {"accepted": 3}
    assert "LHLO" not in set(run.log["verb"])


def test_a_server_that_hangs_up_leaves_them_in_doubt(
    people: People, letter: Template, account: Account
) -> None:
    campaign = Campaign("c", account, people(9), letter, connections=1)
    run = campaign.rehearse("drops-after-dot", progress=False)
    assert nonzero(run) == {"in_doubt": 4, "failed": 5}


@pytest.mark.parametrize("server", ["mixed-day", None])
def test_the_same_seed_gives_the_same_rows(
    server: str | None, people: People, letter: Template, account: Account
) -> None:
    campaign = Campaign("c", account, people(60), letter, pace="600/min", retry=Retry())
    first, again, other = (
        campaign.rehearse(server, seed=seed, progress=False) for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(rows(first), rows(again))
    assert first.took_s == again.took_s != other.took_s


def test_retries_are_made_when_they_are_due(
    people: People, letter: Template, account: Account
) -> None:
    retry = Retry(after_s={"greylisted": [100, 100, 100]})
    campaign = Campaign("c", account, people(5), letter, retry=retry)
    run = campaign.rehearse(GREYLISTING, progress=False)
    assert nonzero(run) == {"accepted": 5}
    assert (run.retries, run.deferrals) == (15, 15)
    assert run.took_s == pytest.approx(300, abs=1)
    assert set(run.outcomes["attempt"]) == {4}


def test_the_pace_and_the_end_are_told(
    people: People, letter: Template, account: Account
) -> None:
    campaign = Campaign("c", account, people(600), letter, pace="100/min")
    run = campaign.rehearse("ordinary", progress=False)
    assert run.took_s == pytest.approx(599 * 0.6, abs=1)
    assert run.per_minute == pytest.approx(100, rel=0.01)
    assert run.ends - run.began == timedelta(seconds=run.took_s)
    assert "takes 5 min 59 s" in repr(run)
    assert "<th style='text-align:left'>retries</th>" in run._repr_html_()
    last = run.log["time"].max() - pd.Timestamp(run.began)
    assert last.total_seconds() == pytest.approx(run.took_s, abs=0.1)


def test_an_adaptive_pace_finds_the_servers_limit(
    people: People, letter: Template, account: Account
) -> None:
    model = ServerModel(
        name="at most 300 a minute",
        refusals=(
            Refusal(
                reply="450 4.7.1 Error: too much mail from you",
                verb="MAIL",
                above_per_minute=300,
            ),
        ),
    )
    campaign = Campaign(
        "c",
        account,
        people(3000),
        letter,
        pace="adaptive",
        retry=Retry(after_s={"rate_limited": [60]}),
    )
    run = campaign.rehearse(model, progress=False)
    assert run.counts["accepted"] == 3000
    assert run.per_minute < 310
    assert run.deferrals > 0
    assert run.pace["why"].str.contains("halved").any()
    assert (run.pace["time"] >= run.began).all()


def test_a_quota_continues_tomorrow_in_virtual_time(
    people: People, letter: Template, account: Account
) -> None:
    campaign = Campaign("c", account, people(25), letter, pace="10 every day")
    run = campaign.rehearse("ordinary", progress=False)
    assert run.took_s == pytest.approx(2 * 86_400, abs=5)


def test_quiet_hours_and_the_earliest_time_are_kept_in_virtual_time(
    people: People, letter: Template, account: Account
) -> None:
    start = datetime(2031, 5, 1, 21, 0, tzinfo=UTC)
    pace = Pace("10/hour", quiet="22:00-07:00 UTC", not_before=start)
    campaign = Campaign("c", account, people(15), letter, pace=pace)
    run = campaign.rehearse("ordinary", progress=False)
    assert run.began == start
    ended = run.log.loc[run.log["outcome"] == "accepted", "time"]
    assert ended.min() - pd.Timestamp(start) < pd.Timedelta(seconds=5)
    assert not ended.dt.hour.isin([22, 23, *range(7)]).any()
    assert ended.max().day == 2


def test_several_to_a_message_and_stop_rules_work_as_in_earnest(
    people: People, letter: Template, account: Account
) -> None:
    together = Campaign(
        "c", account, people(36), letter, together=Together(size=6), connections=1
    )
    run = together.rehearse("mixed-day", progress=False)
    assert sum(run.counts.values()) == 36
    assert (run.log["verb"] == "DATA").sum() == 6
    rule = stop_rule("rejected >= 2")
    stopped = Campaign("c", account, people(60), letter, stop_when=rule, connections=1)
    run = stopped.rehearse("mixed-day", progress=False)
    assert run.stopped is not None
    assert sum(run.counts.values()) < 20


def test_an_end_that_comes_with_a_reply_is_no_error_after_quit_and_costs_nobody(
    people: People, letter: Template, account: Account
) -> None:
    campaign = Campaign("c", account, people(6), letter, pace="2/second", connections=1)
    run = campaign.rehearse(progress=False)
    ends = run.log.loc[run.log["kind"] == "disconnect", "error"]
    assert (len(ends), ends.isna().all()) == (1, True)  # after QUIT all is as it should be
    hangs_up = Behaviour(reply="250 2.0.0 Ok", close=True)
    rules = (Rule(place="END-OF-DATA", pattern=None, behaviour=hangs_up),)
    run = campaign.rehearse(ServerModel(name="hangs up", rules=rules), progress=False)
    assert nonzero(run) == {"accepted": 6}
    assert run.log["session_id"].nunique() == 6
    assert (run.log["verb"] == "MAIL").sum() == 6


# --- what it leaves alone -----------------------------------------------------------------


def test_nothing_is_sent_written_or_asked(
    people: People, letter: Template, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = Campaign(
        "c", account, people(12), letter, retry=Retry(), suppress=["p3@gone.example"]
    )
    before = campaign.outcomes
    run = campaign.rehearse(progress=False)
    assert run.counts["suppressed"] == 1
    assert sum(run.counts.values()) == 12
    pd.testing.assert_frame_equal(campaign.outcomes, before)
    assert list(Path().iterdir()) == []
    assert set(run.log["source"]) == {"rehearsal"}
    ids = run.log["message_id"].dropna()
    assert set(ids) == {f"<{n}@rehearsal.invalid>" for n in range(1, ids.nunique() + 1)}
    assert (run.log["kind"] == "tls").sum() == run.log["session_id"].nunique()


def test_what_was_sent_counts_and_stays_so(people: People, letter: Template) -> None:
    with Lab("mixed-day") as lab:
        campaign = Campaign("c", lab.account, people(36), letter, pace="36 every day")
        campaign.send(limit=18, progress=False)
        before, kept = campaign.outcomes, sorted(Path().rglob("*"))
        rest = campaign.rehearse(limit=9, progress=False)
        assert sum(rest.counts.values()) == 9
        assert rest.took_s < 60
        whole = campaign.rehearse(only=["deferred", *rest.outcomes["recipient"]])
        assert sum(whole.counts.values()) == 15
        tomorrow = campaign.rehearse(progress=False)
        assert sum(tomorrow.counts.values()) == 18
        pd.testing.assert_frame_equal(campaign.outcomes, before)
        assert sorted(Path().rglob("*")) == kept
        assert campaign.send(progress=False).counts["accepted"] == 6


def test_a_row_that_cannot_be_rendered_shows_before(account: Account) -> None:
    frame = pd.DataFrame({"email": ["a@x.test", "b@x.test"], "name": ["Ann", None]})
    letter = Template(header_from="ann@x.test", subject="{{ name }}", text="Come.")
    with pytest.raises(TemplateError, match="message to "):
        Campaign("c", account, frame, letter).rehearse(progress=False)


def test_a_server_that_takes_nobody_raises_as_it_would(
    people: People, letter: Template, account: Account
) -> None:
    model = ServerModel(
        name="x", refusals=(Refusal(reply="554 5.7.1 not you", verb="GREETING"),)
    )
    with pytest.raises(RejectedError, match="not you"):
        Campaign("c", account, people(3), letter).rehearse(model, progress=False)


def test_an_unknown_scenario_gets_the_near_miss(
    people: People, letter: Template, account: Account
) -> None:
    with pytest.raises(ValueError, match="did you mean 'mixed-day'"):
        Campaign("c", account, people(3), letter).rehearse("mixed-dya")


# --- which server -------------------------------------------------------------------------


def test_a_lab_is_rehearsed_as_it_is_set(people: People, letter: Template) -> None:
    with Lab() as lab:
        lab.set("*@gone.example", rcpt=Behaviour(reply="550 5.1.1 gone"))
        lab.set(end_of_data=Behaviour(delay_s=30))
        campaign = Campaign("c", lab.account, people(12), letter, connections=1)
        run = campaign.rehearse(progress=False)
        assert nonzero(run) == {"accepted": 10, "rejected": 2}
        assert run.took_s == pytest.approx(300, abs=1)
        assert len(lab.received) == lab._shared.sessions == 0
    assert campaign.rehearse(progress=False).counts["accepted"] == 12


def test_what_nothing_is_known_of_is_assumed_and_said_to_be(
    people: People, letter: Template, account: Account
) -> None:
    run = Campaign("c", account, people(600), letter).rehearse(progress=False)
    assert "assumed" in repr(run)
    assert 0.02 < run.counts["deferred"] / 600 < 0.12


def test_a_campaigns_own_log_is_learnt_from(people: People, letter: Template) -> None:
    with Lab() as lab:
        lab.set("*@gone.example", rcpt=Behaviour(reply="550 5.1.1 gone"))
        real = lab.account.replace(is_lab=False)
        campaign = Campaign("c", real, people(120), letter)
        campaign.send(limit=60, confirm=False, progress=False)
        run = campaign.rehearse(progress=False)
    assert run.server == "as 127.0.0.1 was"
    assert 1 <= run.counts["rejected"] <= 25
    assert run.counts["accepted"] + run.counts["rejected"] == 60


def test_nothing_is_signed(people: People, account: Account) -> None:
    class Signer:
        def sign(self, data: bytes, *, date: datetime) -> bytes:
            raise AssertionError("a key was asked for")

    letter = Template(header_from="a@x.test", subject="Hi", text="Come.", sign=Signer())
    run = Campaign("c", account, people(3), letter).rehearse("ordinary", progress=False)
    assert run.counts["accepted"] == 3


def test_each_account_is_rehearsed_against_its_own_server(
    people: People, letter: Template
) -> None:
    with Lab("full-mailboxes") as full, Lab() as ordinary:
        accounts = {full.account: 1, ordinary.account.replace(name="spare"): 3}
        campaign = Campaign("c", accounts, people(40), letter)
        run = campaign.rehearse(progress=False)
    assert run.server == "full-mailboxes, ordinary"
    assert nonzero(run) == {"accepted": 30, "deferred": 10}


# --- progress and interrupts --------------------------------------------------------------


def test_progress_is_shown(people: People, letter: Template, account: Account) -> None:
    shown: list[object] = []

    class Display:
        def update(self, done: int, counts: Mapping[str, int]) -> None:
            shown.append(done)

        def close(self) -> None:
            shown.append("closed")

    def open_display(title: str, total: int) -> Display:
        shown.append((title, total))
        return Display()

    progress.use(open_display)
    try:
        Campaign("c", account, people(3), letter).rehearse("ordinary")
    finally:
        progress.use(None)
    assert shown == [("rehearsing", 3), 1, 2, 3, "closed"]


def test_an_interrupt_ends_it_soon(
    people: People, letter: Template, account: Account
) -> None:
    class Display:
        def update(self, done: int, counts: Mapping[str, int]) -> None:
            if done == 30:
                os.kill(os.getpid(), signal.SIGINT)

        def close(self) -> None:
            """Leave nothing."""

    progress.use(lambda title, total: Display())
    campaign = Campaign("c", account, people(6000), letter, pace="100/min")
    try:
        with pytest.raises(SendStopped) as caught:
            campaign.rehearse("ordinary")
    finally:
        progress.use(None)
    run = caught.value.run
    assert isinstance(run, Rehearsal)
    assert 30 <= run.counts["accepted"] < 6000
    assert run.counts["in_doubt"] == run.counts["failed"] == 0
    assert not any(one.name == "smtpbook rehearsal" for one in threading.enumerate())


async def test_inside_trio_it_names_the_way_out(
    people: People, letter: Template, account: Account
) -> None:
    with pytest.raises(RuntimeError, match=r"to_thread\.run_sync"):
        Campaign("c", account, people(3), letter).rehearse()
