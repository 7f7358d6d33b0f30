"""Messages per second and CPU per message: loopback, one connection, all recorded.

    python -m tests.benchmarks.throughput [--messages N] [--rounds N] [--json]

smtpbook keeps every command and reply and makes the DataFrame of them; the others record
nothing.  The servers are ``smtp-sink``, where it is installed, and the lab server.  In
each round every sender sends once; figures are medians over the rounds, ratios are those
of the medians.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.benchmarks.output import Row, parser, show
from tests.benchmarks.peers import SENDERS, Letter, Sender, make_letters, open_servers


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one message cost, in seconds; CPU is this process's, user and system."""

    elapsed_s: float
    cpu_s: float


def main() -> None:
    """Measure and print."""
    options = parser(__doc__, messages=1000, rounds=7)
    given = options.parse_args()
    letters = make_letters(given.messages, size_bytes=given.size)
    rows: list[Row] = []
    ratios: dict[str, float] = {}
    for server, port in open_servers():
        costs = measure(port, letters, rounds=given.rounds)
        rows += (
            {
                "server": server,
                "sender": sender,
                "messages/s": round(1 / cost.elapsed_s),
                "CPU µs/message": round(cost.cpu_s * 1e6),
            }
            for sender, cost in costs.items()
        )
        ratios |= _ratios(server, costs)
    show(rows, ratios, as_json=given.json)


def measure(port: int, letters: Sequence[Letter], *, rounds: int) -> dict[str, Cost]:
    """Give each sender's median cost, rounds interleaved."""
    for send in SENDERS.values():  # what a first use imports and caches is not measured
        send(port, letters[:2])
    costs: dict[str, list[Cost]] = {name: [] for name in SENDERS}
    for _ in range(rounds):
        for name, send in SENDERS.items():
            costs[name].append(_timed(send, port, letters))
    return {
        name: Cost(
            elapsed_s=statistics.median(cost.elapsed_s for cost in taken),
            cpu_s=statistics.median(cost.cpu_s for cost in taken),
        )
        for name, taken in costs.items()
    }


def _timed(send: Sender, port: int, letters: Sequence[Letter]) -> Cost:
    started, cpu_started = time.perf_counter(), time.process_time()
    send(port, letters)
    elapsed_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu_started
    return Cost(elapsed_s=elapsed_s / len(letters), cpu_s=cpu_s / len(letters))


def _ratios(server: str, costs: dict[str, Cost]) -> Iterator[tuple[str, float]]:
    ours = costs["smtpbook"]
    for name, theirs in costs.items():
        if theirs is not ours:
            elapsed = theirs.elapsed_s / ours.elapsed_s
            yield f"messages/s, smtpbook to {name} ({server})", elapsed
            yield f"CPU/message, smtpbook to {name} ({server})", ours.cpu_s / theirs.cpu_s


if __name__ == "__main__":
    main()
