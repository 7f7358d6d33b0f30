"""A simulated cluster: how long a large one takes, and how well it tells of a real send.

    python -m tests.benchmarks.cluster_simulation [--recipients N] [--large N] [--json]

*Speed*: a hundred million recipients in 100,000 domains, the largest with a twelfth of
them, on 200 workers of which two die.  *Prediction*: what one simulated worker takes,
divided by what a rehearsal takes, which runs the code that sends on virtual time; by single
recipients and by lots of ten.
"""

from __future__ import annotations

import resource
import time
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.fleet.simulate import simulate_cluster
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pace
from smtpbook.rehearsal.model import ORDINARY
from tests.benchmarks.output import Row, parser, show

CONTENT: Final = replace(ORDINARY, refusals=())
"""A server that refuses nobody, as all of a simulation."""

_DOMAINS: Final = 300


class Case(NamedTuple):
    """How one sender sends."""

    connections: int
    pace: Pace


CASES: Final = (
    Case(16, Pace("20/s", per_domain="2/s")),
    Case(16, Pace(per_domain="2/s")),
    Case(8, Pace()),
)


def main() -> None:
    """Measure and print."""
    options = parser(__doc__, rounds=1)
    options.add_argument("--recipients", type=int, default=100_000, help="of each compared")
    options.add_argument("--large", type=int, default=100_000_000, help="of the large one")
    given = options.parse_args()
    rows: list[Row] = []
    ratios: dict[str, float] = {}
    for case in CASES:
        took_s = compare(zipf(given.recipients, _DOMAINS), case, lots=(1, 10))
        real, single, tens = took_s
        name = f"{case.pace}, {case.connections} connections"
        rows.append({"what": name, "rehearsed s": real, "single s": single, "tens s": tens})
        ratios |= {f"{name}, single": single / real, f"{name}, tens": tens / real}
    domains, began = zipf(given.large, 100_000), time.process_time()
    large = simulate_cluster(
        domains,
        workers=200,
        connections=6400,
        pace="4000/s",
        killed={3: 3600.0, 5: 7200.0},
    )
    ratios[f"CPU s of {large.recipients:,} recipients"] = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ratios["MB at most"] = peak / 1e3
    ratios["hours that they take"] = large.took_s / 3600
    show(rows, ratios, as_json=given.json)


def zipf(recipients: int, domains: int) -> dict[str, int]:
    """Make domains of which the second has half as many as the first, and so on."""
    first = recipients / sum(1 / (k + 1) for k in range(domains))
    return {f"d{k}.example": max(1, round(first / (k + 1))) for k in range(domains)}


def compare(counts: dict[str, int], case: Case, lots: tuple[int, ...]) -> list[float]:
    """Give how long a rehearsal takes, and one simulated worker by each size of lots."""
    names = np.repeat(list(counts), list(counts.values()))
    np.random.default_rng(7).shuffle(names)
    campaign = Campaign(
        "c",
        Account(host="mx.example", port=587),
        pd.DataFrame({"email": [f"p{n}@{name}" for n, name in enumerate(names)]}),
        Template(header_from="Ann <ann@x.test>", subject="Hello", text="Come."),
        pace=case.pace,
        connections=case.connections,
        folder=None,
    )
    real = campaign.rehearse(CONTENT, seed=1, progress=False)
    assert real.counts["accepted"] == len(names)
    return [real.took_s] + [
        simulate_cluster(
            counts,
            workers=1,
            connections=case.connections,
            pace=case.pace,
            server=CONTENT,
            cpu_s=0.0,
            partitions=1,  # as one sender has the whole list
            lot=lot,
            seed=1,
        ).took_s
        for lot in lots
    ]


if __name__ == "__main__":
    main()
