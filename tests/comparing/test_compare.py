"""Two logs are compared: who, which command, which refusals."""

from __future__ import annotations

import random

import pandas as pd
import pytest

from smtpbook.comparing.compare import compare
from smtpbook.log.frame import to_frame
from smtpbook.samples import sample
from tests.log.story import Story

FAST, SLOW = (0.002, 0.003, 0.001, 0.02), (0.002, 0.003, 0.001, 0.5)


def _before() -> pd.DataFrame:
    story = Story().opened()
    for n in range(6):
        story.message(f"{n}@x.example", seconds=FAST)
    story.message("gone@x.example", rcpt="550 5.1.1 user 17 unknown", outcome="rejected")
    return to_frame(story.rows)


def _after() -> pd.DataFrame:
    story = Story().opened()
    for n in range(3):
        text = f"554 5.7.1 <{n}@x.example> blocked, id Q{n}7F"
        story.message(f"{n}@x.example", seconds=SLOW, end=text, outcome="rejected")
    story.message("3@x.example", seconds=SLOW, rcpt="450 4.2.0 later", outcome="deferred")
    for n in (4, 5):
        story.message(f"{n}@x.example", seconds=SLOW)
    story.message("new@x.example", rcpt="550 5.1.1 user 4711 unknown", outcome="rejected")
    return to_frame(story.rows)


def test_changes_of_outcome_are_counted_the_most_frequent_first() -> None:
    table = compare(_before(), _after(), by="change")
    told = table[["outcome_a", "outcome_b", "recipients", "share"]].astype(object)
    assert told.where(told.notna(), None).to_numpy().tolist() == [
        ["accepted", "rejected", 3, 3 / 8],
        ["accepted", "deferred", 1, 1 / 8],
        ["rejected", None, 1, 1 / 8],
        [None, "rejected", 1, 1 / 8],
    ]


def test_those_who_changed_are_named() -> None:
    table = compare(_before(), _after(), by="recipient")
    assert table["recipient"].tolist() == [
        *("0@x.example", "1@x.example", "2@x.example"),
        *("3@x.example", "gone@x.example", "new@x.example"),
    ]
    assert table["reply_code_b"].tolist() == [554, 554, 554, 450, pd.NA, 550]
    assert table["reply_code_b"].dtype == "Int16"
    assert table["reason_a"].tolist()[4] == "user_unknown"


def test_the_command_that_slowed_down_most_comes_first() -> None:
    table = compare(_before(), _after(), by="command")
    first = table.iloc[0]
    assert first["verb"] == "END-OF-DATA"
    assert first["p50_change_s"] == pytest.approx(0.48)
    assert first["refused_a"] == 0
    assert first["refused_b"] == pytest.approx(3 / 5)
    assert first["refused_change"] == pytest.approx(3 / 5)


def test_a_command_that_only_one_log_has_is_there_without_a_change() -> None:
    story = Story()
    story.said("NOOP", "NOOP", "250 Ok")
    table = compare(_before(), to_frame(story.rows), by="command").set_index("verb")
    assert table.loc["NOOP", "replies_a"] == 0
    assert table["p50_change_s"].isna().all()


def test_a_refusal_worded_alike_but_for_ids_and_addresses_is_not_new() -> None:
    table = compare(_before(), _after(), by="reply")
    assert table["wording"].tolist() == ["5.7.1 <address> blocked, id *", "4.2.0 later"]
    assert table["replies_b"].tolist() == [3, 1]
    assert table["is_new"].all()
    assert table["share_b"].tolist() == pytest.approx([3 / 5, 1 / 7])


@pytest.mark.parametrize("by", ["change", "recipient", "reply"])
def test_a_log_does_not_differ_from_itself(by: str) -> None:
    assert compare(_before(), _before(), by=by).empty


def test_an_unknown_by_is_told_with_the_near_miss() -> None:
    with pytest.raises(ValueError, match="did you mean 'command'"):
        compare(_before(), _after(), by="commands")


