"""Programs: a student's own client or server, run against the other side, with a limit.

A program may be wrong in any way: it may raise, say nothing, or never end.  Each becomes a
`Ran` that says so, with the line of the student's code.  What was said meanwhile is the
lab's log; nothing is judged here.
"""

from __future__ import annotations

import inspect
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

import trio

from smtpbook.runner import TrioThread

LIMIT_S: Final = 10.0
_LEAVE_S: Final = 1.0  # for a server, once its client has left
_THREAD: Final = TrioThread("smtpbook lesson")

Handler = Callable[[trio.SocketStream], Awaitable[object]]
"""A server's side of one connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a program ended.

    Attributes
    ----------
    returned : object
        What it gave back; None when it did not end by itself.
    error : str or None
        What it raised, or that it did not end, in a sentence with the line; None = it
        ended by itself.
    """

    returned: Any = None
    error: str | None = None


def run_program(
    program: Callable[..., Any], *args: Any, limit_s: float = LIMIT_S, **named: Any
) -> Ran:
    """Run a plain or an async function of a student's.

    Parameters
    ----------
    program : callable
        An async one runs under trio.
    *args, **named
        Handed to it.
    limit_s : float
        Seconds after which it is given up.  An async one is cancelled; a plain one
        cannot be ended, its thread is left behind.
    """
    if not callable(program):
        return Ran(error=f"a function is asked for, not {type(program).__name__}")
    ran: list[Ran] = []

    def run() -> None:
        try:
            ran.append(Ran(returned=_call(program, args, named, limit_s)))
        except trio.TooSlowError:
            pass
        except BaseException as exc:
            ran.append(Ran(error=said(exc)))

    thread = threading.Thread(target=run, name="a student's program", daemon=True)
    thread.start()
    thread.join(limit_s + 1)  # an async one ends itself at the limit
    return ran[0] if ran else Ran(error=f"it had not ended after {limit_s:g} s")


def _call(program: Callable[..., Any], args: Any, named: Any, limit_s: float) -> Any:
    if not inspect.iscoroutinefunction(program):
        return program(*args, **named)

    async def limited() -> Any:
        with trio.fail_after(limit_s):
            return await program(*args, **named)

    return trio.run(limited)


def said(exc: BaseException) -> str:
    """Say what was raised and where, such as ``"line 7: ValueError: no reply"``.

    The line is the innermost one that is neither ours nor a library's: what was typed.
    """
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    what = traceback.format_exception_only(exc)[-1].strip()
    line = _typed_line(exc.__traceback__)
    return what if line is None else f"line {line}: {what}"


def _typed_line(where: TracebackType | None) -> int | None:
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(where)]
    ours = __file__.rpartition("grading")[0]
    typed = [
        line
        for name, line in frames
        if not name.startswith(ours)
        and "site-packages" not in name
        and "lib/python" not in name
    ]
    return typed[-1] if typed else None


@contextmanager
def running_server(handler: Handler) -> Iterator[tuple[int, list[str]]]:
    """Run a student's server on loopback while the block lasts.

    Parameters
    ----------
    handler : async callable
        Is handed each connection as a `trio.SocketStream`.

    Yields
    ------
    tuple of int and list of str
        The port, and what the handler raised so far, a sentence each.
    """
    errors: list[str] = []

    async def converse(stream: trio.SocketStream) -> None:
        async with stream:  # closed last: whoever sees the end finds the error
            try:
                await handler(stream)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass  # the client left first
            except Exception as exc:
                errors.append(said(exc))

    async def listen() -> list[trio.SocketListener]:
        return await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def serve(listeners: list[trio.SocketListener]) -> None:
        async with trio.open_nursery() as talks:
            await trio.serve_listeners(converse, listeners, handler_nursery=talks)

    async def close(listeners: list[trio.SocketListener]) -> None:
        for listener in listeners:
            await listener.aclose()

    listeners = _THREAD.run(listen)
    job = _THREAD.start(serve, listeners)
    try:
        yield listeners[0].socket.getsockname()[1], errors
    finally:
        _THREAD.run(close, listeners)
        with suppress(Exception):
            job.result(_LEAVE_S)  # what was being said comes to its end
        job.cancel()
