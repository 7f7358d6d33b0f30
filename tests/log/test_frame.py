"""Rows become exactly the documented columns, whoever writes them and whoever looks."""

from __future__ import annotations

import threading
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from smtpbook.codes.explain import reason_of
from smtpbook.errors import ColumnError
from smtpbook.events import COLUMNS, KINDS, OUTCOMES, SCHEMA, Event, Row
from smtpbook.log.frame import (
    BATCH_ROWS,
    Recorder,
    arrow_schema,
    batch_schema,
    from_batches,
    from_table,
    require_columns,
    to_batch,
    to_batches,
    to_frame,
    to_table,
)
from tests.log.story import Story, day, suppressed


def dtypes(frame: pd.DataFrame) -> list[str]:
    return [str(dtype) for dtype in frame.dtypes]


@pytest.mark.parametrize("messages", [0, 1, 40])
def test_columns_and_dtypes_are_those_of_the_schema(messages: int) -> None:
    frame = to_frame(day(messages) if messages else [])
    assert list(frame.columns) == list(COLUMNS)
    assert dtypes(frame) == [column.dtype for column in SCHEMA]
    assert frame["reply_text"].dtype.storage == "pyarrow"


def test_kind_and_outcome_have_all_their_categories_even_in_an_empty_log() -> None:
    frame = to_frame([])
    assert tuple(frame["kind"].cat.categories) == KINDS
    assert tuple(frame["outcome"].cat.categories) == OUTCOMES
    assert len(frame["verb"].cat.categories) == 0


def test_every_cell_comes_back_as_it_was_written() -> None:
    rows = [*day(30), suppressed("no@x.example")]
    frame = to_frame(rows)
    read = np.where(frame.notna(), frame.astype(object), None).tolist()
    reason = COLUMNS.index("reason")  # filled in where it was null
    for cells, row in zip(read, rows, strict=True):
        written = [pd.Timestamp(row[0], unit="us", tz="UTC"), *row[1:]]
        written[reason] = cells[reason]
        assert cells == written


def test_null_stays_null_in_every_column_that_may_be_null() -> None:
    row = (0, *[None] * 4, 0, "dns", *[None] * (len(COLUMNS) - 7))
    frame = to_frame([row])
    null = frame.columns[frame.isna().iloc[0]]
    assert set(COLUMNS) - set(null) == {"time", "seq", "kind"}


def test_text_that_is_not_utf8_is_kept_as_an_escape() -> None:
    frame = to_frame([Event(command="VRFY caf\udce9").to_row()])
    assert frame["command"][0] == r"VRFY caf\xe9"


def test_an_unknown_kind_is_kept_and_not_made_null() -> None:
    frame = to_frame([Event(kind="novelty").to_row()])
    assert frame["kind"][0] == "novelty"
    assert tuple(frame["kind"].cat.categories) == (*KINDS, "novelty")


@pytest.mark.parametrize("column", COLUMNS)
def test_a_frame_is_there_to_be_changed(column: str) -> None:
    cells = {c.name: "x" if c.dtype in ("string", "category") else 1 for c in SCHEMA[1:]}
    cells |= {"kind": "data", "outcome": "accepted"}
    frame = to_frame([(1, *cells.values()), (2, *cells.values())])
    frame.loc[0, column] = frame.loc[1, column]
    assert frame.loc[0, column] == frame.loc[1, column]


def test_one_log_however_many_batches_it_came_in() -> None:
    rows = list(day(700))
    assert len(rows) > BATCH_ROWS
    whole = from_batches([to_batch(rows)])
    pieces = from_batches([to_batch(rows[i : i + 7]) for i in range(0, len(rows), 7)])
    pd.testing.assert_frame_equal(whole, pieces)
    pd.testing.assert_frame_equal(whole, to_frame(iter(rows)))


@pytest.mark.parametrize("as_text", [pa.string(), pa.large_string()])
@pytest.mark.parametrize("is_coded", [False, True])
def test_one_log_however_its_texts_are_written(
    as_text: pa.DataType, is_coded: bool
) -> None:
    batches = list(to_batches(list(day(400))))
    assert len(batches) > 1
    table = to_table(batches)
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            texts = table[field.name].cast(as_text)
            texts = texts.dictionary_encode() if is_coded else texts
            table = table.set_column(place, field.name, texts)
    pd.testing.assert_frame_equal(from_table(table), from_batches(batches))


def test_more_texts_than_a_batch_can_number() -> None:
    """A batch numbers its texts in 16 bits; a log may have more, and ask for reasons."""
    count = 33_000
    rows = [
        Event(
            verb="END-OF-DATA",
            recipient=f"p{n}@x.test",
            reply_code=250 if n else 550,
            reply_text=f"queued as {n}" if n else "user unknown",
        ).to_row()
        for n in range(count)
    ]
    frame = to_frame(rows)
    assert frame["recipient"].nunique() == frame["reply_text"].nunique() == count
    assert frame["reason"].value_counts().to_dict() == {"user_unknown": 1}


