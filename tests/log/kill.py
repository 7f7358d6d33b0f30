"""Kill: processes that keep a journal and are killed at random moments.

``python -m tests.log.kill HOME ROUNDS SEED`` leaves a folder a round, and prints how many
rows each said were flushed.  A segment is one batch, so that many a kill meets a sealing.
"""

from __future__ import annotations

import json
import os
import random
import signal
import struct
import sys
import time
from pathlib import Path

from smtpbook.events import Event
from smtpbook.log.journal import Journal

_COUNT = struct.Struct("!q")
# Rows to a flush, and of how many flushes one is the last: those of one row are joined
# after 250.
_STEPS = {1: 600, 30: 200, 900: 20, 3000: 8}


def keep(folder: Path, bell: int, step: int) -> None:
    """Be the process that is killed: append, flush, and tell how many are flushed."""
    journal = Journal(folder, "log", segment_batches=1)
    for seq in range(1_000_000):
        journal.append(Event(seq=seq, reply_text=f"250 2.0.0 queued as {seq:x}").to_row())
        if seq % step == 0:
            journal.flush()
            os.write(bell, _COUNT.pack(seq + 1))


def kill(folder: Path, draw: random.Random) -> int:
    """Start one, kill it, and give how many rows it said were flushed."""
    step = draw.choice(list(_STEPS))
    listening, bell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(listening)
            keep(folder, bell, step)
        finally:
            os._exit(1)
    os.close(bell)
    with open(listening, "rb", buffering=0) as heard:
        for _ in range(draw.randrange(_STEPS[step]) + 1):
            (flushed,) = _COUNT.unpack(heard.read(_COUNT.size))
        time.sleep(draw.random() * 0.05)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            raise SystemExit("the process ended by itself; see above")
        while told := heard.read(_COUNT.size):  # before it was killed
            (flushed,) = _COUNT.unpack(told)
    return flushed


def main() -> None:
    home, rounds, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    draw = random.Random(seed)
    print(json.dumps([kill(home / f"{number:03}", draw) for number in range(rounds)]))


if __name__ == "__main__":
    main()
