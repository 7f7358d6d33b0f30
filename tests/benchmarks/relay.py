"""A relay on loopback that makes the server as far away as one likes, and counts turns.

Each chunk is passed on exactly `delay_s` after it arrived, in order; chunks overlap on
the way, so bandwidth is not limited and pipelining is worth what it is worth on a long
line.  A *turn* is the client speaking after it heard from the server: the number of times
it waited a round trip.  Turns are counted, not timed, so they come out the same on a
busy machine.  The relay is a process of its own and costs the sender no CPU.

The TCP handshake is with the relay and not delayed: it is missing from every sender's
time alike.
"""

from __future__ import annotations

import argparse
import json
import math
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import trio

from tests.servers.process import running

_NOOPS: Final = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What the relay saw of one connection.

    Attributes
    ----------
    turns : int
        How often the client spoke after it had heard something.
    added_s : float
        What a command and its reply were held up together: for each direction the median
        over its chunks, from arrival until they were passed on.
    """

    turns: int
    added_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """A running relay.

    Attributes
    ----------
    port : int
        Connect here instead of to the server.
    """

    port: int
    _process: subprocess.Popen[str]

    def wait_end(self) -> Passage:
        """Wait until a connection has ended; give what the relay saw of it."""
        assert self._process.stdout is not None
        return Passage(**json.loads(self._process.stdout.readline()))

    def round_trip_s(self) -> float:
        """Give the median time in seconds from a NOOP to its reply."""
        taken: list[float] = []
        with (
            socket.create_connection(("127.0.0.1", self.port)) as sock,
            sock.makefile("rwb") as line,
        ):
            line.readline()
            for _ in range(_NOOPS):
                started = time.perf_counter()
                line.write(b"NOOP\r\n")
                line.flush()
                line.readline()
                taken.append(time.perf_counter() - started)
        self.wait_end()
        return statistics.median(taken)


@contextmanager
def open_relay(target_port: int, *, delay_s: float) -> Iterator[Relay]:
    """Run a relay to a port of 127.0.0.1, `delay_s` seconds away in each direction."""
    with running(__name__, target_port, delay_s) as (process, port):
        yield Relay(port=port, _process=process)


class _Turns:
    """Counts how often the client spoke after it had heard something."""

    def __init__(self) -> None:
        self.count = 0
        self._heard = False

    def client_spoke(self) -> None:
        self.count += self._heard
        self._heard = False

    def client_heard(self) -> None:
        self._heard = True


async def _pass_on(
    source: trio.SocketStream,
    target: trio.SocketStream,
    delay_s: float,
    *,
    arrived: Callable[[], None] = lambda: None,
    delivered: Callable[[], None] = lambda: None,
    held_s: list[float],
) -> None:
    send, receive = trio.open_memory_channel[tuple[float, bytes]](math.inf)

    async def read() -> None:
        with send, suppress(trio.BrokenResourceError):
            async for chunk in source:
                arrived()
                send.send_nowait((trio.current_time() + delay_s, bytes(chunk)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        with suppress(trio.BrokenResourceError):
            async for due, chunk in receive:
                await trio.sleep_until(due)
                held_s.append(trio.current_time() - due + delay_s)
                delivered()
                await target.send_all(chunk)
            await target.send_eof()


async def _relay(client: trio.SocketStream, *, target_port: int, delay_s: float) -> None:
    turns = _Turns()
    held_s: tuple[list[float], list[float]] = ([], [])
    server = await trio.open_tcp_stream("127.0.0.1", target_port)
    async with client, server, trio.open_nursery() as nursery:
        nursery.start_soon(
            partial(
                _pass_on,
                client,
                server,
                delay_s,
                arrived=turns.client_spoke,
                held_s=held_s[0],
            )
        )
        nursery.start_soon(
            partial(
                _pass_on,
                server,
                client,
                delay_s,
                delivered=turns.client_heard,
                held_s=held_s[1],
            )
        )
    added_s = sum(statistics.median(times or [0.0]) for times in held_s)
    print(json.dumps({"turns": turns.count, "added_s": added_s}), flush=True)


async def _serve(target_port: int, delay_s: float) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    print(listener.socket.getsockname()[1], flush=True)
    await trio.serve_listeners(
        partial(_relay, target_port=target_port, delay_s=delay_s), [listener]
    )


def main() -> None:
    """Serve until terminated; print the port, then what was seen of each connection."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("target_port", type=int)
    parser.add_argument("delay_s", type=float, help="seconds, each direction")
    given = parser.parse_args()
    trio.run(_serve, given.target_port, given.delay_s)


if __name__ == "__main__":
    main()