def test_batches_share_a_column_only_while_its_value_stays() -> None:
    one, two = Event(server="a", port=25).to_row(), Event(server="b", port=25).to_row()
    shared: dict[str, tuple[object, object]] = {}
    batches = [to_batch([row] * 3, shared) for row in (one, two, one)]
    assert from_batches(batches)["server"].tolist() == [*"aaabbbaaa"]
    ports = [batch.column("port").buffers()[1].address for batch in batches]
    assert len(set(ports)) == 1


def test_schemas_name_the_same_columns() -> None:
    assert arrow_schema().names == batch_schema().names == list(COLUMNS)
    assert to_batch([Event().to_row()]).schema == batch_schema()


def test_recorder_gives_everything_so_far_again_and_again() -> None:
    rows = list(day(400))
    recorder = Recorder()
    assert len(recorder.frame()) == 0
    for row in rows[: BATCH_ROWS + 10]:
        recorder.append(row)
    early = recorder.frame()
    for row in rows[BATCH_ROWS + 10 :]:
        recorder.append(row)
    assert len(early) == BATCH_ROWS + 10
    assert len(recorder) == len(rows)
    pd.testing.assert_frame_equal(recorder.frame(), to_frame(rows))


def test_a_snapshot_taken_while_rows_come_is_a_prefix_of_the_log() -> None:
    rows = [Event(seq=n).to_row() for n in range(12 * BATCH_ROWS)]
    recorder = Recorder()
    writer = threading.Thread(target=lambda: [recorder.append(row) for row in rows])
    writer.start()
    snapshots = []
    while writer.is_alive():
        snapshots.append(recorder.frame()["seq"])
    writer.join()
    snapshots.append(recorder.frame()["seq"])
    for seq in snapshots:
        assert seq.tolist() == list(range(len(seq)))
    assert len(snapshots[-1]) == len(rows)


def test_rows_of_several_threads_are_neither_lost_nor_doubled() -> None:
    recorder = Recorder()

    def write(port: int) -> None:
        for seq in range(3 * BATCH_ROWS):
            recorder.append(Event(seq=seq, port=port).to_row())

    writers = [threading.Thread(target=write, args=(port,)) for port in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    for _, of_one in recorder.frame().groupby("port"):
        assert of_one["seq"].tolist() == list(range(3 * BATCH_ROWS))


def test_no_python_object_is_kept_for_a_batched_row() -> None:
    rows = list(day(3000))[: 8 * BATCH_ROWS]
    recorder = Recorder()
    tracemalloc.start()
    try:
        for row in rows:
            recorder.append(row)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    arrow = sum(batch.nbytes for batch in recorder._batches)
    assert kept / len(rows) < 5
    assert arrow / len(rows) < 180  # shared columns counted in each batch


def test_reason_is_what_codes_say_of_the_reply_on_every_row_that_has_it() -> None:
    story = Story().opened()
    for n in range(20):
        rcpt = ("250 2.1.5 Ok", "450 4.2.0 later", "550 5.1.1 nobody")[n % 3]
        story.message(f"p{n}@x.example", rcpt=rcpt)
    frame = to_frame(story.rows)
    by_code = frame.groupby("reply_code")["reason"].unique()
    assert by_code[450].tolist() == [reason_of("RCPT", 450, "4.2.0", "4.2.0 later")]
    assert by_code[550].tolist() == [reason_of("RCPT", 550, "5.1.1", "5.1.1 nobody")]
    assert frame.loc[frame["reply_code"] < 400, "reason"].isna().all()
    refused = frame[frame["reply_code"] >= 400]
    assert set(refused["kind"]) == {"command", "outcome"}
    assert refused["reason"].notna().all()


def test_a_reason_already_given_is_kept() -> None:
    given: Row = Event(verb="RCPT", reply_code=550, reason="spam").to_row()
    asked: Row = Event(verb="RCPT", reply_code=550, reply_text="no").to_row()
    assert to_frame([given, asked])["reason"][0] == "spam"


def test_a_reply_without_verb_status_or_text_has_a_frame_too() -> None:
    frame = to_frame([Event(kind="outcome", reply_code=599).to_row()])
    assert frame["reply_code"].tolist() == [599]


def test_a_missing_column_is_named_with_the_nearest_there_is() -> None:
    log = to_frame([]).rename(columns={"service_s": "services"})
    with pytest.raises(ColumnError, match="'service_s' not found; did you mean 'services'"):
        require_columns(log, "verb", "service_s")


@pytest.mark.parametrize("column", ["verb", "recipient"])  # of categories, of texts
@pytest.mark.parametrize("index_type", [pa.int8(), pa.uint8(), pa.uint32(), pa.int64()])
def test_texts_that_another_program_numbered_are_read(
    index_type: pa.DataType, column: str
) -> None:
    texts = [f"V{n:03}" for n in range(200)]
    chunks = [
        pa.array(texts[start : start + 100], pa.dictionary(index_type, pa.string()))
        for start in (0, 100)
    ]
    frame = from_table(pa.table({column: pa.chunked_array(chunks)}))
    assert frame[column].tolist() == texts
