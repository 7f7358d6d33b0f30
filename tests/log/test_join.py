"""Several logs are one, and every column is what it was."""

from __future__ import annotations

import pytest

from smtpbook.errors import ColumnError
from smtpbook.events import COLUMNS, row_of
from smtpbook.log.frame import to_frame
from smtpbook.log.join import join_logs
from smtpbook.tables.outcomes import outcomes
from tests.log.story import day


def test_dtypes_and_order_are_kept_though_categories_differ() -> None:
    sent = to_frame(day(20))
    row = row_of(
        time=0, kind="outcome", recipient="a@x.example", outcome="bounced", source="dsn"
    )
    both = join_logs([sent, to_frame([row])])
    assert list(both.columns) == list(COLUMNS)
    assert (both.dtypes == sent.dtypes).loc[["time", "attempt", "reply_text"]].all()
    assert both["source"].dtype == "category"
    assert both["kind"].cat.categories.equals(sent["kind"].cat.categories)
    assert list(both.index) == list(range(len(sent) + 1))
    assert both["source"].iloc[-1] == "dsn"


def test_what_stands_behind_decides_where_a_recipient_stands() -> None:
    rows = [
        row_of(time=n, kind="outcome", recipient="a@x.example", outcome=outcome)
        for n, outcome in enumerate(("accepted", "bounced"))
    ]
    first, second = (to_frame([row]) for row in rows)
    assert outcomes(join_logs([first, second]))["outcome"].tolist() == ["bounced"]
    assert outcomes(join_logs([second, first]))["outcome"].tolist() == ["accepted"]


def test_nothing_is_an_empty_log() -> None:
    assert list(join_logs([]).columns) == list(COLUMNS)


def test_what_is_no_log_is_named() -> None:
    with pytest.raises(ColumnError, match="'queue_id' not found"):
        join_logs([to_frame([]).drop(columns="queue_id")])
