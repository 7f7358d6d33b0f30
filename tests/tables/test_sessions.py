"""Sessions are told with what they carried, and over what line."""

from __future__ import annotations

from typing import Any

import pandas as pd

from smtpbook.events import CLEAR_TEXT, UNPROVED, Event
from smtpbook.log.frame import to_frame
from smtpbook.tables.sessions import sessions, tls_posture
from tests.log.story import START, Story

TLS: dict[str, Any] = {"tls_version": "TLSv1.3", "tls_cipher": "TLS_AES_128_GCM_SHA256"}


def test_a_session_tells_how_many_messages_it_carried(log: pd.DataFrame) -> None:
    table = sessions(log).set_index("session_id")
    assert table["messages"].tolist() == [75, 75, 75, 75, 100]
    assert table["is_reused"].all()
    assert table["replies"].sum() == (log["kind"].isin(["command", "greeting"])).sum()
    refused = (log["reply_code"] >= 400) & (log["kind"] != "outcome")
    assert table["refusals"].sum() == refused.sum()
    assert table["bytes_sent"].sum() == log["bytes_sent"].sum()
    assert table["time"].is_monotonic_increasing


def test_a_session_lasts_from_its_first_row_to_the_end_of_its_last_reply() -> None:
    story = Story()
    story.said("MAIL", "MAIL FROM:<>", "250 Ok", latency_s=1.5)
    story.said("QUIT", "QUIT", "221 Bye", latency_s=2.5)
    table = sessions(to_frame(story.rows))
    assert table["duration_s"].tolist() == [4.0]
    assert table["time"].iloc[0] == pd.Timestamp(START, unit="us", tz="UTC")
    assert table["messages"].tolist() == [1]
    assert not table["is_reused"].iloc[0]


def test_a_session_has_the_line_it_ended_with_and_its_error() -> None:
    story = Story().opened()
    story.add("tls", latency_s=0.01, **TLS)
    story.said("EHLO", "EHLO x", "250 Ok", **TLS)
    story.add("disconnect", error="TransportTimeout", **TLS)
    table = sessions(to_frame(story.rows))
    assert table["tls_version"].tolist() == ["TLSv1.3"]
    assert table["error"].tolist() == ["TransportTimeout"]
    assert table["bytes_sent"].isna().all()  # not known is not 0


def test_outcomes_are_a_session_s_replies_where_nothing_else_tells_them() -> None:
    known = {"source": "exchange", "verb": "RCPT", "session_id": "s1"}
    rows = [Event(kind="outcome", reply_code=code, **known).to_row() for code in (250, 550)]
    table = sessions(to_frame(rows))
    assert table[["replies", "refusals"]].to_numpy().tolist() == [[2, 1]]
    rows.append(Event(kind="command", reply_code=550, **known).to_row())
    table = sessions(to_frame(rows))
    assert table[["replies", "refusals"]].to_numpy().tolist() == [[1, 1]]


def _line(number: int, *, command: str | None = None, **tls: Any) -> list[Any]:
    story = Story(f"s{number}").opened()
    if command or tls:
        story.add("tls", command=command, **tls)
    story.said("EHLO", "EHLO x", "250 Ok", **{n: c for n, c in tls.items() if n != "error"})
    story.said("MAIL", "MAIL FROM:<>", "250 Ok")
    return story.rows


def test_the_posture_counts_lines_by_server() -> None:
    unreached = Story("unreached")
    unreached.add("connect", error="TransportError")
    log = to_frame(
        [
            *_line(1, **TLS),
            *_line(2, **TLS),
            *_line(3, command=UNPROVED, **TLS),
            *_line(4, command=CLEAR_TEXT),
            *_line(5, error="TLSError"),
            *unreached.rows,
        ]
    )
    table = tls_posture(log)
    assert table["tls_version"].astype("string").fillna("-").tolist() == ["TLSv1.3", "-"]
    assert table["sessions"].tolist() == [3, 2]
    assert table["share"].tolist() == [0.6, 0.4]
    assert table["unauthenticated"].tolist() == [1, 0]
    assert table["failed"].tolist() == [0, 1]
    assert table["messages"].tolist() == [3, 2]
