"""Experiment: what is varied, sent as one campaign, and what came of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import trio

from smtpbook.accounts.account import Account
from smtpbook.campaign.opening import open_campaign
from smtpbook.errors import AuthenticationError, LedgerError, NobodyToAsk, TemplateError
from smtpbook.experiments.experiment import Experiment
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pace
from smtpbook.pacing.retry import Retry
from tests.experiments.conftest import SUBJECTS

pytestmark = pytest.mark.side_by_side
People = Callable[[int], pd.DataFrame]
ServeHere = Callable[[Lab], Awaitable[Account]]

LETTER_ONLY = {"subject": SUBJECTS}
TWO_WAYS = {"subject": SUBJECTS, "helo": ["a.x.test", "b.x.test"]}


def subjects(lab: Lab) -> dict[str, str]:
    """Give everybody's subject; nobody may have two messages."""
    got = [(who, one.data) for one in lab.received for who in one.recipients]
    assert max(Counter(who for who, _ in got).values(), default=0) <= 1
    return {
        who: "question" if b"Subject: Have you heard?" in data else "plain"
        for who, data in got
    }


def drawn(experiment: Experiment, people: pd.DataFrame) -> dict[str, str]:
    frame = experiment.assign(people).people.frame
    arms = frame["arm"].str.extract("subject=([a-z]+)")[0]
    return dict(zip(frame["email"], arms, strict=True))


@pytest.mark.parametrize("factors", [LETTER_ONLY, TWO_WAYS])
def test_everybody_gets_the_message_of_their_own_arm_and_the_log_tells_it(
    factors: dict[str, object], people: People, letter: Template
) -> None:
    experiment = Experiment(factors, seed=5)
    with Lab() as lab:
        run = experiment.run(
            "ab", lab.account, people(48), letter, folder=None, progress=False
        )
        assert subjects(lab) == drawn(experiment, people(48))
    assert run.counts["accepted"] == 48
    log = run.log
    outcomes = log[log["kind"] == "outcome"]
    assert set(outcomes["arm"]) == set(experiment.design.names)
    assert set(outcomes["block"]) == {
        f"{domain}; seed=5" for domain in ("gmail.com", "outlook.com", "x.example")
    }
    if factors is TWO_WAYS:
        said = log[log["verb"] == "EHLO"].set_index("session_id")["command"]
        mine = outcomes["session_id"].map(said).str.removeprefix("EHLO ")
        assert (mine == outcomes["arm"].str.extract("helo=(.*)")[0]).all()


def test_each_arm_speaks_its_own_version_of_tls(people: People, letter: Template) -> None:
    experiment = Experiment({"tls_version": ["1.2", "1.3"]})
    with Lab(tls="starttls") as lab:
        run = experiment.run(
            "ab", lab.account, people(12), letter, folder=None, progress=False
        )
    sent = run.log[run.log["kind"] == "outcome"]
    assert set(zip(sent["arm"], sent["tls_version"], strict=True)) == {
        ("tls_version=1.2", "TLSv1.2"),
        ("tls_version=1.3", "TLSv1.3"),
    }
    clear = Account(host="mx.example", port=25, tls="none")
    with pytest.raises(ValueError, match="an account without TLS"):
        experiment.campaign("ab", clear, people(12), letter)


async def test_arms_take_turns_so_that_time_weighs_on_all_alike(
    autojump_clock: object, people: People, letter: Template, serve_here: ServeHere
) -> None:
    account = await serve_here(Lab())
    campaign = Experiment(TWO_WAYS, seed=5).campaign(
        "ab", account, people(96), letter, folder=None, pace="10/s", connections=2
    )
    run = await campaign.send_async()
    order = run.log[run.log["kind"] == "outcome"].sort_values("time")["arm"]
    seen = pd.get_dummies(order).astype(int).cumsum()
    assert (seen.max(axis=1) - seen.min(axis=1)).max() <= 4


