"""How fast this package sends, beside its peers and beside its goals.

    python -m tests.benchmarks.throughput [--only NAME …] [--scale X] [--rounds N]
        [--limit-s S] [--chart FILE] [--json] [--compiled]

Two tables: what each sender reached in each row, and what that comes to beside the goal.
Messages are of 2 KB to one recipient, and smtpbook keeps every command and reply and makes
the DataFrame of them; the others record nothing.  What this machine lacks is left out with
a sentence.  ``--scale 0.05`` is for trying out: the figures mean nothing then.  The rows
are measured one after the other; leave the machine alone meanwhile.  ``--compiled``
compiles the engine first, as HATCH_BUILD_HOOKS_ENABLE=1 does at an installation.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Final

from tests.benchmarks import event_log, latency, merge_and_send
from tests.benchmarks.chart import draw
from tests.benchmarks.output import Row, show
from tests.benchmarks.races import Finding, Goal, Limits, Race, run
from tests.compiled import compiled_copy
from tests.servers.process import ServerMissing

_FAR_S: Final = 0.02
# Whoever waits for each reply takes four round trips and more for a message.
_SLOW: Final = {"smtplib": 0.5, "aiosmtplib": 0.5, "smtpproto": 0.5, "smtp-source": 0.5}
_LOCK_STEP_PEERS: Final = tuple(Goal(peer=peer, rate=3.5) for peer in _SLOW)
_FAR_GOALS: Final = (*_LOCK_STEP_PEERS, Goal(peer="nodemailer", rate=1.8))


def _stream(window: int, rate: float) -> Race:
    sender = f"smtpbook, stream {window}"
    return Race(
        messages=4000,
        server="lab",  # smtp-sink takes no BDAT
        round_trip_s=_FAR_S,
        goals=(Goal(ours=sender, peer="smtplib", rate=rate),),
        others=("smtpbook",),
        shares={"smtplib": 0.02, "smtpbook": 0.1},
    )


def _recording(*, rate: float | None = None, cpu: float | None = None) -> tuple[Goal]:
    # What the DataFrame costs is in "event-log".
    names = {"ours": "smtpbook, recording", "peer": "smtpbook, record=None"}
    return (Goal(**names, rate=rate, cpu=cpu),)


RACES: Final[dict[str, Race]] = {
    "near-1": Race(
        messages=3000,
        goals=(
            Goal(peer="smtplib", rate=2.5),
            Goal(peer="aiosmtplib", rate=4.0),
            Goal(peer="smtp-source", rate=2.0),
        ),
        others=("smtpproto", "smtpbook, lock-step"),
        shares={},
    ),
    "near-10": Race(
        messages=20_000,
        connections=10,
        goals=(
            Goal(peer="smtplib", rate=2.0),
            Goal(peer="aiosmtplib", rate=4.5),
            Goal(peer="smtp-source", rate=1.0),
        ),
        others=("smtpproto", "nodemailer"),
        shares={"smtpproto": 0.1, "nodemailer": 0.1},
    ),
    "starttls-1": Race(
        messages=2000,
        is_secure=True,
        goals=(Goal(peer="aiosmtplib", rate=4.0),),
        others=("smtplib",),
        shares={},
    ),
    "starttls-10": Race(
        messages=5000,
        connections=10,
        is_secure=True,
        goals=(Goal(peer="aiosmtplib", rate=2.5),),
        others=("smtplib",),
        shares={},
    ),
    "far-1": Race(
        messages=200,
        round_trip_s=_FAR_S,
        goals=_FAR_GOALS,
        shares=_SLOW,
        max_round_trips=1.15,
    ),
    "far-10": Race(
        messages=2000,
        connections=10,
        round_trip_s=_FAR_S,
        goals=_FAR_GOALS,
        shares=_SLOW,
        max_round_trips=1.15,
    ),
    "stream-8": _stream(8, 15.0),
    "stream-32": _stream(32, 50.0),
    "recording": Race(messages=5000, goals=_recording(cpu=1.10), shares={}),
    "recording-far": Race(
        messages=300,
        round_trip_s=_FAR_S,
        goals=_recording(rate=0.97),
        shares={},
    ),
}
Measured = tuple[list[Row], list[Finding]]
ROWS: Final[dict[str, Callable[[Limits], Measured]]] = {
    **{name: partial(run, name, race) for name, race in RACES.items()},
    "merge": partial(merge_and_send.run, "merge"),
    "event-log": partial(event_log.run, "event-log"),
    "latency": partial(latency.run, "latency"),
}


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = options.add_argument
    add("--only", nargs="+", choices=ROWS, metavar="NAME", help=f"of {', '.join(ROWS)}")
    add("--scale", type=float, default=1.0, help="of the messages")
    add("--rounds", type=int, default=5, help="default: %(default)s")
    add("--limit-s", type=float, default=120.0, help="no new round of a row after so long")
    add("--chart", type=Path, help="a PNG; its dark form beside it")
    add("--json", action="store_true", help="print JSON, not tables")
    add("--compiled", action="store_true", help="with the engine compiled, in a copy")
    given = options.parse_args()
    if given.compiled:
        sys.exit(_run_compiled([one for one in sys.argv[1:] if one != "--compiled"]))
    limits = Limits(scale=given.scale, rounds=given.rounds, limit_s=given.limit_s)
    findings: list[Finding] = []
    all_rows: list[Row] = []
    for name in given.only or ROWS:
        try:
            rows, found = ROWS[name](limits)
        except ServerMissing as exc:
            print(f"{name} is left out: {exc}", file=sys.stderr)
            continue
        findings += found
        all_rows += rows
        if not given.json:
            show(rows, {}, as_json=False)
            print(flush=True)
    if given.json:
        goals = [asdict(one) | {"is_met": one.is_met} for one in findings]
        print(json.dumps({"rows": all_rows, "goals": goals}, indent=1))
    elif findings:
        show([one.to_row() for one in findings], {}, as_json=False)
    if given.chart is not None:
        draw(findings, given.chart)


def _run_compiled(arguments: list[str]) -> int:
    """Measure the same in a copy of the checkout whose engine is compiled."""
    with tempfile.TemporaryDirectory() as home:
        copy = compiled_copy(Path(home))
        # -P: not the modules of the folder this is run in.
        command = [sys.executable, "-P", "-m", "tests.benchmarks.throughput", *arguments]
        there = os.environ | {"PYTHONPATH": str(copy)}
        return subprocess.run(command, env=there, check=False).returncode


if __name__ == "__main__":
    main()
