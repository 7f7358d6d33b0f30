"""The log's columns are those agreed on, and an event and its row are the same thing."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.events import (
    COLUMNS,
    KINDS,
    OUTCOMES,
    SCHEMA,
    Event,
    Row,
    describe,
    to_sink,
)

# As the vocabulary lists them.
AGREED = """
time                datetime64[us, UTC]
campaign_id         string
session_id          string
transaction_id      string
message_id          string
seq                 int32
kind                category
verb                category
command             string
reply_code          Int16
enhanced_status     string
reply_text          string
latency_s           float64
first_byte_s        float64
service_s           float64
lag_s               float64
pipelined           Int32
bytes_sent          Int64
bytes_received      Int64
reverse_path        string
recipient           string
recipient_domain    string
server              string
port                Int32
server_address      string
tls_version         category
tls_cipher          category
attempt             Int16
outcome             category
reason              category
queue_id            string
error               category
account             category
arm                 category
block               category
source              category
"""


def test_schema_is_the_table_of_the_vocabulary() -> None:
    rows = [tuple(line.split(None, 1)) for line in AGREED.strip().splitlines()]
    assert [(column.name, column.dtype) for column in SCHEMA] == rows
    assert tuple(name for name, _ in rows) == COLUMNS


def test_kinds_and_outcomes_are_those_of_the_vocabulary() -> None:
    assert (
        " ".join(KINDS) == "dns connect proxy tls greeting command data disconnect outcome"
    )
    assert " ".join(OUTCOMES) == (
        "accepted deferred rejected failed in_doubt suppressed bounced complaint delivered"
    )


@pytest.mark.parametrize("column", SCHEMA, ids=lambda column: column.name)
def test_every_column_is_described_with_its_dtype(column: object) -> None:
    name, dtype, doc = dataclasses.astuple(column)  # type: ignore[call-overload]
    (line,) = [line for line in describe().splitlines() if line.split()[0] == name]
    assert dtype in line
    assert line.endswith(doc)
    assert len(doc) > 5
    assert not name.endswith("_s") or "second" in doc or "late" in doc or "the same" in doc


@pytest.mark.parametrize("dtype", sorted({column.dtype for column in SCHEMA}))
def test_dtype_is_one_that_pandas_knows(dtype: str) -> None:
    pandas = pytest.importorskip("pandas")
    assert str(pandas.Series([], dtype=dtype).dtype) == dtype


TIMES = st.datetimes(timezones=st.just(UTC))
TEXTS = st.none() | st.text(max_size=5)
VALUES = {
    "string": TEXTS,
    "category": TEXTS,
    "float64": st.none() | st.floats(allow_nan=False),
}
EVENTS = st.builds(
    Event,
    TIMES,
    *(VALUES.get(column.dtype, st.none() | st.integers(0, 999)) for column in SCHEMA[1:]),
)


@given(EVENTS)
def test_row_gives_the_event_back(event: Event) -> None:
    row = event.to_row()
    assert len(row) == len(COLUMNS)
    assert isinstance(row[0], int)
    assert Event.from_row(row) == event
    assert Event.from_row(row).to_row() == row


def test_row_is_in_the_order_of_the_schema() -> None:
    event = Event(time=datetime(2026, 1, 1, tzinfo=UTC), verb="RCPT", reply_code=450)
    found = dict(zip(COLUMNS, event.to_row(), strict=True))
    assert found["time"] == 1_767_225_600_000_000
    assert (found["verb"], found["reply_code"], found["kind"]) == ("RCPT", 450, "command")
    assert found["outcome"] is None


def test_time_is_kept_to_the_microsecond_and_in_utc() -> None:
    zone = timezone(timedelta(hours=2))
    event = Event(time=datetime(2026, 1, 1, 2, 0, 0, 1, tzinfo=zone))
    back = Event.from_row(event.to_row())
    assert back.time == event.time
    assert back.time.isoformat() == "2026-01-01T00:00:00.000001+00:00"


def test_time_before_1970_is_a_negative_number() -> None:
    assert (
        Event(time=datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)).to_row()[0] == -1_000_000
    )


def test_sink_gives_the_callback_objects() -> None:
    seen: list[Event] = []
    row: Row = Event(verb="NOOP").to_row()
    to_sink(seen.append)(row)
    assert seen == [Event(verb="NOOP")]
    assert seen[0].to_row() == row


def test_event_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Event().verb = "X"  # type: ignore[misc]
