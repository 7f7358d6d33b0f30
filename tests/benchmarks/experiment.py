"""How often an experiment alarms where there is nothing to find, and how often it finds.

``python -m tests.benchmarks.experiment`` sends many A/A experiments, and as many with a
planted effect, on virtual time through the whole engine; and a few to a lab server.  The
domains differ much in what they take.  Printed are the shares of experiments whose effect
has an adjusted p-value below 0.05, and of intervals that hold the true difference.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from functools import partial
from typing import Final

import pandas as pd

from smtpbook.accounts.account import Account
from smtpbook.delivery.run import Run
from smtpbook.experiments.experiment import Experiment
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.messages.template import Template
from smtpbook.rehearsal.model import Refusal, ServerModel
from smtpbook.statistics.proportions import wilson

DOMAINS: Final = {"easy": 0.02, "fair": 0.2, "hard": 0.6, "odd": 0.35}
"""What share each domain refuses."""

LETTER: Final = Template(header_from="Ann <ann@x.example>", subject="s", text="t")
ACCOUNT: Final = Account(host="mx.example", port=25, tls="none", helo="client.example")
MODEL: Final = ServerModel(
    name="domains that differ",
    refusals=tuple(
        Refusal(reply="550 5.7.1 no", verb="RCPT", domain=f"{name}.example", share=share)
        for name, share in DOMAINS.items()
    ),
)
SAME: Final = {"subject": {"plain": "s", "same": "s"}}
PLANTED: Final = {
    "sender": {"known": "Ann <ann@x.example>", "refused": "Ann <spam@x.example>"}
}


def people(number: int, seed: int) -> pd.DataFrame:
    """Make a list with domains of unequal size."""
    names, chance = list(DOMAINS), random.Random(seed)
    which = chance.choices(names, weights=[5, 3, 1, 1], k=number)
    return pd.DataFrame({"email": [f"p{n}@{who}.example" for n, who in enumerate(which)]})


def rehearsed(seed: int, number: int) -> tuple[Experiment, Run]:
    """Send an A/A experiment in memory."""
    experiment = Experiment(SAME, seed=seed)
    campaign = experiment.campaign(
        "aa", ACCOUNT, people(number, seed), LETTER, folder=None, connections=2
    )
    return experiment, campaign.rehearse(MODEL, seed=seed, progress=False)


def sent(seed: int, number: int, factors: dict[str, dict[str, str]]) -> Run:
    """Send an experiment to a lab server."""
    with Lab(seed=seed) as lab:
        lab.set(rcpt=Behaviour(reply="550 5.7.1 no", share=0.2))
        return Experiment(factors, seed=seed).run(
            "aa", lab.account, people(number, seed), LETTER, folder=None, progress=False
        )


def share_of_alarms(runs: int, send: Callable[[int], tuple[Experiment, Run]]) -> str:
    """Count the experiments that alarm, and the intervals that hold 0."""
    alarms = holding = 0
    for seed in range(runs):
        experiment, run = send(seed)
        row = experiment.effects(run.log).pooled.iloc[0]
        alarms += row["p_adjusted"] < 0.05
        holding += row["low"] <= 0 <= row["high"]
    return f"alarms {wilson(alarms, runs)}; intervals that hold 0: {holding / runs:.3f}"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--recipients", type=int, default=160)
    given = parser.parse_args()
    send = partial(rehearsed, number=given.recipients)
    print(f"A/A, {given.runs} rehearsals: {share_of_alarms(given.runs, send)}")


if __name__ == "__main__":
    main()
