"""Server processes of the tests' own: a free port, the first greeting, an orderly end.

What the real servers beside this file share.  Nothing here knows SMTP beyond the ``220``
that says a server is up, and nothing here ends a process it did not start.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Self, TypeVar

ROOT: Final = Path(__file__).parents[2]
"""The checkout: where a new interpreter finds this smtpbook and these tests."""

T = TypeVar("T")


class ServerMissing(Exception):
    """This machine cannot run the server; the message says what to install, or be."""


def free_ports(count: int) -> list[int]:
    """Give different ports of 127.0.0.1 on which nobody listens.

    For programs that must be told their port.  Should another program take one before
    the server binds it, which is rare, the server's start fails and says so.
    """
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            for _ in range(count)
        ]
        return [sock.getsockname()[1] for sock in sockets]


def poll(
    look: Callable[[], T | None],
    process: subprocess.Popen[str],
    *,
    what: str,
    timeout_s: float,
) -> T:
    """Look until there is something to see; the one place that waits for a server.

    Parameters
    ----------
    look : callable
        Gives None as long as it should be called again.
    process : subprocess.Popen
        Whose doing is waited for.
    what : str
        What is waited for, as the error says it.
    timeout_s : float
        Seconds.

    Raises
    ------
    RuntimeError
        The process has ended.
    TimeoutError
        `timeout_s` passed.
    """
    deadline = time.monotonic() + timeout_s
    while (found := look()) is None:
        if process.poll() is not None:
            raise RuntimeError(f"server ended with status {process.returncode}: no {what}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} within {timeout_s:g} s")
        time.sleep(0.01)
    return found


def wait_for_greeting(
    process: subprocess.Popen[str], port: int, *, timeout_s: float = 20
) -> None:
    """Return when the server on `port` has said 220, and hang up."""

    def greeted() -> bool | None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as sock:
                return sock.recv(512).startswith(b"220") or None
        except (ConnectionRefusedError, ConnectionResetError):
            return None

    poll(greeted, process, what=f"greeting on port {port}", timeout_s=timeout_s)


class Server:
    """A private instance of a real server, in a folder of its own.

    Parameters
    ----------
    root : Path
        Everything it writes; removed at the end.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._process: subprocess.Popen[str] | None = None

    def _started(self, *steps: Callable[[], None]) -> Self:
        """Take the steps that bring it up; what fails leaves nothing behind."""
        try:
            for step in steps:
                step()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """End the instance and remove everything it wrote."""
        if self._process is not None:
            self._end(self._process)
        # A master does not wait for its children: one may still be writing its last line.
        shutil.rmtree(self._root, ignore_errors=True)

    def _end(self, process: subprocess.Popen[str]) -> None:
        stop(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def stop(process: subprocess.Popen[str], *, timeout_s: float = 10) -> None:
    """Ask the process to end, insist if it does not, and reap it."""
    process.terminate()
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


@contextmanager
def running(module: str, *arguments: object) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a module that prints its port and serves until it is ended.

    Gives the process, whose further output is the caller's to read, and the port.

    Raises
    ------
    RuntimeError
        It ended before it told its port; its traceback is on standard error.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline()
        if not port:
            raise RuntimeError(f"{module} did not start")
        yield process, int(port)
    finally:
        stop(process)
