"""Messages per second and CPU per message: loopback, one connection, all recorded.

    python -m tests.benchmarks.throughput [--messages N] [--rounds N] [--json]

smtpbook keeps every command and reply and makes the DataFrame of them; the others record
nothing.  The servers are ``smtp-sink``, where it is installed, and the lab server.  In
each round every sender sends once.  Figures are medians over the rounds; so are the
ratios, each taken within a round, because a machine others use changes its speed from one
round to the next.
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


Round = dict[str, Cost]
"""What each sender's messages cost in one round."""


def main() -> None:
    """Measure and print."""
    options = parser(__doc__, messages=1000, rounds=7)
    given = options.parse_args()
    letters = make_letters(given.messages, size_bytes=given.size)
    rows: list[Row] = []
    ratios: dict[str, float] = {}
    for server, port in open_servers():
        rounds = measure(port, letters, rounds=given.rounds)
        for sender in SENDERS:
            taken = [costs[sender] for costs in rounds]
            elapsed_s = statistics.median(cost.elapsed_s for cost in taken)
            cpu_s = statistics.median(cost.cpu_s for cost in taken)
            rows.append(
                {
                    "server": server,
                    "sender": sender,
                    "messages/s": round(1 / elapsed_s),
                    "CPU µs/message": round(cpu_s * 1e6),
                }
            )
        ratios |= _ratios(server, rounds)
    show(rows, ratios, as_json=given.json)


def measure(port: int, letters: Sequence[Letter], *, rounds: int) -> list[Round]:
    """Let every sender send in every round; give the rounds."""
    for send in SENDERS.values():  # what a first use imports and caches is not measured
        send(port, letters[:2])
    return [
        {name: _timed(send, port, letters) for name, send in SENDERS.items()}
        for _ in range(rounds)
    ]


def _timed(send: Sender, port: int, letters: Sequence[Letter]) -> Cost:
    started, cpu_started = time.perf_counter(), time.process_time()
    send(port, letters)
    elapsed_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu_started
    return Cost(elapsed_s=elapsed_s / len(letters), cpu_s=cpu_s / len(letters))


def _ratios(server: str, rounds: Sequence[Round]) -> Iterator[tuple[str, float]]:
    for name in ("smtplib", "aiosmtplib"):
        pairs = [(costs["smtpbook"], costs[name]) for costs in rounds]
        elapsed = statistics.median(
            other.elapsed_s / ours.elapsed_s for ours, other in pairs
        )
        cpu = statistics.median(ours.cpu_s / other.cpu_s for ours, other in pairs)
        yield f"messages/s, smtpbook to {name} ({server})", elapsed
        yield f"CPU/message, smtpbook to {name} ({server})", cpu


if __name__ == "__main__":
    main()
