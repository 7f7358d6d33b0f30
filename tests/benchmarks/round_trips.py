"""Round trips per message over a long line: one connection, one recipient each.

    python -m tests.benchmarks.round_trips [--messages N] [--delay-ms N] [--json]

A relay (see `tests.benchmarks.relay`) delays each direction by half the round trip.
*Turns* are counted there: how often the sender had to hear before it spoke.  *Round
trips* are the time from connecting to the reply to QUIT, divided by the time a NOOP
takes through the same relay.  Greeting, EHLO and QUIT are shared out among the messages.
The servers are ``smtp-sink``, where it is installed, and the lab server.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence

from tests.benchmarks.output import Row, parser, show
from tests.benchmarks.peers import SENDERS, Letter, Target, make_letters
from tests.benchmarks.relay import Relay, open_relay
from tests.benchmarks.servers import open_servers


def main() -> None:
    """Measure and print."""
    options = parser(__doc__, messages=50, rounds=1)
    options.add_argument(
        "--delay-ms", type=float, default=20.0, help="of each direction; default: 20"
    )
    given = options.parse_args()
    letters = make_letters(given.messages, size_bytes=given.size)
    rows: list[Row] = []
    ratios: dict[str, float] = {}
    for server, port in open_servers():
        with open_relay(port, delay_s=given.delay_ms / 1000) as relay:
            measured = dict(measure(relay, letters, rounds=given.rounds))
        for sender, (turns, round_trips) in measured.items():
            rows.append(
                {
                    "server": server,
                    "sender": sender,
                    "turns/message": turns,
                    "round trips/message": round_trips,
                }
            )
        ours, theirs = measured["smtpbook"][1], measured["smtplib"][1]
        ratios[f"round trips/message, smtplib to smtpbook ({server})"] = theirs / ours
    show(rows, ratios, as_json=given.json)


def measure(
    relay: Relay, letters: Sequence[Letter], *, rounds: int
) -> Iterator[tuple[str, tuple[float, float]]]:
    """Give each sender's turns and round trips per message, medians over the rounds."""
    round_trip_s = relay.round_trip_s()
    for name in ("smtpbook", "smtplib", "aiosmtplib"):
        elapsed_s: list[float] = []
        turns: list[int] = []
        for _ in range(rounds):
            started = time.perf_counter()
            SENDERS[name](Target(port=relay.port), letters, 1)
            elapsed_s.append(time.perf_counter() - started)
            turns.append(relay.wait_end().turns)
        round_trips = statistics.median(elapsed_s) / round_trip_s
        yield name, (statistics.median(turns) / len(letters), round_trips / len(letters))


if __name__ == "__main__":
    main()
