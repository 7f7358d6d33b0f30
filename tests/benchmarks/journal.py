"""What it costs to keep the event log on disk while sending, beside keeping it in memory.

    python -m tests.benchmarks.journal [--rounds N] [--events N] [--json]

Both take the same events, those of four sessions at once, as fast as they come; each round
has an interpreter of its own for each.  CPU time is that of the whole process, per event:
until the last event is taken and on disk, and until everything is sealed.  Octets are those
of the stream and of the Parquet file.  A pause is the longest that one call of ``append``
held its thread, waiting for Python's lock included, without the time in which the thread
could have gone on and the system let others compute; the pause with it is the next column
(only Linux tells it; elsewhere both are the same).  CPU times and pauses are the best of
the rounds.  MB are the memory that the process grew by until everything is sealed; memory
alone seals nothing.
"""

from __future__ import annotations

from typing import Final

from tests.benchmarks.memory import measure
from tests.benchmarks.output import Row, parser, show

_PREPARE: Final = """
import gc, os, shutil, tempfile, threading, time
from itertools import cycle, islice
from pathlib import Path
from smtpbook.log.frame import Recorder
from smtpbook.log.journal import Journal
from tests.log.story import day

events = sorted(day(given["messages"]), key=lambda row: row[0])
folder = Path(tempfile.mkdtemp())
# The one for memory is there once before, so that libraries have made room for themselves.
warm = Recorder()
for row in events:
    warm.append(row)
len(warm.frame())
del warm
gc.freeze()
"""
_MEASURED: Final = """
count, is_kept = given["events"], given["is_kept"]
recorder = Journal(folder, "log") if is_kept else Recorder()
append, clock = recorder.append, time.perf_counter
cpu_s = time.process_time()
for row in islice(cycle(events), count):
    append(row)
if is_kept:
    recorder.flush()
taken_s = time.process_time() - cpu_s
if is_kept:
    recorder.close()
sealed_s = time.process_time() - cpu_s
assert len(recorder) == count
shutil.rmtree(folder)

# Once more, for the pauses: to ask how long the thread was put aside takes time itself.
own_s = longest_s = 0.0
recorder = Journal(folder, "log") if is_kept else Recorder()
append = recorder.append
told = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
told = os.open(told, os.O_RDONLY) if told.exists() else None
aside_s = lambda: 0.0 if told is None else int(os.pread(told, 99, 0).split()[1]) / 1e9
for row in islice(cycle(events), count):
    before_s = aside_s()
    started = clock()
    append(row)
    took_s = clock() - started
    if took_s > own_s:
        own_s = max(own_s, took_s - (aside_s() - before_s))
        longest_s = max(longest_s, took_s)
if is_kept:
    recorder.close()
    shutil.rmtree(folder)

streamed = sealed = 0
if is_kept:  # each event once
    with Journal(folder, "one", segment_batches=10**9) as one:
        for row in events:
            one.append(row)
        one.flush()
        streamed = (folder / "one-0001.arrows").stat().st_size / len(events)
    sealed = (folder / "one-0001.parquet").stat().st_size / len(events)
    shutil.rmtree(folder)
answer = [taken_s / count, sealed_s / count, streamed, sealed, own_s, longest_s]
"""


def main() -> None:
    """Measure and print."""
    options = parser(__doc__, rounds=3)
    options.add_argument("--events", type=int, default=500_000, help="default: %(default)s")
    options.add_argument(
        "--messages", type=int, default=6000, help="they are of; default: %(default)s"
    )
    given = options.parse_args()
    asked = {"events": given.events, "messages": given.messages}
    rows: list[Row] = []
    for where, is_kept in (("memory", False), ("journal", True)):
        costs = [
            measure(_PREPARE, _MEASURED, is_kept=is_kept, **asked)
            for _ in range(given.rounds)
        ]
        taken, sealed, streamed_bytes, sealed_bytes, own, longest = (
            min(column) for column in zip(*(cost.answer for cost in costs), strict=True)
        )
        rows.append(
            {
                "log in": where,
                "CPU µs/event": taken * 1e6,
                "sealed too": sealed * 1e6,
                "octets/event": streamed_bytes,
                "sealed": sealed_bytes,
                "pause ms": own * 1000,
                "put aside too": longest * 1000,
                "MB": min(cost.growth_bytes for cost in costs) / 1e6,
            }
        )
    memory, journal = rows
    ratios = {
        f"{name}, journal to memory": float(journal[name]) / float(memory[name])
        for name in ("CPU µs/event", "sealed too", "pause ms")
    }
    show(rows, ratios, as_json=given.json)


if __name__ == "__main__":
    main()
