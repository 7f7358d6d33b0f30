"""What an explorer is told is the same of a DataFrame and of files, and adds up."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from smtpbook.errors import ColumnError
from smtpbook.events import Event
from smtpbook.explorer.exploration import PAGE_ROWS, Exploration
from smtpbook.log.frame import to_frame
from smtpbook.log.store import write_log
from smtpbook.tables.engine import PLACE
from smtpbook.tables.scan import scan_log
from smtpbook.tables.select import Question, select_events
from tests.log.story import day

LOG = to_frame(day(120))
QUESTIONS = (
    Question(),
    Question(reply_code=5),
    Question(reply_code=250, verb="RCPT"),
    Question(recipient="person1"),
    Question(recipient="person1", outcome="rejected", reason="spam"),
    Question(text="queued", verb="END-OF-DATA", session_id="s1"),
    Question(session_id="nobody"),
)


@pytest.fixture(params=["frame", "files"])
def exploration(request: pytest.FixtureRequest, tmp_path: Path) -> Exploration:
    if request.param == "frame":
        return Exploration(LOG)
    half = len(LOG) // 2
    for name, part in (("a", LOG.iloc[:half]), ("b", LOG.iloc[half:])):
        write_log(part, tmp_path / f"{name}.parquet")
    return Exploration(scan_log(tmp_path / "*.parquet"))


@cache
def expected(question: Question) -> pd.DataFrame:
    return select_events(LOG, **question.given)


def test_counts_and_pages_are_those_of_the_rows_that_match(
    exploration: Exploration,
) -> None:
    assert exploration.total == len(LOG)
    for question in (*QUESTIONS, *QUESTIONS[::-1]):  # what is remembered does not mislead
        rows = expected(question)
        assert exploration.count(question) == len(rows)
        verbs = expected(Question(**{**question.given, "verb": None}))["verb"]
        assert exploration.counts(question, "verb") == {
            name: n for name, n in verbs.value_counts().items() if n
        }
        last = max(0, (len(rows) - 1) // PAGE_ROWS)
        for number in {0, last}:
            page = exploration.page(question, number)
            shown = rows.iloc[number * PAGE_ROWS :][:PAGE_ROWS]
            assert list(page["reply_text"].fillna("")) == list(
                shown["reply_text"].fillna("")
            )
            for place in page[PLACE].head(1):
                assert exploration.page_of(question, int(place)) == number


def test_lists_offer_what_occurs(exploration: Exploration) -> None:
    assert exploration.values("reply_code") == sorted(exploration.values("reply_code"))
    assert exploration.values("outcome")[0] == "accepted"
    assert set(exploration.domains(100)) == set(LOG["recipient_domain"].dropna())
    assert len(exploration.domains(3)) == 3
    asked = Question(session_id="s11", recipient_domain="domain1.example")
    assert exploration.unknown(asked) == {
        "session_id": "in no event: s11; did you mean 's1'?"
    }


def test_an_event_is_told_with_its_session_and_marked_in_it(
    exploration: Exploration,
) -> None:
    page = exploration.page(Question(reply_code=550, verb="RCPT"), 0)
    row = page[page["kind"] == "command"].iloc[0]
    chosen = exploration.choose(row)
    assert set(chosen.rows["session_id"]) == {row["session_id"]}
    marked = [line for line in chosen.lines if line in chosen.own]
    assert len(marked) == 2
    assert marked[0].endswith(f"-> RCPT TO:<{chosen.event['recipient']}>")
    assert marked[1].endswith("<-  550 5.1.1 No such user here")
    assert chosen.greeting == "mx.example ESMTP"


def test_an_outcome_is_told_with_the_dialogue_about_its_recipient(
    exploration: Exploration,
) -> None:
    row = exploration.page(Question(outcome="rejected"), 0).iloc[0]
    chosen = exploration.choose(row)
    (marked,) = chosen.own
    assert f"*** {chosen.event['recipient']}: rejected" in marked
    assert marked in chosen.lines


def test_of_a_long_session_the_part_around_the_event_is_told() -> None:
    rows = [
        Event(session_id="s", seq=n, verb="NOOP", command=f"NOOP {n}", reply_code=250)
        for n in range(1000)
    ]
    exploration = Exploration(to_frame(row.to_row() for row in rows))
    page = exploration.page(Question(), 25)
    chosen = exploration.choose(page.iloc[0])
    assert chosen.left_out == 1000 - len(chosen.rows) > 800
    assert chosen.event["command"] == "NOOP 500"
    assert sum(line in chosen.own for line in chosen.lines) >= 1


def test_without_a_session_the_rows_of_the_message_or_the_row_alone_are_told() -> None:
    rows = [
        Event(kind="outcome", recipient="a@x.test", outcome="deferred", queue_id="Q1"),
        Event(kind="outcome", recipient="b@x.test", outcome="accepted"),
        Event(kind="outcome", recipient="a@x.test", outcome="accepted", queue_id="Q1"),
    ]
    exploration = Exploration(to_frame(row.to_row() for row in rows))
    page = exploration.page(Question(), 0)
    assert list(exploration.choose(page.iloc[0]).rows[PLACE]) == [0, 2]
    alone = exploration.choose(page.iloc[1])
    assert list(alone.rows["recipient"]) == ["b@x.test"]
    assert alone.event["outcome"] == "accepted"


def test_no_events_are_no_error() -> None:
    exploration = Exploration(to_frame([]))
    assert exploration.total == exploration.count(Question(verb="RCPT")) == 0
    assert exploration.page(Question(), 0).empty
    assert exploration.values("reason") == exploration.domains(5) == []


def test_a_log_that_lacks_a_column_is_refused() -> None:
    with pytest.raises(ColumnError, match="'reply_code' not found"):
        Exploration(LOG.drop(columns="reply_code"))
