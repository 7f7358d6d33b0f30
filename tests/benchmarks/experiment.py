"""How often an experiment alarms where there is nothing to find, and how often it finds.

    python -m tests.benchmarks.experiment [--rounds N] [--recipients N] [--json]

*A/A*: both levels are the same, the domains differ much in what they take; each run goes
through the whole engine on virtual time.  *Planted*: two accounts, whose servers refuse a
twentieth and a quarter.  *Lab*: the same two, a few times, to lab servers over loopback.
An alarm is an adjusted p-value below 0.05, so of A/A runs one in twenty is to alarm; an
interval of 95 % is to hold the true difference as often as it says.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Final

import pandas as pd

from smtpbook.accounts.account import Account
from smtpbook.delivery.run import Run
from smtpbook.experiments.effects import Effects
from smtpbook.experiments.experiment import Experiment
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.messages.template import Template
from smtpbook.rehearsal.model import Refusal, ServerModel
from smtpbook.statistics.proportions import wilson
from tests.benchmarks.output import Row, parser, show

REFUSED: Final = {"easy": 0.02, "fair": 0.2, "hard": 0.6, "odd": 0.35}
"""What share each domain refuses."""

LETTER: Final = Template(header_from="Ann <ann@x.example>", subject="s", text="t")
SAME: Final = {"subject": {"plain": "s", "same": "s"}}
_ACCOUNT: Final = Account(host="mx.example", port=25, tls="none", helo="client.example")
_MODEL: Final = ServerModel(
    name="domains that differ",
    refusals=tuple(
        Refusal(reply="550 5.7.1 no", verb="RCPT", domain=f"{name}.example", share=share)
        for name, share in REFUSED.items()
    ),
)
_KINDER, _STRICTER = 0.05, 0.25
_LAB_RUNS: Final = 10  # at most: they take their time
_COLUMNS: Final = ("alarms", "low", "high", "intervals that hold")


def people(number: int, seed: int) -> pd.DataFrame:
    """Make a list with domains of unequal size."""
    which = random.Random(seed).choices([*REFUSED], weights=[5, 3, 1, 1], k=number)
    return pd.DataFrame({"email": [f"p{n}@{who}.example" for n, who in enumerate(which)]})


def same_rehearsed(seed: int, number: int) -> Effects:
    """Send an A/A experiment on virtual time."""
    experiment = Experiment(SAME, seed=seed)
    campaign = experiment.campaign(
        "aa", _ACCOUNT, people(number, seed), LETTER, folder=None, connections=2
    )
    run = campaign.rehearse(_MODEL, seed=seed, progress=False)
    return experiment.effects(run.log)


def same_sent(seed: int, number: int) -> Effects:
    """Send an A/A experiment to a lab server."""
    experiment = Experiment(SAME, seed=seed)
    with Lab(seed=seed) as lab:
        lab.set(rcpt=Behaviour(reply="550 5.7.1 no", probability=0.2))
        run = experiment.run(
            "aa", lab.account, people(number, seed), LETTER, folder=None, progress=False
        )
    return experiment.effects(run.log)


def planted_rehearsed(seed: int, number: int) -> Effects:
    """Send an experiment with a planted effect on virtual time."""
    return _planted(seed, number, is_sent=False)


def planted_sent(seed: int, number: int) -> Effects:
    """Send an experiment with a planted effect to lab servers."""
    return _planted(seed, number, is_sent=True)


def _planted(seed: int, number: int, *, is_sent: bool) -> Effects:
    with Lab(seed=2 * seed) as kinder, Lab(seed=2 * seed + 1) as stricter:
        accounts = []
        for lab, share in ((kinder, _KINDER), (stricter, _STRICTER)):
            lab.set(rcpt=Behaviour(reply="550 5.7.1 no", probability=share))
            accounts.append(lab.account.replace(name=f"refuses {share:.0%}"))
        experiment = Experiment({"account": accounts}, seed=seed)
        campaign = experiment.campaign(
            "ab", None, people(number, seed), LETTER, folder=None
        )
        run: Run = (
            campaign.send(progress=False)
            if is_sent
            else campaign.rehearse(seed=seed, progress=False)
        )
    return experiment.effects(run.log)


def counted(runs: int, effects: Callable[[int], Effects], truth: float) -> dict[str, float]:
    """Count the runs that alarm, and the intervals that hold the truth."""
    alarms = holding = 0
    for seed in range(runs):
        row = effects(seed).pooled.iloc[0]
        alarms += int(row["p_adjusted"] < 0.05)
        holding += int(row["low"] <= truth <= row["high"])
    found = wilson(alarms, runs)
    cells = (found.estimate, found.low, found.high, holding / runs)
    return dict(zip(_COLUMNS, cells, strict=True))


def main() -> None:
    """Count and print."""
    options = parser(__doc__, rounds=300)
    options.add_argument("--recipients", type=int, default=200, help="of each experiment")
    given = options.parse_args()
    few, fall = min(given.rounds, _LAB_RUNS), _KINDER - _STRICTER
    rows: list[Row] = [
        {"experiments": name, "runs": runs}
        | counted(runs, partial(send, number=given.recipients), truth)
        for name, runs, send, truth in (
            ("A/A, rehearsed", given.rounds, same_rehearsed, 0.0),
            ("planted, rehearsed", max(given.rounds // 4, 1), planted_rehearsed, fall),
            ("A/A, to a lab", few, same_sent, 0.0),
            ("planted, to labs", few, planted_sent, fall),
        )
    ]
    show(rows, {}, as_json=given.json)


if __name__ == "__main__":
    main()
