"""Fit: a model learns from a log what the server does; the log is made by a known model."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.errors import ColumnError
from smtpbook.events import Event
from smtpbook.lab.lab import Lab
from smtpbook.log.frame import to_frame
from smtpbook.messages.template import Template
from smtpbook.pacing.retry import Retry
from smtpbook.rehearsal.model import ORDINARY, Refusal, ServerModel
from smtpbook.rehearsal.rehearsal import Rehearsal

People = Callable[[int], pd.DataFrame]
MODEL = ServerModel(
    name="known",
    round_trip_s=(0.03, 0.05),
    service_s={"": (0.001, 0.002), "END-OF-DATA": (0.1, 0.4)},
    refusals=(
        Refusal(reply="550 5.1.1 User unknown", domain="gone.example", share=0.5),
        Refusal(reply="450 4.7.1 Greylisted", domain="patience.example", for_s=250.0),
        Refusal(reply="550 5.7.1 spam", verb="END-OF-DATA", domain="strictgate.example"),
    ),
)


@pytest.fixture
def rehearse(
    people: People, letter: Template, account: Account
) -> Callable[..., Rehearsal]:
    def run(model: ServerModel, count: int = 480, **options: object) -> Rehearsal:
        options = {"pace": "600/min", "retry": Retry(), **options}
        campaign = Campaign("c", account, people(count), letter, **options)  # type: ignore[arg-type]
        return campaign.rehearse(model, progress=False)

    return run


def test_what_is_learnt_comes_to_the_same(rehearse: Callable[..., Rehearsal]) -> None:
    run = rehearse(MODEL)
    again = rehearse(ServerModel.fit(run.log))
    assert again.took_s == pytest.approx(run.took_s, rel=0.02)
    for outcome, number in run.counts.items():
        assert again.counts[outcome] == pytest.approx(number, abs=20), outcome
    assert again.retries == pytest.approx(run.retries, rel=0.1)
    ends = [one.log[one.log["verb"] == "END-OF-DATA"] for one in (run, again)]
    took = [rows["latency_s"].median() for rows in ends]
    assert took[0] == pytest.approx(took[1], rel=0.1)


def test_each_large_domain_has_its_own_shares(rehearse: Callable[..., Rehearsal]) -> None:
    fitted = ServerModel.fit(rehearse(MODEL).log)
    assert fitted.extensions == ("PIPELINING", "8BITMIME", "SMTPUTF8")
    by_domain = {refusal.domain: refusal for refusal in fitted.refusals}
    assert by_domain["gone.example"].share == pytest.approx(0.5, abs=0.15)
    assert by_domain["gone.example"].reply == "550 5.1.1 User unknown"
    assert by_domain["patience.example"].for_s == pytest.approx(150, abs=5)
    assert by_domain["strictgate.example"].verb == "END-OF-DATA"
    assert by_domain["ordinary.example"].share == 0.0


def test_small_domains_share_one_line(rehearse: Callable[..., Rehearsal]) -> None:
    fitted = ServerModel.fit(rehearse(MODEL, count=240).log)  # 40 for each domain
    assert {refusal.domain for refusal in fitted.refusals} == {None}
    assert sum(refusal.share for refusal in fitted.refusals) == pytest.approx(0.4, abs=0.1)


def test_greylisting_is_known_by_who_was_let_in_later(
    rehearse: Callable[..., Rehearsal],
) -> None:
    """Whatever the reply calls it."""
    model = ServerModel(
        name="x", refusals=(Refusal(reply="451 4.3.0 busy", share=0.3, for_s=1000),)
    )
    run = rehearse(model, retry=Retry(after_s={"unknown": [900], "server_error": [900]}))
    (found,) = ServerModel.fit(run.log.assign(recipient_domain="x.test")).refusals
    assert found.share == pytest.approx(0.3, abs=0.05)
    assert found.for_s == pytest.approx(1350, abs=10)


def test_a_limit_is_read_from_what_went_before(rehearse: Callable[..., Rehearsal]) -> None:
    limit = Refusal(
        reply="450 4.7.1 rate limit exceeded", verb="MAIL", above_per_minute=100
    )
    run = rehearse(ServerModel(name="x", refusals=(limit,)), pace="120/min")
    found = ServerModel.fit(run.log).refusals[0]
    assert found.verb == "MAIL"
    assert found.above_per_minute == pytest.approx(100, abs=3)


def test_a_real_log_tells_its_own_times(letter: Template, people: People) -> None:
    with Lab("mixed-day") as lab:
        run = Campaign("c", lab.account, people(60), letter).send(progress=False)
    fitted = ServerModel.fit(run.log)
    assert set(fitted.service_s) >= {"GREETING", "EHLO", "MAIL", "RCPT", "END-OF-DATA"}
    assert fitted.rules is None
    assert max(fitted.service_s["END-OF-DATA"]) < 10


def test_a_log_that_tells_nothing_says_so() -> None:
    with pytest.raises(ValueError, match="nothing to learn from"):
        ServerModel.fit(to_frame([Event(kind="outcome", outcome="accepted").to_row()]))
    with pytest.raises(ColumnError, match="service_s"):
        ServerModel.fit(pd.DataFrame(columns=[*"abc"]).assign(**dict.fromkeys(GIVEN)))


GIVEN = ("time", "session_id", "kind", "verb", "reply_code", "reply_text", "latency_s")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Refusal(reply="250 fine"), "refuses nobody"),
        (lambda: Refusal(reply="nonsense"), "reply code"),
        (lambda: Refusal(reply="450 x", verb="RCTP"), "did you mean 'RCPT'"),
        (lambda: Refusal(reply="450 x", share=2), "between 0 and 1"),
        (lambda: ServerModel(name="x", round_trip_s=()), "round_trip_s"),
        (lambda: ServerModel(name="x", service_s={"MAIL": (2.0, 1.0)}), "MAIL"),
    ],
)
def test_what_is_no_model_says_why(make: Callable[[], object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        make()


def test_the_assumed_server_is_one() -> None:
    assert ServerModel.of(ORDINARY) is ORDINARY
    assert 0 < sum(refusal.share for refusal in ORDINARY.refusals) < 0.1