async def test_after_a_stop_everybody_keeps_their_arm_and_nobody_gets_two(
    people: People, letter: Template, serve_here: ServeHere, campaigns: Path
) -> None:
    account = await serve_here(lab := Lab())
    experiment = Experiment(TWO_WAYS | {"pipelining": ["auto", "off"]}, seed=5)
    await experiment.campaign("ab", account, people(48), letter).send_async(limit=13)
    await open_campaign("ab", account).send_async(limit=13)
    await experiment.campaign("ab", account, people(48)[::-1], letter).send_async()
    assert subjects(lab) == drawn(experiment, people(48))
    found = experiment.effects(open_campaign("ab", account).log)
    assert found.sizes.sum() == 48


async def test_with_something_sent_neither_seed_nor_levels_may_change(
    people: People, letter: Template, serve_here: ServeHere, campaigns: Path
) -> None:
    account = await serve_here(Lab())
    first = Experiment(LETTER_ONLY, seed=5)
    await first.campaign("ab", account, people(24), letter).send_async(limit=2)
    with pytest.raises(LedgerError, match="the list is not the one"):
        Experiment(LETTER_ONLY, seed=6).campaign("ab", account, people(24), letter)
    other = Experiment({"subject": {**SUBJECTS, "question": "Other"}}, seed=5)
    with pytest.raises(LedgerError, match="the arms are not those"):
        other.campaign("ab", account, people(24), letter)
    first.campaign("new", account, people(24), letter)


async def test_arms_that_no_file_keeps_go_on_with_the_experiment_itself(
    people: People, letter: Template, serve_here: ServeHere, campaigns: Path
) -> None:
    account = await serve_here(lab := Lab())
    whole = {"plain": letter, "question": letter.replace(subject="Have you heard?")}
    experiment = Experiment({"letter": whole}, seed=5)
    await experiment.campaign("ab", account, people(24), letter).send_async(limit=5)
    with pytest.raises(LedgerError, match=r"go on with experiment\.run"):
        open_campaign("ab", account)
    await experiment.campaign("ab", account, people(24), letter).send_async()
    assert len(subjects(lab)) == 24


async def test_the_suppressed_get_nothing_and_weigh_on_no_arm(
    people: People, letter: Template, serve_here: ServeHere
) -> None:
    account = await serve_here(lab := Lab())
    never = people(24)["email"].tolist()[:4]
    experiment = Experiment(TWO_WAYS)
    campaign = experiment.campaign(
        "ab", account, people(24), letter, folder=None, suppress=never
    )
    run = await campaign.send_async()
    assert not set(never) & set(subjects(lab))
    assert experiment.effects(run.log).sizes.sum() == 20


@pytest.mark.parametrize("pace", ["7 every day", Pace(per_domain="2 every day")])
async def test_one_pace_binds_all_ways_together(
    autojump_clock: object,
    people: People,
    letter: Template,
    serve_here: ServeHere,
    pace: str | Pace,
) -> None:
    account = await serve_here(lab := Lab())
    campaign = Experiment(TWO_WAYS).campaign(
        "ab", account, people(48), letter, folder=None, pace=pace, connections=4
    )
    with trio.move_on_after(3600):
        await campaign.send_async()
    assert len(subjects(lab)) == (7 if isinstance(pace, str) else 6)


async def test_each_arm_keeps_a_pace_of_its_own_where_that_is_the_factor(
    autojump_clock: object, people: People, letter: Template, serve_here: ServeHere
) -> None:
    account = await serve_here(lab := Lab())
    experiment = Experiment({"pace": ["3 every day", "5 every day"]})
    campaign = experiment.campaign("ab", account, people(48), letter, folder=None)
    with trio.move_on_after(3600):
        await campaign.send_async()
    arms = experiment.assign(people(48)).people.frame.set_index("email")["arm"]
    got = [arms[who] for one in lab.received for who in one.recipients]
    assert Counter(got) == {"pace=3 every day": 3, "pace=5 every day": 5}


def test_an_arm_is_sent_in_its_own_part_of_the_day(
    people: People, letter: Template
) -> None:
    account = Account(host="mx.example", port=587, tls="starttls")
    hours = {"night": "01:00-02:00 UTC", "noon": "12:00-13:00 UTC"}
    campaign = Experiment({"hours": hours, "tls": ["starttls", "implicit"]}).campaign(
        "ab", account, people(24), letter, folder=None
    )
    run = campaign.rehearse(progress=False)
    sent = run.log[run.log["kind"] == "outcome"]
    arms = sent["arm"].str.extract("hours=([a-z]+)")[0]
    assert set(zip(arms, sent["time"].dt.hour, strict=True)) == {("night", 1), ("noon", 12)}


