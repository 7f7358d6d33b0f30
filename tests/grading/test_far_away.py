"""A long line delays what is said together once, and loses nothing."""

from __future__ import annotations

import trio

from smtpbook.grading.far_away import FarAway
from smtpbook.lab.lab import Lab
from smtpbook.protocol.message import Message
from smtpbook.session.session import open_session

ROUND_TRIP_S = 0.05
LETTER = Message.from_bytes(
    "a@b.example", [f"{n}@d.example" for n in range(5)], b"Subject: far\r\n\r\nHello.\r\n"
)


def test_each_wait_costs_a_round_trip_and_a_group_costs_one() -> None:
    async def took(pipelining: str) -> float:
        async with open_session(line.account) as session:
            begin = trio.current_time()
            async for result in session.send_many([LETTER], pipelining=pipelining):  # type: ignore[arg-type]
                assert result.outcome == "accepted"
            return trio.current_time() - begin

    with Lab() as lab, FarAway(lab.account, ROUND_TRIP_S) as line:
        alone, together = trio.run(took, "off"), trio.run(took, "auto")
        received = lab.received
    # At least so much whatever the machine does; that it is not more is its own business.
    assert alone >= 8 * ROUND_TRIP_S
    assert 2 * ROUND_TRIP_S <= together < alone
    assert [one.data for one in received] == [b"Subject: far\r\n\r\nHello.\r\n"] * 2
