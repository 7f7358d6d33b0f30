"""A class at once: two hundred sessions with thirty labs, and every word is right."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest
import trio

from smtpbook.lessons.classroom import Classroom
from smtpbook.lessons.invitation import Invitation
from smtpbook.lessons.lesson import open_lesson

pytestmark = pytest.mark.side_by_side
LETTER = "Subject: {n}\r\n\r\nletter {n}\r\n."


async def converse(
    port: int, given: Mapping[str, str], n: int, all_here: Callable[[], Awaitable[None]]
) -> list[tuple[str, str]]:
    """Talk to a lab once everybody has been greeted; give each line and its reply."""
    said: list[tuple[str, str]] = []
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    unread = b""

    async def reply() -> str:
        nonlocal unread
        lines: list[bytes] = []
        while not lines or lines[-1][3:4] == b"-":
            while b"\r\n" not in unread:
                piece = await stream.receive_some()
                assert piece, "the lab hung up"
                unread += piece
            line, _, unread = unread.partition(b"\r\n")
            lines.append(line)
        return lines[-1].decode()

    async with stream:
        said.append(("", await reply()))
        await all_here()
        for line in (
            f"EHLO {given['client']}",
            f"RCPT TO:<{given['recipient']}>",
            f"MAIL FROM:<{n}.{given['sender']}>",
            f"RCPT TO:<{given['recipient']}>",
            "RCPT TO:<550-5.1.1.nobody@lab.test>",
            "DATA",
            LETTER.format(n=n),
            "QUIT",
        ):
            await stream.send_all(f"{line}\r\n".encode())
            said.append((line, await reply()))
    return said


def is_right(said: list[tuple[str, str]], given: Mapping[str, str]) -> bool:
    """Say whether each reply is the one due, word for word where words are fixed."""
    replies = [reply for _, reply in said]
    codes = [int(reply[:3]) for reply in replies]
    return (
        codes == [220, 250, 503, 250, 250, 550, 354, 250, 221]
        and replies[0] == f"220 {given['server']} ESMTP ready for you"
        and replies[5].startswith("550 5.1.1 ")
    )


@pytest.mark.parametrize(
    ("students", "sessions"),
    [(5, 10), pytest.param(30, 200, marks=pytest.mark.heavy)],
)
def test_all_sessions_at_once_are_right_to_the_word(
    students: int, sessions: int, tmp_path: Path
) -> None:
    heard: dict[int, list[tuple[str, str]]] = {}
    with Classroom(students, scores=tmp_path) as classroom:
        names = classroom.students
        seats = [classroom._places[name].seat for name in names]

        async def main() -> None:
            greeted, begin = 0, trio.Event()

            async def all_here() -> None:
                nonlocal greeted
                greeted += 1
                if greeted == sessions:
                    begin.set()
                await begin.wait()

            async def one(n: int) -> None:
                seat = seats[n % students]
                heard[n] = await converse(
                    seat.labs["ordinary"].port, seat.given, n, all_here
                )

            with trio.fail_after(300):
                async with trio.open_nursery() as nursery:
                    for n in range(sessions):
                        nursery.start_soon(one, n)

        trio.run(main)
        assert len(heard) == sessions
        assert all(is_right(said, seats[n % students].given) for n, said in heard.items())
        progress = classroom.progress
        assert progress["sessions"].sum() == sessions
        assert progress["permanent"].sum() == 2 * sessions
        assert progress["success"].sum() == 6 * sessions
        for number, name in enumerate(names):
            mine = {n: said for n, said in heard.items() if n % students == number}
            _check_seen_by_its_student(classroom.invitations[name], mine)


def _check_seen_by_its_student(
    invitation: str, mine: dict[int, list[tuple[str, str]]]
) -> None:
    """The server's side, asked for over HTTP, is the clients' side, line for line."""
    assert Invitation.read(invitation)
    with open_lesson("first-conversation", classroom=invitation) as lesson:
        log, received = lesson.lab.log, lesson.lab.received
    letters = {one.message["Subject"]: one for one in received}
    assert set(letters) == {str(n) for n in mine}
    for n, said in mine.items():
        letter = letters[str(n)]
        assert letter.reverse_path == f"{n}.{lesson.given['sender']}"
        assert letter.recipients == (lesson.given["recipient"],)
        rows = log[log["session_id"] == letter.session_id].sort_values("seq")
        assert rows["reply_code"].tolist() == [int(reply[:3]) for _, reply in said]
        lines = rows["command"].tolist()[1:]
        assert lines[:6] == [line for line, _ in said[1:7]]
        assert letter.queue_id in said[-2][1]
