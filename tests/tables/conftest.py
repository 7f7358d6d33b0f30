from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from smtpbook.log.frame import to_batch, to_frame
from smtpbook.log.store import write_log
from smtpbook.log.stream import Stream
from smtpbook.tables.scan import Log, scan_log
from tests.log.story import Story, day, suppressed

ROWS = [*day(300), suppressed("no@x.example")]


def _retried() -> Story:
    """A third of the recipients are tried once more, eight minutes later."""
    story = Story("late", start=ROWS[0][0] + 500_000_000).opened()
    for number in range(0, 300, 3):
        story.message(f"person{number}@domain{number % 12}.example", attempt=2)
    return story.closed()


LOG = to_frame([*ROWS, *_retried().rows])  # not to be changed


@pytest.fixture
def log() -> pd.DataFrame:
    """300 recipients, some of them tried twice, and one that is suppressed."""
    return LOG.copy()


@pytest.fixture
def empty_log() -> pd.DataFrame:
    return to_frame([])


def _parquet(folder: Path) -> Log:
    write_log(LOG, folder / "log.parquet")
    return scan_log(folder / "log.parquet")


def _growing(folder: Path) -> Log:
    """As a campaign leaves them: a file that is sealed, and a stream with a torn end."""
    write_log(to_frame(ROWS), folder / "log-0001.parquet")
    stream = Stream(folder / "log-0002.arrows")
    rows = _retried().rows
    for start in range(0, len(rows), 100):
        stream.append(to_batch(rows[start : start + 100]))
    with stream.path.open("ab") as file:
        file.write(stream.path.read_bytes()[-1000:-100])
    return scan_log(folder)


def _plain(folder: Path) -> Log:
    """As a frame may be that was not made here: text is text, numbers are floats."""
    log = LOG.copy()
    for name in log.columns[log.dtypes == "category"]:
        log[name] = log[name].astype(object)
    log["reply_code"] = log["reply_code"].astype("float64")
    log["recipient"] = log["recipient"].astype(object)
    return log.set_index("session_id", drop=False)


FORMS: dict[str, Callable[[Path], Log]] = {
    "a frame of plain types": _plain,
    "Parquet": _parquet,
    "a folder that grows": _growing,
}


@pytest.fixture(scope="session", params=FORMS)
def same_log(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Log:
    """What `log` is, in another form."""
    return FORMS[request.param](tmp_path_factory.mktemp("log"))


@pytest.fixture(scope="session", params=["a frame", "Parquet"])
def same_nothing(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Log:
    """A log without a row."""
    empty = to_frame([])
    if request.param == "a frame":
        return empty
    path = tmp_path_factory.mktemp("nothing") / "log.parquet"
    return scan_log(write_log(empty, path))


@pytest.fixture(scope="session", params=["a frame", "Parquet"])
def misnamed_log(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Log:
    """Two columns that every table needs one of are called something else."""
    log = LOG.head(10).rename(columns={"kind": "kinds", "time": "times"})
    if request.param == "a frame":
        return log
    path = tmp_path_factory.mktemp("misnamed") / "log.parquet"
    log.to_parquet(path)
    return scan_log(path)
