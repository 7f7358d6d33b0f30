from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest

from smtpbook.log.frame import to_frame
from smtpbook.samples import sample
from tests.log.story import Story, day, suppressed

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _figures_are_closed() -> Iterator[None]:
    yield
    plt.close("all")


def _every_code() -> pd.DataFrame:
    story = Story()
    for code in (211, 220, 221, 250, 251, 354, 421, 450, 451, 452, 500, 501, 502, 503):
        for _ in range(code % 7 + 1):
            story.said("NOOP", "NOOP", f"{code} x")
    story.said("X$y^2$\u202e" + "Z" * 30, "X", "599 5.9.9 $\\frac{")
    return to_frame(story.rows)


def _one_row() -> pd.DataFrame:
    story = Story()
    story.said("NOOP", "NOOP", "250")
    return to_frame(story.rows)


def _one_code() -> pd.DataFrame:
    story = Story()
    for _ in range(50):
        story.said("NOOP", "NOOP", "250", latency_s=0.0, service_s=0.0)
    return to_frame(story.rows)


def _hours() -> pd.DataFrame:
    story = Story().opened()
    for n in range(60):
        story.message(f"p{n}@x.example", rcpt="450 4.2.0 later" if n % 5 else "250 Ok")
        story.time += 180_000_000
    return to_frame(story.rows)


_LOGS: dict[str, Callable[[], pd.DataFrame]] = {
    "empty": lambda: to_frame([]),
    "one row": _one_row,
    "one code, no time": _one_code,
    "a transcript without times": lambda: sample("swaks.txt"),
    "outcomes only": lambda: to_frame([suppressed("no@x.example")]),
    "every code": _every_code,
    "hours": _hours,
    "300 recipients": lambda: to_frame([*day(300), suppressed("no@x.example")]),
    "2,000 recipients": lambda: to_frame(day(2000)),
}
# Each is made once, when it is first asked for; not to be changed.
LOGS = {name: cache(make) for name, make in _LOGS.items()}


@pytest.fixture(params=LOGS)
def any_log(request: pytest.FixtureRequest) -> pd.DataFrame:
    """Logs of every size and oddity, one after the other."""
    log: pd.DataFrame = LOGS[request.param]()
    return log.copy()


@pytest.fixture(scope="session")
def one_day() -> pd.DataFrame:
    """300 recipients and one that is suppressed; not to be changed."""
    return to_frame([*day(300), suppressed("no@x.example")])


@pytest.fixture
def log(one_day: pd.DataFrame) -> pd.DataFrame:
    """300 recipients and one that is suppressed."""
    return one_day.copy()


@pytest.fixture
def empty_log() -> pd.DataFrame:
    return to_frame([])
