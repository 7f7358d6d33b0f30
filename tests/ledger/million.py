"""Million: what a ledger for a million recipients costs in memory and time.

``python -m tests.ledger.million`` makes one, sends to half of it, and opens it again.
Seconds are for the reader; nothing depends on them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import trio

from smtpbook.ledger.ledger import Ledger
from tests.ledger.conftest import result

OK = result("", "accepted")


async def send(ledger: Ledger, count: int, together: int) -> list[float]:
    """Send to so many, `together` on the way at once; give the seconds of each tenth."""
    queue = ledger.select(None, count)
    times, begun, done = [], time.perf_counter(), 0
    while batch := [e for _ in range(together) if (e := queue.take()) is not None]:
        promises = [ledger.intend(e, f"<{e.position}@x.test>") for e in batch]
        for entry, promise in zip(batch, promises, strict=True):
            await promise
            ledger.begin(entry)
            ledger.note(entry, OK)
        done += len(batch)
        if done >= count * (len(times) + 1) / 10:
            now = time.perf_counter()
            times.append(now - begun)
            begun = now
    assert ledger.counts["accepted"] == done
    return times


def peak() -> int:
    """Give the most memory this program has had, in KiB."""
    # ru_maxrss would begin with what the parent had when it started us.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def grown(since: int) -> str:
    return f"{(peak() - since) / 1024:,.0f} MB more than at the start"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--recipients", type=int, default=1_000_000)
    asked.add_argument("--together", type=int, default=64)
    said = asked.parse_args()
    base = peak()
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        begun = time.perf_counter()
        people = (f"person{n}@host{n % 977}.example" for n in range(said.recipients))
        Ledger.create(folder, people, campaign_id="million")
        size = (folder / "ledger.sqlite").stat().st_size / 2**20
        print(f"made in {time.perf_counter() - begun:.1f} s, {size:,.0f} MB; {grown(base)}")
        with Ledger(folder) as ledger:
            times = trio.run(send, ledger, said.recipients // 2, said.together)
        rate = said.recipients / 2 / sum(times)
        print(
            f"half of it sent: {rate:,.0f} a second; first tenth {times[0]:.1f} s, last "
            f"{times[-1]:.1f} s; {grown(base)}"
        )
        begun = time.perf_counter()
        with Ledger(folder) as ledger:
            first = ledger.select().take()
            counts = ledger.counts
            opened = time.perf_counter() - begun
        assert first is not None
        print(f"opened, counted and ready in {opened:.2f} s: {dict(counts)}; {grown(base)}")


if __name__ == "__main__":
    main()
