"""Many sessions at once: each gets its own replies, and the seed decides alone."""

from __future__ import annotations

import pytest
import trio

from smtpbook.lab.lab import Lab
from smtpbook.protocol.message import Message
from smtpbook.session.session import open_session

pytestmark = pytest.mark.side_by_side
PEOPLE = [f"p{n}@{name}.example" for name in ("hiccup", "gone", "any") for n in range(12)]


def send_at_once(lab: Lab, people: list[list[str]]) -> None:
    """Send from one client for each list, all at once."""

    async def client(mine: list[str]) -> None:
        async with open_session(lab.account) as session:
            for who in mine:
                data = f"To: {who}\r\n\r\nhi\r\n".encode()
                await session.send(Message.from_bytes("a@x.test", [who], data))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for mine in people:
                nursery.start_soon(client, mine)

    trio.run(main)


def said_to(seed: int, clients: int) -> dict[str, str]:
    with Lab("mixed-day", seed=seed) as lab:
        send_at_once(lab, [PEOPLE[n::clients] for n in range(clients)])
        rows = lab.log[lab.log["verb"] == "RCPT"]
        return dict(zip(rows["recipient"], rows["reply_text"], strict=True))


def test_the_same_seed_says_the_same_however_the_connections_interleave() -> None:
    told = said_to(1, clients=4)
    assert said_to(1, clients=3) == told
    assert said_to(2, clients=4) != told


@pytest.mark.heavy
def test_two_hundred_sessions_at_once_each_get_their_own() -> None:
    people = [[f"p{n}@y.test", f"550-5.1.1.p{n}@y.test"] for n in range(200)]
    with Lab() as lab:
        send_at_once(lab, people)
        assert sorted(one.recipients[0] for one in lab.received) == sorted(
            mine[0] for mine in people
        )
        assert all(
            one.data.startswith(f"To: {one.recipients[0]}\r\n".encode())
            for one in lab.received
        )
        assert lab.counts == {"accepted": 200, "rejected": 200}
        assert lab.log["session_id"].nunique() == 200
