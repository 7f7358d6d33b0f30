"""What is asked of a log in SQL is what the shown code asks of a DataFrame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.errors import ColumnError, SMTPBookError
from smtpbook.events import Event
from smtpbook.log.frame import to_frame
from smtpbook.log.store import write_log
from smtpbook.tables.engine import PLACE
from smtpbook.tables.scan import scan_log
from smtpbook.tables.select import Question, rows_of, select_events
from tests.log.story import day

LOG = to_frame(day(60))
ODD = to_frame(
    [
        Event(recipient="a_b@x.test", reply_code=550, reply_text=text, error=error).to_row()
        for text, error in (
            ("50% full", None),
            (r"C:\mail", None),
            ("'; DROP TABLE log; --", None),
            (None, "TimeoutError"),
            ("Überlauf\nUSER", None),
        )
    ]
)
QUESTIONS = st.builds(
    Question,
    session_id=st.sampled_from([None, None, "s0", "s1", "none"]),
    recipient=st.sampled_from([None, None, "PERSON1", "domain0", "%", "_"]),
    recipient_domain=st.sampled_from([None, None, "domain0.example"]),
    reply_code=st.sampled_from([None, None, 2, 4, 5, 250, 550]),
    reason=st.sampled_from([None, None, "spam", "user_unknown"]),
    outcome=st.sampled_from([None, None, "accepted", "rejected"]),
    verb=st.sampled_from([None, None, "RCPT", "DATA"]),
    text=st.sampled_from([None, None, "QUEUED", "no such", "person", "'"]),
)


def picked(log: pd.DataFrame, question: Question) -> pd.DataFrame:
    """Run the question's code as a cell."""
    names: dict[str, Any] = {"log": log}
    exec(question.code(), names)
    return names["selection"]


@settings(max_examples=15, deadline=None)
@given(QUESTIONS)
def test_the_code_picks_the_rows_that_the_question_does(question: Question) -> None:
    pd.testing.assert_frame_equal(
        select_events(LOG, **question.given), picked(LOG, question)
    )


@pytest.mark.parametrize(
    ("text", "count"),
    [("50%", 1), ("%", 1), ("_", 0), (r"C:\m", 1), ("'", 1), ("timeout", 1), ("user", 1)],
)
def test_a_text_stands_for_itself(text: str, count: int) -> None:
    assert len(select_events(ODD, text=text)) == count
    assert len(picked(ODD, Question(text=text))) == count
    assert len(select_events(ODD, recipient="A_B")) == len(ODD)
    assert select_events(ODD, recipient="a%b").empty


def test_a_log_without_errors_can_be_searched() -> None:
    log = LOG.assign(error=pd.Categorical([None] * len(LOG)))
    assert len(picked(log, Question(text="spam"))) == len(select_events(LOG, text="spam"))


def test_files_give_the_rows_that_a_dataframe_does(tmp_path: Path) -> None:
    write_log(LOG, tmp_path / "log.parquet")
    scan = scan_log(tmp_path / "log.parquet")
    found = select_events(scan, reply_code=5, recipient="person")
    same = select_events(LOG, reply_code=5, recipient="person").reset_index(drop=True)
    pd.testing.assert_frame_equal(found, same, check_categorical=False)
    later = rows_of(scan, Question(verb="RCPT"), columns=("seq",), first=7, most=3)
    places = [n for n, verb in enumerate(LOG["verb"]) if verb == "RCPT"]
    assert list(later[PLACE]) == places[7:10]


def test_a_dataframe_keeps_its_own_columns_and_index() -> None:
    log = LOG.assign(city="Paris").set_index(LOG.index + 1000)
    found = select_events(log, verb="EHLO")
    assert list(found.columns) == list(log.columns)
    assert found.index.min() > 1000


def test_what_cannot_be_asked_is_refused() -> None:
    for code in (0, 1, 6, 199, 600):
        with pytest.raises(SMTPBookError, match=f"reply_code is {code}"):
            select_events(LOG, reply_code=code)
    with pytest.raises(ColumnError, match="'verb' not found"):
        select_events(LOG.drop(columns="verb"), verb="RCPT")
    with pytest.raises(TypeError, match="colour"):
        select_events(LOG, colour="red")
