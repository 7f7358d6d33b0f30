"""A log of a million events: what a row takes while recorded, what its DataFrame costs.

A DataFrame's texts are written out once they are looked at; what that costs where somebody
looks at every one is a part of its own.  Each part has an interpreter of its own
(`tests.benchmarks.memory`).  The events are those of a day's sends, again and again.
"""

from __future__ import annotations

from typing import Final

from tests.benchmarks.memory import measure
from tests.benchmarks.output import Row
from tests.benchmarks.races import Finding, Limits

EVENTS: Final = 1_000_000
_PREPARE: Final = """
import gc, time
import pyarrow as pa
from itertools import cycle, islice
from smtpbook.log.frame import Recorder
from tests.log.story import day

events = sorted(day(2000), key=lambda row: row[0])
warm = Recorder()  # so that libraries have made room for themselves
for row in events:
    warm.append(row)
len(warm.frame())
del warm
gc.freeze()

def record():
    recorder = Recorder()
    append = recorder.append
    for row in islice(cycle(events), given["events"]):
        append(row)
    return recorder
"""
_RECORD: Final = """
started = time.process_time()
recorder = record()
answer = time.process_time() - started
assert len(recorder) == given["events"]
"""
_BUILD: Final = """
started = time.process_time()
frame = recorder.frame()
answer = time.process_time() - started
assert len(frame) == given["events"]
"""
_LOOK: Final = """
started = time.process_time()
for column in frame.select_dtypes("string"):
    pa.array(frame[column])
answer = time.process_time() - started
"""


def run(name: str, limits: Limits) -> tuple[list[Row], list[Finding]]:
    """Measure the parts; times and octets are the best of the rounds."""
    events = max(10_000, round(EVENTS * limits.scale))
    record = [measure(_PREPARE, _RECORD, events=events) for _ in range(limits.rounds)]
    prepare = f"{_PREPARE}\nrecorder = record()\n"
    build = [measure(prepare, _BUILD, events=events) for _ in range(limits.rounds)]
    prepare = f"{prepare}\nframe = recorder.frame()\n"
    look = [measure(prepare, _LOOK, events=events) for _ in range(limits.rounds)]
    rows: list[Row] = []
    for what, costs in (
        ("recording", record),
        ("building the DataFrame", build),
        ("looking at every text in it", look),
    ):
        rows.append(
            {
                "row": name,
                "what": what,
                "events": events,
                "CPU s": min(cost.answer for cost in costs),
                "bytes/event": min(cost.growth_bytes for cost in costs) / events,
            }
        )
    cpu_s = float(rows[1]["CPU s"]) * EVENTS / events  # of a part of the log, in proportion
    findings = [
        ("CPU s, 1,000,000 events to a DataFrame", cpu_s, 0.3),
        ("bytes/event, recorded", float(rows[0]["bytes/event"]), 120.0),
        ("bytes/event more, while building", float(rows[1]["bytes/event"]), 120.0),
    ]
    return rows, [
        Finding(row=name, what=what, measured=measured, goal=goal, is_least=False)
        for what, measured, goal in findings
    ]
