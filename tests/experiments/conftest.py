"""Lists of a few domains, a letter, and logs as an experiment would have left them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from smtpbook.events import row_of
from smtpbook.experiments.experiment import Experiment
from smtpbook.log.frame import to_frame
from smtpbook.messages.template import Template
from tests.campaign.conftest import home, serve_here

__all__ = ["home", "serve_here"]

DOMAINS = ("gmail.com", "outlook.com", "x.example")
SUBJECTS = {"plain": "News", "question": "Have you heard?"}


def people_of(count: int) -> pd.DataFrame:
    return pd.DataFrame({"email": [f"p{n}@{DOMAINS[n % 3]}" for n in range(count)]})


def log_of(
    experiment: Experiment,
    count: int,
    share: Callable[[str, str], float],
    seed: int = 1,
    **cells: object,
) -> pd.DataFrame:
    """Make the log of an experiment; `share` of an arm and a domain is accepted."""
    chance, rows = np.random.default_rng(seed), []
    for n, row in enumerate(experiment.assign(people_of(count)).people):
        domain = str(row["email"]).partition("@")[2]
        is_accepted = chance.random() < share(str(row["arm"]), domain)
        about = {
            "campaign_id": "c-1",
            "recipient": row["email"],
            "recipient_domain": domain,
            "attempt": 1,
            "arm": row["arm"],
            "block": row["block"],
            "session_id": f"s{n % 6}",
        }
        said = {"verb": "RCPT", "reply_code": 250, "service_s": chance.exponential(0.1)}
        outcome = "accepted" if is_accepted else "rejected"
        rows.append(row_of(time=2 * n, kind="command", **about, **said))
        rows.append(row_of(time=2 * n + 1, kind="outcome", outcome=outcome, **about))
    return to_frame(rows)


@pytest.fixture
def people() -> Callable[[int], pd.DataFrame]:
    return people_of


@pytest.fixture
def letter() -> Template:
    return Template(header_from="Ann <ann@x.test>", subject="Hello", text="Come.")


@pytest.fixture
def campaigns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "campaigns"
