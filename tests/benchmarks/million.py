"""A large campaign in a folder: how much memory it takes, and whether it slows down.

    python -m tests.benchmarks.million [--recipients N] [--connections N] [--json]

The real sender, with ledger and event log, to ``smtp-sink`` where it is installed, else to
the lab server in a process of its own.  Growth is from before the campaign is made to the
largest size while it is sent; the list itself, a DataFrame, is there before.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from pathlib import Path

import pandas as pd

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.messages.template import Template
from smtpbook.recipients.read import read_recipients
from tests.benchmarks.output import parser, show
from tests.benchmarks.servers import open_servers


class Watch:
    """Notes the size of the process, and when each tenth was done."""

    def __init__(self, total: int) -> None:
        self.total, self.tenths, self.largest_mb = total, [time.perf_counter()], 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._is_over.wait(0.2):
            self.largest_mb = max(self.largest_mb, size_mb())

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._is_over.set()
        self._thread.join()


def size_mb() -> float:
    """Give what of this process is in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Measure and print."""
    options = parser(__doc__, rounds=1)
    options.add_argument("--recipients", type=int, default=1_000_000)
    options.add_argument("--connections", type=int, default=10)
    given = options.parse_args()
    total = given.recipients
    people = read_recipients(
        pd.DataFrame({"email": [f"p{n}@d{n % 1000}.example" for n in range(total)]})
    )
    letter = Template(header_from="a@x.test", subject="s", text="text " * 400)
    servers = open_servers()  # while it is held, they run
    server, port = next(servers)
    account = Account(host="127.0.0.1", port=port, tls="none", helo="client.test")
    with tempfile.TemporaryDirectory() as folder:
        before_mb = size_mb()
        with Watch(total) as watch:
            campaign = Campaign(
                "c", account, people, letter, connections=given.connections, folder=folder
            )
            started = time.perf_counter()
            live = campaign.start(confirm=False, progress=False)
            done = 0
            while not live.join(0.05):
                status = live.status()
                if status.done * 10 // total > done:
                    done = status.done * 10 // total
                    watch.tenths.append(time.perf_counter())
            live.wait()
            taken_s = time.perf_counter() - started
        assert campaign.counts == {"accepted": total}
    steps = [b - a for a, b in zip(watch.tenths[1:], watch.tenths[2:], strict=False)]
    row = {
        "server": server,
        "recipients": total,
        "messages/s": round(total / taken_s),
        "growth MB": round(watch.largest_mb - before_mb),
    }
    ratios = {"speed of the last tenth to the second": steps[0] / steps[-1]}
    show([row], ratios, as_json=given.json)


if __name__ == "__main__":
    main()
