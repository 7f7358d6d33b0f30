"""Full disk: a sender whose disk fills up while it sends, in a process of its own.

``python -m tests.ledger.full_disk FOLDER [OCTETS]`` sends to everybody in the folder's
ledger, three connections at once, and tells what became of it; with OCTETS, the system
takes no file beyond that size.  It sends "to" a file outside, one line a message.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path

import trio

from smtpbook.errors import LedgerError
from smtpbook.ledger.ledger import Ledger
from tests.ledger.conftest import result


async def main(folder: Path, sent: Path) -> None:
    ledger = Ledger(folder)
    queue = ledger.select()
    told: list[str] = []
    server = os.open(sent, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def connection() -> None:
        try:
            while (entry := queue.take()) is not None:
                await ledger.intend(entry, f"<{'x' * 900}{entry.key}>")
                ledger.begin(entry)
                os.write(server, f"{entry.key}\n".encode())
                await trio.lowlevel.checkpoint()
                ledger.note(entry, result(entry.address, "accepted"))
        except LedgerError as exc:
            told.append(str(exc))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(connection)
    entry = queue.take()
    try:
        if entry is not None:
            await ledger.intend(entry, "<more@x.test>")
    except LedgerError as exc:
        told.append(str(exc))
    ledger.close()
    print(json.dumps(told))


if __name__ == "__main__":
    if len(sys.argv) > 3:
        size = int(sys.argv[3])
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    trio.run(main, Path(sys.argv[1]), Path(sys.argv[2]))