async def test_retries_keep_the_arm(
    autojump_clock: object, people: People, letter: Template, serve_here: ServeHere
) -> None:
    lab = Lab()
    lab.set(rcpt=Behaviour(reply="450 4.7.1 greylisted, come back", times=1))
    account = await serve_here(lab)
    experiment = Experiment(TWO_WAYS)
    campaign = experiment.campaign(
        "ab", account, people(24), letter, folder=None, retry=Retry()
    )
    run = await campaign.send_async()
    assert subjects(lab) == drawn(experiment, people(24))
    first = experiment.effects(run.log, attempt=1)
    assert list(first.pooled["share"]) == [0.0, 0.0]
    assert list(experiment.effects(run.log).pooled["share"]) == [1.0, 1.0]


async def test_an_account_that_cannot_be_used_ends_it_for_all_arms(
    people: People, letter: Template, serve_here: ServeHere
) -> None:
    good = (await serve_here(Lab(users={"ann": "secret"}))).replace(
        username="ann", password="secret", name="good"
    )
    bad = good.replace(password="wrong", name="bad")
    experiment = Experiment({"account": [good, bad]})
    campaign = experiment.campaign("ab", None, people(24), letter, folder=None, pace="20/s")
    with pytest.raises(AuthenticationError):
        await campaign.send_async()
    assert campaign.counts.get("failed", 0) == 0
    assert campaign.counts["pending"] > 12  # the other arm did not go on alone


async def test_with_accounts_for_levels_each_arm_goes_by_its_own(
    people: People, letter: Template, serve_here: ServeHere
) -> None:
    one, other = Lab(), Lab()
    accounts = [
        (await serve_here(lab)).replace(name=name)
        for lab, name in ((one, "one"), (other, "other"))
    ]
    experiment = Experiment({"account": accounts})
    run = await experiment.campaign(
        "ab", None, people(24), letter, folder=None
    ).send_async()
    assert len(one.received) == len(other.received) == 12
    sent = run.log[run.log["kind"] == "outcome"]
    assert (sent["arm"] == "account=" + sent["account"].astype(str)).all()


def test_it_tells_what_can_be_found_before_it_asks(
    people: People, letter: Template, capsys: pytest.CaptureFixture[str]
) -> None:
    account = Account(host="mx.example", port=25, tls="none")
    experiment = Experiment(TWO_WAYS)
    with pytest.raises(NobodyToAsk):
        experiment.run("ab", account, people(600), letter, folder=None)
    told = capsys.readouterr().out
    assert "600 recipients" in told
    assert "a fall by 8.8 points or more" in told
    assert "assumed: 90%" in told


def test_an_assignment_shows_itself_and_is_escaped(people: People) -> None:
    evil = {"plain": "s", "<b>x": "t"}
    found = Experiment({"subject": evil}).assign(people(4))
    page = found._repr_html_()
    assert "&lt;b&gt;" in page
    assert "too few" in page
    assert found.sizes.to_numpy().sum() == 4


