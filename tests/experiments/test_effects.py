"""Effects: an experiment's results from a log, and how they are shown."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

import pandas as pd
import pytest

from smtpbook.errors import ColumnError, SMTPBookError
from smtpbook.events import Event
from smtpbook.experiments.experiment import Experiment
from smtpbook.formats.read import read_log
from smtpbook.log.frame import to_frame
from smtpbook.log.store import write_log
from smtpbook.tables.outcomes import outcomes
from smtpbook.tables.scan import scan_log
from tests.experiments.conftest import SUBJECTS, log_of, people_of

EXPERIMENT = Experiment({"subject": SUBJECTS, "helo": ["a.x.test", "b.x.test"]}, seed=3)


@cache
def _planted(count: int) -> pd.DataFrame:
    """A question costs a tenth of the acceptances; domains differ much."""
    base = {"gmail.com": 0.95, "outlook.com": 0.7, "x.example": 0.5}
    return log_of(
        EXPERIMENT, count, lambda arm, domain: base[domain] - 0.15 * ("question" in arm)
    )


def planted(count: int = 900) -> pd.DataFrame:
    return _planted(count).copy()


def test_a_planted_effect_is_found_and_the_other_factor_has_none() -> None:
    found = EXPERIMENT.effects(planted())
    subject, helo = found.pooled.to_dict("records")
    assert (subject["factor"], subject["level"], subject["versus"]) == (
        "subject", "question", "plain",
    )  # fmt: skip
    assert subject["low"] <= -0.15 <= subject["high"] < 0
    assert subject["p_adjusted"] < 0.001
    assert helo["p_adjusted"] > 0.05
    assert helo["low"] < 0 < helo["high"]
    assert subject["recipients"] == subject["recipients_versus"] == 450
    assert not found.is_mismatch


def test_each_block_has_a_row_of_its_own_and_no_seed_in_its_name() -> None:
    table = EXPERIMENT.effects(planted()).table
    blocks = table.dropna(subset=["block"])
    assert sorted(set(blocks["block"])) == ["gmail.com", "outlook.com", "x.example"]
    assert set(blocks["recipients"]) == {150}
    assert blocks["p_value"].isna().all()


@pytest.mark.parametrize("outcomes", ["acepted", ("accepted", "acepted"), ()])
def test_an_outcome_that_there_is_not_is_refused(outcomes: str | tuple[str, ...]) -> None:
    """Nobody comes to it: each arm would seem to have a share of 0 %."""
    with pytest.raises(ValueError, match="is none of accepted"):
        EXPERIMENT.effects(planted(90), outcomes=outcomes)


def test_of_an_arm_without_recipients_it_is_said_that_nothing_is_known() -> None:
    log = planted(90)
    found = EXPERIMENT.effects(log[log["arm"].str.contains("plain")])
    for shown in (repr(found), found._repr_html_()):
        assert "unknown" in shown
        assert "nan" not in shown


def test_the_log_may_have_been_kept_and_read_elsewhere(tmp_path: Path) -> None:
    log = planted(90)
    write_log(log, tmp_path / "log.parquet")
    expected = EXPERIMENT.effects(log).table
    for read in (read_log(tmp_path / "log.parquet"), scan_log(tmp_path / "log.parquet")):
        pd.testing.assert_frame_equal(EXPERIMENT.effects(read).table, expected)


def test_what_counts_can_be_said_and_so_can_the_attempt() -> None:
    log = planted(300)
    first = log[log["kind"] == "outcome"].assign(outcome="deferred")
    both = pd.concat([first, log.assign(attempt=2)]).astype(log.dtypes.to_dict())
    found = EXPERIMENT.effects(both, outcomes=["deferred"], attempt=1).pooled
    assert list(found["share"]) == [1.0, 1.0]
    last = EXPERIMENT.effects(both).pooled
    assert list(last["share"]) == list(EXPERIMENT.effects(log).pooled["share"])


def test_for_other_domains_the_interval_is_wider_and_says_so() -> None:
    here = EXPERIMENT.effects(planted()).pooled.iloc[0]
    there = EXPERIMENT.effects(planted(), clustered=True)
    row = there.pooled.iloc[0]
    assert row["high"] - row["low"] > here["high"] - here["low"]
    assert "cluster" in row["method"]
    assert "Woodruff" in there.latency["method"].iloc[0]


def test_times_are_compared_by_command_and_quantile() -> None:
    log = planted(300)
    slow = log["arm"].str.startswith("subject=question").fillna(False)
    log.loc[slow, "service_s"] *= 4
    found = EXPERIMENT.effects(log, quantiles=(0.5,)).latency
    subject, helo = found.to_dict("records")
    assert subject["verb"] == "RCPT"
    assert subject["low_s"] > 0.1
    assert subject["p_adjusted"] < 0.001 < helo["p_adjusted"]
    assert subject["service_s"] - subject["service_versus_s"] == pytest.approx(
        subject["difference_s"]
    )


def test_arms_that_lost_recipients_unequally_are_not_to_be_believed() -> None:
    log = planted()
    is_lost = log["arm"].eq(EXPERIMENT.design.names[0]) & (log.index % 3 > 0)
    found = EXPERIMENT.effects(log[~is_lost.to_numpy(bool)])
    assert found.is_mismatch
    assert "Find out why some were lost" in repr(found)
    assert "Find out why some were lost" in found._repr_html_()


def test_a_log_of_something_else_is_refused_with_what_it_has() -> None:
    with pytest.raises(SMTPBookError, match="no row of it names an arm"):
        EXPERIMENT.effects(to_frame([]))
    other = Experiment({"subject": SUBJECTS, "helo": ["a.x.test", "b.x.test"]}, seed=4)
    with pytest.raises(SMTPBookError, match=r"seed 4.*its arms are subject=.*seed 3"):
        other.effects(planted(60))
    with pytest.raises(ColumnError, match="block"):
        EXPERIMENT.effects(planted(30).drop(columns="block"))
    with pytest.raises(ColumnError, match="attempt"):
        EXPERIMENT.effects(planted(30).drop(columns="attempt"), attempt=1)


def test_effects_show_themselves_and_foreign_words_are_escaped() -> None:
    evil = Experiment({"subject": {"plain": "s", "<b>x": "t"}}, blocks=None)
    found = evil.effects(log_of(evil, 60, lambda arm, domain: 0.5))
    page = found._repr_html_()
    assert "<b>x" not in page
    assert "&lt;b&gt;" in page
    assert "Newcombe" in page
    assert "for 1 comparisons" not in page


def test_a_fraction_says_what_cannot_be_told_apart() -> None:
    half = Experiment(
        {"subject": SUBJECTS, "helo": ["a.x", "b.x"], "pipelining": ["auto", "off"]},
        fraction=1 / 2,
    )
    found = half.effects(log_of(half, 120, lambda arm, domain: 0.5))
    assert "Not to be told apart" in repr(found)
    assert len(found.pooled) == 3


TWO_ARMS: Final = Experiment({"subject": ["this", "that"]})


def deferred_once() -> list[Event]:
    people = TWO_ARMS.assign(people_of(20)).people
    return [
        Event(
            kind="outcome",
            campaign_id="c",
            recipient=str(row["email"]),
            arm=str(row["arm"]),
            block=str(row["block"]),
            attempt=1,
            outcome="deferred",
        )
        for row in people
    ]


def test_of_several_attempts_the_highest_counts_wherever_its_sender_told_of_it() -> None:
    drawn = deferred_once()
    later = [replace(one, attempt=2, outcome="accepted") for one in drawn]
    log = to_frame(one.to_row() for one in (*later, *drawn))
    found = TWO_ARMS.effects(log).pooled
    assert (found["share"].tolist(), found["share_versus"].tolist()) == ([1.0], [1.0])


def test_what_came_later_without_an_attempt_counts_as_in_outcomes() -> None:
    drawn = deferred_once()
    accepted = [replace(one, outcome="accepted") for one in drawn]
    bounced = [replace(one, attempt=None, outcome="bounced") for one in drawn]
    for rows, last in [(accepted + bounced, "bounced"), (bounced + accepted, "accepted")]:
        log = to_frame(one.to_row() for one in rows)
        assert set(outcomes(log)["outcome"]) == {last}
        found = TWO_ARMS.effects(log, outcomes=last).pooled
        assert (found["share"].tolist(), found["share_versus"].tolist()) == ([1.0], [1.0])
