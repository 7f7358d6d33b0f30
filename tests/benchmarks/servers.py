"""The servers that benchmarks send to, each a process of its own, near or far."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from tests.benchmarks.peers import Target
from tests.benchmarks.relay import Relay, open_relay
from tests.servers.lab import open_lab_process
from tests.servers.process import ServerMissing
from tests.servers.smtp_sink import open_smtp_sink
from tests.servers.tls_front import open_tls_front

SERVERS: Final[dict[str, Callable[[], AbstractContextManager[int]]]] = {
    "smtp-sink": open_smtp_sink,
    "lab": open_lab_process,
}


def open_servers() -> Iterator[tuple[str, int]]:
    """Run one server after the other; give name and port of each this machine can run."""
    for name, open_server in SERVERS.items():
        try:
            with open_server() as port:
                yield name, port
        except ServerMissing as exc:
            print(exc, file=sys.stderr)


@contextmanager
def open_near(server: str, *, is_secure: bool = False) -> Iterator[Target]:
    """Run a server on loopback, behind a front that does STARTTLS if wanted."""
    with SERVERS[server]() as port:
        if not is_secure:
            yield Target(port=port)
            return
        with open_tls_front(port) as (front, ca_file):
            yield Target(port=front, ca_file=ca_file)


@contextmanager
def open_far(server: str, *, round_trip_s: float) -> Iterator[tuple[Target, Relay]]:
    """Run a server so many seconds away, there and back."""
    with (
        SERVERS[server]() as port,
        open_relay(port, delay_s=round_trip_s / 2) as relay,
    ):
        yield Target(port=relay.port), relay
