"""What every test has: charts without a display, and in CI no skipped test.

Trio's clock that jumps to the next deadline is pytest-trio's fixture `autojump_clock`.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

# Before anything imports matplotlib.
os.environ["MPLBACKEND"] = "Agg"
# Where it is set, every process that the tests start compiles the package again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# No test asks the keyring of whoever runs it, nor a child of it.
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.servers.postgresql import PostgreSQL

# Properties are checked on the same examples in every run, however slow the machine.
settings.register_profile("same", derandomize=True, database=None, deadline=None)
settings.load_profile("same")


_clean: list[str] = []  # working folders in which nothing was written


@pytest.fixture(autouse=True)
def _somewhere_else(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test has a working folder that is empty, and reads nothing of the user's."""
    # Most tests write nothing: a folder for each of them would take longer than they do.
    folder = _clean.pop() if _clean else tempfile.mkdtemp(prefix="smtpbook-")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SMTPBOOK_HOME", os.path.join(folder, "home"))
    yield
    monkeypatch.undo()
    if os.path.isdir(folder) and not os.listdir(folder):
        _clean.append(folder)
    else:
        # A panel that is drawn in a thread may look into a campaign's folder to the last.
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A private PostgreSQL on loopback; where there can be none, the test is skipped.

    It is here so that all rooms have the same one: to make it takes longer than most tests.
    """
    from tests.servers.postgresql import PostgreSQL
    from tests.servers.process import ServerMissing

    try:
        server = PostgreSQL.start()
    except ServerMissing as exc:
        pytest.skip(str(exc))
    with server:
        yield server


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    while _clean:
        shutil.rmtree(_clean.pop(), ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage among the tests: millions of objects, all of which stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that CI would skip, but for servers that only root may start."""
    report = yield
    if not (item.get_closest_marker("real_server") and os.geteuid() != 0):
        _fail_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[
    None, pytest.CollectReport, pytest.CollectReport
]:
    """Fail a whole file that CI would skip."""
    report = yield
    _fail_skipped(report)
    return report


def _fail_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    is_xfail = hasattr(report, "wasxfail")
    if os.environ.get("CI") and report.skipped and not is_xfail:
        *_, reason = report.longrepr if isinstance(report.longrepr, tuple) else ("",)
        report.outcome = "failed"
        report.longrepr = f"CI runs every test, but this one was left out: {reason}"
