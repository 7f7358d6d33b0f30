"""Starters: several open the same campaign at once, and how many get it.

``python -m tests.ledger.starters --rounds 200`` starts three at once each time: a process,
and two threads of another.  Who gets the ledger takes one recipient, and the others are
turned away; nobody is taken twice.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
from collections import Counter
from pathlib import Path

import trio

from smtpbook.errors import LedgerError
from smtpbook.ledger.ledger import Ledger
from smtpbook.ledger.standings import Standings
from smtpbook.protocol.replies import Reply
from smtpbook.transfer.transaction import RecipientResult

OK = Reply.parse("250 2.0.0 ok")


def start(folder: Path, told: int, go: int, held: int) -> None:
    """Wait for the signal, try to be the runner, and tell what came of it in one line."""
    os.read(go, 1)
    try:
        ledger = Ledger(folder)
    except LedgerError as exc:
        said = "refused" if "running already" in str(exc) else f"wrong: {exc}"
        os.write(told, f"{said}\n".encode())
        return
    try:
        trio.run(_send_one, ledger)
        os.write(told, b"ran\n")
        os.read(held, 1)  # until the others have been turned away
    finally:
        ledger.close()


async def _send_one(ledger: Ledger) -> None:
    entry = ledger.select().take()
    assert entry is not None
    await ledger.intend(entry, f"<{entry.key}>")
    ledger.note(
        entry,
        RecipientResult(
            recipient=entry.address, outcome="accepted", reply=OK, verb="END-OF-DATA"
        ),
    )


def race(folder: Path) -> Counter[str]:
    """Start three at once; give what they told."""
    listening, told = os.pipe()
    held, let_go = os.pipe()
    go, signal = os.pipe()
    children = []
    for threads in (1, 2):
        child = os.fork()
        if child == 0:
            try:
                running = [
                    threading.Thread(target=start, args=(folder, told, go, held))
                    for _ in range(threads)
                ]
                for thread in running:
                    thread.start()
                for thread in running:
                    thread.join()
            finally:
                os._exit(0)
        children.append(child)
    os.close(told)
    os.write(signal, b"go!")
    lines: list[str] = []
    with os.fdopen(listening) as answers:
        for line in answers:
            lines.append(line.strip())
            if len(lines) == 3:
                break
    os.write(let_go, b"...")
    for child in children:
        os.waitpid(child, 0)
    for end in (held, let_go, go, signal):
        os.close(end)
    return Counter(lines)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=200)
    rounds = asked.parse_args().rounds
    seen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        Ledger.create(folder, [f"p{n}@x.test" for n in range(rounds)], campaign_id="c")
        for _ in range(rounds):
            lines = race(folder)
            seen.update(lines)
            seen["one runner"] += lines == {"ran": 1, "refused": 2}
        with Standings.open(folder) as standings:
            seen["accepted"] = standings.counts["accepted"]
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
