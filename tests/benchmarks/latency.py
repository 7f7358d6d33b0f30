"""Whether the latencies in the log are what the line really added, in each mode.

    python -m tests.benchmarks.latency [--messages N] [--delay-ms N] [--rounds N] [--json]

A relay holds every chunk up and measures for how long it really did, in its own process.
Beside it stands the median of ``latency_s`` of the commands of the messages.  The delay is
long, so that what the lab server takes for a window of messages is little beside it; of
several rounds the middle one counts, as a machine that is held up once adds to one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import trio

from smtpbook.accounts.account import Account
from smtpbook.log.frame import Recorder
from smtpbook.session.session import open_session
from smtpbook.transfer.pipeline import MODES, Pipelining
from tests.benchmarks.output import Row, parser, show
from tests.benchmarks.peers import HELO, HOST, Letter, make_letters
from tests.benchmarks.races import Finding, Limits
from tests.benchmarks.servers import open_far

_VERBS: Final = ("RSET", "MAIL", "RCPT", "DATA", "END-OF-DATA", "BDAT")


def main() -> None:
    """Measure and print."""
    options = parser(__doc__, messages=24, rounds=3)
    options.add_argument("--delay-ms", type=float, default=100.0, help="of each direction")
    given = options.parse_args()
    rows = list(measure(given.messages, delay_s=given.delay_ms / 1000, rounds=given.rounds))
    ratios = {f"shown to added, {row['mode']}": float(row["ratio"]) for row in rows}
    show(rows, ratios, as_json=given.json)


def measure(messages: int, *, delay_s: float, rounds: int) -> Iterator[Row]:
    """Send to a lab server that is so far away each way; give a row for each mode."""
    letters = make_letters(messages, size_bytes=2048)
    for mode in MODES:
        found = sorted(
            (_measured(letters, mode, delay_s) for _ in range(rounds)),
            key=lambda row: float(row["ratio"]),
        )
        yield found[rounds // 2]


def _measured(letters: list[Letter], mode: Pipelining, delay_s: float) -> Row:
    with open_far("lab", round_trip_s=2 * delay_s) as (target, relay):
        shown_s = _shown_s(target.port, letters, mode)
        added_s = relay.wait_end().added_s
    return {
        "mode": mode,
        "added ms": added_s * 1000,
        "shown ms": shown_s * 1000,
        "ratio": shown_s / added_s,
    }


def _shown_s(port: int, letters: list[Letter], mode: Pipelining) -> float:
    recorder = Recorder()
    account = Account(host=HOST, port=port, tls="none", helo=HELO)

    async def send() -> None:
        async with open_session(account, sink=recorder.append) as session:
            messages = (letter.message for letter in letters)
            async for result in session.send_many(messages, pipelining=mode):
                result.raise_for_outcome()

    trio.run(send)
    log = recorder.frame()
    return float(log[log["verb"].isin(_VERBS)]["latency_s"].median())


def run(name: str, limits: Limits) -> tuple[list[Row], list[Finding]]:
    """Check each mode against the goal of five percent either way."""
    messages = max(8, round(24 * limits.scale))
    rows = list(measure(messages, delay_s=0.1, rounds=min(3, limits.rounds)))
    findings = [
        Finding(
            row=name,
            what=f"latency shown, off by, {row['mode']}",
            measured=abs(float(row["ratio"]) - 1),
            goal=0.05,
            is_least=False,
        )
        for row in rows
    ]
    return [{"row": name, **row} for row in rows], findings


if __name__ == "__main__":
    main()
