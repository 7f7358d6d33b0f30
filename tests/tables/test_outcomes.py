"""Each recipient ends in one row: the last thing that was decided about it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from smtpbook.errors import ColumnError
from smtpbook.events import OUTCOMES, Event
from smtpbook.log.frame import to_frame
from smtpbook.log.store import write_log
from smtpbook.tables.outcomes import OUTCOME_COLUMNS, by_domain, count_outcomes, outcomes
from smtpbook.tables.scan import scan_log
from tests.log.story import Story, day, suppressed


def test_the_last_outcome_of_a_recipient_wins_and_its_first_place_stays() -> None:
    story = Story().opened()
    story.message("zoe@x.example", rcpt="450 4.2.0 later", outcome="deferred")
    story.message("bob@y.example", rcpt="550 5.1.1 nobody", outcome="rejected")
    story.message("zoe@x.example", attempt=2)
    table = outcomes(to_frame(story.rows))
    assert table["recipient"].tolist() == ["zoe@x.example", "bob@y.example"]
    assert table["outcome"].tolist() == ["accepted", "rejected"]
    assert table["attempt"].tolist() == [2, 1]
    assert table["verb"].tolist() == ["END-OF-DATA", "RCPT"]
    assert table["reply_code"].tolist() == [250, 550]


def test_a_later_attempt_counts_wherever_in_the_log_its_sender_told_of_it(
    tmp_path: Path,
) -> None:
    """One sender took over what another, whose file comes after its own, had left."""
    before = Event(kind="outcome", recipient="ann@x.example", campaign_id="november-1")
    rows = [
        replace(before, attempt=2, outcome="accepted").to_row(),
        replace(before, attempt=1, outcome="deferred").to_row(),
    ]
    for number, row in enumerate(rows):
        write_log(to_frame([row]), tmp_path / f"{number}.parquet")
    with ThreadPoolExecutor(1) as worker:
        far = scan_log(tmp_path, cluster=worker)
        for log in (to_frame(rows), scan_log(tmp_path), replace(far, piece_bytes=1)):
            assert outcomes(log)["outcome"].tolist() == ["accepted"]
            assert count_outcomes(log)["accepted"] == 1
            assert by_domain(log)["accepted"].tolist() == [1]


def test_of_two_campaigns_the_one_that_is_told_of_last_wins_whatever_its_attempts() -> None:
    one = Event(kind="outcome", recipient="ann@x.example", attempt=3, outcome="rejected")
    other = replace(one, attempt=1, outcome="accepted", campaign_id="december-1")
    between = replace(one, recipient="bob@x.example")
    one = replace(one, campaign_id="november-1")
    table = outcomes(to_frame(event.to_row() for event in (one, between, other)))
    assert table["recipient"].tolist() == ["ann@x.example", "bob@x.example"]
    assert table["outcome"].tolist() == ["accepted", "rejected"]


def test_what_another_program_tells_of_a_campaign_stands_where_it_was_told() -> None:
    """It does not know the attempt, or counts those of one message."""
    ours = Event(kind="outcome", recipient="ann@x.example", attempt=2, outcome="accepted")
    theirs = replace(ours, outcome="bounced", campaign_id="november-1", attempt=None)
    of_another = replace(ours, outcome="delivered", attempt=1)
    ours = replace(ours, campaign_id="november-1")
    for last in (theirs, of_another):
        table = outcomes(to_frame(event.to_row() for event in (ours, last)))
        assert table["outcome"].tolist() == [last.outcome]


def test_a_suppressed_recipient_has_its_row_without_any_dialogue() -> None:
    table = outcomes(to_frame([suppressed("no@x.example")]))
    assert table["outcome"].tolist() == ["suppressed"]
    assert table["reply_code"].isna().all()


@pytest.mark.parametrize("messages", [0, 25])
def test_columns_index_and_dtypes_are_fixed(messages: int) -> None:
    log = to_frame(day(messages) if messages else [])
    table = outcomes(log)
    assert list(table.columns) == list(OUTCOME_COLUMNS)
    assert list(table.index) == list(range(messages))
    of_log = [name for name in OUTCOME_COLUMNS if name != "state"]
    assert table.dtypes[of_log].to_dict() == log.dtypes[of_log].to_dict()
    assert table["state"].dtype == "category"


def test_every_recipient_shows_an_icon_and_a_word() -> None:
    table = outcomes(to_frame(day(60)))
    assert set(table["state"]) == {"✓ accepted", "▲ deferred", "✗ rejected"}
    deferred = table.query("outcome == 'deferred'")
    assert set(deferred["state"]) == {"▲ deferred"}


def test_an_outcome_that_is_not_ours_is_shown_by_its_word_and_does_nothing() -> None:
    log = to_frame([suppressed("no@x.example")])
    log["outcome"] = log["outcome"].astype("string").replace("suppressed", "a\u202eb\n")
    assert outcomes(log)["state"].tolist() == ["· a\\u202eb\\n"]


def test_counts_add_up_to_the_list_and_name_every_outcome() -> None:
    log = to_frame([*day(200), suppressed("no@x.example")])
    counts = count_outcomes(log)
    assert tuple(counts) == OUTCOMES
    assert sum(counts.values()) == 201 == len(outcomes(log))
    assert counts["suppressed"] == 1
    assert set(count_outcomes(to_frame([])).values()) == {0}


def test_a_log_without_kind_is_refused_by_name() -> None:
    with pytest.raises(ColumnError, match="column 'kind' not found"):
        outcomes(to_frame([]).drop(columns="kind"))
