"""A student's program may be wrong in any way; each is told, with its line."""

from __future__ import annotations

import socket
from typing import NoReturn

import trio

from smtpbook.grading.programs import Ran, run_program, running_server


def test_a_plain_and_an_async_function_give_back_what_they_return() -> None:
    async def later(number: int) -> int:
        await trio.lowlevel.checkpoint()
        return number + 1

    assert run_program(lambda: 3) == Ran(returned=3)
    assert run_program(later, 3) == Ran(returned=4)


def test_what_it_raises_is_told_with_the_line_that_was_typed() -> None:
    names: dict[str, object] = {}
    code = "def client():\n    x = 1\n    return int('x')\n"
    exec(compile(code, "cell 7", "exec"), names)
    ran = run_program(names["client"])  # type: ignore[arg-type]
    assert ran.error is not None
    assert ran.error.startswith("line 3: ValueError: invalid literal")


def test_an_error_in_a_nursery_is_told_without_its_wrapping() -> None:
    async def program() -> None:
        async def task() -> NoReturn:
            raise KeyError("why")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(task)

    error = run_program(program).error
    assert error is not None
    assert error.endswith("KeyError: 'why'")


def test_what_does_not_end_is_given_up() -> None:
    async def program() -> None:
        await trio.sleep_forever()

    assert run_program(program, limit_s=0.05).error == "it had not ended after 0.05 s"


def test_what_is_no_function_is_said() -> None:
    assert run_program(3).error == "a function is asked for, not int"  # type: ignore[arg-type]


def test_a_server_is_handed_connections_and_its_errors_are_kept() -> None:
    async def handler(stream: trio.SocketStream) -> None:
        await stream.send_all(b"220 hi\r\n")
        await stream.receive_some()
        raise ValueError("oh")

    with (
        running_server(handler) as (port, errors),
        socket.create_connection(("127.0.0.1", port)) as line,
    ):
        assert line.recv(100) == b"220 hi\r\n"
        line.sendall(b"NOOP\r\n")
        assert line.recv(100) == b""
    assert len(errors) == 1
    assert errors[0].endswith("ValueError: oh")
