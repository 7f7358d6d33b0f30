"""Rehearsals: how long a large one takes, and how well one predicts a real send.

    python -m tests.benchmarks.rehearsal [--recipients N] [--seconds N] [--json]

*Speed*: a campaign of six hours, at the pace that takes, against the assumed ordinary
server, with greylisting and retries until half an hour after the first try, in an
interpreter of its own.  *Prediction*: what a send to a lab server in another process takes
in earnest, and what the rehearsal of the same campaign, made before, said; once as fast as
the server lets it (``mixed-day``), once at a pace, with retries (``greylisting``, its five
minutes in two and a half seconds).  Ratios are rehearsed to real; 4yz counts replies.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import pandas as pd

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.lab.scenarios import scenario
from smtpbook.messages.template import Template
from smtpbook.pacing.retry import Retry
from tests.benchmarks.memory import measure
from tests.benchmarks.output import Row, parser, show
from tests.servers.lab import open_lab_process

_DOMAINS: Final = ("ordinary", "patience", "fullbox", "gone", "slowlane", "strictgate")
# What four connections bring through the mixed day in a second.
_MIXED_PER_S: Final = 120
_PACED_PER_S: Final = 20
_HOURS: Final = 6
_COLUMNS: Final = ("took s", "accepted", "4yz", "retries")

_PREPARE: Final = """\
import pandas as pd
import smtpbook as sb
count = given["recipients"]
people = pd.DataFrame({"email": [f"p{n}@d{n % 200}.example" for n in range(count)]})
people["name"] = [f"Person {n}" for n in range(count)]
letter = sb.Template(header_from="Ann <a@x.test>", subject="Hello {{ name }}", text="Come.")
account = sb.Account(host="mx.example", port=587)
campaign = sb.Campaign(
    "c", account, people, letter,
    pace=f"{1.1 * count / given['hours']:.0f}/hour",  # a tenth is tried again
    retry=sb.Retry(give_up_s=1800), folder=None,
)
"""
_MEASURED: Final = """\
import time
started = time.process_time()
run = campaign.rehearse(seed=1, progress=False)
counts = [run.took_s, run.counts["accepted"], run.deferrals, run.retries]
answer = [time.process_time() - started, *counts]
"""


def main() -> None:
    """Measure and print."""
    options = parser(__doc__, rounds=1)
    options.add_argument("--recipients", type=int, default=100_000, help="of the large one")
    options.add_argument("--seconds", type=float, default=120.0, help="of each real send")
    given = options.parse_args()
    rows: list[Row] = []
    ratios: dict[str, float] = {}
    cost = measure(_PREPARE, _MEASURED, recipients=given.recipients, hours=_HOURS)
    cpu_s, took_s, *counts = cost.answer
    name = f"{given.recipients:,} in {took_s / 3600:.1f} h, rehearsed"
    rows.append(_row(name, cost.elapsed_s, *counts))
    ratios |= {"CPU s of it": cpu_s, "MB it grew by": cost.growth_bytes / 1e6}
    ratios["times as fast as in earnest"] = took_s / cost.elapsed_s
    for case in CASES:
        real, rehearsed = compare(case, given.seconds)
        rows += [real, rehearsed]
        ratios |= {
            f"{name}, {case.scenario}": float(rehearsed[name]) / float(real[name])
            for name in _COLUMNS
            if real[name]
        }
    show(rows, ratios, as_json=given.json)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A send whose length is known."""

    scenario: str
    speed: float = 1.0
    per_s: int
    pace: str | None
    retry: Retry | None


CASES: Final = (
    Case(scenario="mixed-day", per_s=_MIXED_PER_S, pace=None, retry=None),
    Case(
        scenario="greylisting",
        speed=120.0,
        per_s=_PACED_PER_S // 2,  # each has to be tried twice
        pace=f"{_PACED_PER_S}/second",
        retry=Retry(after_s={"greylisted": [3.0]}),
    ),
)


def compare(case: Case, seconds: float) -> tuple[Row, Row]:
    """Rehearse, send, and tell of both: first what was real."""
    count = max(int(case.per_s * seconds), 12)
    people = pd.DataFrame(
        {"email": [f"p{n}@{_DOMAINS[n % len(_DOMAINS)]}.example" for n in range(count)]}
    )
    letter = Template(header_from="Ann <a@x.test>", subject="Hello", text="Come.")
    with open_lab_process(case.scenario, speed=case.speed) as port:
        account = Account(host="127.0.0.1", port=port, tls="none", is_lab=True)
        campaign = Campaign(
            "c", account, people, letter, pace=case.pace, retry=case.retry, folder=None
        )
        told = campaign.rehearse(scenario(case.scenario).faster(case.speed), progress=False)
        started = time.monotonic()
        run = campaign.send(progress=False)
        took_s = time.monotonic() - started
    deferrals = (run.log["reply_code"] // 100 == 4) & (run.log["kind"] != "outcome")
    tries = (run.log["kind"] == "outcome").sum()
    real = (run.counts["accepted"], int(deferrals.sum()), int(tries) - count)
    rehearsed = (told.counts["accepted"], told.deferrals, told.retries)
    return (
        _row(f"{case.scenario}, real", took_s, *real),
        _row(f"{case.scenario}, rehearsed", told.took_s, *rehearsed),
    )


def _row(what: str, took_s: float, *counts: int) -> Row:
    return {"what": what, **dict(zip(_COLUMNS, (took_s, *counts), strict=True))}


if __name__ == "__main__":
    main()
