"""The client's log and the server's beside each other: which is whose, and what is lost."""

from __future__ import annotations

import pandas as pd
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.errors import ColumnError
from smtpbook.events import COLUMNS, Row
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.log.frame import Recorder, to_frame
from smtpbook.log.join_sides import SIDES, join_sides
from smtpbook.protocol.message import Message
from smtpbook.session.session import open_session
from tests.log.story import START, Story

_TIME, _SESSION = COLUMNS.index("time"), COLUMNS.index("session_id")


def talk(lab: Lab, *clients: list[str]) -> pd.DataFrame:
    """Send from several clients at once, a message to each of its people; their log."""
    recorder = Recorder()

    async def client(people: list[str]) -> None:
        async with open_session(lab.account, sink=recorder.append) as session:
            for who in people:
                await session.send(Message.from_bytes("a@x.test", [who], b"hi\r\n"))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for people in clients:
                nursery.start_soon(client, people)

    trio.run(main)
    return recorder.frame()


def test_interleaved_sessions_find_each_other_and_their_clocks_agree() -> None:
    people = [[f"p{n}@y.test", f"550.p{n}@y.test"] for n in range(4)]
    with Lab(users={"ann": "horse"}) as lab:
        ours = talk(lab, *people)
        sides = join_sides(ours, lab.log)
    assert {name: str(dtype) for name, dtype in sides.dtypes.items()} == SIDES
    assert sides["their_session_id"].nunique() == sides["session_id"].nunique() == 4
    assert len(sides) == len(lab.log)
    pd.testing.assert_series_equal(
        sides["reply_code"], sides["their_reply_code"], check_names=False
    )
    # It is one clock.
    assert (sides["offset_s"].abs() <= sides["offset_bound_s"]).all()


def test_a_lost_reply_is_theirs_alone_and_a_lost_command_ours() -> None:
    with Lab() as lab:
        lab.set(end_of_data=Behaviour(loses_reply=True))
        sides = join_sides(talk(lab, ["b@y.test"]), lab.log).set_index("verb")
        lab.clear()
        lab.set(end_of_data=Behaviour(drop=True))
        other = join_sides(talk(lab, ["b@y.test"]), lab.log).set_index("verb")
    end = sides.loc["END-OF-DATA"]
    assert (end["their_reply_code"], end["their_reply_text"][:5]) == (250, "2.0.0")
    assert pd.isna(end["reply_code"])
    assert pd.isna(end["received"])
    assert pd.notna(end["read"])
    end = other.loc["END-OF-DATA"]
    assert pd.notna(end["sent"])
    assert end[["read", "answered", "received"]].isna().all()


def both_sides(offset_us: int, there_us: int, back_us: int) -> tuple[list[Row], list[Row]]:
    """One session as its two ends log it, over a line of these delays."""
    ours, theirs = Story("us"), Story("them", start=START + offset_us + there_us)
    trip = there_us + back_us
    ours.add("connect", latency_s=trip / 1e6)
    theirs.said("GREETING", None, "220 mx ESMTP", latency_s=0.001)
    ours.said("GREETING", None, "220 mx ESMTP", latency_s=0.001)
    for command in ("EHLO me.test", "NOOP", "QUIT"):
        verb = command.split(" ")[0]
        theirs.time = ours.time + there_us + offset_us
        theirs.said(verb, command, "250 2.0.0 Ok", latency_s=0.001)
        ours.said(verb, command, "250 2.0.0 Ok", latency_s=0.001 + trip / 1e6)
    return ours.rows, theirs.rows


@settings(max_examples=6)
@given(
    st.integers(-(10**12), 10**12),
    st.integers(0, 500_000),
    st.integers(0, 500_000),
)
def test_the_offset_is_within_its_bound_whatever_the_line(
    offset_us: int, there_us: int, back_us: int
) -> None:
    ours, theirs = both_sides(offset_us, there_us, back_us)
    sides = join_sides(to_frame(ours), to_frame(theirs))
    assert len(sides) == 4
    offset_s, bound_s = sides["offset_s"].iloc[0], sides["offset_bound_s"].iloc[0]
    assert abs(offset_s - offset_us / 1e6) <= bound_s + 2e-6
    assert bound_s <= (there_us + back_us) / 2e6 + 2e-6


def test_sessions_of_the_same_words_are_paired_in_their_order() -> None:
    ours, theirs = both_sides(0, 10, 10)
    late = 60_000_000

    def again(rows: list[Row], name: str) -> list[Row]:
        cells = [list(row) for row in rows]
        for row in cells:
            row[_TIME], row[_SESSION] = row[_TIME] + late, name
        return [tuple(row) for row in cells]

    sides = join_sides(
        to_frame([*again(ours, "us, later"), *ours]),
        to_frame([*theirs, *again(theirs, "them, later")]),
    )
    pairs = set(zip(sides["session_id"], sides["their_session_id"], strict=True))
    assert pairs == {("us", "them"), ("us, later", "them, later")}


def test_who_heard_what_was_never_said_is_in_another_conversation() -> None:
    ours, theirs = both_sides(0, 10, 10)
    other = Story("other")
    other.said("GREETING", None, "220 another server")
    assert join_sides(to_frame(ours), to_frame(other.rows)).empty
    assert join_sides(to_frame(ours), to_frame([])).empty
    assert join_sides(to_frame([]), to_frame(theirs)).empty


def test_what_the_server_could_not_read_stands_beside_what_was_said() -> None:
    said = ["EHLO me.test", "HELLO there", "MAIL FROM:a@x.test", "AUHT PLAIN AGFubgBwdw=="]
    recorder = Recorder()

    async def main() -> None:
        async with open_session(lab.account, sink=recorder.append, ehlo=False) as session:
            for line in said:
                await session.command(line)

    with Lab() as lab:
        trio.run(main)
        sides = join_sides(recorder.frame(), lab.log)
    assert sides["their_reply_code"].tolist() == [220, 250, 500, 501, 500, 221]
    assert sides["command"].tolist()[2:5] == [*said[1:3], "AUHT PLAIN [redacted]"]


def test_a_log_without_times_has_no_offset() -> None:
    ours, theirs = (to_frame(rows) for rows in both_sides(0, 10, 10))
    ours["time"] = ours["time"].where(ours["time"].isna())
    sides = join_sides(ours, theirs)
    assert len(sides) == 4
    assert sides[["offset_s", "offset_bound_s", "sent", "received"]].isna().all(axis=None)


def test_a_log_that_lacks_a_column_is_told_so() -> None:
    with pytest.raises(ColumnError, match="latency_s"):
        join_sides(to_frame([]), to_frame([]).drop(columns="latency_s"))
