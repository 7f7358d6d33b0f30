"""What the ledger costs: a campaign in a folder beside the same one in memory.

    python -m tests.benchmarks.ledger [--messages N] [--rounds N] [--connections N] [--json]

The server is ``smtp-sink`` where it is installed, else the lab server in a process of its
own: as fast as it can, and behind a relay that makes its answers come after 20 and 50 ms.
Each round sends both ways; ratios are medians of those within a round.  Making the folder
is not part of it, sending is: intents, marks, outcomes, the event log, and closing them.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import pandas as pd

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.messages.template import Template
from tests.benchmarks.output import Row, parser, show
from tests.benchmarks.relay import open_relay
from tests.benchmarks.servers import open_servers

DELAYS_MS = (0, 20, 50)


def main() -> None:
    """Measure and print."""
    options = parser(__doc__, messages=2000, rounds=5)
    options.add_argument("--connections", type=int, default=10)
    given = options.parse_args()
    rows: list[Row] = []
    ratios: dict[str, float] = {}
    servers = open_servers()  # while it is held, they run
    server, port = next(servers)
    for delay_ms in DELAYS_MS:
        with ExitStack() as stack:
            reached = port
            if delay_ms:
                relay = open_relay(port, delay_s=delay_ms / 2000)
                reached = stack.enter_context(relay).port
            pairs = [
                (
                    sent(reached, given.messages, given.connections, given.size, kept=True),
                    sent(
                        reached, given.messages, given.connections, given.size, kept=False
                    ),
                )
                for _ in range(given.rounds)
            ]
        where = f"{server}, {delay_ms} ms"
        for number, name in enumerate(("folder", "memory")):
            taken_s = statistics.median(pair[number] for pair in pairs)
            rows.append(
                {
                    "server": where,
                    "kept in": name,
                    "messages/s": round(given.messages / taken_s),
                }
            )
        ratios[f"messages/s, folder to memory ({where})"] = statistics.median(
            memory_s / folder_s for folder_s, memory_s in pairs
        )
    show(rows, ratios, as_json=given.json)


def sent(port: int, messages: int, connections: int, size: int, *, kept: bool) -> float:
    """Send a campaign; give the seconds from its first message to its end."""
    account = Account(host="127.0.0.1", port=port, tls="none", helo="client.test")
    people = pd.DataFrame({"email": [f"p{n}@d{n % 50}.example" for n in range(messages)]})
    letter = Template(header_from="a@x.test", subject="s", text="text " * (size // 5))
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(
            "c",
            account,
            people,
            letter,
            connections=connections,
            folder=Path(folder) if kept else None,
        )
        # The first send makes the folder, and checks every letter.
        campaign.send(limit=1, confirm=False, progress=False)
        started = time.perf_counter()
        campaign.send(confirm=False, progress=False)
        taken_s = time.perf_counter() - started
        assert campaign.counts == {"accepted": messages}
    return taken_s


if __name__ == "__main__":
    main()
