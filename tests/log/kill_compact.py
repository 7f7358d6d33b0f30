"""Kill compactions: each at a random moment, and the next one goes on from there.

``python -m tests.log.kill_compact HOME KILLS SEED`` looks after every kill whether the log
is what it was, row for row, and prints in what state the kills left the folder.
"""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import signal
import sys
import time
from pathlib import Path

from smtpbook.events import Event
from smtpbook.log.compact import compact_folder
from smtpbook.log.frame import to_batch, to_frame
from smtpbook.log.store import read_log, write_log
from smtpbook.log.stream import Stream
from smtpbook.tables.engine import query
from smtpbook.tables.scan import scan_log

_FILES, _ROWS = 12, 400


def fill(folder: Path) -> None:
    """Write a log of many files, the last one a stream."""
    for number in range(_FILES):
        seqs = range(number * _ROWS, (number + 1) * _ROWS)
        rows = [Event(seq=seq, reply_text=f"queued as {seq:x}").to_row() for seq in seqs]
        if number < _FILES - 1:
            write_log(to_frame(rows), folder / f"log-{number:04}.parquet")
        else:
            Stream(folder / f"log-{number:04}.arrows").append(to_batch(rows))


def kill(folder: Path, draw: random.Random, within_s: float | None) -> float:
    """Begin a compaction into files of random size, and kill it; give after how long.

    It is killed when it has done all, or at a random moment before.
    """
    file_rows = draw.choice([2, 3, 5, _FILES]) * _ROWS
    heard, bell = os.pipe()
    child, began = os.fork(), time.monotonic()
    if child == 0:
        try:
            compact_folder(folder, file_rows=file_rows)
            os.write(bell, b".")
            time.sleep(60)
        finally:
            os._exit(1)
    os.close(bell)
    moment_s = draw.random() * (within_s or 0)
    select.select([heard], [], [], None if within_s is None else moment_s)
    took_s = time.monotonic() - began
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(heard)
    if not os.WIFSIGNALED(status):
        raise SystemExit("the compaction failed; see above")
    return took_s


def check(folder: Path) -> None:
    """Look at it in both ways in which a folder is read."""
    seqs = list(range(_FILES * _ROWS))
    sql, needs = "SELECT seq FROM log ORDER BY place", ("seq", "place")
    scanned = query(sql, {"seq": "int64"}, needs=needs, log=scan_log(folder))["seq"]
    for read in (read_log(folder)["seq"], scanned):
        if read.tolist() != seqs:
            raise SystemExit(f"lost or twice: {sorted(p.name for p in folder.iterdir())}")


def main() -> None:
    home, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    draw = random.Random(seed)
    told = {"kills": 0, "unfinished": 0, "beside": 0, "done": 0}
    folder = home / "events"
    takes_s = None  # on this computer, with whatever else it does now
    for number in range(kills):
        if number % 4 == 0:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            fill(folder)
        if number % 8 == 0:
            takes_s = kill(folder, draw, None)
        else:
            kill(folder, draw, takes_s)
        files = list(folder.iterdir())
        told["kills"] += 1
        told["unfinished"] += any(path.suffix == ".part" for path in files)
        told["beside"] += len(files) > len(scan_log(folder).files())
        told["done"] += len(files) == 1
        check(folder)
    compact_folder(folder)
    check(folder)
    if len(list(folder.iterdir())) != 1:
        raise SystemExit("something was left over")
    print(json.dumps(told))


if __name__ == "__main__":
    main()
