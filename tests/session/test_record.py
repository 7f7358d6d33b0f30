"""Record: rows of the event log, one for each thing that happened."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import trio

from smtpbook.events import COLUMNS, Event, Row
from smtpbook.log.frame import to_frame
from smtpbook.log.kept import KeptRows
from smtpbook.protocol.message import Message
from smtpbook.protocol.replies import Reply
from smtpbook.session.record import Record
from tests.session.scripted import ACCOUNT, BYE, CLOSE, EHLO, Item, Servers

Make = Callable[..., Message]
OK = "250 OK"
GO = "354 go ahead"


def make_record(sink: Callable[[Row], None] | None = None) -> tuple[Record, KeptRows]:
    rows = KeptRows()
    return Record(sink, rows, "s1", ACCOUNT, "november", 1_000_000_000, 50.0), rows


def test_time_is_counted_from_one_instant_of_both_clocks() -> None:
    record, rows = make_record()
    record.note("connect", 52.5, took_s=0.25)
    event = Event.from_row(rows[0])
    assert event.time == datetime.fromtimestamp(1002.5, UTC)
    assert (event.kind, event.latency_s, event.service_s) == ("connect", 0.25, 0.25)
    assert (event.session_id, event.campaign_id, event.source) == ("s1", "november", "live")
    assert (event.server, event.port, event.account) == ("mx.test", 25, "mx.test")


def test_rows_go_to_the_sink_and_are_kept() -> None:
    sunk: list[Row] = []
    record, rows = make_record(sunk.append)
    for _ in range(3):
        record.note("disconnect", 50.0)
    assert sunk == list(rows)
    assert [row[COLUMNS.index("seq")] for row in sunk] == [0, 1, 2]
    assert all(len(row) == len(COLUMNS) for row in sunk)


@pytest.mark.parametrize(
    "secret", ["horse", "päß", "zero\u200bwidth", "a\\b'c\"", "x" * 300, "tab\there"]
)
def test_a_secret_is_masked_however_it_is_spelled(secret: str) -> None:
    record, _ = make_record()
    assert record.masked(secret) == secret
    record.hide(secret.encode(), b"")
    reply = Reply(code=535, lines=(f"who is {secret}?", "fine", f"{secret}{secret}"))
    masked = record.masked_reply(reply)
    assert masked.lines == ("who is [redacted]?", "fine", "[redacted][redacted]")
    shown = [reply.text, repr(secret.encode()), base64.b64encode(secret.encode()).decode()]
    for text in shown:
        assert "[redacted]" in record.masked(text)
        assert secret not in record.masked(text)
    untouched = Reply(code=250, lines=("nothing here",))
    assert record.masked_reply(untouched) is untouched


@pytest.mark.parametrize(
    "lines",
    [
        ("5.7.8 correct horse bat", "5.7.8 tery"),
        ("correct horse", "battery"),
        ("Y29ycmVjdCBob3J", "zZSBiYXR0ZXJ5"),
    ],
)
def test_a_secret_that_a_lines_end_cuts_in_two_is_masked(lines: tuple[str, ...]) -> None:
    record, _ = make_record()
    record.hide(b"correct horse battery")
    masked = record.masked_reply(Reply(code=535, lines=lines))
    assert set(masked.lines) == {"[redacted]"}
    untouched = Reply(code=250, lines=("2.0.0 correct", "2.0.0 horse"))
    assert record.masked_reply(untouched) is untouched


def test_a_secret_within_another_leaves_nothing_of_either() -> None:
    record, _ = make_record()
    record.hide(b"horse")
    record.hide(b"correct horse battery")
    assert record.masked("correct horse battery, horse") == "[redacted], [redacted]"


@pytest.mark.parametrize(
    ("replies", "outcome"),
    [
        ((OK, OK, OK, GO, "250 2.0.0 Ok: queued as 4Xb1"), "accepted"),
        ((OK, OK, OK, GO, "450 4.2.0 later"), "deferred"),
        ((OK, OK, OK, GO, CLOSE), "in_doubt"),
        ((OK, CLOSE), "failed"),
    ],
)
async def test_an_outcome_row_repeats_the_deciding_row(
    replies: tuple[Item, ...],
    outcome: str,
    servers: Servers,
    message: Make,
    autojump_clock: object,
) -> None:
    servers("220 mx", EHLO, *replies, BYE)
    async with servers.open(campaign_id="november") as session:
        result = await session.send(message("a@y.test", "b@BÜCHER.example"))
    deciding = servers.rows.of("command", result.recipients[0].verb)[-1]
    first, second = servers.rows.of("outcome")
    assert first["outcome"] == second["outcome"] == outcome
    for name in ("verb", "reply_code", "enhanced_status", "reply_text", "error"):
        assert first[name] == deciding[name]
    assert [row["recipient"] for row in (first, second)] == [
        "a@y.test",
        "b@xn--bcher-kva.example",
    ]
    assert second["recipient_domain"] == "xn--bcher-kva.example"
    assert first["queue_id"] == ("4Xb1" if outcome == "accepted" else None)
    assert first["transaction_id"] == result.id
    assert {row["campaign_id"] for row in servers.rows.all} == {"november"}
    servers.rows.check_whole()


async def test_rows_make_the_event_log_frame(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    """Whatever a server says: octets that are no text, controls, direction marks."""
    servers("220 mx", EHLO, b"250 \xff\xfe\x00\x1b[31m\r\n", "250 \u202eevil", GO, OK, BYE)
    async with servers.open() as session:
        await session.send(message())
    log = to_frame(session.rows)
    assert log.columns.tolist() == list(COLUMNS)
    texts = log[log["kind"] == "command"].set_index("verb")["reply_text"]
    assert texts["MAIL"] == r"\xff\xfe\x00\x1b[31m"
    assert texts["RCPT"] == r"\u202eevil"


async def test_wall_time_is_now(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    before = datetime.now(UTC)
    servers("220 mx", EHLO, BYE)
    async with servers.open() as session:
        await trio.sleep(30)
        first = Event.from_row(session.rows[0]).time
    assert before.replace(microsecond=0) <= first <= datetime.now(UTC)
    last = Event.from_row(session.rows[-1]).time
    assert (last - first).total_seconds() == 30