@pytest.mark.parametrize(
    ("factors", "told"),
    [
        ({"subjekt": ["a", "b"]}, "did you mean 'subject'"),
        ({"host": ["a.x", "b.x"]}, "nothing that can be varied"),
        ({"is_lab": [True, False]}, "nothing that can be varied"),
        ({"pipelining": ["auto", "of"]}, "is not one of"),
        ({"account": ["a", "b"]}, "levels of this factor are accounts"),
        ({"hours": ["morning", "noon"]}, "09:00-11:00"),
        ({"pace": ["fast", "slow"]}, "fast"),
        ({"letter": ["fast", "slow"]}, "levels of this factor are templates"),
        ({"sender": ["a@x", "b@x"], "header_from": ["c@x", "d@x"]}, "are one factor"),
        ({1: ["a", "b"]}, "nothing that can be varied"),
        (["subject"], "write {'subject'"),
    ],
)
def test_what_cannot_be_varied_is_refused_at_once(
    factors: dict[str, list[object]], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        Experiment(factors)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"blocks": 3}, "blocks=3: 'recipient_domain'"),
        ({"baseline": "x"}, "baseline='x' is no number"),
        ({"power": None}, "power=None is no number"),
        ({"fraction": "half"}, "fraction='half'"),
        ({"seed": "one"}, "seed='one'"),
    ],
)
def test_what_no_experiment_can_be_made_of_is_told(
    given: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        Experiment(LETTER_ONLY, **given)


def test_what_contradicts_the_factors_is_refused_before_anything_is_sent(
    people: People, letter: Template
) -> None:
    account = Account(host="mx.example", port=25, tls="none")
    with pytest.raises(ValueError, match="seed"):
        Experiment(LETTER_ONLY, seed=-1)
    with pytest.raises(ValueError, match="pace= is a factor"):
        Experiment({"pace": ["1/s", "2/s"]}).campaign(
            "ab", account, people(9), letter, pace="1/s"
        )
    accounts = [account, account.replace(name="b")]
    with pytest.raises(ValueError, match="account= is a factor"):
        Experiment({"account": accounts}).campaign("ab", account, people(9), letter)
    with pytest.raises(ValueError, match="account=None"):
        Experiment(LETTER_ONLY).campaign("ab", None, people(9), letter)
    with pytest.raises(TemplateError):
        Experiment({"subject": ["a", "{{ b"]}).campaign("ab", account, people(9), letter)


_SEND = """
import sys, pandas as pd, smtpbook as sb
from tests.experiments.conftest import SUBJECTS, people_of
account = sb.Account(host="127.0.0.1", port=int(sys.argv[1]), tls="none", is_lab=True)
letter = sb.Template(header_from="Ann <ann@x.test>", subject="Hello", text="Come.")
factors = {"subject": SUBJECTS, "helo": ["a.x.test", "b.x.test"]}
print("ready", flush=True)
sb.Experiment(factors, seed=5).run("ab", account, people_of(90), letter, progress=False)
"""


@pytest.mark.heavy
def test_killed_again_and_again_nobody_gets_two_arms_messages(
    people: People, campaigns: Path
) -> None:
    root = Path(__file__).parents[2]
    with Lab() as lab:
        lab.set(rcpt=Behaviour(delay_s=0.02))
        command = [sys.executable, "-c", _SEND, str(lab.port)]
        environment = os.environ | {"PYTHONPATH": str(root)}
        for _ in range(6):
            before = len(lab.received)
            with subprocess.Popen(command, env=environment) as sender:
                while len(lab.received) < before + 12 and sender.poll() is None:
                    signal.sigtimedwait([], 0.01)
                sender.kill()
        subprocess.run(command, env=environment, check=True)
        got, expected = subjects(lab), drawn(Experiment(TWO_WAYS, seed=5), people(90))
    assert got.items() <= expected.items()
    in_doubt = open_campaign(campaigns / "ab", lab.account).counts.get("in_doubt", 0)
    assert len(got) >= 90 - in_doubt


@pytest.mark.heavy
def test_all_processes_send_it_each_arm_its_way(
    people: People, letter: Template, tmp_path: Path
) -> None:
    experiment = Experiment({**TWO_WAYS, "pipelining": ["auto", "off"]}, seed=5)
    with Lab() as lab:
        run = experiment.run(
            "ab",
            lab.account,
            people(80),
            letter,
            folder=tmp_path,
            connections=8,
            processes=2,
            progress=False,
        )
        assert subjects(lab) == drawn(experiment, people(80))
    done = run.log[run.log["kind"] == "outcome"].set_index("recipient")
    frame = experiment.assign(people(80)).people.frame
    assert done["arm"].astype(str).to_dict() == dict(
        zip(frame["email"], frame["arm"], strict=True)
    )
    said = run.log[run.log["verb"] == "RCPT"]
    is_off = said["arm"].astype(str).str.contains("off")
    assert said.loc[is_off, "pipelined"].isna().all()
    assert said.loc[~is_off, "pipelined"].notna().any()
    assert said["session_id"].nunique() == 8