def _campaign(shift: float, *, domains: int = 40, slow: float = 1.0) -> pd.DataFrame:
    """Domains that reject a part of their own, and so much more; a session for each."""
    chance = random.Random(1)
    rows = []
    for domain in range(domains):
        story = Story(f"s{domain}").opened()
        part = chance.betavariate(1, 9) + shift
        for n in range(20):
            seconds = [slow * chance.lognormvariate(-5, 0.6) for _ in range(4)]
            is_bad = chance.random() < part
            given = {"rcpt": "550 5.7.1 Blocked", "outcome": "rejected"} if is_bad else {}
            story.message(f"{n}@d{domain}.example", seconds=seconds, **given)  # type: ignore[arg-type]
        rows += story.rows
    return to_frame(rows)


def test_the_part_that_came_to_an_outcome_is_compared_with_its_interval() -> None:
    table = compare(_campaign(0), _campaign(0.1))
    first = table.set_index("outcome").loc["rejected"]
    assert first["recipients_b"] > first["recipients_a"]
    assert first["change"] == pytest.approx(first["share_b"] - first["share_a"])
    assert 0 < first["low"] < first["change"] < first["high"]
    assert first["p_holm"] < 0.05
    assert first["effective_n"] <= 1600
    assert table.attrs["interval"] == (
        "95 % intervals: Newcombe, clustered by recipient domain (bootstrap)"
    )


def test_what_is_the_same_is_within_its_interval_whatever_is_compared() -> None:
    table = compare(_campaign(0), _campaign(0), by="command")
    assert (table["refused_low"] <= 0).all()
    assert (table["refused_high"] >= 0).all()
    assert (table["p50_low_s"] <= 0).all()
    assert (table["p50_high_s"] >= 0).all()
    assert (table["p50_p_holm"] == 1).all()


def test_a_command_that_slowed_down_is_seen_beyond_chance() -> None:
    table = compare(_campaign(0), _campaign(0, slow=2), by="command").set_index("verb")
    for verb in ("MAIL", "RCPT", "DATA", "END-OF-DATA"):
        assert 0 < table.loc[verb, "p50_low_s"] < table.loc[verb, "p50_change_s"]
        assert table.loc[verb, "p50_p_holm"] < 0.05
    assert table.loc["EHLO", "p50_p_holm"] == 1


def test_recipients_of_one_domain_are_no_evidence_unless_taken_as_independent() -> None:
    before, after = _campaign(0, domains=1), _campaign(0.6, domains=1)
    table = compare(before, after)
    assert (table["p_holm"] > 0.05).all()
    alone = compare(before, after, is_clustered=False)
    assert (alone["p_holm"] < 0.001).all()
    assert alone.attrs["interval"] == "95 % intervals: Newcombe"


def test_a_refusal_that_more_replies_have_is_ranked_by_how_many_of_its_commands() -> None:
    table = compare(_campaign(0), _campaign(0.1), by="reply")
    (row,) = table.to_dict("records")
    assert (row["verb"], row["wording"], row["is_new"]) == ("RCPT", "5.7.1 Blocked", False)
    assert row["share_b"] == pytest.approx(row["replies_b"] / 800)
    assert 0 < row["low"] < row["change"] < row["high"]


def test_those_deferred_longer_are_told_by_a_log_rank_test() -> None:
    def deferred(wait_s: int) -> pd.DataFrame:
        story = Story()
        for n in range(30):
            later = {"rcpt": "450 4.2.0 later", "outcome": "deferred"}
            story.message(f"{n}@x.example", **later)  # type: ignore[arg-type]
        story.time += wait_s * 1_000_000
        for n in range(30):
            story.time += 1_000_000
            story.message(f"{n}@x.example", attempt=2)
        return to_frame(story.rows)

    (row,) = compare(deferred(300), deferred(900), by="retry").to_dict("records")
    assert (row["deferred_a"], row["accepted_b"]) == (30, 30)
    assert row["p50_change_s"] == pytest.approx(600, abs=1)
    assert 0 < row["p50_low_s"] < 600 < row["p50_high_s"]
    assert row["p"] < 0.001


def test_a_mail_servers_logs_are_compared_by_their_outcomes() -> None:
    log = sample("postfix.log")
    table = compare(log.head(1), log, by="reply")
    assert table["verb"].isin(["RCPT", "GREETING"]).all()
    assert table["change"].isna().all()  # the first had no such command
    assert table["replies_b"].sum() == 5
